// SPDX-License-Identifier: GPL-3.0-or-later
// From candidates to probabilities (retrieval.md section 4). Only the target's probability or the few tokens among the
// candidates are ever computed; no [positions × V] array exists.
#pragma once

#include "base/ids.h"

#include <cstdint>
#include <span>
#include <vector>

namespace retoscope {

/// log p_kNN of an unseen token in the released code.
inline constexpr double referenceLogZero = -10000.0;

/// log p_kNN(target) for candidates with these distances: logsumexp over matches minus logsumexp over all of −d/T.
/// −infinity when no candidate has the value; NaN-free for T > 0. `matches[j]` != 0 where value_j = target.
double logKnnProbability(std::span<const float> distances, std::span<const std::uint8_t> matches, double temperature);

/// log((1−λ) p_LM + λ p_kNN). λ = 0 returns lmLogProb bit for bit, λ = 1 returns knnLogProb; `hasCandidates` false
/// returns lmLogProb.
double interpolate(double lmLogProb, double knnLogProb, double lambda, bool hasCandidates);

/// The same for many positions of one λ, whose logarithms are taken once.
class Interpolation
{
public:
    explicit Interpolation(double lambda);
    [[nodiscard]] double operator()(double lmLogProb, double knnLogProb, bool hasCandidates) const;

private:
    double m_lambda, m_logLm, m_logKnn;
};

struct TokenProbability
{
    TokenId token;
    double probability = 0;
};

/// p_kNN of every token among the candidates, most probable first (ties: smaller id). Ids of −1 are dropped.
/// `values` is the whole datastore's, [N].
std::vector<TokenProbability> knnDistribution(std::span<const std::int32_t> ids, std::span<const float> distances,
                                              std::span<const std::int32_t> values, double temperature);

/// Softmax weight of each candidate, [candidates], 0 for id −1.
std::vector<double> knnWeights(std::span<const std::int32_t> ids, std::span<const float> distances, double temperature);

} // namespace retoscope
