// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/automaton_window.h"

#include "base/error.h"
#include "base/job.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

namespace retoscope {

namespace {

using Origin = Replay::PositionCandidates::Origin;

SearchReason reasonOf(const RetomatonPlan &plan, bool startsSequence, bool clustered, const AutomatonSettings &settings)
{
    if (!plan.search)
        return SearchReason::Saved;
    if (!settings.pointers)
        return SearchReason::PointersOff;
    if (settings.minKnns == AutomatonSettings::alwaysSearch)
        return SearchReason::AlwaysSearch;
    if (startsSequence)
        return SearchReason::SequenceStart;
    return settings.count == CountRule::States && clustered ? SearchReason::TooFewStates : SearchReason::TooFewEntries;
}

/// Adds one visited position after the other.
class WindowBuilder
{
public:
    WindowBuilder(const Replay &replay, AutomatonWindow &window)
        : m_window(window), m_targets(replay.trace()->arrays().targets), m_values(replay.trace()->datastore()->values()),
          m_stateOf(window.clustered ? replay.clusters()->stateOf() : std::span<const std::int32_t>())
    {
    }

    /// The position before the window: only what became of its candidates counts.
    void remember(const Replay::Visit &visit)
    {
        m_candidatesBefore = static_cast<std::int32_t>(visit.candidates.ids.size());
        const TokenId target(m_targets[std::size_t(visit.position.value)]);
        m_matchingBefore = static_cast<std::int32_t>(std::ranges::count_if(visit.candidates.ids, [&](std::int32_t id) { return m_values[std::size_t(id)] == target.value; }));
    }

    void add(const Replay::Visit &visit)
    {
        addStep(visit);
        addNodes(visit);
        addEdges();
        remember(visit);
        m_current.assign(visit.current.begin(), visit.current.end());
        m_nodeBefore = std::move(m_nodeOf);
    }

private:
    struct Place
    {
        std::int32_t node = 0;
        double weight = 0; ///< of all occurrences of the entry
    };

    void addStep(const Replay::Visit &visit)
    {
        const auto &candidates = visit.candidates;
        AutomatonStep step;
        step.position = visit.position;
        step.target = TokenId(m_targets[std::size_t(visit.position.value)]);
        step.searched = candidates.plan.search;
        step.startsSequence = visit.startsSequence;
        step.reason = reasonOf(candidates.plan, visit.startsSequence, m_window.clustered, m_window.settings.automaton);
        step.survivors = candidates.plan.survivors;
        step.survivorStates = candidates.plan.survivorStates;
        step.found = static_cast<std::int32_t>(std::ranges::count(candidates.origins, Origin::Search));
        step.direct = static_cast<std::int32_t>(std::ranges::count(candidates.origins, Origin::Pointer));
        step.members = static_cast<std::int32_t>(std::ranges::count(candidates.origins, Origin::State));
        step.continuing = static_cast<std::int32_t>(visit.current.size());
        if (!visit.startsSequence) {
            step.candidatesBefore = m_candidatesBefore;
            step.matchingBefore = m_matchingBefore;
        }
        m_window.steps.push_back(step);
    }

    /// Groups the candidates by state, heaviest first.
    void addNodes(const Replay::Visit &visit)
    {
        AutomatonStep &step = m_window.steps.back();
        const auto &candidates = visit.candidates;
        const std::unordered_set<std::int32_t> current(visit.current.begin(), visit.current.end());
        std::unordered_map<std::int32_t, std::vector<std::size_t>> groups; // state or entry → candidates
        for (std::size_t i = 0; i < candidates.ids.size(); ++i) {
            const std::int32_t id = candidates.ids[i];
            groups[m_window.clustered ? m_stateOf[std::size_t(id)] : id].push_back(i);
        }
        step.firstNode = static_cast<std::int32_t>(m_window.nodes.size());
        step.nodeCount = static_cast<std::int32_t>(groups.size());
        std::vector<std::pair<double, std::int32_t>> order; // negated weight, group: the state breaks ties
        for (const auto &[group, members] : groups) {
            const double weight = std::accumulate(members.begin(), members.end(), 0.0, [&](double sum, std::size_t i) { return sum + candidates.weights[i]; });
            order.emplace_back(-weight, group);
        }
        std::ranges::sort(order);
        m_nodeOf.clear();
        for (const auto &[negatedWeight, group] : order) {
            AutomatonNode node;
            node.state = m_window.clustered ? StateId(group) : StateId();
            node.step = static_cast<std::int32_t>(m_window.steps.size()) - 1;
            node.weight = -negatedWeight;
            node.firstEntry = static_cast<std::int32_t>(m_window.entries.size());
            auto &members = groups[group];
            node.entryCount = static_cast<std::int32_t>(members.size());
            std::ranges::stable_sort(members, [&](std::size_t a, std::size_t b) { return candidates.weights[a] > candidates.weights[b]; });
            for (const std::size_t i : members) {
                const std::int32_t id = candidates.ids[i];
                AutomatonEntry entry{EntryId(id), TokenId(m_values[std::size_t(id)]), candidates.distances[i], static_cast<float>(candidates.weights[i]), candidates.origins[i]};
                entry.isTarget = entry.value == step.target;
                entry.continues = entry.isTarget && current.contains(id);
                if (entry.isTarget) {
                    node.targetWeight += candidates.weights[i];
                    ++step.matching;
                }
                node.continuing += entry.continues;
                Place &place = m_nodeOf[id];
                place.node = static_cast<std::int32_t>(m_window.nodes.size());
                place.weight += candidates.weights[i];
                m_window.entries.push_back(entry);
            }
            step.targetProbability += node.targetWeight;
            m_window.nodes.push_back(node);
        }
    }

    /// From where cur was at the step before to where its pointers are now. Pointers that max_knns cut off lead nowhere.
    void addEdges()
    {
        if (m_window.steps.size() < 2 || m_window.steps.back().startsSequence)
            return;
        std::map<std::pair<std::int32_t, std::int32_t>, AutomatonEdge> edges;
        std::unordered_set<std::int32_t> seen;
        for (const std::int32_t id : m_current) {
            const auto from = m_nodeBefore.find(id), to = m_nodeOf.find(id + 1);
            if (from == m_nodeBefore.end() || to == m_nodeOf.end())
                continue;
            AutomatonEdge &edge = edges[{from->second.node, to->second.node}];
            edge.from = from->second.node;
            edge.to = to->second.node;
            ++edge.pointers;
            if (seen.insert(id).second) // the released code may follow a pointer twice
                edge.weight += to->second.weight;
        }
        const auto first = static_cast<std::ptrdiff_t>(m_window.edges.size());
        for (const auto &[ends, edge] : edges)
            m_window.edges.push_back(edge);
        std::stable_sort(m_window.edges.begin() + first, m_window.edges.end(), [](const AutomatonEdge &a, const AutomatonEdge &b) { return a.weight > b.weight; });
    }

    AutomatonWindow &m_window;
    std::span<const std::int32_t> m_targets, m_values, m_stateOf;
    std::unordered_map<std::int32_t, Place> m_nodeOf, m_nodeBefore; ///< by entry
    std::vector<std::int32_t> m_current;
    std::int32_t m_candidatesBefore = 0, m_matchingBefore = 0;
};

} // namespace

AutomatonWindow automatonWindow(const Replay &replay, Position first, std::int64_t count, const EvaluationSettings &settings, JobControl &job)
{
    if (settings.method != Method::Retomaton)
        fail(ErrorKind::BadInput, "Only RetoMaton walks an automaton, but the method is {}; choose RetoMaton.", toString(settings.method));
    const std::int64_t positions = replay.trace()->arrays().positions;
    const std::int64_t begin = std::clamp<std::int64_t>(first.value, 0, positions), end = std::clamp<std::int64_t>(first.value + count, begin, positions);
    const std::int64_t before = begin > 0 && end > begin ? 1 : 0; // the step that the first reason speaks of

    AutomatonWindow window;
    window.settings = settings;
    window.clustered = settings.useClusters && replay.clusters() != nullptr;
    WindowBuilder builder(replay, window);
    replay.visit(Position(begin - before), end - begin + before, settings, job, [&](const Replay::Visit &visit) {
        if (visit.position.value < begin)
            builder.remember(visit);
        else
            builder.add(visit);
    });
    return window;
}

std::string reasonText(const AutomatonStep &step, const EvaluationSettings &settings)
{
    const bool states = settings.automaton.count == CountRule::States && step.survivorStates > 0;
    const std::int32_t counted = states ? step.survivorStates : step.survivors;
    const std::string survivors = formatCount(counted) + (states ? counted == 1 ? " state" : " states" : counted == 1 ? " survivor" : " survivors");
    const std::string minKnns = formatCount(settings.automaton.minKnns);
    switch (step.reason) {
    case SearchReason::Saved:
        return fmt::format("saved: {} ≥ min_knns {}", survivors, minKnns);
    case SearchReason::PointersOff:
        return "searched: pointers are switched off";
    case SearchReason::AlwaysSearch:
        return "searched: min_knns is ∞";
    case SearchReason::SequenceStart:
        return settings.reference() ? "searched: first position of a forward call" : "searched: first position of a document";
    case SearchReason::TooFewEntries:
    case SearchReason::TooFewStates:
        break;
    }
    std::string text = fmt::format("searched: {} < min_knns {}", survivors, minKnns);
    if (step.matchingBefore == 0)
        text += fmt::format(", as none of the {} candidates before had the right token", formatCount(step.candidatesBefore));
    else if (step.matchingBefore > step.survivors)
        text += fmt::format(", as {} of the {} that had the right token end a document", formatCount(step.matchingBefore - step.survivors), formatCount(step.matchingBefore));
    return text;
}

} // namespace retoscope
