// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/app_settings.h"

#include <QDir>
#include <QFileInfo>

#include <algorithm>
#include <array>
#include <functional>

namespace retoscope {

namespace {

const QString schemaKey = QStringLiteral("schemaVersion");
const QString themeKey = QStringLiteral("appearance/theme");
const QString textKey = QStringLiteral("appearance/textPercent");
const QString threadsKey = QStringLiteral("work/threads");
const QString recentKey = QStringLiteral("projects/recent");
const QString tourKey = QStringLiteral("help/tourSeen");
const QString shortcutsGroup = QStringLiteral("shortcuts");
const QString geometryKey = QStringLiteral("window/geometry");
const QString layoutKey = QStringLiteral("layouts/current");
const QString userLayoutsKey = QStringLiteral("layouts/user");

/// Names of layouts and folders may hold any character; a key of QSettings may not hold a slash.
QString asKey(const QString &name)
{
    return QString::fromLatin1(name.toUtf8().toHex());
}

QString stateKey(const QString &layout)
{
    return QStringLiteral("layouts/state/") + asKey(layout);
}

QString descriptionKey(const QString &folder)
{
    return QStringLiteral("projects/description/") + asKey(QDir(folder).absolutePath());
}

QString themeName(Theme theme)
{
    switch (theme) {
    case Theme::Light: return QStringLiteral("light");
    case Theme::Dark: return QStringLiteral("dark");
    case Theme::System: break;
    }
    return QStringLiteral("system");
}

void moveKey(QSettings &settings, const QString &from, const QString &to)
{
    if (settings.contains(from) && !settings.contains(to))
        settings.setValue(to, settings.value(from));
    settings.remove(from);
}

/// Version 1 kept a dark switch, the text size as a factor and one window state.
void fromVersion1(QSettings &settings)
{
    if (settings.contains(QStringLiteral("dark")) && !settings.contains(themeKey))
        settings.setValue(themeKey, themeName(settings.value(QStringLiteral("dark")).toBool() ? Theme::Dark : Theme::Light));
    settings.remove(QStringLiteral("dark"));
    if (settings.contains(QStringLiteral("textScale")) && !settings.contains(textKey))
        settings.setValue(textKey, qRound(settings.value(QStringLiteral("textScale")).toDouble() * 100));
    settings.remove(QStringLiteral("textScale"));
    moveKey(settings, QStringLiteral("recentProjects"), recentKey);
    moveKey(settings, QStringLiteral("geometry"), geometryKey);
    settings.remove(QStringLiteral("windowState"));
}

/// step[i] brings a file of schema version i + 1 to i + 2.
const std::array<std::function<void(QSettings &)>, AppSettings::currentSchema - 1> steps = {fromVersion1};

QSettings openSettings(const QString &file)
{
    return file.isEmpty() ? QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("retoscope"), QStringLiteral("retoscope"))
                          : QSettings(file, QSettings::IniFormat);
}

} // namespace

AppSettings::AppSettings(const QString &file, QObject *parent)
    : QObject(parent), m_settings(openSettings(file))
{
    migrate();
}

void AppSettings::migrate()
{
    // The first version wrote no number; an empty file is a new one.
    const int found = m_settings.value(schemaKey, m_settings.allKeys().isEmpty() ? currentSchema : 1).toInt();
    for (int version = std::max(found, 1); version < currentSchema; ++version)
        steps[static_cast<std::size_t>(version - 1)](m_settings);
    m_settings.setValue(schemaKey, std::max(found, currentSchema));
}

Theme AppSettings::theme() const
{
    return themeFromString(m_settings.value(themeKey).toString());
}

void AppSettings::setTheme(Theme theme)
{
    if (theme == this->theme())
        return;
    m_settings.setValue(themeKey, themeName(theme));
    Q_EMIT appearanceChanged();
}

int AppSettings::textPercent() const
{
    return std::clamp(m_settings.value(textKey, 100).toInt(), smallestText, largestText);
}

void AppSettings::setTextPercent(int percent)
{
    if (percent == textPercent())
        return;
    m_settings.setValue(textKey, percent);
    Q_EMIT appearanceChanged();
}

int AppSettings::threads() const
{
    return std::max(0, m_settings.value(threadsKey, 0).toInt());
}

void AppSettings::setThreads(int threads)
{
    if (threads == this->threads())
        return;
    m_settings.setValue(threadsKey, threads);
    Q_EMIT threadsChanged(threads);
}

void AppSettings::restoreDefaults()
{
    setTheme(Theme::System);
    setTextPercent(100);
    setThreads(0);
}

QStringList AppSettings::recentProjects() const
{
    return m_settings.value(recentKey).toStringList();
}

void AppSettings::addRecentProject(const QString &folder)
{
    const QString absolute = QDir(folder).absolutePath();
    QStringList projects = recentProjects();
    projects.removeAll(absolute);
    projects.prepend(absolute);
    m_settings.setValue(recentKey, projects.mid(0, mostRecentProjects));
    Q_EMIT recentProjectsChanged();
}

void AppSettings::removeRecentProject(const QString &folder)
{
    QStringList projects = recentProjects();
    projects.removeAll(folder);
    m_settings.setValue(recentKey, projects);
    Q_EMIT recentProjectsChanged();
}

QString AppSettings::description(const QString &folder) const
{
    return m_settings.value(descriptionKey(folder)).toString();
}

void AppSettings::setDescription(const QString &folder, const QString &description)
{
    m_settings.setValue(descriptionKey(folder), QFileInfo(description).absoluteFilePath());
}

bool AppSettings::tourSeen() const
{
    return m_settings.value(tourKey, false).toBool();
}

void AppSettings::setTourSeen(bool seen)
{
    m_settings.setValue(tourKey, seen);
}

QHash<QString, QKeySequence> AppSettings::shortcuts() const
{
    QHash<QString, QKeySequence> shortcuts;
    const QString prefix = shortcutsGroup + QLatin1Char('/');
    for (const QString &key : m_settings.allKeys()) {
        if (key.startsWith(prefix))
            shortcuts.insert(key.mid(prefix.size()), QKeySequence::fromString(m_settings.value(key).toString(), QKeySequence::PortableText));
    }
    return shortcuts;
}

void AppSettings::setShortcut(const QString &command, const QKeySequence &shortcut)
{
    m_settings.setValue(shortcutsGroup + QLatin1Char('/') + command, shortcut.toString(QKeySequence::PortableText));
}

void AppSettings::removeShortcut(const QString &command)
{
    m_settings.remove(shortcutsGroup + QLatin1Char('/') + command);
}

QByteArray AppSettings::windowGeometry() const
{
    return m_settings.value(geometryKey).toByteArray();
}

void AppSettings::setWindowGeometry(const QByteArray &geometry)
{
    m_settings.setValue(geometryKey, geometry);
}

QString AppSettings::layout() const
{
    return m_settings.value(layoutKey).toString();
}

void AppSettings::setLayout(const QString &layout)
{
    m_settings.setValue(layoutKey, layout);
}

QByteArray AppSettings::layoutState(const QString &layout) const
{
    return m_settings.value(stateKey(layout)).toByteArray();
}

void AppSettings::setLayoutState(const QString &layout, const QByteArray &state)
{
    if (state.isEmpty())
        m_settings.remove(stateKey(layout));
    else
        m_settings.setValue(stateKey(layout), state);
}

QStringList AppSettings::userLayouts() const
{
    return m_settings.value(userLayoutsKey).toStringList();
}

void AppSettings::setUserLayouts(const QStringList &names)
{
    m_settings.setValue(userLayoutsKey, names);
}

} // namespace retoscope
