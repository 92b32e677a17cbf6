// SPDX-License-Identifier: GPL-3.0-or-later
// FoSS curves: the fraction of saved searches against perplexity (Alon et al. 2022, figures 3 and 4).
#include "trace/sweep.h"

#include "base/error.h"
#include "base/job.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

namespace retoscope {

namespace {

/// min_knns from ∞ down to 1 in `points` values. The number of survivors is spread over decades, so a geometric series up
/// to what most positions have spreads the points over FoSS.
std::vector<std::int64_t> thresholds(std::span<const std::int32_t> survivorsWhenAlwaysSearching, std::int32_t points)
{
    std::vector<std::int32_t> survivors(survivorsWhenAlwaysSearching.begin(), survivorsWhenAlwaysSearching.end());
    const auto highest = survivors.begin() + std::ptrdiff_t(0.95 * double(survivors.size() - 1));
    std::nth_element(survivors.begin(), highest, survivors.end());
    const double last = std::max(*highest, points);
    std::vector<std::int64_t> values;
    for (std::int32_t i = 0; i + 1 < points; ++i) {
        const double exponent = points > 2 ? double(i) / double(points - 2) : 0.0;
        const std::int64_t value = std::llround(std::pow(last, exponent));
        values.push_back(values.empty() ? 1 : std::max(value, values.back() + 1));
    }
    values.push_back(AutomatonSettings::alwaysSearch);
    std::reverse(values.begin(), values.end());
    return values;
}

SweepPoint evaluatePoint(const Replay &replay, const EvaluationSettings &settings, JobControl &job)
{
    JobControl part(&job);
    return {settings, replay.evaluate(settings, {}, part)};
}

/// One front over all series: what a reader would choose from.
void markCommonFront(std::vector<FossSeries> &curve)
{
    std::vector<SweepPoint> all;
    for (const FossSeries &series : curve)
        all.insert(all.end(), series.points.begin(), series.points.end());
    markParetoFront(all);
    auto next = all.cbegin();
    for (FossSeries &series : curve) {
        for (SweepPoint &point : series.points)
            point.pareto = (next++)->pareto;
    }
}

} // namespace

std::vector<FossSeries> fossCurve(const Replay &replay, const EvaluationSettings &wished, std::int32_t points, JobControl &job,
                                  const std::optional<GateSettings> &gate)
{
    if (points < 2 || points > 1000)
        fail(ErrorKind::BadInput, "foss: {} points were asked for; give 2 to 1000.", points);
    EvaluationSettings base = wished;
    base.gate = {};
    base.skipFraction = 0;
    std::vector<FossSeries> curve;
    const std::int64_t total = std::int64_t(points) * (2 + (replay.clusters() ? 1 : 0) + (gate ? 1 : 0));
    std::int64_t done = 0;
    const auto add = [&](FossSeries &series, const EvaluationSettings &settings) {
        series.points.push_back(evaluatePoint(replay, settings, job));
        job.report("computing the FoSS curve", "points", ++done, total, series.name);
    };

    const auto addRetomaton = [&](const char *name, bool useClusters) {
        EvaluationSettings settings = base;
        settings.method = Method::Retomaton;
        settings.useClusters = useClusters;
        settings.automaton.minKnns = AutomatonSettings::alwaysSearch;
        JobControl part(&job);
        const EvaluationResult everywhere = replay.evaluate(settings, {.perPosition = true}, part);
        FossSeries series{name, {}};
        for (const std::int64_t minKnns : thresholds(everywhere.survivors, points)) {
            settings.automaton.minKnns = minKnns;
            add(series, settings);
        }
        curve.push_back(std::move(series));
    };
    if (replay.clusters())
        addRetomaton("RetoMaton", true);
    addRetomaton("RetoMaton without clusters", false);

    const auto addSkipping = [&](std::string name, EvaluationSettings settings) {
        FossSeries series{std::move(name), {}};
        for (std::int32_t i = 0; i < points; ++i) {
            settings.skipFraction = double(i) / double(points - 1);
            add(series, settings);
        }
        curve.push_back(std::move(series));
    };
    EvaluationSettings settings = base;
    settings.method = Method::KnnLm;
    addSkipping("kNN-LM, random skipping", settings);
    if (gate) {
        settings.method = Method::Adaptive;
        settings.gate = *gate;
        static_cast<void>(replay.gate(settings, job)); // the training reports for itself; every point then finds the gate there
        addSkipping(std::string(displayName(Method::Adaptive)), settings);
    }

    for (FossSeries &series : curve) {
        std::stable_sort(series.points.begin(), series.points.end(),
                         [](const SweepPoint &a, const SweepPoint &b) { return a.result.foss < b.result.foss; });
    }
    markCommonFront(curve);
    return curve;
}

// ---- for a terminal ---------------------------------------------------------------------------------------------------

namespace {

/// Cells of one character; lines are drawn in Braille, whose cells hold 2 × 4 dots.
class Canvas
{
public:
    Canvas(int width, int height) : m_width(width), m_height(height), m_cells(std::size_t(width) * std::size_t(height)) {}

    /// x and y from 0 (left, bottom) to 1.
    void mark(double x, double y, std::string_view symbol)
    {
        cell(int(std::lround(x * (m_width - 1))), int(std::lround((1 - y) * (m_height - 1)))).symbol = symbol;
    }
    void line(double x0, double y0, double x1, double y1)
    {
        const int steps = 2 * std::max(2 * m_width, 4 * m_height);
        for (int i = 0; i <= steps; ++i) {
            const double f = double(i) / steps;
            dot(x0 + f * (x1 - x0), y0 + f * (y1 - y0));
        }
    }
    void horizontal(double y, std::string_view symbol)
    {
        for (int column = 0; column < m_width; ++column)
            cell(column, int(std::lround((1 - y) * (m_height - 1)))).background = symbol;
    }
    [[nodiscard]] std::string row(int row) const
    {
        std::string text;
        for (int column = 0; column < m_width; ++column) {
            const Cell &c = m_cells[std::size_t(row) * std::size_t(m_width) + std::size_t(column)];
            if (!c.symbol.empty())
                text += c.symbol;
            else if (c.dots != 0)
                text += braille(c.dots);
            else
                text += c.background.empty() ? std::string_view(" ") : c.background;
        }
        return text;
    }

private:
    struct Cell
    {
        std::string_view symbol, background;
        std::uint8_t dots = 0;
    };
    Cell &cell(int column, int row)
    {
        return m_cells[std::size_t(std::clamp(row, 0, m_height - 1)) * std::size_t(m_width) + std::size_t(std::clamp(column, 0, m_width - 1))];
    }
    void dot(double x, double y)
    {
        const int column = int(std::lround(x * (2 * m_width - 1))), row = int(std::lround((1 - y) * (4 * m_height - 1)));
        static constexpr std::array<std::array<std::uint8_t, 2>, 4> bits{{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}};
        cell(column / 2, row / 4).dots |= bits[std::size_t(row) % 4][std::size_t(column) % 2];
    }
    /// U+2800 and the dots, in UTF-8.
    static std::string braille(std::uint8_t dots) { return {'\xe2', char(0xa0 | dots >> 6), char(0x80 | (dots & 0x3f))}; }

    int m_width, m_height;
    std::vector<Cell> m_cells;
};

/// A step of 1, 2 or 5 times a power of ten that cuts `range` into about `count` parts.
double niceStep(double range, int count)
{
    const double raw = range / std::max(count, 1);
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (raw <= factor * power)
            return factor * power;
    }
    return 10 * power;
}

struct Interval
{
    double low = 0, high = 1;
    [[nodiscard]] double at(double value) const { return (value - low) / (high - low); }
};

Interval perplexities(const std::vector<FossSeries> &curve, double basePerplexity)
{
    Interval interval{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
    const auto include = [&](double value) {
        if (!std::isfinite(value))
            return;
        interval.low = std::min(interval.low, value);
        interval.high = std::max(interval.high, value);
    };
    include(basePerplexity);
    for (const FossSeries &series : curve) {
        for (const SweepPoint &point : series.points)
            include(point.result.perplexity);
    }
    if (!(interval.low <= interval.high))
        return {0, 1};
    const double margin = std::max(0.03 * (interval.high - interval.low), 1e-6 * std::max(1.0, interval.high));
    return {interval.low - margin, interval.high + margin};
}

constexpr std::array<std::string_view, 4> symbols{"●", "○", "×", "+"};
constexpr std::string_view baseSymbol = "┄";

std::string centred(std::string_view text, int width)
{
    return std::string(std::size_t(std::max(0, (width - int(text.size())) / 2)), ' ') + std::string(text);
}

} // namespace

std::string drawFossCurve(const std::vector<FossSeries> &curve, double basePerplexity, int width, int height)
{
    constexpr int labelWidth = 9, linesBesideThePlot = 5; // title, axis, ticks, axis title, one line of legend
    const int columns = std::max(width - labelWidth - 1, 20), rows = std::max(height - linesBesideThePlot, 5);
    const Interval y = perplexities(curve, basePerplexity);
    Canvas canvas(columns, rows);
    if (std::isfinite(basePerplexity))
        canvas.horizontal(y.at(basePerplexity), baseSymbol);
    for (const FossSeries &series : curve) {
        for (std::size_t i = 1; i < series.points.size(); ++i) {
            const EvaluationResult &from = series.points[i - 1].result, &to = series.points[i].result;
            if (std::isfinite(from.perplexity) && std::isfinite(to.perplexity))
                canvas.line(from.foss, y.at(from.perplexity), to.foss, y.at(to.perplexity));
        }
    }
    std::string legend;
    // The first series is drawn last, on top.
    for (std::size_t s = curve.size(); s-- > 0;) {
        const std::string_view symbol = symbols[s % symbols.size()];
        for (const SweepPoint &point : curve[s].points) {
            if (std::isfinite(point.result.perplexity))
                canvas.mark(point.result.foss, y.at(point.result.perplexity), symbol);
        }
        legend = fmt::format("{} {}   {}", symbol, curve[s].name, legend);
    }

    const double step = niceStep(y.high - y.low, std::max(rows / 3, 2));
    const int decimals = std::clamp(int(std::ceil(-std::log10(step))), 0, 4);
    std::vector<std::string> labels{std::size_t(rows)};
    for (double tick = std::ceil(y.low / step) * step; tick <= y.high; tick += step)
        labels[std::size_t(std::lround((1 - y.at(tick)) * (rows - 1)))] = fmt::format("{:.{}f}", tick, decimals);

    std::string text = "perplexity (lower is better)\n";
    for (int row = 0; row < rows; ++row) {
        const std::string &label = labels[std::size_t(row)];
        text += fmt::format("{:>{}} {}{}\n", label, labelWidth - 1, label.empty() ? "│" : "┤", canvas.row(row));
    }
    std::string axis, ticks(std::size_t(columns) + 4, ' ');
    const int percentStep = columns >= 44 ? 10 : 20;
    for (int column = 0; column < columns; ++column)
        axis += "─";
    std::vector<bool> tickAt(std::size_t(columns), false);
    for (int percent = 0; percent <= 100; percent += percentStep) {
        const int column = int(std::lround(percent / 100.0 * (columns - 1)));
        tickAt[std::size_t(column)] = true;
        const std::string label = std::to_string(percent);
        ticks.replace(std::size_t(std::max(0, column - int(label.size()) / 2)), label.size(), label);
    }
    axis.clear();
    for (const bool tick : tickAt)
        axis += tick ? "┬" : "─";
    const std::string indent(std::size_t(labelWidth), ' ');
    ticks.erase(ticks.find_last_not_of(' ') + 1);
    text += fmt::format("{}└{}\n{} {}\n{} {}\n", indent, axis, indent, ticks, indent, centred("searches saved (FoSS, %)", columns));
    if (std::isfinite(basePerplexity))
        legend += fmt::format("{} LM alone {:.2f}", baseSymbol, basePerplexity);
    text += legend + "\n";
    return text;
}

// ---- what was published -----------------------------------------------------------------------------------------------

const std::vector<PublishedCurve> &publishedCurves()
{
    // Read off the figures, within 0.03 of the axis unit; the fine-tuned Law-MT numbers stand in the text.
    static const char *const figure3 = "Alon et al. 2022, figure 3";
    static const char *const figure4 = "Alon et al. 2022, figure 4";
    static const char *const figure5 = "Alon et al. 2022, figure 5";
    static const char *const table = "Alon et al. 2022, fine-tuned LM";
    static const char *const released = "knn-transformers, README";
    static const std::vector<PublishedCurve> curves{
        {figure3, "WikiText-103 test", "kNN-LM, random skipping", {{0, 16.65}, {.3, 17.21}, {.5, 17.60}, {.7, 18.02}, {.9, 18.44}, {1, 18.66}}},
        {figure3, "WikiText-103 test", "AdaptRet", {{0, 16.35}, {.3, 16.47}, {.5, 16.67}, {.7, 16.99}, {.9, 17.59}, {1, 18.66}}},
        {figure3, "WikiText-103 test", "RetoMaton", {{0, 16.08}, {.26, 16.16}, {.45, 16.27}, {.61, 16.37}, {.81, 16.65}}},
        {figure3, "WikiText-103 test", "RetoMaton without clusters", {{0, 16.12}, {.68, 16.85}}},
        {figure4, "Law-MT test", "kNN-LM, random skipping", {{0, 12.34}, {.3, 23.83}, {.5, 36.32}, {.7, 56.19}, {.9, 86.39}, {1, 106.56}}},
        {figure4, "Law-MT test", "AdaptRet", {{0, 12.01}, {.3, 16.22}, {.5, 24.50}, {.7, 40.70}, {.9, 74.38}}},
        {figure4, "Law-MT test", "RetoMaton", {{0, 10.49}, {.35, 10.70}, {.53, 10.89}, {.73, 11.25}, {.83, 11.98}}},
        {table, "Law-MT test", "kNN-LM, random skipping", {{0, 7.93}, {.5, 8.25}}},
        {table, "Law-MT test", "AdaptRet", {{0, 7.81}, {.5, 7.91}}},
        {table, "Law-MT test", "RetoMaton", {{0, 7.10}, {.5, 7.15}}},
        {figure5, "WikiText-103 validation", "RetoMaton without clusters", {{0, 16.13}, {.2, 16.20}, {.5, 16.48}, {.68, 16.91}}},
        {figure5, "WikiText-103 validation", "RetoMaton, 1M clusters", {{0, 16.11}, {.75, 16.48}, {.83, 16.69}}},
        {figure5, "WikiText-103 validation", "RetoMaton, 500K clusters", {{.84, 16.70}}},
        {figure5, "WikiText-103 validation", "RetoMaton, 100K clusters", {{.84, 16.82}}},
        {figure5, "WikiText-103 validation", "RetoMaton, 21M greedy clusters", {{0, 16.09}, {.26, 16.18}, {.52, 16.33}, {.75, 16.83}}},
        {released, "WikiText-103, distilgpt2", "kNN-LM, random skipping", {{0, 15.03}, {.2, 15.61}, {.4, 16.23}, {.6, 16.87}, {.8, 17.55}, {1, 18.25}}},
        {released, "WikiText-103, distilgpt2", "RetoMaton", {{0, 14.71}, {.27, 14.81}, {.38, 14.87}, {.47, 14.93}, {.69, 15.14}, {.75, 15.22}, {.84, 15.46}}},
        {released, "WikiText-103, distilgpt2", "RetoMaton without clusters", {{.70, 15.53}}},
        {released, "WikiText-103, gpt2", "kNN-LM, random skipping", {{0, 12.57}, {.2, 12.98}, {.4, 13.42}, {.6, 13.89}, {.8, 14.36}, {1, 14.84}}},
        {released, "WikiText-103, gpt2", "RetoMaton", {{0, 12.44}, {.29, 12.54}, {.39, 12.60}, {.48, 12.66}, {.70, 12.84}, {.75, 12.91}, {.84, 13.12}}},
        {released, "WikiText-103, gpt2", "RetoMaton without clusters", {{.71, 13.16}}},
    };
    return curves;
}

} // namespace retoscope
