// SPDX-License-Identifier: GPL-3.0-or-later
// How recording and live evaluation walk an evaluation text: the same windows in the same forward passes, so that both see
// bit-identical queries. Internal to this room.
#pragma once

#include "model/language_model.h"
#include "text/token_store.h"
#include "text/windows.h"

#include <cstdint>
#include <vector>

namespace retoscope {

class JobControl;

/// Consecutive windows that are scored together; the unit of resuming. Fixed by the tokens and the scheme alone, never by
/// threads or by where an earlier run stopped.
struct ScoringBlock
{
    std::size_t firstWindow = 0;
    std::size_t windows = 0;
    std::int64_t firstPosition = 0;
    std::int64_t positions = 0;
};

struct ScoringPlan
{
    std::vector<Window> windows; ///< cut after maxPositions targets
    std::vector<ScoringBlock> blocks;
    std::int64_t positions = 0;
};

inline constexpr std::int64_t positionsPerBlock = 1024; ///< at least, but for the last: large batches search faster
inline constexpr std::int64_t tokensPerPass = 4096;     ///< of one forward pass, padding included

/// maxPositions 0: all. Throws BadInput for an impossible scheme, a negative maxPositions, or a text without a position.
ScoringPlan planScoring(const TokenStore &tokens, const WindowScheme &scheme, std::int64_t maxPositions);

/// Throws BadInput when the model cannot read windows of this plan.
void requireReadable(const ScoringPlan &plan, const LanguageModel &model);

/// Runs the model over the windows of a block, several passes; the rows are in the order of the positions.
ForwardOutput forwardBlock(const ScoringPlan &plan, const ScoringBlock &block, const LanguageModel &model,
                           const TokenStore &tokens, const ForwardRequest &request, JobControl &job);

/// What is known about a position before the model has run.
struct PositionLabel
{
    std::int32_t target = 0;     ///< y_t
    std::int64_t tokenIndex = 0; ///< of y_t in the token stream
    std::int32_t document = 0;   ///< of y_t
    std::int32_t window = 0;
};

/// Of the positions of a block, in order.
std::vector<PositionLabel> labelPositions(const ScoringPlan &plan, const ScoringBlock &block, const TokenStore &tokens);

} // namespace retoscope
