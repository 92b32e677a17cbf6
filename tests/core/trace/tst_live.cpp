// SPDX-License-Identifier: GPL-3.0-or-later
// A live evaluation and a replay of the same setting give the same numbers (retrieval.md section 7), and the live one
// really skips the searches that it saves.
#include "base/threads.h"
#include "core/support/brute_force_index.h"
#include "core/support/sentence_of.h"
#include "core/support/small_world.h"
#include "trace/live.h"
#include "trace/replay.h"
#include "trace/trace_recorder.h"

#include <QTest>

#include <cmath>
#include <map>

using namespace retoscope;
using namespace retoscope::test;

namespace {

constexpr std::int32_t kMax = 32;

/// Counts the queries that reach another index.
class CountingIndex final : public Index
{
public:
    explicit CountingIndex(std::shared_ptr<const Index> inner) : m_inner(std::move(inner)) {}
    void search(std::span<const float> queries, std::int32_t k, const SearchParameters &parameters, Neighbours &result) const override
    {
        m_inner->search(queries, k, parameters, result);
        m_queries += result.queries;
        ++m_calls;
    }
    void reconstruct(std::span<const std::int32_t> ids, float *out) const override { m_inner->reconstruct(ids, out); }
    [[nodiscard]] bool isExact() const override { return m_inner->isExact(); }
    [[nodiscard]] Metric metric() const override { return m_inner->metric(); }
    [[nodiscard]] std::string factory() const override { return m_inner->factory(); }
    [[nodiscard]] std::uint64_t bytes() const override { return m_inner->bytes(); }
    [[nodiscard]] const Manifest &manifest() const override { return m_inner->manifest(); }

    [[nodiscard]] std::int64_t queries() const { return m_queries; }
    [[nodiscard]] std::int64_t calls() const { return m_calls; }

private:
    std::shared_ptr<const Index> m_inner;
    mutable std::int64_t m_queries = 0, m_calls = 0;
};

EvaluationSettings knnLm(double lambda)
{
    EvaluationSettings settings;
    settings.method = Method::KnnLm;
    settings.lambda = lambda;
    settings.temperature = 2;
    settings.k = kMax;
    return settings;
}

EvaluationSettings retomaton(std::int64_t minKnns, bool clusters, DistanceSource distances)
{
    EvaluationSettings settings = knnLm(0.4);
    settings.method = Method::Retomaton;
    settings.useClusters = clusters;
    settings.distances = distances;
    settings.automaton.minKnns = minKnns;
    settings.automaton.maxKnns = 48;
    return settings;
}

EvaluationSettings asReleased(EvaluationSettings settings, std::int32_t referenceBatch)
{
    const AutomatonSettings corrected = settings.automaton;
    settings.automaton = AutomatonSettings::reference();
    settings.automaton.minKnns = corrected.minKnns;
    settings.automaton.maxKnns = corrected.maxKnns;
    settings.referenceBatch = referenceBatch;
    return settings;
}

std::map<std::string, EvaluationSettings> allSettings()
{
    std::map<std::string, EvaluationSettings> all;
    all["base"].method = Method::Base;
    all["knn-lm"] = knnLm(0.4);
    all["knn-lm, lambda 0"] = knnLm(0);
    all["knn-lm, lambda 1"] = knnLm(1);
    all["knn-lm, k 9"] = knnLm(0.4);
    all["knn-lm, k 9"].k = 9;
    all["knn-lm, index distances"] = knnLm(0.4);
    all["knn-lm, index distances"].distances = DistanceSource::Index;
    all["knn-lm, skipping 0.37"] = knnLm(0.4);
    all["knn-lm, skipping 0.37"].skipFraction = 0.37;
    all["knn-lm, as released"] = asReleased(knnLm(0.4), 1);
    for (const std::int64_t minKnns : {std::int64_t(1), std::int64_t(3), std::int64_t(9), AutomatonSettings::alwaysSearch}) {
        for (const bool clusters : {false, true}) {
            for (const DistanceSource distances : {DistanceSource::Exact, DistanceSource::Index}) {
                const std::string name = fmt::format("min {}{}{}", minKnns == AutomatonSettings::alwaysSearch ? "inf" : std::to_string(minKnns),
                                                     clusters ? ", clusters" : "", distances == DistanceSource::Index ? ", index distances" : "");
                all[name] = retomaton(minKnns, clusters, distances);
            }
        }
    }
    all["random order, count states"] = retomaton(2, true, DistanceSource::Exact);
    all["random order, count states"].automaton.order = StateOrder::Random;
    all["random order, count states"].automaton.count = CountRule::States;
    all["no pointers"] = retomaton(2, true, DistanceSource::Exact);
    all["no pointers"].automaton.pointers = false;
    all["as released"] = asReleased(retomaton(2, true, DistanceSource::Exact), 1);
    all["as released, batches of 3, index distances"] = asReleased(retomaton(2, true, DistanceSource::Index), 3);
    return all;
}

/// Equal infinities count as no difference.
bool near(double a, double b, double tolerance)
{
    return a == b || std::abs(a - b) <= tolerance;
}

} // namespace

class TestLive : public QObject
{
    Q_OBJECT

private:
    SmallWorld m_world;
    JobControl m_job;
    std::map<std::string, std::shared_ptr<const Index>> m_indexes;
    std::map<std::string, std::unique_ptr<Replay>> m_replays;

    [[nodiscard]] static WindowScheme scheme(const SmallWorld &world, bool stream)
    {
        WindowScheme windows = world.windows;
        windows.mode = stream ? WindowMode::Stream : WindowMode::Document;
        return windows;
    }

    [[nodiscard]] RetrievalParts parts(const std::shared_ptr<const Index> &index) const
    {
        return {.model = m_world.model, .datastore = m_world.datastore, .index = index, .clusters = m_world.clusters, .search = {}};
    }

    const Replay &replayOf(const std::string &indexName, bool stream)
    {
        const std::string name = indexName + (stream ? " stream" : " documents");
        std::unique_ptr<Replay> &replay = m_replays[name];
        if (!replay) {
            const auto index = m_indexes.at(indexName);
            TraceConfig config;
            config.k = kMax;
            config.windows = scheme(m_world, stream);
            config.topCandidates = 3;
            recordTrace(m_world.path(name), config, *m_world.model, *m_world.evalTokens, m_world.datastore, *index, m_job);
            replay = std::make_unique<Replay>(Trace::open(m_world.path(name), m_world.datastore), m_world.clusters,
                                              [index](std::span<const std::int32_t> ids, float *out) { index->reconstruct(ids, out); });
        }
        return *replay;
    }

    EvaluationResult live(const std::shared_ptr<const Index> &index, const EvaluationSettings &settings, bool stream = false,
                          const LiveListener &listener = {})
    {
        return evaluateLive(parts(index), *m_world.evalTokens, scheme(m_world, stream), settings, 0, m_job, listener);
    }

private Q_SLOTS:
    void initTestCase()
    {
        setThreadCount(1); // the world is too small for threads to help; they have a test of their own
        m_indexes["exact"] = Index::exact(m_world.datastore);
        m_indexes["approximate"] = std::make_shared<BruteForceIndex>(m_world.datastore, 0.4f);
        IndexConfig ivfPq;
        ivfPq.factory = "IVF8,PQ6x4";
        ivfPq.recallSample = 0;
        buildIndex(m_world.path("ivfpq"), ivfPq, m_world.datastore, m_job);
        m_indexes["ivfpq"] = Index::open(m_world.path("ivfpq"), m_world.datastore);
        m_indexes["padding"] = std::make_shared<BruteForceIndex>(m_world.datastore, 0.4f, Metric::L2, 20);
        m_indexes["inner product"] = std::make_shared<BruteForceIndex>(m_world.datastore, 0.4f, Metric::InnerProduct);
    }

    void equalsReplay_data()
    {
        QTest::addColumn<QString>("index");
        QTest::addColumn<bool>("stream");
        QTest::addColumn<QString>("settings");
        for (const std::string index : {"exact", "approximate", "ivfpq", "padding", "inner product"}) {
            for (const bool stream : {false, true}) {
                if (stream && (index == "padding" || index == "inner product"))
                    continue;
                for (const auto &[name, settings] : allSettings())
                    QTest::newRow(fmt::format("{}, {}, {}", index, stream ? "stream" : "documents", name).c_str())
                        << QString::fromStdString(index) << stream << QString::fromStdString(name);
            }
        }
    }

    void equalsReplay()
    {
        QFETCH(QString, index);
        QFETCH(bool, stream);
        QFETCH(QString, settings);
        const EvaluationSettings wanted = allSettings().at(settings.toStdString());
        const EvaluationResult replayed = replayOf(index.toStdString(), stream).evaluate(wanted, {.perPosition = true}, m_job);
        const EvaluationResult lived = live(m_indexes.at(index.toStdString()), wanted, stream);

        QVERIFY(lived.live && !replayed.live);
        QCOMPARE(lived.positions, replayed.positions);
        QCOMPARE(lived.searches, replayed.searches);
        QVERIFY(lived.searched == replayed.searched);
        QVERIFY(lived.candidates == replayed.candidates);
        QVERIFY(lived.survivors == replayed.survivors);
        for (std::size_t t = 0; t < lived.logProbs.size(); ++t) {
            QVERIFY2(near(lived.logProbs[t], replayed.logProbs[t], 1e-5),
                     qPrintable(QStringLiteral("%1: %2 %3").arg(t).arg(lived.logProbs[t]).arg(replayed.logProbs[t])));
            QVERIFY(near(lived.knnLogProbs[t], replayed.knnLogProbs[t], 1e-4));
        }
        QVERIFY(near(lived.nll, replayed.nll, 1e-6));
        QVERIFY(near(lived.baseNll, replayed.baseNll, 1e-6));
        QVERIFY(near(lived.oraclePerplexity, replayed.oraclePerplexity, 1e-5));
        QCOMPARE(lived.foss, replayed.foss);
        QCOMPARE(lived.fossReference, replayed.fossReference);
        QCOMPARE(lived.helped, replayed.helped);
        QCOMPARE(lived.hurt, replayed.hurt);
        QCOMPARE(lived.exactDistances, replayed.exactDistances);
    }

    void savedSearchesAreNotMade_data()
    {
        QTest::addColumn<QString>("settings");
        for (const auto &[name, settings] : allSettings())
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }

    void savedSearchesAreNotMade()
    {
        QFETCH(QString, settings);
        const auto index = std::make_shared<CountingIndex>(m_indexes.at("approximate"));
        const EvaluationResult result = live(index, allSettings().at(settings.toStdString()));
        QCOMPARE(index->queries(), result.searches);
    }

    void sequencesAdvanceSideBySide()
    {
        const auto index = std::make_shared<CountingIndex>(m_indexes.at("approximate"));
        const EvaluationResult result = live(index, retomaton(AutomatonSettings::alwaysSearch, false, DistanceSource::Exact));
        QCOMPARE(result.searches, result.positions);
        QCOMPARE(index->calls(), std::int64_t(899)); // the positions of the longest document
    }

    void threadsChangeNothing_data() { savedSearchesAreNotMade_data(); }
    void threadsChangeNothing()
    {
        QFETCH(QString, settings);
        EvaluationSettings wanted = allSettings().at(settings.toStdString());
        wanted.automaton.maxKnns = 2000; // enough work for threads to be used
        const EvaluationResult alone = live(m_indexes.at("approximate"), wanted);
        setThreadCount(3);
        const EvaluationResult together = live(m_indexes.at("approximate"), wanted);
        setThreadCount(1);
        QVERIFY(alone.logProbs == together.logProbs);
        QVERIFY(alone.searched == together.searched);
        QCOMPARE(together.nll, alone.nll);
    }

    void theListenerSeesTheResultGrow()
    {
        std::vector<std::int64_t> seen;
        const EvaluationResult result = live(m_indexes.at("exact"), knnLm(0.4), false, [&](const EvaluationResult &soFar) {
            const auto known = std::ranges::count_if(soFar.logProbs, [](float value) { return !std::isnan(value); });
            QCOMPARE(std::int64_t(known), soFar.positions);
            seen.push_back(soFar.positions);
        });
        QVERIFY(seen.size() >= 2);
        QVERIFY(std::ranges::is_sorted(seen));
        QCOMPARE(seen.back(), result.positions);
    }

    void theFirstPositionsOnly()
    {
        const RetrievalParts all = parts(m_indexes.at("exact"));
        const EvaluationResult whole = live(all.index, knnLm(0.4));
        const EvaluationResult part = evaluateLive(all, *m_world.evalTokens, m_world.windows, knnLm(0.4), 500, m_job);
        QCOMPARE(part.positions, std::int64_t(500));
        for (std::size_t t = 0; t < 500; ++t)
            QCOMPARE(part.logProbs[t], whole.logProbs[t]);
    }

    void theTimesAddUp()
    {
        const EvaluationResult result = live(m_indexes.at("approximate"), retomaton(3, true, DistanceSource::Exact));
        QVERIFY(result.modelSeconds > 0 && result.searchSeconds > 0 && result.walkSeconds > 0);
        QVERIFY(result.modelSeconds + result.searchSeconds + result.walkSeconds <= result.seconds);
    }

    void theBaseNeedsNoDatastore()
    {
        EvaluationSettings base;
        base.method = Method::Base;
        const EvaluationResult result = evaluateLive({.model = m_world.model, .datastore = {}, .index = {}, .clusters = {}, .search = {}},
                                                     *m_world.evalTokens, m_world.windows, base, 0, m_job);
        QCOMPARE(result.nll, result.baseNll);
        QCOMPARE(result.searches, std::int64_t(0));
    }

    void cancelling()
    {
        JobControl stopping;
        QVERIFY_THROWS_EXCEPTION(Cancelled, evaluateLive(parts(m_indexes.at("exact")), *m_world.evalTokens, m_world.windows, knnLm(0.4), 0, stopping,
                                                         [&](const EvaluationResult &) { stopping.requestCancel(); }));
    }

    void whatIsMissingOrDoesNotFitIsRefused()
    {
        const auto sentence = [&](const RetrievalParts &given, const EvaluationSettings &settings) {
            return sentenceOf([&] { evaluateLive(given, *m_world.evalTokens, m_world.windows, settings, 0, m_job); });
        };
        RetrievalParts given = parts(m_indexes.at("exact"));
        given.clusters = nullptr;
        QVERIFY(contains(sentence(given, retomaton(1, true, DistanceSource::Exact)), "clusters are asked for"));
        given.index = nullptr;
        QVERIFY(contains(sentence(given, knnLm(0.4)), "method is 'knnlm', which needs a datastore and an index"));
        given.model = nullptr;
        QVERIFY(contains(sentence(given, knnLm(0.4)), "No model"));
        RetrievalParts other = parts(m_indexes.at("exact"));
        const auto otherModel = std::make_shared<FakeLanguageModel>(SmallWorld::vocabulary, 12, 5);
        other.model = otherModel;
        const std::string mismatch = sentence(other, knnLm(0.4));
        QVERIFY(contains(mismatch, "model") && contains(mismatch, otherModel->fingerprint()) && contains(mismatch, m_world.model->fingerprint()));
        EvaluationSettings impossible = knnLm(1.5);
        QVERIFY(contains(sentence(parts(m_indexes.at("exact")), impossible), "lambda is 1.5"));
        RetrievalParts fewer = parts(m_indexes.at("exact"));
        fewer.clusters = Clusters::fromAssignment({0, 1, 0}, 2);
        QVERIFY(contains(sentence(fewer, retomaton(1, true, DistanceSource::Exact)), "3 entries"));
    }
};

QTEST_GUILESS_MAIN(TestLive)
#include "tst_live.moc"
