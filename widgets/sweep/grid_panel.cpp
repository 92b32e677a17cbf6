// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/grid_panel.h"

#include "base/error.h"
#include "shell/trace_choice.h"
#include "sweep/curve_plot.h"
#include "sweep/heat_map.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>

#include <algorithm>
#include <limits>

namespace retoscope {

namespace {

constexpr int quietMs = 400;
constexpr std::int32_t unknownKMax = 1024;
constexpr int lambda = 0, temperature = 1; // among sweepParameters()
constexpr int fineSteps = 21;

/// RetoMaton needs no clusters; the LM alone has no parameters, so kNN-LM is swept in its place. So it is for AdaptRet, whose
/// gate would be trained anew for every T and k.
EvaluationSettings swept(const EvaluationSettings &settings)
{
    return withMethod(settings, settings.method == Method::Base || settings.method == Method::Adaptive ? Method::KnnLm : settings.method);
}

} // namespace

// ---- what both have ---------------------------------------------------------------------------------------------------

GridPanel::GridPanel(QWidget *parent)
    : QWidget(parent), m_parameters(sweepParameters(unknownKMax)), m_layout(new QVBoxLayout(this)), m_choices(new QHBoxLayout), m_steps(new QSpinBox),
      m_automatic(new QCheckBox(tr("&Keep up to date"))), m_compute(new QPushButton), m_send(new QPushButton(tr("Send &grid to runs"))),
      m_progress(new QProgressBar), m_state(new QLabel)
{
    m_steps->setObjectName(QStringLiteral("steps"));
    m_steps->setRange(3, 41);
    m_steps->setValue(11);
    m_steps->setKeyboardTracking(false);
    m_steps->setAccessibleName(tr("Values per axis"));
    m_steps->setToolTip(tr("Values per axis"));
    m_automatic->setChecked(true);
    m_automatic->setObjectName(QStringLiteral("automatic"));
    m_automatic->setToolTip(tr("Compute again by itself when the setting changes"));
    m_compute->setObjectName(QStringLiteral("compute"));
    m_send->setObjectName(QStringLiteral("send"));
    m_send->setToolTip(tr("Evaluate the same grid as a job and keep every point in the table of runs"));
    m_progress->setTextVisible(false);
    m_progress->setFixedHeight(fontMetrics().height() / 2);
    QSizePolicy keepsPlace = m_progress->sizePolicy();
    keepsPlace.setRetainSizeWhenHidden(true);
    m_progress->setSizePolicy(keepsPlace);
    m_state->setForegroundRole(QPalette::PlaceholderText);
    m_state->setWordWrap(true);
    m_quiet.setSingleShot(true);
    m_quiet.setInterval(quietMs);

    connect(&m_quiet, &QTimer::timeout, this, [this] {
        if (isVisible() && m_automatic->isChecked() && isStale())
            compute();
    });
    connect(m_automatic, &QCheckBox::toggled, this, &GridPanel::wantChanged);
    connect(m_steps, &QSpinBox::valueChanged, this, &GridPanel::wantChanged);
    connect(m_compute, &QPushButton::clicked, this, [this] { m_runner.isBusy() ? cancel() : compute(); });
    connect(m_send, &QPushButton::clicked, this, [this] { Q_EMIT gridSent(m_settings, wantedGrid()); });
    connect(&m_runner, &GridRunner::changed, this, [this] {
        showPoints();
        updateState();
    });
    connect(&m_runner, &GridRunner::finished, this, [this] { gridFinished(); });
    connect(&m_runner, &GridRunner::failed, this, &GridPanel::failed);
}

QComboBox *GridPanel::addParameterChoice(const QString &label, const QString &objectName, int initial)
{
    auto *combo = new QComboBox;
    combo->setObjectName(objectName);
    combo->setAccessibleName(label);
    for (const Parameter &parameter : m_parameters)
        combo->addItem(parameter.symbol);
    combo->setCurrentIndex(initial);
    auto *text = new QLabel(label);
    text->setBuddy(combo);
    m_choices->addWidget(text);
    m_choices->addWidget(combo);
    connect(combo, &QComboBox::currentIndexChanged, this, &GridPanel::wantChanged);
    return combo;
}

void GridPanel::finishLayout(QWidget *plotWidget)
{
    m_choices->addWidget(m_steps);
    m_choices->addStretch();
    m_choices->addWidget(m_compute);
    auto *below = new QHBoxLayout;
    below->addWidget(m_automatic);
    below->addStretch();
    below->addWidget(m_send);
    m_layout->addLayout(m_choices);
    m_layout->addWidget(m_progress);
    m_layout->addWidget(plotWidget, 1);
    m_layout->addWidget(m_state);
    m_layout->addLayout(below);
    updateState();
}

int GridPanel::steps() const
{
    return m_steps->value();
}

void GridPanel::setSteps(int steps)
{
    m_steps->setValue(steps);
}

void GridPanel::setTrace(std::shared_ptr<const TraceSession> trace)
{
    m_runner.clear();
    m_trace = std::move(trace);
    m_parameters = sweepParameters(m_trace ? m_trace->trace().arrays().kMax : unknownKMax);
    wantChanged();
}

void GridPanel::setSettings(const EvaluationSettings &settings)
{
    m_settings = settings;
    showSettings();
    wantChanged();
}

void GridPanel::compute()
{
    if (!m_trace)
        return;
    try {
        const SweepGrid grid = wantedGrid();
        m_runner.start(m_trace, grid.at(0, swept(m_settings)), grid);
    } catch (const std::exception &error) {
        Q_EMIT failed(QString::fromUtf8(error.what()));
    }
}

void GridPanel::cancel()
{
    m_quiet.stop(); // or it would begin again by itself
    m_runner.cancel();
}

bool GridPanel::isStale() const
{
    if (!m_trace)
        return false;
    try {
        const SweepGrid grid = wantedGrid();
        return m_runner.points().empty() || m_runner.grid().toJson() != grid.toJson() || !(m_runner.base() == grid.at(0, swept(m_settings)))
               || (!m_runner.isBusy() && m_runner.readyCount() < int(m_runner.points().size()));
    } catch (const Error &) {
        return false; // an impossible setting, of which the session tells; no plot can be made for it
    }
}

bool GridPanel::isSettled() const
{
    return !m_runner.isBusy() && !m_quiet.isActive();
}

void GridPanel::wantChanged()
{
    if (m_trace && m_automatic->isChecked() && isStale())
        m_quiet.start();
    updateState();
}

void GridPanel::showEvent(QShowEvent *event)
{
    QWidget::showEvent(event);
    wantChanged();
}

void GridPanel::updateState()
{
    const bool busy = m_runner.isBusy();
    m_compute->setText(busy ? tr("Cancel") : tr("Compute"));
    m_compute->setEnabled(busy || m_trace);
    m_send->setEnabled(m_trace != nullptr);
    m_progress->setVisible(busy);
    m_progress->setRange(0, int(m_runner.points().size()));
    m_progress->setValue(m_runner.readyCount());
    QString text;
    if (busy)
        text = tr("%1 of %2 settings").arg(m_runner.readyCount()).arg(m_runner.points().size());
    else if (!m_trace)
        text = tr("No trace is open.");
    else if (m_runner.points().empty())
        text = tr("Not computed yet.");
    else if (isStale())
        text = m_runner.readyCount() < int(m_runner.points().size()) ? tr("Stopped after %1 of %2 settings.").arg(m_runner.readyCount()).arg(m_runner.points().size())
                                                                     : tr("Belongs to an earlier setting; compute it again.");
    else if (const SweepPoint *best = m_runner.best())
        text = tr("Best here: %1, %2. Chosen on this text: report it on another one.").arg(QString::fromUtf8(displayName(best->settings.method)), QString::fromStdString(describe(best->settings)));
    m_state->setText(text);
}

// ---- heat map ---------------------------------------------------------------------------------------------------------

HeatMapPanel::HeatMapPanel(QWidget *parent)
    : GridPanel(parent), m_map(new HeatMap), m_x(addParameterChoice(tr("&across"), QStringLiteral("x"), lambda)), m_y(addParameterChoice(tr("&up"), QStringLiteral("y"), temperature))
{
    setObjectName(QStringLiteral("heatMap"));
    finishLayout(m_map);
    const auto keepApart = [](QComboBox *changed, QComboBox *other) {
        connect(changed, &QComboBox::currentIndexChanged, other, [other](int index) {
            if (other->currentIndex() == index)
                other->setCurrentIndex((index + 1) % other->count());
        });
    };
    keepApart(m_x, m_y);
    keepApart(m_y, m_x);
    connect(m_map, &HeatMap::chosen, this, [this](double x, double y) {
        EvaluationSettings settings = swept(this->settings());
        m_map->data().x->set(settings, x);
        m_map->data().y->set(settings, y);
        Q_EMIT chosen(settings);
    });
}

SweepGrid HeatMapPanel::wantedGrid() const
{
    const Parameter &x = parameters()[std::size_t(m_x->currentIndex())], &y = parameters()[std::size_t(m_y->currentIndex())];
    SweepGrid grid;
    grid.axes.emplace_back("method", std::vector<Json>{toString(swept(settings()).method)});
    grid.axes.push_back(gridAxis(y, y.scale.spread(steps())));
    if (m_x->currentIndex() != m_y->currentIndex()) // not while one of the two is still to follow
        grid.axes.push_back(gridAxis(x, x.scale.spread(steps()))); // varies fastest: a row of the map
    return grid;
}

QCustomPlot &HeatMapPanel::plot() const
{
    return m_map->plot();
}

void HeatMapPanel::setAxes(int x, int y)
{
    m_x->setCurrentIndex(x);
    m_y->setCurrentIndex(y);
}

void HeatMapPanel::findBest()
{
    setAxes(lambda, temperature);
    setSteps(fineSteps);
    m_choosesBest = true;
    compute();
}

void HeatMapPanel::gridFinished()
{
    if (!std::exchange(m_choosesBest, false))
        return;
    if (const SweepPoint *best = runner().best())
        Q_EMIT chosen(best->settings);
}

void HeatMapPanel::showPoints()
{
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    HeatMapData shown;
    const auto &points = runner().points();
    const auto &axes = runner().grid().axes;
    if (!points.empty() && axes.size() == 3) {
        const auto valuesOf = [&](const Parameter &parameter, std::size_t count, std::size_t stride) {
            std::vector<double> values;
            for (std::size_t i = 0; i < count; ++i)
                values.push_back(parameter.get(runner().grid().at(i * stride, runner().base())));
            return values;
        };
        const auto parameterOf = [&](const std::string &axis) { return *std::ranges::find(parameters(), axis, [](const Parameter &p) { return std::string(p.axis); }); };
        shown.y = parameterOf(axes[1].first);
        shown.x = parameterOf(axes[2].first);
        shown.ys = valuesOf(*shown.y, axes[1].second.size(), axes[2].second.size());
        shown.xs = valuesOf(*shown.x, axes[2].second.size(), 1);
        for (const auto &point : points) {
            shown.perplexity.push_back(point ? point->result.perplexity : unknown);
            shown.foss.push_back(point ? point->result.foss : unknown);
            if (point)
                shown.basePerplexity = basePerplexity(point->result);
        }
        if (const SweepPoint *best = runner().best())
            shown.best = std::size_t(std::ranges::find_if(points, [&](const auto &point) { return point && &*point == best; }) - points.begin());
    }
    m_map->setData(shown);
}

void HeatMapPanel::showSettings()
{
    m_map->setSettings(settings());
}

// ---- curve ------------------------------------------------------------------------------------------------------------

CurvePanel::CurvePanel(QWidget *parent) : GridPanel(parent), m_curve(new CurvePlot), m_x(addParameterChoice(tr("&over"), QStringLiteral("x"), lambda))
{
    setObjectName(QStringLiteral("curve"));
    finishLayout(m_curve);
    connect(m_curve, &CurvePlot::chosen, this, [this](double value) {
        EvaluationSettings settings = swept(this->settings());
        m_curve->data().x->set(settings, value);
        Q_EMIT chosen(settings);
    });
}

SweepGrid CurvePanel::wantedGrid() const
{
    const Parameter &x = parameters()[std::size_t(m_x->currentIndex())];
    SweepGrid grid;
    grid.axes.emplace_back("method", std::vector<Json>{toString(Method::KnnLm), toString(Method::Retomaton)});
    grid.axes.push_back(gridAxis(x, x.scale.spread(steps())));
    return grid;
}

QCustomPlot &CurvePanel::plot() const
{
    return m_curve->plot();
}

void CurvePanel::showPoints()
{
    CurveData shown;
    const auto &points = runner().points();
    if (!points.empty()) {
        const std::string axis = runner().grid().axes[1].first;
        shown.x = *std::ranges::find(parameters(), axis, [](const Parameter &p) { return std::string(p.axis); });
        for (const Method method : {Method::KnnLm, Method::Retomaton}) {
            CurveData::Line line{QString::fromUtf8(displayName(method)), method == Method::Retomaton, {}};
            for (const auto &point : points) {
                if (!point || point->settings.method != method)
                    continue;
                line.points.push_back({shown.x->get(point->settings), point->result.perplexity, point->result.foss});
                shown.basePerplexity = basePerplexity(point->result);
            }
            shown.lines.push_back(std::move(line));
        }
    }
    m_curve->setData(shown);
}

void CurvePanel::showSettings()
{
    m_curve->setSettings(settings());
}

} // namespace retoscope
