// SPDX-License-Identifier: GPL-3.0-or-later
// Parts that do not belong together are refused by every command, with the field, both values and what would fit; what
// became stale is listed by the doctor with the commands that renew it, and those commands do; and each check of the doctor
// fails when what it checks is broken.
#include "e2e/cli_process.h"
#include "e2e/project_files.h"
#include "e2e/sample_text.h"

#include "base/manifest.h"

#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonObject>
#include <QRegularExpression>
#include <QScopeGuard>
#include <QSet>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <cstdint>
#include <functional>

namespace {

constexpr int documents = 40;
constexpr int sentencesPerDocument = 12;

} // namespace

#define VERIFY_DONE(result) QVERIFY2((result).exitCode == 0, (result).transcript().constData())

class TestTrust : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    QString m_whole;   ///< two models a and b, each with its datastore, index, clusters and trace of the same name
    QString m_project; ///< a copy of it, a new one for each test

    [[nodiscard]] QString at(const QString &name) const { return m_folder.filePath(name); }
    [[nodiscard]] CliResult call(const QString &command) const
    {
        return runCli(QProcess::splitCommand(command) << QStringLiteral("--project") << m_project << QStringLiteral("--json") << QStringLiteral("--threads") << QStringLiteral("2"));
    }
    void useCopy()
    {
        m_project = at(QStringLiteral("copy"));
        QDir(m_project).removeRecursively();
        QVERIFY(copyFolder(m_whole, m_project));
    }
    [[nodiscard]] QString artefact(const QString &kind, const QString &name) const { return QStringLiteral("%1/artefacts/%2/%3").arg(m_project, kind, name); }
    /// The doctor's findings that are worse than a note, a line each: "error | index a | … | remedy".
    [[nodiscard]] QStringList complaints() const
    {
        QStringList lines;
        const auto doctor = call(QStringLiteral("doctor"));
        for (const auto &value : doctor.json.value(QStringLiteral("findings")).toArray()) {
            const auto finding = value.toObject();
            const auto text = [&](const char *field) { return finding.value(QLatin1String(field)).toString(); };
            const bool machine = QStringList{QStringLiteral("memory"), QStringLiteral("disk"), QStringLiteral("processor")}.contains(text("subject"));
            if ((text("severity") == QLatin1String("warning") || text("severity") == QLatin1String("error")) && !machine)
                lines << QStringList{text("severity"), text("subject"), text("sentence"), text("remedy")}.join(QStringLiteral(" | "));
        }
        if (!doctor.isJson)
            lines << QString::fromUtf8(doctor.transcript());
        return lines;
    }
    /// Changes a file of an artefact and the manifest with it, as somebody would who does not want to be caught.
    bool tamper(const QString &kind, const QString &name, const QString &file, const std::function<void(QByteArray &)> &change) const
    {
        const QString folder = artefact(kind, name);
        QFile data(folder + QLatin1Char('/') + file);
        if (!data.open(QIODevice::ReadWrite))
            return false;
        QByteArray bytes = data.readAll();
        change(bytes);
        data.seek(0);
        data.write(bytes);
        data.close();
        auto manifest = retoscope::readManifest(folder.toStdString(), {}, 1);
        retoscope::addFile(manifest, folder.toStdString(), file.toStdString());
        retoscope::writeManifest(manifest, folder.toStdString());
        return true;
    }

private Q_SLOTS:
    void initTestCase();
    void partsOfOthersAreRefused_data();
    void partsOfOthersAreRefused();
    void aHealthyProjectSaysWhatWasChecked();
    void brokenChecksAreErrors_data();
    void brokenChecksAreErrors();
    void aChangedModelMakesAChainStale();
    void changedTextsAreNoticed();
    void damagedArtefactsAreMadeAgain();
    void unfinishedPartsAreRefused();
};

void TestTrust::initTestCase()
{
#ifdef RETOSCOPE_SANITIZED
    QSKIP("A build with sanitizers cannot train tokenizers beside LibTorch (its protobuf is not SentencePiece's).");
#endif
    if (cliProgram().isEmpty())
        QSKIP("RETOSCOPE_CLI does not name the program; run this test with ctest.");
    QVERIFY(m_folder.isValid());
    QVERIFY(writeSampleTexts(at(QStringLiteral("texts")), documents, sentencesPerDocument));
    // The models are made in a project of their own: here they come from outside and can be changed there.
    const QString corpusAdd = QStringLiteral("corpus add %1 --name texts --split train=0.7,validation=0.15,test=0.15").arg(at(QStringLiteral("texts")));
    m_project = at(QStringLiteral("training"));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), m_project}));
    VERIFY_DONE(call(corpusAdd));
    VERIFY_DONE(call(QStringLiteral("tokenizer train --corpus texts --vocabulary 320 --name pieces")));
    for (const char *model : {"a", "b", "c"}) { // c's weights are put in place of a's
        VERIFY_DONE(call(QStringLiteral("train --corpus texts --tokenizer pieces --name %1 --layers 1 --hidden 16 --heads 2 --context 64 --sequence 32 --batch 4 --steps 5 "
                                        "--evaluate-every 5 --compute fp32 --seed %2").arg(QLatin1String(model)).arg(int(*model))));
        QVERIFY(copyFolder(artefact(QStringLiteral("model"), QLatin1String(model)), at(QStringLiteral("model-") + QLatin1String(model))));
    }
    m_whole = m_project = at(QStringLiteral("whole"));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), m_whole}));
    VERIFY_DONE(call(corpusAdd));
    for (const char *model : {"a", "b"}) {
        const auto with = [&](const char *text) { return QString::fromLatin1(text).replace(QLatin1Char('$'), QLatin1String(model)); };
        VERIFY_DONE(call(with("model add %1 --name $").arg(at(with("model-$")))));
        VERIFY_DONE(call(with("datastore build --model $ --corpus texts:train --block 32 --stride 16 --name $")));
        VERIFY_DONE(call(with("index build --datastore $ --factory IVF4,Flat --name $")));
        VERIFY_DONE(call(with("cluster build --datastore $ --states 20 --iterations 3 --name $")));
        VERIFY_DONE(call(with("trace record --model $ --corpus texts:test --datastore $ --index $ --k 16 --block 32 --stride 16 --name $")));
    }
}

void TestTrust::partsOfOthersAreRefused_data()
{
    QTest::addColumn<QString>("command");
    QTest::addColumn<QString>("field");
    QTest::addColumn<QString>("fits"); ///< what the sentence offers
    const auto row = [](const char *name, const char *command, const char *field, const char *fits) {
        QTest::newRow(name) << QString::fromLatin1(command) << QString::fromLatin1(field) << QString::fromLatin1(fits);
    };
    row("trace: another model", "trace record --model b --corpus texts:test --datastore a --index a --k 4 --name t", "fingerprint of its model", "the model 'a'");
    row("trace: another index", "trace record --model a --corpus texts:test --datastore a --index b --k 4 --name t", "fingerprint of its datastore", "the index 'a'");
    row("trace: another datastore", "trace record --model a --corpus texts:test --datastore b --index b --k 4 --name t", "fingerprint of its model", "the datastore 'a'");
    row("evaluate: other clusters", "evaluate --trace a --method retomaton --clusters b", "belongs to the datastore 'b'", "what fits is a");
    row("evaluate live: other clusters", "evaluate --trace a --method retomaton --clusters b --live", "belongs to the datastore 'b'", "what fits is a");
    row("sweep: other clusters", "sweep --trace b --grid lambda=0.1,0.2 --method retomaton --clusters a", "belongs to the datastore 'a'", "what fits is b");
    row("foss: other clusters", "foss --trace b --points 3 --clusters a", "belongs to the datastore 'a'", "what fits is b");
    row("generate: another datastore", "generate --model a --prompt the --method knnlm --datastore b", "fingerprint of its model", "the model 'b'");
    row("generate: another index", "generate --model a --prompt the --method knnlm --datastore a --index b", "belongs to the datastore 'b'", "what fits is a");
    row("generate: other clusters", "generate --model a --prompt the --method retomaton --datastore a --index a --clusters b", "belongs to the datastore 'b'", "what fits is a");
}

void TestTrust::partsOfOthersAreRefused()
{
    QFETCH(QString, command);
    QFETCH(QString, field);
    QFETCH(QString, fits);
    m_project = m_whole;
    const auto refused = call(command);
    const auto error = refused.json.value(QStringLiteral("error")).toObject();
    QCOMPARE(error.value(QStringLiteral("kind")).toString(), QStringLiteral("mismatch"));
    const QString message = error.value(QStringLiteral("message")).toString();
    QVERIFY2(message.contains(field), qPrintable(message));
    QVERIFY2(message.contains(fits), qPrintable(message));
    static const QRegularExpression fingerprint(QStringLiteral("\\b[0-9a-f]{12}\\b"));
    QSet<QString> values;
    for (auto match = fingerprint.globalMatch(message); match.hasNext();)
        values << match.next().captured();
    QCOMPARE(values.size(), 2);
}

void TestTrust::aHealthyProjectSaysWhatWasChecked()
{
    useCopy();
    QCOMPARE(complaints(), QStringList());
    const auto doctor = call(QStringLiteral("doctor"));
    for (const char *fact : {"lambda = 0 equals the base", "stored keys find themselves first", "recall at", "The artefacts take", "LibTorch", "The ledger is whole"})
        QVERIFY2(QString::fromUtf8(doctor.out).replace(QStringLiteral("λ"), QStringLiteral("lambda")).contains(QLatin1String(fact)), fact);
}

void TestTrust::brokenChecksAreErrors_data()
{
    QTest::addColumn<QString>("kind");
    QTest::addColumn<QString>("file");
    QTest::addColumn<bool>("sealed"); ///< the manifest's checksum is forged too
    QTest::addColumn<int>("change");
    QTest::addColumn<QStringList>("found");
    enum { FlipByte, Reverse, Halve };
    QTest::newRow("a flipped bit in the keys") << "datastore" << "keys.bin" << false << int(FlipByte) << QStringList{QStringLiteral("error | datastore a |"), QStringLiteral("checksum differs")};
    QTest::newRow("keys of another order") << "datastore" << "keys.bin" << true << int(Reverse)
                                           << QStringList{QStringLiteral("error | index a | What it holds"), QStringLiteral("find themselves first"), QStringLiteral("error | trace a | Position")};
    QTest::newRow("a wrong base") << "trace" << "lm_log_probs.bin" << true << int(Halve) << QStringList{QStringLiteral("error | trace a |"), QStringLiteral("does not equal the base")};
    QTest::newRow("other queries") << "trace" << "queries.bin" << true << int(Halve) << QStringList{QStringLiteral("error | trace a | Position"), QStringLiteral("do not belong together")};
    QTest::newRow("a flipped bit in the clusters") << "clusters" << "members.bin" << false << int(FlipByte) << QStringList{QStringLiteral("error | clusters a |"), QStringLiteral("contradict")};
}

void TestTrust::brokenChecksAreErrors()
{
    QFETCH(QString, kind);
    QFETCH(QString, file);
    QFETCH(bool, sealed);
    QFETCH(int, change);
    QFETCH(QStringList, found);
    useCopy();
    const auto apply = [change](QByteArray &bytes) {
        if (change == 0)
            bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
        else if (change == 1)
            std::reverse(reinterpret_cast<std::uint16_t *>(bytes.data()), reinterpret_cast<std::uint16_t *>(bytes.data() + bytes.size()));
        else
            std::for_each(reinterpret_cast<float *>(bytes.data()), reinterpret_cast<float *>(bytes.data() + bytes.size()), [](float &value) { value /= 2; });
    };
    if (sealed) {
        QVERIFY(tamper(kind, QStringLiteral("a"), file, apply));
    } else {
        QFile data(artefact(kind, QStringLiteral("a")) + QLatin1Char('/') + file);
        QVERIFY(data.open(QIODevice::ReadWrite));
        QByteArray bytes = data.readAll();
        apply(bytes);
        data.seek(0);
        data.write(bytes);
    }
    const QString lines = complaints().join(QLatin1Char('\n'));
    for (const QString &part : found)
        QVERIFY2(lines.contains(part), qPrintable(lines));
    QVERIFY2(!lines.contains(QLatin1String(" b |")), qPrintable(lines));
}

void TestTrust::aChangedModelMakesAChainStale()
{
    useCopy();
    const QString weights = at(QStringLiteral("model-a/model.safetensors")), kept = at(QStringLiteral("weights"));
    QVERIFY(QFile::copy(weights, kept));
    QFile::remove(weights);
    QVERIFY(QFile::copy(at(QStringLiteral("model-c/model.safetensors")), weights));

    const auto putBack = qScopeGuard([&] {
        QFile::remove(weights);
        QFile::rename(kept, weights);
    });

    // Commands refuse the model with both fingerprints, and the doctor gives the whole chain, in order.
    const auto refused = call(QStringLiteral("evaluate --trace a --live"));
    QVERIFY2(refused.exitCode == 1 && refused.err.contains("the fingerprint is"), refused.transcript().constData());
    const auto lines = complaints();
    const auto ofModel = lines.filter(QStringLiteral("error | model a |"));
    QVERIFY2(ofModel.size() == 1, qPrintable(lines.join(QLatin1Char('\n'))));
    QStringList commands = ofModel.first().section(QStringLiteral(" | "), 3).split(QStringLiteral(" && "));
    const QStringList order = {QStringLiteral("model add"), QStringLiteral("datastore build"), QStringLiteral("index build"), QStringLiteral("cluster build"), QStringLiteral("trace record")};
    QCOMPARE(commands.size(), order.size());
    for (int i = 0; i < order.size(); ++i)
        QVERIFY2(commands[i].contains(order[i]), qPrintable(commands[i]));

    // Once the model is added as it is now, all that was made from it is stale, each with what remains to be done.
    const auto runOne = [&](const QString &command) {
        QString line = command;
        line.remove(QStringLiteral("retoscope-cli ")).replace(m_whole, m_project);
        return runCli(QProcess::splitCommand(line));
    };
    VERIFY_DONE(runOne(commands.first()));
    const auto stale = complaints();
    for (const char *subject : {"warning | datastore a |", "warning | index a |", "warning | clusters a |", "warning | trace a |"})
        QVERIFY2(!stale.filter(QLatin1String(subject)).isEmpty(), qPrintable(stale.join(QLatin1Char('\n'))));
    const auto ofTrace = stale.filter(QStringLiteral("warning | trace a |")).first().section(QStringLiteral(" | "), 3).split(QStringLiteral(" && "));
    QVERIFY2(ofTrace.first().contains(QLatin1String("datastore build")) && ofTrace.last().contains(QLatin1String("trace record")), qPrintable(ofTrace.join(QLatin1Char('\n'))));
    QVERIFY2(call(QStringLiteral("evaluate --trace a")).exitCode == 1, "a stale trace was used");

    for (const QString &command : commands.mid(1))
        VERIFY_DONE(runOne(command));
    QCOMPARE(complaints(), QStringList());
    VERIFY_DONE(call(QStringLiteral("evaluate --trace a --live")));
}

void TestTrust::changedTextsAreNoticed()
{
    useCopy();
    const QString text = at(QStringLiteral("texts/0003.txt"));
    QFile file(text);
    QVERIFY(file.open(QIODevice::ReadWrite));
    const QByteArray was = file.readAll();
    file.write("One more sentence.\n");
    file.close();
    const auto lines = complaints();
    QVERIFY2(lines.size() == 1 && lines.first().startsWith(QLatin1String("warning | corpus texts | Its texts have changed")), qPrintable(lines.join(QLatin1Char('\n'))));
    QVERIFY2(lines.first().contains(QLatin1String("corpus add")), qPrintable(lines.first()));
    QVERIFY(writeFile(text, was));
    QCOMPARE(complaints(), QStringList());
}

void TestTrust::damagedArtefactsAreMadeAgain()
{
    useCopy();
    const auto whole = artefactFiles(m_project);
    QFile keys(artefact(QStringLiteral("datastore"), QStringLiteral("a")) + QStringLiteral("/keys.bin"));
    QVERIFY(keys.resize(keys.size() / 2));
    const auto refused = call(QStringLiteral("evaluate --trace a"));
    QVERIFY2(refused.exitCode == 1 && refused.err.contains("keys.bin"), refused.transcript().constData());
    VERIFY_DONE(call(QStringLiteral("datastore build --model a --corpus texts:train --block 32 --stride 16 --name a")));
    QCOMPARE(differences(whole, artefactFiles(m_project)), QStringList());
    QCOMPARE(complaints(), QStringList());
}

void TestTrust::unfinishedPartsAreRefused()
{
    useCopy();
    QFile::remove(artefact(QStringLiteral("clusters"), QStringLiteral("a")) + QStringLiteral("/manifest.json"));
    const auto refused = call(QStringLiteral("evaluate --trace a --method retomaton --clusters a"));
    QVERIFY2(refused.exitCode == 1 && refused.err.contains("manifest.json") && refused.err.contains("run the command that builds it again"), refused.transcript().constData());
    VERIFY_DONE(call(QStringLiteral("cluster build --datastore a --states 20 --iterations 3 --name a")));
    VERIFY_DONE(call(QStringLiteral("evaluate --trace a --method retomaton --clusters a")));
}

QTEST_GUILESS_MAIN(TestTrust)
#include "tst_trust.moc"
