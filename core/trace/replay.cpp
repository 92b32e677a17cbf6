// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/replay.h"

#include "base/error.h"
#include "base/job.h"
#include "base/stamped_map.h"
#include "base/threads.h"
#include "datastore/distance.h"
#include "predict/knn_distribution.h"
#include "trace/evaluation_tally.h"
#include "trace/pointer_distances.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <list>
#include <mutex>
#include <numeric>

namespace retoscope {

namespace {

constexpr double minusInfinity = -std::numeric_limits<double>::infinity();

/// Where the automaton stood at every so many positions of a walk, so that a view that opens a token late in a document
/// need not walk there from its beginning.
class WalkStations
{
public:
    WalkStations() = default;
    explicit WalkStations(std::int64_t positions) : m_apart(std::max(nearest, positions / mostStations)), m_current(std::size_t(positions / m_apart + 1)) {}

    /// `walker` is about to plan `position`. From several threads at once, each position from one.
    void pass(std::int64_t position, const RetomatonWalker &walker)
    {
        if (position % m_apart == 0)
            m_current[std::size_t(position / m_apart)].assign(walker.current().begin(), walker.current().end());
    }

    /// Puts a fresh walker where it can walk to `position` soonest; returns that position. `start`: of its sequence.
    std::int64_t enter(RetomatonWalker &walker, std::int64_t start, std::int64_t position) const
    {
        const std::int64_t station = position / m_apart * m_apart;
        if (m_current.empty() || station <= start)
            return start;
        walker.resume(m_current[std::size_t(station / m_apart)], std::uint64_t(station - start));
        return station;
    }

    [[nodiscard]] std::size_t bytes() const
    {
        return std::accumulate(m_current.begin(), m_current.end(), std::size_t(0),
                               [](std::size_t sum, const auto &current) { return sum + sizeof current + current.size() * sizeof(std::int32_t); });
    }

private:
    static constexpr std::int64_t nearest = 64, mostStations = 4096; ///< a hundred steps are some 5 ms, a station at most a few kB
    std::int64_t m_apart = 1;
    std::vector<std::vector<std::int32_t>> m_current; ///< cur, by position / m_apart; empty: there was no walk
};

/// What the automaton decided at each position; neither λ nor T changes it.
struct Decisions
{
    std::vector<std::uint8_t> searched;
    std::vector<std::int32_t> candidates;
    std::vector<std::int32_t> survivors;
    std::int64_t searches = 0;
    double fossReference = 0;
    WalkStations stations;

    explicit Decisions(std::size_t positions) : searched(positions), candidates(positions), survivors(positions) {}

    [[nodiscard]] std::size_t bytes() const
    {
        return searched.size() * (sizeof searched[0] + sizeof candidates[0] + sizeof survivors[0]) + stations.bytes();
    }
};

/// Everything that an evaluation needs besides λ.
struct Retrieved
{
    std::shared_ptr<const Decisions> decisions;
    std::shared_ptr<const std::vector<double>> knnLogProbs; ///< log p_kNN(target)
};

/// Settings without what does not change a Retrieved, so that equal ones share it.
EvaluationSettings retrievalKey(const EvaluationSettings &settings, bool hasClusters)
{
    EvaluationSettings key = settings;
    key.lambda = 0;
    key.skipFraction = 0;
    key.skipSeed = 0;
    if (!hasClusters)
        key.useClusters = false;
    key.gate = {};
    if (key.method == Method::Adaptive) // a search everywhere as well; the gate only chooses which of them are used
        key.method = Method::KnnLm;
    if (key.method == Method::KnnLm) {
        key.automaton = AutomatonSettings{};
        key.automaton.semantics = settings.automaton.semantics;
        key.automaton.deduplicate = settings.automaton.deduplicate;
        key.useClusters = false;
        key.referenceBatch = 1;
    }
    return key;
}

/// Settings without what does not change the way of the automaton.
EvaluationSettings walkKey(const EvaluationSettings &settings, bool hasClusters)
{
    EvaluationSettings key = retrievalKey(settings, hasClusters);
    key.temperature = 1;
    return key;
}

/// A walk with all that it measured.
struct RecordedWalk
{
    EvaluationSettings key; ///< walkKey()
    std::shared_ptr<const Decisions> decisions;
    PointerDistances pointers;

    RecordedWalk(const EvaluationSettings &settings, std::int64_t positions, const std::shared_ptr<MemoryBudget> &budget)
        : key(settings), pointers(positions, budget)
    {
    }
    /// Whether its distances are those that other settings would measure.
    [[nodiscard]] bool measuresLike(const EvaluationSettings &other) const
    {
        return key.distances == other.distances && key.referenceSimilarity == other.referenceSimilarity;
    }
};

/// log p_kNN(target) of every position under several temperatures. Each position is set from one thread.
class TargetLogProbs
{
public:
    TargetLogProbs(std::size_t positions, std::span<const double> temperatures, Semantics semantics)
        : m_temperatures(temperatures), m_semantics(semantics)
    {
        for (std::size_t i = 0; i < temperatures.size(); ++i)
            m_values.push_back(std::make_shared<std::vector<double>>(positions));
    }

    void set(std::int64_t position, std::span<const float> distances, std::span<const std::uint8_t> matches)
    {
        for (std::size_t i = 0; i < m_temperatures.size(); ++i)
            (*m_values[i])[std::size_t(position)] = knnLogProb(distances, matches, m_temperatures[i], m_semantics);
    }

    /// One a temperature.
    [[nodiscard]] std::vector<Retrieved> with(const std::shared_ptr<const Decisions> &decisions) const
    {
        std::vector<Retrieved> results;
        for (const auto &values : m_values)
            results.push_back({decisions, values});
        return results;
    }

private:
    std::span<const double> m_temperatures;
    Semantics m_semantics;
    std::vector<std::shared_ptr<std::vector<double>>> m_values;
};

/// The most recent answers, within a bound of memory. Not thread-safe.
class RetrievedCache
{
public:
    [[nodiscard]] const Retrieved *find(const EvaluationSettings &key)
    {
        const auto found = std::find_if(m_entries.begin(), m_entries.end(), [&](const auto &entry) { return entry.first == key; });
        if (found == m_entries.end())
            return nullptr;
        m_entries.splice(m_entries.begin(), m_entries, found);
        return &m_entries.front().second;
    }

    /// The decisions of any answer with this walkKey(); null: none is known.
    [[nodiscard]] std::shared_ptr<const Decisions> findWalk(const EvaluationSettings &key) const
    {
        const auto found = std::find_if(m_entries.begin(), m_entries.end(), [&](const auto &entry) { return walkKey(entry.first, true) == key; });
        return found == m_entries.end() ? nullptr : found->second.decisions;
    }

    void insert(const EvaluationSettings &key, Retrieved retrieved)
    {
        if (find(key))
            return;
        const std::size_t bytesPerEntry = retrieved.knnLogProbs->size() * sizeof(double) + retrieved.decisions->bytes() + sizeof(EvaluationSettings);
        const std::size_t allowed = std::clamp<std::size_t>(maximalBytes / bytesPerEntry, 4, 1024);
        m_entries.emplace_front(key, std::move(retrieved));
        if (m_entries.size() > allowed)
            m_entries.pop_back();
    }

private:
    static constexpr std::size_t maximalBytes = std::size_t(256) << 20;
    std::list<std::pair<EvaluationSettings, Retrieved>> m_entries; ///< most recent first
};

/// Which recorded neighbours have the target as value, and which rows a plain pass over the arrays would get wrong.
struct Matches
{
    std::vector<std::uint8_t> match;     ///< [n × kMax]; 0 for id −1
    std::vector<std::uint8_t> irregular; ///< [n] the row has an id −1 or an id twice
};

/// The search results of one position.
struct Found
{
    std::span<const std::int32_t> ids;
    std::span<const float> distances;
    std::span<const std::uint8_t> matches;
};

/// Per thread; grows once.
struct Scratch
{
    std::vector<std::int32_t> ids;
    std::vector<float> distances;
    std::vector<std::uint8_t> matches;
    std::vector<float> reconstructed;
    std::vector<std::int32_t> rows;
    StampedMap seen;
    std::vector<std::int32_t> unknownIds, unknownAt; ///< pointers that no earlier walk measured
    std::vector<float> unknownDistances;
    StampedMap known;
};

/// Who asks for a walk. Each has its last walk kept, so that a sweep in the background leaves the sliders theirs.
enum class Asker { Evaluation, Sweep };

} // namespace

struct Replay::Impl
{
    std::shared_ptr<const Trace> trace;
    std::shared_ptr<const Clusters> clusters;
    Reconstruct reconstruct;
    GateSource gates;
    const TraceArrays &a;
    const Datastore &datastore;

    mutable std::mutex matchesMutex;
    mutable std::shared_ptr<const Matches> knownMatches;
    mutable std::mutex cacheMutex;
    mutable RetrievedCache cache;
    mutable std::array<std::shared_ptr<const RecordedWalk>, 2> lastWalks; ///< by Asker; under cacheMutex
    const std::shared_ptr<MemoryBudget> budget; ///< of the walks that are kept

    Impl(std::shared_ptr<const Trace> t, std::shared_ptr<const Clusters> c, Reconstruct r, GateSource g, std::int64_t walkBytes)
        : trace(std::move(t)), clusters(std::move(c)), reconstruct(std::move(r)), gates(std::move(g)), a(trace->arrays()), datastore(*trace->datastore()),
          budget(std::make_shared<MemoryBudget>(walkBytes))
    {
    }

    void check(const EvaluationSettings &settings) const;
    [[nodiscard]] std::shared_ptr<const Matches> matches(JobControl &job) const;
    [[nodiscard]] Found found(std::int64_t position, const EvaluationSettings &settings, const Matches &matches, Scratch &scratch) const;
    void measure(std::int64_t position, const EvaluationSettings &settings, std::span<const std::int32_t> ids, float *out) const;
    void measurePointers(std::int64_t position, const EvaluationSettings &settings, std::span<const std::int32_t> ids,
                         Scratch &scratch, float *out) const;
    void measureUnknown(std::int64_t position, const EvaluationSettings &settings, std::span<const std::int32_t> ids,
                        const PointerDistances::Row &known, Scratch &scratch, float *out) const;

    std::vector<Retrieved> retrieve(const EvaluationSettings &settings, std::span<const double> temperatures, Asker asker, JobControl &job) const;
    [[nodiscard]] std::vector<Retrieved> searchEverywhere(const EvaluationSettings &settings, std::span<const double> temperatures, JobControl &job) const;
    [[nodiscard]] std::vector<Retrieved> walkOrWeigh(const EvaluationSettings &settings, std::span<const double> temperatures, Asker asker, JobControl &job) const;
    [[nodiscard]] std::vector<Retrieved> walk(const EvaluationSettings &settings, std::span<const double> temperatures,
                                              const RecordedWalk *before, RecordedWalk &record, JobControl &job) const;
    [[nodiscard]] std::vector<Retrieved> weigh(const RecordedWalk &record, std::span<const double> temperatures, JobControl &job) const;
    RetomatonWalker::Candidates step(RetomatonWalker &walker, std::int64_t position, const EvaluationSettings &settings,
                                     const Matches &matches, const PointerDistances::Row &known, Scratch &scratch) const;
    [[nodiscard]] std::shared_ptr<const Decisions> knownWalk(const EvaluationSettings &settings) const;

    [[nodiscard]] RetomatonWalker walker(const EvaluationSettings &settings) const
    {
        return RetomatonWalker(trace->datastore(), settings.useClusters ? clusters : nullptr, settings.automaton);
    }
    [[nodiscard]] TokenId target(std::int64_t position) const { return TokenId(a.targets[std::size_t(position)]); }
};

Replay::Replay(std::shared_ptr<const Trace> trace, std::shared_ptr<const Clusters> clusters, Reconstruct reconstruct, GateSource gates, std::int64_t walkBytes)
    : m_impl(std::make_unique<Impl>(std::move(trace), std::move(clusters), std::move(reconstruct), std::move(gates), walkBytes))
{
    if (m_impl->clusters && m_impl->clusters->entries() != m_impl->datastore.size())
        fail(ErrorKind::Mismatch, "The clusters cover {} entries, but the trace's datastore has {}; use the clusters of that datastore.",
             m_impl->clusters->entries(), m_impl->datastore.size());
}

Replay::~Replay() = default;

std::shared_ptr<const GateDecisions> Replay::gate(const EvaluationSettings &settings, JobControl &job) const
{
    m_impl->check(settings);
    return m_impl->gates(settings, job);
}

const std::shared_ptr<const Trace> &Replay::trace() const { return m_impl->trace; }
const std::shared_ptr<const Clusters> &Replay::clusters() const { return m_impl->clusters; }

void Replay::Impl::check(const EvaluationSettings &settings) const
{
    validate(settings);
    if (settings.method == Method::Base)
        return;
    if (settings.k > a.kMax)
        fail(ErrorKind::BadInput, "k is {}, but the trace holds {} neighbours per position; choose a smaller k or record the trace with --k {}.",
             settings.k, a.kMax, settings.k);
    if (settings.method == Method::Adaptive && !gates)
        fail(ErrorKind::BadInput, "Adaptive retrieval needs a gate, and there is no second trace here to learn one from.");
    if (settings.method != Method::Retomaton)
        return;
    if (settings.useClusters && !clusters)
        fail(ErrorKind::BadInput, "RetoMaton with clusters was asked for, but there are none; build clusters, or follow pointers only (clusters none).");
    if (settings.distances == DistanceSource::Index && !trace->indexIsExact() && !reconstruct)
        fail(ErrorKind::BadInput, "The distances of the index need the index that the trace was recorded with; open it too, or use exact distances.");
}

std::shared_ptr<const Matches> Replay::Impl::matches(JobControl &job) const
{
    const std::scoped_lock lock(matchesMutex);
    if (knownMatches)
        return knownMatches;
    auto result = std::make_shared<Matches>();
    const std::size_t k = std::size_t(a.kMax);
    result->match.resize(a.neighbourIds.size());
    result->irregular.resize(std::size_t(a.positions));
    const std::span<const std::int32_t> values = datastore.values();
    parallelFor(a.positions, 128, [&](std::int64_t begin, std::int64_t end) {
        StampedMap seen;
        for (std::int64_t t = begin; t < end; ++t) {
            job.checkpoint();
            const std::span<const std::int32_t> ids = a.neighbourIds.subspan(std::size_t(t) * k, k);
            std::uint8_t *match = result->match.data() + std::size_t(t) * k;
            bool regular = true;
            seen.clear();
            for (std::size_t j = 0; j < k; ++j) {
                match[j] = ids[j] >= 0 && values[std::size_t(ids[j])] == a.targets[std::size_t(t)];
                regular = seen.insert(ids[j]) && ids[j] >= 0 && regular;
            }
            result->irregular[std::size_t(t)] = !regular;
        }
    });
    knownMatches = std::move(result);
    return knownMatches;
}

/// Distances of the stored keys to the position's query, as the settings want them.
void Replay::Impl::measure(std::int64_t position, const EvaluationSettings &settings, std::span<const std::int32_t> ids, float *out) const
{
    const float *query = a.queries.data() + std::size_t(position) * std::size_t(a.dimension);
    if (settings.referenceSimilarity == ReferenceSimilarity::Dot) {
        negatedInnerProducts(datastore.keys(), query, ids, out);
        std::transform(out, out + ids.size(), out, std::negate<>());
    } else if (a.metric == Metric::InnerProduct) {
        negatedInnerProducts(datastore.keys(), query, ids, out);
    } else {
        squaredDistances(datastore.keys(), query, ids, out);
    }
}

/// The same for pointers, whose distances may be those of the index's reconstruction.
void Replay::Impl::measurePointers(std::int64_t position, const EvaluationSettings &settings, std::span<const std::int32_t> ids,
                                   Scratch &scratch, float *out) const
{
    if (settings.distances == DistanceSource::Exact || trace->indexIsExact()) {
        measure(position, settings, ids, out);
        return;
    }
    const std::size_t dimension = std::size_t(a.dimension);
    scratch.reconstructed.resize(ids.size() * dimension);
    reconstruct(ids, scratch.reconstructed.data());
    scratch.rows.resize(ids.size());
    std::iota(scratch.rows.begin(), scratch.rows.end(), 0);
    const KeyView keys{scratch.reconstructed.data(), KeyType::Float32, std::int64_t(ids.size()), a.dimension};
    const float *query = a.queries.data() + std::size_t(position) * dimension;
    if (a.metric == Metric::InnerProduct)
        negatedInnerProducts(keys, query, scratch.rows, out);
    else
        squaredDistances(keys, query, scratch.rows, out);
}

/// measurePointers() for those that are not among `known`. To look a distance up costs a tenth of fetching the key: keys
/// lie all over the memory.
void Replay::Impl::measureUnknown(std::int64_t position, const EvaluationSettings &settings, std::span<const std::int32_t> ids,
                                  const PointerDistances::Row &known, Scratch &scratch, float *out) const
{
    // Where the walks agree so far the pointers are the same in the same order, up to where a smaller max_knns cut them.
    const auto same = std::size_t(std::ranges::mismatch(ids, known.ids).in1 - ids.begin());
    std::copy_n(known.distances.begin(), same, out);
    if (same == ids.size())
        return;
    scratch.known.clear();
    for (std::size_t j = same; j < known.ids.size(); ++j)
        scratch.known.set(known.ids[j], std::int32_t(j));
    scratch.unknownIds.clear();
    scratch.unknownAt.clear();
    for (std::size_t j = same; j < ids.size(); ++j) {
        if (const std::int32_t *at = scratch.known.find(ids[j])) {
            out[j] = known.distances[std::size_t(*at)];
        } else {
            scratch.unknownIds.push_back(ids[j]);
            scratch.unknownAt.push_back(std::int32_t(j));
        }
    }
    scratch.unknownDistances.resize(scratch.unknownIds.size());
    measurePointers(position, settings, scratch.unknownIds, scratch, scratch.unknownDistances.data());
    for (std::size_t i = 0; i < scratch.unknownAt.size(); ++i)
        out[scratch.unknownAt[i]] = scratch.unknownDistances[i];
}

/// The first k recorded neighbours: straight from the trace where the row is plain; otherwise without −1 and repetitions,
/// or with the meaning that the released code gives to them.
Found Replay::Impl::found(std::int64_t position, const EvaluationSettings &settings, const Matches &matches, Scratch &scratch) const
{
    const std::size_t begin = std::size_t(position) * std::size_t(a.kMax), k = std::size_t(settings.k);
    const bool exact = settings.distances == DistanceSource::Exact;
    const Found recorded{a.neighbourIds.subspan(begin, k), (exact ? a.exactDistances : a.indexDistances).subspan(begin, k),
                         std::span(matches.match).subspan(begin, k)};
    const bool recomputed = settings.referenceSimilarity == ReferenceSimilarity::Dot;
    if (!matches.irregular[std::size_t(position)] && !recomputed)
        return recorded;

    scratch.ids.assign(recorded.ids.begin(), recorded.ids.end());
    scratch.distances.assign(recorded.distances.begin(), recorded.distances.end());
    scratch.matches.assign(recorded.matches.begin(), recorded.matches.end());
    if (settings.reference()) {
        const std::int32_t last = static_cast<std::int32_t>(datastore.size() - 1);
        const bool lastMatches = datastore.values()[std::size_t(last)] == target(position).value;
        float padDistance = std::numeric_limits<float>::max(); // FAISS's own, so that T < 1 and all-padded rows agree too
        if (exact)
            measure(position, settings, std::span(&last, 1), &padDistance);
        if (recomputed) {
            scratch.rows = scratch.ids;
            std::replace(scratch.rows.begin(), scratch.rows.end(), -1, last);
            measure(position, settings, scratch.rows, scratch.distances.data());
        }
        for (std::size_t j = 0; j < k; ++j) {
            if (scratch.ids[j] < 0) {
                scratch.distances[j] = padDistance;
                scratch.matches[j] = lastMatches;
            }
        }
    }
    // Keeps the first occurrence of what may stay.
    const bool dropPads = !settings.reference();
    scratch.seen.clear();
    std::size_t kept = 0;
    for (std::size_t j = 0; j < k; ++j) {
        const std::int32_t id = scratch.ids[j];
        if (dropPads && id < 0)
            continue;
        if (settings.automaton.deduplicate && !scratch.seen.insert(id))
            continue;
        scratch.ids[kept] = id;
        scratch.distances[kept] = scratch.distances[j];
        scratch.matches[kept] = scratch.matches[j];
        ++kept;
    }
    return {std::span(scratch.ids).first(kept), std::span(scratch.distances).first(kept), std::span(scratch.matches).first(kept)};
}

std::vector<Retrieved> Replay::Impl::retrieve(const EvaluationSettings &settings, std::span<const double> temperatures, Asker asker, JobControl &job) const
{
    const EvaluationSettings base = retrievalKey(settings, clusters != nullptr);
    std::vector<Retrieved> results(temperatures.size());
    std::vector<double> missing;
    const auto keyFor = [&](double temperature) {
        EvaluationSettings key = base;
        key.temperature = temperature;
        return key;
    };
    const auto lookUp = [&] {
        const std::scoped_lock lock(cacheMutex);
        missing.clear();
        for (std::size_t i = 0; i < temperatures.size(); ++i) {
            if (const Retrieved *known = cache.find(keyFor(temperatures[i])))
                results[i] = *known;
            else
                missing.push_back(temperatures[i]);
        }
    };
    lookUp();
    if (missing.empty())
        return results;
    const std::vector<Retrieved> computed = base.method == Method::KnnLm ? searchEverywhere(base, missing, job) : walkOrWeigh(base, missing, asker, job);
    const std::scoped_lock lock(cacheMutex);
    std::size_t next = 0;
    for (std::size_t i = 0; i < temperatures.size(); ++i) {
        if (results[i].decisions)
            continue;
        results[i] = computed[next++];
        cache.insert(keyFor(temperatures[i]), results[i]);
    }
    return results;
}

/// kNN-LM: a search at every position.
std::vector<Retrieved> Replay::Impl::searchEverywhere(const EvaluationSettings &settings, std::span<const double> temperatures, JobControl &job) const
{
    const std::size_t n = std::size_t(a.positions);
    const std::shared_ptr<const Matches> known = matches(job);
    auto decisions = std::make_shared<Decisions>(n);
    TargetLogProbs logProbs(n, temperatures, settings.automaton.semantics);
    parallelFor(a.positions, 64, [&](std::int64_t begin, std::int64_t end) {
        Scratch scratch;
        for (std::int64_t t = begin; t < end; ++t) {
            job.checkpoint();
            const Found neighbours = found(t, settings, *known, scratch);
            decisions->searched[std::size_t(t)] = 1;
            decisions->candidates[std::size_t(t)] = static_cast<std::int32_t>(neighbours.ids.size());
            logProbs.set(t, neighbours.distances, neighbours.matches);
        }
    });
    decisions->searches = a.positions;
    return logProbs.with(decisions);
}

/// RetoMaton: T weighs the candidates and does not choose them, so that for another T the last walk is enough.
std::vector<Retrieved> Replay::Impl::walkOrWeigh(const EvaluationSettings &settings, std::span<const double> temperatures, Asker asker, JobControl &job) const
{
    const EvaluationSettings key = walkKey(settings, clusters != nullptr);
    std::shared_ptr<const RecordedWalk> before;
    {
        const std::scoped_lock lock(cacheMutex);
        const auto same = std::ranges::find_if(lastWalks, [&](const auto &walk) { return walk && walk->key == key && walk->pointers.complete(); });
        const auto &own = lastWalks[std::size_t(asker)];
        before = same != lastWalks.end() ? *same : own ? own : lastWalks[1 - std::size_t(asker)];
        if (asker == Asker::Evaluation)
            lastWalks[std::size_t(Asker::Sweep)].reset(); // who moves a slider next needs a whole walk; there must be room for it
    }
    if (before && before->key == key && before->pointers.complete())
        return weigh(*before, temperatures, job);
    if (before && !before->measuresLike(settings))
        before.reset();
    const auto record = std::make_shared<RecordedWalk>(key, a.positions, budget);
    std::vector<Retrieved> results = walk(settings, temperatures, before.get(), *record, job);
    const std::scoped_lock lock(cacheMutex);
    lastWalks[std::size_t(asker)] = record;
    return results;
}

/// The candidates of a walk under other temperatures: those of the search, then the pointers that were measured.
std::vector<Retrieved> Replay::Impl::weigh(const RecordedWalk &record, std::span<const double> temperatures, JobControl &job) const
{
    const std::shared_ptr<const Matches> known = matches(job);
    const std::span<const std::int32_t> values = datastore.values();
    TargetLogProbs logProbs(std::size_t(a.positions), temperatures, record.key.automaton.semantics);
    parallelFor(a.positions, 64, [&](std::int64_t begin, std::int64_t end) {
        Scratch scratch;
        std::vector<float> distances;
        std::vector<std::uint8_t> right;
        for (std::int64_t t = begin; t < end; ++t) {
            job.checkpoint();
            const bool searched = record.decisions->searched[std::size_t(t)] != 0;
            const Found neighbours = searched ? found(t, record.key, *known, scratch) : Found{};
            const PointerDistances::Row pointers = record.pointers.at(t);
            distances.assign(neighbours.distances.begin(), neighbours.distances.end());
            distances.insert(distances.end(), pointers.distances.begin(), pointers.distances.end());
            right.resize(distances.size());
            const auto rest = std::ranges::copy(neighbours.matches, right.begin()).out;
            std::ranges::transform(pointers.ids, rest, [&](std::int32_t id) { return std::uint8_t(values[std::size_t(id)] == target(t).value); });
            logProbs.set(t, distances, right);
        }
    });
    return logProbs.with(record.decisions);
}

/// Steps 1 to 5 of RetoMaton for one position; the caller observes the token. `known`: distances measured earlier.
RetomatonWalker::Candidates Replay::Impl::step(RetomatonWalker &walker, std::int64_t position, const EvaluationSettings &settings,
                                               const Matches &matches, const PointerDistances::Row &known, Scratch &scratch) const
{
    const Found neighbours = walker.plan().search ? found(position, settings, matches, scratch) : Found{};
    const RetomatonWalker::Candidates candidates = walker.combine(neighbours.ids, neighbours.distances);
    measureUnknown(position, settings, candidates.pointers(), known, scratch, candidates.pointerDistances.data());
    return candidates;
}

/// RetoMaton over every sequence, all temperatures at once. `before`: a walk of which distances can be taken, or null.
/// Fills `record`.
std::vector<Retrieved> Replay::Impl::walk(const EvaluationSettings &settings, std::span<const double> temperatures,
                                          const RecordedWalk *before, RecordedWalk &record, JobControl &job) const
{
    const std::size_t n = std::size_t(a.positions);
    const std::shared_ptr<const Matches> known = matches(job);
    auto decisions = std::make_shared<Decisions>(n);
    decisions->stations = WalkStations(a.positions);
    TargetLogProbs logProbs(n, temperatures, settings.automaton.semantics);

    std::atomic<std::int64_t> done{0};
    const auto walkSequence = [&](RetomatonWalker &walker, Scratch &scratch, PointerDistances::Writer &writer, std::int64_t begin, std::int64_t end) {
        walker.reset();
        for (std::int64_t t = begin; t < end; ++t) {
            job.checkpoint();
            decisions->stations.pass(t, walker);
            const RetomatonWalker::Candidates candidates =
                step(walker, t, settings, *known, before ? before->pointers.at(t) : PointerDistances::Row{}, scratch);
            writer.write(t, candidates.pointers(), candidates.pointerDistances);
            logProbs.set(t, candidates.distances, walker.matches(target(t)));
            decisions->searched[std::size_t(t)] = walker.lastPlan().search;
            decisions->candidates[std::size_t(t)] = static_cast<std::int32_t>(candidates.ids.size());
            walker.observe(target(t));
            decisions->survivors[std::size_t(t)] = static_cast<std::int32_t>(walker.current().size());
            constexpr std::int64_t positionsPerReport = 256;
            if ((t - begin) % positionsPerReport == positionsPerReport - 1 || t + 1 == end)
                job.report("walking the automaton", "positions", done += (t - begin) % positionsPerReport + 1, a.positions);
        }
    };

    // Sequences differ in length, so each thread takes the longest one that is left.
    const std::vector<std::int64_t> starts = sequenceStarts(a.documents, a.windows, settings);
    const auto length = [&](std::size_t s) { return starts[s + 1] - starts[s]; };
    std::vector<std::size_t> order(starts.size() - 1);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) { return length(x) > length(y); });
    std::atomic<std::size_t> next{0};
    parallelFor(std::min<std::int64_t>(threadCount(), std::int64_t(order.size())), 1, [&](std::int64_t begin, std::int64_t end) {
        if (begin == end)
            return;
        RetomatonWalker walker = this->walker(settings);
        Scratch scratch;
        PointerDistances::Writer writer(record.pointers);
        for (std::size_t at = next.fetch_add(1); at < order.size(); at = next.fetch_add(1))
            walkSequence(walker, scratch, writer, starts[order[at]], starts[order[at] + 1]);
    });

    decisions->searches = std::accumulate(decisions->searched.begin(), decisions->searched.end(), std::int64_t(0));
    decisions->fossReference = referenceFoss(decisions->searched, starts);
    record.decisions = decisions;
    return logProbs.with(decisions);
}

/// Of an evaluation with these settings, whatever λ and T; null: there was none lately.
std::shared_ptr<const Decisions> Replay::Impl::knownWalk(const EvaluationSettings &settings) const
{
    const EvaluationSettings key = walkKey(settings, clusters != nullptr);
    const std::scoped_lock lock(cacheMutex);
    return cache.findWalk(key);
}

namespace {

/// Sums of one block of positions. Blocks are fixed, so a result does not depend on the number of threads.
struct Sums
{
    double nll = 0, baseNll = 0, oracle = 0;
    std::int64_t helped = 0, hurt = 0;

    void add(double lm, double mixed, double best)
    {
        nll -= mixed;
        baseNll -= lm;
        oracle -= best;
        helped += mixed > lm;
        hurt += mixed < lm;
    }
    void add(const Sums &other)
    {
        nll += other.nll;
        baseNll += other.baseNll;
        oracle += other.oracle;
        helped += other.helped;
        hurt += other.hurt;
    }
};

/// Calls body(t, sums) for every position and returns the total.
template<typename Body>
Sums sumOverPositions(std::int64_t positions, JobControl &job, const Body &body)
{
    constexpr std::int64_t block = 4096;
    constexpr std::int64_t blocksWorthAThread = 8;
    std::vector<Sums> partial(std::size_t((positions + block - 1) / block));
    parallelFor(std::int64_t(partial.size()), blocksWorthAThread, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = begin; b < end; ++b) {
            job.checkpoint();
            for (std::int64_t t = b * block, last = std::min(positions, t + block); t < last; ++t)
                body(t, partial[std::size_t(b)]);
        }
    });
    Sums total;
    for (const Sums &sums : partial)
        total.add(sums);
    return total;
}

} // namespace

EvaluationResult Replay::evaluate(const EvaluationSettings &settings, const ReplayDetail &detail, JobControl &job) const
{
    const auto begin = std::chrono::steady_clock::now();
    m_impl->check(settings);
    const TraceArrays &a = m_impl->a;
    const std::size_t n = std::size_t(a.positions);

    EvaluationResult result;
    result.settings = settings;
    result.positions = a.positions;
    result.exactDistances = settings.distances == DistanceSource::Exact || m_impl->trace->indexIsExact();
    const bool retrieves = settings.method != Method::Base;
    Retrieved retrieved;
    std::vector<std::uint8_t> skipped;
    std::shared_ptr<const GateDecisions> gate;
    if (retrieves) {
        retrieved = m_impl->retrieve(settings, std::span(&settings.temperature, 1), Asker::Evaluation, job).front();
        if (settings.method == Method::Adaptive) {
            gate = this->gate(settings, job);
            skipped = gate->skips(settings.skipFraction);
        } else if (settings.skipFraction > 0)
            skipped = randomSkips(a.positions, settings.skipFraction, settings.skipSeed);
    }
    if (detail.perPosition) {
        result.logProbs.resize(n);
        result.knnLogProbs.assign(n, float(settings.reference() ? referenceLogZero : minusInfinity));
        result.searched.resize(n);
        result.candidates.resize(n);
        result.survivors.resize(n);
        if (gate && settings.gate.learnedWeight)
            result.lambdas.resize(n);
    }

    const auto left = [&](std::size_t t) { return !skipped.empty() && skipped[t] != 0; }; // to the LM alone
    const Interpolation mix(settings.lambda);
    const Sums sums = sumOverPositions(a.positions, job, [&](std::int64_t position, Sums &total) {
        const std::size_t t = std::size_t(position);
        const double lm = a.lmLogProbs[t];
        const bool used = retrieves && !left(t) && retrieved.decisions->candidates[t] > 0;
        const double knn = used ? (*retrieved.knnLogProbs)[t] : minusInfinity;
        const bool weighted = gate && settings.gate.learnedWeight && used;
        const double mixed = weighted ? interpolate(lm, knn, double(gate->weights[t]), true) : mix(lm, knn, used);
        total.add(lm, mixed, std::max(lm, knn));
        if (!detail.perPosition)
            return;
        result.logProbs[t] = static_cast<float>(mixed);
        if (used) {
            result.knnLogProbs[t] = static_cast<float>(knn);
            result.candidates[t] = retrieved.decisions->candidates[t];
        }
        if (weighted)
            result.lambdas[t] = gate->weights[t];
        if (retrieves && !left(t)) {
            result.searched[t] = retrieved.decisions->searched[t];
            result.survivors[t] = retrieved.decisions->survivors[t];
        }
    });

    const double count = double(a.positions);
    result.nll = sums.nll / count;
    result.perplexity = std::exp(result.nll);
    result.baseNll = sums.baseNll / count;
    result.oraclePerplexity = std::exp(sums.oracle / count);
    result.helped = sums.helped;
    result.hurt = sums.hurt;
    if (retrieves)
        result.searches = retrieved.decisions->searches - std::accumulate(skipped.begin(), skipped.end(), std::int64_t(0));
    result.foss = 1 - double(result.searches) / count;
    result.fossReference = settings.method == Method::Retomaton ? retrieved.decisions->fossReference : result.foss;
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return result;
}

void Replay::prepare(const EvaluationSettings &settings, std::span<const double> temperatures, JobControl &job) const
{
    m_impl->check(settings);
    if (settings.method != Method::Base)
        m_impl->retrieve(settings, temperatures, Asker::Sweep, job);
}

Replay::PositionCandidates Replay::candidatesAt(Position position, const EvaluationSettings &settings) const
{
    JobControl job;
    PositionCandidates result;
    visit(position, 1, settings, job, [&](const Visit &step) { result = step.candidates; });
    return result;
}

void Replay::visit(Position first, std::int64_t count, const EvaluationSettings &settings, JobControl &job, const std::function<void(const Visit &)> &visit) const
{
    m_impl->check(settings);
    const TraceArrays &a = m_impl->a;
    if (first.value < 0 || count < 0 || first.value + count > a.positions)
        fail(ErrorKind::BadInput, "There is no position {}; the trace has the positions 0 to {}.", first.value < 0 ? first.value : first.value + count - 1, a.positions - 1);
    using Origin = PositionCandidates::Origin;
    PositionCandidates step;
    const auto finish = [&](std::int64_t t, bool startsSequence, std::span<const std::int32_t> current) {
        // The released code reads the last entry for FAISS's padding.
        std::replace(step.ids.begin(), step.ids.end(), -1, static_cast<std::int32_t>(m_impl->datastore.size() - 1));
        step.weights = knnWeights(step.ids, step.distances, settings.temperature);
        visit({Position(t), startsSequence, step, current});
    };
    const std::int64_t end = first.value + count;
    const std::vector<std::int64_t> starts = sequenceStarts(a.documents, a.windows, settings);
    auto sequence = std::prev(std::upper_bound(starts.begin(), starts.end(), first.value));
    if (settings.method == Method::Base) {
        for (std::int64_t t = first.value; t < end; ++t)
            finish(t, std::binary_search(starts.begin(), starts.end(), t), {});
        return;
    }
    const std::shared_ptr<const Matches> known = m_impl->matches(job);
    Scratch scratch;
    if (settings.method != Method::Retomaton) {
        for (std::int64_t t = first.value; t < end; ++t) {
            job.checkpoint();
            const Found neighbours = m_impl->found(t, settings, *known, scratch);
            step.ids.assign(neighbours.ids.begin(), neighbours.ids.end());
            step.distances.assign(neighbours.distances.begin(), neighbours.distances.end());
            step.origins.assign(step.ids.size(), Origin::Search);
            finish(t, std::binary_search(starts.begin(), starts.end(), t), {});
        }
        return;
    }
    RetomatonWalker walker = m_impl->walker(settings);
    const std::shared_ptr<const Decisions> passed = m_impl->knownWalk(settings);
    for (std::int64_t t = passed ? passed->stations.enter(walker, *sequence, first.value) : *sequence; t < end; ++t) {
        job.checkpoint();
        if (t == *std::next(sequence)) {
            walker.reset();
            ++sequence;
        }
        const RetomatonWalker::Candidates candidates = m_impl->step(walker, t, settings, *known, {}, scratch);
        if (t >= first.value) {
            step.plan = walker.lastPlan();
            step.ids.assign(candidates.ids.begin(), candidates.ids.end());
            step.distances.assign(candidates.distances.begin(), candidates.distances.end());
            step.origins.assign(step.ids.size(), Origin::State);
            std::fill_n(step.origins.begin(), candidates.found, Origin::Search);
            std::fill_n(step.origins.begin() + candidates.found, candidates.direct, Origin::Pointer);
        }
        walker.observe(m_impl->target(t));
        if (t >= first.value)
            finish(t, t == *sequence, walker.current());
    }
}

} // namespace retoscope
