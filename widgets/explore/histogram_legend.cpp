// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/histogram_legend.h"

#include <QKeyEvent>
#include <QLocale>
#include <QMouseEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr int histogramHeight = 26;
constexpr int handleWidth = 9;
constexpr double grip = 8;         // pixels around a handle that take the mouse
constexpr double domainSlack = 1.3; // the axis reaches beyond the bounds, so that they can be dragged outwards

} // namespace

HistogramLegend::HistogramLegend(QWidget *parent) : QWidget(parent)
{
    setMouseTracking(true);
    setFocusPolicy(Qt::TabFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setAccessibleName(tr("Legend: histogram of the values on screen"));
    setToolTip(tr("What is on screen. Drag the two triangles to change the range of the colours; double-click resets it."));
}

QSize HistogramLegend::sizeHint() const
{
    return {360, fontMetrics().height() * 2 + histogramHeight + 4};
}

QSize HistogramLegend::minimumSizeHint() const
{
    return {180, sizeHint().height()};
}

void HistogramLegend::setMeasure(const Measure &measure, const ColourScale &scale)
{
    m_name = QString::fromStdString(measure.name);
    m_unit = QString::fromStdString(measure.unit);
    m_categories.clear();
    for (const std::string &category : measure.categories)
        m_categories << QString::fromStdString(category);
    m_scale = scale;
    m_domainLow = scale.low() < 0 ? scale.low() * domainSlack : scale.low();
    m_domainHigh = scale.high() * domainSlack;
    setAccessibleDescription(m_name);
    setValues(std::vector<float>(m_values));
}

void HistogramLegend::setScale(const ColourScale &scale)
{
    m_scale = scale;
    update();
}

void HistogramLegend::setValues(std::span<const float> values)
{
    m_values.assign(values.begin(), values.end());
    m_counts.fill(0);
    m_categoryCounts.assign(static_cast<std::size_t>(m_categories.size()), 0);
    const double span = std::max(m_domainHigh - m_domainLow, 1e-12);
    for (const float value : values) {
        if (std::isnan(value))
            continue;
        if (m_scale.kind() == MeasureScale::Categorical) {
            const auto category = static_cast<std::size_t>(std::max(value, 0.0f));
            if (category < m_categoryCounts.size())
                ++m_categoryCounts[category];
            continue;
        }
        const double share = std::clamp((static_cast<double>(value) - m_domainLow) / span, 0.0, 1.0);
        ++m_counts[static_cast<std::size_t>(std::min(share * bins, bins - 1.0))];
    }
    update();
}

QRectF HistogramLegend::plotRect() const
{
    return QRectF(handleWidth, fontMetrics().height() + 1, width() - 2 * handleWidth, histogramHeight);
}

double HistogramLegend::toX(double value) const
{
    const QRectF plot = plotRect();
    const double share = (value - m_domainLow) / std::max(m_domainHigh - m_domainLow, 1e-12);
    return plot.left() + std::clamp(share, 0.0, 1.0) * plot.width();
}

double HistogramLegend::toValue(double x) const
{
    const QRectF plot = plotRect();
    return m_domainLow + std::clamp((x - plot.left()) / plot.width(), 0.0, 1.0) * (m_domainHigh - m_domainLow);
}

HistogramLegend::Handle HistogramLegend::handleAt(const QPointF &point) const
{
    if (m_scale.kind() == MeasureScale::Categorical)
        return Handle::None;
    const double toHigh = std::abs(point.x() - toX(m_scale.high())), toLow = std::abs(point.x() - toX(m_scale.low()));
    if (std::min(toHigh, toLow) > grip)
        return Handle::None;
    return toHigh <= toLow ? Handle::High : Handle::Low;
}

void HistogramLegend::moveBound(Handle handle, double value)
{
    const double least = (m_domainHigh - m_domainLow) / 200;
    const bool diverging = m_scale.kind() == MeasureScale::Diverging;
    double low = m_scale.low(), high = m_scale.high();
    if (handle == Handle::Low)
        low = std::min(value, diverging ? -least : high - least);
    else
        high = std::max(value, diverging ? least : low + least);
    m_scale.setBounds(low, high);
    update();
    Q_EMIT boundsChanged(m_scale.low(), m_scale.high());
}

void HistogramLegend::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.setPen(palette().color(QPalette::WindowText));
    const QString title = m_unit.isEmpty() ? m_name : tr("%1 (%2)").arg(m_name, m_unit);
    painter.drawText(QRect(handleWidth, 0, width() - 2 * handleWidth, fontMetrics().height()), Qt::AlignLeft | Qt::AlignVCenter,
                     fontMetrics().elidedText(title, Qt::ElideRight, width() - 2 * handleWidth));
    if (m_scale.kind() == MeasureScale::Categorical)
        paintCategories(painter);
    else
        paintHistogram(painter);
    if (hasFocus()) {
        painter.setPen(QPen(palette().color(QPalette::Highlight), 1));
        painter.drawRect(rect().adjusted(0, 0, -1, -1));
    }
}

void HistogramLegend::paintHistogram(QPainter &painter) const
{
    const QRectF plot = plotRect();
    painter.fillRect(plot, palette().color(QPalette::Base));
    const int most = std::max(1, *std::ranges::max_element(m_counts));
    const double step = plot.width() / bins;
    QColor outline = palette().color(QPalette::Text);
    outline.setAlphaF(0.28f);
    for (int bin = 0; bin < bins; ++bin) {
        const QRectF column(plot.left() + bin * step, plot.top(), step, plot.height());
        const QColor color = m_scale.legendColour(m_domainLow + (bin + 0.5) / bins * (m_domainHigh - m_domainLow));
        painter.fillRect(QRectF(column.left(), column.bottom() - 4, column.width() + 0.5, 4), color);
        // The square root keeps rare values visible beside the many small ones.
        const double height = std::sqrt(static_cast<double>(m_counts[static_cast<std::size_t>(bin)]) / most) * (plot.height() - 5);
        if (height <= 0)
            continue;
        const QRectF bar(column.left() + 0.5, column.bottom() - 4 - height, column.width() - 1, height);
        painter.fillRect(bar, color);
        painter.setPen(outline);
        painter.drawLine(bar.topLeft(), bar.topRight());
    }
    painter.setPen(outline);
    painter.drawRect(plot.adjusted(0, 0, -1, -1));
    const QLocale locale;
    paintHandle(painter, m_scale.low(), locale.toString(m_scale.low(), 'g', 3));
    paintHandle(painter, m_scale.high(), locale.toString(m_scale.high(), 'g', 3));
    if (m_scale.kind() == MeasureScale::Diverging) {
        const QRectF labels(toX(0) - 20, plot.bottom() + 2, 40, fontMetrics().height());
        painter.setPen(palette().color(QPalette::PlaceholderText));
        painter.drawText(labels, Qt::AlignHCenter | Qt::AlignVCenter, QStringLiteral("0"));
    }
}

void HistogramLegend::paintHandle(QPainter &painter, double value, const QString &label) const
{
    const QRectF plot = plotRect();
    const double x = toX(value);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(palette().color(QPalette::Text), 1));
    painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()));
    painter.setBrush(palette().color(QPalette::Text));
    const double half = handleWidth / 2.0;
    painter.drawPolygon(QPolygonF({QPointF(x, plot.bottom() - 5), QPointF(x - half, plot.bottom() + 3), QPointF(x + half, plot.bottom() + 3)}));
    painter.restore();
    const int labelWidth = fontMetrics().horizontalAdvance(label) + 4;
    const double left = std::clamp(x - labelWidth / 2.0, 0.0, static_cast<double>(width() - labelWidth));
    painter.setPen(palette().color(QPalette::WindowText));
    painter.drawText(QRectF(left, plot.bottom() + 3, labelWidth, fontMetrics().height()), Qt::AlignCenter, label);
}

void HistogramLegend::paintCategories(QPainter &painter) const
{
    const QLocale locale;
    const int swatch = fontMetrics().height();
    QColor outline = palette().color(QPalette::Text);
    outline.setAlphaF(0.4f);
    double x = handleWidth, y = plotRect().top() + 3;
    for (qsizetype i = 0; i < m_categories.size(); ++i) {
        const QString text = tr("%1: %2").arg(m_categories[i], locale.toString(m_categoryCounts[static_cast<std::size_t>(i)]));
        const double needed = swatch + 6 + fontMetrics().horizontalAdvance(text) + 14;
        if (x + needed > width() && x > handleWidth) {
            x = handleWidth;
            y += swatch + 5;
        }
        painter.setPen(outline);
        painter.setBrush(m_scale.legendColour(static_cast<double>(i)));
        painter.drawRect(QRectF(x, y, swatch, swatch));
        painter.setPen(palette().color(QPalette::WindowText));
        painter.drawText(QRectF(x + swatch + 6, y, needed, swatch), Qt::AlignLeft | Qt::AlignVCenter, text);
        x += needed;
    }
}

void HistogramLegend::mousePressEvent(QMouseEvent *event)
{
    m_dragged = event->button() == Qt::LeftButton ? handleAt(event->position()) : Handle::None;
}

void HistogramLegend::mouseMoveEvent(QMouseEvent *event)
{
    if (m_dragged != Handle::None)
        moveBound(m_dragged, toValue(event->position().x()));
    else
        setCursor(handleAt(event->position()) != Handle::None ? Qt::SizeHorCursor : Qt::ArrowCursor);
}

void HistogramLegend::mouseReleaseEvent(QMouseEvent *)
{
    m_dragged = Handle::None;
}

void HistogramLegend::mouseDoubleClickEvent(QMouseEvent *)
{
    Q_EMIT resetRequested();
}

void HistogramLegend::keyPressEvent(QKeyEvent *event)
{
    const Handle handle = event->modifiers() & Qt::ShiftModifier ? Handle::Low : Handle::High;
    const double step = (m_domainHigh - m_domainLow) / 50, bound = handle == Handle::Low ? m_scale.low() : m_scale.high();
    if (m_scale.kind() != MeasureScale::Categorical && (event->key() == Qt::Key_Left || event->key() == Qt::Key_Right))
        moveBound(handle, bound + (event->key() == Qt::Key_Left ? -step : step));
    else if (event->key() == Qt::Key_Home)
        Q_EMIT resetRequested();
    else
        QWidget::keyPressEvent(event);
}

} // namespace retoscope
