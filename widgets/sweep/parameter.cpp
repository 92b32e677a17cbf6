// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/parameter.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

QString tr(const char *text)
{
    return QCoreApplication::translate("Parameter", text);
}

double rounded(double value, int decimals)
{
    const double power = std::pow(10.0, decimals);
    return std::round(value * power) / power; // the double nearest to 0.35, not 35 × 0.01
}

} // namespace

ParameterScale ParameterScale::logarithmic(double lowest, double highest, double base, int stepsPerFactor, int decimals)
{
    ParameterScale scale{.values = {}, .whole = decimals == 0, .decimals = decimals};
    for (int step = 0;; ++step) {
        const double value = std::min(rounded(lowest * std::pow(base, double(step) / stepsPerFactor), decimals), highest);
        if (scale.values.empty() || value > scale.values.back())
            scale.values.push_back(value);
        if (value >= highest)
            return scale;
    }
}

ParameterScale ParameterScale::linear(double lowest, double highest, int steps, int decimals)
{
    ParameterScale scale{.values = {}, .decimals = decimals};
    for (int step = 0; step <= steps; ++step)
        scale.values.push_back(rounded(lowest + (highest - lowest) * step / steps, decimals));
    return scale;
}

bool ParameterScale::endless() const
{
    return !values.empty() && std::isinf(values.back());
}

double ParameterScale::positionOf(double value) const
{
    const auto above = std::ranges::lower_bound(values, value);
    if (above == values.end())
        return lastStep();
    const auto step = double(above - values.begin());
    if (*above == value || above == values.begin())
        return step;
    return std::isinf(*above) ? step - 1 : step - 1 + (value - above[-1]) / (*above - above[-1]);
}

int ParameterScale::stepOf(double value) const
{
    return static_cast<int>(std::lround(positionOf(value)));
}

std::vector<double> ParameterScale::spread(int count) const
{
    std::vector<double> chosen;
    for (int i = 0; i < count; ++i) {
        const double value = valueAt(static_cast<int>(std::lround(double(i) * lastStep() / std::max(count - 1, 1))));
        if (chosen.empty() || value > chosen.back())
            chosen.push_back(value);
    }
    return chosen;
}

QString Parameter::text(double value) const
{
    if (std::isinf(value))
        return QStringLiteral("∞");
    return QLocale().toString(value, 'f', scale.whole ? 0 : scale.decimals);
}

Json Parameter::json(double value) const
{
    if (std::isinf(value))
        return "inf";
    return scale.whole ? Json(static_cast<std::int64_t>(std::llround(value))) : Json(value);
}

std::vector<Parameter> sweepParameters(std::int32_t kMax)
{
    ParameterScale share = ParameterScale::linear(0, 1, 100, 2), neighbours = ParameterScale::logarithmic(1, std::max(kMax, 1), 2, 4, 0);
    share.hard = neighbours.hard = true;
    const ParameterScale temperature = ParameterScale::logarithmic(0.1, 1000, 10, 20, 2), most = ParameterScale::logarithmic(1, 4096, 2, 4, 0);
    ParameterScale fewest = most;
    fewest.values.push_back(infinity);
    return {
        {"lambda", QStringLiteral("λ"), tr("weight of the neighbours λ"), tr("Weight of the kNN side: p = (1 − λ) p_LM + λ p_kNN"), share, false,
         [](const EvaluationSettings &s) { return s.lambda; }, [](EvaluationSettings &s, double value) { s.lambda = value; }},
        {"temperature", QStringLiteral("T"), tr("temperature T"), tr("Temperature of the neighbours' softmax(−distance / T): the higher, the more the far ones count"),
         temperature, false, [](const EvaluationSettings &s) { return s.temperature; }, [](EvaluationSettings &s, double value) { s.temperature = value; }},
        {"k", QStringLiteral("k"), tr("neighbours k"), tr("Neighbours per search, at most the %1 that the trace has").arg(kMax), neighbours, false,
         [](const EvaluationSettings &s) { return double(s.k); }, [](EvaluationSettings &s, double value) { s.k = static_cast<std::int32_t>(value); }},
        {"min_knns", QStringLiteral("min_knns"), tr("fewest pointers min_knns"), tr("RetoMaton searches when fewer pointers than this survive; ∞ searches at every token (FoSS 0)"),
         fewest, true,
         [](const EvaluationSettings &s) { return s.automaton.minKnns == AutomatonSettings::alwaysSearch ? infinity : double(s.automaton.minKnns); },
         [](EvaluationSettings &s, double value) { s.automaton.minKnns = std::isinf(value) ? AutomatonSettings::alwaysSearch : static_cast<std::int64_t>(value); }},
        {"max_knns", QStringLiteral("max_knns"), tr("most pointers max_knns"), tr("Most entries that pointers and their states may bring without a search"), most, true,
         [](const EvaluationSettings &s) { return double(s.automaton.maxKnns); },
         [](EvaluationSettings &s, double value) { s.automaton.maxKnns = static_cast<std::int32_t>(value); }},
    };
}

std::pair<std::string, std::vector<Json>> gridAxis(const Parameter &parameter, const std::vector<double> &values)
{
    std::pair<std::string, std::vector<Json>> axis{parameter.axis, {}};
    for (const double value : values)
        axis.second.push_back(parameter.json(value));
    return axis;
}

} // namespace retoscope
