// SPDX-License-Identifier: GPL-3.0-or-later
// How an evaluation scores a position, and how live evaluation adds positions up. Internal to this room.
#pragma once

#include "predict/knn_distribution.h"
#include "trace/evaluation_settings.h"

#include <span>
#include <vector>

namespace retoscope {

/// What retrieval made of one position; the default is a position that the LM scored alone.
struct PositionOutcome
{
    double knnLogProb = 0; ///< of the target; no meaning without candidates
    std::int32_t candidates = 0;
    std::int32_t survivors = 0;
    bool searched = false;
};

/// log p_kNN(target) as the semantics want it. The released code sums softmax weights in fp32, so that what is below half
/// of its smallest number is lost, and replaces the logarithm of nothing by −10000.
double knnLogProb(std::span<const float> distances, std::span<const std::uint8_t> matches, double temperature, Semantics semantics);

/// Sums of an evaluation whose positions may become known in any order.
class EvaluationTally
{
public:
    EvaluationTally(const EvaluationSettings &settings, std::int64_t positions);

    void add(std::int64_t position, double lmLogProb, const PositionOutcome &outcome);
    /// The figures of the positions added so far; per-position arrays hold NaN where nothing was
    /// added. The released code's counter is left to referenceFoss().
    EvaluationResult &summary();

private:
    EvaluationResult m_result;
    Interpolation m_interpolation;
    double m_logProb = 0, m_lmLogProb = 0, m_oracleLogProb = 0; ///< sums
};

} // namespace retoscope
