// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/session.h"
#include "shell/view_registry.h"

#include <QMainWindow>

#include <filesystem>

class QMenu;
class QStackedWidget;

namespace retoscope {

class AppSettings;
class Banner;
class CommandPalette;
class CommandRegistry;
class GuidedTour;
class SessionBar;
class StartPage;
class StatusStrip;
class View;
class ViewHistory;
class Workspace;

/// The window: one project, its views as docks, and everything that can be done with them as commands.
class MainWindow : public QMainWindow
{
    Q_OBJECT

public:
    explicit MainWindow(AppSettings &settings, QWidget *parent = nullptr) : MainWindow(settings, viewRegistry(), parent) {}
    /// With other views than the registered ones, for tests; `views` must outlive the window.
    MainWindow(AppSettings &settings, const std::vector<ViewEntry> &views, QWidget *parent = nullptr);
    ~MainWindow() override;

    /// Absent or unreadable: a sentence in the banner with the ways out.
    /// `description`: what "Run all" runs, e.g. projects/postgresql-manual/project.json; empty: the one of the last time.
    void openProject(const std::filesystem::path &folder, const std::filesystem::path &description = {});
    /// The example that is installed with the program, in a folder of the user's; made when it is not there.
    void openExample();

    /// The short path through the window. It waits for the project when that is still being read.
    void startTour();
    void startTourOnce(); ///< unless it has been seen

    [[nodiscard]] Session &session() { return *m_session; }
    [[nodiscard]] Workspace &workspace() { return *m_workspace; }
    [[nodiscard]] CommandRegistry &commands() { return *m_commands; }
    [[nodiscard]] Banner &banner() { return *m_banner; }
    [[nodiscard]] GuidedTour &tour() { return *m_tour; }
    [[nodiscard]] ViewHistory &history() { return *m_history; }

protected:
    void closeEvent(QCloseEvent *event) override;
    void dragEnterEvent(QDragEnterEvent *event) override;
    void dropEvent(QDropEvent *event) override;
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    enum class Closing { No, WhenStopped, WhenDone };

    void buildCommands();
    void addProjectCommands();
    void addEditCommands();
    void addSelectionCommands();
    void addViewCommands();
    void addLayoutCommands();
    void addUserLayoutCommands();
    void addJobCommands();
    void addHelpCommands();
    void buildMenus();
    void fillRecentMenu();
    void adoptViewActions(View *view);

    void showProject();
    void showUnavailable(const QString &sentence);
    void chooseProject();
    void createProject();
    bool makeProject(const std::filesystem::path &folder);
    void exportCurrentView();
    void saveLayout();
    void showAbout();
    [[nodiscard]] Closing askHowToClose();
    void closeWhenIdle();
    [[nodiscard]] bool hasProject() const { return !m_session->projectFolder().empty(); }

    AppSettings &m_settings;
    Session *m_session;
    CommandRegistry *m_commands;
    Banner *m_banner;
    StartPage *m_startPage;
    Workspace *m_workspace;
    QStackedWidget *m_pages;
    SessionBar *m_sessionBar;
    StatusStrip *m_status;
    ViewHistory *m_history;
    CommandPalette *m_palette;
    GuidedTour *m_tour;
    QMenu *m_recentMenu = nullptr, *m_viewMenu = nullptr, *m_layoutMenu = nullptr;
    Closing m_closing = Closing::No;
    bool m_tourWanted = false;   ///< once the project has been read
    bool m_tourHasTrace = false; ///< the tour under way has a text to point to
};

} // namespace retoscope
