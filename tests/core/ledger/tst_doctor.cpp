// SPDX-License-Identifier: GPL-3.0-or-later
// The doctor on a healthy project, and on one ailment at a time.
#include "base/atomic_file.h"
#include "ledger/doctor.h"
#include "project_world.h"

#include <QtTest>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

/// What is worse than a note, a line each.
QString complaints(Project &project, const DoctorOptions &options = {})
{
    JobControl job;
    QStringList lines;
    for (const Finding &finding : examineProject(project, options, job)) {
        const bool ofTheMachine = finding.subject == "memory" || finding.subject == "disk" || finding.subject == "processor";
        if (finding.severity >= Severity::Warning && !ofTheMachine)
            lines << QString::fromStdString(fmt::format("{} | {} | {} | {}", toString(finding.severity), finding.subject, finding.sentence, finding.remedy));
    }
    return lines.join('\n');
}

void changeByte(const fs::path &file, std::streamoff at)
{
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(at);
    const char byte = static_cast<char>(stream.get() ^ 1);
    stream.seekp(at);
    stream.put(byte);
}

} // namespace

class TestDoctor : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void theEnvironmentHasEverySubject()
    {
        const auto findings = examineEnvironment(fs::temp_directory_path());
        QStringList subjects;
        for (const Finding &finding : findings)
            subjects << QString::fromStdString(finding.subject);
        for (const char *subject : {"versions", "processor", "memory", "disk"})
            QVERIFY2(subjects.contains(subject), subject);
        QVERIFY(QString::fromStdString(findings[0].sentence).contains(QString::fromStdString(sqliteVersion())));
    }

    void aHealthyProjectHasNothing()
    {
        test::ProjectWorld world;
        JobControl job;
        QCOMPARE(complaints(world.project), QString());
        QStringList subjects;
        for (const Finding &finding : examineProject(world.project, {}, job)) {
            if (finding.severity == Severity::Ok)
                subjects << QString::fromStdString(finding.subject);
        }
        for (const char *subject : {"ledger", "corpus corpus", "tokens train", "tokens test", "datastore datastore", "index index", "clusters clusters", "trace trace"})
            QVERIFY2(subjects.contains(subject), subject);
    }

    void damagedFilesAreNamed_data()
    {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("subject");
        QTest::newRow("keys") << "datastore/datastore/keys.bin" << "error | datastore datastore";
        QTest::newRow("trace") << "trace/trace/lm_log_probs.bin" << "error | trace trace";
        QTest::newRow("text") << "corpus/corpus/text.bin" << "error | corpus corpus";
    }
    void damagedFilesAreNamed()
    {
        QFETCH(QString, file);
        QFETCH(QString, subject);
        test::ProjectWorld world;
        changeByte(world.project.folder() / "artefacts" / file.toStdString(), 100);
        const QString found = complaints(world.project);
        QVERIFY2(found.contains(subject) && found.contains(file) && found.contains("checksum differs"), qPrintable(found));
        QVERIFY2(found.contains("make " + subject.section(' ', -1)), qPrintable(found));
        DoctorOptions quick;
        quick.checksums = false;
        QVERIFY(!complaints(world.project, quick).contains("checksum"));
    }

    void vanishedAndChangedManifestsAreErrors()
    {
        test::ProjectWorld world;
        fs::remove(world.project.folderOf(world.clusters) / "manifest.json");
        changeByte(world.project.folderOf(world.train) / "manifest.json", 40);
        const QString found = complaints(world.project);
        QVERIFY2(found.contains("error | clusters clusters") && found.contains("no manifest.json"), qPrintable(found));
        QVERIFY2(found.contains("error | tokens train"), qPrintable(found));
    }

    void staleChainsComeWithTheirCommands()
    {
        test::ProjectWorld world;
        const auto place = world.project.folderOf(world.datastore);
        fs::remove_all(place);
        world.project.ledger().finishArtefact(world.datastore.id, world.datastore.folder, world.buildDatastoreIn(place, 12), 1, {});
        const QString found = complaints(world.project);
        QVERIFY2(found.contains("warning | index index | The index 'index' is stale"), qPrintable(found));
        QVERIFY2(found.contains("| make index && make trace"), qPrintable(found));
        QVERIFY2(!found.contains("datastore datastore |"), qPrintable(found));
    }

    void unfinishedWorkIsListedWithItsCommand()
    {
        test::ProjectWorld world;
        auto &ledger = world.project.ledger();
        ledger.beginArtefact(ArtefactKind::Index, "half", "h1", {}, {}, "index build half");
        ledger.failArtefact(ledger.beginArtefact(ArtefactKind::Index, "broken", "h2", {}, {}, "index build broken").id, "The disk is full.");
        const QString found = complaints(world.project);
        QVERIFY2(found.contains("warning | index half | It is not finished") && found.contains("| index build half"), qPrintable(found));
        QVERIFY2(found.contains("It could not be made: The disk is full. | index build broken"), qPrintable(found));
    }

    void jobsOfKilledProcessesAreListedUntilTheyAreRepeated()
    {
        test::ProjectWorld world;
        const pid_t child = fork();
        if (child == 0) {
            Ledger(world.project.folder() / "ledger.sqlite").beginJob("datastore build", "the same command");
            raise(SIGKILL);
        }
        waitpid(child, nullptr, 0);
        const QString found = complaints(world.project);
        QVERIFY2(found.contains("warning | job #1 | datastore build was interrupted; the same command continues it. | the same command"), qPrintable(found));
        auto &ledger = world.project.ledger();
        ledger.endJob(ledger.beginJob("datastore build", "the same command"), JobState::Done);
        QCOMPARE(complaints(world.project), QString());
    }

    void orphansAreListed()
    {
        test::ProjectWorld world;
        fs::create_directory(world.project.folder() / "artefacts/index/it's left over");
        const QString found = complaints(world.project);
        QVERIFY2(found.contains("warning | folder artefacts/index/it's left over") && found.contains("rm -r "), qPrintable(found));
    }

    void aRecallThatIsNotTrueIsAnError()
    {
        test::ProjectWorld world;
        const auto row = world.makeIndex("approximate", "IVF16,Flat", world.datastore);
        QCOMPARE(complaints(world.project), QString());
        const auto place = world.project.folderOf(row);
        const Json json = Json::parse(readFile(place / "manifest.json"));
        Manifest manifest = readManifest(place, json["format"].get<std::string>(), json["version"]);
        manifest.info["recall"]["value"] = 0.25;
        writeManifest(manifest, place);
        const QString found = complaints(world.project);
        QVERIFY2(found.contains("error | index approximate | Its recall at 8 is") && found.contains("but 0.250 was measured"), qPrintable(found));
    }

    void theWorstFindingDecides()
    {
        QVERIFY(worst({}) == Severity::Ok);
        QVERIFY(worst({{Severity::Note, "", "", ""}, {Severity::Error, "", "", ""}, {Severity::Ok, "", "", ""}}) == Severity::Error);
        const Json json = Finding{Severity::Warning, "a", "b", "c"};
        QVERIFY(json == Json({{"severity", "warning"}, {"subject", "a"}, {"sentence", "b"}, {"remedy", "c"}}));
    }
};

QTEST_GUILESS_MAIN(TestDoctor)
#include "tst_doctor.moc"
