// SPDX-License-Identifier: GPL-3.0-or-later
#include "plot/theme.h"

#include <QApplication>
#include <QPalette>
#include <QStyleFactory>

#include "plot/custom_plot.h"

#include <array>

namespace retoscope {

namespace {

QPalette lightPalette()
{
    QPalette palette(QColor(0xf4f4f5), QColor(0xf7f7f8));
    palette.setColor(QPalette::WindowText, QColor(0x1b1c1f));
    palette.setColor(QPalette::Base, QColor(0xffffff));
    palette.setColor(QPalette::AlternateBase, QColor(0xf5f6f8));
    palette.setColor(QPalette::Text, QColor(0x1b1c1f));
    palette.setColor(QPalette::Button, QColor(0xf0f0f2));
    palette.setColor(QPalette::ButtonText, QColor(0x1b1c1f));
    palette.setColor(QPalette::Highlight, QColor(0x2f6fb3));
    palette.setColor(QPalette::HighlightedText, QColor(0xffffff));
    palette.setColor(QPalette::ToolTipBase, QColor(0xffffff));
    palette.setColor(QPalette::ToolTipText, QColor(0x1b1c1f));
    palette.setColor(QPalette::PlaceholderText, QColor(0x6b6f76));
    palette.setColor(QPalette::Link, QColor(0x1f5f9f));
    palette.setColor(QPalette::Disabled, QPalette::Text, QColor(0x9a9ea5));
    palette.setColor(QPalette::Disabled, QPalette::ButtonText, QColor(0x9a9ea5));
    palette.setColor(QPalette::Disabled, QPalette::WindowText, QColor(0x9a9ea5));
    return palette;
}

QPalette darkPalette()
{
    QPalette palette(QColor(0x2b2d31), QColor(0x1f2124));
    palette.setColor(QPalette::WindowText, QColor(0xe6e7ea));
    palette.setColor(QPalette::Base, QColor(0x17181b));
    palette.setColor(QPalette::AlternateBase, QColor(0x1d1f22));
    palette.setColor(QPalette::Text, QColor(0xe6e7ea));
    palette.setColor(QPalette::Button, QColor(0x2b2d31));
    palette.setColor(QPalette::ButtonText, QColor(0xe6e7ea));
    palette.setColor(QPalette::BrightText, QColor(0xffffff));
    palette.setColor(QPalette::Highlight, QColor(0x3d7fc4));
    palette.setColor(QPalette::HighlightedText, QColor(0xffffff));
    palette.setColor(QPalette::ToolTipBase, QColor(0x2b2d31));
    palette.setColor(QPalette::ToolTipText, QColor(0xe6e7ea));
    palette.setColor(QPalette::PlaceholderText, QColor(0x9aa0a8));
    palette.setColor(QPalette::Link, QColor(0x7fb2e8));
    palette.setColor(QPalette::Disabled, QPalette::Text, QColor(0x777b82));
    palette.setColor(QPalette::Disabled, QPalette::ButtonText, QColor(0x777b82));
    palette.setColor(QPalette::Disabled, QPalette::WindowText, QColor(0x777b82));
    return palette;
}

} // namespace

Theme themeFromString(const QString &text, bool *ok)
{
    if (ok)
        *ok = true;
    if (text == QLatin1String("light"))
        return Theme::Light;
    if (text == QLatin1String("dark"))
        return Theme::Dark;
    if (ok)
        *ok = text == QLatin1String("system");
    return Theme::System;
}

bool isDark(const QPalette &palette)
{
    return palette.color(QPalette::Window).lightness() < 128;
}

void applyTheme(QApplication &application, Theme theme)
{
    static const bool desktopIsDark = isDark(application.palette()); // as the program found it, before its first own palette
    const bool dark = theme == Theme::Dark || (theme == Theme::System && desktopIsDark);
    application.setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
    application.setPalette(dark ? darkPalette() : lightPalette());
}

QColor seriesColor(int series, const QPalette &palette)
{
    static constexpr std::array<QRgb, 6> onLight = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0x8a6d00, 0x56b4e9};
    static constexpr std::array<QRgb, 6> onDark = {0x56b4e9, 0xe69f00, 0x2fc79a, 0xe39ac4, 0xf0e442, 0x3d8fd1};
    const auto &colors = isDark(palette) ? onDark : onLight;
    return QColor(colors[static_cast<std::size_t>(series) % colors.size()]);
}

void applyPalette(QCustomPlot &plot, const QPalette &palette)
{
    const QColor text = palette.color(QPalette::Text);
    QColor grid = text;
    grid.setAlphaF(0.13f);
    plot.setBackground(palette.color(QPalette::Base));
    for (QCPAxis *axis : {plot.xAxis, plot.yAxis, plot.xAxis2, plot.yAxis2}) {
        axis->setBasePen(QPen(text, 1));
        axis->setTickPen(QPen(text, 1));
        axis->setSubTickPen(QPen(text, 1));
        axis->setLabelColor(text);
        axis->setTickLabelColor(text);
        axis->grid()->setPen(QPen(grid, 1));
        axis->grid()->setZeroLinePen(QPen(grid, 1));
    }
    QColor panel = palette.color(QPalette::Base);
    panel.setAlphaF(0.85f);
    plot.legend->setBrush(panel);
    plot.legend->setBorderPen(QPen(grid, 1));
    plot.legend->setTextColor(text);
}

} // namespace retoscope
