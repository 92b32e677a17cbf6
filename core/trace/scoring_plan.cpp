// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/scoring_plan.h"

#include "base/error.h"
#include "base/job.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace retoscope {

namespace {

std::int64_t length(const Window &window)
{
    return window.end - window.begin;
}

/// Drops what lies behind the first `maxPositions` targets. Attention is causal: what is cut off could not have changed
/// the targets before it.
void cutWindows(std::vector<Window> &windows, std::int64_t maxPositions)
{
    std::int64_t left = maxPositions;
    std::size_t kept = 0;
    for (; kept < windows.size() && left > 0; ++kept) {
        Window &window = windows[kept];
        window.targets = static_cast<std::int32_t>(std::min<std::int64_t>(window.targets, left));
        window.end = window.firstTarget + window.targets;
        left -= window.targets;
    }
    windows.resize(kept);
}

/// Windows (indices) of one pass each. Like lengths go together, so that little is padded: no window of a pass is more
/// than an eighth shorter than its longest.
std::vector<std::vector<std::size_t>> planPasses(const ScoringPlan &plan, const ScoringBlock &block)
{
    std::vector<std::size_t> order(block.windows);
    std::iota(order.begin(), order.end(), block.firstWindow);
    std::ranges::stable_sort(order, std::greater(), [&](std::size_t w) { return length(plan.windows[w]); });
    std::vector<std::vector<std::size_t>> passes;
    std::int64_t longest = 0;
    for (const std::size_t w : order) {
        const std::int64_t tokens = length(plan.windows[w]);
        if (passes.empty() || std::ssize(passes.back()) * longest + longest > tokensPerPass || longest - tokens > longest / 8) {
            passes.emplace_back();
            longest = tokens;
        }
        passes.back().push_back(w);
    }
    return passes;
}

template<typename T>
void scatterRows(const std::vector<T> &from, std::int64_t fromRow, std::vector<T> &to, std::int64_t toRow, std::int64_t rows,
                 std::int64_t width)
{
    if (!from.empty())
        std::copy_n(from.begin() + fromRow * width, rows * width, to.begin() + toRow * width);
}

} // namespace

ScoringPlan planScoring(const TokenStore &tokens, const WindowScheme &scheme, std::int64_t maxPositions)
{
    if (maxPositions < 0)
        fail(ErrorKind::BadInput, "max_positions is {}; give the number of positions to evaluate, or 0 for all.", maxPositions);
    ScoringPlan plan;
    plan.windows = planWindows(tokens.documentOffsets(), scheme);
    if (maxPositions > 0)
        cutWindows(plan.windows, maxPositions);
    for (std::size_t w = 0; w < plan.windows.size(); ++w) {
        if (plan.blocks.empty() || plan.blocks.back().positions >= positionsPerBlock)
            plan.blocks.push_back({.firstWindow = w, .firstPosition = plan.positions});
        ++plan.blocks.back().windows;
        plan.blocks.back().positions += plan.windows[w].targets;
        plan.positions += plan.windows[w].targets;
    }
    if (plan.positions == 0)
        fail(ErrorKind::BadInput,
             "The evaluation text has {} tokens in {} documents, and none of them can be scored; give a longer text.",
             tokens.tokens().size(), tokens.documentCount());
    return plan;
}

void requireReadable(const ScoringPlan &plan, const LanguageModel &model)
{
    const std::int64_t longest = length(std::ranges::max(plan.windows, {}, length));
    if (longest > model.config().contextLength)
        fail(ErrorKind::BadInput, "The windows are up to {} tokens long, but the model reads at most {}; choose a block of {} or less.",
             longest, model.config().contextLength, model.config().contextLength);
}

ForwardOutput forwardBlock(const ScoringPlan &plan, const ScoringBlock &block, const LanguageModel &model,
                           const TokenStore &tokens, const ForwardRequest &request, JobControl &job)
{
    const std::int64_t dimension = model.config().hiddenSize;
    const std::int64_t scored = request.scores ? block.positions : 0;
    ForwardOutput result;
    result.positions = block.positions;
    result.keys.resize(request.keys ? static_cast<std::size_t>(block.positions * dimension) : 0);
    result.targetLogProbs.resize(static_cast<std::size_t>(scored));
    result.entropies.resize(static_cast<std::size_t>(scored));
    result.topIds.resize(static_cast<std::size_t>(scored * request.topCandidates));
    result.topLogProbs.resize(static_cast<std::size_t>(scored * request.topCandidates));

    std::vector<std::int64_t> firstRow(block.windows, 0); // of each window within the block
    for (std::size_t i = 1; i < block.windows; ++i)
        firstRow[i] = firstRow[i - 1] + plan.windows[block.firstWindow + i - 1].targets;

    ForwardOutput output;
    for (const std::vector<std::size_t> &pass : planPasses(plan, block)) {
        job.checkpoint();
        std::vector<WindowInput> inputs;
        for (const std::size_t w : pass) {
            const Window &window = plan.windows[w];
            inputs.push_back({.tokens = tokens.tokens().subspan(static_cast<std::size_t>(window.begin),
                                                                static_cast<std::size_t>(length(window))),
                              .firstTarget = static_cast<std::int32_t>(window.firstTarget - window.begin)});
        }
        model.forward(inputs, request, output);
        std::int64_t row = 0;
        for (const std::size_t w : pass) {
            const std::int64_t rows = plan.windows[w].targets, to = firstRow[w - block.firstWindow];
            scatterRows(output.keys, row, result.keys, to, rows, dimension);
            scatterRows(output.targetLogProbs, row, result.targetLogProbs, to, rows, 1);
            scatterRows(output.entropies, row, result.entropies, to, rows, 1);
            scatterRows(output.topIds, row, result.topIds, to, rows, request.topCandidates);
            scatterRows(output.topLogProbs, row, result.topLogProbs, to, rows, request.topCandidates);
            row += rows;
        }
    }
    return result;
}

std::vector<PositionLabel> labelPositions(const ScoringPlan &plan, const ScoringBlock &block, const TokenStore &tokens)
{
    std::vector<PositionLabel> labels;
    labels.reserve(static_cast<std::size_t>(block.positions));
    const auto offsets = tokens.documentOffsets();
    auto document = static_cast<std::size_t>(tokens.documentAt(plan.windows[block.firstWindow].firstTarget).value);
    for (std::size_t w = block.firstWindow; w < block.firstWindow + block.windows; ++w) {
        const Window &window = plan.windows[w];
        for (std::int64_t index = window.firstTarget; index < window.firstTarget + window.targets; ++index) {
            while (offsets[document + 1] <= index)
                ++document;
            labels.push_back({.target = tokens.tokens()[static_cast<std::size_t>(index)],
                              .tokenIndex = index,
                              .document = static_cast<std::int32_t>(document),
                              .window = static_cast<std::int32_t>(w)});
        }
    }
    return labels;
}

} // namespace retoscope
