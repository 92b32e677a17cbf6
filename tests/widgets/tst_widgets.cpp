// SPDX-License-Identifier: GPL-3.0-or-later
#include "jobs/job_manager.h"
#include "plot/theme.h"
#include "runs/runs_export.h"
#include "runs/runs_model.h"
#include "shell/app_settings.h"
#include "shell/latest_only.h"
#include "shell/main_window.h"
#include "shell/selection.h"

#include "base/error.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QFileInfo>
#include <QLabel>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QtTest>


using namespace retoscope;

namespace {

RunRow makeRun(std::int64_t id, double perplexity)
{
    RunRow run;
    run.id = id;
    run.name = "run";
    run.status = RunStatus::Done;
    run.method = "retomaton";
    run.config = Json{{"lambda", 0.25}, {"temperature", 10}, {"k", 1024}, {"automaton", {{"min_knns", "inf"}, {"max_knns", 64}}}};
    run.metrics = Json{{"perplexity", perplexity}, {"foss", 0.5}, {"searches", 12345}};
    return run;
}

QString printed(const QAbstractItemModel &model, int column)
{
    QStringList cells;
    for (int row = 0; row < model.rowCount(); ++row)
        cells << model.index(row, column).data().toString();
    return cells.join(QLatin1Char(' '));
}

} // namespace

class TestWidgets : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void runsFollowTheLedgerWithoutReset()
    {
        RunsModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const QSignalSpy resets(&model, &QAbstractItemModel::modelReset);
        model.update({makeRun(3, 20), makeRun(1, 30)});
        QCOMPARE(printed(model, RunsModel::Id), QStringLiteral("3 1"));
        model.update({makeRun(4, 10), makeRun(3, 21), makeRun(2, 15)});
        QCOMPARE(printed(model, RunsModel::Id), QStringLiteral("4 3 2"));
        QCOMPARE(printed(model, RunsModel::Perplexity), QStringLiteral("10.00 21.00 15.00"));
        QCOMPARE(model.index(0, RunsModel::MinKnns).data().toString(), QStringLiteral("∞"));
        QCOMPARE(model.index(0, RunsModel::MaxKnns).data().toString(), QStringLiteral("64"));
        model.update(std::vector<RunRow>());
        QCOMPARE(model.rowCount(), 0);
        QCOMPARE(resets.count(), 0);
    }

    void tablesAreWrittenForPapers()
    {
        RunsModel model;
        model.update({makeRun(1, 30)});
        const QList<int> columns{RunsModel::Perplexity, RunsModel::Searches};
        QVERIFY(tableText(model, QStringLiteral("csv")).contains(QStringLiteral("run,name,method")));
        QCOMPARE(tableText(model, QStringLiteral("csv"), columns, RunsModel::SortRole), QStringLiteral("perplexity,searches\n30,12345\n"));
        QVERIFY(tableText(model, QStringLiteral("csv")).contains(QStringLiteral("\"12,345\"")));
        QVERIFY(tableText(model, QStringLiteral("md")).contains(QStringLiteral("| 30.00 |")));
        QVERIFY(tableText(model, QStringLiteral("tex")).contains(QStringLiteral("$\\lambda$")));
        QVERIFY(tableText(model, QStringLiteral("tex")).contains(QStringLiteral("50.0 \\%")));
        QVERIFY_THROWS_EXCEPTION(Error, tableText(model, QStringLiteral("doc")));
    }

    void selectionIsOne()
    {
        Selection selection;
        selection.setCount(10);
        QSignalSpy focused(&selection, &Selection::focusedChanged);
        selection.lock(Position(3));
        selection.hover(Position(5));
        QCOMPARE(selection.focused(), Position(5));
        QCOMPARE(selection.primary(), Position(3));
        selection.hover(Position());
        QCOMPARE(selection.focused(), Position(3));
        QCOMPARE(focused.count(), 3);
        selection.toggle(Position(7));
        QCOMPARE(selection.tokens().size(), std::size_t(2));
        selection.movePrimary(100);
        QCOMPARE(selection.primary(), Position(9));
        selection.lock(Position(10)); // past the end
        QCOMPARE(selection.primary(), Position(9));
        selection.unlock();
        QVERIFY(!selection.focused().valid());
    }

    void onlyTheLatestAnswerCounts()
    {
        LatestOnly<int> question;
        QList<int> answers;
        QStringList failures;
        question.onAnswer([&](int answer) { answers << answer; });
        question.onFailure([&](const QString &sentence) { failures << sentence; });
        for (int i = 0; i < 20; ++i)
            question.ask([i](JobControl &control) {
                QThread::msleep(5);
                control.checkpoint();
                return i;
            });
        QTRY_COMPARE(answers, QList<int>{19});
        question.ask([](JobControl &) -> int { fail(ErrorKind::BadInput, "no."); });
        QTRY_COMPARE(failures, QStringList{QStringLiteral("no.")});
        QVERIFY(!question.isBusy());
    }

    void jobsRunOneAfterTheOther()
    {
        const QTemporaryDir folder;
        const std::filesystem::path path = folder.filePath(QStringLiteral("project")).toStdString();
        Project::create(path);
        JobManager jobs;
        const int first = jobs.enqueue(QStringLiteral("endless"), path, [](Project &, JobControl &control) -> QString {
            for (;;) {
                control.checkpoint();
                QThread::msleep(1);
            }
        });
        const int second = jobs.enqueue(QStringLiteral("fails"), path, [](Project &, JobControl &) -> QString { fail(ErrorKind::BadInput, "It cannot be."); });
        const int third = jobs.enqueue(QStringLiteral("waits"), path, [](Project &, JobControl &) { return QStringLiteral("never"); });
        const int fourth = jobs.enqueue(QStringLiteral("works"), path, [](Project &project, JobControl &) { return QString::fromStdString(project.name()); });
        jobs.cancel(third); // a queued job goes at once
        QCOMPARE(jobs.job(third)->state, JobInfo::State::Cancelled);
        QTRY_COMPARE(jobs.job(first)->state, JobInfo::State::Running);
        jobs.cancel(first);
        QTRY_COMPARE(jobs.job(fourth)->state, JobInfo::State::Done);
        QCOMPARE(jobs.job(first)->state, JobInfo::State::Cancelled);
        QCOMPARE(jobs.job(second)->message, QStringLiteral("It cannot be."));
        QCOMPARE(jobs.job(fourth)->message, QStringLiteral("project"));
        jobs.clearFinished();
        QVERIFY(jobs.jobs().empty() && !jobs.isBusy());
    }

    void windowShowsWhatAnotherProcessWrites()
    {
        const QTemporaryDir folder;
        const std::filesystem::path path = folder.filePath(QStringLiteral("live")).toStdString();
        Project project = Project::create(path);
        AppSettings settings(folder.filePath(QStringLiteral("settings.ini")));
        MainWindow window(settings);
        window.openProject(path);
        window.QWidget::show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        QTRY_COMPARE(window.windowTitle(), QStringLiteral("live — Retoscope"));
        QVERIFY(window.session().project()->runs.empty());
        project.ledger().addRun(makeRun(0, 20));
        QTRY_COMPARE(window.session().project()->runs.size(), 1u);
        QCOMPARE(window.findChild<QLabel *>(QStringLiteral("statusMessage"))->text(), QStringLiteral("0 artefact(s) · 1 run(s)"));
    }
};

QTEST_MAIN(TestWidgets)
#include "tst_widgets.moc"
