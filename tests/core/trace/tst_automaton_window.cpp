// SPDX-License-Identifier: GPL-3.0-or-later
// Four steps worked by hand, and a larger world in which every step must agree with the replay itself.
#include <QtTest>

#include "core/trace/small_world.h"

#include "base/error.h"
#include "base/job.h"
#include "predict/knn_distribution.h"
#include "trace/automaton_window.h"

#include <cmath>
#include <cstring>

using namespace retoscope;

namespace {

/// Five entries on a line, so that a squared distance is a difference squared; entries 0 and 2 in state 0, 1 and 3 in state 1.
struct Line
{
    std::vector<float> keys = {0, 1, 2, 3, 4};
    std::vector<std::int32_t> values = {1, 2, 1, 3, 2};
    std::vector<std::int32_t> targets = {1, 2, 3, 0};
    std::vector<std::int64_t> tokenIndices = {1, 2, 3, 4};
    std::vector<std::int32_t> documents = {0, 0, 0, 0};
    std::vector<float> lm = {-1, -1, -1, -1};
    std::vector<float> queries = {0, 1, 3, 2};
    std::vector<std::int32_t> neighbourIds = {0, 1, 2, /**/ 1, 0, 2, /**/ 3, 2, 4, /**/ 2, 1, 3};
    std::vector<float> distances = {0, 1, 4, /**/ 0, 1, 1, /**/ 0, 1, 1, /**/ 0, 1, 1};

    [[nodiscard]] static Replay replay(std::vector<std::int64_t> documentStarts = {})
    {
        const auto line = std::make_shared<Line>();
        Datastore::Parts parts;
        parts.keys.resize(line->keys.size() * sizeof(float));
        std::memcpy(parts.keys.data(), line->keys.data(), parts.keys.size());
        parts.dimension = 1;
        parts.values = line->values;
        parts.documentStarts = std::move(documentStarts);
        TraceArrays a;
        a.positions = 4;
        a.kMax = 3;
        a.dimension = 1;
        a.targets = line->targets;
        a.tokenIndices = line->tokenIndices;
        a.documents = line->documents;
        a.windows = line->documents;
        a.lmLogProbs = line->lm;
        a.queries = line->queries;
        a.neighbourIds = line->neighbourIds;
        a.indexDistances = line->distances;
        a.exactDistances = line->distances;
        return Replay(Trace::fromArrays(a, line, Datastore::fromParts(std::move(parts))), Clusters::fromAssignment({0, 1, 0, 1, 2}, 3));
    }
};

EvaluationSettings retomaton(std::int32_t k)
{
    EvaluationSettings settings;
    settings.method = Method::Retomaton;
    settings.k = k;
    return settings;
}

AutomatonWindow windowOf(const Replay &replay, std::int64_t first, std::int64_t count, const EvaluationSettings &settings)
{
    JobControl job;
    return automatonWindow(replay, Position(first), count, settings, job);
}

bool near(double actual, double expected)
{
    return std::abs(actual - expected) < 1e-6;
}

/// "0:{0,2} 1:{1}": the states of a step with their entries.
std::string printed(const AutomatonWindow &window, std::size_t step)
{
    std::string text;
    const AutomatonStep &s = window.steps[step];
    for (std::int32_t n = s.firstNode; n < s.firstNode + s.nodeCount; ++n) {
        const AutomatonNode &node = window.nodes[std::size_t(n)];
        text += fmt::format("{}{}:{{", text.empty() ? "" : " ", node.state.value);
        for (std::int32_t e = 0; e < node.entryCount; ++e)
            text += fmt::format("{}{}", e > 0 ? "," : "", window.entries[std::size_t(node.firstEntry + e)].entry.value);
        text += "}";
    }
    return text;
}

} // namespace

class TestAutomatonWindow : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void fourStepsByHand()
    {
        const AutomatonWindow window = windowOf(Line::replay(), 0, 10, retomaton(3));
        QCOMPARE(window.steps.size(), std::size_t(4)); // cut at the end of the trace

        // 0: the document begins, so a search: entries 0, 1, 2 at distances 0, 1, 4. Entries 0 and 2 have the true value 1.
        const double z = 1 + std::exp(-1.0) + std::exp(-4.0);
        QCOMPARE(printed(window, 0), std::string("0:{0,2} 1:{1}"));
        QVERIFY(near(window.nodes[0].weight, (1 + std::exp(-4.0)) / z) && near(window.nodes[0].targetWeight, window.nodes[0].weight));
        QCOMPARE(window.nodes[0].continuing, 2);
        QVERIFY(near(window.nodes[1].weight, std::exp(-1.0) / z) && window.nodes[1].targetWeight == 0);
        QVERIFY(near(window.steps[0].targetProbability, (1 + std::exp(-4.0)) / z));
        QCOMPARE(reasonText(window.steps[0], window.settings), std::string("searched: first position of a document"));

        // 1: pointers to 1 and 3, both in state 1, which has no other member; distances 0 and 4. Entry 1 has the value 2.
        QCOMPARE(printed(window, 1), std::string("1:{1,3}"));
        QCOMPARE(window.steps[1].survivors, 2);
        QCOMPARE(window.steps[1].direct, 2);
        QCOMPARE(window.steps[1].members, 0);
        QCOMPARE(window.steps[1].matching, 1);
        QVERIFY(near(window.steps[1].targetProbability, 1 / (1 + std::exp(-4.0))));
        QCOMPARE(reasonText(window.steps[1], window.settings), std::string("saved: 2 survivors ≥ min_knns 1"));

        // 2: the pointer to 2, and the other member of state 0, entry 0; distances 1 and 9. No value is 3.
        QCOMPARE(printed(window, 2), std::string("0:{2,0}"));
        QCOMPARE(window.steps[2].direct, 1);
        QCOMPARE(window.steps[2].members, 1);
        QCOMPARE(window.steps[2].continuing, 0);
        QCOMPARE(reasonText(window.steps[2], window.settings), std::string("saved: 1 survivor ≥ min_knns 1"));

        // 3: nothing survived.
        QVERIFY(window.steps[3].searched);
        QCOMPARE(window.steps[3].found, 3);
        QCOMPARE(reasonText(window.steps[3], window.settings), std::string("searched: 0 survivors < min_knns 1, as none of the 2 candidates before had the right token"));

        QCOMPARE(window.edges.size(), std::size_t(2));
        QCOMPARE(window.edges[0].pointers, 2); // 0 → 1 and 2 → 3
        QVERIFY(near(window.edges[0].weight, 1));
        QCOMPARE(window.edges[1].pointers, 1); // 1 → 2
        QVERIFY(near(window.edges[1].weight, 1 / (1 + std::exp(-8.0))));
        QCOMPARE(window.nodes[std::size_t(window.edges[1].from)].state, StateId(1));
        QCOMPARE(window.nodes[std::size_t(window.edges[1].to)].state, StateId(0));
    }

    void theFirstReasonKnowsWhatWasBefore()
    {
        const AutomatonWindow window = windowOf(Line::replay(), 3, 1, retomaton(3));
        QCOMPARE(window.steps.size(), std::size_t(1));
        QVERIFY(window.edges.empty());
        QCOMPARE(window.steps[0].candidatesBefore, 2);
        QVERIFY(reasonText(window.steps[0], window.settings).ends_with("none of the 2 candidates before had the right token"));
    }

    void documentsEnd()
    {
        // Documents {0}, {1}, {2, 3, 4}: entry 0 has the right value at position 0 but no pointer, entry 2 goes on.
        EvaluationSettings settings = retomaton(3);
        settings.automaton.minKnns = 2;
        const AutomatonWindow window = windowOf(Line::replay({0, 1, 2, 5}), 0, 2, settings);
        QCOMPARE(reasonText(window.steps[1], settings), std::string("searched: 1 survivor < min_knns 2, as 1 of the 2 that had the right token end a document"));
    }

    void reasonsForEveryRule()
    {
        EvaluationSettings settings = retomaton(3);
        settings.automaton.count = CountRule::States;
        settings.automaton.minKnns = 2;
        QCOMPARE(reasonText(windowOf(Line::replay(), 1, 1, settings).steps[0], settings), std::string("searched: 1 state < min_knns 2"));
        settings.automaton.minKnns = AutomatonSettings::alwaysSearch;
        QCOMPARE(reasonText(windowOf(Line::replay(), 1, 1, settings).steps[0], settings), std::string("searched: min_knns is ∞"));
        settings.automaton.pointers = false;
        QCOMPARE(reasonText(windowOf(Line::replay(), 1, 1, settings).steps[0], settings), std::string("searched: pointers are switched off"));
        settings.method = Method::KnnLm;
        QVERIFY_THROWS_EXCEPTION(Error, windowOf(Line::replay(), 1, 1, settings));
    }

    void agreesWithTheReplay_data()
    {
        QTest::addColumn<bool>("clusters");
        QTest::addColumn<bool>("reference");
        QTest::newRow("clusters") << true << false;
        QTest::newRow("pointers only") << false << false;
        QTest::newRow("as released") << true << true;
    }

    void agreesWithTheReplay()
    {
        QFETCH(bool, clusters);
        QFETCH(bool, reference);
        const test::SmallWorld world;
        const Replay replay = world.replay();
        EvaluationSettings settings = retomaton(8);
        settings.useClusters = clusters;
        settings.automaton.maxKnns = 40;
        if (reference)
            settings.automaton = AutomatonSettings::reference();
        JobControl job;
        const EvaluationResult result = replay.evaluate(settings, {.perPosition = true}, job);
        for (const std::int64_t first : {0, 17, 100}) {
            const AutomatonWindow window = automatonWindow(replay, Position(first), 60, settings, job);
            QCOMPARE(window.steps.size(), std::size_t(60));
            for (const AutomatonStep &step : window.steps) {
                const auto t = std::size_t(step.position.value);
                QCOMPARE(step.searched, result.searched[t] != 0);
                QCOMPARE(step.candidates(), result.candidates[t]);
                QCOMPARE(step.continuing, result.survivors[t]);
                QVERIFY(std::isinf(result.knnLogProbs[t]) || result.knnLogProbs[t] == float(referenceLogZero)
                        || std::abs(std::log(step.targetProbability) - double(result.knnLogProbs[t])) < 1e-5);
                double weight = 0;
                std::int32_t entries = 0, continuing = 0;
                for (std::int32_t n = step.firstNode; n < step.firstNode + step.nodeCount; ++n) {
                    weight += window.nodes[std::size_t(n)].weight;
                    entries += window.nodes[std::size_t(n)].entryCount;
                    continuing += window.nodes[std::size_t(n)].continuing;
                }
                QVERIFY(step.candidates() == 0 || near(weight, 1));
                QCOMPARE(entries, step.candidates());
                if (!reference) // which may keep an entry twice, and −1
                    QCOMPARE(continuing, step.continuing);
            }
            for (const AutomatonEdge &edge : window.edges) {
                QCOMPARE(window.nodes[std::size_t(edge.from)].step + 1, window.nodes[std::size_t(edge.to)].step);
                QVERIFY(edge.weight <= window.nodes[std::size_t(edge.to)].weight + 1e-9);
            }
        }
    }
};

QTEST_APPLESS_MAIN(TestAutomatonWindow)
#include "tst_automaton_window.moc"
