// SPDX-License-Identifier: GPL-3.0-or-later
#include "predict/knn_distribution.h"

#include "predict/softmax_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace retoscope {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// log(e^a + e^b); a and b may be −infinity.
double logAddExp(double a, double b)
{
    const double high = std::max(a, b);
    if (high == -infinity)
        return high;
    return high + std::log1p(std::exp(std::min(a, b) - high));
}

} // namespace

double logKnnProbability(std::span<const float> distances, std::span<const std::uint8_t> matches, double temperature)
{
    if (distances.empty())
        return -infinity;
    const SoftmaxSums sums = softmaxSums(distances.data(), matches.data(), distances.size(), temperature);
    if (!std::isfinite(sums.nearestMatch))
        return -infinity;
    // Where all matches are so far away that their weights underflow, their nearest one is the new origin.
    constexpr double smallestTrusted = 1e-290;
    if (sums.matched > smallestTrusted * double(distances.size()))
        return std::log(sums.matched / sums.all);
    double rescaled = 0;
    for (std::size_t j = 0; j < distances.size(); ++j) {
        if (matches[j])
            rescaled += std::exp((double(sums.nearestMatch) - double(distances[j])) / temperature);
    }
    return (double(sums.nearest) - double(sums.nearestMatch)) / temperature + std::log(rescaled / sums.all);
}

Interpolation::Interpolation(double lambda) : m_lambda(lambda), m_logLm(std::log1p(-lambda)), m_logKnn(std::log(lambda)) {}

double Interpolation::operator()(double lmLogProb, double knnLogProb, bool hasCandidates) const
{
    if (m_lambda == 0.0 || !hasCandidates)
        return lmLogProb;
    if (m_lambda == 1.0)
        return knnLogProb;
    return logAddExp(lmLogProb + m_logLm, knnLogProb + m_logKnn);
}

double interpolate(double lmLogProb, double knnLogProb, double lambda, bool hasCandidates)
{
    return Interpolation(lambda)(lmLogProb, knnLogProb, hasCandidates);
}

std::vector<double> knnWeights(std::span<const std::int32_t> ids, std::span<const float> distances, double temperature)
{
    std::vector<double> weights(ids.size(), 0.0);
    double nearest = infinity;
    for (std::size_t j = 0; j < ids.size(); ++j) {
        if (ids[j] >= 0)
            nearest = std::min(nearest, double(distances[j]));
    }
    if (nearest == infinity)
        return weights;
    for (std::size_t j = 0; j < ids.size(); ++j) {
        if (ids[j] >= 0)
            weights[j] = std::exp((nearest - double(distances[j])) / temperature);
    }
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (double &weight : weights)
        weight /= sum;
    return weights;
}

std::vector<TokenProbability> knnDistribution(std::span<const std::int32_t> ids, std::span<const float> distances,
                                              std::span<const std::int32_t> values, double temperature)
{
    const std::vector<double> weights = knnWeights(ids, distances, temperature);
    std::vector<TokenProbability> tokens;
    tokens.reserve(ids.size());
    for (std::size_t j = 0; j < ids.size(); ++j) {
        if (ids[j] >= 0)
            tokens.push_back({TokenId(values[std::size_t(ids[j])]), weights[j]});
    }
    std::stable_sort(tokens.begin(), tokens.end(), [](const auto &a, const auto &b) { return a.token < b.token; });
    std::size_t kept = 0;
    for (const TokenProbability &token : tokens) {
        if (kept > 0 && tokens[kept - 1].token == token.token)
            tokens[kept - 1].probability += token.probability;
        else
            tokens[kept++] = token;
    }
    tokens.resize(kept);
    std::stable_sort(tokens.begin(), tokens.end(), [](const auto &a, const auto &b) { return a.probability > b.probability; });
    return tokens;
}

} // namespace retoscope
