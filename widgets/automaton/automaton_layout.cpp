// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/automaton_layout.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace retoscope {

namespace {

std::int64_t keyOf(const AutomatonWindow &window, const AutomatonNode &node)
{
    return window.clustered ? node.state.value : window.entries[static_cast<std::size_t>(node.firstEntry)].entry.value;
}

class Layouter
{
public:
    Layouter(const AutomatonWindow &window, const AutomatonLayoutOptions &options, const AutomatonLayout *previous)
        : m_window(window), m_options(options), m_placed(window.nodes.size(), -1)
    {
        for (std::size_t c = 0; previous && c < previous->columns.size(); ++c) {
            for (const PlacedState &state : previous->statesOf(static_cast<int>(c)))
                m_before.emplace(std::pair(previous->columns[c].position, state.key), state.centre());
        }
    }

    AutomatonLayout layOut()
    {
        chooseStates();
        chooseEdges();
        for (int column = 0; column < columns(); ++column)
            setHeights(column);
        for (const bool forwards : {true, false, true})
            sweep(forwards);
        attachEdges();
        std::ranges::stable_sort(m_layout.edges, {}, &PlacedEdge::weight);
        return std::move(m_layout);
    }

private:
    [[nodiscard]] int columns() const { return static_cast<int>(m_layout.columns.size()); }
    [[nodiscard]] std::span<PlacedState> statesOf(int column)
    {
        const auto &c = m_layout.columns[static_cast<std::size_t>(column)];
        return std::span(m_layout.states).subspan(static_cast<std::size_t>(c.first), static_cast<std::size_t>(c.count));
    }

    /// The heaviest states of each column, and those with the heaviest pointers; the others become its rest bar.
    void chooseStates()
    {
        std::vector<double> importance;
        for (const AutomatonNode &node : m_window.nodes)
            importance.push_back(node.weight);
        for (const AutomatonEdge &edge : m_window.edges) {
            if (edge.weight < m_options.threshold)
                continue;
            for (const std::int32_t end : {edge.from, edge.to})
                importance[static_cast<std::size_t>(end)] = std::max(importance[static_cast<std::size_t>(end)], edge.weight);
        }
        for (std::size_t c = 0; c < m_window.steps.size(); ++c) {
            const AutomatonStep &step = m_window.steps[c];
            std::vector<std::int32_t> nodes(static_cast<std::size_t>(step.nodeCount));
            std::iota(nodes.begin(), nodes.end(), step.firstNode);
            std::ranges::stable_sort(nodes, std::greater(), [&](std::int32_t node) { return importance[static_cast<std::size_t>(node)]; });
            const std::size_t room = static_cast<std::size_t>(std::max(1, m_options.statesPerColumn));
            const std::size_t shown = nodes.size() <= room + 1 ? nodes.size() : room; // a rest of one state is that state
            AutomatonLayout::Column column{step.position, static_cast<std::int32_t>(m_layout.states.size()), 0};
            for (std::size_t i = 0; i < shown; ++i) {
                const AutomatonNode &node = m_window.nodes[static_cast<std::size_t>(nodes[i])];
                m_placed[static_cast<std::size_t>(nodes[i])] = static_cast<std::int32_t>(m_layout.states.size());
                m_layout.states.push_back({nodes[i], static_cast<std::int32_t>(c), keyOf(m_window, node), node.weight, node.targetWeight});
            }
            if (shown < nodes.size()) {
                PlacedState rest{-1, static_cast<std::int32_t>(c)};
                rest.states = static_cast<std::int32_t>(nodes.size() - shown);
                for (std::size_t i = shown; i < nodes.size(); ++i) {
                    const AutomatonNode &node = m_window.nodes[static_cast<std::size_t>(nodes[i])];
                    rest.weight += node.weight;
                    rest.targetWeight += node.targetWeight;
                    m_placed[static_cast<std::size_t>(nodes[i])] = static_cast<std::int32_t>(m_layout.states.size());
                }
                m_layout.states.push_back(rest);
            }
            column.count = static_cast<std::int32_t>(m_layout.states.size()) - column.first;
            m_layout.columns.push_back(column);
        }
    }

    void chooseEdges()
    {
        std::map<std::pair<std::int32_t, std::int32_t>, PlacedEdge> edges; // folded states share theirs
        for (const AutomatonEdge &edge : m_window.edges) {
            if (edge.weight < m_options.threshold) {
                ++m_layout.hiddenEdges;
                continue;
            }
            const std::int32_t from = m_placed[static_cast<std::size_t>(edge.from)], to = m_placed[static_cast<std::size_t>(edge.to)];
            PlacedEdge &placed = edges[{from, to}];
            placed.from = from;
            placed.to = to;
            placed.pointers += edge.pointers;
            placed.weight += edge.weight;
        }
        for (const auto &[ends, edge] : edges)
            m_layout.edges.push_back(edge);
    }

    /// Heights from weights, then tops in the present order.
    void setHeights(int column)
    {
        const auto states = statesOf(column);
        const double total = std::accumulate(states.begin(), states.end(), 0.0, [](double sum, const PlacedState &state) { return sum + state.weight; });
        const double count = static_cast<double>(states.size());
        const double toShare = std::max(0.0, 1 - m_options.gap * (count - 1) - m_options.smallest * count);
        for (PlacedState &state : states)
            state.height = m_options.smallest + (total > 0 ? toShare * state.weight / total : 0);
        stack(column);
    }

    void stack(int column)
    {
        double top = 0;
        for (PlacedState &state : statesOf(column)) {
            state.top = top;
            top += state.height + m_options.gap;
        }
    }

    /// Each state to the mean height of its neighbours in the column before (forwards) or after.
    void sweep(bool forwards)
    {
        for (int i = 0; i < columns(); ++i)
            reorder(forwards ? i : columns() - 1 - i, forwards);
    }

    void reorder(int column, bool forwards)
    {
        const auto states = statesOf(column);
        const auto first = m_layout.columns[static_cast<std::size_t>(column)].first;
        struct Pull
        {
            double sum = 0, weight = 0;
        };
        std::vector<Pull> pulls(states.size());
        for (const PlacedEdge &edge : m_layout.edges) {
            const std::int32_t here = forwards ? edge.to : edge.from, there = forwards ? edge.from : edge.to;
            if (here < first || here >= first + static_cast<std::int32_t>(states.size()))
                continue;
            Pull &pull = pulls[static_cast<std::size_t>(here - first)];
            pull.sum += edge.weight * m_layout.states[static_cast<std::size_t>(there)].centre();
            pull.weight += edge.weight;
        }
        const auto targetOf = [&](std::size_t i) {
            const PlacedState &state = states[i];
            if (state.isRest())
                return restTarget;
            const auto before = m_before.find({m_layout.columns[static_cast<std::size_t>(column)].position, state.key});
            if (before != m_before.end())
                return before->second;
            if (pulls[i].weight > 0)
                return pulls[i].sum / pulls[i].weight;
            return forwards ? 1 + state.centre() : state.centre(); // nothing points to it: below those, in their order
        };
        std::vector<std::pair<double, std::size_t>> order;
        for (std::size_t i = 0; i < states.size(); ++i)
            order.emplace_back(targetOf(i), i);
        std::ranges::stable_sort(order, {}, &std::pair<double, std::size_t>::first);
        const std::vector<PlacedState> unordered(states.begin(), states.end());
        std::vector<std::int32_t> movedTo(states.size());
        for (std::size_t at = 0; at < order.size(); ++at) {
            states[at] = unordered[order[at].second];
            movedTo[order[at].second] = first + static_cast<std::int32_t>(at);
        }
        for (PlacedEdge &edge : m_layout.edges) {
            for (std::int32_t *end : {&edge.from, &edge.to}) {
                if (*end >= first && *end < first + static_cast<std::int32_t>(states.size()))
                    *end = movedTo[static_cast<std::size_t>(*end - first)];
            }
        }
        stack(column);
    }

    /// Pointers share the height of their state by weight, in the order of their other ends.
    void attachEdges()
    {
        std::vector<std::vector<std::size_t>> leaving(m_layout.states.size()), arriving(m_layout.states.size());
        for (std::size_t e = 0; e < m_layout.edges.size(); ++e) {
            leaving[static_cast<std::size_t>(m_layout.edges[e].from)].push_back(e);
            arriving[static_cast<std::size_t>(m_layout.edges[e].to)].push_back(e);
        }
        for (std::size_t s = 0; s < m_layout.states.size(); ++s) {
            spread(m_layout.states[s], leaving[s], &PlacedEdge::to, &PlacedEdge::fromY);
            spread(m_layout.states[s], arriving[s], &PlacedEdge::from, &PlacedEdge::toY);
        }
    }

    void spread(const PlacedState &state, std::vector<std::size_t> &edges, std::int32_t PlacedEdge::*otherEnd, double PlacedEdge::*y)
    {
        std::ranges::stable_sort(edges, {}, [&](std::size_t e) { return m_layout.edges[e].*otherEnd; }); // stored from top to bottom
        double total = 0, before = 0;
        for (const std::size_t e : edges)
            total += m_layout.edges[e].weight;
        for (const std::size_t e : edges) {
            const double share = total > 0 ? m_layout.edges[e].weight / total : 1.0 / static_cast<double>(edges.size());
            m_layout.edges[e].*y = state.top + state.height * (before + share / 2);
            before += share;
        }
    }

    static constexpr double restTarget = 1e9; // always at the foot

    const AutomatonWindow &m_window;
    const AutomatonLayoutOptions m_options;
    std::vector<std::int32_t> m_placed; ///< node → state
    std::map<std::pair<Position, std::int64_t>, double> m_before;
    AutomatonLayout m_layout;
};

} // namespace

AutomatonLayout layOutAutomaton(const AutomatonWindow &window, const AutomatonLayoutOptions &options, const AutomatonLayout *previous)
{
    return Layouter(window, options, previous).layOut();
}

} // namespace retoscope
