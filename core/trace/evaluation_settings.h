// SPDX-License-Identifier: GPL-3.0-or-later
// The one configuration of an evaluation, shared by the command line, the desktop program and the ledger.
#pragma once

#include "automaton/retomaton.h"
#include "index/index.h"
#include "predict/gate_training.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

enum class Method { Base, KnnLm, Retomaton, Adaptive };
enum class DistanceSource
{
    Exact, ///< recomputed from the stored keys (default wherever keys are present)
    Index, ///< what the index returned; approximate under product quantisation
};
/// The similarity function of the released code when it recomputes distances.
enum class ReferenceSimilarity
{
    L2,
    Dot, ///< parity only: the inner product taken for a distance, so that the farthest get the weight (its bug)
};

/// AdaptRet: where the gate comes from and what becomes of its weight.
struct GateSettings
{
    std::string trace;         ///< that the gate learns from, by name: another one than it is judged on; empty: who opens traces knows
    bool learnedWeight = true; ///< λ_t of the gate where a search is made; false: EvaluationSettings::lambda there
    GateTraining training;

    friend bool operator==(const GateSettings &, const GateSettings &) = default;
};
void to_json(Json &json, const GateSettings &settings);
/// Strict; throws BadInput with the field, the value and what is allowed.
void from_json(const Json &json, GateSettings &settings);

struct EvaluationSettings
{
    Method method = Method::KnnLm;
    double lambda = 0.25;     ///< weight of the kNN side, [0, 1]
    double temperature = 1.0; ///< T > 0 of the kNN softmax
    std::int32_t k = 1024;    ///< neighbours per search, ≤ the trace's k_max
    AutomatonSettings automaton;
    bool useClusters = true;  ///< false: pointers only
    DistanceSource distances = DistanceSource::Exact;
    std::int32_t referenceBatch = 1; ///< windows per forward call of the released code; the state runs on inside a call
    ReferenceSimilarity referenceSimilarity = ReferenceSimilarity::L2; ///< Dot: with semantics = reference and exact distances
    double skipFraction = 0;  ///< share of the positions that use the LM alone. kNN-LM: drawn at random; AdaptRet: those of the smallest λ_t
    std::uint64_t skipSeed = 1;
    GateSettings gate;        ///< AdaptRet only

    [[nodiscard]] bool reference() const { return automaton.semantics == Semantics::Reference; }
    friend bool operator==(const EvaluationSettings &, const EvaluationSettings &) = default;
};
void to_json(Json &json, const EvaluationSettings &settings);
/// Strict; throws BadInput with the field, the value and what is allowed.
void from_json(const Json &json, EvaluationSettings &settings);
/// Checks ranges (λ in [0,1], T > 0, k ≥ 1, …) and combinations; throws BadInput.
void validate(const EvaluationSettings &settings);

/// Where the automaton's state starts afresh: the first position of each sequence, then n. Corrected: a sequence per
/// evaluation document; reference: one per forward call, i.e. per `referenceBatch` windows. Both arrays [n], non-decreasing.
std::vector<std::int64_t> sequenceStarts(std::span<const std::int32_t> documents, std::span<const std::int32_t> windows,
                                         const EvaluationSettings &settings);

/// kNN-LM with random skipping: 1 for exactly round(fraction · n) positions, which uses the LM alone there. For one seed
/// a larger fraction skips the same positions and more, so that curves over the fraction are smooth.
std::vector<std::uint8_t> randomSkips(std::int64_t positions, double fraction, std::uint64_t seed);

/// The counter of the released code (get_metrics' lookups_saved) over the sequences of an evaluation: a run without
/// searches counts when a search ends it, so the last run of every forward call is lost. searched: [n].
double referenceFoss(std::span<const std::uint8_t> searched, std::span<const std::int64_t> sequenceStarts);

std::string_view toString(Method method); ///< "base", "knnlm", "retomaton", "adaptret"
std::string_view displayName(Method method); ///< for people: "LM alone", "kNN-LM", "RetoMaton", "AdaptRet"
Method methodFromString(std::string_view text);

/// In the words of the options, for people: "λ 0.3, T 10, k 1024, min_knns ∞, max_knns 1024, with clusters".
std::string describe(const EvaluationSettings &settings);
std::string minKnnsText(std::int64_t minKnns); ///< "∞" or the number
std::string lambdaText(const EvaluationSettings &settings); ///< "learned" by a gate, or the number

/// What an evaluation found. Everything a view or table shows comes from here.
struct EvaluationResult
{
    EvaluationSettings settings;
    std::int64_t positions = 0;
    double nll = 0;            ///< token-weighted mean negative log-likelihood, nats
    double perplexity = 0;     ///< exp(nll)
    std::int64_t searches = 0;
    double foss = 0;           ///< 1 − searches / positions
    double fossReference = 0;  ///< the released code's counter (lookups_saved)
    double baseNll = 0;        ///< of the LM alone
    std::int64_t helped = 0;   ///< positions where p(mixed) > p_LM
    std::int64_t hurt = 0;
    double oraclePerplexity = 0; ///< max of LM and kNN at each position
    double seconds = 0;
    bool live = false;         ///< searches were really skipped; false: replayed
    double modelSeconds = 0;   ///< live only: of `seconds`, in the forward pass …
    double searchSeconds = 0;  ///< … in the index …
    double walkSeconds = 0;    ///< … in pointers, distances and probabilities
    bool exactDistances = true;
    /// Per position, [positions]; empty unless asked for.
    std::vector<float> logProbs;    ///< log p of the mixture
    std::vector<float> knnLogProbs; ///< log p_kNN; −inf (−10000 in parity mode) where no candidate has the target
    std::vector<std::uint8_t> searched;
    std::vector<std::int32_t> candidates; ///< |C|
    std::vector<std::int32_t> survivors;  ///< |cur| after the position
    std::vector<float> lambdas;           ///< AdaptRet with its learned weight only: λ_t, 0 where the search was skipped
};
/// Of the LM alone on the same positions: exp(baseNll).
double basePerplexity(const EvaluationResult &result);
/// The contract of `evaluate --json`: perplexity, nll, positions, searches, foss, foss_reference, seconds,
/// tokens_per_second, the other figures and the whole configuration. Without the per-position arrays; an infinite
/// perplexity (λ = 1 and a target that no candidate has) becomes null, as JSON has no infinity.
Json toJson(const EvaluationResult &result);

} // namespace retoscope
