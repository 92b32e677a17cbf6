// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "plot/custom_plot.h"

#include "trace/evaluation_settings.h"
#include "trace/trace.h"

#include <array>
#include <vector>

namespace retoscope {

class JobControl;

/// The lines of the perplexity view, ready to be drawn; made on a worker thread, never changed afterwards.
struct PerplexitySeries
{
    using Points = QSharedPointer<QCPGraphDataContainer>;

    Points lmNll, knnNll, mixedNll, comparedNll;  ///< nats over the position, averaged over the window; NaN breaks the line
    Points lmRunning, mixedRunning, comparedRunning; ///< exp of the mean so far
    std::vector<std::int32_t> searchesBefore;     ///< [positions + 1]: how many of the first i positions were searched
    double highestNll = 1;                        ///< what the axis should reach: nearly all values
    double lowestRunning = 1, highestRunning = 2; ///< after the wild beginning

    /// `comparison` may be null, or be of another text (then it is left out).
    static std::shared_ptr<const PerplexitySeries> make(std::span<const float> lmLogProbs, const EvaluationResult &result, const EvaluationResult *comparison, int window, JobControl &job);

    [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(searchesBefore.size()) - 1; }
    /// Share of searched positions in [first, end).
    [[nodiscard]] double searchedShare(std::int64_t first, std::int64_t end) const;
};

} // namespace retoscope
