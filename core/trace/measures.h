// SPDX-License-Identifier: GPL-3.0-or-later
// Per-token measures: a registry, so that each new one appears in the text view, the plots and the tables at once.
#pragma once

#include "trace/evaluation_settings.h"
#include "trace/trace.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

enum class MeasureScale
{
    Sequential,  ///< from low to high
    Diverging,   ///< around zero
    Categorical, ///< values are small integers with names
};

struct Measure
{
    std::string id;    ///< "gain", "surprisal", "lm_surprisal", "rank_band", "winner", "searched", "run_length", "entropy"
    std::string name;  ///< "log p(mixed) − log p(LM)"
    std::string unit;  ///< "nats", "tokens", ""
    MeasureScale scale = MeasureScale::Sequential;
    std::vector<std::string> categories; ///< names of 0, 1, 2 …
    /// [positions]; NaN where it is not known. `result` has its per-position arrays.
    std::function<std::vector<float>(const TraceArrays &, const EvaluationResult &)> compute;
};

const std::vector<Measure> &measures();
const Measure &measureById(const std::string &id); ///< throws NotFound listing the ids

/// log p_a − log p_b of the mixture at each position: above zero where `a` gives the token more. Both results have their
/// per-position arrays and cover the same positions (BadInput otherwise). [positions]
std::vector<float> logProbDifference(const EvaluationResult &a, const EvaluationResult &b);

/// One position at a glance, from the arrays alone and in constant time (but for the run length): what a hover card shows.
struct PositionSummary
{
    Position position;
    TokenId target;
    double lmLogProb = 0;
    double mixedLogProb = 0;
    double knnLogProb = 0;       ///< −∞ when no candidate has the token; NaN without candidates
    std::int32_t lmRank = 0;     ///< 1-based; 0: below the recorded candidates, or none were recorded
    bool searched = false;
    std::int32_t candidates = 0; ///< |C|
    std::int32_t runLength = 0;  ///< positions since the last search, 0 at a search

    [[nodiscard]] double gain() const { return mixedLogProb - lmLogProb; } ///< nats
};
/// Throws BadInput for a position outside the trace.
PositionSummary summarise(const TraceArrays &arrays, const EvaluationResult &result, Position position);

/// −logProbs averaged over `window` positions around each one (1: as they are), nats. Infinite values (no neighbour has
/// the token) count for nothing; NaN where a window holds no finite value. [positions]
std::vector<double> smoothedNll(std::span<const float> logProbs, std::int64_t window);

/// Running perplexity: exp of the mean of −logProbs over the last `window` positions (0: over all so far), [positions].
std::vector<double> runningPerplexity(std::span<const float> logProbs, std::int64_t window);

/// Lengths of the search-free runs: at each position how many positions since (and including) the last search. [positions]
std::vector<std::int32_t> runLengths(std::span<const std::uint8_t> searched);

/// Places worth reading: positions in the order of interest, at most `count`.
enum class Landmark { MostHelped, MostHurt, LongestSavedRun, SearchAfterLongRun };
std::vector<std::int64_t> landmarks(Landmark kind, const TraceArrays &arrays, const EvaluationResult &result, std::size_t count);

} // namespace retoscope
