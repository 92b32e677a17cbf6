// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/main_window.h"

#include "base/error.h"
#include "ledger/project.h"
#include "pipeline/drop.h"
#include "shell/app_settings.h"
#include "shell/banner.h"
#include "shell/command_palette.h"
#include "shell/command_registry.h"
#include "shell/example_project.h"
#include "shell/guided_tour.h"
#include "shell/session_bar.h"
#include "shell/start_page.h"
#include "shell/status_strip.h"
#include "shell/trace_choice.h"
#include "shell/view.h"
#include "shell/view_export.h"
#include "shell/view_history.h"
#include "shell/view_layouts.h"
#include "shell/workspace.h"

#include <QAbstractItemView>
#include <QAbstractSlider>
#include <QApplication>
#include <QCloseEvent>
#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QInputDialog>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QStackedWidget>
#include <QStandardPaths>
#include <QTabBar>
#include <QUrl>
#include <QVBoxLayout>

#include <utility>

namespace retoscope {

namespace {

/// Widgets that move by the arrow keys themselves while they have the focus.
bool movesByArrows(const QWidget *widget)
{
    return qobject_cast<const QAbstractItemView *>(widget) || qobject_cast<const QAbstractSlider *>(widget) || qobject_cast<const QTabBar *>(widget)
           || qobject_cast<const QComboBox *>(widget);
}

/// The project folder among what is dragged; empty: none.
QString projectIn(const QMimeData &data)
{
    for (const QUrl &url : data.urls()) {
        if (url.isLocalFile() && Project::isProject(url.toLocalFile().toStdString()))
            return url.toLocalFile();
    }
    return {};
}

} // namespace

MainWindow::MainWindow(AppSettings &settings, const std::vector<ViewEntry> &views, QWidget *parent)
    : QMainWindow(parent), m_settings(settings), m_session(new Session(this)), m_commands(new CommandRegistry(settings, this)), m_banner(new Banner),
      m_startPage(new StartPage(settings)), m_workspace(new Workspace(*m_session, settings, views)), m_pages(new QStackedWidget),
      m_sessionBar(new SessionBar(*m_session)), m_status(new StatusStrip(*m_session)), m_history(new ViewHistory(*m_session, this)),
      m_palette(new CommandPalette(*m_commands, this)), m_tour(new GuidedTour(this, [this](const QString &view) -> QWidget * {
          return m_workspace->showView(view) ? m_workspace->frameOf(view) : nullptr;
      }))
{
    setObjectName(QStringLiteral("MainWindow"));
    setWindowTitle(tr("Retoscope"));
    setContextMenuPolicy(Qt::NoContextMenu);
    setAcceptDrops(true);
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
    buildCommands();

    connect(m_startPage, &StartPage::newProjectWanted, this, &MainWindow::createProject);
    connect(m_startPage, &StartPage::exampleWanted, this, &MainWindow::openExample);
    connect(m_startPage, &StartPage::openDialogWanted, this, &MainWindow::chooseProject);
    connect(m_startPage, &StartPage::projectChosen, this, [this](const QString &folder) { openProject(folder.toStdString()); });
    connect(m_workspace, &Workspace::viewMade, this, &MainWindow::adoptViewActions);
    connect(m_session, &Session::viewWanted, m_workspace, &Workspace::showView);
    connect(m_session, &Session::projectChanged, this, &MainWindow::showProject);
    connect(m_session, &Session::projectUnavailable, this, &MainWindow::showUnavailable);
    connect(m_session, &Session::projectAvailable, m_banner, &Banner::clear);
    connect(m_status, &StatusStrip::jobActivated, this, [this] { m_workspace->showView(QStringLiteral("jobs")); });
    connect(&m_session->jobs(), &JobManager::jobFinished, this, &MainWindow::closeWhenIdle);
    connect(m_session, &Session::traceChanged, this, [this] {
        if (m_session->trace() && m_tour->isRunning() && !m_tourHasTrace)
            startTour(); // it waited for something to read
    });
    connect(m_tour, &GuidedTour::finished, this, [this] { m_settings.setTourSeen(true); });
    qApp->installEventFilter(this);

    resize(1280, 800);
    if (const QByteArray geometry = m_settings.windowGeometry(); !geometry.isEmpty())
        restoreGeometry(geometry);
    showProject();
}

/// Views and commands ask the session to the last; it goes after them.
MainWindow::~MainWindow()
{
    delete m_workspace;
    delete m_commands;
}

void MainWindow::openProject(const std::filesystem::path &folder, const std::filesystem::path &description)
{
    m_banner->clear();
    const QString key = QString::fromStdString(folder.string());
    if (!description.empty())
        m_settings.setDescription(key, QString::fromStdString(description.string()));
    m_session->setDescription(m_settings.description(key).toStdString());
    m_session->openProject(folder);
}

void MainWindow::openExample()
{
    const QString description = exampleDescription();
    const QString folder = QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation) + QStringLiteral("/retoscope/") + QFileInfo(description).dir().dirName();
    if (Project::isProject(folder.toStdString()) || makeProject(folder.toStdString())) {
        openProject(folder.toStdString(), description.toStdString());
        startTourOnce();
    }
}

void MainWindow::showProject()
{
    m_pages->setCurrentWidget(hasProject() ? static_cast<QWidget *>(m_workspace) : m_startPage);
    m_sessionBar->setVisible(hasProject());
    if (!m_session->project())
        return;
    const ProjectSnapshot &snapshot = *m_session->project();
    const QString folder = QString::fromStdString(snapshot.folder.string());
    setWindowTitle(tr("%1 — Retoscope").arg(snapshot.name));
    if (m_settings.recentProjects().value(0) != QDir(folder).absolutePath())
        m_settings.addRecentProject(folder);
    if (std::exchange(m_tourWanted, false))
        startTour();
}

void MainWindow::startTour()
{
    m_tourWanted = !m_session->project();
    if (m_tourWanted)
        return;
    m_tourHasTrace = !readyTraces(*m_session->project()).empty();
    m_tour->start(GuidedTour::steps(m_tourHasTrace));
}

void MainWindow::startTourOnce()
{
    if (!m_settings.tourSeen())
        startTour();
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
    if (makeProject(folder.toStdString()))
        openProject(folder.toStdString());
}

bool MainWindow::makeProject(const std::filesystem::path &folder)
{
    try {
        Project::create(folder);
        return true;
    } catch (const Error &error) {
        m_banner->showSentence(QString::fromUtf8(error.what()), {{tr("Choose another folder…"), [this] { createProject(); }}});
        return false;
    }
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

void MainWindow::exportCurrentView()
{
    View *view = m_workspace->currentView();
    if (!view)
        return;
    const QString failure = exportWithDialog(*view, this);
    if (!failure.isEmpty())
        m_banner->showSentence(failure, {{tr("Export again…"), [this] { exportCurrentView(); }}});
}

void MainWindow::saveLayout()
{
    const QString name = QInputDialog::getText(this, tr("Save this layout"), tr("Name of the layout:")).trimmed();
    if (name.isEmpty())
        return;
    if (builtInLayout(name.toLower()))
        m_banner->showSentence(tr("“%1” is the name of a layout that comes with the program; choose another one.").arg(name), {{tr("Another name…"), [this] { saveLayout(); }}});
    else
        m_workspace->saveLayoutAs(name);
}

void MainWindow::showAbout()
{
    QMessageBox::about(this, tr("About Retoscope"),
                       tr("<h3>Retoscope %1</h3><p>A workbench for retrieval-augmented language models: kNN-LM and RetoMaton.</p>"
                          "<p>Free software under the GNU General Public License, version 3 or later.</p>")
                           .arg(QApplication::applicationVersion()));
}

void MainWindow::dragEnterEvent(QDragEnterEvent *event)
{
    if (!projectIn(*event->mimeData()).isEmpty() || (!m_session->projectFolder().empty() && workForDrop(event->mimeData()->urls())))
        event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent *event)
{
    const QString folder = projectIn(*event->mimeData());
    if (!folder.isEmpty()) {
        event->acceptProposedAction();
        openProject(folder.toStdString());
    } else if (offerDrop(*m_session, event->mimeData()->urls(), this)) {
        event->acceptProposedAction();
    }
}

MainWindow::Closing MainWindow::askHowToClose()
{
    QMessageBox question(QMessageBox::Question, tr("Retoscope"), tr("A job is still running."), QMessageBox::NoButton, this);
    question.setObjectName(QStringLiteral("closeQuestion"));
    question.setInformativeText(tr("Stopped jobs lose nothing: they continue where they stopped when they are run again."));
    QPushButton *keep = question.addButton(tr("&Keep running without the window"), QMessageBox::DestructiveRole);
    QPushButton *stop = question.addButton(tr("&Stop, continue later"), QMessageBox::AcceptRole);
    question.addButton(QMessageBox::Cancel);
    question.setDefaultButton(QMessageBox::Cancel);
    question.exec();
    if (question.clickedButton() == keep)
        return Closing::WhenDone;
    return question.clickedButton() == stop ? Closing::WhenStopped : Closing::No;
}

/// After a choice in askHowToClose(): the program ends by itself once no job runs any more.
void MainWindow::closeWhenIdle()
{
    if (m_closing != Closing::No && !m_session->jobs().isBusy())
        close();
}

void MainWindow::closeEvent(QCloseEvent *event)
{
    if (m_session->jobs().isBusy()) {
        event->ignore();
        if (m_closing == Closing::No)
            m_closing = askHowToClose();
        if (m_closing == Closing::WhenDone)
            hide();
        else if (m_closing == Closing::WhenStopped)
            m_session->jobs().cancelAll();
        return;
    }
    m_workspace->remember();
    m_settings.setWindowGeometry(saveGeometry());
    event->accept();
    if (m_closing != Closing::No)
        QCoreApplication::quit(); // a window that was hidden before does not count as the last one that is closed
}

} // namespace retoscope
