// SPDX-License-Identifier: GPL-3.0-or-later
// Kill -9 at random moments of every kind of job: whatever was whole stays whole, nothing half-written passes for whole, and
// the same command then finishes with the bytes of a run that nobody disturbed. RETOSCOPE_KILLS (200) says how many kills,
// RETOSCOPE_KILL_SEED repeats a run.
#include "e2e/cli_process.h"
#include "e2e/job_commands.h"
#include "e2e/project_files.h"
#include "e2e/sample_text.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QJsonArray>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <csignal>
#include <random>

namespace {

constexpr int documents = 120;
constexpr int sentencesPerDocument = 14;

/// All figures that a command reports, in order: what must not depend on being killed.
void collectFigures(const QJsonValue &value, const QString &key, QStringList &figures)
{
    static const QStringList names = {QStringLiteral("perplexity"), QStringLiteral("nll"), QStringLiteral("foss"), QStringLiteral("searches"), QStringLiteral("fingerprint")};
    if (value.isObject()) {
        const auto object = value.toObject();
        for (auto field = object.begin(); field != object.end(); ++field)
            collectFigures(field.value(), field.key(), figures);
    } else if (value.isArray()) {
        for (const auto &item : value.toArray())
            collectFigures(item, key, figures);
    } else if (names.contains(key)) {
        figures << key + QLatin1Char('=') + value.toVariant().toString();
    }
}

QStringList figuresOf(const CliResult &result)
{
    QStringList figures;
    collectFigures(result.json, {}, figures);
    return figures;
}

} // namespace

#define VERIFY_DONE(result) QVERIFY2((result).exitCode == 0, (result).transcript().constData())

class TestKill : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    QString m_trial; ///< the project at work; always at the same place, so that no path differs
    std::mt19937_64 m_random;
    int m_kills = 0, m_wanted = 200;
    qint64 m_startup = 0; ///< ms until a command begins to work
    QList<JobKind> m_jobs;

    [[nodiscard]] QString at(const QString &name) const { return m_folder.filePath(name); }
    [[nodiscard]] QStringList arguments(const QString &command) const
    {
        return QProcess::splitCommand(command) << QStringLiteral("--project") << m_trial << QStringLiteral("--json") << QStringLiteral("--threads") << QStringLiteral("1");
    }
    void restore(const QString &from)
    {
        QDir(m_trial).removeRecursively();
        copyFolder(from, m_trial);
    }
    qint64 draw(qint64 from, qint64 to) { return std::uniform_int_distribution<qint64>(from, std::max(from, to))(m_random); }

    /// Starts the command and kills it after `ms`; false when it had ended before.
    bool kill(const QString &command, qint64 ms)
    {
        auto process = startCli(arguments(command));
        process->waitForStarted();
        const bool ended = process->waitForFinished(static_cast<int>(ms));
        if (!ended) {
            ::kill(static_cast<pid_t>(process->processId()), SIGKILL);
            process->waitForFinished();
        }
        return !ended && process->exitStatus() == QProcess::CrashExit;
    }

private Q_SLOTS:
    void initTestCase();
    void everyJobSurvives_data();
    void everyJobSurvives();
    void enoughKills();
};

void TestKill::initTestCase()
{
#ifdef RETOSCOPE_SANITIZED
    QSKIP("A build with sanitizers cannot train tokenizers beside LibTorch (its protobuf is not SentencePiece's).");
#endif
    if (cliProgram().isEmpty())
        QSKIP("RETOSCOPE_CLI does not name the program; run this test with ctest.");
    QVERIFY(m_folder.isValid());
    m_trial = at(QStringLiteral("trial"));
    const QString texts = at(QStringLiteral("texts"));
    QVERIFY(writeSampleTexts(texts, documents, sentencesPerDocument));
    bool given = false;
    if (const int kills = qEnvironmentVariableIntValue("RETOSCOPE_KILLS", &given); given)
        m_wanted = kills;
    auto seed = static_cast<quint64>(qEnvironmentVariableIntValue("RETOSCOPE_KILL_SEED", &given));
    if (!given)
        seed = std::random_device()() % 1'000'000;
    m_random.seed(seed);
    qInfo("seed %llu (RETOSCOPE_KILL_SEED repeats it), %d kills", static_cast<unsigned long long>(seed), m_wanted);

    m_jobs = jobsInOrder(texts, at(QStringLiteral("model")), at(QStringLiteral("description.json")));
    QVERIFY(!m_jobs.isEmpty());
    m_jobs += importsFrom(at(QStringLiteral("exported")), at(QStringLiteral("exported/index.faiss")));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), m_trial}));
    for (int i = 0; i < 2; ++i) { // the first one still loads the program from the disk
        QElapsedTimer timer;
        timer.start();
        VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("show"), QStringLiteral("--project"), m_trial}));
        m_startup = timer.elapsed();
    }
}

void TestKill::everyJobSurvives_data()
{
    QTest::addColumn<int>("number");
    for (int i = 0; i < m_jobs.size(); ++i)
        QTest::newRow(qPrintable(m_jobs[i].name)) << i;
}

void TestKill::everyJobSurvives()
{
    QFETCH(int, number);
    const JobKind &job = m_jobs.at(number);
    const QString before = at(QStringLiteral("before")), after = at(QStringLiteral("after"));

    // The uninterrupted run: m_trial stands where the jobs before have left it.
    QDir(before).removeRecursively();
    QVERIFY(copyFolder(m_trial, before));
    QElapsedTimer timer;
    timer.start();
    const auto reference = runCli(arguments(job.command));
    const qint64 duration = timer.elapsed();
    VERIFY_DONE(reference);
    QDir(after).removeRecursively();
    QVERIFY(copyFolder(m_trial, after));
    const auto wanted = artefactFiles(after);
    if (job.name == QLatin1String("training"))
        QVERIFY(copyFolder(after + QStringLiteral("/artefacts/model/small"), at(QStringLiteral("model")))); // the pipeline's

    if (job.name == QLatin1String("trace")) { // the imports': all that they need is there
        for (const QString &line : exportsTo(at(QStringLiteral("exported"))))
            VERIFY_DONE(runCli(arguments(line)));
        QVERIFY(QFile::copy(after + QStringLiteral("/artefacts/index/lists/index.faiss"), at(QStringLiteral("exported/index.faiss"))));
    }

    const int share = (m_wanted * (number + 1)) / static_cast<int>(m_jobs.size()) - (m_wanted * number) / static_cast<int>(m_jobs.size());
    int kills = 0, late = 0;
    qint64 latest = duration; // an estimate: the machine may have been busy when it was measured
    while (kills < share) {
        restore(before);
        for (qint64 round = draw(1, 5); round > 0 && kills < share; --round) {
            const qint64 moment = draw(std::min(m_startup, latest) / 2, latest);
            if (!kill(job.command, moment)) {
                ++late;
                latest = std::min(latest, std::max(moment, m_startup / 2));
                break; // it was done
            }
            ++kills;
            ++m_kills;
            const QString context = QStringLiteral("%1, killed after %2 ms").arg(job.name).arg(moment);
            QVERIFY2(ledgerProblems(m_trial).isEmpty(), qPrintable(context + QLatin1Char(' ') + ledgerProblems(m_trial).join(QLatin1Char(' '))));
            QVERIFY2(halfWrittenArtefacts(m_trial).isEmpty(), qPrintable(context + QLatin1Char(' ') + halfWrittenArtefacts(m_trial).join(QLatin1Char(' '))));
        }
        const auto finished = runCli(arguments(job.command));
        VERIFY_DONE(finished);
        QCOMPARE(figuresOf(finished), figuresOf(reference));
        QCOMPARE(differences(wanted, artefactFiles(m_trial)), QStringList());
        QCOMPARE(ledgerProblems(m_trial), QStringList());
        QCOMPARE(unfinishedRows(m_trial), QStringList());
    }
    const auto doctor = runCli({QStringLiteral("doctor"), m_trial, QStringLiteral("--json")});
    VERIFY_DONE(doctor);
    qInfo("%s: %d kills within %lld ms, %d after the end", qPrintable(job.name), kills, static_cast<long long>(duration), late);
    restore(after); // what the next job builds on
}

void TestKill::enoughKills()
{
    QVERIFY2(m_kills >= m_wanted, qPrintable(QString::number(m_kills)));
    qInfo("%d kills", m_kills);
}

QTEST_GUILESS_MAIN(TestKill)
#include "tst_kill.moc"
