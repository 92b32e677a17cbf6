// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/ledger.h"

#include "core/support/expect_error.h"
#include "ledger/sqlite.h"

#include <sqlite3.h>

#include <QTemporaryDir>
#include <QtTest>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

RunRow someRun(const std::string &name)
{
    RunRow run;
    run.name = name;
    run.status = RunStatus::Done;
    run.method = "knnlm";
    run.config = {{"k", 8}, {"lambda", 0.25}};
    run.metrics = {{"perplexity", 12.5}};
    run.environment = {{"cpu", "test"}};
    run.command = "retoscope-cli evaluate";
    run.seconds = 0.5;
    run.tags = {"b", "a"};
    return run;
}

/// A child process that runs `body` and never comes back from it.
pid_t fork(const std::function<void()> &body)
{
    const pid_t child = ::fork();
    if (child != 0)
        return child;
    try {
        body();
    } catch (const std::exception &error) {
        fprintf(stderr, "child: %s\n", error.what());
        _exit(1);
    }
    _exit(0);
}

int exitStatusOf(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string integrityOf(const fs::path &file)
{
    sqlite3 *raw = nullptr;
    sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
    std::string result;
    const auto append = [](void *text, int, char **values, char **) {
        *static_cast<std::string *>(text) += values[0];
        return 0;
    };
    sqlite3_exec(raw, "PRAGMA integrity_check", append, &result, nullptr);
    sqlite3_close(raw);
    return result;
}

} // namespace

class TestLedger : public QObject
{
    Q_OBJECT

private:
    // In memory where that can be had: surviving kill -9 takes no disk, and thousands of commits would wait for one.
    QTemporaryDir m_folder{fs::exists("/dev/shm") ? "/dev/shm/tst_ledger-XXXXXX" : QDir::temp().filePath("tst_ledger-XXXXXX")};
    int m_count = 0;

    fs::path newFile() { return m_folder.filePath(QString("ledger%1.sqlite").arg(m_count++)).toStdString(); }

private Q_SLOTS:
    // ------------------------------------------------------------------------------------------------------ artefacts

    void artefactsGoFromBuildingToReady()
    {
        const auto file = newFile();
        const auto before = nowMs();
        std::int64_t id = 0;
        {
            Ledger ledger(file);
            const auto model = ledger.beginArtefact(ArtefactKind::Model, "gpt2", "m", {}, {});
            ledger.finishArtefact(model.id, "/models/gpt2", "fm", 10, {});
            const auto row = ledger.beginArtefact(ArtefactKind::Datastore, "ds", "h", {{"block", 512}}, {{"model", model.id, "fm"}}, "datastore build");
            QVERIFY(row.state == ArtefactState::Building);
            QVERIFY(row.fingerprint.empty());
            id = row.id;
            ledger.finishArtefact(id, "artefacts/datastore/ds", "fd", std::uint64_t(1) << 40, {{"entries", 7}});
        }
        const Ledger ledger(file, Ledger::Mode::ReadOnly);
        const auto row = ledger.artefact(id);
        QVERIFY(row);
        QVERIFY(row->kind == ArtefactKind::Datastore);
        QCOMPARE(row->name, std::string("ds"));
        QCOMPARE(row->folder, std::string("artefacts/datastore/ds"));
        QVERIFY(row->state == ArtefactState::Ready);
        QCOMPARE(row->fingerprint, std::string("fd"));
        QCOMPARE(row->requestHash, std::string("h"));
        QCOMPARE(row->bytes, std::uint64_t(1) << 40);
        QVERIFY(row->config == Json({{"block", 512}}));
        QVERIFY(row->info == Json({{"entries", 7}, {"command", "datastore build"}}));
        QVERIFY(row->createdMs >= before && row->finishedMs >= row->createdMs && row->finishedMs <= nowMs());
        QCOMPARE(row->inputs.size(), std::size_t(1));
        QCOMPARE(row->inputs[0].role, std::string("model"));
        QCOMPARE(row->inputs[0].fingerprint, std::string("fm"));
        QCOMPARE(ledger.artefacts().size(), std::size_t(2));
        QCOMPARE(ledger.artefacts(ArtefactKind::Model).size(), std::size_t(1));
    }

    void equalRequestsShareARow()
    {
        Ledger ledger(newFile());
        const auto first = ledger.beginArtefact(ArtefactKind::Index, "ix", "same", {}, {});
        QCOMPARE(ledger.beginArtefact(ArtefactKind::Index, "other name", "same", {}, {}).id, first.id);
        QVERIFY(ledger.beginArtefact(ArtefactKind::Clusters, "ix", "same", {}, {}).id != first.id);
        const auto second = ledger.beginArtefact(ArtefactKind::Index, "ix", "different", {}, {});
        QCOMPARE(second.name, std::string("ix-2"));
        QCOMPARE(ledger.beginArtefact(ArtefactKind::Index, "ix", "third", {}, {}).name, std::string("ix-3"));
        const auto nameless = ledger.beginArtefact(ArtefactKind::Index, "free", "", {}, {});
        QVERIFY(ledger.beginArtefact(ArtefactKind::Index, "free", "", {}, {}).id != nameless.id);
        EXPECT_ERROR(ledger.beginArtefact(ArtefactKind::Index, "", "h", {}, {}), ErrorKind::BadInput, "needs a name");
    }

    void failedArtefactsAreContinued()
    {
        Ledger ledger(newFile());
        const auto id = ledger.beginArtefact(ArtefactKind::Index, "ix", "h", {}, {}, "index build").id;
        ledger.failArtefact(id, "The disk is full.");
        QVERIFY(ledger.artefact(id)->state == ArtefactState::Failed);
        QCOMPARE(ledger.artefact(id)->info["error"].get<std::string>(), std::string("The disk is full."));
        const auto again = ledger.beginArtefact(ArtefactKind::Index, "ix", "h", {}, {}, "index build");
        QCOMPARE(again.id, id);
        QVERIFY(again.state == ArtefactState::Building);
        QVERIFY(!again.info.contains("error"));
    }

    void deletedArtefactsGiveTheirNameBack()
    {
        Ledger ledger(newFile());
        const auto id = ledger.beginArtefact(ArtefactKind::Index, "ix", "h", {}, {}).id;
        ledger.deleteArtefact(id);
        QVERIFY(!ledger.artefact(id));
        QCOMPARE(ledger.artefact(id, true)->name, std::string("ix"));
        QVERIFY(ledger.artefact(id, true)->deletedMs > 0);
        QVERIFY(ledger.artefacts().empty());
        const auto again = ledger.beginArtefact(ArtefactKind::Index, "ix", "h", {}, {});
        QVERIFY(again.id > id);
        QCOMPARE(again.name, std::string("ix"));
        EXPECT_ERROR(ledger.deleteArtefact(id), ErrorKind::NotFound, "no artefact #1");
        EXPECT_ERROR(ledger.finishArtefact(id, "x", "f", 0, {}), ErrorKind::NotFound, "no artefact #1");
    }

    void artefactsAreFoundByNameAndNumber()
    {
        Ledger ledger(newFile());
        ledger.beginArtefact(ArtefactKind::Trace, "t", "1", {}, {});
        ledger.beginArtefact(ArtefactKind::Trace, "1", "2", {}, {}); // a name that looks like a number
        QCOMPARE(ledger.findArtefact(ArtefactKind::Trace, "t").id, 1);
        QCOMPARE(ledger.findArtefact(ArtefactKind::Trace, "#1").id, 1);
        QCOMPARE(ledger.findArtefact(ArtefactKind::Trace, "1").id, 2);
        QCOMPARE(ledger.findArtefact(ArtefactKind::Trace, "2").id, 2);
        EXPECT_ERROR(ledger.findArtefact(ArtefactKind::Trace, "x"), ErrorKind::NotFound, "no trace 'x'", "t (#1), 1 (#2)");
        EXPECT_ERROR(ledger.findArtefact(ArtefactKind::Index, "#1"), ErrorKind::NotFound, "no index '#1'", "no other index");
    }

    void rowsMustPointAtRows()
    {
        Ledger ledger(newFile());
        EXPECT_ERROR(ledger.beginArtefact(ArtefactKind::Index, "ix", "h", {}, {{"datastore", 99, "f"}}), ErrorKind::BadInput, "FOREIGN KEY");
        QVERIFY(ledger.artefacts().empty());
        RunRow run = someRun("r");
        run.trace = 99;
        EXPECT_ERROR(ledger.addRun(run), ErrorKind::BadInput, "FOREIGN KEY");
        EXPECT_ERROR(ledger.finishArtefact(ledger.beginArtefact(ArtefactKind::Index, "ix", "h", {}, {}).id, "x", "", 0, {}), ErrorKind::BadInput, "CHECK");
    }

    // ----------------------------------------------------------------------------------------------------------- jobs

    void jobsEnd()
    {
        Ledger ledger(newFile());
        const auto id = ledger.beginJob("index build", "retoscope-cli index build");
        QVERIFY(ledger.jobs().at(0).state == JobState::Running);
        QCOMPARE(ledger.jobs().at(0).pid, std::int64_t(getpid()));
        QVERIFY(ledger.markInterruptedJobs().empty()); // this process is alive
        ledger.endJob(id, JobState::Failed, "No.");
        const auto job = ledger.jobs().at(0);
        QVERIFY(job.state == JobState::Failed);
        QCOMPARE(job.message, std::string("No."));
        QVERIFY(job.endedMs >= job.startedMs);
        EXPECT_ERROR(ledger.endJob(99, JobState::Done), ErrorKind::NotFound, "no job #99");
    }

    void jobsOfKilledProcessesAreInterrupted()
    {
        const auto file = newFile();
        Ledger(file).beginJob("mine", "");
        const pid_t child = fork([&] {
            Ledger ledger(file);
            ledger.beginJob("datastore build", "the command");
            RunRow run = someRun("half");
            run.status = RunStatus::Running;
            ledger.addRun(run);
            raise(SIGKILL);
        });
        exitStatusOf(child);
        Ledger ledger(file);
        EXPECT_ERROR(ledger.deleteRun(1), ErrorKind::BadInput, "Run #1 is still running");
        const auto jobs = ledger.markInterruptedJobs();
        QCOMPARE(jobs.size(), std::size_t(1));
        QCOMPARE(jobs[0].kind, std::string("datastore build"));
        QVERIFY(jobs[0].state == JobState::Interrupted);
        QCOMPARE(jobs[0].command, std::string("the command"));
        QVERIFY(ledger.run(1)->status == RunStatus::Failed);
        QVERIFY(!ledger.run(1)->message.empty());
        QVERIFY(ledger.markInterruptedJobs().empty());
        QVERIFY(ledger.jobs().at(0).state == JobState::Running);
    }

    void whatIsReadyDoesNotFail()
    {
        Ledger ledger(newFile());
        const auto id = ledger.beginArtefact(ArtefactKind::Index, "i", "h", {}, {}, "build").id;
        ledger.setForecast(id, {{"disk", 12}});
        QCOMPARE(ledger.artefact(id)->info["forecast"]["disk"], 12);
        ledger.finishArtefact(id, "f", "p", 3, {{"size", 1}});
        QVERIFY(!ledger.artefact(id)->info.contains("forecast"));
        ledger.failArtefact(id, "another process was faster");
        QVERIFY(ledger.artefact(id)->state == ArtefactState::Ready);
        QVERIFY(!ledger.artefact(id)->info.contains("error"));
    }

    // ----------------------------------------------------------------------------------------------- runs and curves

    void aCurveComesWithItsRunsOrNotAtAll()
    {
        Ledger ledger(newFile());
        CurveRow curve;
        curve.kind = "sweep";
        const auto added = ledger.addCurve(curve, {someRun("a"), someRun("b")}, [](CurveRow &row, const std::vector<std::int64_t> &runs) { row.data["series"] = runs; });
        QCOMPARE(added.runs.size(), std::size_t(2));
        QVERIFY(ledger.curve(added.curve)->data["series"] == Json(added.runs));
        for (const auto id : added.runs)
            QCOMPARE(ledger.run(id)->group, added.curve);
        QVERIFY_THROWS_EXCEPTION(std::runtime_error, ledger.addCurve(curve, {someRun("c")}, [](CurveRow &, const std::vector<std::int64_t> &) { throw std::runtime_error("stop"); }));
        QCOMPARE(ledger.curves().size(), std::size_t(1));
        QCOMPARE(ledger.runCount(), std::int64_t(2));
    }


    void runsComeBackWhole()
    {
        Ledger ledger(newFile());
        const auto trace = ledger.beginArtefact(ArtefactKind::Trace, "t", "h", {}, {}).id;
        CurveRow curve;
        curve.kind = "sweep";
        curve.name = "grid";
        curve.trace = trace;
        curve.config = {{"grid", "lambda=0:1:0.5"}};
        curve.command = "sweep";
        curve.id = ledger.addCurve(curve);
        RunRow run = someRun("r");
        run.trace = trace;
        run.group = curve.id;
        run.note = "n";
        run.startedMs = 1234567890123;
        const auto id = ledger.addRun(run);
        curve.data = {{"points", {{{"run", id}}}}};
        ledger.updateCurve(curve);

        const auto back = *ledger.run(id);
        QCOMPARE(back.name, run.name);
        QVERIFY(back.status == RunStatus::Done);
        QCOMPARE(back.method, run.method);
        QCOMPARE(back.trace, trace);
        QCOMPARE(back.group, curve.id);
        QVERIFY(back.config == run.config && back.metrics == run.metrics && back.environment == run.environment);
        QCOMPARE(back.command, run.command);
        QCOMPARE(back.startedMs, run.startedMs);
        QCOMPARE(back.seconds, 0.5);
        QCOMPARE(back.note, run.note);
        QVERIFY((back.tags == std::vector<std::string>{"a", "b"}));
        QVERIFY(ledger.curve(curve.id)->data == curve.data);
        QCOMPARE(ledger.curves().size(), std::size_t(1));
        QVERIFY(ledger.curves()[0].createdMs > 0);
        QVERIFY(!ledger.curve(99) && !ledger.run(99));

        ledger.addRun(someRun("alone"));
        QCOMPARE(ledger.runs({.group = curve.id}).size(), std::size_t(1));
        QCOMPARE(ledger.runs({.group = 0}).at(0).name, std::string("alone"));
    }

    void runsChange()
    {
        Ledger ledger(newFile());
        RunRow run = someRun("r");
        run.status = RunStatus::Running;
        run.metrics = Json::object();
        run.id = ledger.addRun(run);
        QVERIFY(ledger.run(run.id)->startedMs > 0);
        run.status = RunStatus::Done;
        run.metrics = {{"perplexity", 3}};
        run.seconds = 9;
        ledger.updateRun(run);
        ledger.setRunNote(run.id, "later");
        ledger.addTag(run.id, "new");
        ledger.addTag(run.id, "new");
        ledger.removeTag(run.id, "a");
        const auto back = *ledger.run(run.id);
        QVERIFY(back.status == RunStatus::Done);
        QCOMPARE(back.metrics["perplexity"].get<int>(), 3);
        QCOMPARE(back.note, std::string("later"));
        QVERIFY((back.tags == std::vector<std::string>{"b", "new"}));

        ledger.setRunArchived(run.id, true);
        QVERIFY(ledger.runs().empty());
        QCOMPARE(ledger.runs({.includeArchived = true}).size(), std::size_t(1));
        QCOMPARE(ledger.runCount(), 0);
        ledger.deleteRun(run.id);
        QCOMPARE(ledger.runCount({.includeArchived = true}), 0);
        QVERIFY(ledger.check().empty()); // its tags went with it
        EXPECT_ERROR(ledger.deleteRun(run.id), ErrorKind::NotFound, "no run #1");
        EXPECT_ERROR(ledger.addTag(run.id, "x"), ErrorKind::NotFound, "no run #1");
        EXPECT_ERROR(ledger.addTag(run.id, ""), ErrorKind::BadInput, "at least one character");
        QCOMPARE(ledger.addRun(someRun("next")), run.id + 1); // ids are never used twice
        ledger.restoreRun(back);
        QVERIFY(ledger.run(run.id)->metrics == back.metrics && ledger.run(run.id)->tags == back.tags && ledger.run(run.id)->note == back.note);
        EXPECT_ERROR(ledger.restoreRun(back), ErrorKind::BadInput, "Run #1 is in the ledger already");
        QVERIFY((ledger.runIds({.descending = true}) == std::vector<std::int64_t>{run.id + 1, run.id}));
        QVERIFY(ledger.runIds({.expression = "tag = new"}) == std::vector<std::int64_t>{run.id});
    }

    void patienceIsLimited()
    {
        const auto file = newFile();
        Ledger ledger(file, Ledger::Mode::ReadWrite, std::chrono::milliseconds(50));
        sqlite::Database lock(file, sqlite::Database::Mode::ReadWrite, 1000);
        lock.execute("BEGIN IMMEDIATE");
        EXPECT_ERROR(ledger.addRun(someRun("waits")), ErrorKind::Resource, "another");
        lock.execute("COMMIT");
        QCOMPARE(ledger.addRun(someRun("works")), 1);
    }

    void manyRunsAreOneTransaction()
    {
        Ledger ledger(newFile());
        const auto before = ledger.changeCounter();
        std::vector<RunRow> runs(100, someRun("r"));
        QCOMPARE(ledger.addRuns(runs).size(), std::size_t(100));
        QCOMPARE(ledger.changeCounter(), before + 1);
        runs[50].method.clear(); // refused by a CHECK
        EXPECT_ERROR(ledger.addRuns(runs), ErrorKind::BadInput, "CHECK");
        QCOMPARE(ledger.runCount(), 100);
        QCOMPARE(ledger.changeCounter(), before + 1);
        QVERIFY(ledger.addRuns({}).empty());
    }

    void bytesThatAreNotUtf8DoNotStopARun()
    {
        Ledger ledger(newFile());
        RunRow run = someRun("r");
        run.config = {{"path", "caf\xE9"}};
        run.metrics = {{"nll", std::numeric_limits<double>::quiet_NaN()}};
        const auto back = *ledger.run(ledger.addRun(run));
        QCOMPARE(back.config["path"].get<std::string>(), std::string("caf\xEF\xBF\xBD"));
        QVERIFY(back.metrics["nll"].is_null());
    }

    void theChangeCounterSeesOtherConnections()
    {
        const auto file = newFile();
        Ledger writer(file);
        const Ledger reader(file, Ledger::Mode::ReadOnly);
        const auto before = reader.changeCounter();
        QCOMPARE(reader.changeCounter(), before);
        const auto id = writer.addRun(someRun("r"));
        QCOMPARE(reader.changeCounter(), before + 1);
        writer.setRunNote(id, "n");
        QCOMPARE(reader.changeCounter(), before + 2);
    }

    void theLedgerIsInWalMode()
    {
        const auto file = newFile();
        const Ledger ledger(file);
        if (!ledger.journalNote().empty())
            QSKIP("The temporary folder lies on a network file system.");
        QVERIFY(fs::exists(file.string() + "-wal"));
    }

    // ------------------------------------------------------------------------------------------------ several processes

    void twoProcessesLoseNothing()
    {
        const auto file = newFile(); // both create it, too
        constexpr int each = 500;
        const auto work = [&](const std::string &who) {
            Ledger ledger(file);
            for (int i = 0; i < each; ++i) {
                ledger.addRun(someRun(who + std::to_string(i)));
                const auto row = ledger.beginArtefact(ArtefactKind::Index, i < 50 ? "shared" : who + std::to_string(i), who + std::to_string(i), {}, {});
                ledger.finishArtefact(row.id, row.name, "f" + row.name, 1, {});
            }
        };
        const pid_t a = fork([&] { work("a"); });
        const pid_t b = fork([&] { work("b"); });
        QCOMPARE(exitStatusOf(a), 0);
        QCOMPARE(exitStatusOf(b), 0);
        const Ledger ledger(file);
        QCOMPARE(ledger.runCount(), 2 * each);
        std::set<std::string> names, artefacts;
        for (const auto &run : ledger.runs())
            names.insert(run.name);
        for (const auto &row : ledger.artefacts()) {
            artefacts.insert(row.name);
            QVERIFY(row.state == ArtefactState::Ready);
        }
        QCOMPARE(names.size(), std::size_t(2 * each));
        QCOMPARE(artefacts.size(), std::size_t(2 * each));
        QVERIFY(ledger.check().empty());
        QCOMPARE(ledger.changeCounter(), 6 * each);
    }

    void equalRequestsOfTwoProcessesShareARow()
    {
        const auto file = newFile();
        const auto work = [&] {
            Ledger ledger(file);
            for (int i = 0; i < 200; ++i)
                ledger.beginArtefact(ArtefactKind::Datastore, "ds", "request " + std::to_string(i), {}, {});
        };
        const pid_t a = fork(work), b = fork(work);
        QCOMPARE(exitStatusOf(a), 0);
        QCOMPARE(exitStatusOf(b), 0);
        QCOMPARE(Ledger(file).artefacts().size(), std::size_t(200));
    }

    /// A row that was reported as written is there after kill -9, and the file is whole.
    void killedWritersLoseNothingThatWasWritten()
    {
        const auto file = newFile();
        { const Ledger ledger(file); }
        std::mt19937 random(20);
        std::int64_t written = 0;
        for (int kill = 0; kill < 40; ++kill) {
            int channel[2];
            QCOMPARE(pipe(channel), 0);
            const pid_t child = fork([&] {
                Ledger ledger(file);
                for (;;) {
                    const auto ids = ledger.addRuns({someRun("x"), someRun("y")});
                    const auto row = ledger.beginArtefact(ArtefactKind::Index, "ix", "", {}, {});
                    ledger.finishArtefact(row.id, "f", "f", 1, {});
                    if (write(channel[1], &ids.back(), sizeof ids.back()) != sizeof ids.back())
                        _exit(1);
                }
            });
            ::close(channel[1]);
            std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<>(500, 40'000)(random)));
            ::kill(child, SIGKILL);
            exitStatusOf(child);
            std::int64_t last = 0, id = 0;
            while (read(channel[0], &id, sizeof id) == sizeof id) {
                last = id;
                ++written;
            }
            ::close(channel[0]);
            QCOMPARE(integrityOf(file), std::string("ok"));
            const Ledger ledger(file);
            QVERIFY(ledger.check().empty());
            QVERIFY(last == 0 || ledger.run(last));
            QCOMPARE(ledger.runCount() % 2, 0); // pairs are written in one transaction
        }
        QVERIFY(written > 0);
        QVERIFY(Ledger(file).runCount() >= 2 * written);
    }

    // ------------------------------------------------------------------------------------------------------- bad files

    void otherFilesAreRefused()
    {
        const auto text = newFile();
        std::ofstream(text) << std::string(5000, 'x');
        EXPECT_ERROR(Ledger(text), ErrorKind::BadInput, "is not a ledger of Retoscope");
        EXPECT_ERROR(Ledger(text, Ledger::Mode::ReadOnly), ErrorKind::BadInput, "is not a ledger of Retoscope");

        const auto foreign = newFile();
        sqlite3 *raw = nullptr;
        sqlite3_open(foreign.c_str(), &raw);
        sqlite3_exec(raw, "PRAGMA application_id = 252006673; CREATE TABLE t(a)", nullptr, nullptr, nullptr);
        sqlite3_close(raw);
        EXPECT_ERROR(Ledger(foreign), ErrorKind::BadInput, "database of another program", "application id 252006673");

        EXPECT_ERROR(Ledger(newFile(), Ledger::Mode::ReadOnly), ErrorKind::NotFound, "There is no ledger", "project new");
        EXPECT_ERROR(Ledger("/nonexistent/folder/ledger.sqlite"), ErrorKind::Io, "cannot be opened", "check that its folder exists");
    }

    void newerLedgersAreRefused()
    {
        const auto file = newFile();
        { const Ledger ledger(file); }
        sqlite3 *raw = nullptr;
        sqlite3_open(file.c_str(), &raw);
        sqlite3_exec(raw, "PRAGMA user_version = 1000", nullptr, nullptr, nullptr);
        sqlite3_close(raw);
        EXPECT_ERROR(Ledger(file), ErrorKind::Mismatch, "newer Retoscope", "ledger version 1000");
    }

    void damagedLedgersAreRefused_data()
    {
        QTest::addColumn<int>("damage");
        QTest::newRow("cut in the middle") << 0;
        QTest::newRow("pages overwritten") << 1;
        QTest::newRow("header overwritten") << 2;
    }
    void damagedLedgersAreRefused()
    {
        QFETCH(int, damage);
        const auto file = newFile();
        {
            Ledger ledger(file);
            ledger.addRuns(std::vector<RunRow>(500, someRun("r")));
        }
        const auto size = fs::file_size(file);
        QVERIFY(!fs::exists(file.string() + "-wal"));
        if (damage == 0) {
            fs::resize_file(file, size / 2);
        } else {
            std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
            stream.seekp(damage == 1 ? 4096 * 4 : 20);
            stream << std::string(damage == 1 ? 4096 * 8 : 70, '\xA5');
        }
        const auto caught = test::errorOf([&] { Ledger ledger(file); });
        QVERIFY(caught);
        QVERIFY2(caught->kind == ErrorKind::Corrupt || caught->kind == ErrorKind::BadInput, qPrintable(caught->sentence));
        QVERIFY2(caught->sentence.contains("restore"), qPrintable(caught->sentence));
    }

    void readOnlyFoldersAreRefusedForWritingAndCanBeRead()
    {
        const fs::path folder = m_folder.filePath("read-only").toStdString();
        fs::create_directory(folder);
        {
            Ledger ledger(folder / "ledger.sqlite");
            ledger.addRun(someRun("r"));
        }
        chmod(m_folder.path().toUtf8(), 0755);
        chmod(folder.c_str(), 0555);
        chmod((folder / "ledger.sqlite").c_str(), 0444);
        const pid_t child = fork([&] {
            if (getuid() == 0 && setuid(65534) != 0)
                _exit(3);
            const auto refused = test::errorOf([&] { Ledger ledger(folder / "ledger.sqlite"); });
            if (!refused || refused->kind != ErrorKind::Io || !refused->sentence.contains("make the project folder writable"))
                _exit(4);
            const auto absent = test::errorOf([&] { Ledger ledger(folder / "new.sqlite"); });
            if (!absent || absent->kind != ErrorKind::Io)
                _exit(5);
            if (Ledger(folder / "ledger.sqlite", Ledger::Mode::ReadOnly).runCount() != 1)
                _exit(6);
        });
        QCOMPARE(exitStatusOf(child), 0);
        chmod(folder.c_str(), 0755);
    }

    void readOnlyLedgersRefuseToWrite()
    {
        const auto file = newFile();
        { const Ledger ledger(file); }
        Ledger ledger(file, Ledger::Mode::ReadOnly);
        EXPECT_ERROR(ledger.addRun(someRun("r")), ErrorKind::Io, "cannot be written");
    }

    void namesOfKindsAndStates()
    {
        for (const char *name : {"corpus", "tokenizer", "model", "tokens", "datastore", "index", "clusters", "trace"})
            QCOMPARE(std::string(toString(artefactKindFromString(name))), std::string(name));
        EXPECT_ERROR(artefactKindFromString("cluster"), ErrorKind::BadInput, "'cluster' is no kind of artefact", "corpus, tokenizer");
    }
};

QTEST_GUILESS_MAIN(TestLedger)
#include "tst_ledger.moc"
