// SPDX-License-Identifier: GPL-3.0-or-later
// Artefacts of other programs through the command line: taken over, evaluated, given back unchanged, and every refusal.
#include "base/npy.h"
#include "datastore/distance.h"
#include "e2e/cli_process.h"

#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <random>

using retoscope::writeNpy;

namespace {

constexpr std::int64_t entries = 1200;
constexpr int dimension = 16;
constexpr int vocabulary = 20;
constexpr std::int64_t positions = 160;
constexpr int states = 12;

/// A text that repeats itself: the key says which of a few phrases one is in, and how far.
struct Phrases
{
    std::vector<float> keys;
    std::vector<std::int32_t> tokens;

    Phrases(std::int64_t count, unsigned seed)
    {
        std::mt19937 random(seed);
        std::normal_distribution<float> noise(0, 0.05f);
        int phrase = 0, step = 0;
        for (std::int64_t i = 0; i < count; ++i) {
            if (step == 0)
                phrase = int(random() % 4);
            for (int d = 0; d < dimension; ++d)
                keys.push_back(std::sin(float((phrase * 5 + step) * (d + 1))) + noise(random));
            tokens.push_back(phrase * 5 + step);
            step = (step + 1) % 5;
        }
    }
};

std::vector<std::uint16_t> halvesOf(const std::vector<float> &values)
{
    std::vector<std::uint16_t> halves(values.size());
    retoscope::floatToHalf(values.data(), halves.data(), std::int64_t(values.size()));
    return halves;
}

QByteArray contentsOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

#define VERIFY_DONE(result) QVERIFY2((result).exitCode == 0, (result).transcript().constData())

class TestImport : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    QString m_project;

    [[nodiscard]] QString file(const QString &name) const { return m_folder.filePath(name); }
    [[nodiscard]] std::filesystem::path path(const QString &name) const { return file(name).toStdString(); }
    template<typename T>
    void writeRaw(const QString &name, const std::vector<T> &values)
    {
        QFile out(file(name));
        QVERIFY(out.open(QIODevice::WriteOnly));
        const auto bytes = qint64(values.size() * sizeof(T));
        QCOMPARE(out.write(reinterpret_cast<const char *>(values.data()), bytes), bytes);
    }
    CliResult callIn(const QString &project, const QString &line)
    {
        QStringList arguments = QProcess::splitCommand(line);
        arguments.replaceInStrings(QStringLiteral("@"), m_folder.path() + QLatin1Char('/'));
        arguments << QStringLiteral("--project") << project << QStringLiteral("--json");
        auto result = runCli(arguments);
        if (!result.isJson) {
            result.exitCode = -1;
            result.err += "standard output is not exactly one JSON object\n";
        }
        return result;
    }
    CliResult call(const QString &line) { return callIn(m_project, line); }

private Q_SLOTS:
    void initTestCase();
    void helpHasAnExample();
    void datastoreIsImported();
    void repeatedImportIsIdempotent();
    void indexIsImported();
    void clustersAreImported_data();
    void clustersAreImported();
    void traceIsImported();
    void everyEvaluationWorks();
    void perPositionArraysAreWritten();
    void exportsComeBackIdentical();
    void refusals_data();
    void refusals();
    void refusalsLeaveNothing();
    void goldenBundle();
};

void TestImport::initTestCase()
{
    if (cliProgram().isEmpty())
        QSKIP("RETOSCOPE_CLI does not name the program; run this test with ctest.");
    QVERIFY(m_folder.isValid());
    m_project = file(QStringLiteral("project"));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), m_project}));

    const Phrases store(entries, 1), text(positions, 2);
    writeRaw(QStringLiteral("dstore_gpt2_1200_16_keys.npy"), halvesOf(store.keys));
    writeRaw(QStringLiteral("dstore_gpt2_1200_16_vals.npy"), store.tokens);
    writeRaw(QStringLiteral("wiki_keys.npy"), store.keys);
    writeRaw(QStringLiteral("wiki_vals.npy"), std::vector<std::int64_t>(store.tokens.begin(), store.tokens.end()));
    writeNpy<std::int64_t>(path(QStringLiteral("documents.npy")), std::vector<std::int64_t>{0, 500, entries});
    std::vector<std::int32_t> stateOf(store.tokens), sequences;
    for (auto &state : stateOf)
        state %= states;
    writeNpy<std::int32_t>(path(QStringLiteral("states.npy")), stateOf);
    writeNpy<float>(path(QStringLiteral("queries.npy")), text.keys, {positions, dimension});
    writeNpy<std::int32_t>(path(QStringLiteral("targets.npy")), text.tokens);
    writeNpy<float>(path(QStringLiteral("logprobs.npy")), std::vector<float>(positions, -std::log(float(vocabulary))));
    for (std::int64_t i = 0; i < positions; ++i)
        sequences.push_back(std::int32_t(i / 40));
    writeNpy<std::int32_t>(path(QStringLiteral("sequences.npy")), sequences);

    // What the refusals need.
    writeNpy<std::int32_t>(path(QStringLiteral("short.npy")), std::vector<std::int32_t>(positions - 1, 0));
    writeNpy<float>(path(QStringLiteral("short_logprobs.npy")), std::vector<float>(positions - 1, -1.0f));
    writeNpy<float>(path(QStringLiteral("probabilities.npy")), std::vector<float>(positions, 0.5f));
    writeNpy<std::int32_t>(path(QStringLiteral("masked.npy")), std::vector<std::int32_t>(positions, -100));
    writeNpy<float>(path(QStringLiteral("narrow.npy")), std::vector<float>(positions * 8, 1.0f), {positions, 8});
    writeNpy<float>(path(QStringLiteral("flat.npy")), std::vector<float>(positions, 1.0f));
    auto broken = text.keys;
    broken[7 * dimension] = std::nanf("");
    writeNpy<float>(path(QStringLiteral("nan.npy")), broken, {positions, dimension});
    std::reverse(sequences.begin(), sequences.end());
    writeNpy<std::int32_t>(path(QStringLiteral("backwards.npy")), sequences);
    writeNpy<std::int32_t>(path(QStringLiteral("few_states.npy")), std::vector<std::int32_t>(50, 0));
    writeNpy<std::int32_t>(path(QStringLiteral("negative_states.npy")), std::vector<std::int32_t>(entries, -1));
    writeNpy<float>(path(QStringLiteral("float_states.npy")), std::vector<float>(entries, 1.0f));
    writeRaw(QStringLiteral("garbage.faiss"), std::vector<char>(300, 'x'));
    auto tail = store.tokens;
    tail.pop_back();
    writeRaw(QStringLiteral("one_less.npy"), tail);
    for (const auto *name : {"csr_numpy1_protocol4.pkl", "csr_numpy2_protocol0.pkl", "refused_system.pkl"})
        QVERIFY(QFile::copy(QStringLiteral(RETOSCOPE_TEST_DATA "/pickles/") + QLatin1String(name), file(QLatin1String(name))));
    auto infinite = store.keys;
    infinite[3 * dimension] = INFINITY;
    writeRaw(QStringLiteral("infinite_keys.npy"), infinite);
    writeRaw(QStringLiteral("sixteen_keys.npy"), std::vector<float>(store.keys.begin(), store.keys.begin() + 16 * dimension));
    writeRaw(QStringLiteral("sixteen_vals.npy"), std::vector<std::int32_t>(store.tokens.begin(), store.tokens.begin() + 16));
}

void TestImport::helpHasAnExample()
{
    for (const char *command : {"datastore import", "index import", "cluster import", "trace import", "datastore export", "cluster export", "trace export"}) {
        const auto result = runCli(QProcess::splitCommand(QString::fromLatin1(command)) << QStringLiteral("--help"));
        VERIFY_DONE(result);
        QVERIFY2(result.out.contains(QByteArray("Example:\n  retoscope-cli ") + command), result.out.constData());
    }
}

void TestImport::datastoreIsImported()
{
    const auto result = call(QStringLiteral("datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @dstore_gpt2_1200_16_vals.npy --documents @documents.npy --name store"));
    VERIFY_DONE(result);
    const auto info = result.json.value(QStringLiteral("info")).toObject();
    QCOMPARE(info.value(QStringLiteral("entries")).toInt(), int(entries));
    QCOMPARE(info.value(QStringLiteral("dimension")).toInt(), dimension);
    QCOMPARE(info.value(QStringLiteral("documents")).toInt(), 2);
    // fp32 keys and int64 values of fairseq, whose names say nothing
    const auto fairseq = call(QStringLiteral("datastore import --keys @wiki_keys.npy --values @wiki_vals.npy --dimension 16 --name fairseq"));
    VERIFY_DONE(fairseq);
    QCOMPARE(fairseq.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("entries")).toInt(), int(entries));
    VERIFY_DONE(call(QStringLiteral("datastore import --keys @sixteen_keys.npy --values @sixteen_vals.npy --dimension 16 --entries 16 --name sixteen")));
}

void TestImport::repeatedImportIsIdempotent()
{
    const auto line = QStringLiteral("datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @dstore_gpt2_1200_16_vals.npy --documents @documents.npy --name store");
    const auto first = call(line), second = call(line);
    VERIFY_DONE(second);
    QCOMPARE(second.json.value(QStringLiteral("id")).toInt(), first.json.value(QStringLiteral("id")).toInt());
}

/// An index that FAISS wrote elsewhere: the file of one that another project built over the same keys.
void TestImport::indexIsImported()
{
    const QString other = file(QStringLiteral("other"));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), other}));
    VERIFY_DONE(callIn(other, QStringLiteral("datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @dstore_gpt2_1200_16_vals.npy --name store")));
    VERIFY_DONE(callIn(other, QStringLiteral("index build --datastore store --factory IVF8,PQ8x4 --name pq")));
    QVERIFY(QFile::copy(other + QStringLiteral("/artefacts/index/pq/index.faiss"), file(QStringLiteral("index_gpt2_1200_16.indexed"))));
    const auto result = call(QStringLiteral("index import @index_gpt2_1200_16.indexed --datastore store --name pq"));
    VERIFY_DONE(result);
    const auto recall = result.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("recall")).toObject();
    QVERIFY2(recall.value(QStringLiteral("value")).toDouble() > 0.3, result.out.constData());
    QCOMPARE(result.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("source_xxh3")).toString().size(), 16);
}

void TestImport::clustersAreImported_data()
{
    QTest::addColumn<QString>("line");
    QTest::addColumn<int>("expected");
    QTest::newRow("array") << QStringLiteral("cluster import @states.npy --datastore store --name states") << states;
    QTest::newRow("pickle of NumPy 1") << QStringLiteral("cluster import @csr_numpy1_protocol4.pkl --datastore sixteen --name members") << 7;
    QTest::newRow("pickle of NumPy 2") << QStringLiteral("cluster import @csr_numpy2_protocol0.pkl --datastore sixteen --name members2") << 7;
}

void TestImport::clustersAreImported()
{
    QFETCH(QString, line);
    QFETCH(int, expected);
    const auto result = call(line);
    VERIFY_DONE(result);
    QCOMPARE(result.json.value(QStringLiteral("info")).toObject().value(QStringLiteral("states")).toInt(), expected);
}

void TestImport::traceIsImported()
{
    const auto arrays = QStringLiteral("trace import --queries @queries.npy --targets @targets.npy --lm-logprobs @logprobs.npy --sequences @sequences.npy --datastore store --k 32 ");
    const auto result = call(arrays + QStringLiteral("--name exact"));
    VERIFY_DONE(result);
    const auto info = result.json.value(QStringLiteral("info")).toObject();
    QCOMPARE(info.value(QStringLiteral("positions")).toInt(), int(positions));
    QVERIFY(std::fabs(info.value(QStringLiteral("base_perplexity")).toDouble() - vocabulary) < 1e-4);
    VERIFY_DONE(call(arrays + QStringLiteral("--index pq --nprobe 8 --name approximate")));
}

void TestImport::everyEvaluationWorks()
{
    const auto perplexity = [&](const QString &options) {
        const auto result = call(QStringLiteral("evaluate ") + options);
        return result.exitCode == 0 ? result.json.value(QStringLiteral("perplexity")).toDouble() : std::nan("");
    };
    const double base = perplexity(QStringLiteral("--trace exact --method base"));
    QVERIFY(std::fabs(base - vocabulary) < 1e-4);
    QCOMPARE(perplexity(QStringLiteral("--trace exact --method knnlm --lambda 0 --k 32")), base);
    for (const char *trace : {"exact", "approximate"}) {
        for (const char *method : {"--method knnlm", "--method retomaton --clusters states", "--method retomaton --clusters none", "--method retomaton --semantics reference --distances index"}) {
            const double value = perplexity(QStringLiteral("--trace %1 %2 --lambda 0.8 --temperature 0.1 --k 32").arg(QLatin1String(trace), QLatin1String(method)));
            QVERIFY2(value < 0.5 * base, qPrintable(QStringLiteral("%1 %2: %3").arg(QLatin1String(trace), QLatin1String(method)).arg(value)));
        }
    }
    VERIFY_DONE(call(QStringLiteral("sweep --trace exact --k 32 --grid lambda=0.2,0.8;temperature=0.1,1")));
    VERIFY_DONE(call(QStringLiteral("foss --trace approximate --k 32 --clusters states --points 3")));
    const auto live = call(QStringLiteral("evaluate --trace exact --method knnlm --live"));
    QCOMPARE(live.exitCode, 1);
    QVERIFY2(live.err.contains("imported without a model"), live.err.constData());
    const auto doctor = call(QStringLiteral("doctor"));
    VERIFY_DONE(doctor);
}

void TestImport::perPositionArraysAreWritten()
{
    const auto result = call(QStringLiteral("evaluate --trace exact --method retomaton --clusters states --lambda 0.5 --k 32 --per-position @per_position"));
    VERIFY_DONE(result);
    const retoscope::NpyFile logProbs(path(QStringLiteral("per_position/log_probs.npy"))), searched(path(QStringLiteral("per_position/searched.npy")));
    double sum = 0;
    for (const float value : logProbs.values<float>())
        sum -= value;
    QVERIFY(std::fabs(sum / positions - result.json.value(QStringLiteral("nll")).toDouble()) < 1e-6);
    std::int64_t searches = 0;
    for (const auto flag : searched.integers())
        searches += flag;
    QCOMPARE(searches, result.json.value(QStringLiteral("searches")).toInteger());
    QCOMPARE(call(QStringLiteral("evaluate --trace exact --live --per-position @x")).exitCode, 2);
}

void TestImport::exportsComeBackIdentical()
{
    const auto fingerprint = [](const CliResult &result) { return result.json.value(QStringLiteral("fingerprint")).toString(); };
    const auto exported = call(QStringLiteral("datastore export store --to @arrays/store"));
    VERIFY_DONE(exported);
    QCOMPARE(exported.json.value(QStringLiteral("files")).toArray().size(), 3);
    VERIFY_DONE(call(QStringLiteral("cluster export states --to @arrays/states")));
    VERIFY_DONE(call(QStringLiteral("trace export exact --to @arrays/trace")));

    const QString again = file(QStringLiteral("again"));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), again}));
    const auto store = callIn(again, QStringLiteral("datastore import --keys @arrays/store/keys.npy --values @arrays/store/values.npy --documents @arrays/store/documents.npy --name store"));
    VERIFY_DONE(store);
    VERIFY_DONE(callIn(again, QStringLiteral("cluster import @arrays/states/states.npy --datastore store --name states")));
    VERIFY_DONE(callIn(again, QStringLiteral("trace import --queries @arrays/trace/queries.npy --targets @arrays/trace/targets.npy --lm-logprobs @arrays/trace/lm_log_probs.npy "
                                             "--sequences @arrays/trace/sequences.npy --datastore store --k 32 --name exact")));
    QCOMPARE(fingerprint(store), fingerprint(call(QStringLiteral("datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @dstore_gpt2_1200_16_vals.npy --documents @documents.npy --name store"))));
    for (const char *name : {"datastore/store/keys.bin", "datastore/store/values.bin", "datastore/store/documents.bin", "clusters/states/assignment.bin",
                             "clusters/states/members.bin", "trace/exact/queries.bin", "trace/exact/neighbour_ids.bin", "trace/exact/index_distances.bin",
                             "trace/exact/documents.bin", "trace/exact/targets.bin"}) {
        const auto ours = contentsOf(m_project + QStringLiteral("/artefacts/") + QLatin1String(name)), theirs = contentsOf(again + QStringLiteral("/artefacts/") + QLatin1String(name));
        QVERIFY2(!ours.isEmpty() && ours == theirs, name);
    }
}

void TestImport::refusals_data()
{
    QTest::addColumn<QString>("line");
    QTest::addColumn<QStringList>("parts");
    const auto row = [](const char *name, const char *line, const QStringList &parts) { QTest::newRow(name) << QString::fromLatin1(line) << parts; };
    row("dimension missing", "datastore import --keys @wiki_keys.npy --values @wiki_vals.npy", {QStringLiteral("--dimension")});
    row("dimension wrong", "datastore import --keys @wiki_keys.npy --values @wiki_vals.npy --dimension 7", {QStringLiteral("76800 bytes"), QStringLiteral("9600 bytes")});
    row("entries wrong", "datastore import --keys @wiki_keys.npy --values @wiki_vals.npy --dimension 16 --entries 1100",
        {QStringLiteral("76800 bytes"), QStringLiteral("35200 as fp16 or 70400 as fp32")});
    row("type wrong", "datastore import --keys @wiki_keys.npy --values @wiki_vals.npy --dimension 16 --entries 1200 --key-dtype f16",
        {QStringLiteral("76800 bytes"), QStringLiteral("38400 as fp16")});
    row("values of another", "datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @one_less.npy", {QStringLiteral("4796 bytes"), QStringLiteral("4800 as i4")});
    row("name against option", "datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @dstore_gpt2_1200_16_vals.npy --dimension 8",
        {QStringLiteral("8 according to --dimension"), QStringLiteral("16 according to the name")});
    row("keys missing", "datastore import --keys @nothing.npy --values @wiki_vals.npy --dimension 16", {QStringLiteral("nothing.npy")});
    row("documents short", "datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @dstore_gpt2_1200_16_vals.npy --documents @sequences.npy --name no",
        {QStringLiteral("sequences.npy ends at 3"), QStringLiteral("1200 entries")});
    row("keys not numbers", "datastore import --keys @infinite_keys.npy --values @wiki_vals.npy --dimension 16 --entries 1200 --name no",
        {QStringLiteral("infinite_keys.npy"), QStringLiteral("entry 3"), QStringLiteral("infinite or none")});
    row("tokenizer missing", "datastore import --keys @dstore_gpt2_1200_16_keys.npy --values @dstore_gpt2_1200_16_vals.npy --tokenizer nobody --name no",
        {QStringLiteral("'nobody' is neither a tokenizer or model")});
    row("index is garbage", "index import @garbage.faiss --datastore store", {QStringLiteral("garbage.faiss"), QStringLiteral("not a sound FAISS index")});
    row("index of another size", "index import @index_gpt2_1200_16.indexed --datastore sixteen", {QStringLiteral("number of entries"), QStringLiteral("1200"), QStringLiteral("16")});
    row("datastore unknown", "index import @garbage.faiss --datastore nobody", {QStringLiteral("nobody")});
    row("clusters of another size", "cluster import @few_states.npy --datastore store", {QStringLiteral("50 entries"), QStringLiteral("1200")});
    row("members of another size", "cluster import @csr_numpy1_protocol4.pkl --datastore store", {QStringLiteral("16 members"), QStringLiteral("1200 entries"), QStringLiteral("entry 16")});
    row("clusters negative", "cluster import @negative_states.npy --datastore store", {QStringLiteral("entry 0 is in the state -1")});
    row("clusters not whole", "cluster import @float_states.npy --datastore store", {QStringLiteral("type f4"), QStringLiteral("integers")});
    row("pickle with code", "cluster import @refused_system.pkl --datastore store", {QStringLiteral("'posix.system'"), QStringLiteral("not loaded")});
    const QString trace = QStringLiteral("trace import --datastore store --k 8 --name no ");
    const auto traceRow = [&](const char *name, const char *options, const QStringList &parts) { QTest::newRow(name) << trace + QLatin1String(options) << parts; };
    traceRow("targets short", "--queries @queries.npy --targets @short.npy --lm-logprobs @logprobs.npy", {QStringLiteral("160 positions"), QStringLiteral("short.npy has 159")});
    traceRow("log probabilities short", "--queries @queries.npy --targets @targets.npy --lm-logprobs @short_logprobs.npy",
             {QStringLiteral("short_logprobs.npy has 159"), QStringLiteral("targets.npy has 160")});
    traceRow("sequences short", "--queries @queries.npy --targets @targets.npy --lm-logprobs @logprobs.npy --sequences @short.npy", {QStringLiteral("short.npy has 159")});
    traceRow("sequences go back", "--queries @queries.npy --targets @targets.npy --lm-logprobs @logprobs.npy --sequences @backwards.npy",
             {QStringLiteral("position 40 goes back from sequence 3 to 2")});
    traceRow("probabilities", "--queries @queries.npy --targets @targets.npy --lm-logprobs @probabilities.npy", {QStringLiteral("position 0 has 0.5"), QStringLiteral("log p")});
    traceRow("masked targets", "--queries @queries.npy --targets @masked.npy --lm-logprobs @logprobs.npy", {QStringLiteral("target -100"), QStringLiteral("not scored")});
    traceRow("queries narrow", "--queries @narrow.npy --targets @targets.npy --lm-logprobs @logprobs.npy", {QStringLiteral("dimension 8"), QStringLiteral("16")});
    traceRow("queries flat", "--queries @flat.npy --targets @targets.npy --lm-logprobs @logprobs.npy", {QStringLiteral("(160)"), QStringLiteral("two dimensions")});
    traceRow("queries not numbers", "--queries @nan.npy --targets @targets.npy --lm-logprobs @logprobs.npy", {QStringLiteral("position 7"), QStringLiteral("nan")});
    traceRow("queries are raw", "--queries @wiki_keys.npy --targets @targets.npy --lm-logprobs @logprobs.npy", {QStringLiteral("not a NumPy file")});
    traceRow("queries are integers", "--queries @targets.npy --targets @targets.npy --lm-logprobs @logprobs.npy", {QStringLiteral("type i4"), QStringLiteral("floating-point")});
    traceRow("index of another", "--queries @queries.npy --targets @targets.npy --lm-logprobs @logprobs.npy --index nobody", {QStringLiteral("nobody")});
}

void TestImport::refusals()
{
    QFETCH(QString, line);
    QFETCH(QStringList, parts);
    const auto result = call(line);
    QVERIFY2(result.exitCode == 1, result.transcript().constData());
    const auto sentence = result.json.value(QStringLiteral("error")).toObject().value(QStringLiteral("message")).toString();
    for (const auto &part : parts)
        QVERIFY2(sentence.contains(part), qPrintable(sentence));
}

void TestImport::refusalsLeaveNothing()
{
    // An index over other keys of the same shape is refused for what it finds.
    std::mt19937 random(5);
    std::normal_distribution<float> noise;
    std::vector<float> keys(entries * dimension);
    for (auto &value : keys)
        value = noise(random);
    const Phrases store(entries, 1);
    writeRaw(QStringLiteral("noise_keys.npy"), keys);
    writeRaw(QStringLiteral("noise_vals.npy"), store.tokens);
    VERIFY_DONE(call(QStringLiteral("datastore import --keys @noise_keys.npy --values @noise_vals.npy --dimension 16 --entries 1200 --name noise")));
    const auto foreign = call(QStringLiteral("index import @index_gpt2_1200_16.indexed --datastore noise --recall-at 8"));
    QCOMPARE(foreign.exitCode, 1);
    QVERIFY2(foreign.err.contains("hardly built from the keys of this datastore"), foreign.err.constData());
    const auto project = call(QStringLiteral("project show"));
    VERIFY_DONE(project);
    for (const auto &artefact : project.json.value(QStringLiteral("artefacts")).toArray()) {
        const auto row = artefact.toObject();
        QVERIFY2(row.value(QStringLiteral("name")) != QStringLiteral("no"), project.out.constData());
        QVERIFY2(row.value(QStringLiteral("state")).toString(QStringLiteral("ready")) == QStringLiteral("ready"), project.out.constData());
    }
    QVERIFY(!QDir(m_project + QStringLiteral("/artefacts/trace/no")).exists() && !QDir(m_project + QStringLiteral("/artefacts/datastore/no")).exists());
    VERIFY_DONE(call(QStringLiteral("index import @index_gpt2_1200_16.indexed --datastore noise --recall-at 8 --force")));
    // Forced in, it is still named for what it is; what was imported rightly is not.
    const auto doctor = call(QStringLiteral("doctor"));
    QCOMPARE(doctor.exitCode, 1);
    QStringList errors;
    for (const auto &finding : doctor.json.value(QStringLiteral("findings")).toArray()) {
        if (finding[QStringLiteral("severity")].toString() == QStringLiteral("error"))
            errors << finding[QStringLiteral("subject")].toString() + QStringLiteral(": ") + finding[QStringLiteral("sentence")].toString();
    }
    QCOMPARE(errors.size(), 1);
    QVERIFY2(errors.first().startsWith(QStringLiteral("index noise-index_gpt2_1200_16: ")) && errors.first().endsWith(QStringLiteral("do not belong together.")), qPrintable(errors.first()));
}

/// The released code's own files, by the commands of the README, give the released code's numbers.
void TestImport::goldenBundle()
{
    const QDir bundle(qEnvironmentVariable("RETOSCOPE_SHARED") + QStringLiteral("/golden/bundle_stories260k"));
    if (!bundle.exists(QStringLiteral("expected.json")))
        QSKIP("No golden bundle: set RETOSCOPE_SHARED to the folder that holds it.");
    const QString project = file(QStringLiteral("golden"));
    VERIFY_DONE(runCli({QStringLiteral("project"), QStringLiteral("new"), project}));
    const auto golden = [&](QString line) { return callIn(project, line.replace(QLatin1Char('%'), bundle.path() + QLatin1Char('/'))); };
    VERIFY_DONE(golden(QStringLiteral("datastore import --keys %dstore_gpt2_118015_64_keys.npy --values %dstore_gpt2_118015_64_vals.npy --documents %docs_offsets.npy --name novels")));
    VERIFY_DONE(golden(QStringLiteral("index import %index_gpt2_118015_64.indexed --datastore novels --name pq")));
    VERIFY_DONE(golden(QStringLiteral("cluster import %members_gpt2_118015_64_20000000_1180.pkl --datastore novels --name members")));
    // The first 48 windows only: 6,143 positions with all RetoMaton settings.
    constexpr std::int64_t n = 6143;
    const auto head = [&](const char *name) { return retoscope::NpyFile(bundle.filePath(QLatin1String(name)).toStdString()); };
    const auto queries = head("queries.npy");
    writeNpy<float>(path(QStringLiteral("q.npy")), queries.values<float>().first(n * 64), {n, 64});
    writeNpy<std::int32_t>(path(QStringLiteral("y.npy")), head("labels.npy").values<std::int32_t>().first(n));
    writeNpy<float>(path(QStringLiteral("p.npy")), head("lm_logprob_label.npy").values<float>().first(n));
    writeNpy<std::int32_t>(path(QStringLiteral("s.npy")), head("row_id.npy").values<std::int32_t>().first(n));
    VERIFY_DONE(golden(QStringLiteral("trace import --queries @q.npy --targets @y.npy --lm-logprobs @p.npy --sequences @s.npy --datastore novels --index pq --nprobe 32 --k 1024 --name test")));
    const auto evaluated = golden(QStringLiteral("evaluate --trace test --method retomaton --semantics reference --clusters members --lambda 0.25 --temperature 1 --k 1024 --min-knns 1 --max-knns 1024"));
    VERIFY_DONE(evaluated);
    QVERIFY2(std::fabs(evaluated.json.value(QStringLiteral("nll")).toDouble() - 2.969372) < 1e-5, evaluated.out.constData()); // recomputed distances
    QCOMPARE(evaluated.json.value(QStringLiteral("searches")).toInteger(), qint64(340));
    const auto approximate = golden(QStringLiteral("evaluate --trace test --method retomaton --semantics reference --distances index --clusters none --lambda 0.25 --temperature 1 --k 1024 --min-knns 8 --max-knns 1024"));
    VERIFY_DONE(approximate);
    QVERIFY2(std::fabs(approximate.json.value(QStringLiteral("nll")).toDouble() - 2.994149) < 1e-5, approximate.out.constData());
    QCOMPARE(approximate.json.value(QStringLiteral("searches")).toInteger(), qint64(2508));
}

QTEST_GUILESS_MAIN(TestImport)
#include "tst_import.moc"
