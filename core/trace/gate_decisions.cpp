// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/gate_decisions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

double GateDecisions::threshold(double fraction) const
{
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (fraction <= 0 || heldOutLogits.empty())
        return -infinity;
    if (fraction >= 1)
        return infinity;
    const auto below = std::size_t(std::llround(fraction * double(heldOutLogits.size())));
    return below < heldOutLogits.size() ? double(heldOutLogits[below]) : infinity;
}

std::vector<std::uint8_t> GateDecisions::skips(double fraction) const
{
    const double lowest = threshold(fraction);
    std::vector<std::uint8_t> skipped(logits.size());
    std::vector<std::size_t> ties;
    for (std::size_t t = 0; t < logits.size(); ++t) {
        skipped[t] = double(logits[t]) < lowest;
        if (double(logits[t]) == lowest)
            ties.push_back(t);
    }
    if (ties.empty())
        return skipped;
    // A gate whose last hidden units are all off says the same of many positions. Of these as large a share is skipped, drawn
    // at random, as makes up the fraction on the held-out part.
    constexpr std::uint64_t seed = 1;
    const auto [first, last] = std::ranges::equal_range(heldOutLogits, float(lowest));
    const double below = double(first - heldOutLogits.begin()), equal = double(last - first);
    const double share = std::clamp((fraction * double(heldOutLogits.size()) - below) / equal, 0.0, 1.0);
    const std::vector<std::uint8_t> drawn = randomSkips(std::ssize(ties), share, seed);
    for (std::size_t i = 0; i < ties.size(); ++i)
        skipped[ties[i]] = drawn[i];
    return skipped;
}

Json toJson(const GateDecisions &gate)
{
    return {{"features", gate.features},
            {"missing_features", gate.missing},
            {"learned_from", gate.learnedFrom},
            {"held_out", gate.heldOutLogits.size()},
            {"best_epoch", gate.bestEpoch},
            {"held_out_loss", gate.heldOutLoss},
            {"seconds", gate.seconds}};
}

} // namespace retoscope
