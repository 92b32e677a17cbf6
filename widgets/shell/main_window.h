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
class CommandRegistry;
class Overview;
class SessionBar;
class StartPage;
class StatusStrip;
class View;
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

    [[nodiscard]] Session &session() { return *m_session; }
    [[nodiscard]] Workspace &workspace() { return *m_workspace; }
    [[nodiscard]] CommandRegistry &commands() { return *m_commands; }
    [[nodiscard]] Banner &banner() { return *m_banner; }

protected:
    void closeEvent(QCloseEvent *event) override;
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    void buildCommands();
    void addProjectCommands();
    void addSelectionCommands();
    void addViewCommands();
    void addLayoutCommands();
    void buildMenus();
    void adoptViewActions(View *view);
    void showProject();
    void showUnavailable(const QString &sentence);
    void chooseProject();
    void createProject();

    AppSettings &m_settings;
    Session *m_session;
    CommandRegistry *m_commands;
    Banner *m_banner;
    StartPage *m_startPage;
    Workspace *m_workspace;
    QStackedWidget *m_pages;
    SessionBar *m_sessionBar;
    StatusStrip *m_status;
    Overview *m_overview = nullptr; ///< null once a view has the reading area
};

} // namespace retoscope
