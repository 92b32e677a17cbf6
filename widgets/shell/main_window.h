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
class Overview;
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
    void openProject(const std::filesystem::path &folder);
    /// What "Run all" runs, e.g. projects/postgresql-manual/project.json.
    void setDescription(const std::filesystem::path &projectFile);

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
    Overview *m_overview = nullptr; ///< null once a view has the reading area
    Closing m_closing = Closing::No;
    bool m_tourWanted = false; ///< once the project has been read
};

} // namespace retoscope
