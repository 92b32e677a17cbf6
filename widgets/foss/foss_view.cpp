// SPDX-License-Identifier: GPL-3.0-or-later
#include "foss/foss_view.h"

#include "base/error.h"
#include "foss/foss_table_model.h"
#include "ledger/command_line.h"
#include "plot/figure_export.h"
#include "plot/theme.h"
#include "runs/runs_export.h"
#include "shell/session.h"
#include "shell/trace_choice.h"

#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QMenu>
#include <QMouseEvent>
#include <QProgressBar>
#include <QPushButton>
#include <QToolTip>
#include <QVBoxLayout>

#include "plot/custom_plot.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace retoscope {

namespace {

constexpr double hoverRadius = 12; // pixels
constexpr int gap = 8;
constexpr int legendCharacters = 36; ///< width of a column of the legend
constexpr std::int32_t curvePoints = 12; ///< per series
constexpr int addedPoints = 4;           ///< per series
constexpr std::int64_t livePositions = 2000;
const auto marksLayer = QStringLiteral("marks");

// The shape differs too: colour never stands alone.
constexpr QCPScatterStyle::ScatterShape shapes[] = {QCPScatterStyle::ssDisc, QCPScatterStyle::ssSquare, QCPScatterStyle::ssTriangle, QCPScatterStyle::ssDiamond};

QString percent(double share)
{
    return QLocale().toString(share * 100, 'f', 1) + QStringLiteral(" %");
}

/// "RetoMaton, min_knns 8": the identity of a published curve.
QString datasetName(const PublishedCurve &curve)
{
    return QStringLiteral("%1 (%2)").arg(QString::fromStdString(curve.dataset), QString::fromStdString(curve.source));
}

std::vector<const PublishedCurve *> publishedOf(const QString &dataset)
{
    std::vector<const PublishedCurve *> curves;
    for (const PublishedCurve &curve : publishedCurves()) {
        if (datasetName(curve) == dataset)
            curves.push_back(&curve);
    }
    return curves;
}

/// Evaluates live what the wall clock is to be measured of: the LM, kNN-LM, and RetoMaton along its curve.
QString measureLive(Project &project, const std::string &trace, const std::string &clusters, const std::vector<EvaluationSettings> &settings, JobControl &control)
{
    for (std::size_t i = 0; i < settings.size(); ++i) {
        const LiveOptions live{.live = true, .maxPositions = livePositions};
        const std::string command = evaluateCommand(trace, clusters, settings[i], true) + fmt::format(" --max-positions {}", livePositions);
        const auto outcome = evaluate(project, trace, clusters, settings[i], live, Request{.name = {}, .command = command}, control);
        control.log(fmt::format("{}: {:.2f} ms per token", describe(settings[i]), outcome.result.seconds * 1000 / double(outcome.result.positions)));
    }
    return QObject::tr("Measured the wall clock of %L1 settings").arg(settings.size());
}

} // namespace

FossView::FossView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("foss"), tr("FoSS"), parent), m_plot(new QCustomPlot), m_state(new QLabel), m_published(new QComboBox),
      m_compute(new QPushButton(tr("&Compute"))), m_cancel(new QPushButton(tr("Cancel"))), m_progress(new QProgressBar), m_table(new FossTableModel(this))
{
    m_reading.onAnswer([this](const FossFigure &figure) { setFigure(figure); });
    m_reading.onFailure([this](const QString &sentence) {
        showError(sentence, this->session().trace() ? tr("Compute it again") : QString(), [this] { computeCurve(); });
    });
    buildPlot();
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(gap, gap / 2, gap, gap / 2);
    layout->setSpacing(gap / 2);
    layout->addWidget(buildToolBar());
    layout->addWidget(m_plot, 1);
    follow();
    rebuild();
    showProject();
}

FossView::~FossView() = default;

QWidget *FossView::buildToolBar()
{
    QAction *curve = addViewAction(tr("Curve for the present setting"), {}, [this] { computeCurve(); });
    QAction *points = addViewAction(tr("Add points in the widest gaps"), {}, [this] { addPoints(); });
    QAction *clock = addViewAction(tr("Measure the wall clock (live, %L1 tokens each)").arg(livePositions), {}, [this] { measureWallClock(); });
    auto *menu = new QMenu(m_compute);
    menu->addActions({curve, points, clock});
    m_compute->setMenu(menu);
    m_compute->setObjectName(QStringLiteral("compute"));

    m_published->setObjectName(QStringLiteral("published"));
    m_published->setAccessibleName(tr("Published curves"));
    m_published->setToolTip(tr("Curves of papers as dashed references, read off their figures within 0.03."));
    m_published->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_published->setMinimumContentsLength(22);
    m_published->addItem(tr("no published curves"), QString());
    std::set<QString> known;
    for (const PublishedCurve &published : publishedCurves()) {
        if (const QString name = datasetName(published); known.insert(name).second)
            m_published->addItem(name, name);
    }
    connect(m_published, &QComboBox::currentIndexChanged, this, &FossView::rebuild);

    m_state->setObjectName(QStringLiteral("state"));
    m_state->setForegroundRole(QPalette::PlaceholderText);
    m_state->setWordWrap(true);
    m_state->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_progress->setTextVisible(false);
    m_progress->setFixedWidth(fontMetrics().averageCharWidth() * 16);
    connect(m_cancel, &QPushButton::clicked, this, [this] { session().jobs().cancel(m_job); });

    auto *bar = new QWidget;
    auto *layout = new QHBoxLayout(bar);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_state, 1);
    layout->addWidget(m_progress);
    layout->addWidget(m_cancel);
    layout->addWidget(m_published);
    layout->addWidget(m_compute);
    return bar;
}

void FossView::buildPlot()
{
    m_plot->setAccessibleName(tr("Perplexity over the fraction of saved searches"));
    m_plot->setNoAntialiasingOnDrag(true);
    m_plot->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
    m_plot->setMinimumHeight(fontMetrics().height() * 12);
    m_plot->addLayer(marksLayer);
    m_plot->layer(marksLayer)->setMode(QCPLayer::lmBuffered);
    // Below the axes, where it hides no point.
    m_plot->plotLayout()->addElement(1, 0, m_plot->legend);
    m_plot->plotLayout()->setRowStretchFactor(1, 0.001);
    m_plot->legend->setFillOrder(QCPLegend::foColumnsFirst);
    m_plot->legend->setBorderPen(Qt::NoPen);
    m_plot->xAxis->setLabel(tr("searches saved (FoSS, %)"));
    m_plot->yAxis->setLabel(tr("perplexity (lower is better)"));
    m_plot->yAxis2->setLabel(tr("wall clock (ms per token)"));
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](const QMouseEvent *event) { showToolTip(event->pos()); });
    connect(m_plot, &QCustomPlot::mousePress, this, [this](const QMouseEvent *event) { m_pressed = event->pos(); });
    connect(m_plot, &QCustomPlot::mouseRelease, this, [this](const QMouseEvent *event) {
        if (event->button() == Qt::LeftButton && (event->pos() - m_pressed).manhattanLength() < QApplication::startDragDistance())
            use(hitAt(event->position()));
    });
    connect(m_plot, &QCustomPlot::mouseDoubleClick, this, [this] { rebuild(); });
}

void FossView::follow()
{
    connect(&session(), &Session::projectChanged, this, &FossView::showProject);
    connect(&session(), &Session::traceChanged, this, &FossView::showProject);
    connect(&session(), &Session::settingsChanged, this, &FossView::describeState);
    connect(&session(), &Session::evaluationChanged, this, [this] {
        placePresent();
        m_plot->layer(marksLayer)->replot();
    });
    connect(&session().jobs(), &JobManager::jobChanged, this, [this](int id) {
        if (id == m_job)
            showJob();
    });
    connect(&session().jobs(), &JobManager::jobFinished, this, [this](int id) {
        if (id != m_job)
            return;
        const JobInfo *job = session().jobs().job(id);
        m_note = job->state == JobInfo::State::Failed ? QStringLiteral("⚠ ") + job->message : job->message;
        m_job = 0;
        showJob();
    });
}

// ---- what is shown ----------------------------------------------------------------------------------------------------

void FossView::showProject()
{
    const auto project = session().project();
    if (!project) {
        m_reading.cancel();
        setFigure({});
        return;
    }
    std::string trace;
    std::optional<EvaluationSettings> base;
    if (session().trace()) {
        trace = session().trace()->name();
        base = session().settings();
    }
    m_reading.ask([project, trace, base](JobControl &) { return FossFigure::fromProject(*project, trace, base); });
}

void FossView::setFigure(const FossFigure &figure)
{
    if (!(figure == m_figure)) {
        m_figure = figure;
        m_table->setFigure(figure);
        rebuild();
    }
    showJob();
    if (!figure.isEmpty() || m_job != 0)
        showContent();
    else if (session().trace())
        showEmpty(tr("There is no FoSS curve of the trace %1 yet: perplexity over the fraction of saved searches.").arg(QString::fromStdString(session().trace()->name())),
                  tr("Compute it"), [this] { computeCurve(); });
    else
        showEmpty(tr("There is no FoSS curve yet. Run the pipeline, or open a trace and compute one."));
}

void FossView::rebuild()
{
    m_plot->clearPlottables();
    addParetoFront();
    for (int i = 0; i < static_cast<int>(m_figure.series.size()); ++i)
        addSeries(i);
    addBaseLine();
    addPublished();
    addTimings();
    m_present = m_plot->addGraph();
    m_present->setName(tr("present setting"));
    m_present->setLayer(marksLayer);
    m_present->setLineStyle(QCPGraph::lsNone);
    m_present->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssStar, QPen(palette().color(QPalette::Text), 2), Qt::NoBrush, 13));
    placePresent();
    applyPalette(*m_plot, palette());
    m_plot->yAxis2->grid()->setVisible(false);
    m_plot->legend->setVisible(!m_figure.isEmpty());
    m_plot->legend->setBorderPen(Qt::NoPen);
    arrangeLegend();
    m_plot->rescaleAxes();
    m_plot->xAxis->setRange(-2, 102);
    m_plot->yAxis->scaleRange(1.15, m_plot->yAxis->range().center());
    m_plot->yAxis2->setRange(0, m_plot->yAxis2->range().upper * 1.15);
    m_plot->replot(QCustomPlot::rpQueuedReplot);
    describeState();
}

void FossView::arrangeLegend()
{
    m_plot->legend->setWrap(std::max(1, width() / (fontMetrics().averageCharWidth() * legendCharacters)));
    m_plot->legend->setFillOrder(QCPLegend::foColumnsFirst, true);
}

void FossView::addSeries(int index)
{
    const auto &series = m_figure.series[static_cast<std::size_t>(index)];
    QVector<double> saved, perplexity;
    for (const auto &point : series.points) {
        saved.append(point.foss * 100);
        perplexity.append(std::isfinite(point.perplexity) ? point.perplexity : std::nan(""));
    }
    const QColor color = seriesColor(index, palette());
    QCPGraph *graph = m_plot->addGraph();
    graph->setName(series.name);
    graph->setPen(QPen(color, 1.5));
    graph->setScatterStyle(QCPScatterStyle(shapes[index % 4], QPen(color, 1.5), QBrush(color), 7));
    graph->setData(saved, perplexity, true);
}

/// A wide line under the points, so that they stay readable.
void FossView::addParetoFront()
{
    std::vector<std::pair<double, double>> front;
    for (const auto &series : m_figure.series) {
        for (const auto &point : series.points) {
            if (point.pareto && std::isfinite(point.perplexity))
                front.emplace_back(point.foss * 100, point.perplexity);
        }
    }
    if (front.empty())
        return;
    std::ranges::sort(front);
    QColor accent = palette().color(QPalette::Highlight);
    QCPGraph *graph = m_plot->addGraph();
    graph->setName(tr("Pareto front"));
    accent.setAlphaF(0.35f);
    graph->setPen(QPen(accent, 7, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    graph->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssCircle, QPen(palette().color(QPalette::Highlight), 1.5), Qt::NoBrush, 13));
    for (const auto &[saved, perplexity] : front)
        graph->addData(saved, perplexity);
}

void FossView::addBaseLine()
{
    if (m_figure.basePerplexity <= 0)
        return;
    QCPGraph *graph = m_plot->addGraph();
    graph->setName(tr("language model alone"));
    graph->setPen(QPen(palette().color(QPalette::PlaceholderText), 1.5, Qt::DashLine));
    graph->setData({-2, 102}, {m_figure.basePerplexity, m_figure.basePerplexity}, true);
}

void FossView::addPublished()
{
    int shape = 0;
    for (const PublishedCurve *curve : publishedOf(m_published->currentData().toString())) {
        QCPGraph *graph = m_plot->addGraph();
        const QColor grey = palette().color(QPalette::PlaceholderText);
        graph->setName(tr("%1, published").arg(QString::fromStdString(curve->series)));
        graph->setPen(QPen(grey, 1.2, Qt::DashLine));
        graph->setScatterStyle(QCPScatterStyle(shapes[shape++ % 4], QPen(grey, 1), Qt::NoBrush, 6));
        for (const auto &[foss, perplexity] : curve->points)
            graph->addData(foss * 100, perplexity);
    }
}

void FossView::addTimings()
{
    m_plot->yAxis2->setVisible(!m_figure.timings.empty());
    if (m_figure.timings.empty())
        return;
    const QColor color = seriesColor(4, palette());
    QCPGraph *graph = m_plot->addGraph(m_plot->xAxis, m_plot->yAxis2);
    graph->setName(tr("wall clock, live (right axis)"));
    graph->setLineStyle(QCPGraph::lsNone);
    graph->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssCross, QPen(color, 2), Qt::NoBrush, 9));
    for (const auto &timing : m_figure.timings)
        graph->addData(timing.foss * 100, timing.perToken);
}

void FossView::placePresent()
{
    const auto evaluation = session().evaluation();
    if (evaluation && std::isfinite(evaluation->result.perplexity))
        m_present->setData({evaluation->result.foss * 100}, {evaluation->result.perplexity}, true);
    else
        m_present->setData({}, {}, true);
}

void FossView::describeState()
{
    QStringList parts;
    if (!m_figure.isEmpty()) {
        EvaluationSettings shown = m_figure.base;
        shown.method = Method::KnnLm; // of a RetoMaton setting only what all series share would be true
        parts << tr("%1, max_knns %2").arg(QString::fromStdString(describe(shown))).arg(m_figure.base.automaton.maxKnns);
        if (session().trace() && !(FossFigure::commonPart(session().settings()) == m_figure.base))
            parts << tr("the present setting is another one (★)");
    }
    if (!m_note.isEmpty())
        parts << m_note;
    m_state->setText(parts.join(QStringLiteral(" · ")));
}

// ---- under the mouse --------------------------------------------------------------------------------------------------

FossView::Hit FossView::hitAt(const QPointF &pixel) const
{
    Hit hit;
    double best = hoverRadius * hoverRadius;
    const auto isNearest = [&](const QCPAxis &vertical, double foss, double value) {
        const QPointF offset = QPointF(m_plot->xAxis->coordToPixel(foss * 100), vertical.coordToPixel(value)) - pixel;
        const double distance = QPointF::dotProduct(offset, offset);
        if (!(distance < best))
            return false;
        best = distance;
        return true;
    };
    for (const auto &series : m_figure.series) {
        for (const auto &point : series.points) {
            if (isNearest(*m_plot->yAxis, point.foss, point.perplexity))
                hit = {&series, &point, nullptr, {}};
        }
    }
    for (const auto &timing : m_figure.timings) {
        if (isNearest(*m_plot->yAxis2, timing.foss, timing.perToken))
            hit = {nullptr, nullptr, &timing, {}};
    }
    for (const PublishedCurve *curve : publishedOf(m_published->currentData().toString())) {
        for (const auto &[foss, perplexity] : curve->points) {
            if (isNearest(*m_plot->yAxis, foss, perplexity))
                hit = {nullptr, nullptr, nullptr, tr("%1, published\n%2\n%3 of the searches saved\nperplexity %4")
                           .arg(QString::fromStdString(curve->series), datasetName(*curve), percent(foss), QLocale().toString(perplexity, 'f', 2))};
        }
    }
    return hit;
}

void FossView::showToolTip(const QPoint &pixel)
{
    const Hit hit = hitAt(pixel);
    m_plot->setCursor(hit.point || hit.timing ? Qt::PointingHandCursor : Qt::ArrowCursor);
    const QLocale locale;
    QString text = hit.published;
    if (hit.point) {
        text = tr("%1\n%2 of the searches saved\nperplexity %3\n%4").arg(hit.series->name, percent(hit.point->foss), locale.toString(hit.point->perplexity, 'f', 3), variedSetting(hit.point->settings));
        if (hit.point->settings.method == Method::Adaptive)
            text += tr("\ngate learned from %1").arg(QString::fromStdString(hit.point->settings.gate.trace));
        if (hit.point->run > 0)
            text += tr("\nrun %1").arg(hit.point->run);
        text += tr("\nClick to use this setting");
    } else if (hit.timing) {
        text = tr("%1, live over %L2 tokens\n%3 ms per token\n%4 of the searches saved\nrun %5")
                   .arg(QString::fromStdString(describe(hit.timing->settings)))
                   .arg(hit.timing->positions)
                   .arg(locale.toString(hit.timing->perToken, 'f', 2), percent(hit.timing->foss))
                   .arg(hit.timing->run);
    }
    if (text.isEmpty())
        QToolTip::hideText();
    else
        QToolTip::showText(m_plot->mapToGlobal(pixel), text, m_plot);
}

void FossView::use(const Hit &hit)
{
    if (!hit.point && !hit.timing)
        return;
    const auto run = hit.point ? hit.point->run : hit.timing->run;
    m_note = run > 0 ? tr("Run %1 is shown in all views.").arg(run) : QString();
    session().setSettings(hit.point ? hit.point->settings : hit.timing->settings);
    describeState();
}

// ---- jobs -------------------------------------------------------------------------------------------------------------

void FossView::computeCurve()
{
    const auto trace = session().trace();
    if (!trace)
        return;
    const EvaluationSettings base = withMethod(session().settings(), Method::Retomaton);
    const std::string command = fossCommand(trace->name(), trace->clustersName(), base, curvePoints);
    startJob(tr("FoSS curve of %1").arg(QString::fromStdString(trace->name())),
             [name = trace->name(), clusters = trace->clustersName(), base, command](Project &project, JobControl &control) {
                 const auto outcome = foss(project, name, clusters, base, curvePoints, Request{.name = {}, .command = command}, control);
                 return outcome.note.empty() ? tr("Curve %1 is computed").arg(outcome.curve) : tr("Curve %1 is computed. %2").arg(outcome.curve).arg(QString::fromStdString(outcome.note));
             });
}

void FossView::addPoints()
{
    const auto trace = session().trace();
    const auto wanted = m_figure.settingsBetween(addedPoints);
    if (!trace || wanted.empty()) {
        m_note = tr("There is no gap between the points of RetoMaton to fill.");
        describeState();
        return;
    }
    startJob(tr("More points of the FoSS curve of %1").arg(QString::fromStdString(trace->name())),
             [name = trace->name(), clusters = trace->clustersName(), wanted](Project &project, JobControl &control) {
                 for (std::size_t i = 0; i < wanted.size(); ++i) {
                     control.report("adding points", "points", std::int64_t(i), std::int64_t(wanted.size()));
                     JobControl part(&control);
                     evaluate(project, name, clusters, wanted[i], {}, Request{.name = {}, .command = evaluateCommand(name, clusters, wanted[i]), .once = true}, part);
                 }
                 return tr("Points added: %L1").arg(wanted.size());
             });
}

void FossView::measureWallClock()
{
    const auto trace = session().trace();
    if (!trace)
        return;
    std::vector<EvaluationSettings> wanted;
    for (const Method method : {Method::Base, Method::KnnLm}) {
        wanted.push_back(session().settings());
        wanted.back().method = method;
        wanted.back().skipFraction = 0;
    }
    for (const auto &series : m_figure.series) {
        for (std::size_t i = 0; i < series.points.size(); i += 3) {
            if (series.points[i].settings.method == Method::Retomaton)
                wanted.push_back(series.points[i].settings);
        }
    }
    startJob(tr("Wall clock of %L1 settings, live").arg(wanted.size()),
             [name = trace->name(), clusters = trace->clustersName(), wanted](Project &project, JobControl &control) { return measureLive(project, name, clusters, wanted, control); });
}

void FossView::startJob(const QString &title, std::function<QString(Project &, JobControl &)> body)
{
    if (m_job != 0)
        return;
    m_note.clear();
    m_job = session().jobs().enqueue(title, session().projectFolder(), std::move(body));
    showContent();
    showJob();
}

void FossView::showJob()
{
    const JobInfo *job = m_job != 0 ? session().jobs().job(m_job) : nullptr;
    m_progress->setVisible(job);
    m_cancel->setVisible(job);
    m_compute->setEnabled(!job && session().trace());
    if (job) {
        m_progress->setRange(0, int(job->progress.total));
        m_progress->setValue(int(job->progress.done));
        m_note = job->state == JobInfo::State::Queued ? tr("%1: waits for the jobs before it").arg(job->title) : job->title;
    }
    describeState();
}

bool FossView::isSettled() const
{
    const bool evaluated = !session().trace() || session().evaluation();
    return View::isSettled() && m_job == 0 && !m_reading.isBusy() && evaluated;
}

// ---- export -----------------------------------------------------------------------------------------------------------

QStringList FossView::exportSuffixes() const
{
    return View::exportSuffixes() << QStringLiteral("csv") << QStringLiteral("md") << QStringLiteral("tex");
}

void FossView::exportTo(const QString &file, const QSize &size)
{
    if (m_figure.isEmpty())
        fail(ErrorKind::NotFound, "There is no FoSS curve to export yet; make one with the command foss.");
    const QString suffix = QFileInfo(file).suffix().toLower();
    if (!exportSuffixes().contains(suffix))
        fail(ErrorKind::Usage, "{}: this view is written as .{}; choose one of these.", file.toStdString(), exportSuffixes().join(QStringLiteral(", .")).toStdString());
    if (View::exportSuffixes().contains(suffix))
        exportFigure(*m_plot, file, size, tr("Perplexity over saved searches"));
    else
        exportTable(*m_table, file);
}

void FossView::resizeEvent(QResizeEvent *event)
{
    View::resizeEvent(event);
    arrangeLegend();
}

void FossView::changeEvent(QEvent *event)
{
    View::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        rebuild();
}

} // namespace retoscope
