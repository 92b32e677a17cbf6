// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QStringList>
#include <QWidget>

#include "explore/colour_scale.h"

#include <array>
#include <span>

namespace retoscope {

/// The legend of a coloured text: the histogram of what is on screen in the colours of the scale. Its bounds can be dragged
/// (or moved with the arrow keys: ←/→ the upper, with Shift the lower one); double-click or Home resets them. For
/// categories: their names and counts.
class HistogramLegend : public QWidget
{
    Q_OBJECT

public:
    explicit HistogramLegend(QWidget *parent = nullptr);

    void setMeasure(const Measure &measure, const ColourScale &scale);
    void setScale(const ColourScale &scale); ///< other bounds of the same measure
    /// The values on screen; NaN are counted apart.
    void setValues(std::span<const float> values);

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

Q_SIGNALS:
    void boundsChanged(double low, double high);
    void resetRequested();

protected:
    void paintEvent(QPaintEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void mouseReleaseEvent(QMouseEvent *event) override;
    void mouseDoubleClickEvent(QMouseEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;

private:
    static constexpr int bins = 48;
    enum class Handle { None, Low, High };
    [[nodiscard]] QRectF plotRect() const;
    [[nodiscard]] double toX(double value) const;
    [[nodiscard]] double toValue(double x) const;
    [[nodiscard]] Handle handleAt(const QPointF &point) const;
    void moveBound(Handle handle, double value);
    void paintHistogram(QPainter &painter) const;
    void paintHandle(QPainter &painter, double value, const QString &label) const;
    void paintCategories(QPainter &painter) const;

    ColourScale m_scale;
    QString m_name, m_unit;
    QStringList m_categories;
    std::array<int, bins> m_counts{};
    std::vector<int> m_categoryCounts;
    std::vector<float> m_values;
    double m_domainLow = 0, m_domainHigh = 1; ///< of the axis; what lies outside stands in the outermost bins
    Handle m_dragged = Handle::None;
};

} // namespace retoscope
