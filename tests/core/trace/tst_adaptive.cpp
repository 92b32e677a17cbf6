// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/adaptive.h"

#include "base/error.h"
#include "base/job.h"
#include "core/trace/gate_world.h"
#include "core/trace/small_world.h"
#include "trace/inspection.h"
#include "trace/sweep.h"

#include <QtTest>

#include <cmath>
#include <numeric>
#include <set>

using namespace retoscope;
using test::GateWorld;

class TestAdaptive : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void featuresAreWhatIsKnownBeforeTheSearch();
    void importedTracesLackWhatTheLmSaid();
    void holdsOutWholeDocuments();
    void skipsWhereRetrievalDoesNotHelp();
    void beatsRandomSkipping();
    void endsOfTheCurve();
    void tiesAreSharedOut();
    void aConstantWeight();
    void aCurveOfItsOwn();
    void inspectionAgrees();
    void isTheSameAgain();
    void isTrainedOnceForAllWeightsAndFractions();
    void reportsAndStops();
    void wrongCombinations();
    void settingsComeBackFromJson();

private:
    const GateWorld m_world;
    JobControl m_job;
};

void TestAdaptive::featuresAreWhatIsKnownBeforeTheSearch()
{
    const TraceFeatures features(m_world.test.trace, m_job);
    const auto all = features.select(TraceFeatures::names());
    QCOMPARE(all.size(), std::size_t(5));
    QCOMPARE(all[0].values.data(), m_world.test.queries.data()); // not copied
    QCOMPARE(all[1].values[7], std::exp(m_world.test.topLogProbs[7]));
    QCOMPARE(all[2].values[7], m_world.test.entropies[7]);
    const auto values = m_world.datastore->values();
    // The first position of a document has no context, the second one token of it.
    const std::size_t begin = 100;
    for (std::size_t n = 0; n < 4; ++n) {
        QCOMPARE(all[3].values[begin * 4 + n], 0.0f);
        QCOMPARE(all[4].values[begin * 4 + n], 0.0f);
    }
    const auto before = m_world.test.targets[begin];
    const auto count = std::ranges::count(values, before);
    QCOMPARE(all[3].values[(begin + 1) * 4], float(std::log1p(double(count))));
    QCOMPARE(all[3].values[(begin + 1) * 4 + 1], 0.0f);
    // Two tokens on: both counted by hand in the values.
    const auto second = m_world.test.targets[begin + 1];
    std::int64_t pairs = 0;
    std::set<std::int32_t> followers;
    for (std::size_t i = 1; i < values.size(); ++i) {
        if (values[i - 1] != before || values[i] != second)
            continue;
        ++pairs;
        if (i + 1 < values.size())
            followers.insert(values[i + 1]);
    }
    QVERIFY(pairs > 0);
    QCOMPARE(all[3].values[(begin + 2) * 4 + 1], float(std::log1p(double(pairs))));
    QCOMPARE(all[4].values[(begin + 2) * 4 + 1], float(std::log1p(double(followers.size()))));
}

void TestAdaptive::importedTracesLackWhatTheLmSaid()
{
    auto arrays = GateWorld::arraysOf(m_world.test);
    arrays.lmEntropies = {};
    arrays.lmTopIds = {};
    arrays.lmTopLogProbs = {};
    arrays.topCandidates = 0;
    const auto imported = Trace::fromArrays(arrays, nullptr, m_world.datastore);
    const TraceFeatures features(imported, m_job);
    QVERIFY(!features.has("confidence") && !features.has("entropy") && features.has("context") && features.has("fertility"));
    const auto gate = learnGate(Replay(m_world.validation.trace, nullptr), imported, GateWorld::adaptive(0.5), m_job);
    QCOMPARE(gate->features, (std::vector<std::string>{"context", "frequency", "fertility"}));
    QCOMPARE(gate->missing, (std::vector<std::string>{"confidence", "entropy"}));
    QCOMPARE(gate->weights.size(), m_world.test.targets.size());
}

void TestAdaptive::holdsOutWholeDocuments()
{
    const auto &documents = m_world.validation.documents;
    const auto heldOut = heldOutDocuments(documents, 1);
    QCOMPARE(std::accumulate(heldOut.begin(), heldOut.end(), 0), 200); // two documents of a hundred are the tenth of 1,500
    for (std::size_t t = 1; t < documents.size(); ++t)
        QVERIFY(documents[t] != documents[t - 1] || heldOut[t] == heldOut[t - 1]);
    QVERIFY(heldOutDocuments(documents, 2) != heldOut);
    // One document, and one that is nearly all: its end.
    const auto last = heldOutDocuments(std::vector<std::int32_t>(30, 0), 1);
    QCOMPARE(std::accumulate(last.begin(), last.end(), 0), 3);
    QCOMPARE(last.back(), std::uint8_t(1));
    std::vector<std::int32_t> lopsided(100, 0);
    lopsided.back() = 1;
    for (std::uint64_t seed = 1; seed < 5; ++seed) {
        const auto some = heldOutDocuments(lopsided, seed);
        QVERIFY(std::accumulate(some.begin(), some.end(), 0) <= 10);
        QVERIFY(std::accumulate(some.begin(), some.end(), 0) > 0);
    }
}

void TestAdaptive::skipsWhereRetrievalDoesNotHelp()
{
    const auto result = m_world.replay().evaluate(GateWorld::adaptive(0.6), {.perPosition = true}, m_job);
    std::int64_t wasted = 0, missed = 0;
    for (std::size_t t = 0; t < result.searched.size(); ++t) {
        wasted += result.searched[t] && !m_world.test.helps[t];
        missed += !result.searched[t] && m_world.test.helps[t];
        QCOMPARE(result.lambdas[t] > 0, bool(result.searched[t]));
        if (!result.searched[t]) {
            QCOMPARE(result.logProbs[t], m_world.test.lm[t]);
            QCOMPARE(result.candidates[t], 0);
        }
    }
    QVERIFY2(wasted < 60 && missed < 60, qPrintable(QStringLiteral("of 1500: %1 wasted, %2 missed").arg(wasted).arg(missed)));
    QCOMPARE(result.searches, std::accumulate(result.searched.begin(), result.searched.end(), std::int64_t(0)));
    QVERIFY(std::abs(result.foss - 0.6) < 0.05);
    QCOMPARE(result.foss, 1 - double(result.searches) / 1500);
    QCOMPARE(result.fossReference, result.foss);
}

void TestAdaptive::beatsRandomSkipping()
{
    const Replay replay = m_world.replay();
    for (const double skipped : {0.3, 0.5, 0.6}) {
        const auto adaptive = replay.evaluate(GateWorld::adaptive(skipped), {}, m_job);
        // Chance with the best constant λ in hindsight.
        double best = std::numeric_limits<double>::infinity();
        for (double lambda = 0.05; lambda < 1; lambda += 0.05) {
            EvaluationSettings random = GateWorld::adaptive(skipped);
            random.method = Method::KnnLm;
            random.gate = {};
            random.lambda = lambda;
            best = std::min(best, replay.evaluate(random, {}, m_job).perplexity);
        }
        QVERIFY2(adaptive.perplexity < 0.75 * best, qPrintable(QStringLiteral("%1: %2 against %3").arg(skipped).arg(adaptive.perplexity).arg(best)));
    }
}

void TestAdaptive::endsOfTheCurve()
{
    const Replay replay = m_world.replay();
    const auto everywhere = replay.evaluate(GateWorld::adaptive(0), {.perPosition = true}, m_job);
    const auto gate = replay.gate(GateWorld::adaptive(0), m_job);
    QCOMPARE(everywhere.searches, std::int64_t(1500));
    QCOMPARE(everywhere.foss, 0.0);
    double nll = 0;
    for (std::size_t t = 0; t < 1500; ++t) {
        const double lambda = gate->weights[t];
        nll -= std::log((1 - lambda) * std::exp(double(m_world.test.lm[t])) + lambda * std::exp(double(everywhere.knnLogProbs[t]))) / 1500;
    }
    QVERIFY(std::abs(everywhere.nll - nll) < 1e-6);

    const auto nowhere = replay.evaluate(GateWorld::adaptive(1), {}, m_job);
    EvaluationSettings alone = GateWorld::adaptive(0);
    alone.method = Method::Base;
    QCOMPARE(nowhere.searches, std::int64_t(0));
    QCOMPARE(nowhere.nll, replay.evaluate(alone, {}, m_job).nll);
}

void TestAdaptive::tiesAreSharedOut()
{
    GateDecisions gate;
    gate.heldOutLogits = {-5, -5, -5, -5, 1, 2};
    gate.logits.assign(600, -5.0f);
    gate.logits.resize(1000, 1.5f);
    const auto skipped = [&](double fraction) {
        const auto skips = gate.skips(fraction);
        return std::pair(std::accumulate(skips.begin(), skips.begin() + 600, 0), std::accumulate(skips.begin() + 600, skips.end(), 0));
    };
    QCOMPARE(skipped(0), std::pair(0, 0));
    QCOMPARE(skipped(0.5), std::pair(450, 0)); // three of the four held-out positions that say −5
    QCOMPARE(skipped(0.7), std::pair(600, 0)); // 1.5 is above the 1 of the held-out part
    QCOMPARE(skipped(0.9), std::pair(600, 400));
    QCOMPARE(skipped(1), std::pair(600, 400));
}

void TestAdaptive::aConstantWeight()
{
    const Replay replay = m_world.replay();
    EvaluationSettings constant = GateWorld::adaptive(0);
    constant.gate.learnedWeight = false;
    EvaluationSettings knnLm = constant;
    knnLm.method = Method::KnnLm;
    const auto result = replay.evaluate(constant, {.perPosition = true}, m_job);
    QCOMPARE(result.nll, replay.evaluate(knnLm, {}, m_job).nll);
    QVERIFY(result.lambdas.empty());
    constant.skipFraction = 0.6; // the gate knows where the neighbours would only do harm
    QVERIFY(replay.evaluate(constant, {}, m_job).nll < result.nll);
    QCOMPARE(describe(constant), std::string("λ 0.4, T 1, k 4, 60 % skipped by a gate from validation"));
    QCOMPARE(describe(GateWorld::adaptive(0.6)), std::string("λ learned, T 1, k 4, 60 % skipped by a gate from validation"));
}

void TestAdaptive::aCurveOfItsOwn()
{
    EvaluationSettings base = GateWorld::adaptive(0);
    base.method = Method::Retomaton;
    base.useClusters = false;
    const auto curve = fossCurve(m_world.replay(), base, 5, m_job, base.gate);
    QCOMPARE(curve.size(), std::size_t(3));
    const FossSeries &adaptive = curve.back();
    QCOMPARE(adaptive.name, std::string("AdaptRet"));
    QCOMPARE(adaptive.points.size(), std::size_t(5));
    for (std::size_t i = 0; i < 5; ++i) {
        QVERIFY(adaptive.points[i].settings.method == Method::Adaptive);
        QVERIFY(adaptive.points[i].settings.gate == base.gate);
        QVERIFY(std::abs(adaptive.points[i].result.foss - double(i) / 4) < 0.06); // measured on the test trace
    }
    QVERIFY(curve.front().points.front().settings.gate == GateSettings()); // the others have none to speak of
    const QString csv = QString::fromStdString(toCsv(curve));
    QVERIFY2(csv.contains("\nAdaptRet,0,0,") && csv.contains(",1500,1500,,1,4,,,,exact,corrected,"), qPrintable(csv));
    QVERIFY(drawFossCurve(curve, 5, 100, 18).find("AdaptRet") != std::string::npos);
}

void TestAdaptive::inspectionAgrees()
{
    const Replay replay = m_world.replay();
    const auto settings = GateWorld::adaptive(0.5);
    const auto result = replay.evaluate(settings, {.perPosition = true}, m_job);
    int searched = 0;
    for (std::int64_t t = 0; t < 60; ++t) {
        const auto inspection = inspect(replay, Position(t), settings, {}, 5);
        QVERIFY(std::abs(inspection.mixedLogProb - double(result.logProbs[std::size_t(t)])) < 1e-5);
        QCOMPARE(inspection.searched, bool(result.searched[std::size_t(t)]));
        searched += inspection.searched;
    }
    QVERIFY(searched > 10 && searched < 50);
}

void TestAdaptive::isTheSameAgain()
{
    const Replay learning(m_world.validation.trace, nullptr);
    const auto settings = GateWorld::adaptive(0.5);
    const auto one = learnGate(learning, m_world.test.trace, settings, m_job), again = learnGate(learning, m_world.test.trace, settings, m_job);
    QCOMPARE(one->weights, again->weights);
    QCOMPARE(one->heldOutLogits, again->heldOutLogits);
    QVERIFY(std::ranges::is_sorted(one->heldOutLogits));
    QCOMPARE(one->learnedFrom + std::ssize(one->heldOutLogits), std::int64_t(1500));
    EvaluationSettings other = settings;
    other.gate.training.seed = 2;
    QVERIFY(learnGate(learning, m_world.test.trace, other, m_job)->weights != one->weights);
}

void TestAdaptive::isTrainedOnceForAllWeightsAndFractions()
{
    const Replay replay = m_world.replay();
    EvaluationSettings settings = GateWorld::adaptive(0.5);
    const auto gate = replay.gate(settings, m_job);
    settings.lambda = 0.9;
    settings.skipFraction = 0.1;
    settings.gate.learnedWeight = false;
    QCOMPARE(replay.gate(settings, m_job), gate);
    settings.temperature = 2; // what the neighbours say changes, and so does what they are worth
    QVERIFY(replay.gate(settings, m_job) != gate);
}

void TestAdaptive::reportsAndStops()
{
    QStringList stages;
    JobControl job([&](const Progress &progress) {
        const auto stage = QString::fromStdString(progress.stage);
        if (!stages.contains(stage))
            stages.append(stage);
        if (stage == QStringLiteral("training the gate"))
            job.requestCancel();
    });
    const Replay replay = m_world.replay();
    QVERIFY_EXCEPTION_THROWN(static_cast<void>(replay.gate(GateWorld::adaptive(0.5), job)), Cancelled);
    QVERIFY2(stages.contains("counting n-grams") && stages.contains("training the gate"), qPrintable(stages.join(", ")));
    QCOMPARE(replay.gate(GateWorld::adaptive(0.5), m_job)->weights.size(), std::size_t(1500)); // nothing half-done was kept
}

void TestAdaptive::wrongCombinations()
{
    const auto sentence = [](const auto &work) {
        try {
            work();
        } catch (const Error &error) {
            return QString::fromUtf8(error.what());
        }
        return QStringLiteral("accepted");
    };
    const Replay learning(m_world.validation.trace, nullptr);
    const auto settings = GateWorld::adaptive(0.5);
    QVERIFY(sentence([&] { learnGate(learning, m_world.validation.trace, settings, m_job); }).contains("the trace that it is judged on"));
    const test::SmallWorld other;
    const QString datastores = sentence([&] { learnGate(learning, other.trace, settings, m_job); });
    QVERIFY2(datastores.contains("another datastore") || datastores.contains("must share"), qPrintable(datastores));
    auto few = GateWorld::arraysOf(m_world.validation);
    few.positions = 19;
    const auto cut = [&](auto &values, std::size_t width) { values = values.first(19 * width); };
    cut(few.targets, 1);
    cut(few.tokenIndices, 1);
    cut(few.documents, 1);
    cut(few.windows, 1);
    cut(few.lmLogProbs, 1);
    cut(few.lmEntropies, 1);
    cut(few.lmTopIds, 1);
    cut(few.lmTopLogProbs, 1);
    cut(few.queries, GateWorld::dimension);
    cut(few.neighbourIds, GateWorld::k);
    cut(few.indexDistances, GateWorld::k);
    cut(few.exactDistances, GateWorld::k);
    const Replay shortOne(Trace::fromArrays(few, nullptr, m_world.datastore), nullptr);
    QVERIFY(sentence([&] { learnGate(shortOne, m_world.test.trace, settings, m_job); }).contains("has 19 positions; it takes 20"));
    QVERIFY(sentence([&] { static_cast<void>(Replay(m_world.test.trace, nullptr).evaluate(settings, {}, m_job)); }).contains("needs a gate"));
    EvaluationSettings walking = settings;
    walking.method = Method::Retomaton;
    QVERIFY(sentence([&] { validate(walking); }).contains("knnlm or adaptret only"));
    EvaluationSettings untrainable = settings;
    untrainable.gate.training.epochs = 0;
    QVERIFY(sentence([&] { validate(untrainable); }).contains("epochs is 0"));
}

void TestAdaptive::settingsComeBackFromJson()
{
    EvaluationSettings settings = GateWorld::adaptive(0.5);
    settings.gate.learnedWeight = false;
    QVERIFY(Json(settings).get<EvaluationSettings>() == settings);
    settings.method = Method::KnnLm;
    QVERIFY(!Json(settings).contains("gate")); // the configurations of the other methods are what they always were
}

QTEST_APPLESS_MAIN(TestAdaptive)
#include "tst_adaptive.moc"
