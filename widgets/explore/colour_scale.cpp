// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/colour_scale.h"

#include "plot/theme.h"

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr double shownShare = 0.98; ///< of the values between the bounds at first

/// Which of seriesColor() stands for a category; quiet ones for what is not remarkable.
constexpr int categorySeries[] = {0, 1, 3, 4};
constexpr double categoryStrength = 0.42;

QColor mixed(const QColor &from, const QColor &to, double share)
{
    const auto part = [share](int a, int b) { return static_cast<int>(std::lround(a + (b - a) * share)); };
    return QColor(part(from.red(), to.red()), part(from.green(), to.green()), part(from.blue(), to.blue()));
}

} // namespace

ColourScale::ColourScale(const Measure &measure, const QPalette &palette) : m_kind(measure.scale)
{
    m_categories.resize(measure.categories.size());
    setPalette(palette);
}

void ColourScale::setPalette(const QPalette &palette)
{
    const bool dark = isDark(palette);
    m_neutral = palette.color(QPalette::Base);
    if (m_kind == MeasureScale::Diverging) {
        m_lowEnd = dark ? QColor(0xa8560c) : QColor(0xf2a25c);
        m_highEnd = dark ? QColor(0x2a6fb4) : QColor(0x74b3e8);
    } else {
        m_highEnd = dark ? QColor(0x7a4fb5) : QColor(0xb797e0);
    }
    for (std::size_t i = 0; i < m_categories.size(); ++i)
        m_categories[i] = mixed(m_neutral, seriesColor(categorySeries[i % std::size(categorySeries)], palette), categoryStrength);
}

void ColourScale::setBounds(double low, double high)
{
    m_low = std::min(low, high);
    m_high = std::max(low, high);
}

std::pair<double, double> ColourScale::boundsFor(MeasureScale kind, std::span<const float> values)
{
    const bool diverging = kind == MeasureScale::Diverging;
    std::vector<float> finite;
    finite.reserve(values.size());
    for (const float value : values) {
        if (std::isfinite(value))
            finite.push_back(diverging ? std::abs(value) : value);
    }
    if (finite.empty())
        return {diverging ? -1 : 0, 1};
    const auto at = finite.begin() + static_cast<std::ptrdiff_t>(shownShare * static_cast<double>(finite.size() - 1));
    std::nth_element(finite.begin(), at, finite.end());
    const double high = *at > 0 ? static_cast<double>(*at) : 1.0;
    return {diverging ? -high : 0, high};
}

QRgb ColourScale::colour(float value) const
{
    if (std::isnan(value))
        return qRgba(0, 0, 0, 0);
    return legendColour(static_cast<double>(value)).rgba();
}

QColor ColourScale::legendColour(double value) const
{
    switch (m_kind) {
    case MeasureScale::Categorical: {
        const auto index = static_cast<std::size_t>(std::max(0.0, value));
        return index < m_categories.size() ? m_categories[index] : m_neutral;
    }
    case MeasureScale::Diverging:
        if (value < 0)
            return mixed(m_neutral, m_lowEnd, m_low < 0 ? std::min(value / m_low, 1.0) : 1.0);
        return mixed(m_neutral, m_highEnd, m_high > 0 ? std::min(value / m_high, 1.0) : 1.0);
    case MeasureScale::Sequential:
        break;
    }
    const double share = m_high > m_low ? std::clamp((value - m_low) / (m_high - m_low), 0.0, 1.0) : 1.0;
    return mixed(m_neutral, m_highEnd, share);
}

} // namespace retoscope
