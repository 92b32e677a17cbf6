// SPDX-License-Identifier: GPL-3.0-or-later
#include "plot/theme.h"
#include "shell/app_settings.h"
#include "shell/appearance.h"
#include "shell/banner.h"
#include "shell/command_palette.h"
#include "shell/command_registry.h"
#include "shell/english_plurals.h"
#include "shell/guided_tour.h"
#include "shell/main_window.h"
#include "shell/settings_dialog.h"
#include "shell/shortcuts_dialog.h"
#include "shell/status_strip.h"
#include "shell/trace_choice.h"
#include "shell/view.h"
#include "shell/view_export.h"
#include "shell/view_history.h"
#include "shell/view_layouts.h"
#include "shell/workspace.h"

#include "base/error.h"
#include "base/threads.h"
#include "core/trace/small_world.h"

#include <QAbstractItemModelTester>
#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDockWidget>
#include <QFileInfo>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QListWidget>
#include <QMenuBar>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTableView>
#include <QTemporaryDir>
#include <QToolButton>
#include <QVBoxLayout>
#include <QtTest>

#include <sqlite3.h>

#include <algorithm>
#include <memory>

using namespace retoscope;

namespace {

/// A view that says its name, counts how often it was made, and has an action and an editor.
class ProbeView : public View
{
public:
    ProbeView(Session &theSession, const QString &name) : View(theSession, name, name.toUpper())
    {
        auto *layout = new QVBoxLayout(content());
        layout->addWidget(new QLabel(name));
        layout->addWidget(editor = new QLineEdit);
        addViewAction(tr("Probe &it…"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_P), [this] { ++probes; });
        if (theSession.projectFolder().empty())
            showEmpty(QStringLiteral("Open a project."));
    }
    int probes = 0;
    QLineEdit *editor;
};

int made = 0;

template<char First>
View *makeProbe(Session &session)
{
    ++made;
    static const QHash<char, QString> names = {{'p', QStringLiteral("pipeline")}, {'t', QStringLiteral("text")},  {'n', QStringLiteral("neighbours")},
                                               {'d', QStringLiteral("distributions")}, {'l', QStringLiteral("perplexity")}, {'a', QStringLiteral("automaton")},
                                               {'s', QStringLiteral("sweep")}, {'f', QStringLiteral("foss")}, {'r', QStringLiteral("runs")}, {'j', QStringLiteral("jobs")}};
    return new ProbeView(session, names.value(First));
}

const std::vector<ViewEntry> &probes()
{
    static const std::vector<ViewEntry> views = {
        {QStringLiteral("pipeline"), QStringLiteral("Pipeline"), ViewPlace::Top, true, makeProbe<'p'>},
        {QStringLiteral("text"), QStringLiteral("Text"), ViewPlace::Centre, true, makeProbe<'t'>},
        {QStringLiteral("neighbours"), QStringLiteral("Neighbours"), ViewPlace::Right, true, makeProbe<'n'>},
        {QStringLiteral("distributions"), QStringLiteral("Distributions"), ViewPlace::Right, true, makeProbe<'d'>},
        {QStringLiteral("perplexity"), QStringLiteral("Perplexity"), ViewPlace::Bottom, true, makeProbe<'l'>},
        {QStringLiteral("automaton"), QStringLiteral("Automaton"), ViewPlace::Bottom, false, makeProbe<'a'>},
        {QStringLiteral("sweep"), QStringLiteral("Sweep"), ViewPlace::Right, false, makeProbe<'s'>},
        {QStringLiteral("foss"), QStringLiteral("FoSS"), ViewPlace::Right, false, makeProbe<'f'>},
        {QStringLiteral("runs"), QStringLiteral("Runs"), ViewPlace::Bottom, false, makeProbe<'r'>},
        {QStringLiteral("jobs"), QStringLiteral("Jobs"), ViewPlace::Bottom, false, makeProbe<'j'>},
    };
    return views;
}

QStringList shownViews(const Workspace &workspace)
{
    QStringList ids;
    for (const ViewEntry &entry : probes()) {
        if (workspace.isViewShown(entry.id))
            ids << entry.id;
    }
    return ids;
}

/// A window on an empty project in a folder of its own.
struct OpenWindow
{
    QTemporaryDir folder;
    std::filesystem::path project;
    AppSettings settings;
    std::unique_ptr<MainWindow> window;

    OpenWindow() : project(folder.filePath(QStringLiteral("project")).toStdString()), settings(folder.filePath(QStringLiteral("settings.ini")))
    {
        Project::create(project);
        made = 0;
        open();
    }
    void open()
    {
        window = std::make_unique<MainWindow>(settings, probes());
        window->resize(1280, 800);
        window->QWidget::show();
        window->activateWindow();
        window->openProject(project);
    }
    [[nodiscard]] bool isReady() const { return QTest::qWaitForWindowActive(window.get()) && QTest::qWaitFor([this] { return window->session().project() != nullptr; }); }
};

std::shared_ptr<const TraceSession> smallTrace()
{
    static const test::SmallWorld world;
    return TraceSession::fromParts(std::shared_ptr<const Replay>(new Replay(world.replay())), nullptr, nullptr, "small");
}

QString printed(const QAbstractItemModel &model, int columns = 1)
{
    QStringList lines;
    for (int row = 0; row < model.rowCount(); ++row) {
        QStringList cells;
        for (int column = 0; column < columns; ++column)
            cells << model.index(row, column).data().toString();
        lines << cells.join(QStringLiteral(" | "));
    }
    return lines.join(QLatin1Char('\n'));
}

/// Presses a button of the message box that is about to appear.
void answerNextQuestion(const QString &beginning)
{
    QTimer::singleShot(100, qApp, [beginning] {
        auto *box = qobject_cast<QMessageBox *>(QApplication::activeModalWidget());
        QVERIFY(box);
        for (QAbstractButton *button : box->buttons()) {
            if (button->text().remove(QLatin1Char('&')).startsWith(beginning)) {
                button->click();
                return;
            }
        }
        box->reject();
        QFAIL("the question has no such button");
    });
}

void writeFile(const QString &path, const QByteArray &content)
{
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly) && file.write(content) == content.size());
}

} // namespace

class TestShellView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
        QApplication::setApplicationName(QStringLiteral("retoscope-test"));
    }

    void englishCounts()
    {
        EnglishPlurals plurals;
        QCoreApplication::installTranslator(&plurals);
        QCOMPARE(tr("%n run(s)", nullptr, 1), QStringLiteral("1 run"));
        QCOMPARE(tr("%n run(s)", nullptr, 0), QStringLiteral("0 runs"));
        QCOMPARE(tr("%n of the run(s)", nullptr, 3), QStringLiteral("3 of the runs"));
        QCOMPARE(tr("file(s)"), QStringLiteral("file(s)")); // counts nothing
        QCoreApplication::removeTranslator(&plurals);
    }

    // Settings

    void settingsOfTheFirstVersionAreBroughtUpToDate()
    {
        const QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("old.ini"));
        writeFile(file, "dark=true\ntextScale=1.25\nrecentProjects=/data/a, /data/b\nwindowState=@ByteArray(x)\n[shortcuts]\nselection.pin=Ctrl+P\n");
        {
            const AppSettings settings(file);
            QCOMPARE(settings.theme(), Theme::Dark);
            QCOMPARE(settings.textPercent(), 125);
            QCOMPARE(settings.recentProjects(), QStringList({QStringLiteral("/data/a"), QStringLiteral("/data/b")}));
            QCOMPARE(settings.shortcuts().value(QStringLiteral("selection.pin")), QKeySequence(Qt::CTRL | Qt::Key_P));
        }
        const QSettings raw(file, QSettings::IniFormat);
        QCOMPARE(raw.value(QStringLiteral("schemaVersion")).toInt(), AppSettings::currentSchema);
        QVERIFY(!raw.contains(QStringLiteral("dark")) && !raw.contains(QStringLiteral("windowState")));
    }

    void settingsOfANewerVersionAreNotDowngraded()
    {
        const QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("new.ini"));
        writeFile(file, "schemaVersion=99\n[appearance]\ntheme=dark\ntextPercent=100000\n");
        {
            const AppSettings settings(file);
            QCOMPARE(settings.theme(), Theme::Dark);
            QCOMPARE(settings.textPercent(), AppSettings::largestText);
        }
        QCOMPARE(QSettings(file, QSettings::IniFormat).value(QStringLiteral("schemaVersion")).toInt(), 99);
    }

    void recentProjectsAreFewAndUnique()
    {
        const QTemporaryDir folder;
        AppSettings settings(folder.filePath(QStringLiteral("s.ini")));
        for (int i = 0; i < 15; ++i)
            settings.addRecentProject(QStringLiteral("/data/%1").arg(i % 12));
        QCOMPARE(settings.recentProjects().size(), AppSettings::mostRecentProjects);
        QCOMPARE(settings.recentProjects().mid(0, 4), QStringList({QStringLiteral("/data/2"), QStringLiteral("/data/1"), QStringLiteral("/data/0"), QStringLiteral("/data/11")}));
    }

    void settingsHoldAtOnce()
    {
        const QTemporaryDir folder;
        AppSettings settings(folder.filePath(QStringLiteral("s.ini")));
        const QFont font = QApplication::font();
        const Appearance appearance(*qApp, settings, Theme::Light);
        QVERIFY(!isDark(QApplication::palette()));
        SettingsDialog dialog(settings);
        auto *theme = dialog.findChild<QComboBox *>(QStringLiteral("settingsTheme"));
        auto *text = dialog.findChild<QSpinBox *>(QStringLiteral("settingsText"));
        auto *threads = dialog.findChild<QSpinBox *>(QStringLiteral("settingsThreads"));
        theme->setFocus();
        QTest::keyClick(theme, Qt::Key_End);
        Q_EMIT theme->activated(theme->currentIndex());
        QVERIFY(isDark(QApplication::palette()));
        text->setValue(150);
        QCOMPARE(QApplication::font().pointSizeF(), QFontInfo(font).pointSizeF() * 1.5);
        threads->setValue(1);
        if (qEnvironmentVariableIsEmpty("RETOSCOPE_THREADS"))
            QCOMPARE(threadCount(), 1);
        dialog.findChild<QDialogButtonBox *>()->button(QDialogButtonBox::RestoreDefaults)->click();
        QCOMPARE(settings.threads(), 0);
        QCOMPARE(text->value(), 100);
        QCOMPARE(settings.theme(), Theme::System);
        QCOMPARE(QApplication::font().pointSizeF(), QFontInfo(font).pointSizeF());
    }

    // Docks and layouts

    void atFirstTheReadingLayoutIsShown()
    {
        const OpenWindow open;
        QVERIFY(open.isReady());
        const Workspace &workspace = open.window->workspace();
        QCOMPARE(shownViews(workspace).join(QLatin1Char(' ')), QStringLiteral("pipeline text neighbours distributions perplexity"));
        QCOMPARE(workspace.layout(), QStringLiteral("explore"));
        // A view that has never been shown has not been made.
        QCOMPARE(made, 5);
        QVERIFY(!workspace.view(QStringLiteral("automaton")));
        for (const auto *dock : workspace.findChildren<QDockWidget *>())
            QVERIFY2(dock->objectName().endsWith(QStringLiteral("Dock")), qPrintable(dock->windowTitle()));
    }

    void aViewIsMadeWhenItIsWanted()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        Workspace &workspace = open.window->workspace();
        const QSignalSpy spy(&workspace, &Workspace::viewMade);
        Q_EMIT open.window->session().viewWanted(QStringLiteral("runs"));
        QCOMPARE(spy.count(), 1);
        QVERIFY(workspace.isViewShown(QStringLiteral("runs")));
        QCOMPARE(workspace.currentView(), workspace.view(QStringLiteral("runs")));
        QVERIFY(open.window->commands().run(QStringLiteral("view.hide")));
        QVERIFY(!workspace.isViewShown(QStringLiteral("runs")));
        QVERIFY(!workspace.showView(QStringLiteral("nothing")));
    }

    void layoutsHaveTheirViews_data()
    {
        QTest::addColumn<QString>("layout");
        QTest::addColumn<QString>("views");
        QTest::newRow("explore") << QStringLiteral("explore") << QStringLiteral("pipeline text neighbours distributions perplexity");
        QTest::newRow("automaton") << QStringLiteral("automaton") << QStringLiteral("text neighbours automaton");
        QTest::newRow("sweep") << QStringLiteral("sweep") << QStringLiteral("text sweep foss");
        QTest::newRow("runs") << QStringLiteral("runs") << QStringLiteral("foss runs jobs");
    }

    void layoutsHaveTheirViews()
    {
        QFETCH(QString, layout);
        QFETCH(QString, views);
        OpenWindow open;
        QVERIFY(open.isReady());
        QVERIFY(open.window->commands().run(QStringLiteral("layout.") + layout));
        QCOMPARE(shownViews(open.window->workspace()).join(QLatin1Char(' ')), views);
        QVERIFY(open.window->commands().action(QStringLiteral("layout.") + layout)->isChecked());
        for (const QString &id : views.split(QLatin1Char(' '))) {
            QTRY_VERIFY2(open.window->workspace().view(id), qPrintable(id));
            QTRY_VERIFY2(open.window->workspace().frameOf(id)->width() >= 150 && open.window->workspace().frameOf(id)->height() >= 60, qPrintable(id));
        }
    }

    void whatIsMovedIsRememberedPerLayoutAndRestored()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        open.window->workspace().setViewShown(QStringLiteral("perplexity"), false);
        open.window->workspace().applyLayout(QStringLiteral("runs"));
        open.window->workspace().applyLayout(QStringLiteral("explore"));
        QCOMPARE(shownViews(open.window->workspace()).join(QLatin1Char(' ')), QStringLiteral("pipeline text neighbours distributions"));
        open.window->close();
        open.open(); // the next start
        QVERIFY(open.isReady());
        QCOMPARE(shownViews(open.window->workspace()).join(QLatin1Char(' ')), QStringLiteral("pipeline text neighbours distributions"));
        QVERIFY(open.window->commands().run(QStringLiteral("layout.restore")));
        QCOMPARE(shownViews(open.window->workspace()).join(QLatin1Char(' ')), QStringLiteral("pipeline text neighbours distributions perplexity"));
    }

    void layoutsOfTheUserAreKeptAndRemoved()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        Workspace &workspace = open.window->workspace();
        const QString name = QStringLiteral("Mine/ & yours");
        workspace.showView(QStringLiteral("jobs"));
        workspace.saveLayoutAs(name);
        QVERIFY(open.window->commands().run(QStringLiteral("layout.runs")));
        QVERIFY(open.window->commands().run(QStringLiteral("layout.user.") + name));
        QVERIFY(workspace.isViewShown(QStringLiteral("jobs")) && workspace.isViewShown(QStringLiteral("text")));
        open.window->close();
        open.open();
        QVERIFY(open.isReady());
        QCOMPARE(open.window->workspace().layout(), name);
        QVERIFY(open.window->commands().run(QStringLiteral("layout.remove")));
        QCOMPARE(open.window->workspace().layout(), QStringLiteral("explore"));
        QVERIFY(!open.window->commands().action(QStringLiteral("layout.user.") + name));
    }

    void aDamagedLayoutFallsBackToTheDefault()
    {
        OpenWindow open;
        open.window->close();
        open.settings.setLayoutState(QStringLiteral("explore"), QByteArrayLiteral("\x01\x00\x00\x00\x04garbage"));
        open.open();
        QVERIFY(open.isReady());
        QCOMPARE(shownViews(open.window->workspace()).join(QLatin1Char(' ')), QStringLiteral("pipeline text neighbours distributions perplexity"));
    }

    // Commands

    void menusAndShortcutsComeFromTheCommands()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        QSet<QAction *> inMenus;
        for (const QAction *top : open.window->menuBar()->actions()) {
            for (QAction *action : top->menu()->actions())
                inMenus << action;
        }
        QHash<QKeySequence, QString> owners;
        for (const CommandRegistry::Item &item : open.window->commands().items()) {
            if (item.scope)
                continue;
            QVERIFY2(inMenus.contains(item.action), qPrintable(item.command.id));
            if (item.command.shortcut.isEmpty())
                continue;
            QVERIFY2(!owners.contains(item.command.shortcut), qPrintable(item.command.id + QStringLiteral(" and ") + owners.value(item.command.shortcut)));
            owners.insert(item.command.shortcut, item.command.id);
        }
    }

    void actionsOfViewsAreCommands()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        auto *text = static_cast<ProbeView *>(open.window->workspace().view(QStringLiteral("text")));
        QVERIFY(open.window->commands().run(QStringLiteral("text.probe-it")));
        QCOMPARE(text->probes, 1);
        // The same shortcut in every view: it works where the focus is.
        auto *neighbours = static_cast<ProbeView *>(open.window->workspace().showView(QStringLiteral("neighbours")));
        neighbours->editor->setFocus();
        QTest::keyClick(neighbours->editor, Qt::Key_P, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(neighbours->probes, 1);
        QCOMPARE(text->probes, 1);
    }

    void theKeysOfTheGrammarSpareEditors()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        MainWindow &window = *open.window;
        auto *text = static_cast<ProbeView *>(window.workspace().view(QStringLiteral("text")));
        QVERIFY(!window.commands().run(QStringLiteral("selection.next"))); // no trace is open
        window.session().setTrace(smallTrace());
        Selection &selection = window.session().selection();
        text->setFocusPolicy(Qt::StrongFocus);
        text->setFocus();
        QTest::keyClick(text, Qt::Key_Right);
        QTest::keyClick(text, Qt::Key_Right);
        QTest::keyClick(text, Qt::Key_Left);
        QTest::keyClick(text, Qt::Key_Right);
        QCOMPARE(selection.primary(), Position(1));
        QTest::keyClick(text, Qt::Key_P);
        QVERIFY(selection.pinned().contains(Position(1)));
        QTest::keyClick(text, Qt::Key_Escape);
        QVERIFY(!selection.primary().valid());
        selection.lock(Position(7));
        text->editor->setFocus();
        QTest::keyClicks(text->editor, QStringLiteral("pp"));
        QTest::keyClick(text->editor, Qt::Key_Left);
        QCOMPARE(text->editor->text(), QStringLiteral("pp"));
        QCOMPARE(text->editor->cursorPosition(), 1);
        QCOMPARE(selection.primary(), Position(7));
        QCOMPARE(selection.pinned().size(), 1u);
    }

    void fuzzyMatchesPreferBeginningsOfWords()
    {
        QVERIFY(fuzzyScore(QStringLiteral("xyz"), QStringLiteral("Layout: Runs")) < 0);
        QVERIFY(fuzzyScore(QStringLiteral("snur"), QStringLiteral("Runs")) < 0);
        QCOMPARE(fuzzyScore({}, QStringLiteral("Runs")), 0);
        QVERIFY(fuzzyScore(QStringLiteral("lr"), QStringLiteral("Layout: Runs")) > fuzzyScore(QStringLiteral("lr"), QStringLiteral("Selection: clear")));
        QVERIFY(fuzzyScore(QStringLiteral("runs"), QStringLiteral("View: Runs")) > fuzzyScore(QStringLiteral("runs"), QStringLiteral("Read up on shortcuts")));
    }

    void thePaletteRunsByKeyboard()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        QTest::keyClick(open.window.get(), Qt::Key_K, Qt::ControlModifier);
        auto *palette = open.window->findChild<CommandPalette *>();
        QTRY_VERIFY(palette->isVisible());
        const QAbstractItemModelTester tester(palette->list()->model(), QAbstractItemModelTester::FailureReportingMode::QtTest);
        QTest::keyClicks(palette->line(), QStringLiteral("layrun"));
        QVERIFY2(printed(*palette->list()->model()).startsWith(QStringLiteral("Layout: Runs")), qPrintable(printed(*palette->list()->model())));
        QCOMPARE(palette->list()->currentIndex().data(CommandListModel::ShortcutRole).toString(), QStringLiteral("Alt+4"));
        QTest::keyClick(palette->line(), Qt::Key_Return);
        QVERIFY(!palette->isVisible());
        QCOMPARE(open.window->workspace().layout(), QStringLiteral("runs"));
        // A command that cannot be run now stays where it is.
        palette->popUp();
        QTest::keyClicks(palette->line(), QStringLiteral("stop comparing"));
        QTest::keyClick(palette->line(), Qt::Key_Return);
        QVERIFY(palette->isVisible());
        QTest::keyClick(palette->line(), Qt::Key_Escape);
        QVERIFY(!palette->isVisible());
    }

    void shortcutsAreEditedAndConflictsRefused()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        CommandRegistry &commands = open.window->commands();
        {
            ShortcutsDialog dialog(commands);
            auto *edit = dialog.findChild<QKeySequenceEdit *>();
            auto *assign = dialog.findChild<QPushButton *>(QStringLiteral("shortcutAssign"));
            auto *sentence = dialog.findChild<QLabel *>(QStringLiteral("shortcutSentence"));
            dialog.select(QStringLiteral("selection.pin"));
            edit->setKeySequence(QKeySequence(Qt::CTRL | Qt::Key_K));
            assign->click();
            QVERIFY2(sentence->text().contains(QStringLiteral("already belongs to “Find a command…”")), qPrintable(sentence->text()));
            QCOMPARE(commands.action(QStringLiteral("selection.pin"))->shortcut(), QKeySequence(Qt::Key_P));
            edit->setKeySequence(QKeySequence(Qt::CTRL | Qt::Key_B));
            assign->click();
            QCOMPARE(commands.action(QStringLiteral("selection.pin"))->shortcut(), QKeySequence(Qt::CTRL | Qt::Key_B));
            dialog.select(QStringLiteral("text.probe-it"));
            dialog.findChild<QPushButton *>(QStringLiteral("shortcutNone"))->click();
        }
        open.window->close();
        open.open(); // remembered, also for actions of views
        QVERIFY(open.isReady());
        QCOMPARE(open.window->commands().action(QStringLiteral("selection.pin"))->shortcut(), QKeySequence(Qt::CTRL | Qt::Key_B));
        QVERIFY(open.window->commands().action(QStringLiteral("text.probe-it"))->shortcut().isEmpty());
        open.window->commands().resetAllShortcuts();
        QCOMPARE(open.window->commands().action(QStringLiteral("selection.pin"))->shortcut(), QKeySequence(Qt::Key_P));
        QVERIFY(open.settings.shortcuts().isEmpty());
    }

    void theListOfShortcutsIsAProperModel()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        ShortcutsModel model(open.window->commands());
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QVERIFY2(printed(model, ShortcutsModel::ColumnCount).startsWith(QStringLiteral("Project | New project… | Ctrl+N\nProject | Open project… | Ctrl+O")),
                 qPrintable(printed(model, ShortcutsModel::ColumnCount)));
        open.window->workspace().showView(QStringLiteral("jobs")); // its action joins
        QVERIFY(printed(model, ShortcutsModel::ColumnCount).contains(QStringLiteral("JOBS | Probe it… | Ctrl+Shift+P")));
    }

    // Undo

    void viewStateIsUndoneInSteps()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        Session &session = open.window->session();
        session.setTrace(smallTrace());
        EvaluationSettings settings = session.settings();
        const double before = settings.lambda;
        for (const double lambda : {0.3, 0.4, 0.5}) { // a slider that is dragged
            settings.lambda = lambda;
            session.setSettings(settings);
        }
        QTRY_COMPARE(session.undoStack().count(), 1);
        session.selection().lock(Position(5));
        session.selection().toggle(Position(9));
        QVERIFY(open.window->commands().run(QStringLiteral("edit.undo"))); // what still waits is a step of its own
        QVERIFY(session.selection().tokens().empty());
        QCOMPARE(session.settings().lambda, 0.5);
        QVERIFY(open.window->commands().run(QStringLiteral("edit.undo")));
        QCOMPARE(session.settings().lambda, before);
        QVERIFY(!open.window->commands().run(QStringLiteral("edit.undo")));
        QVERIFY(open.window->commands().run(QStringLiteral("edit.redo")));
        QVERIFY(open.window->commands().run(QStringLiteral("edit.redo")));
        QCOMPARE(session.settings().lambda, 0.5);
        QCOMPARE(session.selection().primary(), Position(9));
        QCOMPARE(session.selection().tokens().size(), 2u);
        QTest::qWait(ViewHistory::debounceMs + 100); // undoing is no new step
        QCOMPARE(session.undoStack().count(), 2);
        QVERIFY(!session.undoStack().canRedo());
    }

    void editsOfViewsStandBetweenTheSteps()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        Session &session = open.window->session();
        session.setTrace(smallTrace());
        session.selection().lock(Position(3));
        open.window->history().flush();
        QString note = QStringLiteral("old");
        class SetNote : public QUndoCommand
        {
        public:
            SetNote(QString &target, const QString &value) : QUndoCommand(QStringLiteral("note")), m_target(target), m_other(value) {}
            void redo() override { std::swap(m_target, m_other); }
            void undo() override { std::swap(m_target, m_other); }

        private:
            QString &m_target;
            QString m_other;
        };
        session.undoStack().push(new SetNote(note, QStringLiteral("new")));
        QCOMPARE(note, QStringLiteral("new"));
        QTRY_COMPARE(open.window->commands().action(QStringLiteral("edit.undo"))->text(), QStringLiteral("&Undo (note)"));
        QTest::keyClick(open.window.get(), Qt::Key_Z, Qt::ControlModifier);
        QCOMPARE(note, QStringLiteral("old"));
        QCOMPARE(session.selection().primary(), Position(3));
        QTest::keyClick(open.window.get(), Qt::Key_Z, Qt::ControlModifier);
        QVERIFY(!session.selection().primary().valid());
        QTest::keyClick(open.window.get(), Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
        QTest::keyClick(open.window.get(), Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(note, QStringLiteral("new"));
    }

    void noMoreThanAHundredStepsAreKept()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        open.window->session().setTrace(smallTrace());
        for (int i = 0; i < 120; ++i) {
            open.window->session().selection().lock(Position(i));
            open.window->history().flush();
        }
        QCOMPARE(open.window->session().undoStack().count(), 100);
    }

    // Projects

    void withoutAProjectTheStartPageOffersOne()
    {
        const QTemporaryDir folder;
        const auto project = std::filesystem::path(folder.filePath(QStringLiteral("first")).toStdString());
        Project::create(project);
        AppSettings settings(folder.filePath(QStringLiteral("settings.ini")));
        settings.addRecentProject(QString::fromStdString(project.string()));
        made = 0;
        MainWindow window(settings, probes());
        window.QWidget::show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        auto *recent = window.findChild<QListWidget *>(QStringLiteral("recentProjects"));
        QVERIFY(recent->isVisible());
        QCOMPARE(recent->count(), 1);
        QCOMPARE(made, 0); // no view costs anything yet
        QCOMPARE(window.windowTitle(), QStringLiteral("Retoscope"));
        recent->setCurrentRow(0);
        recent->setFocus();
        QTest::keyClick(recent, Qt::Key_Return);
        QTRY_COMPARE(window.windowTitle(), QStringLiteral("first — Retoscope"));
        QVERIFY(!recent->isVisible());
    }

    void aProjectFolderCanBeDropped()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        const auto other = std::filesystem::path(open.folder.filePath(QStringLiteral("dropped")).toStdString());
        Project::create(other);
        QMimeData data;
        data.setUrls({QUrl::fromLocalFile(QString::fromStdString(other.string()))});
        QDragEnterEvent enter(QPoint(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(open.window.get(), &enter);
        QVERIFY(enter.isAccepted());
        QDropEvent drop(QPointF(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(open.window.get(), &drop);
        QTRY_COMPARE(open.window->windowTitle(), QStringLiteral("dropped — Retoscope"));
        QMimeData nothing;
        nothing.setText(QStringLiteral("a text that was selected somewhere"));
        QDragEnterEvent refused(QPoint(10, 10), Qt::CopyAction, &nothing, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(open.window.get(), &refused);
        QVERIFY(!refused.isAccepted());
    }

    void aFolderThatVanishesIsSaidAndComesBack()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        const auto away = std::filesystem::path(open.folder.filePath(QStringLiteral("away")).toStdString());
        std::filesystem::rename(open.project, away);
        QTRY_VERIFY(open.window->banner().isVisible());
        QVERIFY2(open.window->banner().sentence().contains(QStringLiteral("project")), qPrintable(open.window->banner().sentence()));
        QVERIFY(!open.window->banner().findChildren<QPushButton *>().isEmpty());
        std::filesystem::rename(away, open.project);
        QTRY_VERIFY(!open.window->banner().isVisible());
    }

    void aLedgerThatAnotherProgramLocksIsSaid()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        sqlite3 *other = nullptr;
        QCOMPARE(sqlite3_open((open.project / "ledger.sqlite").c_str(), &other), SQLITE_OK);
        const auto execute = [&](const char *sql) { return sqlite3_exec(other, sql, nullptr, nullptr, nullptr) == SQLITE_OK; };
        QVERIFY(execute("PRAGMA locking_mode=EXCLUSIVE"));
        // The window may be reading at this moment: then all of it once more.
        QTRY_VERIFY(execute("BEGIN EXCLUSIVE; UPDATE change SET counter = counter + 1") || (execute("ROLLBACK"), false));
        QTRY_VERIFY_WITH_TIMEOUT(open.window->banner().isVisible(), 10'000);
        QVERIFY2(open.window->banner().sentence().contains(QStringLiteral("ledger")), qPrintable(open.window->banner().sentence()));
        QVERIFY(execute("COMMIT"));
        sqlite3_close(other);
        QTRY_VERIFY_WITH_TIMEOUT(!open.window->banner().isVisible(), 10'000);
    }

    void aFolderThatIsNoProjectIsSaid()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        open.window->openProject(open.folder.filePath(QStringLiteral("nowhere")).toStdString());
        QTRY_VERIFY(open.window->banner().isVisible());
        QTest::mouseClick(open.window->banner().findChild<QToolButton *>(QStringLiteral("bannerClose")), Qt::LeftButton);
        QVERIFY(!open.window->banner().isVisible());
    }

    // Jobs, failures, closing

    void theStatusLineShowsJobsAndFailures()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        auto *status = open.window->findChild<StatusStrip *>();
        auto *cancel = status->findChild<QToolButton *>(QStringLiteral("statusCancel"));
        JobManager &jobs = open.window->session().jobs();
        const int endless = jobs.enqueue(QStringLiteral("Endless work"), open.project, [](Project &, JobControl &control) -> QString {
            for (int i = 0;; ++i) {
                control.report("counting", "sheep", i % 100, 100);
                control.checkpoint();
                QThread::msleep(2);
            }
        });
        QTRY_VERIFY(status->findChild<QToolButton *>(QStringLiteral("statusJob"))->text().contains(QStringLiteral("Endless work · counting")));
        QVERIFY(cancel->isVisible());
        QTest::mouseClick(cancel, Qt::LeftButton);
        QTRY_COMPARE(jobs.job(endless)->state, JobInfo::State::Cancelled);
        QVERIFY(!cancel->isVisible() && status->failure().isEmpty());
        jobs.enqueue(QStringLiteral("Bad work"), open.project, [](Project &, JobControl &) -> QString { fail(ErrorKind::BadInput, "It cannot be."); });
        QTRY_COMPARE(status->failure(), QStringLiteral("Bad work: It cannot be."));
        QVERIFY(open.window->commands().run(QStringLiteral("help.dismiss")));
        QVERIFY(status->failure().isEmpty());
    }

    void closingWithAJobAsks()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        std::atomic<bool> finish = false;
        JobManager &jobs = open.window->session().jobs();
        const auto body = [&finish](Project &, JobControl &control) {
            while (!finish) {
                control.checkpoint();
                QThread::msleep(1);
            }
            return QStringLiteral("made");
        };
        const int first = jobs.enqueue(QStringLiteral("Work"), open.project, body);
        QTRY_COMPARE(jobs.job(first)->state, JobInfo::State::Running);
        answerNextQuestion(QStringLiteral("Cancel"));
        QVERIFY(!open.window->close());
        QVERIFY(open.window->isVisible());
        QCOMPARE(jobs.job(first)->state, JobInfo::State::Running);

        answerNextQuestion(QStringLiteral("Stop"));
        open.window->close();
        QTRY_VERIFY(!open.window->isVisible());
        QCOMPARE(jobs.job(first)->state, JobInfo::State::Cancelled);

        open.open(); // once more, and let it run on
        QVERIFY(open.isReady());
        JobManager &again = open.window->session().jobs();
        const int second = again.enqueue(QStringLiteral("Work"), open.project, body);
        QTRY_COMPARE(again.job(second)->state, JobInfo::State::Running);
        answerNextQuestion(QStringLiteral("Keep"));
        open.window->close();
        QVERIFY(!open.window->isVisible());
        QTest::qWait(50);
        QCOMPARE(again.job(second)->state, JobInfo::State::Running);
        finish = true;
        QTRY_COMPARE(again.job(second)->state, JobInfo::State::Done);
    }

    // First start

    void theTourPointsToViewsAndEndsWhenWanted()
    {
        OpenWindow open;
        QVERIFY(open.isReady());
        QVERIFY(!open.settings.tourSeen());
        QVERIFY(GuidedTour::steps(true).size() >= 4 && GuidedTour::steps(true).size() <= 5);
        for (const TourStep &step : GuidedTour::steps(true))
            QVERIFY2(open.window->workspace().contains(step.view), qPrintable(step.view));
        open.window->startTourOnce();
        QVERIFY(open.window->tour().isRunning()); // nothing is built: it points to Run all
        auto *bubble = open.window->findChild<QFrame *>(QStringLiteral("tourBubble"));
        QVERIFY(bubble->isVisible());
        QVERIFY(bubble->accessibleDescription().contains(QStringLiteral("Run all")));
        QTest::keyClick(bubble, Qt::Key_Escape);
        QVERIFY(!open.window->tour().isRunning() && !bubble->isVisible());
        QVERIFY(open.settings.tourSeen());
        open.window->startTourOnce();
        QVERIFY(!open.window->tour().isRunning());
        QVERIFY(open.window->commands().run(QStringLiteral("help.tour")));
        for (int i = 0; i < 10 && open.window->tour().isRunning(); ++i)
            QTest::mouseClick(bubble->findChild<QPushButton *>(QStringLiteral("tourNext")), Qt::LeftButton);
        QVERIFY(!open.window->tour().isRunning());
    }

    // Export

    void aViewIsDrawnWithoutADisplay_data()
    {
        QTest::addColumn<QString>("file");
        for (const char *file : {"view.pdf", "view.svg", "view.png"})
            QTest::newRow(file) << QString::fromLatin1(file);
    }

    void aViewIsDrawnWithoutADisplay()
    {
        QFETCH(QString, file);
        const QTemporaryDir folder;
        Project::create(folder.filePath(QStringLiteral("project")).toStdString());
        ExportRequest request;
        request.view = QStringLiteral("text");
        request.project = folder.filePath(QStringLiteral("project"));
        request.file = folder.filePath(file);
        exportHeadless(request, probes());
        QVERIFY(QFileInfo(request.file).size() > 500);
    }

    void theWholeWindowIsDrawn()
    {
        const QTemporaryDir folder;
        Project::create(folder.filePath(QStringLiteral("project")).toStdString());
        ExportRequest request{.view = QStringLiteral("window"), .file = folder.filePath(QStringLiteral("window.png")), .size = {1000, 700},
                              .project = folder.filePath(QStringLiteral("project")), .description = {}, .layout = QStringLiteral("runs"), .settings = {}};
        exportHeadless(request, probes());
        QCOMPARE(QImage(request.file).size() / QImage(request.file).devicePixelRatio(), QSize(1000, 700));
    }

    void whatCannotBeExportedIsSaid()
    {
        const QTemporaryDir folder;
        const auto sentence = [](const ExportRequest &request) {
            try {
                exportHeadless(request, probes());
            } catch (const Error &error) {
                return QString::fromUtf8(error.what());
            }
            return QString();
        };
        ExportRequest request;
        request.view = QStringLiteral("text");
        request.project = folder.filePath(QStringLiteral("nowhere"));
        request.file = folder.filePath(QStringLiteral("out.png"));
        QVERIFY2(sentence(request).contains(QStringLiteral("nowhere")), qPrintable(sentence(request)));
        Project::create(request.project.toStdString());
        request.view = QStringLiteral("poem");
        QVERIFY2(sentence(request).contains(QStringLiteral("the views are window, pipeline, text")), qPrintable(sentence(request)));
        request.view = QStringLiteral("text");
        request.file = folder.filePath(QStringLiteral("out.doc"));
        QVERIFY2(sentence(request).contains(QStringLiteral("out.doc")), qPrintable(sentence(request)));
    }

    void theSettingToBeginWithShowsSearchedAndSaved()
    {
        ProjectSnapshot snapshot;
        ArtefactRow trace;
        trace.id = 4;
        trace.kind = ArtefactKind::Trace;
        trace.state = ArtefactState::Ready;
        snapshot.artefacts = {trace};
        QVERIFY(!settingsToBeginWith(snapshot, trace));
        const auto addRun = [&](const char *method, double lambda, double foss, double perplexity, std::int64_t of) {
            RunRow run;
            run.status = RunStatus::Done;
            run.method = method;
            run.trace = of;
            EvaluationSettings settings;
            settings.method = methodFromString(method);
            settings.lambda = lambda;
            run.config = settings;
            run.config["artefacts"] = Json::object();
            run.metrics = Json{{"foss", foss}, {"perplexity", perplexity}};
            snapshot.runs.push_back(run);
        };
        addRun("knnlm", 0.11, 0, 20, 4);
        addRun("knnlm", 0.12, 0, 19, 4);
        QCOMPARE(settingsToBeginWith(snapshot, trace)->lambda, 0.12);
        addRun("retomaton", 0.2, 0.9, 22, 4);
        addRun("retomaton", 0.3, 0.45, 21, 4);
        addRun("retomaton", 0.4, 0.5, 18, 77); // of another trace
        QCOMPARE(settingsToBeginWith(snapshot, trace)->lambda, 0.3);
    }
};

QTEST_MAIN(TestShellView)
#include "tst_shell_view.moc"
