// SPDX-License-Identifier: GPL-3.0-or-later
// The parameters that are turned by hand: where each lives in EvaluationSettings, and how the steps of a slider become its
// values.
#pragma once

#include <QString>

#include "trace/sweep.h"

#include <vector>

namespace retoscope {

/// The values a slider stops at, ascending; the last may be ∞.
struct ParameterScale
{
    std::vector<double> values;
    bool whole = false; ///< whole numbers only
    bool hard = false;  ///< the last value is the last possible one, not only the last of the slider
    int decimals = 2;   ///< shown

    /// `stepsPerFactor` values per factor of `base`, rounded as they are shown.
    static ParameterScale logarithmic(double lowest, double highest, double base, int stepsPerFactor, int decimals);
    static ParameterScale linear(double lowest, double highest, int steps, int decimals);

    [[nodiscard]] bool endless() const;
    [[nodiscard]] int lastStep() const { return static_cast<int>(values.size()) - 1; }
    [[nodiscard]] double valueAt(int step) const { return values[static_cast<std::size_t>(step)]; }
    /// Of any value, as a fraction between steps; what lies outside is at the ends.
    [[nodiscard]] double positionOf(double value) const;
    [[nodiscard]] int stepOf(double value) const; ///< the nearest
    /// About `count` different values over the whole scale, its ends included: the axis of a grid.
    [[nodiscard]] std::vector<double> spread(int count) const;
};

struct Parameter
{
    const char *axis;   ///< name in SweepGrid: "lambda"
    QString symbol;     ///< "λ"
    QString title;      ///< "temperature T"
    QString toolTip;
    ParameterScale scale;
    bool ofAutomaton = false; ///< has no effect on plain kNN-LM
    double (*get)(const EvaluationSettings &) = nullptr;
    void (*set)(EvaluationSettings &, double) = nullptr;

    /// For people: "0.25", "1,024", "∞".
    [[nodiscard]] QString text(double value) const;
    /// For SweepGrid; ∞ is "inf".
    [[nodiscard]] Json json(double value) const;
};

/// λ, T, k, min_knns, max_knns. `kMax` is the trace's: k goes no further.
std::vector<Parameter> sweepParameters(std::int32_t kMax);
/// One axis of a grid.
std::pair<std::string, std::vector<Json>> gridAxis(const Parameter &parameter, const std::vector<double> &values);

} // namespace retoscope
