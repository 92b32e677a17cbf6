// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/appearance.h"

#include "base/threads.h"
#include "shell/app_settings.h"

#include <QApplication>
#include <QFontInfo>

namespace retoscope {

Appearance::Appearance(QApplication &application, AppSettings &settings, std::optional<Theme> theme)
    : m_application(application), m_settings(settings), m_font(QApplication::font())
{
    connect(&settings, &AppSettings::appearanceChanged, this, &Appearance::apply);
    connect(&settings, &AppSettings::threadsChanged, this, [](int threads) { setThreadCount(threads); });
    setThreadCount(settings.threads());
    apply();
    if (theme)
        applyTheme(application, *theme);
}

void Appearance::apply()
{
    applyTheme(m_application, m_settings.theme());
    QFont font = m_font;
    font.setPointSizeF(QFontInfo(m_font).pointSizeF() * m_settings.textPercent() / 100.0);
    if (font != QApplication::font())
        QApplication::setFont(font);
}

} // namespace retoscope
