// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/evaluation_tally.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

double knnLogProb(std::span<const float> distances, std::span<const std::uint8_t> matches, double temperature, Semantics semantics)
{
    constexpr double smallest = -103.97;
    const double logProb = logKnnProbability(distances, matches, temperature);
    return semantics == Semantics::Reference && logProb < smallest ? referenceLogZero : logProb;
}

EvaluationTally::EvaluationTally(const EvaluationSettings &settings, std::int64_t positions) : m_interpolation(settings.lambda)
{
    constexpr float unknown = std::numeric_limits<float>::quiet_NaN();
    const auto n = static_cast<std::size_t>(positions);
    m_result.settings = settings;
    m_result.logProbs.assign(n, unknown);
    m_result.knnLogProbs.assign(n, unknown);
    m_result.searched.assign(n, 0);
    m_result.candidates.assign(n, 0);
    m_result.survivors.assign(n, 0);
}

void EvaluationTally::add(std::int64_t position, double lmLogProb, const PositionOutcome &outcome)
{
    const bool retrieved = outcome.candidates > 0;
    const double nothing = m_result.settings.reference() ? referenceLogZero : -std::numeric_limits<double>::infinity();
    const double knnLogProb = retrieved ? outcome.knnLogProb : nothing;
    const double logProb = m_interpolation(lmLogProb, knnLogProb, retrieved);
    m_logProb += logProb;
    m_lmLogProb += lmLogProb;
    m_oracleLogProb += std::max(lmLogProb, knnLogProb);
    ++m_result.positions;
    m_result.searches += outcome.searched;
    m_result.helped += logProb > lmLogProb;
    m_result.hurt += logProb < lmLogProb;

    const auto p = static_cast<std::size_t>(position);
    m_result.logProbs[p] = static_cast<float>(logProb);
    m_result.knnLogProbs[p] = static_cast<float>(knnLogProb);
    m_result.searched[p] = outcome.searched;
    m_result.candidates[p] = outcome.candidates;
    m_result.survivors[p] = outcome.survivors;
}

EvaluationResult &EvaluationTally::summary()
{
    const auto n = static_cast<double>(std::max<std::int64_t>(m_result.positions, 1));
    m_result.nll = -m_logProb / n;
    m_result.perplexity = std::exp(m_result.nll);
    m_result.baseNll = -m_lmLogProb / n;
    m_result.oraclePerplexity = std::exp(-m_oracleLogProb / n);
    m_result.foss = 1 - static_cast<double>(m_result.searches) / n;
    return m_result;
}

} // namespace retoscope
