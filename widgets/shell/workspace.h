// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/view.h"
#include "shell/view_registry.h"

#include <QHash>
#include <QMainWindow>
#include <QPointer>

class QAction;
class QDockWidget;

namespace retoscope {

class AppSettings;
class Session;

/// The views as docks around the reading area, in named layouts. A view is made when it is shown for the first time: one
/// that is never looked at costs nothing. What the user moves is remembered per layout.
class Workspace : public QMainWindow
{
    Q_OBJECT

public:
    /// `views` must outlive the workspace. `settings` remembers the layouts.
    Workspace(Session &session, AppSettings &settings, const std::vector<ViewEntry> &views, QWidget *parent = nullptr);
    ~Workspace() override;

    [[nodiscard]] const std::vector<ViewEntry> &entries() const { return m_entries; }
    [[nodiscard]] bool contains(const QString &id) const { return m_toggles.contains(id); }
    [[nodiscard]] View *view(const QString &id) const { return m_views.value(id); } ///< null: not made yet
    [[nodiscard]] QList<View *> madeViews() const { return m_views.values(); }
    /// Makes it when needed, shows it, brings its tab to the front and gives it the focus. Null: there is no such view.
    View *showView(const QString &id);
    void setViewShown(const QString &id, bool shown);
    [[nodiscard]] bool isViewShown(const QString &id) const;
    [[nodiscard]] QAction *toggleAction(const QString &id) const { return m_toggles.value(id); } ///< "show or hide"
    /// Where the view stands on the screen, for call-outs: its dock, or the view itself in the reading area.
    [[nodiscard]] QWidget *frameOf(const QString &id) const;
    /// The view that has, or last had, the keyboard focus; before that the one in the reading area. Null: none is made yet.
    [[nodiscard]] View *currentView() const { return m_current ? m_current.data() : m_views.value(m_centre); }

    // Layouts: the built-in ones by id, the user's by name
    void applyLayout(const QString &layout);
    [[nodiscard]] const QString &layout() const { return m_layout; }
    /// As it comes, forgetting what was moved; a layout of the user's becomes Explore.
    void restoreDefaultLayout();
    void saveLayoutAs(const QString &name);
    void removeLayout(const QString &name);
    [[nodiscard]] QStringList userLayouts() const;
    [[nodiscard]] static QString layoutTitle(const QString &layout);
    /// Writes the present arrangement to the settings.
    void remember();

Q_SIGNALS:
    void viewMade(retoscope::View *view);
    void currentViewChanged(retoscope::View *view);
    void layoutChanged(const QString &layout);
    void userLayoutsChanged();

protected:
    void showEvent(QShowEvent *event) override;

private:
    void buildDocks();
    View *ensureView(const ViewEntry &entry);
    void arrange(const QString &layout);
    void place(const struct ViewLayout &layout);
    void applySizes();
    void followFocus(QWidget *now);
    [[nodiscard]] const ViewEntry *entry(const QString &id) const;
    [[nodiscard]] QDockWidget *dock(const QString &id) const { return m_docks.value(id); }

    Session &m_session;
    AppSettings &m_settings;
    const std::vector<ViewEntry> &m_entries;
    QString m_centre; ///< id of the view in the reading area; empty: there is none
    QWidget *m_readingArea = nullptr;
    QHash<QString, QDockWidget *> m_docks; ///< all but the centre
    QHash<QString, QAction *> m_toggles;
    QHash<QString, View *> m_views;
    QPointer<View> m_current;
    QString m_layout;
    bool m_sizesDue = false; ///< the built-in shares are applied once there is a size to share
};

} // namespace retoscope
