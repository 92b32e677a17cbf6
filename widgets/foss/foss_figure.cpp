// SPDX-License-Identifier: GPL-3.0-or-later
#include "foss/foss_figure.h"

#include "base/error.h"
#include "trace/evaluation_settings.h"

#include <QLocale>
#include <QObject>

#include <algorithm>

namespace retoscope {

namespace {

/// What was varied along the curve, for the tool tip.
QString labelOf(const EvaluationSettings &settings)
{
    if (settings.method == Method::Retomaton) {
        const auto minKnns = settings.automaton.minKnns;
        return QObject::tr("min_knns %1").arg(minKnns == AutomatonSettings::alwaysSearch ? QStringLiteral("∞") : QString::number(minKnns));
    }
    return QObject::tr("%1 % of the positions skipped").arg(QLocale().toString(settings.skipFraction * 100, 'f', 0));
}

FossFigure::Point pointFrom(const Json &json)
{
    return {json.at("foss").get<double>(), json.at("perplexity").get<double>(), json.at("pareto").get<bool>(),
            labelOf(json.at("settings").get<EvaluationSettings>())};
}

} // namespace

FossFigure FossFigure::fromCurve(const CurveRow &curve)
{
    FossFigure figure;
    figure.title = QString::fromStdString(curve.name);
    if (!curve.data.contains("series"))
        return figure; // still being made
    try {
        figure.basePerplexity = curve.data.value("base_perplexity", 0.0);
        for (const auto &json : curve.data.at("series")) {
            Series series{QString::fromStdString(json.at("name").get<std::string>()), {}};
            for (const auto &point : json.at("points"))
                series.points.push_back(pointFrom(point));
            std::ranges::sort(series.points, {}, &Point::foss);
            figure.series.push_back(std::move(series));
        }
    } catch (const Json::exception &) {
        fail(ErrorKind::Corrupt, "The FoSS curve '{}' in the ledger lacks a field or has one of a wrong type; make it again with the command foss.", curve.name);
    }
    return figure;
}

} // namespace retoscope
