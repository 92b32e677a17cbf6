// SPDX-License-Identifier: GPL-3.0-or-later
// RetoMaton by hand: every step of a small automaton written out, and each place where the released code differs.
#include "base/error.h"
#include "automaton/retomaton.h"
#include "predict/knn_distribution.h"

#include <QTest>

#include <cmath>
#include <initializer_list>

using namespace retoscope;

namespace {

using Ids = std::vector<std::int32_t>;
using Floats = std::vector<float>;

// Twelve entries in three documents, and four states. Values are tokens:
//
//   document   |    A             |    B             |   C        |
//   entry      |  0   1   2   3   |  4   5   6   7   |  8  9 10 11 |
//   value      | 10  11  12  13   | 10  11  12  14   | 10 11 15 16 |
//   state      |  0   1   2   3   |  0   1   2   3   |  0  1  2  3 |     (state 2 also has nothing else)
//   pointer    |  1   2   3   –   |  5   6   7   –   |  9 10 11  – |
constexpr std::int32_t entries = 12;

std::shared_ptr<const Datastore> datastore()
{
    Datastore::Parts parts;
    parts.dimension = 1;
    parts.keys.resize(entries * sizeof(float));
    parts.values = {10, 11, 12, 13, 10, 11, 12, 14, 10, 11, 15, 16};
    parts.documentStarts = {0, 4, 8, 12};
    return Datastore::fromParts(std::move(parts));
}

std::shared_ptr<const Clusters> states()
{
    return Clusters::fromAssignment({0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}, 4);
}

RetomatonWalker walkerWith(const AutomatonSettings &settings, bool clusters = true)
{
    return RetomatonWalker(datastore(), clusters ? states() : nullptr, settings);
}

AutomatonSettings corrected(std::int64_t minKnns = 1, std::int32_t maxKnns = 1024)
{
    AutomatonSettings settings;
    settings.minKnns = minKnns;
    settings.maxKnns = maxKnns;
    return settings;
}

AutomatonSettings reference(std::int64_t minKnns = 1, std::int32_t maxKnns = 1024)
{
    AutomatonSettings settings = AutomatonSettings::reference();
    settings.minKnns = minKnns;
    settings.maxKnns = maxKnns;
    return settings;
}

Ids ids(std::span<const std::int32_t> values)
{
    return {values.begin(), values.end()};
}

/// combine() with the distances of all the plan's pointers, of which it asks for those that the search did not find.
RetomatonWalker::Candidates combine(RetomatonWalker &walker, const Ids &found, const Floats &foundDistances, const Floats &pointerDistances)
{
    const auto candidates = walker.combine(found, foundDistances);
    const Ids &pointers = walker.lastPlan().pointers;
    for (std::size_t i = 0; i < candidates.pointers().size(); ++i) {
        const auto at = std::ranges::find(pointers, candidates.pointers()[i]) - pointers.begin();
        candidates.pointerDistances[i] = pointerDistances.at(std::size_t(at));
    }
    return candidates;
}

/// One whole step with a search result and pointer distances of 1, observing `token`.
void stepTo(RetomatonWalker &walker, const Ids &found, const Floats &distances, int token)
{
    const Floats pointerDistances(walker.plan().pointers.size(), 1.0f);
    combine(walker, found, distances, pointerDistances);
    walker.observe(TokenId(token));
}

} // namespace

class RetomatonTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void workedByHand();
    void minKnns_data();
    void minKnns();
    void extension_data();
    void extension();
    void randomStatesAreSeeded();
    void withoutClustersNothingIsAdded();
    void pointersAloneFillMaxKnns();
    void disabledPointers();
    void duplicates();
    void documentEnds();
    void paddingOfTheIndex();
    void ties();
    void resetForgets();
    void copiesWalkOnTheirOwn();
    void otherClustersAreRefused();
    void settingsAreReadStrictly_data();
    void settingsAreReadStrictly();
    void settingsSurviveJson();
};

void RetomatonTest::workedByHand()
{
    RetomatonWalker walker = walkerWith(corrected(2, 8));

    // Step 1. Nothing is pointed to, so |cur| = 0 < 2: search. The search finds 4 (d 1), 0 (d 2), 8 (d 3), 3 (d 4).
    {
        const RetomatonPlan &plan = walker.plan();
        QVERIFY(plan.search);
        QCOMPARE(plan.survivors, 0);
        QCOMPARE(plan.survivorStates, 0);
        QVERIFY(plan.pointers.empty());
        const auto candidates = combine(walker, Ids{4, 0, 8, 3}, Floats{1, 2, 3, 4}, {});
        QCOMPARE(ids(candidates.ids), (Ids{4, 0, 8, 3}));
        QCOMPARE(candidates.found, 4);
        // Three of four have value 10: p(10) = (e^-1 + e^-2 + e^-3) / (e^-1 + e^-2 + e^-3 + e^-4).
        const double matched = std::exp(-1.) + std::exp(-2.) + std::exp(-3.);
        const auto matches = walker.matches(TokenId(10));
        QCOMPARE(std::vector<std::uint8_t>(matches.begin(), matches.end()), (std::vector<std::uint8_t>{1, 1, 1, 0}));
        QVERIFY(std::fabs(logKnnProbability(candidates.distances, matches, 1.0) - std::log(matched / (matched + std::exp(-4.)))) < 1e-12);
        walker.observe(TokenId(10));
        QCOMPARE(ids(walker.current()), (Ids{4, 0, 8})); // nearest first
    }
    // Step 2. Pointers 5, 1, 9, all in state 1, so that the state adds no one: its members 1, 5, 9 are pointed to already.
    // |cur| = 3 ≥ 2: no search.
    {
        const RetomatonPlan &plan = walker.plan();
        QVERIFY(!plan.search);
        QCOMPARE(plan.survivors, 3);
        QCOMPARE(plan.survivorStates, 1);
        QCOMPARE(plan.pointers, (Ids{5, 1, 9}));
        QCOMPARE(plan.directPointers, 3);
        // Distances 3, 2, 1; y = 11 is the value of all: p(11) = 1, and the nearest comes first.
        const auto candidates = combine(walker, {}, {}, Floats{3, 2, 1});
        QCOMPARE(logKnnProbability(candidates.distances, walker.matches(TokenId(11)), 1.0), 0.0);
        walker.observe(TokenId(11));
        QCOMPARE(ids(walker.current()), (Ids{9, 1, 5}));
    }
    // Step 3. Pointers 10, 2, 6, all in state 2. y = 12 leaves 2 (d 2) and 6 (d 2): a tie, so the earlier candidate first.
    {
        QVERIFY(!walker.plan().search);
        QCOMPARE(walker.lastPlan().pointers, (Ids{10, 2, 6}));
        const auto candidates = combine(walker, {}, {}, Floats{1, 2, 2});
        // T = 2: p(12) = 2 e^-1 / (e^-0.5 + 2 e^-1).
        QVERIFY(std::fabs(std::exp(logKnnProbability(candidates.distances, walker.matches(TokenId(12)), 2.0))
                          - 2 * std::exp(-1.) / (std::exp(-.5) + 2 * std::exp(-1.))) < 1e-12);
        walker.observe(TokenId(12));
        QCOMPARE(ids(walker.current()), (Ids{2, 6}));
    }
    // Step 4. Pointers 3, 7; their state 3 adds 11. |cur| = 2: still no search. y = 14 is the value of 7 alone, which ends
    // its document and has no pointer.
    {
        const RetomatonPlan &plan = walker.plan();
        QVERIFY(!plan.search);
        QCOMPARE(plan.directPointers, 2);
        QCOMPARE(plan.pointers, (Ids{3, 7, 11}));
        const auto candidates = combine(walker, {}, {}, Floats{1, 1, 5});
        QCOMPARE(candidates.direct, 2);
        QVERIFY(std::fabs(std::exp(logKnnProbability(candidates.distances, walker.matches(TokenId(14)), 1.0))
                          - std::exp(-1.) / (2 * std::exp(-1.) + std::exp(-5.))) < 1e-12);
        walker.observe(TokenId(14));
        QVERIFY(walker.current().empty());
    }
    // Step 5. Nobody survived: search again. 1 and 6 are found; y = 99 is nobody's value.
    {
        QVERIFY(walker.plan().search);
        const auto candidates = combine(walker, Ids{1, 6}, Floats{1, 2}, {});
        QCOMPARE(logKnnProbability(candidates.distances, walker.matches(TokenId(99)), 1.0), -std::numeric_limits<double>::infinity());
        walker.observe(TokenId(99));
        QVERIFY(walker.current().empty());
    }
    // Step 6. A search with a single survivor: 1 is found with its right value, |cur| = 1 < 2 searches, and 2 is a pointer.
    {
        walker.plan();
        combine(walker, Ids{1, 6}, Floats{1, 2}, {});
        walker.observe(TokenId(11));
        QCOMPARE(ids(walker.current()), (Ids{1}));
        const RetomatonPlan &plan = walker.plan();
        QVERIFY(plan.search);
        QCOMPARE(plan.pointers, (Ids{2, 6, 10})); // 2, then the members of state 2 that are not there yet
        QCOMPARE(plan.directPointers, 1);
        // The search finds 6 and 0 as well: C = the search, then the pointers without what it found.
        const auto candidates = combine(walker, Ids{6, 0}, Floats{1, 2}, Floats{3, 1, 4});
        QCOMPARE(ids(candidates.ids), (Ids{6, 0, 2, 10}));
        QCOMPARE(Floats(candidates.distances.begin(), candidates.distances.end()), (Floats{1, 2, 3, 4}));
        QCOMPARE(candidates.found, 2);
        QCOMPARE(candidates.direct, 1);
    }
}

void RetomatonTest::minKnns_data()
{
    QTest::addColumn<qint64>("minKnns");
    QTest::addColumn<bool>("countStates");
    QTest::addColumn<bool>("clusters");
    QTest::addColumn<bool>("search");
    // After observing 10 there are three pointers 5, 1, 9, all in state 1.
    QTest::newRow("entries, reached") << qint64(3) << false << true << false;
    QTest::newRow("entries, one short") << qint64(4) << false << true << true;
    QTest::newRow("states, reached") << qint64(1) << true << true << false;
    QTest::newRow("states, one short") << qint64(2) << true << true << true;
    QTest::newRow("states without clusters: each entry is one") << qint64(3) << true << false << false;
    QTest::newRow("infinite") << qint64(AutomatonSettings::alwaysSearch) << false << true << true;
}

void RetomatonTest::minKnns()
{
    QFETCH(qint64, minKnns);
    QFETCH(bool, countStates);
    QFETCH(bool, clusters);
    QFETCH(bool, search);
    AutomatonSettings settings = corrected(minKnns);
    settings.count = countStates ? CountRule::States : CountRule::Entries;
    RetomatonWalker walker = walkerWith(settings, clusters);
    stepTo(walker, {4, 0, 8}, {1, 2, 3}, 10);
    QCOMPARE(walker.plan().search, search);
}

void RetomatonTest::extension_data()
{
    QTest::addColumn<bool>("isReference");
    QTest::addColumn<int>("maxKnns");
    QTest::addColumn<QList<int>>("pointers");
    // cur = 4, 0, 2, so the pointers are 5, 1, 3: two in state 1 (1, 5, 9), one in state 3 (3, 7, 11).
    QTest::newRow("corrected: states by count, no entry twice") << false << 1024 << QList<int>{5, 1, 3, 9, 7, 11};
    QTest::newRow("corrected: cut at max_knns") << false << 5 << QList<int>{5, 1, 3, 9, 7};
    QTest::newRow("corrected: full with the first state") << false << 4 << QList<int>{5, 1, 3, 9};
    QTest::newRow("reference: members come again") << true << 1024 << QList<int>{5, 1, 3, 1, 5, 9, 3, 7, 11};
    QTest::newRow("reference: the cut counts duplicates") << true << 5 << QList<int>{5, 1, 3, 1, 5};
}

void RetomatonTest::extension()
{
    QFETCH(bool, isReference);
    QFETCH(int, maxKnns);
    QFETCH(QList<int>, pointers);
    // All of 4, 0 and 2 need one value: a datastore whose values are all 10.
    Datastore::Parts parts;
    parts.dimension = 1;
    parts.keys.resize(entries * sizeof(float));
    parts.values.assign(entries, 10);
    parts.documentStarts = {0, 4, 8, 12};
    RetomatonWalker walker(Datastore::fromParts(std::move(parts)), states(), isReference ? reference(1, maxKnns) : corrected(1, maxKnns));
    stepTo(walker, {4, 0, 2}, {1, 2, 3}, 10);
    const RetomatonPlan &plan = walker.plan();
    QCOMPARE(plan.survivorStates, 2);
    QCOMPARE(plan.directPointers, 3);
    QCOMPARE(plan.pointers, Ids(pointers.begin(), pointers.end()));
}

void RetomatonTest::randomStatesAreSeeded()
{
    // Pointers in all four states; a random order must be a permutation of whole states, the same for the same seed and
    // another one for some other seed.
    const auto planFor = [](std::uint64_t seed) {
        Datastore::Parts parts;
        parts.dimension = 1;
        parts.keys.resize(entries * sizeof(float));
        parts.values.assign(entries, 10);
        AutomatonSettings settings = corrected();
        settings.order = StateOrder::Random;
        settings.seed = seed;
        RetomatonWalker walker(Datastore::fromParts(std::move(parts)), states(), settings);
        stepTo(walker, {0, 1, 2, 3}, {1, 2, 3, 4}, 10);
        return walker.plan().pointers;
    };
    const Ids first = planFor(1);
    QCOMPARE(first, planFor(1));
    QCOMPARE(Ids(first.begin(), first.begin() + 4), (Ids{1, 2, 3, 4}));
    bool differs = false;
    for (std::uint64_t seed = 2; seed < 12; ++seed) {
        Ids other = planFor(seed);
        differs = differs || other != first;
        std::sort(other.begin(), other.end());
        QCOMPARE(other, (Ids{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
    }
    QVERIFY(differs);
}

void RetomatonTest::withoutClustersNothingIsAdded()
{
    RetomatonWalker walker = walkerWith(corrected(), false);
    stepTo(walker, {4, 0}, {1, 2}, 10);
    QCOMPARE(walker.plan().pointers, (Ids{5, 1}));
    QCOMPARE(walker.lastPlan().survivorStates, 0);
}

void RetomatonTest::pointersAloneFillMaxKnns()
{
    for (const AutomatonSettings &settings : {corrected(1, 2), reference(1, 2)}) {
        RetomatonWalker walker = walkerWith(settings);
        stepTo(walker, {4, 0, 8}, {3, 1, 2}, 10);
        QCOMPARE(walker.plan().pointers, (Ids{1, 9})); // the nearest of cur first, no state
        QCOMPARE(walker.lastPlan().directPointers, 2);
        QCOMPARE(walker.lastPlan().survivors, 3);
    }
}

void RetomatonTest::disabledPointers()
{
    AutomatonSettings settings = corrected();
    settings.pointers = false;
    RetomatonWalker walker = walkerWith(settings);
    stepTo(walker, {4, 0, 8}, {1, 2, 3}, 10);
    QVERIFY(walker.plan().search);
    QVERIFY(walker.lastPlan().pointers.empty());
}

void RetomatonTest::duplicates()
{
    // The search finds what a pointer leads to. Corrected counts it once; the released code counts it twice, and both
    // copies survive.
    for (const bool isReference : {false, true}) {
        RetomatonWalker walker = walkerWith(isReference ? reference(9) : corrected(9), false);
        stepTo(walker, {4}, {1}, 10);
        QVERIFY(walker.plan().search);
        const auto candidates = combine(walker, Ids{5, 0}, Floats{1, 2}, Floats{1});
        QCOMPARE(ids(candidates.ids), isReference ? (Ids{5, 0, 5}) : (Ids{5, 0}));
        walker.observe(TokenId(11));
        QCOMPARE(ids(walker.current()), isReference ? (Ids{5, 5}) : (Ids{5}));
    }
}

void RetomatonTest::documentEnds()
{
    // 7 ends document B, 11 the datastore.
    for (const bool isReference : {false, true}) {
        RetomatonWalker walker = walkerWith(isReference ? reference() : corrected(), false);
        stepTo(walker, {7}, {1}, 14);
        QCOMPARE(walker.plan().pointers, isReference ? (Ids{8}) : (Ids{}));
        walker.reset();
        stepTo(walker, {11}, {1}, 16);
        QVERIFY(walker.plan().pointers.empty());
    }
}

void RetomatonTest::paddingOfTheIndex()
{
    // −1 is nobody; the released code takes it for the last entry (value 16), lets it survive, and follows it to entry 0.
    for (const bool isReference : {false, true}) {
        RetomatonWalker walker = walkerWith(isReference ? reference() : corrected(), false);
        walker.plan();
        const auto candidates = combine(walker, Ids{3, -1}, Floats{1, 2}, {});
        QCOMPARE(ids(candidates.ids), isReference ? (Ids{3, -1}) : (Ids{3}));
        walker.observe(TokenId(16));
        QCOMPARE(ids(walker.current()), isReference ? (Ids{-1}) : (Ids{}));
        QCOMPARE(walker.plan().pointers, isReference ? (Ids{0}) : (Ids{}));
    }
}

void RetomatonTest::ties()
{
    // 40 survivors of the same distance: stable keeps the order of the candidates, std::sort of that many does not (its
    // introsort swaps around a pivot), and the released code did as std::sort does.
    constexpr std::int32_t count = 40;
    const auto survivors = [](TieOrder order) {
        Datastore::Parts parts;
        parts.dimension = 1;
        parts.keys.resize((count + 1) * sizeof(float));
        parts.values.assign(count + 1, 10);
        AutomatonSettings settings = reference();
        settings.ties = order;
        RetomatonWalker walker(Datastore::fromParts(std::move(parts)), nullptr, settings);
        Ids found(count);
        for (std::int32_t i = 0; i < count; ++i)
            found[std::size_t(i)] = i;
        walker.plan();
        combine(walker, found, Floats(count, 1.0f), {});
        walker.observe(TokenId(10));
        return ids(walker.current());
    };
    std::vector<std::pair<float, std::int32_t>> sorted;
    Ids inOrder;
    for (std::int32_t i = 0; i < count; ++i) {
        sorted.emplace_back(1.0f, i);
        inOrder.push_back(i);
    }
    std::sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    Ids asStdSort;
    for (const auto &[distance, i] : sorted)
        asStdSort.push_back(i);
    QCOMPARE(survivors(TieOrder::Stable), inOrder);
    QCOMPARE(survivors(TieOrder::StdSort), asStdSort);
    QVERIFY(asStdSort != inOrder);
}

void RetomatonTest::resetForgets()
{
    RetomatonWalker walker = walkerWith(corrected());
    stepTo(walker, {4}, {1}, 10);
    QVERIFY(!walker.current().empty());
    walker.reset();
    QVERIFY(walker.current().empty());
    QVERIFY(walker.plan().search);
}

void RetomatonTest::copiesWalkOnTheirOwn()
{
    RetomatonWalker walker = walkerWith(corrected());
    stepTo(walker, {4, 0}, {1, 2}, 10);
    RetomatonWalker beam = walker;
    stepTo(walker, {}, {}, 12);
    QVERIFY(walker.current().empty());
    QCOMPARE(ids(beam.current()), (Ids{4, 0}));
    QCOMPARE(beam.plan().pointers, (Ids{5, 1, 9}));
    beam = walker;
    QVERIFY(beam.current().empty());
}

void RetomatonTest::otherClustersAreRefused()
{
    try {
        RetomatonWalker walker(datastore(), Clusters::fromAssignment({0, 0, 1}, 2), corrected());
        QFAIL("clusters of three entries were accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::Mismatch);
        QVERIFY(QString(error.what()).contains("3 entries") && QString(error.what()).contains("12"));
    }
}

void RetomatonTest::settingsAreReadStrictly_data()
{
    QTest::addColumn<QString>("json");
    QTest::addColumn<QString>("named"); ///< what the sentence must name
    QTest::newRow("unknown field") << R"({"min_kns": 3})" << "min_kns";
    QTest::newRow("fraction") << R"({"max_knns": 2.5})" << "max_knns";
    QTest::newRow("text") << R"({"min_knns": "many"})" << "many";
    QTest::newRow("zero") << R"({"min_knns": 0})" << "min_knns";
    QTest::newRow("too large") << R"({"max_knns": 4294967297})" << "4294967297";
    QTest::newRow("unknown name") << R"({"semantics": "right"})" << "corrected, reference";
    QTest::newRow("no object") << "[1]" << "array";
    QTest::newRow("std_sort is parity") << R"({"ties": "std_sort"})" << "std_sort";
    QTest::newRow("wrong type") << R"({"deduplicate": 1})" << "true or false";
}

void RetomatonTest::settingsAreReadStrictly()
{
    QFETCH(QString, json);
    QFETCH(QString, named);
    try {
        Json::parse(json.toStdString()).get<AutomatonSettings>();
        QFAIL("accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::BadInput);
        QVERIFY2(QString(error.what()).contains(named), error.what());
    }
}

void RetomatonTest::settingsSurviveJson()
{
    AutomatonSettings settings = reference(AutomatonSettings::alwaysSearch, 77);
    settings.order = StateOrder::Random;
    settings.count = CountRule::States;
    settings.seed = 5;
    QCOMPARE(Json(settings).get<AutomatonSettings>(), settings);
    QVERIFY(Json(settings).at("min_knns") == "inf");
    QCOMPARE(Json({{"semantics", "reference"}}).get<AutomatonSettings>(), AutomatonSettings::reference());
}

QTEST_GUILESS_MAIN(RetomatonTest)
#include "tst_retomaton.moc"
