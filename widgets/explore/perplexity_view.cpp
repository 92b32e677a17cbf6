// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/perplexity_view.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/job.h"
#include "explore/perplexity_series.h"
#include "explore/token_cells.h"
#include "plot/figure_export.h"
#include "plot/theme.h"
#include "trace/measures.h"

#include <QAction>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QLocale>
#include <QScrollBar>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr int gap = 6;
constexpr int lowPlot = 150;          // pixels
constexpr int tickHeight = 12;        // pixels, of the strip of searches
constexpr int usualWindow = 64;       // positions
constexpr double runningWidth = 2;    // pixels
constexpr double fewestPositions = 8; // of a span
constexpr double wheelFactor = 0.8;
constexpr double leastDrag = 5;       // pixels; less is a click
constexpr double headroom = 1.06;     // above the highest value
constexpr int lmSeries = 0, knnSeries = 1, mixedSeries = 2, comparedSeries = 3;
const QString cursorLayer = QStringLiteral("selection");

QString nats(double logProb)
{
    return std::isnan(logProb) ? QStringLiteral("–") : std::isinf(logProb) ? QStringLiteral("∞") : QLocale().toString(-logProb, 'f', 2);
}

QToolButton *makeToggle(const QString &text, const QString &tip, bool on)
{
    auto *button = new QToolButton;
    button->setText(text);
    button->setToolTip(tip);
    button->setCheckable(true);
    button->setChecked(on);
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    return button;
}

QIcon swatch(const QColor &color)
{
    QPixmap pixmap(20, 20);
    pixmap.setDevicePixelRatio(2);
    pixmap.fill(color);
    return QIcon(pixmap);
}

double valueAt(const PerplexitySeries::Points &points, std::int64_t position)
{
    return points && position < points->size() ? points->at(static_cast<int>(position))->value : std::nan("");
}

} // namespace

PerplexityView::PerplexityView(Session &session, QWidget *parent)
    : ExploreView(session, QStringLiteral("perplexity"), tr("Perplexity"), parent), m_plot(new QCustomPlot),
      m_showLm(makeToggle(tr("LM"), tr("Surprisal under the language model"), true)), m_showKnn(makeToggle(tr("kNN"), tr("Surprisal under the neighbours, where one of them has the token"), false)),
      m_showMixed(makeToggle(tr("mixture"), tr("Surprisal under the mixture"), true)), m_showRunning(makeToggle(tr("running"), tr("Perplexity of everything so far (right axis)"), true)),
      m_showTicks(makeToggle(tr("searches"), tr("A tick for every search; zoomed out, their density"), true)), m_window(new QSpinBox), m_readout(new QLabel), m_scroll(new QScrollBar(Qt::Horizontal))
{
    setInvitation(tr("Here runs the surprisal over the text: where retrieval helps, where it hurts, and where a search was made."));
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(0, gap, 0, 0);
    layout->setSpacing(2);
    auto *controls = new QHBoxLayout;
    controls->setContentsMargins(gap, 0, gap, 0);
    buildControls(controls);
    layout->addLayout(controls);
    layout->addWidget(m_plot, 1);
    layout->addWidget(m_scroll);
    buildPlot();
    connectPlot();
    updateLabels();
    addViewAction(tr("Whole text"), QKeySequence(Qt::Key_0), [this] { showWhole(); });
    addViewAction(tr("Zoom in"), QKeySequence(Qt::Key_Plus), [this] { zoom(wheelFactor, m_plot->xAxis->range().center()); });
    addViewAction(tr("Zoom out"), QKeySequence(Qt::Key_Minus), [this] { zoom(1 / wheelFactor, m_plot->xAxis->range().center()); });
    m_computing.onAnswer([this](auto series) { showSeries(std::move(series)); });
    m_computing.onFailure([this](const QString &sentence) { showError(sentence); });
    updateColours();
    start();
}

PerplexityView::~PerplexityView() = default;

void PerplexityView::buildControls(QHBoxLayout *row)
{
    for (QToolButton *toggle : {m_showLm, m_showKnn, m_showMixed, m_showRunning, m_showTicks}) {
        row->addWidget(toggle);
        connect(toggle, &QToolButton::toggled, this, &PerplexityView::updateVisibility);
    }
    auto *label = new QLabel(tr("&smooth"));
    m_window->setRange(1, 9999);
    m_window->setValue(usualWindow);
    m_window->setAccessibleName(tr("Positions that a value is averaged over"));
    m_window->setToolTip(tr("Each value is the mean over so many positions around it; 1 shows every token"));
    label->setBuddy(m_window);
    row->addWidget(label);
    row->addWidget(m_window);
    m_readout->setTextFormat(Qt::RichText);
    m_readout->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_readout->setWordWrap(true); // two lines beside the switches of a narrow window
    m_readout->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    row->addWidget(m_readout, 1);
    connect(m_window, &QSpinBox::valueChanged, this, &PerplexityView::compute);
}

void PerplexityView::buildPlot()
{
    m_plot->setObjectName(QStringLiteral("perplexityPlot"));
    m_plot->setAccessibleName(tr("Surprisal and running perplexity over the text"));
    m_plot->setFocusPolicy(Qt::StrongFocus);
    m_plot->setNoAntialiasingOnDrag(true);
    m_plot->setSelectionRectMode(QCP::srmCustom); // a drag marks a span
    m_plot->yAxis2->setVisible(true);
    m_plot->xAxis->setNumberFormat(QStringLiteral("f"));
    m_plot->xAxis->setNumberPrecision(0);
    for (int line = 0; line < LineCount; ++line) {
        const bool running = line == LmRunning || line == MixedRunning || line == ComparedRunning;
        m_lines[static_cast<std::size_t>(line)] = m_plot->addGraph(m_plot->xAxis, running ? m_plot->yAxis2 : m_plot->yAxis);
    }
    // The searches stand in a thin strip above, so that they hide no line.
    m_plot->plotLayout()->insertRow(0);
    m_tickRect = new QCPAxisRect(m_plot);
    m_plot->plotLayout()->addElement(0, 0, m_tickRect);
    m_plot->plotLayout()->setRowSpacing(1);
    m_tickRect->setMinimumSize(0, tickHeight);
    m_tickRect->setMaximumSize(QWIDGETSIZE_MAX, tickHeight);
    m_tickRect->setMinimumMargins(QMargins());
    auto *margins = new QCPMarginGroup(m_plot);
    for (QCPAxisRect *rect : {m_tickRect, m_plot->xAxis->axisRect()})
        rect->setMarginGroup(QCP::msLeft | QCP::msRight, margins);
    for (QCPAxis *axis : m_tickRect->axes()) {
        axis->setTicks(false);
        axis->setTickLabels(false);
        axis->grid()->setVisible(false);
        axis->setVisible(false);
    }
    m_ticks = m_plot->addGraph(m_tickRect->axis(QCPAxis::atBottom), m_tickRect->axis(QCPAxis::atLeft));
    m_ticks->setLineStyle(QCPGraph::lsImpulse);
    m_tickRect->axis(QCPAxis::atLeft)->setRange(0, 1);
    // The cursor has a buffer of its own: it moves without drawing a line again.
    m_plot->addLayer(cursorLayer);
    m_plot->layer(cursorLayer)->setMode(QCPLayer::lmBuffered);
    for (QCPItemStraightLine **line : {&m_cursor, &m_hover}) {
        *line = new QCPItemStraightLine(m_plot);
        (*line)->setLayer(cursorLayer);
        (*line)->setClipAxisRect(m_plot->xAxis->axisRect());
        (*line)->setVisible(false);
        for (QCPItemPosition *point : {(*line)->point1, (*line)->point2}) {
            point->setAxes(m_plot->xAxis, m_plot->yAxis);
            point->setAxisRect(m_plot->xAxis->axisRect());
            point->setTypeX(QCPItemPosition::ptPlotCoords);
            point->setTypeY(QCPItemPosition::ptAxisRectRatio);
        }
    }
}

void PerplexityView::connectPlot()
{
    connect(m_plot->xAxis, qOverload<const QCPRange &>(&QCPAxis::rangeChanged), this, [this](const QCPRange &range) {
        m_tickRect->axis(QCPAxis::atBottom)->setRange(range);
        updateTicks();
        updateScrollBar();
    });
    connect(m_plot->selectionRect(), &QCPSelectionRect::accepted, this, [this](const QRect &rect) {
        if (rect.normalized().width() >= leastDrag)
            showSpan(m_plot->xAxis->pixelToCoord(rect.normalized().left()), m_plot->xAxis->pixelToCoord(rect.normalized().right()));
    });
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](const QMouseEvent *event) { session().selection().hover(positionAt(event->position().x())); });
    connect(m_plot, &QCustomPlot::mouseRelease, this, [this](const QMouseEvent *event) {
        if (event->button() != Qt::LeftButton || std::abs(event->position().x() - m_pressedAt) > leastDrag)
            return;
        const Position position = positionAt(event->position().x());
        if (event->modifiers() & Qt::ControlModifier)
            session().selection().toggle(position);
        else if (position.valid())
            session().selection().lock(position);
    });
    connect(m_plot, &QCustomPlot::mousePress, this, [this](const QMouseEvent *event) { m_pressedAt = event->position().x(); });
    connect(m_plot, &QCustomPlot::mouseDoubleClick, this, &PerplexityView::showWhole);
    connect(m_plot, &QCustomPlot::mouseWheel, this, [this](const QWheelEvent *event) {
        const double steps = event->angleDelta().y() / 120.0;
        zoom(std::pow(wheelFactor, steps), m_plot->xAxis->pixelToCoord(event->position().x()));
    });
    connect(m_scroll, &QScrollBar::valueChanged, this, [this](int value) {
        const double width = m_plot->xAxis->range().size();
        if (std::abs(m_plot->xAxis->range().lower - value) >= 1) {
            m_plot->xAxis->setRange(value, value + width);
            m_plot->replot(QCustomPlot::rpQueuedReplot);
        }
    });
    m_plot->installEventFilter(this);
    connect(&session().selection(), &Selection::focusedChanged, this, [this] {
        updateCursor();
        updateReadout();
    });
    connect(&session().selection(), &Selection::primaryChanged, this, [this](Position position) {
        const QCPRange range = m_plot->xAxis->range();
        if (position.valid() && !range.contains(static_cast<double>(position.value)))
            limit(QCPRange(static_cast<double>(position.value) - range.size() / 2, static_cast<double>(position.value) + range.size() / 2));
        updateCursor();
    });
}

std::int64_t PerplexityView::count() const
{
    return m_series ? m_series->size() : 0;
}

void PerplexityView::showTrace(const std::shared_ptr<const TraceSession> &)
{
    m_series.reset();
    m_fitsWhole = true;
    updateCursor();
}

void PerplexityView::showEvaluation()
{
    if (shown().result)
        compute();
    else
        m_computing.cancel();
}

void PerplexityView::showLive(const std::shared_ptr<const LiveProgress> &)
{
    if (!m_computing.isBusy()) // each answer is drawn, however fast it grows
        compute();
}

void PerplexityView::compute()
{
    const ShownEvaluation source = shown();
    if (!source.result)
        return;
    m_computing.ask([source, comparison = showsLive() ? nullptr : session().comparison(), window = m_window->value()](JobControl &job) {
        return PerplexitySeries::make(source.arrays.lmLogProbs, *source.result, comparison ? &comparison->result : nullptr, window, job);
    });
}

void PerplexityView::showSeries(std::shared_ptr<const PerplexitySeries> series)
{
    m_series = std::move(series);
    const std::array<PerplexitySeries::Points, LineCount> points = {m_series->lmNll, m_series->knnNll, m_series->mixedNll, m_series->lmRunning, m_series->mixedRunning, m_series->comparedNll, m_series->comparedRunning};
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (points[i])
            m_lines[i]->setData(points[i]);
        else
            m_lines[i]->setData({}, {});
    }
    m_plot->yAxis->setRange(0, m_series->highestNll * headroom);
    const double slack = std::max((m_series->highestRunning - m_series->lowestRunning) * 0.08, 0.05);
    m_plot->yAxis2->setRange(m_series->lowestRunning - slack, m_series->highestRunning + slack);
    if (m_fitsWhole)
        showWhole();
    updateTicks();
    updateReadout();
    updateVisibility();
}

void PerplexityView::updateVisibility()
{
    for (int line = 0; line < LineCount; ++line)
        m_lines[static_cast<std::size_t>(line)]->setVisible(toggleOf(static_cast<Line>(line))->isChecked());
    m_lines[LmRunning]->setVisible(m_showRunning->isChecked() && m_showLm->isChecked());
    m_plot->yAxis2->setVisible(m_showRunning->isChecked());
    m_tickRect->setVisible(m_showTicks->isChecked());
    m_ticks->setVisible(m_showTicks->isChecked());
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

QToolButton *PerplexityView::toggleOf(Line line) const
{
    switch (line) {
    case LmNll: return m_showLm;
    case KnnNll: return m_showKnn;
    case LmRunning:
    case MixedRunning:
    case ComparedRunning: return m_showRunning;
    default: return m_showMixed;
    }
}

void PerplexityView::updateColours()
{
    applyPalette(*m_plot, palette());
    const auto color = [&](int series, float alpha = 1) {
        QColor result = seriesColor(series, palette());
        result.setAlphaF(alpha);
        return result;
    };
    // Width 1 for what is noisy: wider pens are hundreds of times slower on it. The running lines are smooth.
    const std::array<QPen, LineCount> pens = {QPen(color(lmSeries, 0.5f), 1), QPen(color(knnSeries, 0.5f), 1), QPen(color(mixedSeries, 0.6f), 1), QPen(color(lmSeries), runningWidth),
                                              QPen(color(mixedSeries), runningWidth), QPen(color(comparedSeries, 0.6f), 1), QPen(color(comparedSeries), runningWidth)};
    for (std::size_t i = 0; i < pens.size(); ++i)
        m_lines[i]->setPen(pens[i]);
    QColor tick = palette().color(QPalette::Text);
    tick.setAlphaF(0.7f);
    m_ticks->setPen(QPen(tick, 1));
    m_cursor->setPen(QPen(palette().color(QPalette::Highlight), 1.5));
    m_hover->setPen(QPen(palette().color(QPalette::PlaceholderText), 1, Qt::DotLine));
    m_plot->selectionRect()->setPen(QPen(palette().color(QPalette::Highlight), 1));
    QColor span = palette().color(QPalette::Highlight);
    span.setAlphaF(0.2f);
    m_plot->selectionRect()->setBrush(span);
    m_showLm->setIcon(swatch(color(lmSeries)));
    m_showKnn->setIcon(swatch(color(knnSeries)));
    m_showMixed->setIcon(swatch(color(mixedSeries)));
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void PerplexityView::updateTicks()
{
    if (!m_series)
        return;
    const QCPRange range = m_plot->xAxis->range();
    const double pixels = std::max(m_plot->xAxis->axisRect()->width(), 50);
    const double step = std::max(1.0, range.size() / pixels); // a tick a pixel at most
    QVector<double> places, shares;
    for (double x = std::max(0.0, std::floor(range.lower)); x < std::min(range.upper + 1, static_cast<double>(count())); x += step) {
        const auto first = static_cast<std::int64_t>(x);
        places.append(step > 1 ? x + step / 2 : x);
        shares.append(m_series->searchedShare(first, std::max(first + 1, static_cast<std::int64_t>(x + step))));
    }
    m_ticks->setData(places, shares, true);
}

/// A low plot has no room for labels: the lines come first.
void PerplexityView::updateLabels()
{
    const bool low = m_plot->height() < lowPlot;
    m_plot->xAxis->setLabel(low ? QString() : tr("position in the text"));
    m_plot->yAxis->setLabel(low ? tr("nats") : tr("−log p (nats)"));
    m_plot->yAxis2->setLabel(low ? QString() : tr("perplexity so far"));
    for (QCPAxis *axis : {m_plot->yAxis, m_plot->yAxis2})
        axis->ticker()->setTickCount(low ? 2 : 5);
}

Position PerplexityView::positionAt(double pixel) const
{
    const QRect rect = m_plot->xAxis->axisRect()->rect();
    if (pixel < rect.left() || pixel > rect.right() || count() == 0)
        return Position();
    return Position(std::clamp<std::int64_t>(std::llround(m_plot->xAxis->pixelToCoord(pixel)), 0, count() - 1));
}

void PerplexityView::updateCursor()
{
    const auto place = [](QCPItemStraightLine *line, Position position) {
        line->setVisible(position.valid());
        line->point1->setCoords(static_cast<double>(position.value), 0);
        line->point2->setCoords(static_cast<double>(position.value), 1);
    };
    place(m_cursor, session().selection().primary());
    place(m_hover, session().selection().hovered());
    m_plot->layer(cursorLayer)->replot();
}

void PerplexityView::updateReadout()
{
    const ShownEvaluation source = shown();
    if (!source.result || !m_series)
        return;
    const QLocale locale;
    const auto ppl = [&](double value) { return locale.toString(value, 'f', 2); };
    const auto coloured = [&](int series, const QString &text) { return QStringLiteral("<span style='color:%1'>%2</span>").arg(seriesColor(series, palette()).name(), text); };
    const EvaluationResult &result = *source.result;
    const Position position = session().selection().focused();
    if (!position.valid() || position.value >= std::min(count(), source.arrays.positions)) {
        QString text = tr("perplexity of the text: %1 → %2").arg(coloured(lmSeries, tr("LM %1").arg(ppl(std::exp(result.baseNll)))), coloured(mixedSeries, tr("<b>mixture %1</b>").arg(ppl(result.perplexity))));
        if (const auto &comparison = session().comparison())
            text += tr("; kept: %1").arg(coloured(comparedSeries, ppl(comparison->result.perplexity)));
        m_readout->setText(text);
        return;
    }
    const PositionSummary summary = summarise(source.arrays, result, position);
    m_readout->setText(tr("%1 “%2”: %3 %4 %5 · so far %6 → %7")
                           .arg(locale.toString(static_cast<qlonglong>(position.value)), tokenLabel(trace() ? trace()->targetText(position) : std::string(), summary.target).toHtmlEscaped(), coloured(lmSeries, tr("LM %1").arg(nats(summary.lmLogProb))),
                                coloured(knnSeries, tr("kNN %1").arg(nats(summary.knnLogProb))), coloured(mixedSeries, tr("<b>mixture %1</b>").arg(nats(summary.mixedLogProb))),
                                ppl(valueAt(m_series->lmRunning, position.value)), ppl(valueAt(m_series->mixedRunning, position.value))));
}

void PerplexityView::limit(const QCPRange &range)
{
    const double most = std::max<double>(static_cast<double>(count()) - 1, 1), size = std::clamp(range.size(), std::min(fewestPositions, most), most);
    const double lower = std::clamp(range.center() - size / 2, 0.0, most - size);
    m_fitsWhole = size >= most;
    m_plot->xAxis->setRange(lower, lower + size);
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void PerplexityView::showSpan(double first, double last)
{
    limit(QCPRange(std::min(first, last), std::max(first, last)));
}

void PerplexityView::showWhole()
{
    limit(QCPRange(0, static_cast<double>(count())));
}

void PerplexityView::zoom(double factor, double around)
{
    const QCPRange range = m_plot->xAxis->range();
    limit(QCPRange(around - (around - range.lower) * factor, around + (range.upper - around) * factor));
}

void PerplexityView::updateScrollBar()
{
    const QCPRange range = m_plot->xAxis->range();
    const int size = static_cast<int>(range.size());
    m_scroll->setVisible(!m_fitsWhole);
    m_scroll->setRange(0, std::max(0, static_cast<int>(count()) - 1 - size));
    m_scroll->setPageStep(std::max(size, 1));
    m_scroll->setSingleStep(std::max(size / 10, 1));
    m_scroll->setValue(static_cast<int>(range.lower));
}

bool PerplexityView::eventFilter(QObject *watched, QEvent *event)
{
    if (watched == m_plot && event->type() == QEvent::Leave)
        session().selection().hover(Position());
    if (watched == m_plot && event->type() == QEvent::Resize) {
        updateTicks();
        updateLabels();
    }
    return ExploreView::eventFilter(watched, event);
}

void PerplexityView::keyPressEvent(QKeyEvent *event)
{
    Selection &selection = session().selection();
    switch (event->key()) {
    case Qt::Key_Left: selection.movePrimary(-1); break;
    case Qt::Key_Right: selection.movePrimary(1); break;
    case Qt::Key_Escape: selection.unlock(); break;
    case Qt::Key_P: selection.togglePin(selection.primary()); break;
    default: ExploreView::keyPressEvent(event);
    }
}

void PerplexityView::changeEvent(QEvent *event)
{
    ExploreView::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_cursor) {
        updateColours();
        updateReadout();
    }
}

bool PerplexityView::isSettled() const
{
    return ExploreView::isSettled() && !m_computing.isBusy();
}

QStringList PerplexityView::exportSuffixes() const
{
    return ExploreView::exportSuffixes() + QStringList{QStringLiteral("csv")};
}

void PerplexityView::exportTo(const QString &file, const QSize &size)
{
    if (!trace() || !evaluation() || !m_series)
        fail(ErrorKind::NotFound, "There is no perplexity line to export yet; open a trace first.");
    if (QFileInfo(file).suffix().toLower() != QLatin1String("csv")) {
        exportFigure(*m_plot, file, size, tr("Surprisal over the text %1").arg(QString::fromStdString(trace()->name())));
        return;
    }
    std::string text = "position,target,lm_log_prob,knn_log_prob,log_prob,searched,candidates\n";
    const TraceArrays &arrays = trace()->trace().arrays();
    const EvaluationResult &result = evaluation()->result;
    for (std::size_t i = 0; i < result.logProbs.size(); ++i)
        text += fmt::format("{},{},{},{},{},{},{}\n", i, arrays.targets[i], arrays.lmLogProbs[i], result.knnLogProbs[i], result.logProbs[i], result.searched[i] ? 1 : 0, result.candidates[i]);
    writeFileAtomically(file.toStdString(), text);
}

} // namespace retoscope
