// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/live.h"

#include "automaton/retomaton.h"
#include "base/error.h"
#include "base/job.h"
#include "base/threads.h"
#include "trace/evaluation_tally.h"
#include "trace/retrieval.h"
#include "trace/scoring_plan.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace retoscope {

namespace {

using Clock = std::chrono::steady_clock;

/// Adds the time of its scope.
class Stopwatch
{
public:
    explicit Stopwatch(double &seconds) : m_seconds(seconds) {}
    ~Stopwatch() { m_seconds += std::chrono::duration<double>(Clock::now() - m_begin).count(); }
    Stopwatch(const Stopwatch &) = delete;
    Stopwatch &operator=(const Stopwatch &) = delete;

private:
    double &m_seconds;
    Clock::time_point m_begin = Clock::now();
};

/// RetoMaton decides position by position, so within a sequence its searches come one at a time. Sequences are
/// independent: so many of them advance side by side, and the searches of a step are one call.
constexpr std::size_t sequencesSideBySide = 256;
/// What the queries of positions that wait for their sequence may take.
constexpr std::int64_t chunkBytes = std::int64_t(128) << 20;
constexpr auto publishInterval = std::chrono::milliseconds(100);

/// Positions that the model has read.
struct Chunk
{
    std::int64_t firstPosition = 0;
    std::vector<float> queries; ///< [positions × D]
    std::vector<float> logProbs;

    [[nodiscard]] std::int64_t positions() const { return std::ssize(logProbs); }
};

/// Positions of a chunk that share one automaton state.
struct Sequence
{
    std::int64_t begin = 0; ///< within the chunk
    std::int64_t end = 0;
    bool continues = false; ///< it began in an earlier chunk
    bool ends = true;       ///< it does not go on in the next one
};

/// One of the sequences that advance side by side.
struct Lane
{
    explicit Lane(RetomatonWalker fresh) : walker(std::move(fresh)) {}

    RetomatonWalker walker;
    Sequence sequence;
    std::int64_t at = 0; ///< within the chunk
    bool search = false;
    std::size_t row = 0; ///< of this step's searches
    std::vector<float> foundDistances;
    PositionOutcome outcome;
};
using Lanes = std::vector<std::unique_ptr<Lane>>;

class LiveEvaluation
{
public:
    LiveEvaluation(const RetrievalParts &parts, const TokenStore &tokens, const ScoringPlan &plan,
                   const EvaluationSettings &settings, JobControl &job, const LiveListener &listener)
        : m_parts(parts), m_tokens(tokens), m_plan(plan), m_settings(settings), m_job(job), m_listener(listener),
          m_tally(settings, plan.positions), m_block(plan.blocks.begin())
    {
        label();
        m_request.scores = true;
        m_request.keys = settings.method != Method::Base;
        if (settings.method == Method::Base)
            return;
        m_request.tap = tapOf(*parts.datastore);
        m_dimension = static_cast<std::size_t>(parts.datastore->dimension());
        m_distances.emplace(*parts.datastore, *parts.index, settings);
        if (settings.skipFraction > 0)
            m_skipped = randomSkips(plan.positions, settings.skipFraction, settings.skipSeed);
    }

    EvaluationResult run()
    {
        const bool sequential = m_settings.method == Method::Retomaton;
        const std::int64_t wanted = sequential ? chunkBytes / static_cast<std::int64_t>(m_dimension * sizeof(float)) : 1;
        while (m_block != m_plan.blocks.end()) {
            const Chunk chunk = readChunk(wanted);
            switch (m_settings.method) {
            case Method::Base: evaluateBase(chunk); break;
            case Method::KnnLm: evaluateKnnLm(chunk); break;
            case Method::Retomaton: evaluateRetomaton(chunk); break;
            case Method::Adaptive: break; // refused by requireParts()
            }
            publish();
        }
        EvaluationResult result = summary();
        const bool runsCount = m_settings.method == Method::Retomaton;
        result.fossReference = runsCount ? referenceFoss(result.searched, m_sequenceStarts) : result.foss;
        return result;
    }

private:
    /// Everything that is known without the model.
    void label()
    {
        std::vector<std::int32_t> documents, windows;
        for (const ScoringBlock &block : m_plan.blocks) {
            for (const PositionLabel &label : labelPositions(m_plan, block, m_tokens)) {
                m_targets.push_back(label.target);
                documents.push_back(label.document);
                windows.push_back(label.window);
            }
        }
        m_sequenceStarts = sequenceStarts(documents, windows, m_settings);
    }

    /// Runs the model over whole blocks until there are at least `wanted` positions.
    Chunk readChunk(std::int64_t wanted)
    {
        const Stopwatch watch(m_modelSeconds);
        Chunk chunk;
        chunk.firstPosition = m_block->firstPosition;
        do {
            const ForwardOutput scores = forwardBlock(m_plan, *m_block, *m_parts.model, m_tokens, m_request, m_job);
            chunk.queries.insert(chunk.queries.end(), scores.keys.begin(), scores.keys.end());
            chunk.logProbs.insert(chunk.logProbs.end(), scores.targetLogProbs.begin(), scores.targetLogProbs.end());
            ++m_block;
        } while (m_block != m_plan.blocks.end() && chunk.positions() < wanted);
        return chunk;
    }

    void evaluateBase(const Chunk &chunk)
    {
        for (std::int64_t i = 0; i < chunk.positions(); ++i)
            record(chunk, i, {});
    }

    void evaluateKnnLm(const Chunk &chunk)
    {
        std::vector<std::int64_t> searched;
        for (std::int64_t i = 0; i < chunk.positions(); ++i) {
            if (m_skipped.empty() || !m_skipped[static_cast<std::size_t>(chunk.firstPosition + i)])
                searched.push_back(i);
        }
        search(chunk, searched);
        std::vector<PositionOutcome> outcomes(static_cast<std::size_t>(chunk.positions()));
        scoreFound(chunk, searched, outcomes);
        for (std::int64_t i = 0; i < chunk.positions(); ++i)
            record(chunk, i, outcomes[static_cast<std::size_t>(i)]);
    }

    void scoreFound(const Chunk &chunk, const std::vector<std::int64_t> &searched, std::vector<PositionOutcome> &outcomes)
    {
        const Stopwatch watch(m_walkSeconds);
        parallelFor(std::ssize(searched), 16, [&](std::int64_t begin, std::int64_t end) {
            Lane lane(RetomatonWalker(m_parts.datastore, nullptr, m_settings.automaton)); // never asked for pointers
            lane.search = true;
            for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
                lane.at = searched[row];
                lane.row = row;
                scoreCandidates(chunk, lane);
                outcomes[static_cast<std::size_t>(lane.at)] = lane.outcome;
            }
        });
    }

    void evaluateRetomaton(const Chunk &chunk)
    {
        const std::vector<Sequence> sequences = split(chunk);
        auto waiting = sequences.begin();
        Lanes lanes;
        while (waiting != sequences.end() || !lanes.empty()) {
            m_job.checkpoint();
            for (; waiting != sequences.end() && lanes.size() < sequencesSideBySide; ++waiting)
                lanes.push_back(openLane(*waiting));
            step(chunk, lanes);
            closeFinished(lanes);
            publishSometimes();
        }
    }

    /// Cuts a chunk where the automaton forgets.
    [[nodiscard]] std::vector<Sequence> split(const Chunk &chunk) const
    {
        const std::int64_t begin = chunk.firstPosition, end = begin + chunk.positions();
        std::vector<Sequence> sequences;
        for (auto next = std::ranges::upper_bound(m_sequenceStarts, begin); next != m_sequenceStarts.end(); ++next) {
            const std::int64_t first = *std::prev(next), last = *next;
            if (first >= end)
                break;
            sequences.push_back({.begin = std::max(first, begin) - begin,
                                 .end = std::min(last, end) - begin,
                                 .continues = first < begin,
                                 .ends = last <= end});
        }
        return sequences;
    }

    std::unique_ptr<Lane> openLane(const Sequence &sequence)
    {
        std::unique_ptr<Lane> lane = sequence.continues ? std::move(m_unfinished) : newLane();
        if (!sequence.continues)
            lane->walker.reset();
        lane->sequence = sequence;
        lane->at = sequence.begin;
        return lane;
    }

    std::unique_ptr<Lane> newLane()
    {
        if (m_idle.empty()) {
            return std::make_unique<Lane>(RetomatonWalker(m_parts.datastore, m_settings.useClusters ? m_parts.clusters : nullptr,
                                                          m_settings.automaton));
        }
        std::unique_ptr<Lane> lane = std::move(m_idle.back());
        m_idle.pop_back();
        return lane;
    }

    void closeFinished(Lanes &lanes)
    {
        for (std::unique_ptr<Lane> &lane : lanes) {
            if (lane->at < lane->sequence.end)
                continue;
            if (lane->sequence.ends)
                m_idle.push_back(std::move(lane));
            else
                m_unfinished = std::move(lane);
        }
        std::erase(lanes, nullptr);
    }

    /// One position of every lane.
    void step(const Chunk &chunk, Lanes &lanes)
    {
        forLanes(lanes, [](Lane &lane) { lane.search = lane.walker.plan().search; });
        std::vector<std::int64_t> searched;
        for (const std::unique_ptr<Lane> &lane : lanes) {
            if (lane->search) {
                lane->row = searched.size();
                searched.push_back(lane->at);
            }
        }
        search(chunk, searched);
        forLanes(lanes, [&](Lane &lane) { finishStep(chunk, lane); });
        for (const std::unique_ptr<Lane> &lane : lanes)
            record(chunk, lane->at++, lane->outcome);
    }

    template<typename Work>
    void forLanes(Lanes &lanes, const Work &work)
    {
        const Stopwatch watch(m_walkSeconds);
        // A thread is worth its start from about a million multiplications on.
        const std::int64_t perLane = (m_settings.k + m_settings.automaton.maxKnns) * static_cast<std::int64_t>(m_dimension);
        parallelFor(std::ssize(lanes), 1 + (std::int64_t(1) << 20) / perLane, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i)
                work(*lanes[static_cast<std::size_t>(i)]);
        });
    }

    void finishStep(const Chunk &chunk, Lane &lane) const
    {
        scoreCandidates(chunk, lane);
        lane.walker.observe(target(chunk, lane.at));
        lane.outcome.survivors = static_cast<std::int32_t>(lane.walker.current().size());
    }

    /// Steps 4 to 6 (retrieval.md sections 4 and 5): search results and pointers to the probability of the target.
    void scoreCandidates(const Chunk &chunk, Lane &lane) const
    {
        std::span<const std::int32_t> ids;
        if (lane.search)
            ids = foundIds(lane.row);
        lane.foundDistances.resize(ids.size());
        if (lane.search)
            m_distances->ofFound(query(chunk, lane.at), ids, foundDistances(lane.row), lane.foundDistances.data());
        const auto candidates = lane.walker.combine(ids, lane.foundDistances);
        m_distances->ofPointers(query(chunk, lane.at), candidates.pointers(), candidates.pointerDistances.data());
        lane.outcome = {.knnLogProb = knnLogProb(candidates.distances, lane.walker.matches(target(chunk, lane.at)), m_settings.temperature, m_settings.automaton.semantics),
                        .candidates = static_cast<std::int32_t>(candidates.ids.size()),
                        .searched = lane.search};
    }

    void search(const Chunk &chunk, const std::vector<std::int64_t> &positions)
    {
        if (positions.empty())
            return;
        const Stopwatch watch(m_searchSeconds);
        m_queries.clear();
        for (const std::int64_t i : positions)
            m_queries.insert(m_queries.end(), query(chunk, i), query(chunk, i) + m_dimension);
        m_parts.index->search(m_queries, m_settings.k, m_parts.search, m_found);
    }

    [[nodiscard]] std::span<const std::int32_t> foundIds(std::size_t row) const
    {
        const auto k = static_cast<std::size_t>(m_settings.k);
        return std::span(m_found.ids).subspan(row * k, k);
    }
    [[nodiscard]] std::span<const float> foundDistances(std::size_t row) const
    {
        const auto k = static_cast<std::size_t>(m_settings.k);
        return std::span(m_found.distances).subspan(row * k, k);
    }
    [[nodiscard]] const float *query(const Chunk &chunk, std::int64_t i) const
    {
        return chunk.queries.data() + static_cast<std::size_t>(i) * m_dimension;
    }
    [[nodiscard]] TokenId target(const Chunk &chunk, std::int64_t i) const
    {
        return TokenId(m_targets[static_cast<std::size_t>(chunk.firstPosition + i)]);
    }

    void record(const Chunk &chunk, std::int64_t i, const PositionOutcome &outcome)
    {
        m_tally.add(chunk.firstPosition + i, chunk.logProbs[static_cast<std::size_t>(i)], outcome);
    }

    void publishSometimes()
    {
        if (Clock::now() - m_lastPublished >= publishInterval)
            publish();
    }

    void publish()
    {
        m_lastPublished = Clock::now();
        const EvaluationResult &soFar = summary();
        m_job.report("evaluating", "positions", soFar.positions, m_plan.positions,
                     fmt::format("perplexity {:.3f}", soFar.perplexity));
        if (m_listener)
            m_listener(soFar);
    }

    const EvaluationResult &summary()
    {
        EvaluationResult &result = m_tally.summary();
        result.live = true;
        result.exactDistances = !m_distances || m_distances->exact();
        result.seconds = std::chrono::duration<double>(Clock::now() - m_begin).count();
        result.modelSeconds = m_modelSeconds;
        result.searchSeconds = m_searchSeconds;
        result.walkSeconds = m_walkSeconds;
        return result;
    }

    const RetrievalParts &m_parts;
    const TokenStore &m_tokens;
    const ScoringPlan &m_plan;
    const EvaluationSettings &m_settings;
    JobControl &m_job;
    const LiveListener &m_listener;

    EvaluationTally m_tally;
    std::vector<ScoringBlock>::const_iterator m_block; ///< the next one to read
    std::vector<std::int32_t> m_targets;       ///< [positions]
    std::vector<std::int64_t> m_sequenceStarts; ///< of positions, then their number
    ForwardRequest m_request;
    std::size_t m_dimension = 0;
    std::optional<EntryDistances> m_distances; ///< none for the LM alone
    std::vector<std::uint8_t> m_skipped;       ///< [positions] or empty
    std::vector<float> m_queries;
    Neighbours m_found;

    Lanes m_idle;
    std::unique_ptr<Lane> m_unfinished; ///< of the sequence that the last chunk ended in

    Clock::time_point m_begin = Clock::now();
    Clock::time_point m_lastPublished = m_begin;
    double m_modelSeconds = 0, m_searchSeconds = 0, m_walkSeconds = 0;
};

} // namespace

EvaluationResult evaluateLive(const RetrievalParts &parts, const TokenStore &tokens, const WindowScheme &windows,
                              const EvaluationSettings &settings, std::int64_t maxPositions, JobControl &job,
                              const LiveListener &listener)
{
    validate(settings);
    requireParts(parts, settings);
    if (parts.datastore)
        requireSameTokenizer(tokens, *parts.datastore);
    const ScoringPlan plan = planScoring(tokens, windows, maxPositions);
    requireReadable(plan, *parts.model);
    return LiveEvaluation(parts, tokens, plan, settings, job, listener).run();
}

} // namespace retoscope
