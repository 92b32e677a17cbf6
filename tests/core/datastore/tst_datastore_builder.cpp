// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/job.h"
#include "core/support/fake_language_model.h"
#include "datastore/datastore_builder.h"
#include "datastore/distance.h"

#include <QtTest>

#include <csignal>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

std::shared_ptr<const TokenStore> makeTokens(const std::vector<int> &documentLengths, unsigned seed = 1)
{
    std::mt19937 random(seed);
    std::vector<std::int32_t> tokens;
    std::vector<std::int64_t> offsets = {0};
    for (const int length : documentLengths) {
        tokens.push_back(1);
        for (int i = 1; i < length; ++i)
            tokens.push_back(std::int32_t(2 + random() % 30));
        offsets.push_back(std::int64_t(tokens.size()));
    }
    return TokenStore::fromTokens(std::move(tokens), std::move(offsets));
}

DatastoreConfig smallConfig(WindowMode mode = WindowMode::Stream)
{
    DatastoreConfig config;
    config.windows.block = 32;
    config.windows.stride = 16;
    config.windows.mode = mode;
    config.batchTokens = 96;
    return config;
}

const std::vector<int> documents = {40, 1, 3, 200, 2, 77, 150, 33};

std::string bytesOf(const fs::path &folder)
{
    std::string all;
    for (const char *name : {"keys.bin", "values.bin", "documents.bin", "manifest.json"})
        all += readFile(folder / name);
    return all;
}

/// Stops at the n-th report.
class StoppingJob : public JobControl
{
public:
    explicit StoppingJob(int checkpoints) : m_left(checkpoints) {}
    void tick()
    {
        if (m_left-- <= 0)
            requestCancel();
    }

private:
    int m_left;
};

/// Counts and, when asked to, stops the job after so many batches.
class CountingModel final : public LanguageModel
{
public:
    explicit CountingModel(StoppingJob *job = nullptr) : m_job(job) {}
    [[nodiscard]] const ModelConfig &config() const override { return m_model.config(); }
    [[nodiscard]] std::string fingerprint() const override { return m_model.fingerprint(); }
    [[nodiscard]] std::int64_t parameterCount() const override { return m_model.parameterCount(); }
    [[nodiscard]] const LoadOptions &options() const override { return m_model.options(); }
    void forward(std::span<const WindowInput> windows, const ForwardRequest &request, ForwardOutput &output) const override
    {
        m_model.forward(windows, request, output);
        ++batches;
        if (m_job)
            m_job->tick();
        if (poison)
            output.keys[5] = *poison;
    }
    [[nodiscard]] std::vector<float> logits(std::span<const std::int32_t> tokens) const override { return m_model.logits(tokens); }
    [[nodiscard]] std::vector<float> taps(std::span<const std::int32_t> tokens, KeyTap tap) const override { return m_model.taps(tokens, tap); }
    [[nodiscard]] std::unique_ptr<GenerationSession> startSession(KeyTap tap) const override { return m_model.startSession(tap); }

    mutable int batches = 0;
    std::optional<float> poison;

private:
    test::FakeLanguageModel m_model;
    StoppingJob *m_job;
};

QString sentenceOf(const std::function<void()> &body)
{
    try {
        body();
    } catch (const Error &error) {
        return error.what();
    }
    return "no error";
}

} // namespace

class TestDatastoreBuilder : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void contents_data()
    {
        QTest::addColumn<int>("mode");
        QTest::addColumn<bool>("half");
        QTest::newRow("stream fp16") << int(WindowMode::Stream) << true;
        QTest::newRow("stream fp32") << int(WindowMode::Stream) << false;
        QTest::newRow("documents fp16") << int(WindowMode::Document) << true;
        QTest::newRow("documents fp32") << int(WindowMode::Document) << false;
    }

    /// Every entry against the definition: its key is the tap of the tokens that its window holds before its value.
    void contents()
    {
        QFETCH(int, mode);
        QFETCH(bool, half);
        const auto tokens = makeTokens(documents);
        const test::FakeLanguageModel model;
        DatastoreConfig config = smallConfig(WindowMode(mode));
        config.keyType = half ? KeyType::Float16 : KeyType::Float32;
        JobControl job;
        buildDatastore(path("d"), config, model, *tokens, job);
        const auto store = Datastore::open(path("d"));

        std::int64_t entry = 0;
        const auto d = std::size_t(model.config().hiddenSize);
        std::vector<float> key(d);
        for (const Window &window : planWindows(tokens->documentOffsets(), config.windows)) {
            const auto taps = model.taps(tokens->tokens().subspan(std::size_t(window.begin), std::size_t(window.end - window.begin)), {});
            for (int t = 0; t < window.targets; ++t, ++entry) {
                const std::int64_t token = window.firstTarget + t;
                QCOMPARE(store->values()[std::size_t(entry)], tokens->tokens()[std::size_t(token)]);
                QCOMPARE(store->tokenIndex(EntryId(entry)), token);
                QCOMPARE(store->documentOf(EntryId(entry)).value, tokens->documentAt(token).value);
                store->copyKeys(entry, 1, key.data());
                std::vector<float> expected(taps.begin() + std::ptrdiff_t((token - 1 - window.begin) * std::int64_t(d)),
                                            taps.begin() + std::ptrdiff_t((token - window.begin) * std::int64_t(d)));
                if (half) {
                    std::vector<std::uint16_t> rounded(d);
                    floatToHalf(expected.data(), rounded.data(), std::int64_t(d));
                    halfToFloat(rounded.data(), expected.data(), std::int64_t(d));
                }
                QCOMPARE(key, expected);
            }
        }
        QCOMPARE(store->size(), entry);
        for (std::int64_t i = 0; i < entry; ++i) {
            const bool last = i + 1 == entry || store->documentOf(EntryId(i)) != store->documentOf(EntryId(i + 1));
            QCOMPARE(store->hasPointer(EntryId(i)), !last);
        }
        if (mode == int(WindowMode::Stream))
            QCOMPARE(entry, std::int64_t(tokens->tokens().size()) - 1);
        QCOMPARE(forecastDatastore(config, model, *tokens).entries, entry);
        QCOMPARE(forecastDatastore(config, model, *tokens).diskBytes,
                 fs::file_size(path("d") / "keys.bin") + fs::file_size(path("d") / "values.bin") + fs::file_size(path("d") / "documents.bin"));
    }

    void batchSizeIsNotIdentity()
    {
        const auto tokens = makeTokens(documents);
        const CountingModel model;
        JobControl job;
        buildDatastore(path("a"), smallConfig(), model, *tokens, job);
        const int few = model.batches;
        DatastoreConfig config = smallConfig();
        config.batchTokens = 4096;
        buildDatastore(path("b"), config, model, *tokens, job);
        QVERIFY(model.batches - few < few);
        QCOMPARE(bytesOf(path("a")), bytesOf(path("b")));
    }

    /// A stop after every possible number of batches, each followed by the same call.
    void stopAndContinue()
    {
        const auto tokens = makeTokens(documents);
        const CountingModel whole;
        JobControl job;
        buildDatastore(path("whole"), smallConfig(), whole, *tokens, job);
        const std::string expected = bytesOf(path("whole"));
        for (int stop = 0; stop < whole.batches; ++stop) {
            const fs::path folder = path(("stop" + std::to_string(stop)).c_str());
            StoppingJob stopping(stop);
            const CountingModel model(&stopping);
            bool stopped = false;
            try {
                buildDatastore(folder, smallConfig(), model, *tokens, stopping);
            } catch (const Cancelled &) {
                stopped = true;
                QVERIFY(!hasManifest(folder));
            }
            QVERIFY(stopped || stop + 1 >= whole.batches);
            const CountingModel rest;
            buildDatastore(folder, smallConfig(), rest, *tokens, job);
            QCOMPARE(bytesOf(folder), expected);
            QVERIFY(!fs::exists(folder / "journal.json"));
            if (stop > 6)
                QVERIFY2(rest.batches < whole.batches, "nothing was kept");
        }
    }

    /// What a kill leaves behind the last journal: bytes that do not count.
    void surplusBytesAreCutOff()
    {
        const auto tokens = makeTokens(documents);
        JobControl job;
        buildDatastore(path("whole"), smallConfig(), test::FakeLanguageModel(), *tokens, job);
        stopAfter(path("d"), 8, *tokens);
        for (const char *name : {"keys.bin", "values.bin"}) {
            AppendFile file(path("d") / name, fs::file_size(path("d") / name));
            file.write("garbage", 7);
        }
        buildDatastore(path("d"), smallConfig(), test::FakeLanguageModel(), *tokens, job);
        QCOMPARE(bytesOf(path("d")), bytesOf(path("whole")));
    }

    void damageIsFoundOnContinuing_data()
    {
        QTest::addColumn<int>("what");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("shorter") << 0 << "bytes were already written to it";
        QTest::newRow("flipped") << 1 << "changed since they were written";
        QTest::newRow("journal") << 2 << "journal.json is damaged";
        QTest::newRow("model") << 3 << "'model' of the datastore";
        QTest::newRow("key type") << 4 << "'key_type' of the datastore";
    }

    void damageIsFoundOnContinuing()
    {
        QFETCH(int, what);
        QFETCH(QString, sentence);
        const auto tokens = makeTokens(documents);
        stopAfter(path("d"), 8, *tokens);
        const fs::path keys = path("d") / "keys.bin";
        if (what == 0)
            fs::resize_file(keys, 10);
        if (what == 1) {
            std::string bytes = readFile(keys);
            bytes[17] = char(bytes[17] ^ 1);
            writeFileAtomically(keys, bytes);
        }
        if (what == 2)
            writeFileAtomically(path("d") / "journal.json", "{\"blocks\": -1}");
        DatastoreConfig config = smallConfig();
        if (what == 4)
            config.keyType = KeyType::Float32;
        const QString found = sentenceOf([&] {
            JobControl job;
            buildDatastore(path("d"), config, test::FakeLanguageModel(32, 12, what == 3 ? 2 : 1), *tokens, job);
        });
        QVERIFY2(found.contains(sentence), qPrintable(found));
    }

    /// kill -9 at random moments of a real process, again and again, then the same call.
    void killedAndContinued()
    {
#ifdef __SANITIZE_THREAD__
        QSKIP("The thread sanitizer cannot follow the fork of a process that has threads.");
#endif
        const auto tokens = makeTokens(std::vector<int>(60, 150));
        JobControl job;
        const QElapsedTimer timer = [] { QElapsedTimer t; t.start(); return t; }();
        buildDatastore(path("whole"), smallConfig(), test::FakeLanguageModel(), *tokens, job);
        const std::int64_t wholeMicroseconds = std::max<std::int64_t>(timer.nsecsElapsed() / 1000, 2000);
        const std::string expected = bytesOf(path("whole"));
        std::mt19937 random(3);
        int kills = 0;
        for (int round = 0; kills < 40 && round < 200; ++round) {
            const fs::path folder = path(("kill" + std::to_string(round % 5)).c_str()); // some folders are killed many times
            if (hasManifest(folder))
                fs::remove_all(folder);
            const pid_t child = ::fork();
            if (child == 0) {
                ::setenv("RETOSCOPE_THREADS", "1", 1);
                try {
                    JobControl own;
                    buildDatastore(folder, smallConfig(), test::FakeLanguageModel(), *tokens, own);
                } catch (...) {
                    ::_exit(3);
                }
                ::_exit(0);
            }
            ::usleep(useconds_t(random() % (wholeMicroseconds + wholeMicroseconds / 4)));
            ::kill(child, SIGKILL);
            int status = 0;
            ::waitpid(child, &status, 0);
            kills += WIFSIGNALED(status);
            QVERIFY(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        }
        QVERIFY2(kills >= 30, qPrintable(QString::number(kills)));
        for (int i = 0; i < 5; ++i) {
            const fs::path folder = path(("kill" + std::to_string(i)).c_str());
            buildDatastore(folder, smallConfig(), test::FakeLanguageModel(), *tokens, job);
            QCOMPARE(bytesOf(folder), expected);
            for (const auto &entry : fs::directory_iterator(folder))
                QVERIFY(entry.path().filename().string().find(".partial-") == std::string::npos);
        }
    }

    void finishedIsNotBuiltAgain()
    {
        const auto tokens = makeTokens(documents);
        JobControl job;
        buildDatastore(path("d"), smallConfig(), test::FakeLanguageModel(), *tokens, job);
        const CountingModel model;
        buildDatastore(path("d"), smallConfig(), model, *tokens, job);
        QCOMPARE(model.batches, 0);
        const QString found = sentenceOf([&] { buildDatastore(path("d"), smallConfig(), model, *makeTokens({50, 60}), job); });
        QVERIFY2(found.contains("'tokens' of the datastore") || found.contains("'entries' of the datastore"), qPrintable(found));
    }

    void twoBuildsDoNotMix()
    {
        const FolderLock lock(path("d"));
        const QString found = sentenceOf([&] {
            JobControl job;
            buildDatastore(path("d"), smallConfig(), test::FakeLanguageModel(), *makeTokens(documents), job);
        });
        QVERIFY2(found.contains("is being written by another process"), qPrintable(found));
    }

    void impossibleKeys_data()
    {
        QTest::addColumn<float>("value");
        QTest::addColumn<bool>("half");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("nan") << std::numeric_limits<float>::quiet_NaN() << false << "key of entry 0 holds nan";
        QTest::newRow("infinite") << std::numeric_limits<float>::infinity() << true << "key of entry 0 holds inf";
        QTest::newRow("overflow") << -65520.0f << true << "store the keys as fp32";
        QTest::newRow("largest half") << 65519.0f << true << "no error";
        QTest::newRow("large fp32") << 1e30f << false << "no error";
    }

    void impossibleKeys()
    {
        QFETCH(float, value);
        QFETCH(bool, half);
        QFETCH(QString, sentence);
        CountingModel model;
        model.poison = value;
        DatastoreConfig config = smallConfig();
        config.keyType = half ? KeyType::Float16 : KeyType::Float32;
        const QString found = sentenceOf([&] {
            JobControl job;
            buildDatastore(path("d"), config, model, *makeTokens(documents), job);
        });
        QVERIFY2(found.contains(sentence), qPrintable(found));
    }

    void impossibleInputs()
    {
        JobControl job;
        const test::FakeLanguageModel model;
        const auto build = [&](const DatastoreConfig &config, const TokenStore &tokens) {
            return sentenceOf([&] { buildDatastore(path("d"), config, model, tokens, job); });
        };
        QVERIFY(build(smallConfig(), *makeTokens({1})).contains("gives no (key, value) pair"));
        DatastoreConfig config = smallConfig();
        config.windows = {512, 256};
        QVERIFY(build(config, *makeTokens({900})).contains("the model reads at most 256"));
        config = smallConfig();
        config.tap.layer = 5;
        QVERIFY(build(config, *makeTokens({90})).contains("layer 5 does not exist"));
    }

    void configurationAsJson()
    {
        DatastoreConfig config = smallConfig(WindowMode::Document);
        config.keyType = KeyType::Float32;
        const auto back = Json(config).get<DatastoreConfig>();
        QCOMPARE(Json(back).dump(), Json(config).dump());
        QVERIFY(sentenceOf([] { (void)Json{{"key_typ", "fp16"}}.get<DatastoreConfig>(); }).contains("no field 'key_typ'"));
        QVERIFY(sentenceOf([] { (void)Json{{"batch_tokens", "many"}}.get<DatastoreConfig>(); }).contains("wrong type"));
        QVERIFY(sentenceOf([] { (void)Json{{"batch_tokens", 0}}.get<DatastoreConfig>(); }).contains("must be at least 1"));
    }

    void damagedArtefactIsRefused_data()
    {
        QTest::addColumn<int>("what");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("no manifest") << 0 << "no finished artefact";
        QTest::newRow("keys truncated") << 1 << "keys.bin is";
        QTest::newRow("values missing") << 2 << "values.bin is missing";
        QTest::newRow("documents descend") << 3 << "does not hold ascending document starts";
    }

    void damagedArtefactIsRefused()
    {
        QFETCH(int, what);
        QFETCH(QString, sentence);
        JobControl job;
        buildDatastore(path("d"), smallConfig(), test::FakeLanguageModel(), *makeTokens(documents), job);
        if (what == 0)
            fs::remove(path("d") / "manifest.json");
        if (what == 1)
            fs::resize_file(path("d") / "keys.bin", 100);
        if (what == 2)
            fs::remove(path("d") / "values.bin");
        if (what == 3) {
            std::string bytes = readFile(path("d") / "documents.bin");
            bytes[16] = char(0xff);
            bytes[23] = 0x7f;
            writeFileAtomically(path("d") / "documents.bin", bytes);
        }
        const QString found = sentenceOf([&] { Datastore::open(path("d")); });
        QVERIFY2(found.contains(sentence), qPrintable(found));
    }

private:
    [[nodiscard]] fs::path path(const char *name) const { return fs::path(m_folder->path().toStdString()) / name; }

    static void stopAfter(const fs::path &folder, int batches, const TokenStore &tokens)
    {
        StoppingJob stopping(batches);
        const CountingModel model(&stopping);
        try {
            buildDatastore(folder, smallConfig(), model, tokens, stopping);
        } catch (const Cancelled &) {
        }
        QVERIFY(fs::exists(folder / "journal.json"));
    }

    std::unique_ptr<QTemporaryDir> m_folder;
};

QTEST_GUILESS_MAIN(TestDatastoreBuilder)
#include "tst_datastore_builder.moc"
