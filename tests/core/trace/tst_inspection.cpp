// SPDX-License-Identifier: GPL-3.0-or-later
// A trace of four positions over five entries, worked by hand: what the neighbour table, the distributions and the measures
// must say about it.
#include "base/error.h"
#include "base/job.h"
#include "trace/inspection.h"
#include "trace/measures.h"

#include <QtTest>

#include <cmath>
#include <cstring>
#include <limits>

using namespace retoscope;

namespace {

constexpr std::int32_t k = 3;

/// The arrays behind a trace, kept alive by the trace.
struct Storage
{
    // Vocabulary 0 … 3. The keys lie on a line, so a squared distance is a difference squared.
    std::vector<float> keys = {0, 1, 2, 3, 4};
    std::vector<std::int32_t> values = {1, 2, 1, 3, 2};
    std::vector<std::int32_t> targets = {1, 2, 3, 0};
    std::vector<std::int64_t> tokenIndices = {1, 2, 3, 4};
    std::vector<std::int32_t> documents = {0, 0, 0, 0};
    std::vector<std::int32_t> windows = {0, 0, 0, 0};
    std::vector<float> lmLogProbs = {std::log(0.5f), std::log(0.25f), std::log(0.1f), std::log(0.4f)};
    std::vector<float> lmEntropies = {1.0f, 1.1f, 1.2f, 1.3f};
    std::vector<std::int32_t> lmTopIds = {1, 0, /**/ 1, 2, /**/ 0, 1, /**/ 0, 3};
    std::vector<float> lmTopLogProbs = {std::log(0.5f), std::log(0.3f), std::log(0.6f), std::log(0.25f),
                                        std::log(0.5f), std::log(0.3f), std::log(0.4f), std::log(0.35f)};
    std::vector<float> queries = {0, 1, 3, 2};
    std::vector<std::int32_t> neighbourIds = {0, 1, 2, /**/ 1, 0, 2, /**/ 3, 2, 4, /**/ 2, 1, 3};
    std::vector<float> distances = {0, 1, 4, /**/ 0, 1, 1, /**/ 0, 1, 1, /**/ 0, 1, 1};
};

std::shared_ptr<const Trace> makeTrace()
{
    const auto storage = std::make_shared<Storage>();
    Datastore::Parts parts;
    parts.keys.resize(storage->keys.size() * sizeof(float));
    std::memcpy(parts.keys.data(), storage->keys.data(), parts.keys.size());
    parts.dimension = 1;
    parts.values = storage->values;
    TraceArrays arrays;
    arrays.positions = 4;
    arrays.kMax = k;
    arrays.dimension = 1;
    arrays.topCandidates = 2;
    arrays.targets = storage->targets;
    arrays.tokenIndices = storage->tokenIndices;
    arrays.documents = storage->documents;
    arrays.windows = storage->windows;
    arrays.lmLogProbs = storage->lmLogProbs;
    arrays.lmEntropies = storage->lmEntropies;
    arrays.lmTopIds = storage->lmTopIds;
    arrays.lmTopLogProbs = storage->lmTopLogProbs;
    arrays.queries = storage->queries;
    arrays.neighbourIds = storage->neighbourIds;
    arrays.indexDistances = storage->distances;
    arrays.exactDistances = storage->distances;
    return Trace::fromArrays(arrays, storage, Datastore::fromParts(std::move(parts)));
}

EvaluationSettings knnLm(double lambda)
{
    EvaluationSettings settings;
    settings.lambda = lambda;
    settings.k = k;
    settings.useClusters = false;
    return settings;
}

const InspectedToken &tokenOf(const PositionInspection &inspection, std::int32_t id)
{
    return *std::ranges::find(inspection.tokens, TokenId(id), &InspectedToken::token);
}

bool near(double actual, double expected)
{
    return std::abs(actual - expected) < 1e-6;
}

} // namespace

class TestInspection : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void neighboursCarryTheirWeights()
    {
        // Position 0: distances 0, 1, 4 at T = 1. Z = 1 + e⁻¹ + e⁻⁴.
        const Replay replay(makeTrace(), nullptr);
        const auto inspection = inspect(replay, Position(0), knnLm(0.5), {}, 10);
        const double z = 1 + std::exp(-1.0) + std::exp(-4.0);
        QCOMPARE(inspection.neighbours.size(), std::size_t(3));
        QVERIFY(near(inspection.neighbours[0].weight, 1 / z));
        QVERIFY(near(inspection.neighbours[2].weight, std::exp(-4.0) / z));
        QCOMPARE(inspection.neighbours[1].value, TokenId(2));
        QVERIFY(inspection.neighbours[0].isTarget && !inspection.neighbours[1].isTarget && inspection.neighbours[2].isTarget);
        QVERIFY(inspection.searched);
        // Token 1: p_LM 0.5, p_kNN (1 + e⁻⁴)/Z.
        const double knn = (1 + std::exp(-4.0)) / z;
        QVERIFY(near(tokenOf(inspection, 1).knn, knn));
        QVERIFY(near(tokenOf(inspection, 1).mixed, 0.25 + knn / 2));
        QVERIFY(near(std::exp(inspection.mixedLogProb), 0.25 + knn / 2));
        QCOMPARE(tokenOf(inspection, 1).mixedRank, 1);
    }

    void whatTheTraceDoesNotHoldIsNotZero()
    {
        // Position 0: token 2 is a neighbour's value, but not among the two recorded LM candidates.
        const Replay replay(makeTrace(), nullptr);
        const auto inspection = inspect(replay, Position(0), knnLm(0.5), {}, 10);
        QVERIFY(std::isnan(tokenOf(inspection, 2).lm));
        QVERIFY(std::isnan(tokenOf(inspection, 2).mixed));
        QCOMPARE(tokenOf(inspection, 2).lmRank, 0);
        QCOMPARE(tokenOf(inspection, 2).mixedRank, 0);
        QVERIFY(tokenOf(inspection, 2).knn > 0);
    }

    void switchingANeighbourOffRenormalises()
    {
        const Replay replay(makeTrace(), nullptr);
        const EntryId off[] = {EntryId(0)};
        const auto inspection = inspect(replay, Position(0), knnLm(0.5), off, 10);
        QCOMPARE(inspection.neighbours[0].weight, 0.0);
        const double z = std::exp(-1.0) + std::exp(-4.0);
        QVERIFY(near(inspection.neighbours[1].weight, std::exp(-1.0) / z));
        const EntryId all[] = {EntryId(0), EntryId(1), EntryId(2)};
        const auto none = inspect(replay, Position(0), knnLm(0.5), all, 10);
        QVERIFY2(near(none.mixedLogProb, std::log(0.5)), "without neighbours the language model stands alone");
    }

    void targetIsShownHoweverFarDown()
    {
        // Position 3: no neighbour has the target 0; with one token kept per distribution it is still there.
        const Replay replay(makeTrace(), nullptr);
        const auto inspection = inspect(replay, Position(3), knnLm(0.5), {}, 1);
        QVERIFY(tokenOf(inspection, 0).isTarget);
        QVERIFY(std::isinf(inspection.knnLogProb));
        QVERIFY(near(inspection.mixedLogProb, std::log(0.2)));
    }

    void aSkippedPositionHasNoNeighbours()
    {
        const Replay replay(makeTrace(), nullptr);
        EvaluationSettings settings = knnLm(0.5);
        settings.skipFraction = 0.5;
        JobControl job;
        const auto result = replay.evaluate(settings, {.perPosition = true}, job);
        for (std::int64_t i = 0; i < 4; ++i) {
            const auto inspection = inspect(replay, Position(i), settings, {}, 1);
            QCOMPARE(inspection.searched, result.searched[static_cast<std::size_t>(i)] != 0);
            QVERIFY(near(inspection.mixedLogProb, static_cast<double>(result.logProbs[static_cast<std::size_t>(i)])));
        }
    }

    void positionsAreChecked()
    {
        const Replay replay(makeTrace(), nullptr);
        QVERIFY_THROWS_EXCEPTION(Error, inspect(replay, Position(4), knnLm(0.5), {}, 1));
        QVERIFY_THROWS_EXCEPTION(Error, inspect(replay, Position(), knnLm(0.5), {}, 1));
    }

    void measuresFollowTheEvaluation()
    {
        const auto trace = makeTrace();
        const Replay replay(trace, nullptr);
        JobControl job;
        const auto result = replay.evaluate(knnLm(0.5), {.perPosition = true}, job);
        for (const Measure &measure : measures())
            QCOMPARE(measure.compute(trace->arrays(), result).size(), std::size_t(4));
        const auto gain = measureById("gain").compute(trace->arrays(), result);
        QVERIFY(near(gain[3], std::log(0.2 / 0.4)));
        QVERIFY(gain[0] > 0);
        // Targets 1, 2, 3, 0 among the recorded candidates: first, second, none, first.
        QCOMPARE(measureById("rank_band").compute(trace->arrays(), result), (std::vector<float>{0, 1, 3, 0}));
        QCOMPARE(measureById("winner").compute(trace->arrays(), result)[3], 0.0f);
        QCOMPARE(measureById("winner").compute(trace->arrays(), result)[0], 1.0f);
        QVERIFY_THROWS_EXCEPTION(Error, measureById("nonsense"));
    }

    void runsAndLandmarks()
    {
        const std::vector<std::uint8_t> searched = {1, 0, 0, 1, 0, 1};
        QCOMPARE(runLengths(searched), (std::vector<std::int32_t>{0, 1, 2, 0, 1, 0}));
        TraceArrays arrays;
        arrays.positions = 6;
        const std::vector<float> lm(6, -2.0f);
        arrays.lmLogProbs = lm;
        EvaluationResult result;
        result.searched = searched;
        result.logProbs = {-1, -3, -2, -5, -1.5f, -2};
        QCOMPARE(landmarks(Landmark::MostHelped, arrays, result, 10), (std::vector<std::int64_t>{0, 4}));
        QCOMPARE(landmarks(Landmark::MostHurt, arrays, result, 1), (std::vector<std::int64_t>{3}));
        QCOMPARE(landmarks(Landmark::LongestSavedRun, arrays, result, 10), (std::vector<std::int64_t>{2, 4}));
        QCOMPARE(landmarks(Landmark::SearchAfterLongRun, arrays, result, 10), (std::vector<std::int64_t>{3, 5}));
    }

    void aPositionIsSummarised()
    {
        const auto trace = makeTrace();
        const Replay replay(trace, nullptr);
        JobControl job;
        auto result = replay.evaluate(knnLm(0.5), {.perPosition = true}, job);
        const auto first = summarise(trace->arrays(), result, Position(0));
        QCOMPARE(first.lmRank, 1);
        QCOMPARE(first.candidates, 3);
        QVERIFY(first.searched && first.gain() > 0);
        const auto last = summarise(trace->arrays(), result, Position(3));
        QVERIFY(near(last.gain(), std::log(0.2 / 0.4)) && std::isinf(last.knnLogProb));
        QCOMPARE(summarise(trace->arrays(), result, Position(2)).lmRank, 0);
        QVERIFY_THROWS_EXCEPTION(Error, summarise(trace->arrays(), result, Position(4)));
        result.searched = {1, 0, 0, 1};
        QCOMPARE(summarise(trace->arrays(), result, Position(2)).runLength, 2);
        QCOMPARE(summarise(trace->arrays(), result, Position(3)).runLength, 0);
    }

    void twoEvaluationsAreCompared()
    {
        EvaluationResult a, b;
        a.logProbs = {-1, -2};
        b.logProbs = {-3, -1};
        QCOMPARE(logProbDifference(a, b), (std::vector<float>{2, -1}));
        b.logProbs.push_back(0);
        QVERIFY_THROWS_EXCEPTION(Error, logProbDifference(a, b));
    }

    void smoothingSkipsWhatIsInfinite()
    {
        constexpr float none = -std::numeric_limits<float>::infinity();
        const std::vector<float> logProbs = {-1, -3, none, none, none, -5};
        QCOMPARE(smoothedNll(logProbs, 1)[1], 3.0);
        QVERIFY(std::isnan(smoothedNll(logProbs, 1)[2]));
        const auto three = smoothedNll(logProbs, 3);
        QVERIFY(three[0] == 2.0 && three[1] == 2.0 && three[2] == 3.0 && std::isnan(three[3]) && three[5] == 5.0);
    }

    void runningPerplexityOverAWindow()
    {
        const float one = -std::log(2.0f), two = -std::log(8.0f);
        const std::vector<float> logProbs = {one, two, two};
        const auto whole = runningPerplexity(logProbs, 0);
        QVERIFY(std::abs(whole[0] - 2) < 1e-5 && std::abs(whole[1] - 4) < 1e-5);
        const auto last = runningPerplexity(logProbs, 1);
        QVERIFY(std::abs(last[1] - 8) < 1e-5 && std::abs(last[2] - 8) < 1e-5);
    }
};

QTEST_GUILESS_MAIN(TestInspection)
#include "tst_inspection.moc"
