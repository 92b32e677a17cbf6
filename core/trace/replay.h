// SPDX-License-Identifier: GPL-3.0-or-later
// Answers from a trace: kNN-LM for any λ, T, k ≤ k_max; RetoMaton for any min_knns, max_knns, clusters on or off; random
// and adaptive skipping; who was helped and who was hurt. A replay and a live evaluation of the same setting give the same numbers.
#pragma once

#include "automaton/clusters.h"
#include "trace/evaluation_settings.h"
#include "trace/gate_decisions.h"
#include "trace/trace.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace retoscope {

class JobControl;

/// What reconstructs keys as the index sees them, for RetoMaton with DistanceSource::Index. [ids × D] into out. Called
/// from several threads at once.
using Reconstruct = std::function<void(std::span<const std::int32_t> ids, float *out)>;

struct ReplayDetail
{
    bool perPosition = false; ///< fill the arrays of EvaluationResult
};

/// Thread-safe: evaluate() may be called from several threads at once; work inside uses threadCount() threads, one
/// sequence per task. Caches what is independent of the settings (which neighbours match the target) and, for the most
/// recent settings within 256 MB, log p_kNN(target), so that λ costs one pass over 2 numbers a position whatever the
/// method. Of the last walks of the automaton it keeps the distances of the pointers: another T then needs no walk, and
/// another min_knns or max_knns measures only pointers that the last walk did not meet. No answer depends on what is kept.
/// k < k_max uses the first k neighbours as the index returned them, whichever distances weigh them.
class Replay
{
public:
    /// Two walks over 25,000 positions with max_knns 1024.
    static constexpr std::int64_t defaultWalkBytes = std::int64_t(512) << 20;

    /// `walkBytes`: what the distances of all kept walks may take together.
    Replay(std::shared_ptr<const Trace> trace, std::shared_ptr<const Clusters> clusters, Reconstruct reconstruct = {}, GateSource gates = {},
           std::int64_t walkBytes = defaultWalkBytes);
    ~Replay();

    /// Throws BadInput for impossible settings (k above k_max, clusters asked for but absent …), Cancelled.
    [[nodiscard]] EvaluationResult evaluate(const EvaluationSettings &settings, const ReplayDetail &detail, JobControl &job) const;

    /// Walks the automaton once for several temperatures, whose decisions are the same; evaluate() then finds its answers
    /// in the cache. What a sweep over T does.
    void prepare(const EvaluationSettings &settings, std::span<const double> temperatures, JobControl &job) const;

    /// The gate of settings of the method adaptret; trained at the first question, which may take seconds. Throws like
    /// evaluate().
    [[nodiscard]] std::shared_ptr<const GateDecisions> gate(const EvaluationSettings &settings, JobControl &job) const;

    [[nodiscard]] const std::shared_ptr<const Trace> &trace() const;
    [[nodiscard]] const std::shared_ptr<const Clusters> &clusters() const;

    /// The candidates of one position under these settings, as a view shows them. The walk is repeated from the last place
    /// where an evaluation of late noted how the automaton stood, at most some hundred positions before; without such an
    /// evaluation from the start of the sequence. Ids, distances, which came from the search, a pointer or a state.
    struct PositionCandidates
    {
        enum class Origin : std::uint8_t { Search, Pointer, State };
        std::vector<std::int32_t> ids;
        std::vector<float> distances;
        std::vector<double> weights;
        std::vector<Origin> origins;
        RetomatonPlan plan; ///< RetoMaton only
    };
    [[nodiscard]] PositionCandidates candidatesAt(Position position, const EvaluationSettings &settings) const;

    /// candidatesAt() for `count` consecutive positions in one walk, in order, e.g. the steps that the automaton view shows.
    struct Visit
    {
        Position position;
        bool startsSequence = false;            ///< nothing is pointed to yet
        const PositionCandidates &candidates;
        std::span<const std::int32_t> current;  ///< cur: the candidates with the right value and a pointer, nearest first; RetoMaton only
    };
    /// Throws like evaluate(). The references end with the call of `visit`.
    void visit(Position first, std::int64_t count, const EvaluationSettings &settings, JobControl &job, const std::function<void(const Visit &)> &visit) const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace retoscope
