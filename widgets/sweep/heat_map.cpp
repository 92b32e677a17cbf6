// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/heat_map.h"

#include "plot/theme.h"

#include <QEvent>
#include <QKeyEvent>
#include <QLocale>
#include <QToolTip>
#include <QVBoxLayout>

#include "plot/custom_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

namespace {

constexpr int mostTicks = 9;

/// One hue: the better, the more it stands out from the background.
QCPColorGradient gradientFor(const QPalette &palette)
{
    QCPColorGradient gradient;
    gradient.clearColorStops();
    const bool dark = isDark(palette);
    gradient.setColorStopAt(0, QColor(dark ? 0xc6e4ff : 0x08306b));
    gradient.setColorStopAt(0.35, QColor(dark ? 0x5aa2e0 : 0x2f7ebc));
    gradient.setColorStopAt(0.7, QColor(dark ? 0x2c5480 : 0x9cc6e3));
    gradient.setColorStopAt(1, QColor(dark ? 0x22272e : 0xeef3f8));
    gradient.setNanHandling(QCPColorGradient::nhTransparent);
    return gradient;
}

/// Where a value stands among those of the axis, between cells where it is none of them.
double cellOf(const ParameterScale &scale, const std::vector<double> &values, double value)
{
    const double at = scale.positionOf(value);
    for (std::size_t i = 1; i < values.size(); ++i) {
        const double left = scale.positionOf(values[i - 1]), right = scale.positionOf(values[i]);
        if (at <= right || i + 1 == values.size())
            return double(i) - 1 + std::clamp((at - left) / (right - left), 0.0, 1.0);
    }
    return 0;
}

QSharedPointer<QCPAxisTickerText> tickerFor(const Parameter &parameter, const std::vector<double> &values)
{
    QSharedPointer<QCPAxisTickerText> ticker(new QCPAxisTickerText);
    const std::size_t every = (values.size() + mostTicks - 1) / mostTicks;
    for (std::size_t i = 0; i < values.size(); i += every)
        ticker->addTick(double(i), parameter.text(values[i]));
    return ticker;
}

} // namespace

HeatMap::HeatMap(QWidget *parent) : QWidget(parent), m_plot(new QCustomPlot(this))
{
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Perplexity over two parameters"));
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);
    m_plot->setFocusProxy(this);
    m_plot->setMinimumHeight(fontMetrics().height() * 12);
    m_map = new QCPColorMap(m_plot->xAxis, m_plot->yAxis);
    m_map->setInterpolate(false);
    m_map->setTightBoundary(false);
    m_scale = new QCPColorScale(m_plot);
    m_plot->plotLayout()->addElement(0, 1, m_scale);
    m_map->setColorScale(m_scale);
    m_scale->setBarWidth(fontMetrics().height());
    auto *margins = new QCPMarginGroup(m_plot);
    m_plot->axisRect()->setMarginGroup(QCP::msBottom | QCP::msTop, margins);
    m_scale->setMarginGroup(QCP::msBottom | QCP::msTop, margins);

    // The marks move while a slider is dragged: on their own layer they cost nothing.
    m_plot->addLayer(QStringLiteral("marks"));
    m_plot->layer(QStringLiteral("marks"))->setMode(QCPLayer::lmBuffered);
    const auto makeTracer = [this](QCPItemTracer::TracerStyle style) {
        auto *tracer = new QCPItemTracer(m_plot);
        tracer->setLayer(QStringLiteral("marks"));
        tracer->position->setType(QCPItemPosition::ptPlotCoords);
        tracer->setStyle(style);
        tracer->setVisible(false);
        return tracer;
    };
    m_best = makeTracer(QCPItemTracer::tsCircle);
    m_present = makeTracer(QCPItemTracer::tsPlus);
    m_bestText = new QCPItemText(m_plot);
    m_bestText->setLayer(QStringLiteral("marks"));
    m_bestText->position->setType(QCPItemPosition::ptPlotCoords);
    m_bestText->setPadding(QMargins(4, 1, 4, 1));
    m_bestText->setVisible(false);

    connect(m_plot, &QCustomPlot::mousePress, this, [this](const QMouseEvent *event) {
        setFocus(Qt::MouseFocusReason);
        if (const auto cell = cellAt(event->position()); cell && event->button() == Qt::LeftButton)
            choose(cell->first, cell->second);
    });
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](const QMouseEvent *event) { showToolTip(event->pos()); });
    recolour();
}

void HeatMap::setData(const HeatMapData &data)
{
    m_data = data;
    rebuild();
}

void HeatMap::setSettings(const EvaluationSettings &settings)
{
    m_settings = settings;
    placeMarks();
    m_plot->layer(QStringLiteral("marks"))->replot();
}

void HeatMap::rebuild()
{
    const int columns = int(m_data.xs.size()), rows = int(m_data.ys.size());
    if (!m_data.x || !m_data.y || columns == 0 || rows == 0) {
        m_map->setVisible(false);
        placeMarks();
        m_plot->replot(QCustomPlot::rpQueuedReplot);
        return;
    }
    m_map->setVisible(true);
    m_map->data()->setSize(columns, rows);
    m_map->data()->setRange(QCPRange(0, std::max(columns - 1, 1)), QCPRange(0, std::max(rows - 1, 1)));
    double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            const double value = m_data.perplexity[std::size_t(row * columns + column)];
            // An infinite perplexity (λ = 1) has no colour, like one that is not computed yet.
            m_map->data()->setCell(column, row, std::isfinite(value) ? value : std::nan(""));
            if (std::isfinite(value)) {
                lowest = std::min(lowest, value);
                highest = std::max(highest, value);
            }
        }
    }
    const bool capped = m_data.basePerplexity > lowest && highest > m_data.basePerplexity;
    if (capped)
        highest = m_data.basePerplexity;
    m_plot->setToolTip(capped ? tr("Lower is better; settings worse than the LM alone (%1) share its colour.").arg(QLocale().toString(m_data.basePerplexity, 'f', 2)) : tr("Lower is better."));
    if (lowest <= highest)
        m_map->setDataRange(QCPRange(lowest, highest > lowest ? highest : lowest + 1));
    m_scale->axis()->setLabel(tr("perplexity"));
    m_plot->xAxis->setLabel(m_data.x->title);
    m_plot->yAxis->setLabel(m_data.y->title);
    m_plot->xAxis->setTicker(tickerFor(*m_data.x, m_data.xs));
    m_plot->yAxis->setTicker(tickerFor(*m_data.y, m_data.ys));
    m_plot->xAxis->setRange(-0.5, columns - 0.5);
    m_plot->yAxis->setRange(-0.5, rows - 0.5);
    placeMarks();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void HeatMap::placeMarks()
{
    const bool usable = m_data.x && m_data.y && !m_data.xs.empty() && !m_data.ys.empty();
    m_best->setVisible(usable && m_data.best);
    m_bestText->setVisible(usable && m_data.best);
    m_present->setVisible(usable);
    if (!usable)
        return;
    m_present->position->setCoords(cellOf(m_data.x->scale, m_data.xs, m_data.x->get(m_settings)), cellOf(m_data.y->scale, m_data.ys, m_data.y->get(m_settings)));
    if (!m_data.best)
        return;
    const std::size_t columns = m_data.xs.size(), column = *m_data.best % columns, row = *m_data.best / columns;
    m_best->position->setCoords(double(column), double(row));
    m_bestText->setText(QLocale().toString(m_data.perplexity[*m_data.best], 'f', 3));
    const bool above = row * 2 < m_data.ys.size();
    const Qt::Alignment side = column * 3 < columns ? Qt::AlignLeft : column * 3 > columns * 2 ? Qt::AlignRight : Qt::AlignHCenter;
    m_bestText->setPositionAlignment(side | (above ? Qt::AlignBottom : Qt::AlignTop));
    m_bestText->position->setCoords(double(column), double(row) + (above ? 0.6 : -0.6));
}

void HeatMap::recolour()
{
    applyPalette(*m_plot, palette());
    const QColor text = palette().color(QPalette::Text), base = palette().color(QPalette::Base);
    m_map->setGradient(gradientFor(palette()));
    QCPAxis *axis = m_scale->axis();
    axis->setBasePen(QPen(text, 1));
    axis->setTickPen(QPen(text, 1));
    axis->setSubTickPen(QPen(text, 1));
    axis->setLabelColor(text);
    axis->setTickLabelColor(text);
    m_plot->xAxis->grid()->setVisible(false);
    m_plot->yAxis->grid()->setVisible(false);
    m_best->setPen(QPen(seriesColor(1, palette()), 2.5));
    m_best->setBrush(Qt::NoBrush);
    m_best->setSize(fontMetrics().height());
    m_bestText->setColor(text);
    m_bestText->setBrush(base);
    m_bestText->setPen(QPen(seriesColor(1, palette()), 1));
    m_present->setPen(QPen(seriesColor(1, palette()), 2));
    m_present->setSize(fontMetrics().height() * 0.8);
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

std::optional<std::pair<int, int>> HeatMap::cellAt(const QPointF &pixel) const
{
    if (!m_map->visible() || !m_plot->axisRect()->rect().contains(pixel.toPoint()))
        return std::nullopt;
    const int column = int(std::lround(m_plot->xAxis->pixelToCoord(pixel.x()))), row = int(std::lround(m_plot->yAxis->pixelToCoord(pixel.y())));
    if (column < 0 || row < 0 || column >= int(m_data.xs.size()) || row >= int(m_data.ys.size()))
        return std::nullopt;
    return std::pair(column, row);
}

QPoint HeatMap::cellCentre(std::size_t column, std::size_t row) const
{
    return m_plot->mapTo(this, QPointF(m_plot->xAxis->coordToPixel(double(column)), m_plot->yAxis->coordToPixel(double(row))).toPoint());
}

void HeatMap::choose(int column, int row)
{
    Q_EMIT chosen(m_data.xs[std::size_t(column)], m_data.ys[std::size_t(row)]);
}

/// The arrow keys are the map's while it has the focus, whatever else the window uses them for.
bool HeatMap::event(QEvent *event)
{
    if (event->type() == QEvent::ShortcutOverride) {
        const int key = static_cast<QKeyEvent *>(event)->key();
        if (key == Qt::Key_Left || key == Qt::Key_Right || key == Qt::Key_Up || key == Qt::Key_Down) {
            event->accept();
            return true;
        }
    }
    return QWidget::event(event);
}

void HeatMap::keyPressEvent(QKeyEvent *event)
{
    const int dx = event->key() == Qt::Key_Right ? 1 : event->key() == Qt::Key_Left ? -1 : 0;
    const int dy = event->key() == Qt::Key_Up ? 1 : event->key() == Qt::Key_Down ? -1 : 0;
    if ((dx == 0 && dy == 0) || !m_map->visible()) {
        QWidget::keyPressEvent(event);
        return;
    }
    const auto moved = [](double cell, int step, std::size_t count) {
        return std::clamp(int(std::lround(cell)) + step, 0, int(count) - 1);
    };
    choose(moved(m_present->position->key(), dx, m_data.xs.size()), moved(m_present->position->value(), dy, m_data.ys.size()));
}

void HeatMap::showToolTip(const QPoint &pixel)
{
    const auto cell = cellAt(pixel);
    if (!cell) {
        QToolTip::hideText();
        return;
    }
    const auto &[column, row] = *cell;
    const std::size_t i = std::size_t(row) * m_data.xs.size() + std::size_t(column);
    const QLocale locale;
    QString text = QStringLiteral("%1 %2, %3 %4\n").arg(m_data.x->symbol, m_data.x->text(m_data.xs[std::size_t(column)]), m_data.y->symbol, m_data.y->text(m_data.ys[std::size_t(row)]));
    if (std::isnan(m_data.perplexity[i]))
        text += tr("not computed yet");
    else if (!std::isfinite(m_data.perplexity[i]))
        text += tr("perplexity ∞: a token that no neighbour has");
    else
        text += tr("perplexity %1\n%2 % of the searches saved\nClick to use this setting").arg(locale.toString(m_data.perplexity[i], 'f', 3), locale.toString(m_data.foss[i] * 100, 'f', 1));
    QToolTip::showText(m_plot->mapToGlobal(pixel), text, m_plot);
}

void HeatMap::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        recolour();
}

} // namespace retoscope
