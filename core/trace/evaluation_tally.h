// SPDX-License-Identifier: GPL-3.0-or-later
// How live evaluation scores a position and adds positions up. Internal to this room.
#pragma once

#include "base/ids.h"
#include "datastore/datastore.h"
#include "predict/knn_distribution.h"
#include "trace/evaluation_settings.h"

#include <limits>
#include <span>
#include <vector>

namespace retoscope {

/// What retrieval made of one position; the default is a position that the LM scored alone.
struct PositionOutcome
{
    double knnLogProb = -std::numeric_limits<double>::infinity();
    std::int32_t candidates = 0;
    std::int32_t survivors = 0;
    bool searched = false;
};

/// log p_kNN(target); −10000 instead of −∞ in parity mode.
double knnLogProb(std::span<const float> distances, std::span<const std::uint8_t> matches, const EvaluationSettings &settings);

/// Scores what a search found, as kNN-LM does. One per thread.
class CandidateScorer
{
public:
    CandidateScorer(const Datastore &datastore, const EvaluationSettings &settings) : m_datastore(datastore), m_settings(settings) {}
    /// Padding (id −1) is dropped; in parity mode it stands for the last entry.
    PositionOutcome score(std::span<const std::int32_t> ids, std::span<const float> distances, TokenId target);

private:
    const Datastore &m_datastore;
    const EvaluationSettings &m_settings;
    std::vector<std::uint8_t> m_matches;
};

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
