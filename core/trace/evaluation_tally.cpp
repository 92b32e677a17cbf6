// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/evaluation_tally.h"

#include <algorithm>
#include <cmath>

namespace retoscope {

double knnLogProb(std::span<const float> distances, std::span<const std::uint8_t> matches, const EvaluationSettings &settings)
{
    const double logProb = logKnnProbability(distances, matches, settings.temperature);
    return settings.reference() ? std::max(logProb, referenceLogZero) : logProb;
}

PositionOutcome CandidateScorer::score(std::span<const std::int32_t> ids, std::span<const float> distances, TokenId target)
{
    const std::span<const std::int32_t> values = m_datastore.values();
    const auto found = m_settings.reference() ? ids.size() : static_cast<std::size_t>(std::ranges::find(ids, -1) - ids.begin());
    m_matches.resize(found);
    for (std::size_t j = 0; j < found; ++j)
        m_matches[j] = (ids[j] < 0 ? values.back() : values[static_cast<std::size_t>(ids[j])]) == target.value;
    return {.knnLogProb = knnLogProb(distances.first(found), m_matches, m_settings),
            .candidates = static_cast<std::int32_t>(found),
            .searched = true};
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
    const double logProb = m_interpolation(lmLogProb, outcome.knnLogProb, retrieved);
    m_logProb += logProb;
    m_lmLogProb += lmLogProb;
    m_oracleLogProb += retrieved ? std::max(lmLogProb, outcome.knnLogProb) : lmLogProb;
    ++m_result.positions;
    m_result.searches += outcome.searched;
    m_result.helped += logProb > lmLogProb;
    m_result.hurt += logProb < lmLogProb;

    const auto p = static_cast<std::size_t>(position);
    m_result.logProbs[p] = static_cast<float>(logProb);
    m_result.knnLogProbs[p] = static_cast<float>(outcome.knnLogProb);
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
