// SPDX-License-Identifier: GPL-3.0-or-later
#include "foss/foss_view.h"

#include "base/error.h"
#include "plot/theme.h"

#include <QEvent>
#include <QFileInfo>
#include <QMouseEvent>
#include <QPainter>
#include <QSvgGenerator>
#include <QToolTip>
#include <QVBoxLayout>

#include "plot/custom_plot.h"

#include <algorithm>

namespace retoscope {

namespace {

constexpr double hoverRadius = 12; // pixels

QPen dashed(QColor color)
{
    QPen pen(color, 1.5);
    pen.setStyle(Qt::DashLine);
    return pen;
}

void drawSvg(QCustomPlot &plot, const QString &file, const QSize &size)
{
    QSvgGenerator generator;
    generator.setFileName(file);
    generator.setSize(size);
    generator.setViewBox(QRect(QPoint(0, 0), size));
    generator.setTitle(QObject::tr("Perplexity over saved searches"));
    QCPPainter painter;
    if (!painter.begin(&generator))
        fail(ErrorKind::Io, "Cannot write {}; choose another folder.", file.toStdString());
    painter.setMode(QCPPainter::pmVectorized);
    painter.setMode(QCPPainter::pmNoCaching);
    plot.toPainter(&painter, size.width(), size.height());
    painter.end();
}

} // namespace

FossView::FossView(QWidget *parent) : QWidget(parent), m_plot(new QCustomPlot(this))
{
    setAccessibleName(tr("Perplexity over the fraction of saved searches"));
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);
    m_plot->setNoAntialiasingOnDrag(true);
    m_plot->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
    m_plot->setMinimumHeight(fontMetrics().height() * 12);
    m_plot->xAxis->setLabel(tr("searches saved (FoSS, %)"));
    m_plot->yAxis->setLabel(tr("perplexity (lower is better)"));
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](const QMouseEvent *event) { showToolTip(event->pos()); });
    connect(m_plot, &QCustomPlot::mouseDoubleClick, this, [this] { rebuild(); });
    rebuild();
}

void FossView::setFigure(const FossFigure &figure)
{
    m_figure = figure;
    rebuild();
}

void FossView::rebuild()
{
    m_plot->clearPlottables();
    m_plot->clearItems();
    for (int i = 0; i < static_cast<int>(m_figure.series.size()); ++i)
        addSeries(i);
    addParetoFront();
    addBaseLine();
    applyPalette(*m_plot, palette());
    m_plot->legend->setVisible(!m_figure.isEmpty());
    m_plot->axisRect()->insetLayout()->setInsetAlignment(0, Qt::AlignLeft | Qt::AlignTop);
    m_plot->rescaleAxes();
    m_plot->xAxis->setRange(-2, 102);
    m_plot->yAxis->scaleRange(1.15, m_plot->yAxis->range().center());
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void FossView::addSeries(int index)
{
    const auto &series = m_figure.series[static_cast<std::size_t>(index)];
    QVector<double> saved, perplexity;
    for (const auto &point : series.points) {
        saved.append(point.foss * 100);
        perplexity.append(point.perplexity);
    }
    const QColor color = seriesColor(index, palette());
    // The shape differs too: colour never stands alone.
    static constexpr QCPScatterStyle::ScatterShape shapes[] = {QCPScatterStyle::ssDisc, QCPScatterStyle::ssSquare, QCPScatterStyle::ssTriangle,
                                                               QCPScatterStyle::ssDiamond};
    QCPGraph *graph = m_plot->addGraph();
    graph->setName(series.name);
    graph->setPen(QPen(color, 2));
    graph->setScatterStyle(QCPScatterStyle(shapes[index % 4], QPen(color, 1.5), QBrush(color), 7));
    graph->setData(saved, perplexity, true);
}

void FossView::addParetoFront()
{
    QVector<double> saved, perplexity;
    for (const auto &series : m_figure.series) {
        for (const auto &point : series.points) {
            if (point.pareto) {
                saved.append(point.foss * 100);
                perplexity.append(point.perplexity);
            }
        }
    }
    if (saved.isEmpty())
        return;
    QCPGraph *graph = m_plot->addGraph();
    graph->setName(tr("Pareto front"));
    graph->setLineStyle(QCPGraph::lsNone);
    graph->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssCircle, QPen(palette().color(QPalette::Text), 1.2), Qt::NoBrush, 13));
    graph->setData(saved, perplexity);
}

void FossView::addBaseLine()
{
    if (m_figure.basePerplexity <= 0)
        return;
    QCPGraph *graph = m_plot->addGraph();
    graph->setName(tr("language model alone"));
    graph->setPen(dashed(palette().color(QPalette::PlaceholderText)));
    graph->setData({-2, 102}, {m_figure.basePerplexity, m_figure.basePerplexity}, true);
}

void FossView::showToolTip(const QPoint &position)
{
    const FossFigure::Point *nearest = nullptr;
    const FossFigure::Series *owner = nullptr;
    double best = hoverRadius * hoverRadius;
    for (const auto &series : m_figure.series) {
        for (const auto &point : series.points) {
            const QPointF offset = QPointF(m_plot->xAxis->coordToPixel(point.foss * 100), m_plot->yAxis->coordToPixel(point.perplexity)) - position;
            const double distance = QPointF::dotProduct(offset, offset);
            if (distance < best) {
                best = distance;
                nearest = &point;
                owner = &series;
            }
        }
    }
    if (!nearest) {
        QToolTip::hideText();
        return;
    }
    const QLocale locale;
    QString text = tr("%1\n%2 % of the searches saved\nperplexity %3").arg(owner->name, locale.toString(nearest->foss * 100, 'f', 1), locale.toString(nearest->perplexity, 'f', 2));
    if (!nearest->label.isEmpty())
        text += QLatin1Char('\n') + nearest->label;
    QToolTip::showText(m_plot->mapToGlobal(position), text, m_plot);
}

void FossView::exportFigure(const QString &file, const QSize &size)
{
    if (m_figure.isEmpty())
        fail(ErrorKind::NotFound, "There is no FoSS curve to export yet; make one with the command foss.");
    const QString suffix = QFileInfo(file).suffix().toLower();
    bool written = false;
    if (suffix == QLatin1String("pdf")) {
        written = m_plot->savePdf(file, size.width(), size.height(), QCP::epNoCosmetic, QStringLiteral("Retoscope"), m_figure.title);
    } else if (suffix == QLatin1String("png")) {
        written = m_plot->savePng(file, size.width(), size.height(), 2.0);
    } else if (suffix == QLatin1String("svg")) {
        drawSvg(*m_plot, file, size);
        written = QFileInfo(file).size() > 0;
    } else {
        fail(ErrorKind::Usage, "{}: figures are written as .pdf, .svg or .png; choose one of these.", file.toStdString());
    }
    if (!written)
        fail(ErrorKind::Io, "Cannot write {}; choose another folder.", file.toStdString());
}

void FossView::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        rebuild();
}

} // namespace retoscope
