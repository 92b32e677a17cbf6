// SPDX-License-Identifier: GPL-3.0-or-later
// Replay against a second, naive implementation of retrieval.md sections 4 and 5, and the laws that every replay obeys.
#include "base/error.h"
#include "base/job.h"
#include "small_world.h"

#include <QTest>

#include <cmath>
#include <map>
#include <set>
#include <thread>

using namespace retoscope;
using retoscope::test::SmallWorld;

namespace {

struct Naive
{
    std::vector<double> logProbs;
    std::vector<int> searched, candidates, survivors;
    double nll = 0;
};

/// Written from the specification with maps, sets and doubles; shares nothing with the program but the data.
Naive evaluateNaively(const SmallWorld &w, const EvaluationSettings &s)
{
    const AutomatonSettings &a = s.automaton;
    const bool reference = s.reference(), exact = s.distances == DistanceSource::Exact, walks = s.method == Method::Retomaton;
    struct Candidate
    {
        int id;
        double distance;
    };
    const int last = SmallWorld::entries - 1;
    std::set<int> ends;
    for (std::size_t d = 1; d < w.documentStarts.size(); ++d)
        ends.insert(int(w.documentStarts[d]) - 1);
    const auto valueOf = [&](int id) { return w.values[std::size_t(id < 0 ? last : id)]; };
    const auto hasPointer = [&](int id) { return id < last && !(a.stopAtDocumentEnds && ends.contains(id)); };
    const auto weightedBy = [&](std::int64_t t, int id) -> double {
        if (id < 0)
            return exact ? w.distance(t, last, true) : double(std::numeric_limits<float>::max());
        return w.distance(t, id, exact);
    };

    Naive result;
    std::vector<int> current;
    for (std::int64_t t = 0; t < SmallWorld::positions; ++t) {
        const auto sequence = [&](std::int64_t at) { return reference ? w.windows[std::size_t(at)] / s.referenceBatch : w.documents[std::size_t(at)]; };
        if (t == 0 || sequence(t) != sequence(t - 1))
            current.clear();
        std::vector<int> pointers;
        if (walks && a.pointers) {
            for (const int entry : current)
                pointers.push_back(entry + 1);
        }
        std::map<int, int> perState;
        if (s.useClusters) {
            for (const int pointer : pointers)
                ++perState[w.stateOf[std::size_t(pointer)]];
        }
        const std::int64_t counted = a.count == CountRule::States && s.useClusters ? std::int64_t(perState.size()) : std::int64_t(current.size());
        const bool search = !walks || !a.pointers || counted < a.minKnns;
        if (std::int64_t(pointers.size()) >= a.maxKnns) {
            pointers.resize(std::size_t(a.maxKnns));
        } else if (s.useClusters && !pointers.empty()) {
            std::vector<std::pair<int, int>> order; // −count, state; states ascend in a map
            for (const auto &[state, count] : perState)
                order.emplace_back(-count, state);
            const auto byCount = [](const auto &x, const auto &y) { return x.first < y.first; };
            if (a.ties == TieOrder::StdSort)
                std::sort(order.begin(), order.end(), byCount);
            else
                std::stable_sort(order.begin(), order.end(), byCount);
            for (const auto &[count, state] : order) {
                for (int entry = 0; entry <= last; ++entry) {
                    const bool known = std::find(pointers.begin(), pointers.end(), entry) != pointers.end();
                    if (w.stateOf[std::size_t(entry)] == state && !(a.deduplicate && known))
                        pointers.push_back(entry);
                }
            }
            if (std::int64_t(pointers.size()) > a.maxKnns)
                pointers.resize(std::size_t(a.maxKnns));
        }
        std::vector<Candidate> candidates;
        const auto add = [&](int id) {
            if (id < 0 && !reference)
                return;
            for (const Candidate &candidate : candidates) {
                if (a.deduplicate && candidate.id == id)
                    return;
            }
            candidates.push_back({id, weightedBy(t, id)});
        };
        if (search) {
            for (int j = 0; j < s.k; ++j)
                add(w.ids[std::size_t(t * SmallWorld::kMax + j)]);
        }
        for (const int pointer : pointers)
            add(pointer);

        double nearest = std::numeric_limits<double>::infinity(), all = 0, matched = 0;
        for (const Candidate &candidate : candidates)
            nearest = std::min(nearest, candidate.distance);
        for (const Candidate &candidate : candidates) {
            const double weight = std::exp(-(candidate.distance - nearest) / s.temperature);
            all += weight;
            matched += valueOf(candidate.id) == w.targets[std::size_t(t)] ? weight : 0;
        }
        const double lm = w.lm[std::size_t(t)];
        double mixed = lm;
        if (!candidates.empty()) {
            const double knn = matched > 0 ? matched / all : reference ? std::exp(-10000.0) : 0.0;
            mixed = std::log((1 - s.lambda) * std::exp(lm) + s.lambda * knn);
        }
        result.logProbs.push_back(mixed);
        result.nll -= mixed / double(SmallWorld::positions);

        std::vector<std::pair<double, int>> right;
        for (const Candidate &candidate : candidates) {
            if (valueOf(candidate.id) == w.targets[std::size_t(t)] && hasPointer(candidate.id))
                right.emplace_back(candidate.distance, candidate.id);
        }
        const auto byDistance = [](const auto &x, const auto &y) { return x.first < y.first; };
        if (a.ties == TieOrder::StdSort)
            std::sort(right.begin(), right.end(), byDistance);
        else
            std::stable_sort(right.begin(), right.end(), byDistance);
        current.clear();
        for (const auto &[distance, id] : right)
            current.push_back(id);
        result.searched.push_back(search);
        result.candidates.push_back(int(candidates.size()));
        result.survivors.push_back(walks ? int(current.size()) : 0);
    }
    return result;
}

EvaluationSettings randomSettings(std::mt19937 &random)
{
    const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    EvaluationSettings s;
    s.method = pick(0, 3) == 0 ? Method::KnnLm : Method::Retomaton;
    s.lambda = 0.05 * pick(1, 19);
    s.temperature = std::vector{0.5, 1.0, 3.0, 20.0}[std::size_t(pick(0, 3))];
    s.k = pick(1, SmallWorld::kMax);
    s.distances = pick(0, 1) ? DistanceSource::Exact : DistanceSource::Index;
    if (pick(0, 1)) {
        s.automaton = AutomatonSettings::reference();
        s.referenceBatch = pick(1, 3);
        if (pick(0, 2) == 0)
            s.automaton.ties = TieOrder::Stable;
    }
    s.useClusters = s.method == Method::Retomaton && pick(0, 2) != 0;
    s.automaton.minKnns = pick(0, 9) == 0 ? AutomatonSettings::alwaysSearch : pick(1, 6);
    s.automaton.maxKnns = std::vector{1, 3, 10, 40, 1024}[std::size_t(pick(0, 4))];
    s.automaton.pointers = pick(0, 7) != 0;
    if (pick(0, 3) == 0)
        s.automaton.count = CountRule::States;
    if (pick(0, 5) == 0)
        s.automaton.deduplicate = !s.automaton.deduplicate;
    return s;
}

EvaluationSettings settings(Method method, double lambda = 0.25)
{
    EvaluationSettings result;
    result.method = method;
    result.lambda = lambda;
    result.k = SmallWorld::kMax;
    return result;
}

const ReplayDetail everything{.perPosition = true};

} // namespace

class ReplayTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void agreesWithNaive_data();
    void agreesWithNaive();
    void lambdaZeroIsTheModel();
    void lambdaOneIsTheNeighbours();
    void emptyCandidatesLeaveTheModel();
    void alwaysSearchingWithoutPointersIsKnnLm();
    void fossEnds();
    void skipping();
    void releasedCounter();
    void helpedHurtAndOracle();
    void temperaturesAtOnce();
    void manyThreadsAtOnce();
    void temperatureNeedsNoWalk();
    void keptWalksChangeNoAnswer();
    void candidatesOfAPosition();
    void latePositionsNeedNoWholeWalk();
    void cancelled();
    void impossibleSettings_data();
    void impossibleSettings();
    void badTraces_data();
    void badTraces();

private:
    SmallWorld m_world;
    Replay m_replay = m_world.replay();
    JobControl m_job;
};

void ReplayTest::agreesWithNaive_data()
{
    QTest::addColumn<int>("seed");
    for (int seed = 0; seed < 400; ++seed)
        QTest::newRow(qPrintable(QString("settings %1").arg(seed))) << seed;
}

void ReplayTest::agreesWithNaive()
{
    QFETCH(int, seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    const EvaluationSettings s = randomSettings(random);
    const EvaluationResult ours = m_replay.evaluate(s, everything, m_job);
    const Naive naive = evaluateNaively(m_world, s);
    const std::string described = Json(s).dump();
    const auto same = [](const auto &x, const auto &y) { return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](auto p, auto q) { return int(p) == int(q); }); };
    QVERIFY2(same(ours.searched, naive.searched), described.c_str());
    QVERIFY2(same(ours.candidates, naive.candidates), described.c_str());
    QVERIFY2(same(ours.survivors, naive.survivors), described.c_str());
    QVERIFY2(std::fabs(ours.nll - naive.nll) < 1e-9, described.c_str());
    for (std::size_t t = 0; t < naive.logProbs.size(); ++t)
        QVERIFY2(std::fabs(ours.logProbs[t] - naive.logProbs[t]) < 1e-6 * (1 + std::fabs(naive.logProbs[t])), described.c_str());
}

void ReplayTest::lambdaZeroIsTheModel()
{
    for (const Method method : {Method::Base, Method::KnnLm, Method::Retomaton}) {
        const EvaluationResult result = m_replay.evaluate(settings(method, 0), everything, m_job);
        QCOMPARE(std::memcmp(result.logProbs.data(), m_world.lm.data(), m_world.lm.size() * sizeof(float)), 0);
        QCOMPARE(result.nll, result.baseNll);
        QCOMPARE(result.helped + result.hurt, std::int64_t(0));
    }
}

void ReplayTest::lambdaOneIsTheNeighbours()
{
    EvaluationSettings s = settings(Method::KnnLm, 1);
    const EvaluationResult result = m_replay.evaluate(s, everything, m_job);
    for (std::size_t t = 0; t < result.logProbs.size(); ++t)
        QCOMPARE(result.logProbs[t], result.candidates[t] > 0 ? result.knnLogProbs[t] : m_world.lm[t]);
    QVERIFY(std::isinf(result.perplexity)); // some targets have no neighbour
    QVERIFY(toJson(result).at("perplexity").is_null());
    s.automaton = AutomatonSettings::reference();
    QVERIFY(std::isfinite(m_replay.evaluate(s, {}, m_job).nll)); // −10000 instead
}

void ReplayTest::emptyCandidatesLeaveTheModel()
{
    const EvaluationResult result = m_replay.evaluate(settings(Method::KnnLm, 0.7), everything, m_job);
    QCOMPARE(result.candidates[16], 0); // a row that is all padding
    QCOMPARE(result.logProbs[16], m_world.lm[16]);
}

void ReplayTest::alwaysSearchingWithoutPointersIsKnnLm()
{
    const EvaluationResult knn = m_replay.evaluate(settings(Method::KnnLm), everything, m_job);
    EvaluationSettings s = settings(Method::Retomaton);
    s.automaton.minKnns = AutomatonSettings::alwaysSearch;
    s.automaton.pointers = false;
    const EvaluationResult walk = m_replay.evaluate(s, everything, m_job);
    QCOMPARE(walk.nll, knn.nll);
    QCOMPARE(walk.logProbs, knn.logProbs);
    QCOMPARE(walk.foss, 0.0);
}

void ReplayTest::fossEnds()
{
    EvaluationSettings s = settings(Method::Retomaton);
    std::vector<double> foss;
    for (const std::int64_t minKnns : {std::int64_t(1), std::int64_t(1000000), AutomatonSettings::alwaysSearch}) {
        s.automaton.minKnns = minKnns;
        const EvaluationResult result = m_replay.evaluate(s, {}, m_job);
        QCOMPARE(result.foss, 1 - double(result.searches) / double(SmallWorld::positions));
        foss.push_back(result.foss);
    }
    QVERIFY(foss[0] > 0.2);
    QCOMPARE(foss[1], 0.0);
    QCOMPARE(foss[2], 0.0);
    QCOMPARE(m_replay.evaluate(settings(Method::Base), {}, m_job).foss, 1.0);
}

void ReplayTest::skipping()
{
    EvaluationSettings s = settings(Method::KnnLm);
    const EvaluationResult none = m_replay.evaluate(s, everything, m_job);
    std::vector<std::uint8_t> before(std::size_t(SmallWorld::positions), 0);
    for (const double fraction : {0.25, 0.5, 1.0}) {
        s.skipFraction = fraction;
        const EvaluationResult some = m_replay.evaluate(s, everything, m_job);
        QCOMPARE(some.foss, fraction);
        const std::vector<std::uint8_t> skipped = randomSkips(SmallWorld::positions, fraction, s.skipSeed);
        for (std::size_t t = 0; t < skipped.size(); ++t) {
            QVERIFY(skipped[t] >= before[t]); // nested
            QCOMPARE(some.logProbs[t], skipped[t] ? m_world.lm[t] : none.logProbs[t]);
            QCOMPARE(some.searched[t], std::uint8_t(!skipped[t]));
        }
        before = skipped;
    }
    QVERIFY(randomSkips(1000, 0.5, 1) != randomSkips(1000, 0.5, 2));
}

void ReplayTest::releasedCounter()
{
    // Two forward calls. Runs of 2 and 1 end with a search and count; the runs of 1 and 2 at their ends are lost.
    const std::vector<std::uint8_t> searched{1, 0, 0, 1, 0, 1, 0, /* second */ 1, 0, 0};
    const std::vector<std::int64_t> starts{0, 7, 10};
    QCOMPARE(referenceFoss(searched, starts), 3.0 / (3.0 + 4.0));
}

void ReplayTest::helpedHurtAndOracle()
{
    const EvaluationResult result = m_replay.evaluate(settings(Method::Retomaton, 0.5), everything, m_job);
    std::int64_t helped = 0, hurt = 0;
    double oracle = 0;
    for (std::size_t t = 0; t < result.logProbs.size(); ++t) {
        const double lm = m_world.lm[t], knn = result.knnLogProbs[t];
        helped += result.candidates[t] > 0 && knn > lm;
        hurt += result.candidates[t] > 0 && knn < lm;
        oracle += std::max(lm, knn) / double(SmallWorld::positions);
    }
    QCOMPARE(result.helped, helped);
    QCOMPARE(result.hurt, hurt);
    QVERIFY(std::fabs(result.oraclePerplexity - std::exp(-oracle)) < 1e-5);
    QVERIFY(result.oraclePerplexity <= result.perplexity);
}

void ReplayTest::temperaturesAtOnce()
{
    for (const Method method : {Method::KnnLm, Method::Retomaton}) {
        const Replay together = m_world.replay(), apart = m_world.replay();
        EvaluationSettings s = settings(method);
        together.prepare(s, std::vector{7.0, 0.5, 2.0}, m_job);
        for (const double temperature : {0.5, 2.0, 7.0, 3.0}) {
            s.temperature = temperature;
            QCOMPARE(together.evaluate(s, everything, m_job).logProbs, apart.evaluate(s, everything, m_job).logProbs);
        }
    }
}

void ReplayTest::manyThreadsAtOnce()
{
    const Replay shared = m_world.replay();
    std::vector<EvaluationSettings> all;
    std::mt19937 random(5);
    for (int i = 0; i < 24; ++i)
        all.push_back(randomSettings(random));
    std::vector<double> expected;
    for (const EvaluationSettings &s : all)
        expected.push_back(m_replay.evaluate(s, {}, m_job).nll);
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (unsigned thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            JobControl job;
            for (std::size_t i = 0; i < all.size(); ++i) {
                const std::size_t at = (i * 7 + thread * 5) % all.size();
                wrong += shared.evaluate(all[at], {}, job).nll != expected[at];
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(wrong.load(), 0);
}

/// λ and T weigh what a walk has gathered; what is dropped for want of memory is walked again.
void ReplayTest::temperatureNeedsNoWalk()
{
    int reports = 0;
    JobControl counting([&](const Progress &progress) { reports += progress.stage == "walking the automaton"; });
    for (const std::int64_t walkBytes : {Replay::defaultWalkBytes, std::int64_t(0)}) {
        const Replay replay = m_world.replay(walkBytes);
        EvaluationSettings s = settings(Method::Retomaton);
        (void)replay.evaluate(s, {}, counting);
        QVERIFY(reports > 0);
        reports = 0;
        s.temperature = 3.5;
        const EvaluationResult weighed = replay.evaluate(s, everything, counting);
        s.lambda = 0.7;
        (void)replay.evaluate(s, {}, counting);
        QCOMPARE(reports > 0, walkBytes == 0);
        s.lambda = weighed.settings.lambda;
        const EvaluationResult walked = m_world.replay().evaluate(s, everything, m_job);
        QCOMPARE(weighed.logProbs, walked.logProbs);
        QCOMPARE(weighed.knnLogProbs, walked.knnLogProbs);
        QCOMPARE(weighed.candidates, walked.candidates);
        QCOMPARE(weighed.searches, walked.searches);
    }
}

/// Whatever was walked before, the numbers are those of a replay that knows nothing.
void ReplayTest::keptWalksChangeNoAnswer()
{
    std::mt19937 random(5);
    EvaluationSettings s = settings(Method::Retomaton);
    for (int step = 0; step < 200; ++step) {
        switch (random() % 5) {
        case 0: s.automaton.minKnns = 1 + std::int64_t(random() % 12); break;
        case 1: s.automaton.maxKnns = 4 + std::int32_t(random() % 30); break;
        case 2: s.temperature = 1 + double(random() % 8); break;
        case 3: s.distances = random() % 2 ? DistanceSource::Exact : DistanceSource::Index; break;
        default: s.k = 1 + std::int32_t(random() % SmallWorld::kMax); break;
        }
        const EvaluationResult ours = m_replay.evaluate(s, everything, m_job), fresh = m_world.replay().evaluate(s, everything, m_job);
        QCOMPARE(ours.logProbs, fresh.logProbs);
        QCOMPARE(ours.survivors, fresh.survivors);
    }
}

void ReplayTest::candidatesOfAPosition()
{
    using Origin = Replay::PositionCandidates::Origin;
    const EvaluationSettings s = settings(Method::Retomaton);
    const EvaluationResult whole = m_replay.evaluate(s, everything, m_job);
    bool sawAll[3] = {false, false, false};
    for (std::int64_t t = 0; t < SmallWorld::positions; ++t) {
        const auto candidates = m_replay.candidatesAt(Position(t), s);
        QCOMPARE(std::int32_t(candidates.ids.size()), whole.candidates[std::size_t(t)]);
        QCOMPARE(candidates.plan.search, whole.searched[std::size_t(t)] != 0);
        QCOMPARE(std::set<std::int32_t>(candidates.ids.begin(), candidates.ids.end()).size(), candidates.ids.size());
        double sum = 0;
        for (std::size_t j = 0; j < candidates.ids.size(); ++j) {
            sum += candidates.weights[j];
            sawAll[int(candidates.origins[j])] = true;
            QCOMPARE(double(candidates.distances[j]), m_world.distance(t, candidates.ids[j], true));
            if (candidates.origins[j] == Origin::Search)
                QVERIFY(candidates.plan.search);
        }
        QVERIFY(candidates.ids.empty() || std::fabs(sum - 1) < 1e-12);
    }
    QVERIFY(sawAll[0] && sawAll[1] && sawAll[2]);
    QVERIFY_EXCEPTION_THROWN(m_replay.candidatesAt(Position(SmallWorld::positions), s), Error);
}

/// A walk that begins where an evaluation passed by ends like one from the beginning of the sequence.
void ReplayTest::latePositionsNeedNoWholeWalk()
{
    EvaluationSettings s = settings(Method::Retomaton);
    for (const StateOrder order : {StateOrder::Count, StateOrder::Random}) {
        s.automaton.order = order;
        s.temperature = 2;
        (void)m_replay.evaluate(s, everything, m_job);
        s.temperature = 3; // another T walks the same way
        for (const std::int64_t t : {3, 64, 65, 128, 129, 130, 131, 191, 192, 200, 239}) {
            const auto resumed = m_replay.candidatesAt(Position(t), s);
            const auto whole = m_world.replay().candidatesAt(Position(t), s);
            QCOMPARE(resumed.ids, whole.ids);
            QCOMPARE(resumed.distances, whole.distances);
            QCOMPARE(resumed.weights, whole.weights);
            QCOMPARE(resumed.plan.pointers, whole.plan.pointers);
        }
    }
}

void ReplayTest::cancelled()
{
    JobControl job;
    job.requestCancel();
    const Replay fresh = m_world.replay();
    QVERIFY_EXCEPTION_THROWN(fresh.evaluate(settings(Method::KnnLm), {}, job), Cancelled);
    QVERIFY_EXCEPTION_THROWN(fresh.evaluate(settings(Method::Retomaton), {}, job), Cancelled);
    QVERIFY(std::isfinite(fresh.evaluate(settings(Method::Retomaton), {}, m_job).nll)); // and nothing was broken
}

void ReplayTest::impossibleSettings_data()
{
    QTest::addColumn<QString>("change");
    QTest::addColumn<QString>("named");
    QTest::newRow("k") << R"({"k": 17})" << "16 neighbours";
    QTest::newRow("lambda") << R"({"lambda": 1.5})" << "lambda is 1.5";
    QTest::newRow("temperature") << R"({"temperature": 0})" << "temperature is 0";
    QTest::newRow("batch") << R"({"reference_batch": 4})" << "reference_batch";
    QTest::newRow("dot") << R"({"reference_similarity": "dot"})" << "reference_similarity";
    QTest::newRow("skip") << R"({"method": "retomaton", "skip_fraction": 0.5})" << "skip_fraction";
    QTest::newRow("unknown field") << R"({"lamda": 0.5})" << "lamda";
    QTest::newRow("unknown method") << R"({"method": "nearest"})" << "base, knnlm, retomaton, adaptret";
    QTest::newRow("unknown of a gate") << R"({"method": "adaptret", "gate": {"layers": 5}})" << "layers";
    QTest::newRow("gate's training") << R"({"method": "adaptret", "gate": {"training": {"epochs": 0}}})" << "epochs is 0";
    QTest::newRow("nested") << R"({"automaton": {"max_knns": -1}})" << "max_knns";
    QTest::newRow("not a number") << R"({"lambda": "half"})" << "half";
}

void ReplayTest::impossibleSettings()
{
    QFETCH(QString, change);
    QFETCH(QString, named);
    Json json = settings(Method::KnnLm);
    json.update(Json::parse(change.toStdString()));
    try {
        (void)m_replay.evaluate(json.get<EvaluationSettings>(), {}, m_job);
        QFAIL("accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::BadInput);
        QVERIFY2(QString(error.what()).contains(named), error.what());
    }
    const Replay bare(m_world.trace, nullptr);
    QVERIFY_EXCEPTION_THROWN(bare.evaluate(settings(Method::Retomaton), {}, m_job), Error); // clusters asked for, absent
    EvaluationSettings byIndex = settings(Method::Retomaton);
    byIndex.useClusters = false;
    byIndex.distances = DistanceSource::Index;
    QVERIFY_EXCEPTION_THROWN(bare.evaluate(byIndex, {}, m_job), Error); // nothing reconstructs
}

void ReplayTest::badTraces_data()
{
    QTest::addColumn<QString>("named");
    for (const char *name : {"neighbour_ids", "documents", "windows", "lm_log_probs", "targets", "distances", "queries"})
        QTest::newRow(name) << QString(name);
}

void ReplayTest::badTraces()
{
    QFETCH(QString, named);
    SmallWorld w(2);
    TraceArrays a = w.arrays();
    if (named == "neighbour_ids")
        w.ids[5] = SmallWorld::entries;
    else if (named == "documents")
        w.documents[50] = 0;
    else if (named == "windows")
        w.windows[50] = 0;
    else if (named == "lm_log_probs")
        w.lm[7] = 3.5f;
    else if (named == "targets")
        w.targets[7] = -1;
    else if (named == "distances")
        w.exactDistances[3] = std::numeric_limits<float>::quiet_NaN();
    else
        a.queries = a.queries.first(a.queries.size() - 1);
    try {
        Trace::fromArrays(a, nullptr, w.datastore);
        QFAIL("accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::BadInput);
        QVERIFY2(QString(error.what()).contains(named), error.what());
    }
}

QTEST_GUILESS_MAIN(ReplayTest)
#include "tst_replay.moc"
