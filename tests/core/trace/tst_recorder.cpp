// SPDX-License-Identifier: GPL-3.0-or-later
// Recording a trace: every column against its definition, resuming after kills to the same bytes, the sentences of refusals.
#include "base/atomic_file.h"
#include "core/support/brute_force_index.h"
#include "core/support/sentence_of.h"
#include "core/support/small_world.h"
#include "trace/trace_recorder.h"

#include <QTest>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <map>
#include <random>

using namespace retoscope;
using namespace retoscope::test;
namespace fs = std::filesystem;

namespace {

/// Every file of a folder but the lock, whose content is the writer's process id.
std::map<std::string, std::string> contents(const fs::path &folder)
{
    std::map<std::string, std::string> files;
    for (const auto &entry : fs::directory_iterator(folder)) {
        if (entry.path().filename() != ".lock")
            files[entry.path().filename().string()] = readFile(entry.path());
    }
    return files;
}

double squaredDistance(const Datastore &datastore, std::span<const float> query, std::int32_t entry)
{
    std::vector<float> key(query.size());
    datastore.copyKeys(entry, 1, key.data());
    double sum = 0;
    for (std::size_t d = 0; d < query.size(); ++d)
        sum += (double(query[d]) - double(key[d])) * (double(query[d]) - double(key[d]));
    return sum;
}

} // namespace

class TestRecorder : public QObject
{
    Q_OBJECT

private:
    SmallWorld m_world;
    JobControl m_job;

    [[nodiscard]] TraceConfig config() const
    {
        TraceConfig config;
        config.k = 24;
        config.windows = m_world.windows;
        config.topCandidates = 5;
        return config;
    }

    void record(const fs::path &folder, const TraceConfig &config, const Index &index, JobControl &job, const TraceListener &listener = {}) const
    {
        recordTrace(folder, config, *m_world.model, *m_world.evalTokens, m_world.datastore, index, job, listener);
    }

    /// Records in a child process that is killed after `delay`, or before the `blocks`-th block is reported (0: never).
    /// True when the child was killed, false when it had finished.
    [[nodiscard]] bool recordAndKill(const fs::path &folder, const Index &index, std::chrono::microseconds delay, int blocks) const
    {
        const pid_t child = ::fork();
        if (child == 0) {
            JobControl job;
            int seen = 0;
            try {
                record(folder, config(), index, job, [&](const TraceArrays &, std::int64_t, std::int64_t) {
                    if (++seen == blocks)
                        ::raise(SIGKILL);
                });
            } catch (const std::exception &error) {
                std::fprintf(stderr, "%s\n", error.what());
                ::_exit(1);
            }
            ::_exit(0);
        }
        if (blocks == 0) {
            ::usleep(useconds_t(delay.count()));
            ::kill(child, SIGKILL);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
            throw std::runtime_error("the recording failed");
        return WIFSIGNALED(status);
    }

private Q_SLOTS:
    void everyColumnIsWhatItSays_data()
    {
        QTest::addColumn<bool>("stream");
        QTest::addColumn<float>("grid");
        QTest::addColumn<qint64>("maxPositions");
        QTest::newRow("documents, exact") << false << 0.0f << qint64(0);
        QTest::newRow("stream, exact") << true << 0.0f << qint64(0);
        QTest::newRow("documents, approximate") << false << 0.5f << qint64(0);
        QTest::newRow("documents, the first 777") << false << 0.5f << qint64(777);
        QTest::newRow("stream, the first 1500") << true << 0.5f << qint64(1500);
    }

    void everyColumnIsWhatItSays()
    {
        QFETCH(bool, stream);
        QFETCH(float, grid);
        QFETCH(qint64, maxPositions);
        TraceConfig wanted = config();
        wanted.windows.mode = stream ? WindowMode::Stream : WindowMode::Document;
        wanted.maxPositions = maxPositions;
        const BruteForceIndex index(m_world.datastore, grid);
        const fs::path folder = m_world.path(std::string("columns ") + QTest::currentDataTag());
        record(folder, wanted, index, m_job);
        const auto trace = Trace::open(folder, m_world.datastore);
        const TraceArrays &a = trace->arrays();
        QCOMPARE(trace->indexIsExact(), grid == 0);

        // The expected positions, window by window, from the plan and the model's own per-token functions.
        const std::vector<Window> plan = planWindows(m_world.evalTokens->documentOffsets(), wanted.windows);
        const std::int64_t expected = maxPositions > 0 ? maxPositions : countTargets(plan);
        QCOMPARE(a.positions, expected);
        const std::span<const std::int32_t> tokens = m_world.evalTokens->tokens();
        const std::size_t dimension = std::size_t(a.dimension), k = std::size_t(a.kMax), c = std::size_t(a.topCandidates);
        std::size_t t = 0;
        for (std::size_t w = 0; w < plan.size() && std::int64_t(t) < expected; ++w) {
            const auto window = tokens.subspan(std::size_t(plan[w].begin), std::size_t(plan[w].end - plan[w].begin));
            const std::vector<float> taps = m_world.model->taps(window, {}), logProbs = m_world.model->logits(window);
            for (std::int64_t index64 = plan[w].firstTarget; index64 < plan[w].end && std::int64_t(t) < expected; ++index64, ++t) {
                const std::size_t row = std::size_t(index64 - plan[w].begin) - 1;
                const std::int32_t target = tokens[std::size_t(index64)];
                QCOMPARE(a.targets[t], target);
                QCOMPARE(a.tokenIndices[t], index64);
                QCOMPARE(a.documents[t], m_world.evalTokens->documentAt(index64).value);
                QCOMPARE(a.windows[t], std::int32_t(w));
                const std::span<const float> all = std::span(logProbs).subspan(row * SmallWorld::vocabulary, SmallWorld::vocabulary);
                QCOMPARE(a.lmLogProbs[t], all[std::size_t(target)]);
                QVERIFY(a.lmEntropies[t] > 0 && a.lmEntropies[t] <= std::log(float(SmallWorld::vocabulary)));
                QCOMPARE(a.lmTopLogProbs[t * c], *std::ranges::max_element(all));
                QCOMPARE(all[std::size_t(a.lmTopIds[t * c + c - 1])], a.lmTopLogProbs[t * c + c - 1]);
                const std::span<const float> query = a.queries.subspan(t * dimension, dimension);
                QVERIFY(std::ranges::equal(query, std::span(taps).subspan(row * dimension, dimension)));
                Neighbours found;
                index.search(query, a.kMax, {}, found);
                QVERIFY(std::ranges::equal(a.neighbourIds.subspan(t * k, k), found.ids));
                QVERIFY(std::ranges::equal(a.indexDistances.subspan(t * k, k), found.distances));
                for (std::size_t j = 0; j < k; ++j) {
                    const double exact = squaredDistance(*m_world.datastore, query, found.ids[j]);
                    QVERIFY(std::abs(a.exactDistances[t * k + j] - exact) < 1e-4 * (1 + exact));
                }
            }
        }
        QCOMPARE(std::int64_t(t), a.positions);
    }

    void fewerEntriesThanNeighboursArePadded()
    {
        const BruteForceIndex index(m_world.datastore, 0.5f, Metric::L2, 10);
        const fs::path folder = m_world.path("padded");
        record(folder, config(), index, m_job);
        const auto trace = Trace::open(folder, m_world.datastore);
        const TraceArrays &a = trace->arrays();
        for (std::int64_t t = 0; t < a.positions; ++t) {
            const std::size_t row = std::size_t(t) * std::size_t(a.kMax);
            QVERIFY(a.neighbourIds[row + 9] >= 0);
            QCOMPARE(a.neighbourIds[row + 10], -1);
            QVERIFY(std::isfinite(a.exactDistances[row + 9]));
            QVERIFY(std::isinf(a.exactDistances[row + 10]));
        }
    }

    void innerProductDistancesAreNegated()
    {
        const BruteForceIndex index(m_world.datastore, 0.5f, Metric::InnerProduct);
        const fs::path folder = m_world.path("inner product");
        record(folder, config(), index, m_job);
        const auto trace = Trace::open(folder, m_world.datastore);
        const TraceArrays &a = trace->arrays();
        QVERIFY(a.metric == Metric::InnerProduct);
        const auto dimension = std::size_t(a.dimension);
        std::vector<float> key(dimension);
        m_world.datastore->copyKeys(a.neighbourIds[0], 1, key.data());
        const double product = std::inner_product(key.begin(), key.end(), a.queries.begin(), 0.0);
        QVERIFY(std::abs(a.exactDistances[0] + product) < 1e-4);
    }

    void theListenerSeesEveryPositionOnce()
    {
        const BruteForceIndex index(m_world.datastore, 0.5f);
        std::int64_t next = 0;
        int calls = 0;
        record(m_world.path("listener"), config(), index, m_job, [&](const TraceArrays &soFar, std::int64_t begin, std::int64_t end) {
            QCOMPARE(begin, next);
            QCOMPARE(soFar.positions, end);
            QCOMPARE(std::int64_t(soFar.targets.size()), end);
            QCOMPARE(soFar.targets[std::size_t(end - 1)],
                     m_world.evalTokens->tokens()[std::size_t(soFar.tokenIndices[std::size_t(end - 1)])]);
            QCOMPARE(std::int64_t(soFar.exactDistances.size()), end * soFar.kMax);
            next = end;
            ++calls;
        });
        QVERIFY(calls > 1);
        QCOMPARE(next, Trace::open(m_world.path("listener"), m_world.datastore)->arrays().positions);
    }

    void recordingTwiceChangesNothing()
    {
        const BruteForceIndex index(m_world.datastore);
        record(m_world.path("twice"), config(), index, m_job);
        const auto first = contents(m_world.path("twice"));
        record(m_world.path("twice"), config(), index, m_job);
        QVERIFY(contents(m_world.path("twice")) == first);
    }

    void cancelledAndContinued()
    {
        const BruteForceIndex index(m_world.datastore, 0.5f);
        record(m_world.path("whole"), config(), index, m_job);
        JobControl stopping;
        const auto stop = [&](const TraceArrays &, std::int64_t, std::int64_t) { stopping.requestCancel(); };
        QVERIFY_THROWS_EXCEPTION(Cancelled, record(m_world.path("cancelled"), config(), index, stopping, stop));
        QVERIFY(contains(sentenceOf([&] { Trace::open(m_world.path("cancelled"), m_world.datastore); }), "is not finished")
                || contains(sentenceOf([&] { Trace::open(m_world.path("cancelled"), m_world.datastore); }), "no finished artefact"));
        std::vector<std::int64_t> begins;
        record(m_world.path("cancelled"), config(), index, m_job,
               [&](const TraceArrays &, std::int64_t begin, std::int64_t) { begins.push_back(begin); });
        QVERIFY(begins.size() >= 2);
        QCOMPARE(begins[0], std::int64_t(0)); // what was on disk is told first
        QVERIFY(contents(m_world.path("cancelled")) == contents(m_world.path("whole")));
    }

    void whatAKilledProcessLeftInTheFolderGoes()
    {
#ifdef __SANITIZE_THREAD__
        QSKIP("The thread sanitizer cannot follow the fork of a process that has threads.");
#endif
        const BruteForceIndex index(m_world.datastore, 0.5f);
        const fs::path folder = m_world.path("abandoned");
        makeFolder(folder);
        const pid_t child = ::fork();
        if (child == 0) {
            AtomicFile journal(folder / "journal.json");
            journal.write(std::string_view("half of"));
            ::raise(SIGKILL);
        }
        ::waitpid(child, nullptr, 0);
        QVERIFY(fs::exists(folder / ("journal.json.partial-" + std::to_string(child))));
        record(folder, config(), index, m_job);
        QVERIFY(!fs::exists(folder / ("journal.json.partial-" + std::to_string(child))));
    }

    void killedAtAnyMomentAndContinuedToTheSameBytes()
    {
#ifdef __SANITIZE_THREAD__
        QSKIP("The thread sanitizer cannot follow the fork of a process that has threads.");
#endif
        const BruteForceIndex index(m_world.datastore, 0.5f);
        const auto begin = std::chrono::steady_clock::now();
        record(m_world.path("uninterrupted"), config(), index, m_job);
        const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
        const auto expected = contents(m_world.path("uninterrupted"));

        std::mt19937_64 random(3);
        int kills = 0;
        for (int round = 0; kills < 24; ++round) {
            const fs::path folder = m_world.path("killed " + std::to_string(round));
            // Half of the kills fall right after a block was journaled, half anywhere.
            for (int attempt = 0;; ++attempt) {
                const int blocks = (round + attempt) % 2 == 0 ? 1 + attempt % 2 : 0;
                if (!recordAndKill(folder, index, whole * (random() % 1000) / 1000, blocks))
                    break;
                ++kills;
                if (!hasManifest(folder))
                    QVERIFY(!sentenceOf([&] { Trace::open(folder, m_world.datastore); }).empty());
            }
            record(folder, config(), index, m_job);
            const auto found = contents(folder);
            for (const auto &[name, bytes] : found)
                QVERIFY2(expected.contains(name) && bytes == expected.at(name), name.c_str());
            QCOMPARE(found.size(), expected.size());
        }
        qInfo("%d kills", kills);
    }

    void partsThatDoNotBelongTogetherAreRefused()
    {
        const BruteForceIndex index(m_world.datastore);
        const fs::path folder = m_world.path("refused");
        const auto sentence = [&](const LanguageModel &model, const TokenStore &tokens, const Index &other, const TraceConfig &wanted) {
            return sentenceOf([&] { recordTrace(folder, wanted, model, tokens, m_world.datastore, other, m_job); });
        };
        const FakeLanguageModel otherModel(SmallWorld::vocabulary, 12, 99);
        const std::string model = sentence(otherModel, *m_world.evalTokens, index, config());
        QVERIFY2(contains(model, "model") && contains(model, otherModel.fingerprint()) && contains(model, m_world.model->fingerprint()), model.c_str());

        const auto otherStore = Datastore::fromParts({.keys = std::vector<std::byte>(12 * sizeof(float)), .dimension = 12, .values = {1}, .documentStarts = {}});
        const BruteForceIndex otherIndex(otherStore);
        const std::string datastore = sentence(*m_world.model, *m_world.evalTokens, otherIndex, config());
        QVERIFY2(contains(datastore, "datastore of the index") && contains(datastore, otherStore->fingerprint())
                     && contains(datastore, m_world.datastore->fingerprint()), datastore.c_str());

        const auto narrow = Datastore::fromParts({.keys = std::vector<std::byte>(8 * sizeof(float)), .dimension = 8, .values = {1}, .documentStarts = {}});
        const BruteForceIndex narrowIndex(narrow);
        const std::string dimension = sentenceOf([&] {
            recordTrace(folder, config(), *m_world.model, *m_world.evalTokens, narrow, narrowIndex, m_job);
        });
        QVERIFY2(contains(dimension, "dimension") && contains(dimension, "8") && contains(dimension, "12"), dimension.c_str());

        TraceConfig long_ = config();
        long_.windows.block = 400;
        long_.windows.stride = 300;
        const std::string block = sentence(*m_world.model, *m_world.evalTokens, index, long_);
        QVERIFY2(contains(block, "400") && contains(block, "256"), block.c_str());

        TraceConfig none = config();
        none.k = 0;
        QVERIFY(contains(sentence(*m_world.model, *m_world.evalTokens, index, none), "k is 0"));
        TraceConfig many = config();
        many.topCandidates = 33;
        QVERIFY(contains(sentence(*m_world.model, *m_world.evalTokens, index, many), "top_candidates is 33"));
        TraceConfig negative = config();
        negative.maxPositions = -5;
        QVERIFY(contains(sentence(*m_world.model, *m_world.evalTokens, index, negative), "max_positions is -5"));
        const auto nothing = TokenStore::fromTokens({1, 2, 3}, {0, 1, 2, 3});
        QVERIFY(contains(sentence(*m_world.model, *nothing, index, config()), "none of them can be scored"));
        QVERIFY(!hasManifest(folder));
    }

    void anotherTraceInTheFolderIsRefused()
    {
        const BruteForceIndex index(m_world.datastore);
        const fs::path finished = m_world.path("other finished"), unfinished = m_world.path("other unfinished");
        record(finished, config(), index, m_job);
        JobControl stopping;
        QVERIFY_THROWS_EXCEPTION(Cancelled, record(unfinished, config(), index, stopping,
                                                   [&](const TraceArrays &, std::int64_t, std::int64_t) { stopping.requestCancel(); }));
        TraceConfig other = config();
        other.k = 7;
        for (const fs::path &folder : {finished, unfinished}) {
            const std::string sentence = sentenceOf([&] { record(folder, other, index, m_job); });
            QVERIFY2(contains(sentence, "k of the") && contains(sentence, "24") && contains(sentence, "7"), sentence.c_str());
        }
        record(unfinished, config(), index, m_job);
        QVERIFY(contents(unfinished) == contents(finished));
    }

    void theForecastIsRight()
    {
        const BruteForceIndex index(m_world.datastore, 0.5f);
        const fs::path folder = m_world.path("forecast");
        record(folder, config(), index, m_job);
        const TraceForecast forecast = forecastTrace(config(), *m_world.evalTokens, *m_world.datastore);
        std::uint64_t bytes = 0;
        for (const auto &[name, text] : contents(folder)) {
            if (name.ends_with(".bin"))
                bytes += text.size();
        }
        QCOMPARE(forecast.diskBytes, bytes);
        QCOMPARE(forecast.positions, Trace::open(folder, m_world.datastore)->arrays().positions);
        QVERIFY(forecast.memoryBytes > 0 && forecast.memoryBytes <= forecast.diskBytes);
    }

    void theConfigurationGoesThroughJson()
    {
        TraceConfig wanted = config();
        wanted.maxPositions = 12;
        wanted.search.nprobe = 5;
        const auto read = Json(wanted).get<TraceConfig>();
        QVERIFY(Json(read) == Json(wanted));
        QCOMPARE(Json::object().get<TraceConfig>().k, TraceConfig().k);
        QVERIFY(contains(sentenceOf([] { Json::parse(R"({"kk": 3})").get<TraceConfig>(); }), "'kk'"));
        QVERIFY(contains(sentenceOf([] { Json::parse(R"({"k": "many"})").get<TraceConfig>(); }), "k is \"many\""));
        QVERIFY(contains(sentenceOf([] { Json::parse(R"({"k": 0})").get<TraceConfig>(); }), "k is 0"));
        QVERIFY(contains(sentenceOf([] { Json::parse(R"({"windows": {"blok": 3}})").get<TraceConfig>(); }), "'blok'"));
    }
};

QTEST_GUILESS_MAIN(TestRecorder)
#include "tst_recorder.moc"
