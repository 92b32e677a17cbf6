// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "plot/theme.h"

#include <QByteArray>
#include <QHash>
#include <QKeySequence>
#include <QObject>
#include <QSettings>
#include <QStringList>

namespace retoscope {

/// What the program remembers between two starts, with a type and a name for each. Older files are brought up to date when
/// they are opened (schemaVersion); a newer program's file is read as far as it is understood and never downgraded.
class AppSettings : public QObject
{
    Q_OBJECT

public:
    static constexpr int currentSchema = 2;
    static constexpr int smallestText = 70, largestText = 250; ///< percent
    static constexpr int mostRecentProjects = 10;

    /// `file` empty: the user's own (~/.config/retoscope/retoscope.ini).
    explicit AppSettings(const QString &file = {}, QObject *parent = nullptr);

    [[nodiscard]] Theme theme() const;
    void setTheme(Theme theme);
    [[nodiscard]] int textPercent() const; ///< of the desktop's text size
    void setTextPercent(int percent);
    [[nodiscard]] int threads() const; ///< for numeric work; 0: as many as there are cores
    void setThreads(int threads);
    /// Theme, text size and threads as at the first start; nothing else is touched.
    void restoreDefaults();

    [[nodiscard]] QStringList recentProjects() const; ///< newest first
    void addRecentProject(const QString &folder);
    void removeRecentProject(const QString &folder);
    /// The description that "Run all" runs in this project; empty: none is known.
    [[nodiscard]] QString description(const QString &folder) const;
    void setDescription(const QString &folder, const QString &description);

    [[nodiscard]] bool tourSeen() const;
    void setTourSeen(bool seen);

    /// Shortcuts that differ from the commands' own, by command id; an empty sequence: none.
    [[nodiscard]] QHash<QString, QKeySequence> shortcuts() const;
    void setShortcut(const QString &command, const QKeySequence &shortcut);
    void removeShortcut(const QString &command);

    // The window
    [[nodiscard]] QByteArray windowGeometry() const;
    void setWindowGeometry(const QByteArray &geometry);
    [[nodiscard]] QString layout() const; ///< the one in use
    void setLayout(const QString &layout);
    [[nodiscard]] QByteArray layoutState(const QString &layout) const; ///< empty: as it comes
    void setLayoutState(const QString &layout, const QByteArray &state);
    [[nodiscard]] QStringList userLayouts() const;
    void setUserLayouts(const QStringList &names);

Q_SIGNALS:
    void appearanceChanged(); ///< theme or text size
    void threadsChanged(int threads);
    void recentProjectsChanged();

private:
    void migrate();

    QSettings m_settings;
};

} // namespace retoscope
