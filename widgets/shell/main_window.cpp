// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/main_window.h"

#include "base/error.h"
#include "ledger/project.h"
#include "shell/app_settings.h"
#include "shell/banner.h"
#include "shell/command_registry.h"
#include "shell/overview.h"
#include "shell/session_bar.h"
#include "shell/start_page.h"
#include "shell/status_strip.h"
#include "shell/view.h"
#include "shell/view_layouts.h"
#include "shell/workspace.h"

#include <QAbstractItemView>
#include <QAbstractSlider>
#include <QAction>
#include <QApplication>
#include <QCloseEvent>
#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QInputDialog>
#include <QMenuBar>
#include <QMessageBox>
#include <QPushButton>
#include <QStackedWidget>
#include <QTabBar>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

/// Widgets that move by the arrow keys themselves while they have the focus.
bool movesByArrows(const QWidget *widget)
{
    return qobject_cast<const QAbstractItemView *>(widget) || qobject_cast<const QAbstractSlider *>(widget) || qobject_cast<const QTabBar *>(widget)
           || qobject_cast<const QComboBox *>(widget);
}

} // namespace

MainWindow::MainWindow(AppSettings &settings, const std::vector<ViewEntry> &views, QWidget *parent)
    : QMainWindow(parent), m_settings(settings), m_session(new Session(this)), m_commands(new CommandRegistry(settings, this)), m_banner(new Banner),
      m_startPage(new StartPage(settings)), m_workspace(new Workspace(*m_session, settings, views)), m_pages(new QStackedWidget),
      m_sessionBar(new SessionBar(*m_session)), m_status(new StatusStrip(*m_session))
{
    setObjectName(QStringLiteral("MainWindow"));
    setWindowTitle(tr("Retoscope"));
    setContextMenuPolicy(Qt::NoContextMenu);
    m_pages->addWidget(m_startPage);
    m_pages->addWidget(m_workspace);
    auto *centre = new QWidget;
    auto *layout = new QVBoxLayout(centre);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_banner);
    layout->addWidget(m_pages, 1);
    setCentralWidget(centre);
    addToolBar(m_sessionBar);
    setStatusBar(m_status);
    if (std::ranges::find(views, ViewPlace::Centre, &ViewEntry::place) == views.end()) {
        m_overview = new Overview(*m_session);
        m_workspace->setCentralWidget(m_overview);
    }
    buildCommands();
    buildMenus();

    connect(m_startPage, &StartPage::newProjectWanted, this, &MainWindow::createProject);
    connect(m_startPage, &StartPage::openDialogWanted, this, &MainWindow::chooseProject);
    connect(m_startPage, &StartPage::projectChosen, this, [this](const QString &folder) { openProject(folder.toStdString()); });
    connect(m_workspace, &Workspace::viewMade, this, &MainWindow::adoptViewActions);
    connect(m_session, &Session::viewWanted, m_workspace, &Workspace::showView);
    connect(m_session, &Session::projectChanged, this, &MainWindow::showProject);
    connect(m_session, &Session::projectUnavailable, this, &MainWindow::showUnavailable);
    connect(m_session, &Session::projectAvailable, m_banner, &Banner::clear);
    connect(m_status, &StatusStrip::jobActivated, this, [this] { m_workspace->showView(QStringLiteral("jobs")); });
    for (const auto signal : {&Session::projectChanged, &Session::traceChanged, &Session::evaluationChanged, &Session::comparisonChanged})
        connect(m_session, signal, m_commands, &CommandRegistry::refresh);
    qApp->installEventFilter(this);

    resize(1280, 800);
    if (const QByteArray geometry = m_settings.windowGeometry(); !geometry.isEmpty())
        restoreGeometry(geometry);
    showProject();
}

MainWindow::~MainWindow() = default;

void MainWindow::buildCommands()
{
    addProjectCommands();
    addSelectionCommands();
    addViewCommands();
    addLayoutCommands();
    m_commands->refresh();
}

void MainWindow::addProjectCommands()
{
    const QString category = tr("&Project");
    const auto hasProject = [this] { return !m_session->projectFolder().empty(); };
    m_commands->add({.id = QStringLiteral("project.new"), .title = tr("&New…"), .category = category, .shortcut = QKeySequence::New, .trigger = [this] { createProject(); }});
    m_commands->add({.id = QStringLiteral("project.open"), .title = tr("&Open…"), .category = category, .shortcut = QKeySequence::Open, .trigger = [this] { chooseProject(); }});
    m_commands->add({.id = QStringLiteral("project.refresh"), .title = tr("&Refresh"), .category = category, .shortcut = QKeySequence::Refresh,
                     .trigger = [this] { m_session->refreshProject(); }, .enabled = hasProject, .group = 1});
    m_commands->add({.id = QStringLiteral("app.quit"), .title = tr("&Quit"), .category = category, .shortcut = QKeySequence::Quit, .trigger = [this] { close(); }, .group = 9});
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
    connect(&m_session->selection(), &Selection::primaryChanged, m_commands, &CommandRegistry::refresh);
}

void MainWindow::addViewCommands()
{
    int number = 0;
    for (const ViewEntry &entry : m_workspace->entries()) {
        ++number;
        const QKeySequence shortcut = number <= 9 ? QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_0 + number)) : QKeySequence();
        m_commands->add({.id = QStringLiteral("view.show.") + entry.id, .title = entry.title, .category = tr("&View"), .shortcut = shortcut,
                         .trigger = [this, id = entry.id] { m_workspace->showView(id); },
                         .enabled = [this] { return !m_session->projectFolder().empty(); }});
    }
}

void MainWindow::addLayoutCommands()
{
    const QString category = tr("&Layout");
    const auto hasProject = [this] { return !m_session->projectFolder().empty(); };
    int number = 0;
    for (const ViewLayout &layout : builtInLayouts()) {
        m_commands->add({.id = QStringLiteral("layout.") + layout.id, .title = layout.title, .category = category,
                         .shortcut = QKeySequence(Qt::ALT | static_cast<Qt::Key>(Qt::Key_1 + number++)),
                         .trigger = [this, id = layout.id] { m_workspace->applyLayout(id); }, .enabled = hasProject,
                         .checked = [this, id = layout.id] { return m_workspace->layout() == id; }});
    }
    m_commands->add({.id = QStringLiteral("layout.restore"), .title = tr("&Restore default layout"), .category = category,
                     .trigger = [this] { m_workspace->restoreDefaultLayout(); }, .enabled = hasProject, .group = 1});
    connect(m_workspace, &Workspace::layoutChanged, m_commands, &CommandRegistry::refresh);
}

void MainWindow::buildMenus()
{
    QHash<QString, QMenu *> menus;
    int group = 0;
    for (const CommandRegistry::Item &item : m_commands->items()) {
        QMenu *&menu = menus[item.command.category];
        if (!menu) {
            menu = menuBar()->addMenu(item.command.category);
            connect(menu, &QMenu::aboutToShow, m_commands, &CommandRegistry::refresh);
            group = item.command.group;
        }
        if (group != item.command.group)
            menu->addSeparator();
        group = item.command.group;
        menu->addAction(item.action);
    }
}

void MainWindow::adoptViewActions(View *view)
{
    for (QAction *action : view->viewActions()) {
        QString slug = action->text().toLower().remove(QLatin1Char('&')).remove(QStringLiteral("…"));
        slug.replace(QLatin1Char(' '), QLatin1Char('-'));
        m_commands->adopt(view->id() + QLatin1Char('.') + slug, view->title(), action, view);
    }
}

void MainWindow::openProject(const std::filesystem::path &folder)
{
    m_banner->clear();
    m_session->openProject(folder);
}

void MainWindow::setDescription(const std::filesystem::path &projectFile)
{
    m_session->setDescription(projectFile);
    if (m_overview)
        m_overview->setDescription(projectFile);
}

void MainWindow::showProject()
{
    const bool open = !m_session->projectFolder().empty();
    m_pages->setCurrentWidget(open ? static_cast<QWidget *>(m_workspace) : m_startPage);
    m_sessionBar->setVisible(open);
    if (!m_session->project())
        return;
    const ProjectSnapshot &snapshot = *m_session->project();
    setWindowTitle(tr("%1 — Retoscope").arg(snapshot.name));
    setWindowFilePath(QString::fromStdString(snapshot.folder.string()));
    m_settings.addRecentProject(QString::fromStdString(snapshot.folder.string()));
}

void MainWindow::showUnavailable(const QString &sentence)
{
    m_banner->showSentence(sentence, {{tr("Try again"), [this] { m_session->refreshProject(); }}, {tr("Open another project…"), [this] { chooseProject(); }}});
}

void MainWindow::chooseProject()
{
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a project"), QString::fromStdString(m_session->projectFolder().string()));
    if (!folder.isEmpty())
        openProject(folder.toStdString());
}

void MainWindow::createProject()
{
    const QString folder = QFileDialog::getSaveFileName(this, tr("Make a project: name its new folder"), QDir::homePath() + tr("/project"), {}, nullptr,
                                                        QFileDialog::ShowDirsOnly | QFileDialog::DontConfirmOverwrite);
    if (folder.isEmpty())
        return;
    try {
        Project::create(folder.toStdString());
    } catch (const Error &error) {
        m_banner->showSentence(QString::fromUtf8(error.what()), {{tr("Choose another folder…"), [this] { createProject(); }}});
        return;
    }
    openProject(folder.toStdString());
}

bool MainWindow::eventFilter(QObject *watched, QEvent *event)
{
    if (event->type() == QEvent::ShortcutOverride) {
        const int key = static_cast<QKeyEvent *>(event)->key();
        if ((key == Qt::Key_Left || key == Qt::Key_Right) && movesByArrows(qobject_cast<QWidget *>(watched))) {
            event->accept(); // the key goes to the widget instead of to the command
            return true;
        }
    }
    return QMainWindow::eventFilter(watched, event);
}

void MainWindow::closeEvent(QCloseEvent *event)
{
    if (m_session->jobs().isBusy()) {
        const auto answer = QMessageBox::question(this, tr("Retoscope"), tr("A job is still running. Stop it and close? It continues where it stopped when you run it again."),
                                                  QMessageBox::Close | QMessageBox::Cancel, QMessageBox::Cancel);
        if (answer != QMessageBox::Close) {
            event->ignore();
            return;
        }
        m_session->jobs().cancelAll();
    }
    m_workspace->remember();
    m_settings.setWindowGeometry(saveGeometry());
    event->accept();
}

} // namespace retoscope
