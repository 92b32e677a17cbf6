// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/pinned_table.h"
#include "runs/run_comparison.h"
#include "runs/runs_export.h"
#include "runs/runs_model.h"
#include "runs/runs_view.h"
#include "shell/session.h"

#include "base/error.h"
#include "ledger/project.h"
#include "ledger/sqlite.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QCheckBox>
#include <QClipboard>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QMessageBox>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSettings>
#include <QSignalSpy>
#include <QTableView>
#include <QTemporaryDir>
#include <QTimer>
#include <QUndoStack>
#include <QtTest>

using namespace retoscope;

namespace {

RunRow makeRun(std::int64_t id, double perplexity, const std::string &method = "retomaton")
{
    RunRow run;
    run.id = id;
    run.name = fmt::format("run {}", id);
    run.status = RunStatus::Done;
    run.method = method;
    EvaluationSettings settings;
    settings.method = methodFromString(method);
    settings.temperature = 10;
    settings.automaton.minKnns = id % 2 == 0 ? AutomatonSettings::alwaysSearch : 8;
    run.config = settings;
    run.config["artefacts"] = {{"trace", {{"id", 1}, {"name", "test"}, {"fingerprint", "0123456789abcdef"}}}, {"model", {{"name", "tiny"}}}};
    run.metrics = Json{{"perplexity", perplexity}, {"foss", 0.5}, {"searches", 12345}};
    run.environment = Json{{"threads", 2}};
    run.command = fmt::format("retoscope-cli evaluate --k {}", 100 + id);
    run.startedMs = 1'700'000'000'000 + id;
    run.seconds = 0.25;
    return run;
}

/// What a table shows, a line per row, in its order: for failures that can be read.
QString printed(const QAbstractItemModel &model, const QList<int> &columns)
{
    QStringList lines;
    for (int row = 0; row < model.rowCount(); ++row) {
        QStringList cells;
        for (const int column : columns)
            cells << model.index(row, column).data().toString();
        lines << cells.join(QLatin1Char('|'));
    }
    return lines.join(QLatin1Char('\n'));
}

/// A project with runs and a view on it.
struct Workplace
{
    QTemporaryDir folder;
    std::filesystem::path path = folder.filePath(QStringLiteral("project")).toStdString();
    Project project = Project::create(path);
    Session session;
    std::unique_ptr<RunsView> view;

    explicit Workplace(int runs)
    {
        std::vector<RunRow> rows;
        for (int i = 1; i <= runs; ++i)
            rows.push_back(makeRun(i, 10 + i));
        project.ledger().addRuns(rows);
        view = std::make_unique<RunsView>(session);
        view->resize(1200, 500);
        view->show();
        session.openProject(path);
    }

    [[nodiscard]] PinnedTable *table() const { return view->findChild<PinnedTable *>(QStringLiteral("runsTable")); }
    [[nodiscard]] QAbstractItemModel *model() const { return table()->view()->model(); }
    [[nodiscard]] QLineEdit *filter() const { return view->findChild<QLineEdit *>(QStringLiteral("runFilter")); }
    [[nodiscard]] QLabel *problem() const { return view->findChild<QLabel *>(QStringLiteral("runProblem")); }
    [[nodiscard]] bool shows(int runs) const { return view->isSettled() && model()->rowCount() == runs; }

    void select(const QList<int> &rows) const
    {
        table()->selectionModel()->clearSelection();
        for (const int row : rows)
            table()->selectionModel()->select(model()->index(row, 0), QItemSelectionModel::Select | QItemSelectionModel::Rows);
    }
    [[nodiscard]] QAction *action(const QString &text) const
    {
        for (QAction *action : view->viewActions()) {
            if (action->text() == text)
                return action;
        }
        return nullptr;
    }
    [[nodiscard]] QAction *undo() const
    {
        for (QAction *action : view->actions()) {
            if (action->shortcut() == QKeySequence(QKeySequence::Undo))
                return action;
        }
        return nullptr;
    }
};

/// Presses a button of the next message box; its text goes to `text`.
void answerNextQuestion(QMessageBox::StandardButton button, QString *text = nullptr)
{
    QTimer::singleShot(0, qApp, [button, text] {
        auto *box = qobject_cast<QMessageBox *>(QApplication::activeModalWidget());
        QVERIFY(box);
        if (text)
            *text = box->text();
        QTest::mouseClick(box->button(button), Qt::LeftButton);
    });
}

} // namespace

class TestRunsView : public QObject
{
    Q_OBJECT

    QTemporaryDir m_settings;

private Q_SLOTS:
    void initTestCase()
    {
        QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
        QCoreApplication::setOrganizationName(QStringLiteral("retoscope-test"));
        QSettings::setDefaultFormat(QSettings::IniFormat);
        QSettings::setPath(QSettings::IniFormat, QSettings::UserScope, m_settings.path());
    }
    void init() { QSettings().clear(); }

    void modelFollowsWithoutReset()
    {
        RunsModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        RunsOrder order(&model);
        const QAbstractItemModelTester orderTester(&order, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const QSignalSpy resets(&model, &QAbstractItemModel::modelReset);
        const QSignalSpy changes(&model, &QAbstractItemModel::dataChanged);
        const QList<int> columns{RunsModel::Id, RunsModel::Perplexity, RunsModel::MinKnns, RunsModel::Model, RunsModel::TraceName};
        model.update({makeRun(5, 20), makeRun(3, 30), makeRun(1, 40)});
        QCOMPARE(printed(model, columns), QStringLiteral("5|20.00|8|tiny|test\n3|30.00|8|tiny|test\n1|40.00|8|tiny|test"));
        model.update({makeRun(6, 10), makeRun(5, 20), makeRun(3, 31), makeRun(2, 50)});
        QCOMPARE(printed(model, columns), QStringLiteral("6|10.00|∞|tiny|test\n5|20.00|8|tiny|test\n3|31.00|8|tiny|test\n2|50.00|∞|tiny|test"));
        QCOMPARE(changes.count(), 1); // only run 3 changed
        model.update({makeRun(4, 1)});
        model.update(std::vector<RunRow>());
        QCOMPARE(model.rowCount(), 0);
        QCOMPARE(resets.count(), 0);
    }

    void runsWithoutAValueComeLast()
    {
        RunsModel model;
        RunsOrder order(&model);
        model.update({makeRun(4, 12), makeRun(3, 30, "base"), makeRun(2, 9), makeRun(1, 200)});
        order.sort(RunsModel::MinKnns, Qt::AscendingOrder); // of RetoMaton only
        QCOMPARE(printed(order, {RunsModel::Id, RunsModel::MinKnns}), QStringLiteral("1|8\n2|∞\n4|∞\n3|"));
        order.sort(RunsModel::MinKnns, Qt::DescendingOrder);
        QCOMPARE(printed(order, {RunsModel::Id}), QStringLiteral("4\n2\n1\n3"));
        order.sort(RunsModel::Perplexity, Qt::AscendingOrder); // as numbers, not as texts
        QCOMPARE(printed(order, {RunsModel::Perplexity}), QStringLiteral("9.00\n12.00\n30.00\n200.00"));
    }

    void comparisonShowsOnlyDifferences()
    {
        RunComparison model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const auto first = std::make_shared<const RunRow>(makeRun(1, 20));
        auto other = makeRun(2, 19.5);
        other.command = first->command;
        other.name = first->name;
        other.startedMs = first->startedMs;
        model.setRuns({first, std::make_shared<const RunRow>(other)});
        QCOMPARE(printed(model, {0, 1, 2}), QStringLiteral("Result||\nperplexity|20|19.5\nfoss|0.5|0.5\nsearches|12,345|12,345\nSettings||\nautomaton.min_knns|8|∞"));
        model.setOnlyDifferences(false);
        QVERIFY(printed(model, {0, 1, 2}).contains(QStringLiteral("\nlambda|0.25|0.25\n")));
        QVERIFY(printed(model, {0, 1, 2}).contains(QStringLiteral("Environment||\nthreads|2|2")));
        model.setRuns({first});
        QCOMPARE(model.columnCount(), 2);
        QVERIFY(printed(model, {0, 1}).contains(QStringLiteral("trace.fingerprint|0123456789ab\n"))); // the whole one is the tool tip
    }

    void emptyProjectSaysWhatToDo()
    {
        Workplace place(0);
        const auto labels = place.view->findChildren<QLabel *>();
        QTRY_VERIFY(std::ranges::any_of(labels, [](const QLabel *label) { return label->isVisible() && label->text().startsWith(QStringLiteral("No runs yet.")); }));
    }

    void followsAnotherConnection()
    {
        Workplace place(3);
        QTRY_VERIFY(place.shows(3));
        place.select({1});
        const QSignalSpy resets(place.model(), &QAbstractItemModel::modelReset);
        Ledger other(place.path / ledgerFileName);
        other.addRun(makeRun(0, 5));
        other.setRunNote(2, "from elsewhere");
        other.deleteRun(1);
        QTRY_COMPARE(printed(*place.model(), {RunsModel::Id, RunsModel::Note}), QStringLiteral("4|\n3|\n2|from elsewhere"));
        QCOMPARE(resets.count(), 0);
        QCOMPARE(place.table()->selectionModel()->selectedRows(RunsModel::Id).first().data().toString(), QStringLiteral("2")); // still run 2
    }

    void filterIsTyped()
    {
        Workplace place(20);
        QTRY_VERIFY(place.shows(20));
        QTest::keyClicks(place.filter(), QStringLiteral("ppl < 15 and min_knns = inf"));
        QTRY_COMPARE(printed(*place.model(), {RunsModel::Id}), QStringLiteral("4\n2"));
        QCOMPARE(place.view->findChild<QLabel *>(QStringLiteral("runCount"))->text(), QStringLiteral("2 of 20 runs"));
        QTest::keyClicks(place.filter(), QStringLiteral(" and")); // half-written: what is shown stays, the sentence says where
        QTRY_VERIFY(place.problem()->isVisible());
        QVERIFY(place.problem()->text().contains(QStringLiteral("character")));
        QCOMPARE(place.model()->rowCount(), 2);
        place.filter()->clear();
        QTRY_VERIFY(place.shows(20));
        QVERIFY(!place.problem()->isVisible());
    }

    void editsAreWrittenAndUndone()
    {
        Workplace place(3);
        QTRY_VERIFY(place.shows(3));
        const Ledger reader(place.path / ledgerFileName, Ledger::Mode::ReadOnly);

        place.select({0}); // run 3
        auto *note = place.view->findChild<QPlainTextEdit *>(QStringLiteral("runNote"));
        note->setFocus();
        QTest::keyClicks(note, QStringLiteral("good one"));
        QTest::keyClick(note, Qt::Key_Return, Qt::ControlModifier);
        QTRY_COMPARE(reader.run(3)->note, std::string("good one"));
        auto *tags = place.view->findChild<QLineEdit *>(QStringLiteral("runTags"));
        tags->setText(QStringLiteral("best, paper , best"));
        QTest::keyClick(tags, Qt::Key_Return);
        QTRY_COMPARE(reader.run(3)->tags, (std::vector<std::string>{"best", "paper"}));
        QTRY_COMPARE(printed(*place.model(), {RunsModel::Id, RunsModel::Tags, RunsModel::Note}), QStringLiteral("3|best, paper|good one\n2||\n1||"));

        // A click on the star.
        QTableView *pinned = place.table()->pinnedView();
        QTest::mouseClick(pinned->viewport(), Qt::LeftButton, {}, pinned->visualRect(place.model()->index(1, RunsModel::Star)).center());
        QTRY_COMPARE(reader.run(2)->tags, std::vector<std::string>{starTag});
        QTRY_COMPARE(printed(*place.model(), {RunsModel::Star, RunsModel::Tags}), QStringLiteral("☆|best, paper\n★|\n☆|"));

        place.select({0, 2});
        place.action(QStringLiteral("Archive"))->trigger();
        QTRY_VERIFY(place.shows(1));
        QVERIFY(reader.run(1)->archived && reader.run(3)->archived);
        auto *archived = place.view->findChild<QCheckBox *>(); // the first of the view: "Show archived"
        QCOMPARE(archived->text(), QStringLiteral("Show archived"));
        archived->click();
        QTRY_COMPARE(place.model()->rowCount(), 3);
        QTRY_VERIFY(place.shows(3));
        QCOMPARE(place.model()->index(0, RunsModel::Status).data().toString(), QStringLiteral("✓ done, archived"));

        // Undo: the archive, the star, the tags, the note; then once again forward.
        for (int i = 0; i < 4; ++i)
            place.undo()->trigger();
        QTRY_VERIFY(!place.view->editor().isBusy());
        for (const auto &run : reader.runs())
            QVERIFY(!run.archived && run.tags.empty() && run.note.empty());
        QVERIFY(!place.session.undoStack().canUndo());
        place.session.undoStack().redo();
        QTRY_COMPARE(reader.run(3)->note, std::string("good one"));
    }

    void deletingAsksAndIsUndone()
    {
        Workplace place(2);
        auto running = makeRun(0, 0);
        running.status = RunStatus::Running;
        place.project.ledger().addRun(running);
        place.project.ledger().addTag(2, "keep");
        QTRY_VERIFY(place.shows(3));
        QTRY_COMPARE(place.model()->index(1, RunsModel::Tags).data().toString(), QStringLiteral("keep"));
        const std::string before = place.project.ledger().run(2)->config.dump();

        place.select({0});
        QString text;
        answerNextQuestion(QMessageBox::Ok, &text);
        place.action(QStringLiteral("Delete…"))->trigger();
        QCOMPARE(text, QStringLiteral("Run 3 is still running; stop it first, then delete it."));

        place.select({1, 2});
        answerNextQuestion(QMessageBox::Cancel);
        place.action(QStringLiteral("Delete…"))->trigger();
        QVERIFY(place.project.ledger().run(2));
        answerNextQuestion(QMessageBox::Discard);
        place.action(QStringLiteral("Delete…"))->trigger();
        QTRY_VERIFY(place.shows(1));
        QVERIFY(!place.project.ledger().run(2) && !place.project.ledger().run(1));
        place.undo()->trigger();
        QTRY_VERIFY(place.shows(3));
        QCOMPARE(place.project.ledger().run(2)->config.dump(), before);
        QCOMPARE(place.project.ledger().run(2)->tags, std::vector<std::string>{"keep"});
    }

    void allOrNothing()
    {
        Workplace place(3);
        QTRY_VERIFY(place.shows(3));
        auto rows = place.project.ledger().runs();
        rows[1].id = 77; // does not exist
        const QSignalSpy failed(&place.view->editor(), &RunEditor::failed);
        place.view->editor().setArchived(rows, true);
        QTRY_COMPARE(failed.count(), 1);
        QVERIFY(!place.project.ledger().run(1)->archived && !place.project.ledger().run(3)->archived);
        QVERIFY(!place.session.undoStack().canUndo());
    }

    void lockedLedgerGivesASentence()
    {
        Workplace place(1);
        QTRY_VERIFY(place.shows(1));
        sqlite::Database lock(place.path / ledgerFileName, sqlite::Database::Mode::ReadWrite, 1000);
        lock.execute("BEGIN IMMEDIATE");
        place.view->editor().setPatience(std::chrono::milliseconds(100));
        place.view->editor().setNote(place.project.ledger().runs().front(), QStringLiteral("never"));
        QTRY_VERIFY(place.problem()->isVisible());
        QVERIFY2(place.problem()->text().contains(QStringLiteral("another")), qPrintable(place.problem()->text()));
        QVERIFY(!place.session.undoStack().canUndo());
        lock.execute("COMMIT");
        place.view->editor().setNote(place.project.ledger().runs().front(), QStringLiteral("now"));
        QTRY_COMPARE(place.project.ledger().run(1)->note, std::string("now"));
    }

    void columnsAreRemembered()
    {
        {
            Workplace place(2);
            QTRY_VERIFY(place.shows(2));
            PinnedTable *table = place.table();
            table->setColumnPinned(RunsModel::Perplexity, true);
            table->setColumnShown(RunsModel::Searches, false);
            QHeaderView *header = table->view()->horizontalHeader();
            header->moveSection(header->visualIndex(RunsModel::Note), header->visualIndex(RunsModel::Name));
            table->view()->setColumnWidth(RunsModel::Note, 123);
            table->sortBy(RunsModel::Perplexity, Qt::AscendingOrder);
            QMenu menu;
            table->fillHeaderMenu(menu, RunsModel::Foss);
            QCOMPARE(menu.actions().first()->text(), QStringLiteral("Pin “FoSS” at the left"));
        }
        Workplace place(2);
        QTRY_VERIFY(place.shows(2));
        const QList<int> shown = place.table()->shownColumns();
        QCOMPARE(shown.first(3), (QList<int>{RunsModel::Star, RunsModel::Id, RunsModel::Perplexity}));
        QVERIFY(!shown.contains(RunsModel::Searches));
        QCOMPARE(shown.indexOf(RunsModel::Note) + 1, shown.indexOf(RunsModel::Name));
        QCOMPARE(place.table()->view()->columnWidth(RunsModel::Note), 123);
        QCOMPARE(printed(*place.model(), {RunsModel::Id}), QStringLiteral("1\n2")); // by perplexity
        place.table()->resetColumns();
        QVERIFY(place.table()->shownColumns().contains(RunsModel::Searches));
    }

    void whatIsShownIsExported()
    {
        Workplace place(3);
        QTRY_VERIFY(place.shows(3));
        place.view->setFilter(QStringLiteral("ppl > 11"));
        QTRY_VERIFY(place.shows(2));
        for (int column = 0; column < RunsModel::ColumnCount; ++column)
            place.table()->setColumnShown(column, column == RunsModel::Id || column == RunsModel::Perplexity || column == RunsModel::Foss);
        const auto written = [&](const QString &suffix) {
            const QString file = place.folder.filePath(QStringLiteral("runs.") + suffix);
            place.view->exportTo(file, QSize(800, 400));
            QFile reading(file);
            return reading.open(QIODevice::ReadOnly) ? QString::fromUtf8(reading.readAll()) : QString();
        };
        QCOMPARE(written(QStringLiteral("csv")), QStringLiteral("run,perplexity,FoSS\n3,13,0.5\n2,12,0.5\n"));
        QCOMPARE(written(QStringLiteral("md")), QStringLiteral("| run | perplexity | FoSS |\n|---|---|---|\n| 3 | 13.00 | 50.0 % |\n| 2 | 12.00 | 50.0 % |\n"));
        QVERIFY(written(QStringLiteral("tex")).contains(QStringLiteral("3 & 13.00 & 50.0 \\%")));
        QVERIFY(written(QStringLiteral("png")).size() > 1000);
        QVERIFY_THROWS_EXCEPTION(Error, place.view->exportTo(place.folder.filePath(QStringLiteral("runs.doc")), QSize(800, 400)));
    }

    void commandsAreCopied()
    {
        Workplace place(2);
        QTRY_VERIFY(place.shows(2));
        place.select({0, 1});
        place.view->copyCommands();
        QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("retoscope-cli evaluate --k 102\nretoscope-cli evaluate --k 101"));
    }

    void runOfAVanishedTraceGivesASentence()
    {
        Workplace place(1);
        QTRY_VERIFY(place.shows(1));
        place.view->openRun(1);
        QTRY_VERIFY(place.problem()->isVisible());
        QVERIFY(place.problem()->text().contains(QStringLiteral("“test”")));
    }

    void tenThousandRunsAreShownFilteredAndSorted()
    {
        Workplace place(10'000);
        QTRY_VERIFY_WITH_TIMEOUT(place.shows(10'000), 15'000);
        QElapsedTimer longest, clock;
        qint64 worst = 0;
        QTimer pulse; // how long the GUI thread was not free
        longest.start();
        connect(&pulse, &QTimer::timeout, this, [&] { worst = std::max(worst, longest.restart()); });
        pulse.start(0);
        Ledger other(place.path / ledgerFileName);
        clock.start();
        other.addRun(makeRun(0, 1));
        QTRY_VERIFY_WITH_TIMEOUT(place.shows(10'001), 15'000);
        qInfo("a new run among 10,000 appears after %lld ms; longest pause of the GUI thread %lld ms", clock.elapsed(), worst);
        worst = 0;
        longest.restart();
        place.view->setFilter(QStringLiteral("ppl < 100"));
        QTRY_VERIFY_WITH_TIMEOUT(place.shows(90), 15'000);
        qInfo("filtered: longest pause %lld ms", worst);
        place.view->setFilter(QString());
        QTRY_VERIFY_WITH_TIMEOUT(place.shows(10'001), 15'000);
        clock.restart();
        place.table()->sortBy(RunsModel::Perplexity, Qt::AscendingOrder);
        qInfo("sorted in %lld ms", clock.elapsed());
        QCOMPARE(place.model()->index(0, RunsModel::Id).data().toString(), QStringLiteral("10001"));
    }
};

QTEST_MAIN(TestRunsView)
#include "tst_runs_view.moc"
