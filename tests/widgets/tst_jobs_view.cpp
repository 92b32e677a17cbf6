// SPDX-License-Identifier: GPL-3.0-or-later
#include <QtTest> // before the core: moc 6.4 cannot parse <compare> first

#include "jobs/jobs_model.h"
#include "jobs/jobs_view.h"
#include "shell/session.h"

#include "base/error.h"

#include <QAbstractItemModelTester>
#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QTableView>
#include <QTemporaryDir>

#include <csignal>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

using namespace retoscope;

namespace {

/// A project with a text beside it.
struct Place
{
    QTemporaryDir folder;
    std::filesystem::path project = std::filesystem::path(folder.path().toStdString()) / "project";
    std::filesystem::path text = std::filesystem::path(folder.path().toStdString()) / "text.txt";

    Place()
    {
        Project::create(project);
        std::ofstream(text) << "one\n\ntwo\n\nthree\n";
    }
    [[nodiscard]] Work corpus(const std::string &name) const
    {
        return {WorkKind::AddCorpus, {{"paths", {text.string()}}, {"name", name}, {"kind", "blank-lines"}}};
    }
};

/// "title: state; …" from top to bottom.
QString printed(const JobsModel &model)
{
    QStringList rows;
    for (int row = 0; row < model.rowCount(); ++row)
        rows << model.index(row, JobsModel::Title).data().toString() + QStringLiteral(": ") + model.index(row, JobsModel::State).data().toString();
    return rows.join(QStringLiteral("; "));
}

JobManager::Body endless()
{
    return [](Project &, JobControl &control) -> JobResult {
        for (std::int64_t step = 0;; ++step) {
            control.report("turning", "turns", step % 100, 100, "round and round");
            control.checkpoint();
            QThread::msleep(1);
        }
    };
}

JobManager::Body quick(const QString &message)
{
    return [message](Project &, JobControl &) { return JobResult(message); };
}

QAction *action(const JobsView &view, const char *name)
{
    return view.findChild<QAction *>(QString::fromLatin1(name));
}

void select(const JobsView &view, int row)
{
    view.findChild<QTableView *>(QStringLiteral("jobsTable"))->selectRow(row);
}

/// A process that is killed in the middle of the work.
void killInTheMiddle(const std::filesystem::path &folder, const Work &work)
{
    const pid_t child = ::fork();
    if (child == 0) {
        Project project = Project::open(folder);
        JobControl control([](const Progress &progress) {
            if (progress.stage != "looking at the texts")
                raise(SIGKILL);
        });
        static_cast<void>(perform(project, work, {}, control));
        _exit(1); // it was not killed
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    QVERIFY(WIFSIGNALED(status));
}

} // namespace

class TestJobsView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void emptyListSaysWhatToDo()
    {
        Session session;
        JobsView view(session);
        view.QWidget::show();
        QTRY_VERIFY(view.isSettled());
        QCOMPARE(view.model().rowCount(), 0);
        QVERIFY(!view.findChild<QTableView *>(QStringLiteral("jobsTable"))->isVisible());
    }

    void runningComesBeforeWaitingBeforeFinished()
    {
        const Place place;
        Session session;
        JobsModel model(session.jobs());
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        JobManager &jobs = session.jobs();
        const int first = jobs.enqueue(QStringLiteral("first"), place.project, quick(QStringLiteral("made it")));
        QTRY_COMPARE(jobs.job(first)->state, JobInfo::State::Done);
        const int turning = jobs.enqueue(QStringLiteral("turning"), place.project, endless());
        const int a = jobs.enqueue(QStringLiteral("a"), place.project, quick({}));
        jobs.enqueue(QStringLiteral("b"), place.project, quick({}));
        QCOMPARE(printed(model), QStringLiteral("turning: ▶ running; a: ○ waiting; b: ○ waiting; first: ✓ done"));
        jobs.move(a, 1);
        QCOMPARE(printed(model), QStringLiteral("turning: ▶ running; b: ○ waiting; a: ○ waiting; first: ✓ done"));
        const QPersistentModelIndex kept = model.index(2, 0);
        jobs.cancel(turning);
        QTRY_COMPARE(printed(model), QStringLiteral("b: ✓ done; a: ✓ done; turning: ◻ cancelled; first: ✓ done"));
        QCOMPARE(kept.data().toString(), QStringLiteral("a"));
        JobRow other;
        other.id = 7;
        other.kind = "tokens";
        other.state = JobState::Running;
        model.setHistory({RecordedJob(other)});
        QVERIFY(printed(model).endsWith(QStringLiteral("first: ✓ done; tokens: ▷ running elsewhere")));
        jobs.clearFinished();
        QCOMPARE(printed(model), QStringLiteral("tokens: ▷ running elsewhere"));
        model.setHistory({});
        QCOMPARE(model.rowCount(), 0);
    }

    void progressAndTimesAreShown()
    {
        const Place place;
        Session session;
        JobsModel model(session.jobs());
        session.jobs().enqueue(QStringLiteral("turning"), place.project, endless());
        QTRY_COMPARE(model.index(0, JobsModel::ProgressColumn).data().toString(), QStringLiteral("turning"));
        QTRY_VERIFY(model.index(0, JobsModel::ProgressColumn).data(JobsModel::PermilleRole).toInt() > 0);
        QTRY_VERIFY(model.index(0, JobsModel::Rate).data().toString().endsWith(QStringLiteral("turns/s")));
        QCOMPARE(model.index(0, JobsModel::Message).data().toString(), QStringLiteral("round and round"));
        QVERIFY(!model.index(0, JobsModel::Elapsed).data().toString().isEmpty());
        session.jobs().cancelAll();
        QTRY_VERIFY(!session.jobs().isBusy());
        QVERIFY(!model.index(0, JobsModel::ProgressColumn).data(JobsModel::PermilleRole).isValid());
    }

    void cancelPauseAndResumeByKeys()
    {
        const Place place;
        Session session;
        session.openProject(place.project);
        JobsView view(session);
        view.resize(1000, 300);
        view.QWidget::show();
        QVERIFY(QTest::qWaitForWindowExposed(&view));
        const int running = session.jobs().enqueue(QStringLiteral("turning"), place.project, endless());
        const int waiting = session.jobs().enqueue(QStringLiteral("waiting"), place.project, quick({}));
        QTRY_COMPARE(session.jobs().job(running)->state, JobInfo::State::Running);
        auto *table = view.findChild<QTableView *>(QStringLiteral("jobsTable"));
        table->setFocus();
        select(view, 0);
        QTest::keyClick(table, Qt::Key_Space);
        QCOMPARE(session.jobs().job(running)->state, JobInfo::State::Paused);
        QCOMPARE(action(view, "jobPause")->text(), QStringLiteral("Resume"));
        QTest::qWait(60); // what was on its way when the pause came
        const auto held = session.jobs().job(running)->progress.done;
        QTest::qWait(100);
        QCOMPARE(session.jobs().job(running)->progress.done, held);
        QTest::keyClick(table, Qt::Key_Space);
        QTRY_VERIFY(session.jobs().job(running)->progress.done != held);
        select(view, 1);
        QTest::keyClick(table, Qt::Key_Delete); // a waiting job goes at once
        QCOMPARE(session.jobs().job(waiting)->state, JobInfo::State::Cancelled);
        select(view, 0);
        QElapsedTimer clock;
        clock.start();
        QTest::keyClick(table, Qt::Key_Delete);
        QTRY_COMPARE(session.jobs().job(running)->state, JobInfo::State::Cancelled);
        QVERIFY(session.jobs().job(running)->message.contains(QStringLiteral("continues")));
    }

    void pausedJobsAreCancelledToo()
    {
        const Place place;
        Session session;
        const int id = session.jobs().enqueue(QStringLiteral("turning"), place.project, endless());
        session.jobs().setPaused(id, true);
        session.jobs().cancel(id);
        QTRY_COMPARE(session.jobs().job(id)->state, JobInfo::State::Cancelled);
    }

    void waitingJobsAreReordered()
    {
        const Place place;
        Session session;
        session.openProject(place.project);
        JobsView view(session);
        view.QWidget::show();
        QVERIFY(QTest::qWaitForWindowExposed(&view));
        for (const char *name : {"turning", "a", "b", "c"})
            session.jobs().enqueue(QString::fromLatin1(name), place.project, endless());
        select(view, 3);
        auto *table = view.findChild<QTableView *>(QStringLiteral("jobsTable"));
        table->setFocus();
        QTest::keyClick(table, Qt::Key_Up, Qt::ControlModifier);
        QTRY_COMPARE(printed(view.model()), QStringLiteral("turning: ▶ running; a: ○ waiting; c: ○ waiting; b: ○ waiting"));
        QCOMPARE(table->currentIndex().row(), 2); // it follows the job
        QTest::keyClick(table, Qt::Key_Up, Qt::ControlModifier);
        QTRY_COMPARE(printed(view.model()), QStringLiteral("turning: ▶ running; c: ○ waiting; a: ○ waiting; b: ○ waiting"));
        QTest::keyClick(table, Qt::Key_Up, Qt::ControlModifier); // not before what runs
        QCOMPARE(printed(view.model()), QStringLiteral("turning: ▶ running; c: ○ waiting; a: ○ waiting; b: ○ waiting"));
        QVERIFY(!action(view, "jobContinue")->isEnabled());
    }

    void workIsShownWithItsCommandLogAndResult()
    {
        const Place place;
        Session session;
        session.openProject(place.project);
        JobsView view(session);
        view.QWidget::show();
        const int id = session.jobs().enqueue(place.corpus("texts"), place.project, {});
        QTRY_COMPARE(session.jobs().job(id)->state, JobInfo::State::Done);
        QTRY_VERIFY(view.isSettled());
        QCOMPARE(printed(view.model()), QStringLiteral("Add a corpus: texts: ✓ done")); // the ledger's row of it is not shown again
        QVERIFY(session.jobs().job(id)->message.contains(QStringLiteral("3 documents")));
        const QString command = QStringLiteral("retoscope-cli corpus add %1 --name texts --kind blank-lines --project %2")
                                    .arg(QString::fromStdString(place.text.string()), QString::fromStdString(place.project.string()));
        QCOMPARE(view.findChild<QLineEdit *>(QStringLiteral("jobCommand"))->text(), command);
        QVERIFY(view.findChild<QPlainTextEdit *>(QStringLiteral("jobLog"))->toPlainText().contains(QStringLiteral("3 documents")));
        action(view, "jobCopy")->trigger();
        QCOMPARE(QApplication::clipboard()->text(), command);
        QVERIFY(action(view, "jobOpen")->isEnabled());
        QTRY_VERIFY(session.project() && session.project()->artefacts.size() == 1);
        action(view, "jobClear")->trigger();
        QCOMPARE(view.model().rowCount(), 0);
    }

    void failuresAreSentences()
    {
        const Place place;
        Session session;
        session.openProject(place.project);
        JobsView view(session);
        Work work = place.corpus("texts");
        std::filesystem::remove(place.text);
        const int id = session.jobs().enqueue(work, place.project, {});
        QTRY_COMPARE(session.jobs().job(id)->state, JobInfo::State::Failed);
        QVERIFY(session.jobs().job(id)->message.contains(QStringLiteral("does not exist")));
        std::ofstream(place.text) << ""; // there now, but empty
        select(view, 0);
        QVERIFY(action(view, "jobContinue")->isEnabled());
        action(view, "jobContinue")->trigger();
        const int second = session.jobs().jobs().back().id;
        QTRY_COMPARE(session.jobs().job(second)->state, JobInfo::State::Failed);
        QVERIFY(session.jobs().job(second)->message != session.jobs().job(id)->message);
        std::ofstream(place.text) << "now\n\nthere\n";
        select(view, 0);
        action(view, "jobContinue")->trigger();
        QTRY_COMPARE(session.jobs().jobs().back().state, JobInfo::State::Done);
    }

    void projectThatVanishedIsASentence()
    {
        Session session;
        const int id = session.jobs().enqueue(QStringLiteral("lost"), "/not/there", quick({}));
        QTRY_COMPARE(session.jobs().job(id)->state, JobInfo::State::Failed);
        QVERIFY(session.jobs().job(id)->message.contains(QStringLiteral("/not/there")));
    }

    void killedJobsOfEarlierSessionsContinue()
    {
        const Place place;
        killInTheMiddle(place.project, place.corpus("texts"));
        if (QTest::currentTestFailed())
            return;
        Session session;
        session.openProject(place.project);
        JobsView view(session);
        view.QWidget::show();
        QTRY_COMPARE(printed(view.model()), QStringLiteral("Add a corpus: texts: ⚠ interrupted"));
        select(view, 0);
        QVERIFY(action(view, "jobContinue")->isEnabled());
        action(view, "jobContinue")->trigger();
        QTRY_COMPARE(session.jobs().jobs().back().state, JobInfo::State::Done);
        const Project project = Project::open(place.project);
        QCOMPARE(project.ledger().artefacts(ArtefactKind::Corpus).size(), std::size_t(1)); // the same one went on
        QTRY_VERIFY(view.isSettled());
        QVERIFY(!view.model().canContinue(view.model().rowCount() - 1));
    }

    void tableIsExported()
    {
        const Place place;
        Session session;
        session.openProject(place.project);
        JobsView view(session);
        const int id = session.jobs().enqueue(QStringLiteral("quick"), place.project, quick(QStringLiteral("made")));
        QTRY_COMPARE(session.jobs().job(id)->state, JobInfo::State::Done);
        for (const char *suffix : {"csv", "md", "tex", "png", "svg", "pdf"}) {
            const QString file = place.folder.filePath(QStringLiteral("jobs.") + QString::fromLatin1(suffix));
            view.exportTo(file, QSize(800, 300));
            QVERIFY2(QFileInfo(file).size() > 20, suffix);
        }
        QVERIFY_THROWS_EXCEPTION(Error, view.exportTo(place.folder.filePath(QStringLiteral("jobs.doc")), QSize(800, 300)));
    }
};

QTEST_MAIN(TestJobsView)
#include "tst_jobs_view.moc"
