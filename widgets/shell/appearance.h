// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "plot/theme.h"

#include <QFont>
#include <QObject>

#include <optional>

class QApplication;

namespace retoscope {

class AppSettings;

/// Keeps the program's palette, text size and number of threads as the settings say, at once when they change.
class Appearance : public QObject
{
    Q_OBJECT

public:
    /// `theme`: of the command line; it holds until the settings are changed.
    Appearance(QApplication &application, AppSettings &settings, std::optional<Theme> theme);

private:
    void apply();

    QApplication &m_application;
    AppSettings &m_settings;
    QFont m_font; ///< the desktop's
};

} // namespace retoscope
