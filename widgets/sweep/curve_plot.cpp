// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/curve_plot.h"

#include "plot/theme.h"

#include <QEvent>
#include <QLocale>
#include <QToolTip>
#include <QVBoxLayout>

#include "plot/custom_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

namespace {

constexpr int mostTicks = 6;

QSharedPointer<QCPAxisTickerText> tickerFor(const Parameter &parameter)
{
    QSharedPointer<QCPAxisTickerText> ticker(new QCPAxisTickerText);
    for (const double value : parameter.scale.spread(mostTicks))
        ticker->addTick(parameter.scale.positionOf(value), parameter.text(value));
    return ticker;
}

} // namespace

CurvePlot::CurvePlot(QWidget *parent) : QWidget(parent), m_plot(new QCustomPlot(this))
{
    setAccessibleName(tr("Perplexity over one parameter"));
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);
    m_plot->setMinimumHeight(fontMetrics().height() * 12);
    m_plot->yAxis->setLabel(tr("perplexity (lower is better)"));
    m_plot->yAxis2->setLabel(tr("searches saved (FoSS, %)"));
    m_plot->yAxis2->setRange(0, 100);
    m_plot->addLayer(QStringLiteral("marks"));
    m_plot->layer(QStringLiteral("marks"))->setMode(QCPLayer::lmBuffered);
    m_present = new QCPItemStraightLine(m_plot);
    m_present->setLayer(QStringLiteral("marks"));
    connect(m_plot, &QCustomPlot::mousePress, this, [this](const QMouseEvent *event) {
        if (m_data.x && event->button() == Qt::LeftButton && m_plot->axisRect()->rect().contains(event->pos()))
            Q_EMIT chosen(m_data.x->scale.valueAt(int(std::lround(m_plot->xAxis->pixelToCoord(event->position().x())))));
    });
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](const QMouseEvent *event) { showToolTip(event->pos()); });
    rebuild();
}

void CurvePlot::setData(const CurveData &data)
{
    m_data = data;
    rebuild();
}

void CurvePlot::setSettings(const EvaluationSettings &settings)
{
    m_settings = settings;
    placeMark();
    m_plot->layer(QStringLiteral("marks"))->replot();
}

void CurvePlot::rebuild()
{
    m_plot->clearGraphs();
    double lowest = m_data.basePerplexity > 0 ? m_data.basePerplexity : std::numeric_limits<double>::infinity();
    double highest = m_data.basePerplexity;
    bool walks = false;
    for (int i = 0; i < int(m_data.lines.size()); ++i) {
        const auto &line = m_data.lines[std::size_t(i)];
        QVector<double> at, perplexity, foss;
        for (const auto &point : line.points) {
            at.append(m_data.x->scale.positionOf(point.value));
            perplexity.append(std::isfinite(point.perplexity) ? point.perplexity : std::numeric_limits<double>::quiet_NaN());
            foss.append(point.foss * 100);
            lowest = std::min(lowest, point.perplexity);
            if (std::isfinite(point.perplexity) && (m_data.basePerplexity <= 0 || point.perplexity < 1.5 * m_data.basePerplexity))
                highest = std::max(highest, point.perplexity);
        }
        const QColor color = seriesColor(i, palette());
        QCPGraph *graph = m_plot->addGraph();
        graph->setName(line.name);
        graph->setPen(QPen(color, 2));
        graph->setScatterStyle(QCPScatterStyle(i == 0 ? QCPScatterStyle::ssSquare : QCPScatterStyle::ssDisc, QPen(color, 1), QBrush(color), 5));
        graph->setData(at, perplexity, true);
        if (line.walks) {
            walks = true;
            QCPGraph *saved = m_plot->addGraph(m_plot->xAxis, m_plot->yAxis2);
            saved->setName(tr("FoSS of %1").arg(line.name));
            saved->setPen(QPen(color, 1.5, Qt::DotLine));
            saved->setData(at, foss, true);
        }
    }
    if (m_data.basePerplexity > 0) {
        QCPGraph *graph = m_plot->addGraph();
        graph->setName(tr("LM alone"));
        graph->setPen(QPen(palette().color(QPalette::PlaceholderText), 1.5, Qt::DashLine));
        const double last = m_data.x ? m_data.x->scale.lastStep() : 1;
        graph->setData({0, last}, {m_data.basePerplexity, m_data.basePerplexity}, true);
    }
    if (m_data.x) {
        m_plot->xAxis->setLabel(m_data.x->title);
        m_plot->xAxis->setTicker(tickerFor(*m_data.x));
        const double last = m_data.x->scale.lastStep();
        m_plot->xAxis->setRange(-0.02 * last, 1.02 * last);
    }
    if (lowest < highest)
        m_plot->yAxis->setRange(lowest - 0.05 * (highest - lowest), highest + 0.1 * (highest - lowest));
    m_plot->yAxis2->setVisible(walks);
    m_plot->legend->setVisible(m_plot->graphCount() > 0);
    applyPalette(*m_plot, palette());
    m_plot->yAxis2->grid()->setVisible(false);
    m_present->setPen(QPen(palette().color(QPalette::Highlight), 1.5));
    placeMark();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void CurvePlot::placeMark()
{
    m_present->setVisible(m_data.x.has_value());
    if (!m_data.x)
        return;
    const double at = m_data.x->scale.positionOf(m_data.x->get(m_settings));
    m_present->point1->setCoords(at, 0);
    m_present->point2->setCoords(at, 1);
}

void CurvePlot::showToolTip(const QPoint &pixel)
{
    if (!m_data.x || !m_plot->axisRect()->rect().contains(pixel)) {
        QToolTip::hideText();
        return;
    }
    const double at = m_plot->xAxis->pixelToCoord(pixel.x());
    const QLocale locale;
    QStringList text;
    for (const auto &line : m_data.lines) {
        const auto nearest = std::ranges::min_element(line.points, {}, [&](const auto &point) { return std::abs(m_data.x->scale.positionOf(point.value) - at); });
        if (nearest == line.points.end())
            continue;
        QString row = tr("%1 at %2 %3: perplexity %4").arg(line.name, m_data.x->symbol, m_data.x->text(nearest->value),
                                                           std::isfinite(nearest->perplexity) ? locale.toString(nearest->perplexity, 'f', 3) : QStringLiteral("∞"));
        if (line.walks)
            row += tr(", FoSS %1 %").arg(locale.toString(nearest->foss * 100, 'f', 1));
        text << row;
    }
    if (!text.isEmpty())
        text << tr("Click to use the value here");
    QToolTip::showText(m_plot->mapToGlobal(pixel), text.join(QLatin1Char('\n')), m_plot);
}

void CurvePlot::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        rebuild();
}

} // namespace retoscope
