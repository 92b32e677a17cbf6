// SPDX-License-Identifier: GPL-3.0-or-later
#include "foss/foss_figure.h"

#include "base/error.h"
#include "trace/sweep.h"

#include <QLocale>
#include <QObject>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

/// Beyond this many pointers a threshold between a finite one and ∞ is looked for no longer.
constexpr double endlessStandsFor = 4;

FossFigure::Point pointFrom(const Json &json)
{
    return {json.at("foss").get<double>(), json.at("perplexity").is_number() ? json.at("perplexity").get<double>() : std::numeric_limits<double>::infinity(),
            json.at("pareto").get<bool>(), json.at("settings").get<EvaluationSettings>(), json.value("run", std::int64_t(0))};
}

/// The settings in a run's or curve's configuration, which names the artefacts beside them. Empty where a foreign or older
/// row has none that can be read.
std::optional<EvaluationSettings> settingsIn(Json config)
{
    config.erase("artefacts");
    try {
        return config.get<EvaluationSettings>();
    } catch (const std::exception &) {
        return std::nullopt;
    }
}

bool hasPoint(const FossFigure::Series &series, const EvaluationSettings &settings)
{
    return std::ranges::any_of(series.points, [&](const auto &point) { return point.settings == settings; });
}

/// The series that a run belongs to, by what its points have in common.
FossFigure::Series *seriesFor(FossFigure &figure, const EvaluationSettings &settings)
{
    for (auto &series : figure.series) {
        if (series.points.empty())
            continue;
        const EvaluationSettings &like = series.points.front().settings;
        if (like.method == settings.method && like.gate == settings.gate && (settings.method != Method::Retomaton || like.useClusters == settings.useClusters))
            return &series;
    }
    return nullptr;
}

void addRun(FossFigure &figure, const RunRow &run)
{
    const auto settings = settingsIn(run.config);
    if (!settings || !run.metrics.contains("foss") || !run.metrics.value("perplexity", Json()).is_number())
        return;
    const double foss = run.metrics.value("foss", 0.0);
    if (run.metrics.value("live", false)) {
        const auto positions = run.metrics.value("positions", std::int64_t(0));
        if (positions > 0 && run.seconds > 0)
            figure.timings.push_back({settings->method == Method::Base ? 1.0 : foss, run.seconds * 1000 / double(positions), *settings, positions, run.id});
        return;
    }
    FossFigure::Series *series = seriesFor(figure, *settings);
    if (series && FossFigure::commonPart(*settings) == figure.base && !hasPoint(*series, *settings))
        series->points.push_back({foss, run.metrics.value("perplexity", 0.0), false, *settings, run.id});
}

void markCommonFront(FossFigure &figure)
{
    std::vector<SweepPoint> all;
    for (const auto &series : figure.series) {
        for (const auto &point : series.points) {
            SweepPoint &one = all.emplace_back();
            one.result.foss = point.foss;
            one.result.perplexity = point.perplexity;
        }
    }
    markParetoFront(all);
    auto next = all.cbegin();
    for (auto &series : figure.series) {
        for (auto &point : series.points)
            point.pareto = (next++)->pareto;
    }
}

} // namespace

QString variedSetting(const EvaluationSettings &settings)
{
    switch (settings.method) {
    case Method::Base: return QObject::tr("LM alone");
    case Method::KnnLm: return QObject::tr("%1 % of the positions skipped").arg(QLocale().toString(settings.skipFraction * 100, 'f', 0));
    case Method::Adaptive:
        return QObject::tr("%1 % of the positions skipped by the gate, λ %2")
            .arg(QLocale().toString(settings.skipFraction * 100, 'f', 0), settings.gate.learnedWeight ? QObject::tr("learned") : QLocale().toString(settings.lambda, 'g', 4));
    case Method::Retomaton: return QObject::tr("min_knns %1").arg(QString::fromStdString(minKnnsText(settings.automaton.minKnns)));
    }
    return {};
}

EvaluationSettings FossFigure::commonPart(EvaluationSettings settings)
{
    const EvaluationSettings standard;
    settings.method = Method::Retomaton;
    settings.useClusters = standard.useClusters;
    settings.automaton.minKnns = standard.automaton.minKnns;
    settings.skipFraction = standard.skipFraction;
    settings.skipSeed = standard.skipSeed;
    settings.gate = standard.gate;
    return settings;
}

FossFigure FossFigure::fromCurve(const CurveRow &curve)
{
    FossFigure figure;
    figure.curve = curve.id;
    figure.title = QString::fromStdString(curve.name);
    if (!curve.data.contains("series"))
        return figure; // still being made
    try {
        figure.basePerplexity = curve.data.value("base_perplexity", 0.0);
        for (const auto &json : curve.data.at("series")) {
            Series series{QString::fromStdString(json.at("name").get<std::string>()), {}};
            for (const auto &point : json.at("points"))
                series.points.push_back(pointFrom(point));
            std::ranges::stable_sort(series.points, {}, &Point::foss);
            if (!series.points.empty())
                figure.base = commonPart(series.points.front().settings);
            figure.series.push_back(std::move(series));
        }
    } catch (const Json::exception &) {
        fail(ErrorKind::Corrupt, "The FoSS curve '{}' in the ledger lacks a field or has one of a wrong type; make it again with the command foss.", curve.name);
    }
    return figure;
}

FossFigure FossFigure::fromProject(const ProjectSnapshot &project, const std::string &trace, const std::optional<EvaluationSettings> &base)
{
    const auto row = std::ranges::find_if(project.artefacts, [&](const ArtefactRow &a) { return a.kind == ArtefactKind::Trace && a.name == trace; });
    FossFigure figure;
    std::int64_t traceId = 0;
    for (const CurveRow &curve : project.fossCurves) { // newest first
        if (!curve.data.contains("series") || (!trace.empty() && (row == project.artefacts.end() || curve.trace != row->id)))
            continue;
        FossFigure candidate = fromCurve(curve);
        const bool wished = base && candidate.base == commonPart(*base);
        if (figure.isEmpty() || wished) {
            figure = std::move(candidate);
            traceId = curve.trace;
        }
        if (wished || !base)
            break;
    }
    if (figure.isEmpty())
        return figure;
    for (const RunRow &run : project.runs) {
        if (run.trace == traceId && run.status == RunStatus::Done)
            addRun(figure, run);
    }
    for (auto &series : figure.series)
        std::ranges::stable_sort(series.points, {}, &Point::foss);
    std::ranges::stable_sort(figure.timings, {}, &Timing::foss);
    markCommonFront(figure);
    return figure;
}

std::vector<EvaluationSettings> FossFigure::settingsBetween(int count) const
{
    struct Gap
    {
        double width = 0;
        EvaluationSettings settings;
    };
    std::vector<EvaluationSettings> wanted;
    for (const auto &one : series) {
        std::vector<Gap> gaps;
        for (std::size_t i = 1; i < one.points.size(); ++i) {
            const Point &fewer = one.points[i - 1], &more = one.points[i]; // saved searches
            if (more.settings.method != Method::Retomaton)
                break;
            const auto low = double(more.settings.automaton.minKnns);
            const bool endless = fewer.settings.automaton.minKnns == AutomatonSettings::alwaysSearch;
            const double high = endless ? low * endlessStandsFor : double(fewer.settings.automaton.minKnns);
            EvaluationSettings between = more.settings;
            between.automaton.minKnns = std::llround(std::sqrt(low * high));
            if (double(between.automaton.minKnns) > low && (endless || double(between.automaton.minKnns) < high))
                gaps.push_back({more.foss - fewer.foss, between});
        }
        std::ranges::stable_sort(gaps, std::ranges::greater(), &Gap::width);
        for (std::size_t i = 0; i < std::min(gaps.size(), std::size_t(count)); ++i)
            wanted.push_back(gaps[i].settings);
    }
    return wanted;
}

} // namespace retoscope
