// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/retomaton.h"

#include "base/error.h"
#include "base/stamped_map.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace retoscope {

namespace {

/// SplitMix64 (Steele et al. 2014): a good mix of 64 bits.
std::uint64_t mix(std::uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

} // namespace

struct RetomatonWalker::State
{
    std::shared_ptr<const Datastore> datastore;
    std::shared_ptr<const Clusters> clusters;
    AutomatonSettings settings;
    std::span<const std::int32_t> values;          ///< of the datastore; asked for once, as the steps' loops are short
    std::span<const std::uint64_t> documentEnds;   ///< bits

    std::vector<std::int32_t> current; ///< cur: entries that had the right value at the previous step, nearest first
    std::uint64_t step = 0;            ///< positions since reset(); part of the random state order
    RetomatonPlan plan;
    std::vector<std::int32_t> ids;     ///< C
    std::vector<float> distances;
    std::vector<std::uint8_t> matches;
    TokenId matchedToken;
    std::vector<std::pair<float, std::int32_t>> survivors; ///< distance, index in C
    std::vector<std::pair<std::uint64_t, std::int32_t>> states; ///< sort key, state; of the pointers
    StampedMap pointersPerState;
    StampedMap seen; ///< entries, where duplicates are dropped

    [[nodiscard]] bool reference() const { return settings.semantics == Semantics::Reference; }
    [[nodiscard]] bool hasPointer(std::int32_t entry) const;
    void countStates();
    [[nodiscard]] bool mustSearch() const;
    void extendByStates();
    void orderStates();
    bool appendMembers(std::int32_t state);
};

RetomatonWalker::RetomatonWalker(std::shared_ptr<const Datastore> datastore, std::shared_ptr<const Clusters> clusters,
                                 const AutomatonSettings &settings)
    : m_state(std::make_unique<State>())
{
    validate(settings);
    if (clusters && clusters->entries() != datastore->size())
        fail(ErrorKind::Mismatch, "The clusters cover {} entries, but the datastore has {}; build the clusters of this datastore.",
             clusters->entries(), datastore->size());
    m_state->values = datastore->values();
    m_state->documentEnds = datastore->documentEndBits();
    m_state->datastore = std::move(datastore);
    m_state->clusters = std::move(clusters);
    m_state->settings = settings;
}

RetomatonWalker::RetomatonWalker(const RetomatonWalker &other) : m_state(std::make_unique<State>(*other.m_state)) {}

RetomatonWalker &RetomatonWalker::operator=(const RetomatonWalker &other)
{
    if (this != &other)
        *m_state = *other.m_state;
    return *this;
}

RetomatonWalker::~RetomatonWalker() = default;

void RetomatonWalker::reset()
{
    m_state->current.clear();
    m_state->step = 0;
}

/// The released code asks only for id < N − 1, which −1 satisfies: its pointer is entry 0.
bool RetomatonWalker::State::hasPointer(std::int32_t entry) const
{
    if (settings.stopAtDocumentEnds && entry >= 0)
        return (documentEnds[std::size_t(entry) / 64] >> (entry % 64) & 1) == 0;
    return entry < std::int64_t(values.size()) - 1;
}

void RetomatonWalker::resume(std::span<const std::int32_t> current, std::uint64_t step)
{
    m_state->current.assign(current.begin(), current.end());
    m_state->step = step;
}

const RetomatonPlan &RetomatonWalker::plan()
{
    State &s = *m_state;
    RetomatonPlan &plan = s.plan;
    plan.survivors = static_cast<std::int32_t>(s.current.size());
    plan.pointers.clear();
    if (s.settings.pointers) {
        for (const std::int32_t entry : s.current)
            plan.pointers.push_back(entry + 1);
    }
    s.countStates();
    plan.search = s.mustSearch();
    if (plan.pointers.size() > std::size_t(s.settings.maxKnns))
        plan.pointers.resize(std::size_t(s.settings.maxKnns));
    plan.directPointers = static_cast<std::int32_t>(plan.pointers.size());
    if (s.clusters && !plan.pointers.empty() && plan.directPointers < s.settings.maxKnns)
        s.extendByStates();
    ++s.step;
    return plan;
}

const RetomatonPlan &RetomatonWalker::lastPlan() const
{
    return m_state->plan;
}

/// How many pointers fall in each state.
void RetomatonWalker::State::countStates()
{
    states.clear();
    pointersPerState.clear();
    if (clusters) {
        const std::span<const std::int32_t> stateOf = clusters->stateOf();
        for (const std::int32_t pointer : plan.pointers) {
            const std::int32_t state = stateOf[std::size_t(pointer)];
            bool first = false;
            ++pointersPerState.at(state, first);
            if (first)
                states.emplace_back(0, state);
        }
    }
    plan.survivorStates = static_cast<std::int32_t>(states.size());
}

bool RetomatonWalker::State::mustSearch() const
{
    if (!settings.pointers)
        return true;
    // Without clusters every entry is its own state.
    const bool countsStates = settings.count == CountRule::States && clusters;
    return (countsStates ? plan.survivorStates : plan.survivors) < settings.minKnns;
}

/// Appends the members of the pointers' states until there are max_knns candidates.
void RetomatonWalker::State::extendByStates()
{
    if (settings.deduplicate) {
        seen.clear();
        for (const std::int32_t pointer : plan.pointers)
            seen.insert(pointer);
    }
    orderStates();
    if (settings.ties == TieOrder::StdSort) {
        for (const auto &[key, state] : states) {
            if (!appendMembers(state))
                return;
        }
        return;
    }
    // The keys are all different, and a few states fill max_knns: a heap gives them in order without sorting the rest.
    const auto later = std::greater<>{};
    std::make_heap(states.begin(), states.end(), later);
    for (auto end = states.end(); end != states.begin(); --end) {
        std::pop_heap(states.begin(), end, later);
        if (!appendMembers(std::prev(end)->second))
            return;
    }
}

/// Gives each state its sort key; with TieOrder::StdSort also sorts as the released code did.
void RetomatonWalker::State::orderStates()
{
    for (auto &[key, state] : states) {
        if (settings.order == StateOrder::Random) {
            key = mix(mix(settings.seed ^ mix(step)) ^ std::uint64_t(state));
        } else {
            bool inserted = false;
            key = ~std::uint64_t(pointersPerState.at(state, inserted)); // more pointers first; pairs break ties by state
        }
    }
    if (settings.ties == TieOrder::StdSort) {
        // torch.unique gives the states ascending, torch.argsort(-counts) sorts them unstably by the count alone.
        std::sort(states.begin(), states.end(), [](const auto &a, const auto &b) { return a.second < b.second; });
        std::sort(states.begin(), states.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    }
}

/// False when max_knns is reached.
bool RetomatonWalker::State::appendMembers(std::int32_t state)
{
    const std::span<const std::int32_t> members = clusters->membersOf(StateId(state));
    const std::size_t limit = std::size_t(settings.maxKnns);
    std::vector<std::int32_t> &pointers = plan.pointers;
    if (!settings.deduplicate) {
        const std::size_t room = std::min(limit - pointers.size(), members.size());
        pointers.insert(pointers.end(), members.begin(), members.begin() + std::ptrdiff_t(room));
        return pointers.size() < limit;
    }
    // An entry belongs to one state, so only a direct pointer can come twice.
    for (const std::int32_t member : members) {
        if (pointers.size() == limit)
            return false;
        if (!seen.contains(member))
            pointers.push_back(member);
    }
    return pointers.size() < limit;
}

RetomatonWalker::Candidates RetomatonWalker::combine(std::span<const std::int32_t> foundIds, std::span<const float> foundDistances)
{
    State &s = *m_state;
    s.ids.clear();
    s.distances.clear();
    s.seen.clear();
    s.matchedToken = TokenId();
    // Nothing comes twice among the pointers of a plan that drops duplicates: only the search can have been there before.
    const bool drops = s.settings.deduplicate;
    const bool pointersMayRepeat = drops && !foundIds.empty();
    for (std::size_t j = 0; j < foundIds.size(); ++j) {
        if ((foundIds[j] < 0 && !s.reference()) || (drops && !s.seen.insert(foundIds[j])))
            continue;
        s.ids.push_back(foundIds[j]);
        s.distances.push_back(foundDistances[j]);
    }
    const auto append = [&](std::span<const std::int32_t> ids) {
        const std::size_t before = s.ids.size();
        if (pointersMayRepeat)
            std::ranges::copy_if(ids, std::back_inserter(s.ids), [&](std::int32_t id) { return !s.seen.contains(id); });
        else
            s.ids.insert(s.ids.end(), ids.begin(), ids.end());
        return static_cast<std::int32_t>(s.ids.size() - before);
    };
    const std::size_t direct = std::size_t(s.plan.directPointers);
    const std::span<const std::int32_t> pointers = s.plan.pointers;
    Candidates candidates;
    candidates.found = static_cast<std::int32_t>(s.ids.size());
    candidates.direct = append(pointers.first(direct));
    append(pointers.subspan(direct));
    s.distances.resize(s.ids.size());
    candidates.ids = s.ids;
    candidates.distances = s.distances;
    candidates.pointerDistances = std::span(s.distances).subspan(std::size_t(candidates.found));
    return candidates;
}

std::span<const std::uint8_t> RetomatonWalker::matches(TokenId token)
{
    State &s = *m_state;
    if (s.matchedToken == token && token.valid())
        return s.matches;
    s.matches.resize(s.ids.size());
    // Python's index −1 of the released code reads the last entry. No call and no branch here: the values lie all over the
    // datastore, and many of these reads must be under way at once.
    const std::int32_t *values = s.values.data();
    const std::int32_t last = static_cast<std::int32_t>(s.values.size()) - 1;
    for (std::size_t j = 0; j < s.ids.size(); ++j) {
        const std::int32_t id = s.ids[j];
        s.matches[j] = values[id >= 0 ? id : last] == token.value;
    }
    s.matchedToken = token;
    return s.matches;
}

void RetomatonWalker::observe(TokenId token)
{
    State &s = *m_state;
    const std::span<const std::uint8_t> right = matches(token);
    s.survivors.clear();
    for (std::size_t j = 0; j < right.size(); ++j) {
        if (right[j] && s.hasPointer(s.ids[j]))
            s.survivors.emplace_back(s.distances[j], static_cast<std::int32_t>(j));
    }
    if (s.settings.ties == TieOrder::StdSort)
        std::sort(s.survivors.begin(), s.survivors.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    else
        std::sort(s.survivors.begin(), s.survivors.end()); // the index breaks ties: earlier candidate first
    s.current.clear();
    for (const auto &[distance, j] : s.survivors)
        s.current.push_back(s.ids[std::size_t(j)]);
}

std::span<const std::int32_t> RetomatonWalker::current() const
{
    return m_state->current;
}

} // namespace retoscope
