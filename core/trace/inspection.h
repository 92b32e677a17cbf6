// SPDX-License-Identifier: GPL-3.0-or-later
// One position opened down to the numbers that made it: what the neighbour table and the distributions show.
#pragma once

#include "trace/replay.h"

#include <vector>

namespace retoscope {

struct InspectedNeighbour
{
    EntryId entry;
    std::int32_t rank = 0; ///< 1 = first candidate
    double distance = 0;
    double weight = 0;     ///< softmax(−d/T), sums to 1 over the neighbours that are on
    TokenId value;
    StateId state;         ///< invalid without clusters
    Replay::PositionCandidates::Origin origin = Replay::PositionCandidates::Origin::Search;
    bool isTarget = false; ///< value is the true next token
};

/// One token under the three distributions. A probability that the trace does not hold (LM candidates below the recorded
/// ones) is NaN, never 0.
struct InspectedToken
{
    TokenId token;
    double lm = 0, knn = 0, mixed = 0;
    std::int32_t lmRank = 0;    ///< 1-based; 0: below the recorded candidates
    std::int32_t knnRank = 0;   ///< 0: no neighbour has it
    std::int32_t mixedRank = 0; ///< 0: not known
    bool isTarget = false;
};

struct PositionInspection
{
    Position position;
    TokenId target;
    bool searched = false;
    RetomatonPlan plan; ///< RetoMaton only
    std::vector<InspectedNeighbour> neighbours;
    std::vector<InspectedToken> tokens; ///< union of the top candidates of LM, kNN and mixture and the target; by mixed, descending
    double lmLogProb = 0, knnLogProb = 0, mixedLogProb = 0; ///< of the target; knnLogProb −∞ when no neighbour has it
    double lmEntropy = 0;  ///< nats; NaN when the trace has none
    double knnEntropy = 0; ///< nats
    bool exactDistances = true;
};

/// `switchedOff`: entries left out of p_kNN (the neighbour table's switches). Thread-safe. Throws like Replay::evaluate().
PositionInspection inspect(const Replay &replay, Position position, const EvaluationSettings &settings,
                           std::span<const EntryId> switchedOff, std::int32_t topTokens);

} // namespace retoscope
