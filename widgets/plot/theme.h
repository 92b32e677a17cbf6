// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QString>

class QApplication;
class QCustomPlot;
class QPalette;

namespace retoscope {

enum class Theme { System, Light, Dark };

/// "system", "light" or "dark"; anything else is Theme::System and sets *ok to false.
Theme themeFromString(const QString &text, bool *ok = nullptr);

/// Fusion style with our palette; System follows the desktop's lightness.
void applyTheme(QApplication &application, Theme theme);

/// Qt 6.4 has no QStyleHints::colorScheme(): the palette tells.
bool isDark(const QPalette &palette);

/// Okabe and Ito's colours for data series, safe for colour-blind readers, in a version for each background.
QColor seriesColor(int series, const QPalette &palette);

/// Background, axes, ticks, labels, grid and legend from the palette; call again on QEvent::PaletteChange.
void applyPalette(QCustomPlot &plot, const QPalette &palette);

} // namespace retoscope
