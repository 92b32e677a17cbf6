// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/inspection.h"

#include "base/error.h"
#include "base/job.h"
#include "predict/knn_distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_set>

namespace retoscope {

namespace {

constexpr double notKnown = std::numeric_limits<double>::quiet_NaN();

/// p_LM as far as the trace holds it: the recorded candidates and the target.
class RecordedLm
{
public:
    RecordedLm(const TraceArrays &arrays, Position position)
    {
        const auto at = static_cast<std::size_t>(position.value);
        const auto count = static_cast<std::size_t>(arrays.topCandidates);
        for (std::size_t i = 0; i < count && !arrays.lmTopIds.empty(); ++i) {
            const double probability = std::exp(static_cast<double>(arrays.lmTopLogProbs[at * count + i]));
            m_probabilities.emplace(arrays.lmTopIds[at * count + i], std::pair(probability, static_cast<std::int32_t>(i + 1)));
            m_smallest = probability;
        }
        m_probabilities.emplace(arrays.targets[at], std::pair(std::exp(static_cast<double>(arrays.lmLogProbs[at])), 0));
    }
    /// NaN when not recorded.
    [[nodiscard]] double probability(std::int32_t token) const
    {
        const auto found = m_probabilities.find(token);
        return found == m_probabilities.end() ? notKnown : found->second.first;
    }
    [[nodiscard]] std::int32_t rank(std::int32_t token) const
    {
        const auto found = m_probabilities.find(token);
        return found == m_probabilities.end() ? 0 : found->second.second;
    }
    /// No token that is not recorded is more probable than this.
    [[nodiscard]] double upperBoundOfOthers() const { return m_smallest; }
    template<typename Visit>
    void visit(Visit visitor) const
    {
        for (const auto &entry : m_probabilities)
            visitor(entry.first);
    }

private:
    std::map<std::int32_t, std::pair<double, std::int32_t>> m_probabilities;
    double m_smallest = 1;
};

double entropyOf(const std::vector<TokenProbability> &distribution)
{
    double entropy = 0;
    for (const auto &entry : distribution) {
        if (entry.probability > 0)
            entropy -= entry.probability * std::log(entry.probability);
    }
    return entropy;
}

/// Ranks by the mixture, exact as far as the trace allows: a token's rank is known when no token whose p_LM was not
/// recorded can be ahead of it.
void rankByMixture(std::vector<InspectedToken> &tokens, double lambda, double lmBound)
{
    double othersBound = (1 - lambda) * lmBound;
    for (const auto &token : tokens) {
        if (std::isnan(token.lm))
            othersBound = std::max(othersBound, (1 - lambda) * lmBound + lambda * token.knn);
    }
    std::ranges::sort(tokens, [](const InspectedToken &a, const InspectedToken &b) {
        const double left = std::isnan(a.mixed) ? a.knn * 1e-9 : a.mixed, right = std::isnan(b.mixed) ? b.knn * 1e-9 : b.mixed;
        return left != right ? left > right : a.token < b.token;
    });
    std::int32_t rank = 0;
    for (auto &token : tokens) {
        if (std::isnan(token.mixed) || token.mixed < othersBound)
            break;
        token.mixedRank = ++rank;
    }
}

} // namespace

PositionInspection inspect(const Replay &replay, Position position, const EvaluationSettings &settings, std::span<const EntryId> switchedOff, std::int32_t topTokens)
{
    const Trace &trace = *replay.trace();
    const TraceArrays &arrays = trace.arrays();
    if (!position.valid() || position.value >= arrays.positions)
        fail(ErrorKind::BadInput, "Position {} does not exist: the trace has {} positions.", position.value, arrays.positions);
    const auto at = static_cast<std::size_t>(position.value);
    const auto values = trace.datastore()->values();

    PositionInspection result;
    result.position = position;
    result.target = TokenId(arrays.targets[at]);
    result.lmLogProb = arrays.lmLogProbs[at];
    result.lmEntropy = arrays.lmEntropies.empty() ? notKnown : arrays.lmEntropies[at];
    result.exactDistances = settings.distances == DistanceSource::Exact || trace.indexIsExact();

    Replay::PositionCandidates candidates;
    double weight = settings.lambda;
    bool skipped = false;
    if (settings.method == Method::Adaptive) {
        JobControl job;
        const auto gate = replay.gate(settings, job);
        skipped = gate->skips(settings.skipFraction)[at] != 0;
        if (settings.gate.learnedWeight)
            weight = gate->weights[at];
    } else if (settings.method == Method::KnnLm && settings.skipFraction > 0) {
        skipped = randomSkips(arrays.positions, settings.skipFraction, settings.skipSeed)[at] != 0;
    }
    if (settings.method != Method::Base && !skipped)
        candidates = replay.candidatesAt(position, settings);
    result.plan = candidates.plan;
    result.searched = std::ranges::find(candidates.origins, Replay::PositionCandidates::Origin::Search) != candidates.origins.end();

    std::unordered_set<std::int64_t> off;
    for (const EntryId entry : switchedOff)
        off.insert(entry.value);
    std::vector<std::int32_t> ids;
    std::vector<float> distances;
    for (std::size_t i = 0; i < candidates.ids.size(); ++i) {
        const bool on = candidates.ids[i] >= 0 && !off.contains(candidates.ids[i]);
        ids.push_back(on ? candidates.ids[i] : -1);
        distances.push_back(candidates.distances[i]);
    }
    const auto weights = knnWeights(ids, distances, settings.temperature);
    const auto *clusters = replay.clusters().get();
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::int32_t id = candidates.ids[i];
        if (id < 0)
            continue;
        InspectedNeighbour neighbour;
        neighbour.entry = EntryId(id);
        neighbour.rank = static_cast<std::int32_t>(i + 1);
        neighbour.distance = distances[i];
        neighbour.weight = weights[i];
        neighbour.value = TokenId(values[static_cast<std::size_t>(id)]);
        neighbour.state = clusters ? StateId(clusters->stateOf()[static_cast<std::size_t>(id)]) : StateId();
        neighbour.origin = candidates.origins[i];
        neighbour.isTarget = neighbour.value == result.target;
        result.neighbours.push_back(neighbour);
    }

    const auto knn = knnDistribution(ids, distances, values, settings.temperature);
    const bool hasCandidates = !knn.empty();
    const double lambda = hasCandidates ? weight : 0;
    result.knnEntropy = entropyOf(knn);

    const RecordedLm lm(arrays, position);
    std::map<std::int32_t, InspectedToken> tokens;
    const auto tokenFor = [&](std::int32_t id) -> InspectedToken & {
        auto &token = tokens[id];
        token.token = TokenId(id);
        return token;
    };
    lm.visit([&](std::int32_t id) { tokenFor(id); });
    for (std::size_t i = 0; i < knn.size(); ++i) {
        auto &token = tokenFor(knn[i].token.value);
        token.knn = knn[i].probability;
        token.knnRank = static_cast<std::int32_t>(i + 1);
    }
    for (auto &[id, token] : tokens) {
        token.lm = lm.probability(id);
        token.lmRank = lm.rank(id);
        token.mixed = lambda == 1 ? token.knn : (1 - lambda) * token.lm + lambda * token.knn;
        token.isTarget = token.token == result.target;
        result.tokens.push_back(token);
    }
    rankByMixture(result.tokens, lambda, lm.upperBoundOfOthers());

    const auto target = std::ranges::find_if(result.tokens, &InspectedToken::isTarget);
    result.knnLogProb = target->knn > 0 ? std::log(target->knn) : -std::numeric_limits<double>::infinity();
    result.mixedLogProb = interpolate(result.lmLogProb, result.knnLogProb, weight, hasCandidates);

    // Keep the leading tokens of each distribution, and the target however far down it is.
    std::erase_if(result.tokens, [topTokens](const InspectedToken &token) {
        const bool leadsLm = token.lmRank > 0 && token.lmRank <= topTokens;
        const bool leadsKnn = token.knnRank > 0 && token.knnRank <= topTokens;
        const bool leadsMixture = token.mixedRank > 0 && token.mixedRank <= topTokens;
        return !token.isTarget && !leadsLm && !leadsKnn && !leadsMixture;
    });
    return result;
}

} // namespace retoscope
