// SPDX-License-Identifier: GPL-3.0-or-later
// The command line from a pile of text to a FoSS curve, its contract (options, JSON, exit codes), and its sentences.
#include "e2e/cli_process.h"
#include "e2e/sample_text.h"

#include <QCryptographicHash>
#include <QDir>
#include <QDirIterator>
#include <QJsonArray>
#include <QJsonDocument>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <cmath>

namespace {

constexpr int documents = 60;
constexpr int sentencesPerDocument = 14;
constexpr int states = 24;
constexpr int neighbours = 64;

/// The files of an artefact with their checksums, but not those that name a process or a time.
QByteArray digestOf(const QString &folder, const QStringList &names)
{
    QCryptographicHash hash(QCryptographicHash::Sha256);
    for (const auto &name : names) {
        QFile file(folder + QLatin1Char('/') + name);
        if (!file.open(QIODevice::ReadOnly))
            return {};
        hash.addData(file.readAll());
    }
    return hash.result().toHex();
}

} // namespace

#define VERIFY_DONE(result) QVERIFY2((result).exitCode == 0, (result).transcript().constData())

class TestCli : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    QString m_project, m_texts;

    /// With --project and --json; the JSON contract is checked on every call.
    CliResult call(QStringList arguments)
    {
        arguments << QStringLiteral("--project") << m_project << QStringLiteral("--json");
        auto result = runCli(arguments);
        if (!result.isJson) {
            result.exitCode = -1;
            result.err += "standard output is not exactly one JSON object\n";
        }
        return result;
    }
    CliResult call(const QString &line) { return call(QProcess::splitCommand(line)); }
    double perplexityOf(const QString &options)
    {
        const auto result = call(QStringLiteral("evaluate --trace test ") + options);
        return result.exitCode == 0 ? result.json.value(QStringLiteral("perplexity")).toDouble() : std::nan("");
    }

private Q_SLOTS:
    void initTestCase();
    void helpHasAnExample_data();
    void helpHasAnExample();
    void versionIsPrinted();
    void wrongUsageIsRefused_data();
    void wrongUsageIsRefused();

    void textBecomesTokens();
    void modelIsTrained();
    void retrievalIsBuilt();
    void tracesAreRecorded();
    void repeatedCommandIsIdempotent();

    void evaluationKeepsItsContract_data();
    void evaluationKeepsItsContract();
    void lambdaZeroIsTheBase();
    void alwaysSearchingWithoutPointersIsKnnLm();
    void liveEqualsReplay_data();
    void liveEqualsReplay();
    void sweepFindsTheBest();
    void fossCurveHasItsEnds();
    void generationIsRepeatable();
    void runsAreListedComparedExported();
    void doctorIsContent();
    void projectIsFoundFromBelow();

    void badInputGetsASentence_data();
    void badInputGetsASentence();
    void interruptedBuildContinues();
    void twoProcessesLoseNothing();
    void projectFileRunsThePipeline();
};

void TestCli::initTestCase()
{
#ifdef RETOSCOPE_SANITIZED
    QSKIP("A build with sanitizers cannot train tokenizers beside LibTorch (its protobuf is not SentencePiece's).");
#endif
    if (cliProgram().isEmpty())
        QSKIP("RETOSCOPE_CLI does not name the program; run this test with ctest.");
    QVERIFY(m_folder.isValid());
    m_project = m_folder.filePath(QStringLiteral("project"));
    m_texts = m_folder.filePath(QStringLiteral("texts"));
    QVERIFY(writeSampleTexts(m_texts, documents, sentencesPerDocument));
}

// --------------------------------------------------------------------------------------------------------------- usage

void TestCli::helpHasAnExample_data()
{
    QTest::addColumn<QString>("command");
    for (const char *command : {"project new", "project show", "project remove", "model add", "corpus add", "tokenizer train", "train", "datastore build", "index build",
                                "cluster build", "trace record", "evaluate", "sweep", "foss", "generate", "runs list", "runs show", "runs compare",
                                "runs export", "run", "doctor"})
        QTest::newRow(command) << QString::fromLatin1(command);
}

void TestCli::helpHasAnExample()
{
    QFETCH(QString, command);
    const auto result = runCli(QProcess::splitCommand(command) << QStringLiteral("--help"));
    VERIFY_DONE(result);
    QVERIFY2(result.out.contains("Example:\n  retoscope-cli " + command.toUtf8()), result.out.constData());
    QVERIFY2(result.out.contains("--project") && result.out.contains("--json"), result.out.constData());
    QVERIFY(result.err.isEmpty());
}

void TestCli::versionIsPrinted()
{
    const auto result = runCli({QStringLiteral("--version")});
    VERIFY_DONE(result);
    QVERIFY2(result.out.startsWith("retoscope-cli 0."), result.out.constData());
}

void TestCli::wrongUsageIsRefused_data()
{
    QTest::addColumn<QString>("arguments");
    QTest::addColumn<QString>("mentions");
    QTest::newRow("no command") << "" << "command";
    QTest::newRow("only a group") << "datastore" << "command";
    QTest::newRow("unknown command") << "dance" << "dance";
    QTest::newRow("unknown option") << "evaluate --trace x --lamda 0.3" << "--lamda";
    QTest::newRow("missing option") << "evaluate --lambda 0.3" << "--trace";
    QTest::newRow("not a number") << "evaluate --trace x --lambda much" << "--lambda";
    QTest::newRow("lambda beyond 1") << "evaluate --trace x --lambda 1.5" << "lambda is 1.5";
    QTest::newRow("temperature 0") << "evaluate --trace x --temperature 0" << "temperature is 0";
    QTest::newRow("k 0") << "evaluate --trace x --k 0" << "k is 0";
    QTest::newRow("min_knns") << "evaluate --trace x --method retomaton --min-knns many" << "--min-knns is 'many'";
    QTest::newRow("method") << "evaluate --trace x --method best" << "--method";
    QTest::newRow("split sum") << "corpus add x --name c --split train=0.5,test=0.2" << "add up to 0.7";
    QTest::newRow("split name") << "corpus add x --name c --split trian=1" << "trian";
    QTest::newRow("split of a corpus") << "datastore build --model m --corpus c:trial" << "trial";
    QTest::newRow("stride") << "datastore build --model m --corpus c --block 8 --stride 9" << "--stride is 9";
    QTest::newRow("train from nothing") << "train --corpus c" << "--tokenizer";
    QTest::newRow("kNN without datastore") << "generate --model m --prompt x --method knnlm" << "--datastore";
}

void TestCli::wrongUsageIsRefused()
{
    QFETCH(QString, arguments);
    QFETCH(QString, mentions);
    const auto list = QProcess::splitCommand(arguments);
    const auto plain = runCli(list, m_folder.path());
    QVERIFY2(plain.exitCode == 2, plain.transcript().constData());
    QVERIFY2(plain.out.isEmpty(), plain.transcript().constData());
    QVERIFY2(plain.err.contains(mentions.toUtf8()), plain.transcript().constData());
    QVERIFY2(plain.err.contains("--help"), plain.transcript().constData());
    if (list.size() < 2)
        return; // --json belongs to commands
    const auto json = runCli(QStringList(list) << QStringLiteral("--json"), m_folder.path());
    QCOMPARE(json.exitCode, 2);
    QVERIFY2(json.isJson, json.transcript().constData());
    QCOMPARE(json.json.value(QStringLiteral("error")).toObject().value(QStringLiteral("kind")).toString(), QStringLiteral("usage"));
}

// --------------------------------------------------------------------------------------------------------- the pipeline

void TestCli::textBecomesTokens()
{
    auto result = runCli({QStringLiteral("project"), QStringLiteral("new"), m_project, QStringLiteral("--json")});
    VERIFY_DONE(result);
    QCOMPARE(result.json.value(QStringLiteral("name")).toString(), QStringLiteral("project"));

    result = call(QStringLiteral("corpus add %1 --name texts --split train=0.7,validation=0.15,test=0.15,seed=3").arg(m_texts));
    VERIFY_DONE(result);
    const auto info = result.json.value(QStringLiteral("info")).toObject();
    QCOMPARE(info.value(QStringLiteral("documents")).toInt(), documents);
    const auto splits = info.value(QStringLiteral("splits")).toObject();
    QCOMPARE(splits.value(QStringLiteral("train")).toInt(), 42);
    QCOMPARE(splits.value(QStringLiteral("validation")).toInt(), 9);
    QCOMPARE(splits.value(QStringLiteral("test")).toInt(), 9);

    result = call(QStringLiteral("tokenizer train --corpus texts --vocabulary 330 --name pieces"));
    VERIFY_DONE(result);
    QCOMPARE(result.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("vocabulary")).toInt(), 330);
}

void TestCli::modelIsTrained()
{
    const auto result = call(QStringLiteral("train --corpus texts --tokenizer pieces --name small --layers 2 --hidden 32 --heads 2 --context 64 --sequence 32 "
                                          "--batch 8 --steps 40 --warmup 5 --evaluate-every 20 --learning-rate 0.01 --compute fp32"));
    VERIFY_DONE(result);
    const auto info = result.json.value(QStringLiteral("info")).toObject();
    QCOMPARE(info.value(QStringLiteral("layers")).toInt(), 2);
    const double perplexity = info.value(QStringLiteral("validation_perplexity")).toDouble();
    QVERIFY2(perplexity > 1 && perplexity < 330, qPrintable(QString::number(perplexity))); // 330: knowing nothing
}

void TestCli::retrievalIsBuilt()
{
    auto result = call(QStringLiteral("datastore build --model small --corpus texts:train --block 32 --stride 16 --name keys"));
    VERIFY_DONE(result);
    const auto datastore = result.json.value(QStringLiteral("info")).toObject();
    QCOMPARE(datastore.value(QStringLiteral("dimension")).toInt(), 32);
    QVERIFY(datastore.value(QStringLiteral("entries")).toInt() > 1000);

    result = call(QStringLiteral("index build --datastore keys --factory exact --name flat"));
    VERIFY_DONE(result);
    result = call(QStringLiteral("index build --datastore keys --factory IVF8,Flat --train-sample 2000 --recall-sample 50 --recall-at 10 --name ivf"));
    VERIFY_DONE(result);
    const auto recall = result.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("recall")).toObject();
    QCOMPARE(recall.value(QStringLiteral("at")).toInt(), 10);
    QCOMPARE(recall.value(QStringLiteral("value")).toDouble(), 1.0); // all 8 lists are visited by default

    result = call(QStringLiteral("cluster build --datastore keys --states %1 --iterations 5 --name states").arg(states));
    VERIFY_DONE(result);
    QCOMPARE(result.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("states")).toInt(), states);
}

void TestCli::tracesAreRecorded()
{
    for (const auto &[split, name] : {std::pair{"validation", "validation"}, std::pair{"test", "test"}}) {
        const auto result = call(QStringLiteral("trace record --model small --corpus texts:%1 --datastore keys --index flat --k %2 --block 32 --stride 16 --name %3")
                                     .arg(QLatin1String(split)).arg(neighbours).arg(QLatin1String(name)));
        VERIFY_DONE(result);
        QVERIFY(result.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("positions")).toInt() > 200);
    }
    const auto result = call(QStringLiteral("trace record --model small --corpus texts:test --datastore keys --index ivf --k 16 --block 32 --stride 16 --name approximate"));
    VERIFY_DONE(result);
}

void TestCli::repeatedCommandIsIdempotent()
{
    const auto command = QStringLiteral("datastore build --model small --corpus texts:train --block 32 --stride 16 --name keys");
    const auto first = call(command), second = call(command);
    VERIFY_DONE(second);
    QCOMPARE(second.json.value(QStringLiteral("id")), first.json.value(QStringLiteral("id")));
    QCOMPARE(second.json.value(QStringLiteral("fingerprint")), first.json.value(QStringLiteral("fingerprint")));
}

// -------------------------------------------------------------------------------------------------------------- numbers

void TestCli::evaluationKeepsItsContract_data()
{
    QTest::addColumn<QString>("options");
    QTest::newRow("base") << "--method base";
    QTest::newRow("knnlm") << "--method knnlm --lambda 0.4 --temperature 5 --k 32";
    QTest::newRow("retomaton") << "--method retomaton --lambda 0.4 --temperature 5 --k 32 --min-knns 4 --max-knns 64 --clusters states";
    QTest::newRow("retomaton without clusters") << "--method retomaton --lambda 0.4 --min-knns 2 --max-knns 64 --clusters none";
    QTest::newRow("retomaton, released code") << "--method retomaton --lambda 0.4 --min-knns 4 --max-knns 64 --semantics reference";
    QTest::newRow("retomaton, always searching") << "--method retomaton --lambda 0.4 --min-knns inf --max-knns 64";
    QTest::newRow("adaptret") << "--method adaptret --temperature 5 --k 32 --skip 0.5 --gate-epochs 2";
    QTest::newRow("adaptret, constant weight") << "--method adaptret --lambda 0.4 --k 32 --skip 0.3 --gate-lambda constant --gate-trace validation --gate-epochs 2";
    QTest::newRow("live") << "--method retomaton --lambda 0.4 --min-knns 4 --max-knns 64 --live --max-positions 100";
}

void TestCli::evaluationKeepsItsContract()
{
    QFETCH(QString, options);
    const auto result = call(QStringLiteral("evaluate --trace test ") + options);
    VERIFY_DONE(result);
    const auto value = [&](const char *name) { return result.json.value(QLatin1String(name)); };
    for (const char *name : {"perplexity", "nll", "positions", "searches", "foss", "foss_reference", "seconds", "tokens_per_second"})
        QVERIFY2(value(name).isDouble(), name);
    QCOMPARE(value("perplexity").toDouble(), std::exp(value("nll").toDouble()));
    const double positions = value("positions").toDouble();
    QVERIFY(positions > 0);
    QCOMPARE(value("foss").toDouble(), 1 - value("searches").toDouble() / positions);
    const auto configuration = value("configuration").toObject();
    for (const char *name : {"method", "lambda", "temperature", "k", "distances", "automaton", "use_clusters"})
        QVERIFY2(configuration.contains(QLatin1String(name)), name);
    const auto artefacts = configuration.value(QStringLiteral("artefacts")).toObject();
    for (const char *role : {"trace", "model", "tokens", "datastore", "index"})
        QCOMPARE(artefacts.value(QLatin1String(role)).toObject().value(QStringLiteral("fingerprint")).toString().size(), 64);
    QVERIFY(value("run").toInt() > 0);
}

void TestCli::lambdaZeroIsTheBase()
{
    const double base = perplexityOf(QStringLiteral("--method base"));
    QVERIFY(base > 1);
    QCOMPARE(perplexityOf(QStringLiteral("--method knnlm --lambda 0")), base);
    QCOMPARE(perplexityOf(QStringLiteral("--method retomaton --lambda 0 --min-knns 2")), base);
    QVERIFY(perplexityOf(QStringLiteral("--method knnlm --lambda 0.3 --temperature 5")) != base);
}

void TestCli::alwaysSearchingWithoutPointersIsKnnLm()
{
    const auto mixing = QStringLiteral("--lambda 0.35 --temperature 3 --k 48 ");
    const double knnLm = perplexityOf(mixing + QStringLiteral("--method knnlm"));
    QVERIFY(knnLm > 1);
    QCOMPARE(perplexityOf(mixing + QStringLiteral("--method retomaton --min-knns inf --no-pointers --clusters none")), knnLm);
    QVERIFY(perplexityOf(mixing + QStringLiteral("--method retomaton --min-knns inf --max-knns 32 --clusters none")) != knnLm);
}

void TestCli::liveEqualsReplay_data()
{
    QTest::addColumn<QString>("options");
    QTest::newRow("knnlm") << "--method knnlm --lambda 0.4 --temperature 5 --k 64";
    QTest::newRow("retomaton") << "--method retomaton --lambda 0.4 --temperature 5 --k 64 --min-knns 4 --max-knns 64";
}

void TestCli::liveEqualsReplay()
{
    QFETCH(QString, options);
    const auto replay = call(QStringLiteral("evaluate --trace test ") + options);
    const auto live = call(QStringLiteral("evaluate --trace test --live ") + options);
    VERIFY_DONE(replay);
    VERIFY_DONE(live);
    QVERIFY(live.json.value(QStringLiteral("live")).toBool());
    QCOMPARE(live.json.value(QStringLiteral("positions")), replay.json.value(QStringLiteral("positions")));
    QCOMPARE(live.json.value(QStringLiteral("searches")), replay.json.value(QStringLiteral("searches")));
    QVERIFY(std::abs(live.json.value(QStringLiteral("nll")).toDouble() - replay.json.value(QStringLiteral("nll")).toDouble()) < 1e-5);
}

void TestCli::sweepFindsTheBest()
{
    auto result = call(QStringLiteral("sweep --trace validation --grid 'lambda=0.1:0.7:0.3;temperature=1,10'").replace(QLatin1Char('\''), QLatin1Char('"')));
    VERIFY_DONE(result);
    const auto points = result.json.value(QStringLiteral("points")).toArray();
    QCOMPARE(points.size(), 6);
    const double best = result.json.value(QStringLiteral("best")).toObject().value(QStringLiteral("perplexity")).toDouble();
    for (const auto &point : points)
        QVERIFY(point.toObject().value(QStringLiteral("perplexity")).toDouble() >= best);

    const auto grid = m_folder.filePath(QStringLiteral("grid.json"));
    QVERIFY(writeFile(grid, R"({"lambda": [0.1, 0.4, 0.7], "temperature": [1, 10]})"));
    result = call({QStringLiteral("sweep"), QStringLiteral("--trace"), QStringLiteral("validation"), QStringLiteral("--grid"), grid});
    VERIFY_DONE(result);
    const auto same = result.json.value(QStringLiteral("best")).toObject().value(QStringLiteral("perplexity")).toDouble();
    QVERIFY(std::abs(same - best) < 1e-9);
}

void TestCli::fossCurveHasItsEnds()
{
    const auto csv = m_folder.filePath(QStringLiteral("curve.csv"));
    const auto result = call(QStringLiteral("foss --trace test --lambda 0.4 --temperature 5 --k 32 --max-knns 64 --points 5 --csv ") + csv);
    VERIFY_DONE(result);
    const auto series = result.json.value(QStringLiteral("series")).toArray();
    QCOMPARE(series.size(), 4); // RetoMaton with and without clusters, kNN-LM with random skipping, AdaptRet
    const auto adaptive = series.last().toObject();
    QCOMPARE(adaptive.value(QStringLiteral("name")).toString(), QStringLiteral("AdaptRet"));
    const auto points = adaptive.value(QStringLiteral("points")).toArray();
    QCOMPARE(points.size(), 5);
    QCOMPARE(points.first().toObject().value(QStringLiteral("foss")).toDouble(), 0.0);
    QCOMPARE(points.last().toObject().value(QStringLiteral("perplexity")).toDouble(), result.json.value(QStringLiteral("base_perplexity")).toDouble());
    const auto gate = points.first().toObject().value(QStringLiteral("configuration")).toObject().value(QStringLiteral("gate")).toObject();
    QCOMPARE(gate.value(QStringLiteral("trace")).toString(), QStringLiteral("validation")); // the only one over a validation split
    QVERIFY(result.json.value(QStringLiteral("gate")).toObject().value(QStringLiteral("held_out")).toInt() > 0);
    QFile file(csv);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QVERIFY(file.readLine().startsWith("series,foss"));
    QVERIFY(file.readAll().count('\n') >= 3 * 2);
    const auto text = runCli(QProcess::splitCommand(QStringLiteral("foss --trace test --points 4 --max-knns 64 --project ") + m_project));
    VERIFY_DONE(text);
    QVERIFY2(text.out.contains("RetoMaton") && text.out.contains("random skipping") && text.out.contains("gate of AdaptRet: learned from"), text.out.constData());
    const auto without = call(QStringLiteral("foss --trace test --max-knns 64 --points 2 --gate-trace none"));
    VERIFY_DONE(without);
    QCOMPARE(without.json.value(QStringLiteral("series")).toArray().size(), 3);
    const auto itself = runCli(QProcess::splitCommand(QStringLiteral("foss --trace test --max-knns 64 --points 2 --gate-trace test --project ") + m_project));
    QCOMPARE(itself.exitCode, 1);
    QVERIFY2(itself.err.contains("the trace that it is judged on"), itself.err.constData());
}

void TestCli::generationIsRepeatable()
{
    const auto prompt = QStringLiteral("generate --model small --prompt \"the server\" --max-new-tokens 12 ");
    const auto base = call(prompt);
    VERIFY_DONE(base);
    QCOMPARE(base.json.value(QStringLiteral("searches")).toInt(), 0);
    const auto command = prompt + QStringLiteral("--datastore keys --index flat --clusters states --method retomaton --lambda 0.5 --min-knns 2 --max-knns 64 --k 32 --neighbours 3");
    const auto first = call(command), second = call(command);
    VERIFY_DONE(first);
    const auto tokens = first.json.value(QStringLiteral("tokens")).toArray();
    QVERIFY(!tokens.isEmpty() && tokens.size() <= 12);
    QCOMPARE(second.json.value(QStringLiteral("tokens")), first.json.value(QStringLiteral("tokens")));
    const auto neighbour = tokens.first().toObject().value(QStringLiteral("neighbours")).toArray().first().toObject();
    QVERIFY(neighbour.contains(QStringLiteral("context")) && neighbour.value(QStringLiteral("weight")).toDouble() > 0);
    const auto text = runCli(QProcess::splitCommand(command + QStringLiteral(" --show-neighbours --project ") + m_project));
    VERIFY_DONE(text);
    QVERIFY2(text.out.startsWith("the server") && text.out.contains("distance"), text.out.constData());
}

void TestCli::runsAreListedComparedExported()
{
    const auto all = call(QStringLiteral("runs list"));
    VERIFY_DONE(all);
    const auto runs = all.json.value(QStringLiteral("runs")).toArray();
    QVERIFY(runs.size() > 10);
    QCOMPARE(all.json.value(QStringLiteral("total")).toInt(), runs.size());

    const auto filtered = call(QStringLiteral("runs list --filter \"method = base\""));
    VERIFY_DONE(filtered);
    const auto bases = filtered.json.value(QStringLiteral("runs")).toArray();
    QVERIFY(!bases.isEmpty() && bases.size() < runs.size());
    for (const auto &run : bases)
        QCOMPARE(run.toObject().value(QStringLiteral("method")).toString(), QStringLiteral("base"));

    const int id = bases.first().toObject().value(QStringLiteral("id")).toInt();
    const auto shown = call(QStringLiteral("runs show %1").arg(id));
    VERIFY_DONE(shown);
    QVERIFY(shown.json.value(QStringLiteral("command")).toString().startsWith(QStringLiteral("retoscope-cli evaluate --trace test")));
    QVERIFY(shown.json.value(QStringLiteral("environment")).toObject().contains(QStringLiteral("program")));

    const int other = call(QStringLiteral("evaluate --trace test --method knnlm --lambda 0.2")).json.value(QStringLiteral("run")).toInt();
    const auto compared = call(QStringLiteral("runs compare %1 %2").arg(id).arg(other));
    VERIFY_DONE(compared);
    const auto differences = compared.json.value(QStringLiteral("differences")).toObject();
    QVERIFY(differences.contains(QStringLiteral("method")) && differences.contains(QStringLiteral("perplexity")));
    QVERIFY(!differences.contains(QStringLiteral("positions")));

    const auto exported = [&](const char *format) {
        return runCli({QStringLiteral("runs"), QStringLiteral("export"), QStringLiteral("--format"), QLatin1String(format), QStringLiteral("--project"), m_project}).out;
    };
    const auto csv = exported("csv");
    QCOMPARE(csv.count('\n'), call(QStringLiteral("runs list")).json.value(QStringLiteral("total")).toInt() + 1);
    QVERIFY(csv.startsWith("id,method,perplexity"));
    QVERIFY(exported("markdown").startsWith("| run | method |"));
    QVERIFY(exported("latex").contains("\\begin{tabular}") && exported("latex").contains("min\\_knns"));
    QVERIFY(QJsonDocument::fromJson(exported("json")).object().contains(QStringLiteral("runs")));
}

void TestCli::doctorIsContent()
{
    const auto result = call(QStringLiteral("doctor"));
    VERIFY_DONE(result);
    QVERIFY(result.json.value(QStringLiteral("worst")).toString() != QStringLiteral("error"));
    QVERIFY(result.json.value(QStringLiteral("findings")).toArray().size() > 5);
    VERIFY_DONE(runCli({QStringLiteral("doctor"), m_project}));
}

void TestCli::projectIsFoundFromBelow()
{
    VERIFY_DONE(runCli({QStringLiteral("runs"), QStringLiteral("list")}, m_project + QStringLiteral("/artefacts")));
    const auto outside = runCli({QStringLiteral("runs"), QStringLiteral("list")}, m_folder.path());
    QCOMPARE(outside.exitCode, 1);
    QVERIFY2(outside.err.contains("project new"), outside.err.constData());
}

// --------------------------------------------------------------------------------------------------- when it goes wrong

void TestCli::badInputGetsASentence_data()
{
    QTest::addColumn<QString>("arguments");
    QTest::addColumn<QString>("mentions");
    const auto file = [&](const char *name, const QByteArray &content) {
        const auto path = m_folder.filePath(QLatin1String(name));
        if (!writeFile(path, content))
            qFatal("cannot write %s", name);
        return path;
    };
    QTest::newRow("project exists") << "project new " + m_project << "project already";
    QTest::newRow("no such text") << "corpus add /nowhere/text --name x" << "/nowhere/text";
    QTest::newRow("empty text") << "corpus add " + file("empty.txt", "") + " --name x" << "empty";
    QTest::newRow("invalid UTF-8") << "corpus add " + file("latin1.txt", "caf\xe9 au lait\n") + " --name x" << "UTF-8";
    QTest::newRow("missing field") << "corpus add " + file("rows.jsonl", "{\"text\": \"a b\"}\n{\"body\": \"c\"}\n") + " --name x" << "text";
    QTest::newRow("malformed JSON") << "corpus add " + file("broken.jsonl", "{\"text\": \n") + " --name x" << "broken.jsonl";
    QTest::newRow("unknown kind") << "corpus add " + m_texts + " --name x --kind poetry" << "poetry";
    QTest::newRow("taken name") << "corpus add " + m_texts + " --name texts" << "already a corpus called 'texts'";
    QTest::newRow("no such model") << "model add /nowhere/model" << "/nowhere/model";
    QTest::newRow("not a model") << "model add " + m_texts << "config.json";
    QTest::newRow("tokenizer larger than the text") << "tokenizer train --corpus texts --vocabulary 60000" << "ocabulary";
    QTest::newRow("unknown corpus") << "datastore build --model small --corpus novels" << "novels";
    QTest::newRow("unknown trace") << "evaluate --trace nothing" << "nothing";
    QTest::newRow("bad factory") << "index build --datastore keys --factory IVFsome,Flat" << "IVFsome,Flat";
    QTest::newRow("more states than entries") << "cluster build --datastore keys --states 10000000" << "10";
    QTest::newRow("k beyond the trace") << "evaluate --trace test --k 65" << "64";
    QTest::newRow("layer beyond the model") << "datastore build --model small --corpus texts --layer 7 --block 32 --stride 16" << "layer";
    QTest::newRow("block beyond the context") << "datastore build --model small --corpus texts --block 512 --stride 256" << "64";
    QTest::newRow("unknown axis") << "sweep --trace test --grid lamda=0.1,0.2" << "lamda";
    QTest::newRow("axis out of range") << "sweep --trace test --grid lambda=0.5,1.5" << "1.5";
    QTest::newRow("no such grid") << "sweep --trace test --grid grid-that-is-not-there.json" << "grid-that-is-not-there.json";
    QTest::newRow("unknown run") << "runs show 99999" << "99999";
    QTest::newRow("filter syntax") << "runs list --filter \"ppl <\"" << "character";
    QTest::newRow("no CUDA or no such device") << "datastore build --model small --corpus texts --block 32 --stride 8 --device cuda:77" << "cuda";
    QTest::newRow("no such project file") << "run /nowhere/project.json" << "/nowhere/project.json";
    QTest::newRow("unknown field in a project file") << "run " + file("odd.json", R"({"format": "retoscope-project", "version": 1, "name": "x", "modle": 1})") << "odd.json";
}

void TestCli::badInputGetsASentence()
{
    QFETCH(QString, arguments);
    QFETCH(QString, mentions);
    const auto result = call(arguments);
    QVERIFY2(result.exitCode == 1, result.transcript().constData());
    const auto error = result.json.value(QStringLiteral("error")).toObject();
    const auto sentence = error.value(QStringLiteral("message")).toString();
    QVERIFY2(sentence.contains(mentions), qPrintable(sentence));
    QVERIFY2(error.value(QStringLiteral("kind")).toString() != QStringLiteral("internal"), qPrintable(sentence));
    QVERIFY2(result.err.contains(sentence.toUtf8()), result.transcript().constData());
    QVERIFY2(sentence.endsWith(QLatin1Char('.')), qPrintable(sentence));
}

void TestCli::interruptedBuildContinues()
{
    // One new token per window makes the build slow enough to be stopped in the middle.
    const auto command = [](const char *name) {
        return QProcess::splitCommand(QStringLiteral("datastore build --model small --corpus texts:validation --block 48 --stride 1 --batch-tokens 48 --threads 1 --name %1").arg(QLatin1String(name)));
    };
    const QString place = m_project + QStringLiteral("/artefacts/datastore/stopped");
    auto process = startCli(command("stopped") << QStringLiteral("--project") << m_project << QStringLiteral("--json"));
    QVERIFY(process->waitForStarted());
    QTRY_VERIFY_WITH_TIMEOUT(QDir(place).exists(), 20'000);
    QTest::qWait(300);
    ::kill(static_cast<pid_t>(process->processId()), SIGINT);
    const auto stopped = finishCli(*process);
    QVERIFY2(stopped.exitCode == 130, stopped.transcript().constData());
    QCOMPARE(stopped.json.value(QStringLiteral("error")).toObject().value(QStringLiteral("kind")).toString(), QStringLiteral("cancelled"));
    QVERIFY(!QFile::exists(place + QStringLiteral("/manifest.json")));
    const auto early = call(QStringLiteral("index build --datastore stopped --factory exact"));
    QVERIFY2(early.exitCode == 1 && early.err.contains("not finished"), early.transcript().constData());

    const auto continued = call(command("stopped"));
    VERIFY_DONE(continued);
    // An uninterrupted build of the same thing, in a project of its own.
    QString other = m_folder.filePath(QStringLiteral("other"));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), other}));
    std::swap(m_project, other);
    const bool prepared = call(QStringLiteral("corpus add %1 --name texts --split train=0.7,validation=0.15,test=0.15,seed=3").arg(m_texts)).exitCode == 0
        && call(QStringLiteral("model add %1/artefacts/model/small --name small").arg(other)).exitCode == 0;
    const auto whole = call(command("whole"));
    std::swap(m_project, other);
    QVERIFY(prepared);
    VERIFY_DONE(whole);
    QCOMPARE(whole.json.value(QStringLiteral("fingerprint")), continued.json.value(QStringLiteral("fingerprint")));
    const QStringList files = {QStringLiteral("keys.bin"), QStringLiteral("values.bin"), QStringLiteral("documents.bin")};
    const auto digest = digestOf(place, files);
    QVERIFY(!digest.isEmpty());
    QCOMPARE(digestOf(other + QStringLiteral("/artefacts/datastore/whole"), files), digest);
}

void TestCli::twoProcessesLoseNothing()
{
    const int before = call(QStringLiteral("runs list")).json.value(QStringLiteral("total")).toInt();
    const auto sweep = [&](const char *trace) {
        return startCli({QStringLiteral("sweep"), QStringLiteral("--trace"), QLatin1String(trace), QStringLiteral("--grid"), QStringLiteral("lambda=0.05:0.95:0.05;k=16,32"),
                         QStringLiteral("--project"), m_project, QStringLiteral("--json")});
    };
    auto first = sweep("test"), second = sweep("validation");
    const auto firstDone = finishCli(*first), secondDone = finishCli(*second);
    VERIFY_DONE(firstDone);
    VERIFY_DONE(secondDone);
    QCOMPARE(call(QStringLiteral("runs list")).json.value(QStringLiteral("total")).toInt(), before + 2 * 19 * 2);

    // Two builds of the same thing: both end well, or one says that the other is at it; then there is one artefact.
    const QStringList build = QProcess::splitCommand(QStringLiteral("cluster build --datastore keys --states 30 --iterations 8 --name both --json --project ")) << m_project;
    auto one = startCli(build), two = startCli(build);
    const auto oneDone = finishCli(*one), twoDone = finishCli(*two);
    QVERIFY2(oneDone.exitCode == 0 || twoDone.exitCode == 0, (oneDone.transcript() + twoDone.transcript()).constData());
    for (const auto &done : {oneDone, twoDone})
        QVERIFY2(done.exitCode == 0 || done.err.contains("another process"), done.transcript().constData());
    VERIFY_DONE(call(QStringLiteral("cluster build --datastore keys --states 30 --iterations 8 --name both")));
    const auto doctor = call(QStringLiteral("doctor --quick"));
    VERIFY_DONE(doctor);
}

void TestCli::projectFileRunsThePipeline()
{
    const auto description = m_folder.filePath(QStringLiteral("description.json"));
    const QJsonObject windows{{QStringLiteral("block"), 32}, {QStringLiteral("stride"), 16}};
    const QJsonObject json{
        {QStringLiteral("format"), QStringLiteral("retoscope-project")},
        {QStringLiteral("version"), 1},
        {QStringLiteral("name"), QStringLiteral("tiny")},
        {QStringLiteral("corpus"),
         QJsonObject{{QStringLiteral("paths"), QJsonArray{m_texts}},
                     {QStringLiteral("options"), QJsonObject{{QStringLiteral("trainFraction"), 0.7}, {QStringLiteral("validationFraction"), 0.15}, {QStringLiteral("testFraction"), 0.15}}}}},
        {QStringLiteral("model"), QJsonObject{{QStringLiteral("path"), m_project + QStringLiteral("/artefacts/model/small")}}},
        {QStringLiteral("datastore"), QJsonObject{{QStringLiteral("windows"), windows}}},
        {QStringLiteral("index"), QJsonObject{{QStringLiteral("factory"), QStringLiteral("exact")}}},
        {QStringLiteral("clusters"), QJsonObject{{QStringLiteral("states"), states}, {QStringLiteral("iterations"), 5}}},
        {QStringLiteral("trace"), QJsonObject{{QStringLiteral("k"), neighbours}, {QStringLiteral("windows"), windows}}},
        {QStringLiteral("settings"), QJsonObject{{QStringLiteral("k"), neighbours}, {QStringLiteral("automaton"), QJsonObject{{QStringLiteral("max_knns"), 64}}}}},
        {QStringLiteral("sweep"), QJsonObject{{QStringLiteral("lambda"), QJsonArray{0.1, 0.4, 0.7}}, {QStringLiteral("temperature"), QJsonArray{1, 10}}, {QStringLiteral("k"), QJsonArray{16, neighbours}}}},
        {QStringLiteral("foss"), QJsonObject{{QStringLiteral("points"), 5}}}};
    QVERIFY(writeFile(description, QJsonDocument(json).toJson()));

    const QString project = m_folder.filePath(QStringLiteral("tiny-project"));
    const auto text = runCli({QStringLiteral("run"), description, QStringLiteral("--project"), project});
    VERIFY_DONE(text);
    for (const char *expected : {"base", "kNN-LM", "RetoMaton", "perplexity", "FoSS", "total time"})
        QVERIFY2(text.out.contains(expected), text.transcript().constData());
    QVERIFY2(text.err.contains("[1/12] corpus"), text.err.constData());
    for (const char *file : {"table.csv", "table.json", "table.md", "foss.csv", "foss.json"})
        QVERIFY2(QFile::exists(project + QStringLiteral("/results/") + QLatin1String(file)), file);

    const auto again = runCli({QStringLiteral("run"), description, QStringLiteral("--project"), project, QStringLiteral("--json")});
    VERIFY_DONE(again);
    QVERIFY(again.isJson);
    const auto stages = again.json.value(QStringLiteral("stages")).toArray();
    for (int i = 0; i < 8; ++i)
        QCOMPARE(stages.at(i).toObject().value(QStringLiteral("state")).toString(), QStringLiteral("reused"));
    const auto table = again.json.value(QStringLiteral("table")).toArray();
    QCOMPARE(table.at(0).toObject().value(QStringLiteral("label")).toString(), QStringLiteral("base"));
    const double base = table.at(0).toObject().value(QStringLiteral("perplexity")).toDouble();
    QVERIFY(table.at(1).toObject().value(QStringLiteral("perplexity")).toDouble() < base);
    QCOMPARE(table.at(2).toObject().value(QStringLiteral("foss")).toDouble(), 0.0);
    QVERIFY(table.at(2).toObject().value(QStringLiteral("perplexity")).toDouble() < base);
}

QTEST_GUILESS_MAIN(TestCli)
#include "tst_cli.moc"
