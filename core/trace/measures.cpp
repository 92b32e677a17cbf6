// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/measures.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace retoscope {

namespace {

constexpr float notKnown = std::numeric_limits<float>::quiet_NaN();

template<typename ValueAt>
std::vector<float> forEachPosition(const TraceArrays &arrays, ValueAt valueAt)
{
    std::vector<float> values(static_cast<std::size_t>(arrays.positions));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = valueAt(i);
    return values;
}

std::vector<float> gain(const TraceArrays &arrays, const EvaluationResult &result)
{
    return forEachPosition(arrays, [&](std::size_t i) { return result.logProbs[i] - arrays.lmLogProbs[i]; });
}

std::vector<float> surprisal(const TraceArrays &arrays, const EvaluationResult &result)
{
    return forEachPosition(arrays, [&](std::size_t i) { return -result.logProbs[i]; });
}

std::vector<float> lmSurprisal(const TraceArrays &arrays, const EvaluationResult &)
{
    return forEachPosition(arrays, [&](std::size_t i) { return -arrays.lmLogProbs[i]; });
}

/// Rank of the target under the LM, 1-based; 0 when it is below the recorded candidates or none were recorded.
std::int32_t recordedRank(const TraceArrays &arrays, std::size_t position)
{
    if (arrays.lmTopIds.empty())
        return 0;
    const auto count = static_cast<std::size_t>(arrays.topCandidates);
    const auto candidates = arrays.lmTopIds.subspan(position * count, count);
    const auto found = std::ranges::find(candidates, arrays.targets[position]);
    return found == candidates.end() ? 0 : static_cast<std::int32_t>(found - candidates.begin()) + 1;
}

/// Bands of the target's rank under the LM (after GLTR), as far as candidates were recorded.
std::vector<float> rankBand(const TraceArrays &arrays, const EvaluationResult &)
{
    return forEachPosition(arrays, [&](std::size_t i) {
        if (arrays.lmTopIds.empty())
            return notKnown;
        const std::int32_t rank = recordedRank(arrays, i);
        if (rank == 0)
            return 3.0f;
        return rank == 1 ? 0.0f : (rank <= 5 ? 1.0f : 2.0f);
    });
}

std::vector<float> winner(const TraceArrays &arrays, const EvaluationResult &result)
{
    return forEachPosition(arrays, [&](std::size_t i) {
        const float knn = result.knnLogProbs[i];
        if (result.candidates[i] == 0)
            return 2.0f;
        return knn > arrays.lmLogProbs[i] ? 1.0f : 0.0f;
    });
}

std::vector<float> searched(const TraceArrays &arrays, const EvaluationResult &result)
{
    return forEachPosition(arrays, [&](std::size_t i) { return result.searched[i] ? 1.0f : (result.candidates[i] > 0 ? 0.0f : 2.0f); });
}

std::vector<float> runLength(const TraceArrays &arrays, const EvaluationResult &result)
{
    const auto lengths = runLengths(result.searched);
    return forEachPosition(arrays, [&](std::size_t i) { return static_cast<float>(lengths[i]); });
}

std::vector<float> entropy(const TraceArrays &arrays, const EvaluationResult &)
{
    return forEachPosition(arrays, [&](std::size_t i) { return arrays.lmEntropies.empty() ? notKnown : arrays.lmEntropies[i]; });
}

std::vector<float> knnProbability(const TraceArrays &arrays, const EvaluationResult &result)
{
    return forEachPosition(arrays, [&](std::size_t i) { return result.candidates[i] == 0 ? notKnown : std::exp(result.knnLogProbs[i]); });
}

} // namespace

const std::vector<Measure> &measures()
{
    static const std::vector<Measure> all = {
        {"gain", "log p(mixed) − log p(LM)", "nats", MeasureScale::Diverging, {}, gain},
        {"surprisal", "surprisal of the mixture", "nats", MeasureScale::Sequential, {}, surprisal},
        {"lm_surprisal", "surprisal of the LM", "nats", MeasureScale::Sequential, {}, lmSurprisal},
        {"rank_band", "rank under the LM", "", MeasureScale::Categorical, {"first", "2 to 5", "6 to last recorded", "below the recorded"}, rankBand},
        {"winner", "who gives the token more", "", MeasureScale::Categorical, {"LM", "kNN", "no candidates"}, winner},
        {"searched", "searched or saved", "", MeasureScale::Categorical, {"saved by pointers", "searched", "saved, LM alone"}, searched},
        {"run_length", "positions since the last search", "tokens", MeasureScale::Sequential, {}, runLength},
        {"entropy", "entropy of the LM", "nats", MeasureScale::Sequential, {}, entropy},
        {"knn_probability", "p(kNN) of the token", "", MeasureScale::Sequential, {}, knnProbability},
    };
    return all;
}

const Measure &measureById(const std::string &id)
{
    std::string known;
    for (const auto &measure : measures()) {
        if (measure.id == id)
            return measure;
        known += (known.empty() ? "" : ", ") + measure.id;
    }
    fail(ErrorKind::NotFound, "There is no measure '{}'; choose one of: {}.", id, known);
}

std::vector<float> logProbDifference(const EvaluationResult &a, const EvaluationResult &b)
{
    if (a.logProbs.size() != b.logProbs.size())
        fail(ErrorKind::BadInput, "Two evaluations of {} and {} positions cannot be compared; compare runs over the same trace.", a.logProbs.size(), b.logProbs.size());
    std::vector<float> difference(a.logProbs.size());
    std::ranges::transform(a.logProbs, b.logProbs, difference.begin(), std::minus());
    return difference;
}

PositionSummary summarise(const TraceArrays &arrays, const EvaluationResult &result, Position position)
{
    if (!position.valid() || position.value >= arrays.positions)
        fail(ErrorKind::BadInput, "Position {} does not exist: the trace has {} positions.", position.value, arrays.positions);
    const auto at = static_cast<std::size_t>(position.value);
    PositionSummary summary;
    summary.position = position;
    summary.target = TokenId(arrays.targets[at]);
    summary.lmLogProb = static_cast<double>(arrays.lmLogProbs[at]);
    summary.mixedLogProb = static_cast<double>(result.logProbs[at]);
    summary.candidates = result.candidates[at];
    summary.knnLogProb = static_cast<double>(summary.candidates > 0 ? result.knnLogProbs[at] : notKnown);
    summary.lmRank = recordedRank(arrays, at);
    summary.searched = result.searched[at] != 0;
    for (std::size_t i = at + 1; i > 0 && !result.searched[i - 1]; --i)
        ++summary.runLength;
    return summary;
}

std::vector<double> smoothedNll(std::span<const float> logProbs, std::int64_t window)
{
    const auto n = static_cast<std::int64_t>(logProbs.size());
    const std::int64_t before = std::max<std::int64_t>(window - 1, 0) / 2, after = std::max<std::int64_t>(window - 1, 0) - before;
    // Prefix sums, as in runningPerplexity().
    std::vector<double> sums(logProbs.size() + 1, 0.0);
    std::vector<std::int64_t> counts(logProbs.size() + 1, 0);
    for (std::size_t i = 0; i < logProbs.size(); ++i) {
        const bool finite = std::isfinite(logProbs[i]);
        sums[i + 1] = sums[i] - (finite ? static_cast<double>(logProbs[i]) : 0.0);
        counts[i + 1] = counts[i] + (finite ? 1 : 0);
    }
    std::vector<double> result(logProbs.size());
    for (std::int64_t i = 0; i < n; ++i) {
        const auto begin = static_cast<std::size_t>(std::max<std::int64_t>(i - before, 0)), end = static_cast<std::size_t>(std::min(i + after + 1, n));
        const std::int64_t count = counts[end] - counts[begin];
        result[static_cast<std::size_t>(i)] = count > 0 ? (sums[end] - sums[begin]) / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
    }
    return result;
}

std::vector<double> runningPerplexity(std::span<const float> logProbs, std::int64_t window)
{
    std::vector<double> result(logProbs.size());
    const std::size_t width = window > 0 ? static_cast<std::size_t>(window) : logProbs.size();
    // Prefix sums: a running difference would let rounding errors grow along the text.
    std::vector<double> sums(logProbs.size() + 1, 0.0);
    for (std::size_t i = 0; i < logProbs.size(); ++i)
        sums[i + 1] = sums[i] - static_cast<double>(logProbs[i]);
    for (std::size_t i = 0; i < logProbs.size(); ++i) {
        const std::size_t begin = i + 1 > width ? i + 1 - width : 0;
        result[i] = std::exp((sums[i + 1] - sums[begin]) / static_cast<double>(i + 1 - begin));
    }
    return result;
}

std::vector<std::int32_t> runLengths(std::span<const std::uint8_t> searchedFlags)
{
    std::vector<std::int32_t> lengths(searchedFlags.size());
    std::int32_t length = 0;
    for (std::size_t i = 0; i < searchedFlags.size(); ++i)
        lengths[i] = length = searchedFlags[i] ? 0 : length + 1;
    return lengths;
}

std::vector<std::int64_t> landmarks(Landmark kind, const TraceArrays &arrays, const EvaluationResult &result, std::size_t count)
{
    std::vector<float> interest;
    switch (kind) {
    case Landmark::MostHelped:
        interest = gain(arrays, result);
        break;
    case Landmark::MostHurt:
        interest = gain(arrays, result);
        std::ranges::transform(interest, interest.begin(), std::negate());
        break;
    case Landmark::LongestSavedRun: { // the last position of each run stands for it
        interest = runLength(arrays, result);
        for (std::size_t i = 0; i + 1 < interest.size(); ++i) {
            if (interest[i + 1] > interest[i])
                interest[i] = 0;
        }
        break;
    }
    case Landmark::SearchAfterLongRun: {
        const auto lengths = runLengths(result.searched);
        interest = forEachPosition(arrays, [&](std::size_t i) { return i > 0 && result.searched[i] ? static_cast<float>(lengths[i - 1]) : 0.0f; });
        break;
    }
    }
    std::vector<std::int64_t> order(interest.size());
    std::iota(order.begin(), order.end(), 0);
    std::erase_if(order, [&](std::int64_t i) { return !(interest[static_cast<std::size_t>(i)] > 0); });
    const auto kept = std::min(count, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), [&](std::int64_t a, std::int64_t b) {
        const float left = interest[static_cast<std::size_t>(a)], right = interest[static_cast<std::size_t>(b)];
        return left != right ? left > right : a < b;
    });
    order.resize(kept);
    return order;
}

} // namespace retoscope
