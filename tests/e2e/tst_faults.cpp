// SPDX-License-Identifier: GPL-3.0-or-later
// What the machine can do to a job: a full disk, a folder that may only be read, a file that is cut short while it is mapped
// or vanishes, a clock that was set back, a second build of the same thing. Each is a sentence, and what was made before
// stays as it is.
#include "e2e/cli_process.h"
#include "e2e/job_commands.h"
#include "e2e/project_files.h"
#include "e2e/sample_text.h"

#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

namespace {

constexpr int documents = 60;
constexpr int sentencesPerDocument = 14;
constexpr int builds = 7; ///< the first jobs of jobsInOrder(): those that make artefacts

/// A small file system in memory; needs the right to mount.
class SmallDisk
{
public:
    SmallDisk(const QString &folder, qint64 bytes) : m_folder(folder)
    {
        QDir().mkpath(folder);
        m_mounted = ::mount("tmpfs", folder.toUtf8().constData(), "tmpfs", 0, options(bytes).constData()) == 0;
        m_reason = std::strerror(errno);
    }
    ~SmallDisk()
    {
        if (m_mounted)
            ::umount2(m_folder.toUtf8().constData(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk &) = delete;
    SmallDisk &operator=(const SmallDisk &) = delete;

    [[nodiscard]] bool mounted() const { return m_mounted; }
    [[nodiscard]] const char *reason() const { return m_reason.constData(); }
    bool change(qint64 bytes, unsigned long flags = 0) { return ::mount("tmpfs", m_folder.toUtf8().constData(), "tmpfs", MS_REMOUNT | flags, options(bytes).constData()) == 0; }

private:
    static QByteArray options(qint64 bytes) { return "size=" + QByteArray::number(bytes); }
    QString m_folder;
    QByteArray m_reason;
    bool m_mounted = false;
};

qint64 bytesOf(const QString &folder)
{
    qint64 bytes = 0;
    constexpr qint64 page = 4096; // what a file takes of a file system in memory
    for (const auto &entry : QDir(folder).entryInfoList(QDir::AllEntries | QDir::NoDotAndDotDot | QDir::Hidden))
        bytes += entry.isDir() ? bytesOf(entry.filePath()) : (entry.size() + page - 1) / page * page;
    return bytes;
}

CliResult runLimited(const QStringList &arguments, const std::function<void()> &inChild)
{
    QProcess process;
    auto environment = QProcessEnvironment::systemEnvironment();
    environment.remove(QStringLiteral("RETOSCOPE_PROJECT"));
    process.setProcessEnvironment(environment);
    process.setChildProcessModifier(inChild);
    process.start(cliProgram(), arguments);
    return finishCli(process);
}

/// A failure with a sentence, not a crash: exit code 1, an error object, and no word of an "unexpected error".
bool isSentence(const CliResult &result)
{
    const auto message = result.json.value(QStringLiteral("error")).toObject().value(QStringLiteral("message")).toString();
    return result.exitCode == 1 && result.isJson && message.size() > 20 && !message.contains(QLatin1String("unexpected"));
}

} // namespace

#define VERIFY_DONE(result) QVERIFY2((result).exitCode == 0, (result).transcript().constData())
#define VERIFY_SENTENCE(result, mentions) \
    QVERIFY2(isSentence(result) && (result).err.contains(mentions), (result).transcript().constData())

class TestFaults : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    QList<JobKind> m_jobs;
    QString m_whole; ///< a project in which every artefact was made

    [[nodiscard]] QString at(const QString &name) const { return m_folder.filePath(name); }
    static QStringList arguments(const QString &command, const QString &project)
    {
        return QProcess::splitCommand(command) << QStringLiteral("--project") << project << QStringLiteral("--json") << QStringLiteral("--threads") << QStringLiteral("2");
    }
    [[nodiscard]] QString before(int job) const { return at(QStringLiteral("before-%1").arg(job)); }
    static void buildRows()
    {
        QTest::addColumn<int>("job");
        const char *names[] = {"corpus", "tokenizer", "training", "datastore", "index", "clusters", "trace"};
        for (int i = 0; i < builds; ++i)
            QTest::newRow(names[i]) << i;
    }
    /// Everything that stood there before the job stands there still.
    [[nodiscard]] QStringList lost(int job, const QString &project) const
    {
        const auto was = artefactFiles(before(job)), is = artefactFiles(project);
        QStringList lines;
        for (auto file = was.begin(); file != was.end(); ++file) {
            if (is.value(file.key()) != file.value())
                lines << file.key();
        }
        return lines + ledgerProblems(project) + halfWrittenArtefacts(project);
    }

private Q_SLOTS:
    void initTestCase();
    void fullDisk_data() { buildRows(); }
    void fullDisk();
    void forecastThatDoesNotFit();
    void limitOnFileSizes_data() { buildRows(); }
    void limitOnFileSizes();
    void readOnlyProject();
    void fileCutShortUnderAMap();
    void fileVanishingUnderAMap();
    void clockSetBack();
    void twoBuildsOfOneThing_data() { buildRows(); }
    void twoBuildsOfOneThing();
    void differentJobsAtOnce();
};

void TestFaults::initTestCase()
{
#ifdef RETOSCOPE_SANITIZED
    QSKIP("A build with sanitizers cannot train tokenizers beside LibTorch (its protobuf is not SentencePiece's).");
#endif
    if (cliProgram().isEmpty())
        QSKIP("RETOSCOPE_CLI does not name the program; run this test with ctest.");
    QVERIFY(m_folder.isValid());
    const QString texts = at(QStringLiteral("texts"));
    QVERIFY(writeSampleTexts(texts, documents, sentencesPerDocument));
    m_whole = at(QStringLiteral("whole"));
    m_jobs = jobsInOrder(texts, m_whole + QStringLiteral("/artefacts/model/small"), at(QStringLiteral("description.json")));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), m_whole}));
    for (int i = 0; i < builds; ++i) {
        QVERIFY(copyFolder(m_whole, before(i)));
        VERIFY_DONE(runCli(arguments(m_jobs[i].command, m_whole)));
    }
}

void TestFaults::fullDisk()
{
    QFETCH(int, job);
    const QString disk = at(QStringLiteral("disk-%1").arg(job)), project = disk + QStringLiteral("/project");
    constexpr qint64 enough = 64 << 20, little = 48 << 10;
    SmallDisk small(disk, enough);
    if (!small.mounted())
        QSKIP(qPrintable(QStringLiteral("A small file system cannot be mounted here (%1); limitOnFileSizes stands for this.").arg(QLatin1String(small.reason()))));
    QVERIFY(copyFolder(before(job), project));
    QVERIFY(small.change(bytesOf(disk) + little));
    const QString command = m_jobs[job].command + (job >= 2 ? QStringLiteral(" --force") : QString());
    const auto failed = runCli(arguments(command, project));
    VERIFY_SENTENCE(failed, "space");
    QCOMPARE(lost(job, project), QStringList());

    QVERIFY(small.change(enough));
    VERIFY_DONE(runCli(arguments(command, project)));
    const QString after = job + 1 < builds ? before(job + 1) : m_whole;
    QCOMPARE(differences(artefactFiles(after), artefactFiles(project)), QStringList());
}

void TestFaults::forecastThatDoesNotFit()
{
    const int datastore = 3;
    const QString disk = at(QStringLiteral("tight")), project = disk + QStringLiteral("/project");
    constexpr qint64 enough = 64 << 20, forTheTokens = 640 << 10;
    SmallDisk small(disk, enough);
    if (!small.mounted())
        QSKIP("A small file system cannot be mounted here.");
    QVERIFY(copyFolder(before(datastore), project));
    // The tokens fit and the ledger's journal, the wide keys do not.
    const QString command = m_jobs[datastore].command + QStringLiteral(" --key-type fp32");
    QVERIFY(small.change(bytesOf(disk) + forTheTokens));
    const auto refused = runCli(arguments(command, project));
    VERIFY_SENTENCE(refused, "--force");
    QVERIFY2(refused.err.contains("entries") && refused.err.contains("on disk") && refused.err.contains("left"), refused.err.constData());
    QCOMPARE(refused.json.value(QStringLiteral("error")).toObject().value(QStringLiteral("kind")).toString(), QStringLiteral("resource"));
    QCOMPARE(lost(datastore, project), QStringList());
    const auto forced = runCli(arguments(command + QStringLiteral(" --force"), project));
    QVERIFY2(!forced.err.contains("--force to try"), forced.err.constData()); // tries, and then may find the disk full
}

void TestFaults::limitOnFileSizes()
{
    QFETCH(int, job);
    const QString project = at(QStringLiteral("limited"));
    QDir(project).removeRecursively();
    QVERIFY(copyFolder(before(job), project));
    // The ledger may grow; the artefact's first large file may not.
    const auto limit = static_cast<rlim_t>(QFileInfo(project + QStringLiteral("/ledger.sqlite")).size() + (4 << 10));
    const auto failed = runLimited(arguments(m_jobs[job].command, project), [limit] {
        const rlimit both{limit, limit};
        ::setrlimit(RLIMIT_FSIZE, &both);
    });
    if (failed.exitCode != 0)
        VERIFY_SENTENCE(failed, ".");
    QCOMPARE(lost(job, project), QStringList());
    VERIFY_DONE(runCli(arguments(m_jobs[job].command, project)));
    QCOMPARE(differences(artefactFiles(job + 1 < builds ? before(job + 1) : m_whole), artefactFiles(project)), QStringList());
}

void TestFaults::readOnlyProject()
{
    const QString disk = at(QStringLiteral("read-only")), project = disk + QStringLiteral("/project");
    constexpr qint64 enough = 64 << 20;
    SmallDisk small(disk, enough);
    std::function<void()> inChild = [] {};
    if (small.mounted()) {
        QVERIFY(copyFolder(m_whole, project));
        QVERIFY(small.change(enough, MS_RDONLY));
    } else {
        if (::geteuid() == 0)
            QSKIP("The superuser may write everywhere, and nothing can be mounted here.");
        QVERIFY(copyFolder(m_whole, project));
        QVERIFY(QProcess::execute(QStringLiteral("chmod"), {QStringLiteral("-R"), QStringLiteral("a-w"), project}) == 0);
    }
    // What only reads goes on; what writes says that it cannot.
    for (const char *command : {"project show", "runs list", "doctor"}) {
        const auto read = runLimited(arguments(QLatin1String(command), project), inChild);
        VERIFY_DONE(read);
    }
    for (const QString &command : {QStringLiteral("evaluate --trace test"), QStringLiteral("index build --datastore keys --factory exact"), m_jobs[0].command + QStringLiteral("2"),
                                   QStringLiteral("foss --trace test --points 3")}) {
        const auto refused = runLimited(arguments(command, project), inChild);
        QVERIFY2(isSentence(refused) || refused.exitCode == 0, refused.transcript().constData());
        QVERIFY2(refused.exitCode != 0, qPrintable(command));
    }
    if (!small.mounted())
        QProcess::execute(QStringLiteral("chmod"), {QStringLiteral("-R"), QStringLiteral("u+w"), project});
    QCOMPARE(differences(artefactFiles(m_whole), artefactFiles(project)), QStringList());
}

namespace {

/// Waits until the process has mapped the file.
bool waitForMapping(qint64 pid, const QString &file)
{
    for (int attempt = 0; attempt < 4000; ++attempt) {
        QFile maps(QStringLiteral("/proc/%1/maps").arg(pid));
        if (!maps.open(QIODevice::ReadOnly))
            return false;
        if (maps.readAll().contains(file.toUtf8()))
            return true;
        QTest::qSleep(1);
    }
    return false;
}

} // namespace

void TestFaults::fileCutShortUnderAMap()
{
    const QString project = at(QStringLiteral("cut"));
    QVERIFY(copyFolder(m_whole, project));
    const QString keys = project + QStringLiteral("/artefacts/datastore/keys/keys.bin");
    // Fine grids keep it busy; it is stopped as soon as it has mapped the keys, and cannot go on without them.
    auto process = startCli(arguments(QStringLiteral("sweep --trace test --method retomaton --grid lambda=0.01:0.99:0.01;min_knns=1,2,4,8,16,32"), project));
    process->waitForStarted();
    QVERIFY(waitForMapping(process->processId(), keys));
    const auto pid = static_cast<pid_t>(process->processId());
    ::kill(pid, SIGSTOP);
    QVERIFY(::truncate(keys.toUtf8().constData(), 0) == 0);
    ::kill(pid, SIGCONT);
    const auto result = finishCli(*process);
    VERIFY_SENTENCE(result, "keys.bin");
    QCOMPARE(ledgerProblems(project), QStringList());
    // The same again refuses before it begins.
    VERIFY_SENTENCE(runCli(arguments(QStringLiteral("evaluate --trace test"), project)), "keys.bin is 0 bytes long");
    // And the command that made the keys makes them again, byte for byte.
    VERIFY_DONE(runCli(arguments(m_jobs[3].command, project)));
    QCOMPARE(differences(artefactFiles(m_whole), artefactFiles(project)), QStringList());
    VERIFY_DONE(runCli(arguments(QStringLiteral("evaluate --trace test"), project)));
}

void TestFaults::fileVanishingUnderAMap()
{
    const QString project = at(QStringLiteral("vanished"));
    QVERIFY(copyFolder(m_whole, project));
    const QString keys = project + QStringLiteral("/artefacts/datastore/keys/keys.bin");
    auto process = startCli(arguments(QStringLiteral("sweep --trace test --method retomaton --grid lambda=0.01:0.99:0.01;min_knns=1,2,4,8,16,32"), project));
    process->waitForStarted();
    QVERIFY(waitForMapping(process->processId(), keys));
    QVERIFY(QFile::remove(keys));
    const auto result = finishCli(*process);
    QVERIFY2(result.exitCode == 0 || isSentence(result), result.transcript().constData()); // what is mapped stays readable
    VERIFY_SENTENCE(runCli(arguments(QStringLiteral("evaluate --trace test"), project)), "keys.bin");
    VERIFY_DONE(runCli(arguments(m_jobs[3].command, project)));
    QCOMPARE(differences(artefactFiles(m_whole), artefactFiles(project)), QStringList());
}

void TestFaults::clockSetBack()
{
    const QString project = at(QStringLiteral("clock"));
    QVERIFY(copyFolder(m_whole, project));
    VERIFY_DONE(runCli(arguments(QStringLiteral("evaluate --trace test --lambda 0.2"), project)));
    const int known = runCli(arguments(QStringLiteral("runs list"), project)).json.value(QStringLiteral("total")).toInt();
    QVERIFY(known > 0);
    QVERIFY(shiftTimes(project, 400LL * 24 * 3600 * 1000)); // all that was done was done next year
    for (int i = 0; i < builds; ++i)
        VERIFY_DONE(runCli(arguments(m_jobs[i].command, project)));
    QCOMPARE(differences(artefactFiles(m_whole), artefactFiles(project)), QStringList());
    VERIFY_DONE(runCli(arguments(QStringLiteral("evaluate --trace test --lambda 0.7"), project)));
    const auto runs = runCli(arguments(QStringLiteral("runs list"), project));
    VERIFY_DONE(runs);
    QCOMPARE(runs.json.value(QStringLiteral("total")).toInt(), 2 * known);
    VERIFY_DONE(runCli(arguments(m_jobs.last().command, project)));
    VERIFY_DONE(runCli(arguments(m_jobs.last().command, project)));
    const auto doctor = runCli(arguments(QStringLiteral("doctor"), project));
    VERIFY_DONE(doctor);
    QVERIFY2(doctor.out.contains("was set back"), doctor.out.constData());
}

void TestFaults::twoBuildsOfOneThing()
{
    QFETCH(int, job);
    const QString project = at(QStringLiteral("two"));
    QDir(project).removeRecursively();
    QVERIFY(copyFolder(before(job), project));
    auto one = startCli(arguments(m_jobs[job].command, project)), other = startCli(arguments(m_jobs[job].command, project));
    const auto oneDone = finishCli(*one), otherDone = finishCli(*other);
    QVERIFY2(oneDone.exitCode == 0 || otherDone.exitCode == 0, (oneDone.transcript() + otherDone.transcript()).constData());
    for (const auto &done : {oneDone, otherDone})
        QVERIFY2(done.exitCode == 0 || (isSentence(done) && done.err.contains("another process")), done.transcript().constData());
    QCOMPARE(differences(artefactFiles(job + 1 < builds ? before(job + 1) : m_whole), artefactFiles(project)), QStringList());
    QCOMPARE(ledgerProblems(project), QStringList());
    QCOMPARE(unfinishedRows(project), QStringList());
}

void TestFaults::differentJobsAtOnce()
{
    const QString project = at(QStringLiteral("many"));
    QVERIFY(copyFolder(m_whole, project));
    std::vector<std::unique_ptr<QProcess>> processes;
    for (const char *command : {"index build --datastore keys --factory IVF8,Flat", "cluster build --datastore keys --states 30 --iterations 8", "sweep --trace test --grid lambda=0.1:0.9:0.1",
                                "foss --trace test --points 4", "evaluate --trace test --lambda 0.3"})
        processes.push_back(startCli(arguments(QLatin1String(command) + (QLatin1String(command).startsWith(QLatin1String("index")) || QLatin1String(command).startsWith(QLatin1String("cluster"))
                                                                             ? QString()
                                                                             : QStringLiteral(" --clusters states")),
                                               project)));
    for (const auto &process : processes)
        VERIFY_DONE(finishCli(*process));
    QCOMPARE(ledgerProblems(project), QStringList());
    QCOMPARE(unfinishedRows(project), QStringList());
    QCOMPARE(halfWrittenArtefacts(project), QStringList());
}

QTEST_GUILESS_MAIN(TestFaults)
#include "tst_faults.moc"
