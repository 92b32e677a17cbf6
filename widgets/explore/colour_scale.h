// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "trace/measures.h"

#include <QColor>
#include <QPalette>

#include <span>

namespace retoscope {

/// Values to background colours, safe for colour-blind readers: one hue from light to dark for a sequence, orange to blue
/// around zero, Okabe and Ito's hues for categories. Always soft enough for the palette's text colour to be read on it.
class ColourScale
{
public:
    ColourScale() = default;
    ColourScale(const Measure &measure, const QPalette &palette);

    [[nodiscard]] MeasureScale kind() const { return m_kind; }
    [[nodiscard]] double low() const { return m_low; }
    [[nodiscard]] double high() const { return m_high; }
    /// Values at or beyond a bound have the colour of the bound. A diverging scale keeps zero neutral.
    void setBounds(double low, double high);
    void setPalette(const QPalette &palette);

    /// Bounds that show these values well: zero to the 98th percentile, symmetric around zero for a diverging scale.
    static std::pair<double, double> boundsFor(MeasureScale kind, std::span<const float> values);

    /// Transparent for NaN.
    [[nodiscard]] QRgb colour(float value) const;
    /// The same at full strength, for the legend.
    [[nodiscard]] QColor legendColour(double value) const;

private:
    MeasureScale m_kind = MeasureScale::Sequential;
    double m_low = 0, m_high = 1;
    QColor m_neutral = Qt::white, m_lowEnd, m_highEnd;
    std::vector<QColor> m_categories;
};

} // namespace retoscope
