// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "trace/evaluation_settings.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace retoscope {

class JobControl;

/// What a trained gate says about every position of a trace, and how it was found.
struct GateDecisions
{
    std::vector<float> weights;        ///< λ_t, [positions]
    std::vector<float> logits;         ///< log(λ_t / (1 − λ_t)), [positions]; orders them where λ_t is as good as 0 or 1
    std::vector<float> heldOutLogits;  ///< of the part of the other trace that was held out of the training, ascending
    std::vector<std::string> features; ///< groups that both traces have
    std::vector<std::string> missing;  ///< groups that one of them lacks (imported traces know the target's log p_LM only)
    std::int64_t learnedFrom = 0;      ///< positions
    std::int32_t bestEpoch = 0;
    double heldOutLoss = 0;            ///< nats per position, with the sparsity term
    double seconds = 0;

    /// Positions whose logit is below it are skipped: the percentile of the held-out part. −∞ for a fraction of 0, +∞ for 1.
    [[nodiscard]] double threshold(double fraction) const;
    /// 1 where the search is skipped, [positions]. How many these are is the trace's own affair.
    [[nodiscard]] std::vector<std::uint8_t> skips(double fraction) const;
};
Json toJson(const GateDecisions &gate); ///< without the arrays

/// Finds, or trains, the gate of settings of the method adaptret for the trace of a replay. Called from several threads.
using GateSource = std::function<std::shared_ptr<const GateDecisions>(const EvaluationSettings &settings, JobControl &job)>;

} // namespace retoscope
