// SPDX-License-Identifier: GPL-3.0-or-later
// What the window can do, as data: the menus, the palette and the shortcuts come from here.
#include "shell/main_window.h"

#include "shell/app_settings.h"
#include "shell/command_palette.h"
#include "shell/command_registry.h"
#include "shell/example_project.h"
#include "shell/settings_dialog.h"
#include "shell/session_bar.h"
#include "shell/shortcuts_dialog.h"
#include "shell/status_strip.h"
#include "shell/view.h"
#include "shell/view_history.h"
#include "shell/view_layouts.h"
#include "shell/workspace.h"

#include <QAction>
#include <QDir>
#include <QMenuBar>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int lastGroup = 9; // Quit stands below everything

/// The job that has the machine; 0: none.
int runningJob(const JobManager &jobs)
{
    const auto &all = jobs.jobs();
    const auto found = std::ranges::find_if(all, [](const JobInfo &job) { return job.state == JobInfo::State::Running || job.state == JobInfo::State::Paused; });
    return found == all.end() ? 0 : found->id;
}

bool isPaused(const JobManager &jobs)
{
    const JobInfo *job = jobs.job(runningJob(jobs));
    return job && job->state == JobInfo::State::Paused;
}

/// "Find text…" of the view "text" is text.find-text.
QString commandId(const View &view, const QAction &action)
{
    QString slug;
    for (const QChar letter : action.text().toLower()) {
        if (letter.isLetterOrNumber())
            slug += letter;
        else if (letter == QLatin1Char(' ') && !slug.endsWith(QLatin1Char('-')))
            slug += QLatin1Char('-');
    }
    return view.id() + QLatin1Char('.') + slug;
}

} // namespace

void MainWindow::buildCommands()
{
    addProjectCommands();
    addEditCommands();
    addViewCommands();
    addSelectionCommands();
    addLayoutCommands();
    addJobCommands();
    addHelpCommands();
    buildMenus();
    for (const auto signal : {&Session::projectChanged, &Session::traceChanged, &Session::evaluationChanged, &Session::comparisonChanged})
        connect(m_session, signal, m_commands, &CommandRegistry::refresh);
    connect(&m_session->selection(), &Selection::primaryChanged, m_commands, &CommandRegistry::refresh);
    connect(&m_session->jobs(), &JobManager::jobFinished, m_commands, &CommandRegistry::refresh);
    connect(&m_session->jobs(), &JobManager::jobAdded, m_commands, &CommandRegistry::refresh);
    connect(m_workspace, &Workspace::layoutChanged, m_commands, &CommandRegistry::refresh);
    connect(m_workspace, &Workspace::currentViewChanged, m_commands, &CommandRegistry::refresh);
    m_commands->refresh();
}

void MainWindow::addProjectCommands()
{
    const QString category = tr("&Project");
    const auto isOpen = [this] { return hasProject(); };
    m_commands->add({.id = QStringLiteral("project.new"), .title = tr("&New project…"), .category = category, .shortcut = QKeySequence::New, .trigger = [this] { createProject(); }});
    m_commands->add({.id = QStringLiteral("project.open"), .title = tr("&Open project…"), .category = category, .shortcut = QKeySequence::Open, .trigger = [this] { chooseProject(); }});
    m_commands->add({.id = QStringLiteral("project.example"), .title = tr("Open the e&xample"), .category = category, .trigger = [this] { openExample(); },
                     .enabled = [] { return !exampleDescription().isEmpty(); }});
    m_commands->add({.id = QStringLiteral("project.refresh"), .title = tr("&Read the project again"), .category = category, .shortcut = QKeySequence::Refresh,
                     .trigger = [this] { m_session->refreshProject(); }, .enabled = isOpen, .group = 1});
    m_commands->add({.id = QStringLiteral("view.export"), .title = tr("&Export view…"), .category = category, .shortcut = QKeySequence(Qt::CTRL | Qt::Key_E),
                     .trigger = [this] { exportCurrentView(); }, .enabled = [this] { return m_workspace->currentView() != nullptr; }, .group = 2});
    m_commands->add({.id = QStringLiteral("app.quit"), .title = tr("&Quit"), .category = category, .shortcut = QKeySequence::Quit, .trigger = [this] { close(); }, .group = lastGroup});
}

void MainWindow::addEditCommands()
{
    const QString category = tr("&Edit");
    QAction *undo = m_commands->add({.id = QStringLiteral("edit.undo"), .title = tr("&Undo"), .category = category, .shortcut = QKeySequence(Qt::CTRL | Qt::Key_Z),
                                     .trigger = [this] { m_history->undo(); }, .enabled = [this] { return m_history->canUndo(); }});
    QAction *redo = m_commands->add({.id = QStringLiteral("edit.redo"), .title = tr("&Redo"), .category = category, .shortcut = QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_Z),
                                     .trigger = [this] { m_history->redo(); }, .enabled = [this] { return m_session->undoStack().canRedo(); }});
    const auto withName = [](const QString &name, const QString &what) { return what.isEmpty() ? name : QStringLiteral("%1 (%2)").arg(name, what); };
    connect(&m_session->undoStack(), &QUndoStack::undoTextChanged, undo, [=](const QString &what) { undo->setText(withName(tr("&Undo"), what)); });
    connect(&m_session->undoStack(), &QUndoStack::redoTextChanged, redo, [=](const QString &what) { redo->setText(withName(tr("&Redo"), what)); });
    for (const auto signal : {&QUndoStack::canUndoChanged, &QUndoStack::canRedoChanged})
        connect(&m_session->undoStack(), signal, m_commands, &CommandRegistry::refresh);
    connect(m_session, &Session::settingsChanged, m_commands, &CommandRegistry::refresh);
    m_commands->add({.id = QStringLiteral("app.palette"), .title = tr("&Find a command…"), .category = category, .shortcut = QKeySequence(Qt::CTRL | Qt::Key_K),
                     .trigger = [this] { m_palette->popUp(); }, .group = 1});
    m_commands->add({.id = QStringLiteral("app.shortcuts"), .title = tr("&Keyboard shortcuts…"), .category = category,
                     .trigger = [this] { ShortcutsDialog(*m_commands, this).exec(); }, .group = 1});
    m_commands->add({.id = QStringLiteral("app.settings"), .title = tr("&Settings…"), .category = category, .shortcut = QKeySequence(Qt::CTRL | Qt::Key_Comma),
                     .trigger = [this] { SettingsDialog(m_settings, this).exec(); }, .group = 1});
}

void MainWindow::addViewCommands()
{
    int number = 0;
    for (const ViewEntry &entry : m_workspace->entries()) {
        ++number;
        const QKeySequence shortcut = number <= 9 ? QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_0 + number)) : QKeySequence();
        m_commands->add({.id = QStringLiteral("view.show.") + entry.id, .title = entry.title, .category = tr("&View"), .shortcut = shortcut,
                         .trigger = [this, id = entry.id] { m_workspace->showView(id); }, .enabled = [this] { return hasProject(); }});
    }
    m_commands->add({.id = QStringLiteral("view.hide"), .title = tr("&Hide this view"), .category = tr("&View"), .shortcut = QKeySequence(Qt::CTRL | Qt::Key_W),
                     .trigger = [this] { m_workspace->setViewShown(m_workspace->currentView()->id(), false); },
                     .enabled = [this] { return m_workspace->currentView() && m_workspace->isViewShown(m_workspace->currentView()->id()); }, .group = 1});
}

void MainWindow::addSelectionCommands()
{
    const QString category = tr("&Selection");
    const auto hasTrace = [this] { return m_session->trace() != nullptr; };
    m_commands->add({.id = QStringLiteral("selection.next"), .title = tr("&Next token"), .category = category, .shortcut = Qt::Key_Right,
                     .trigger = [this] { m_session->selection().movePrimary(1); }, .enabled = hasTrace});
    m_commands->add({.id = QStringLiteral("selection.previous"), .title = tr("&Previous token"), .category = category, .shortcut = Qt::Key_Left,
                     .trigger = [this] { m_session->selection().movePrimary(-1); }, .enabled = hasTrace});
    m_commands->add({.id = QStringLiteral("selection.pin"), .title = tr("P&in or unpin the token"), .category = category, .shortcut = Qt::Key_P,
                     .trigger = [this] { m_session->selection().togglePin(m_session->selection().focused()); }, .enabled = hasTrace, .group = 1});
    m_commands->add({.id = QStringLiteral("selection.unlock"), .title = tr("&Unlock"), .category = category, .shortcut = Qt::Key_Escape,
                     .trigger = [this] { m_session->selection().unlock(); }, .enabled = hasTrace, .group = 1});
    m_commands->add({.id = QStringLiteral("compare.pin"), .title = tr("Keep this setting to &compare with"), .category = category,
                     .trigger = [this] { m_session->pinForComparison(); }, .enabled = [this] { return m_session->evaluation() != nullptr; }, .group = 2});
    m_commands->add({.id = QStringLiteral("compare.clear"), .title = tr("&Stop comparing"), .category = category,
                     .trigger = [this] { m_session->clearComparison(); }, .enabled = [this] { return m_session->comparison() != nullptr; }, .group = 2});
}

void MainWindow::addLayoutCommands()
{
    const QString category = tr("&Layout");
    const auto isOpen = [this] { return hasProject(); };
    int number = 0;
    for (const ViewLayout &layout : builtInLayouts()) {
        m_commands->add({.id = QStringLiteral("layout.") + layout.id, .title = layout.title, .category = category,
                         .shortcut = QKeySequence(Qt::ALT | static_cast<Qt::Key>(Qt::Key_1 + number++)),
                         .trigger = [this, id = layout.id] { m_workspace->applyLayout(id); }, .enabled = isOpen,
                         .checked = [this, id = layout.id] { return m_workspace->layout() == id; }});
    }
    m_commands->add({.id = QStringLiteral("layout.save"), .title = tr("&Save this layout…"), .category = category, .trigger = [this] { saveLayout(); }, .enabled = isOpen, .group = 1});
    m_commands->add({.id = QStringLiteral("layout.remove"), .title = tr("&Remove this layout"), .category = category,
                     .trigger = [this] { m_workspace->removeLayout(m_workspace->layout()); },
                     .enabled = [this] { return m_workspace->userLayouts().contains(m_workspace->layout()); }, .group = 1});
    m_commands->add({.id = QStringLiteral("layout.restore"), .title = tr("Restore &default layout"), .category = category,
                     .trigger = [this] { m_workspace->restoreDefaultLayout(); }, .enabled = isOpen, .group = 1});
    addUserLayoutCommands();
    connect(m_workspace, &Workspace::userLayoutsChanged, this, &MainWindow::addUserLayoutCommands);
}

/// Those of the user come and go; their commands with them.
void MainWindow::addUserLayoutCommands()
{
    const QString prefix = QStringLiteral("layout.user.");
    QStringList old;
    for (const CommandRegistry::Item &item : m_commands->items()) {
        if (item.command.id.startsWith(prefix))
            old << item.command.id;
    }
    for (const QString &id : old)
        m_commands->remove(id);
    for (const QString &name : m_workspace->userLayouts()) {
        QString title = name;
        QAction *action = m_commands->add({.id = prefix + name, .title = title.replace(QLatin1Char('&'), QStringLiteral("&&")), .category = tr("&Layout"),
                                           .trigger = [this, name] { m_workspace->applyLayout(name); }, .enabled = [this] { return hasProject(); },
                                           .checked = [this, name] { return m_workspace->layout() == name; }, .group = 2});
        if (m_layoutMenu)
            m_layoutMenu->addAction(action);
    }
    m_commands->refresh();
}

void MainWindow::addJobCommands()
{
    const QString category = tr("&Jobs");
    const auto isRunning = [this] { return runningJob(m_session->jobs()) != 0; };
    m_commands->add({.id = QStringLiteral("jobs.pause"), .title = tr("&Pause the running job"), .category = category,
                     .trigger = [this] { m_session->jobs().setPaused(runningJob(m_session->jobs()), !isPaused(m_session->jobs())); }, .enabled = isRunning,
                     .checked = [this] { return isPaused(m_session->jobs()); }});
    m_commands->add({.id = QStringLiteral("jobs.cancel"), .title = tr("&Cancel the running job"), .category = category,
                     .trigger = [this] { m_session->jobs().cancel(runningJob(m_session->jobs())); }, .enabled = isRunning});
    m_commands->add({.id = QStringLiteral("jobs.cancelAll"), .title = tr("Cancel &all jobs"), .category = category,
                     .trigger = [this] { m_session->jobs().cancelAll(); }, .enabled = [this] { return m_session->jobs().isBusy(); }});
    m_commands->add({.id = QStringLiteral("jobs.clear"), .title = tr("C&lear the finished jobs"), .category = category,
                     .trigger = [this] { m_session->jobs().clearFinished(); }, .enabled = [this] { return !m_session->jobs().jobs().empty(); }, .group = 1});
}

void MainWindow::addHelpCommands()
{
    const QString category = tr("&Help");
    m_commands->add({.id = QStringLiteral("help.tour"), .title = tr("&Guided tour"), .category = category, .shortcut = QKeySequence::HelpContents,
                     .trigger = [this] { startTour(); }, .enabled = [this] { return hasProject(); }});
    m_commands->add({.id = QStringLiteral("help.dismiss"), .title = tr("&Dismiss the last failure"), .category = category,
                     .trigger = [this] { m_status->dismissFailure(); }, .enabled = [this] { return !m_status->failure().isEmpty(); }});
    m_commands->add({.id = QStringLiteral("help.about"), .title = tr("&About Retoscope"), .category = category, .trigger = [this] { showAbout(); }, .group = 1});
}

void MainWindow::buildMenus()
{
    QHash<QString, QMenu *> menus;
    QHash<QMenu *, int> groups;
    for (const CommandRegistry::Item &item : m_commands->items()) {
        QMenu *&menu = menus[item.command.category];
        if (!menu) {
            menu = menuBar()->addMenu(item.command.category);
            connect(menu, &QMenu::aboutToShow, m_commands, &CommandRegistry::refresh);
        } else if (groups[menu] != item.command.group) {
            menu->addSeparator();
        }
        groups[menu] = item.command.group;
        menu->addAction(item.action);
    }
    m_viewMenu = menus[tr("&View")];
    m_layoutMenu = menus[tr("&Layout")];
    m_recentMenu = new QMenu(tr("Open re&cent"), this);
    menus[tr("&Project")]->insertMenu(m_commands->action(QStringLiteral("project.refresh")), m_recentMenu);
    connect(m_recentMenu, &QMenu::aboutToShow, this, &MainWindow::fillRecentMenu);
    connect(&m_settings, &AppSettings::recentProjectsChanged, this, &MainWindow::fillRecentMenu);
    fillRecentMenu();

    QList<QAction *> buttons;
    for (const ViewLayout &layout : builtInLayouts())
        buttons << m_commands->action(QStringLiteral("layout.") + layout.id);
    QAction *palette = m_commands->action(QStringLiteral("app.palette"));
    palette->setIconText(tr("Commands"));
    m_sessionBar->addCommands(buttons << nullptr << palette);
}

void MainWindow::fillRecentMenu()
{
    m_recentMenu->clear();
    for (const QString &folder : m_settings.recentProjects())
        m_recentMenu->addAction(QDir::toNativeSeparators(folder), this, [this, folder] { openProject(folder.toStdString()); });
    m_recentMenu->setEnabled(!m_recentMenu->isEmpty());
}

void MainWindow::adoptViewActions(View *view)
{
    if (view->viewActions().isEmpty())
        return;
    auto *menu = new QMenu(view->title(), m_viewMenu);
    for (QAction *action : view->viewActions()) {
        m_commands->adopt(commandId(*view, *action), view->title(), action, view);
        menu->addAction(action);
    }
    m_viewMenu->addMenu(menu);
}

} // namespace retoscope
