// SPDX-License-Identifier: GPL-3.0-or-later
// Generation: every method and decoding against an oracle that scores given tokens one by one, straight from retrieval.md.
#include "base/npy.h"
#include "core/support/brute_force_index.h"
#include "core/support/sentence_of.h"
#include "core/support/small_world.h"
#include "trace/live.h"

#include <QTest>

#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>

using namespace retoscope;
using namespace retoscope::test;
namespace fs = std::filesystem;

namespace {

/// p(next token) of a retrieval-augmented model after given tokens, without sharing a line with the code under test: no
/// session, no walker, sets and loops in double precision (retrieval.md sections 4 and 5).
class Oracle
{
public:
    Oracle(const LanguageModel &model, const Datastore &datastore, const Clusters *clusters, const EvaluationSettings &settings)
        : m_model(model), m_datastore(datastore), m_clusters(clusters), m_settings(settings), m_keys(std::size_t(datastore.size() * datastore.dimension()))
    {
        datastore.copyKeys(0, datastore.size(), m_keys.data());
    }

    struct Step
    {
        std::vector<double> probabilities; ///< [V]
        bool searched = false;
    };

    /// The distribution after prompt and chosen; the automaton followed all of `chosen`.
    [[nodiscard]] Step after(std::vector<std::int32_t> tokens, std::span<const std::int32_t> chosen) const
    {
        std::vector<std::int64_t> current;
        for (const std::int32_t token : chosen) {
            const auto [step, candidates] = at(tokens, current);
            current.clear();
            for (const auto &[distance, entry] : candidates) {
                if (value(entry) == token && m_datastore.hasPointer(EntryId(entry)))
                    current.push_back(entry);
            }
            tokens.push_back(token);
        }
        return at(tokens, current).first;
    }

private:
    using Candidates = std::vector<std::pair<double, std::int64_t>>; ///< nearest first

    [[nodiscard]] std::int32_t value(std::int64_t entry) const { return m_datastore.values()[std::size_t(entry)]; }

    [[nodiscard]] std::pair<Step, Candidates> at(const std::vector<std::int32_t> &tokens, const std::vector<std::int64_t> &current) const
    {
        const std::vector<float> taps = m_model.taps(tokens, {}), logits = m_model.logits(tokens);
        const auto dimension = std::size_t(m_datastore.dimension()), vocabulary = std::size_t(m_model.config().vocabularySize);
        const float *query = &taps[taps.size() - dimension], *lm = &logits[logits.size() - vocabulary];
        Candidates byDistance;
        for (std::int64_t i = 0; i < m_datastore.size(); ++i) {
            double sum = 0;
            for (std::size_t d = 0; d < dimension; ++d)
                sum += std::pow(double(query[d]) - double(m_keys[std::size_t(i) * dimension + d]), 2);
            byDistance.emplace_back(sum, i);
        }
        Step step;
        std::set<std::int64_t> chosen;
        std::vector<double> knn(vocabulary, 0.0);
        if (m_settings.method == Method::Retomaton)
            chosen = pointersFrom(current);
        step.searched = m_settings.method == Method::KnnLm
                        || (m_settings.method == Method::Retomaton && std::int64_t(current.size()) < m_settings.automaton.minKnns);
        Candidates sorted = byDistance;
        std::ranges::sort(sorted);
        if (step.searched) {
            for (std::size_t j = 0; j < std::min(sorted.size(), std::size_t(m_settings.k)); ++j)
                chosen.insert(sorted[j].second);
        }
        Candidates candidates;
        std::ranges::copy_if(sorted, std::back_inserter(candidates), [&](const auto &entry) { return chosen.contains(entry.second); });
        double total = 0;
        for (const auto &[distance, entry] : candidates)
            total += std::exp(-(distance - candidates.front().first) / m_settings.temperature);
        for (const auto &[distance, entry] : candidates)
            knn[std::size_t(value(entry))] += std::exp(-(distance - candidates.front().first) / m_settings.temperature) / total;
        const double lambda = candidates.empty() ? 0 : m_settings.lambda;
        for (std::size_t v = 0; v < vocabulary; ++v)
            step.probabilities.push_back((1 - lambda) * std::exp(double(lm[v])) + lambda * knn[v]);
        return {step, candidates};
    }

    /// Pointers, then members of their states by how many pointers fall in them, cut at max_knns.
    [[nodiscard]] std::set<std::int64_t> pointersFrom(const std::vector<std::int64_t> &current) const
    {
        std::vector<std::int64_t> pointers;
        for (const std::int64_t entry : current)
            pointers.push_back(entry + 1);
        const auto limit = std::size_t(m_settings.automaton.maxKnns);
        if (m_clusters && m_settings.useClusters && pointers.size() < limit) {
            std::map<std::int32_t, int> counts;
            for (const std::int64_t pointer : pointers)
                ++counts[m_clusters->stateOf()[std::size_t(pointer)]];
            std::vector<std::pair<int, std::int32_t>> states;
            for (const auto &[state, count] : counts)
                states.emplace_back(-count, state);
            std::ranges::sort(states);
            for (const auto &[count, state] : states) {
                for (const std::int32_t member : m_clusters->membersOf(StateId(state))) {
                    if (std::ranges::find(pointers, member) == pointers.end())
                        pointers.push_back(member);
                }
            }
        }
        pointers.resize(std::min(pointers.size(), limit));
        return {pointers.begin(), pointers.end()};
    }

    const LanguageModel &m_model;
    const Datastore &m_datastore;
    const Clusters *m_clusters;
    EvaluationSettings m_settings;
    std::vector<float> m_keys;
};

GenerationConfig configOf(Method method, const std::string &decoding, std::int32_t tokens)
{
    GenerationConfig config;
    config.retrieval.method = method;
    config.retrieval.lambda = 0.5;
    config.retrieval.temperature = 0.7;
    config.retrieval.k = 16;
    config.retrieval.automaton.minKnns = 2;
    config.retrieval.automaton.maxKnns = 24;
    config.decoding = decoding;
    config.maxNewTokens = tokens;
    return config;
}

std::vector<std::int32_t> idsOf(const std::vector<GeneratedToken> &tokens)
{
    std::vector<std::int32_t> ids;
    for (const GeneratedToken &token : tokens)
        ids.push_back(token.token.value);
    return ids;
}

} // namespace

class TestGeneration : public QObject
{
    Q_OBJECT

private:
    SmallWorld m_world;
    std::shared_ptr<const Index> m_index = std::make_shared<BruteForceIndex>(m_world.datastore);
    JobControl m_job;
    std::vector<std::int32_t> m_prompt{3, 17, 8, 21};

    [[nodiscard]] RetrievalParts parts() const
    {
        return {.model = m_world.model,
                .datastore = m_world.datastore,
                .index = m_index,
                .clusters = m_world.clusters,
                .search = {}};
    }
    [[nodiscard]] Oracle oracle(const GenerationConfig &config) const
    {
        return {*m_world.model, *m_world.datastore, m_world.clusters.get(), config.retrieval};
    }
    std::vector<GeneratedToken> run(const GenerationConfig &config, StopReason *stopped = nullptr)
    {
        return generate(parts(), m_prompt, config, m_job, {}, stopped);
    }

    static void methods()
    {
        QTest::addColumn<int>("method");
        QTest::addColumn<bool>("clusters");
        QTest::newRow("base") << int(Method::Base) << false;
        QTest::newRow("knn-lm") << int(Method::KnnLm) << false;
        QTest::newRow("retomaton, pointers only") << int(Method::Retomaton) << false;
        QTest::newRow("retomaton") << int(Method::Retomaton) << true;
    }

private Q_SLOTS:
    void everyTokenHasTheOraclesProbability_data() { methods(); }
    void everyTokenHasTheOraclesProbability()
    {
        QFETCH(int, method);
        QFETCH(bool, clusters);
        int saved = 0;
        for (const std::string decoding : {"greedy", "sample"}) {
            GenerationConfig config = configOf(Method(method), decoding, 60);
            config.retrieval.useClusters = clusters;
            const std::vector<GeneratedToken> tokens = run(config);
            QCOMPARE(int(tokens.size()), 60);
            const std::vector<std::int32_t> ids = idsOf(tokens);
            const Oracle truth = oracle(config);
            for (std::size_t t = 0; t < tokens.size(); ++t) {
                const Oracle::Step step = truth.after(m_prompt, std::span(ids).first(t));
                QCOMPARE(tokens[t].searched, step.searched);
                QVERIFY(std::abs(std::exp(tokens[t].logProb) - step.probabilities[std::size_t(ids[t])]) < 1e-5);
                QVERIFY(std::abs(std::accumulate(step.probabilities.begin(), step.probabilities.end(), 0.0) - 1) < 1e-5);
                if (decoding == "greedy")
                    QVERIFY(step.probabilities[std::size_t(ids[t])] > *std::ranges::max_element(step.probabilities) - 1e-5);
                saved += !step.searched;
            }
        }
        QVERIFY(Method(method) != Method::Retomaton || saved > 10); // the automaton was really followed
    }

    void lambdaZeroIsTheBase_data() { methods(); }
    void lambdaZeroIsTheBase()
    {
        QFETCH(int, method);
        QFETCH(bool, clusters);
        for (const std::string decoding : {"greedy", "sample", "beam"}) {
            GenerationConfig config = configOf(Method(method), decoding, 30);
            config.retrieval.useClusters = clusters;
            config.retrieval.lambda = 0;
            const std::vector<GeneratedToken> base = run(configOf(Method::Base, decoding, 30)), tokens = run(config);
            QCOMPARE(idsOf(tokens), idsOf(base));
            for (std::size_t t = 0; t < tokens.size(); ++t)
                QCOMPARE(tokens[t].logProb, base[t].lmLogProb);
        }
    }

    void oneBeamIsGreedy_data() { methods(); }
    void oneBeamIsGreedy()
    {
        QFETCH(int, method);
        QFETCH(bool, clusters);
        GenerationConfig config = configOf(Method(method), "greedy", 40);
        config.retrieval.useClusters = clusters;
        const std::vector<GeneratedToken> greedy = run(config);
        config.decoding = "beam";
        config.beams = 1;
        QCOMPARE(idsOf(run(config)), idsOf(greedy));
    }

    void enoughBeamsFindTheBestSequence_data() { methods(); }
    void enoughBeamsFindTheBestSequence()
    {
        QFETCH(int, method);
        QFETCH(bool, clusters);
        GenerationConfig config = configOf(Method(method), "beam", 2);
        config.retrieval.useClusters = clusters;
        config.beams = SmallWorld::vocabulary; // every first token stays
        const std::vector<GeneratedToken> found = run(config);
        const Oracle truth = oracle(config);
        double best = 0;
        const std::vector<double> first = truth.after(m_prompt, {}).probabilities;
        for (std::int32_t v = 0; v < SmallWorld::vocabulary; ++v) {
            const std::vector<double> second = truth.after(m_prompt, std::vector{v}).probabilities;
            best = std::max(best, first[std::size_t(v)] * *std::ranges::max_element(second));
        }
        QVERIFY(std::abs(std::exp(found[0].logProb + found[1].logProb) - best) < 1e-5);
    }

    void everyBeamOwnsItsAutomaton()
    {
        GenerationConfig config = configOf(Method::Retomaton, "beam", 25);
        config.beams = 5;
        const std::vector<GeneratedToken> tokens = run(config);
        const std::vector<std::int32_t> ids = idsOf(tokens);
        const Oracle truth = oracle(config);
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            const Oracle::Step step = truth.after(m_prompt, std::span(ids).first(t));
            QCOMPARE(tokens[t].searched, step.searched);
            QVERIFY(std::abs(std::exp(tokens[t].logProb) - step.probabilities[std::size_t(ids[t])]) < 1e-5);
        }
    }

    void samplingFollowsTheDistribution_data()
    {
        QTest::addColumn<double>("temperature");
        QTest::addColumn<double>("topP");
        QTest::newRow("as it is") << 1.0 << 1.0;
        QTest::newRow("sharper") << 0.5 << 1.0;
        QTest::newRow("nucleus") << 1.0 << 0.6;
        QTest::newRow("flatter nucleus") << 2.0 << 0.8;
    }

    void samplingFollowsTheDistribution()
    {
        QFETCH(double, temperature);
        QFETCH(double, topP);
        GenerationConfig config = configOf(Method::KnnLm, "sample", 1);
        config.samplingTemperature = temperature;
        config.topP = topP;
        std::vector<double> expected = oracle(config).after(m_prompt, {}).probabilities;
        double total = 0;
        for (double &p : expected)
            total += p = std::pow(p, 1 / temperature);
        std::vector<std::size_t> order(expected.size());
        std::iota(order.begin(), order.end(), std::size_t(0));
        std::ranges::sort(order, std::greater(), [&](std::size_t v) { return expected[v]; });
        double mass = 0;
        for (const std::size_t v : order) {
            if (mass >= topP * total)
                expected[v] = 0;
            mass += expected[v];
        }
        constexpr int draws = 1500;
        std::vector<int> counts(expected.size(), 0);
        for (int i = 0; i < draws; ++i) {
            config.seed = std::uint64_t(i);
            ++counts[std::size_t(run(config).front().token.value)];
        }
        for (std::size_t v = 0; v < expected.size(); ++v) {
            const double p = expected[v] / mass, deviation = std::sqrt(p * (1 - p) / draws);
            QVERIFY(std::abs(counts[v] / double(draws) - p) <= 4.5 * deviation);
        }
    }

    void aSeedRepeatsTheSample()
    {
        GenerationConfig config = configOf(Method::Retomaton, "sample", 50);
        const std::vector<std::int32_t> first = idsOf(run(config));
        QCOMPARE(idsOf(run(config)), first);
        config.seed = 2;
        QVERIFY(idsOf(run(config)) != first);
        config.topP = 1e-9;
        const std::vector<std::int32_t> nucleusOfOne = idsOf(run(config));
        config.decoding = "greedy";
        QCOMPARE(nucleusOfOne, idsOf(run(config)));
    }

    void theNeighboursBehindATokenAreKept()
    {
        GenerationConfig config = configOf(Method::KnnLm, "greedy", 10);
        config.neighboursKept = 16; // all of them
        for (const GeneratedToken &token : run(config)) {
            QCOMPARE(int(token.neighbours.size()), 16);
            QVERIFY(std::ranges::is_sorted(token.neighbours, {}, &GeneratedToken::Neighbour::distance));
            double total = 0, ofToken = 0;
            for (const auto &neighbour : token.neighbours) {
                total += neighbour.weight;
                if (m_world.datastore->values()[std::size_t(neighbour.entry.value)] == token.token.value)
                    ofToken += neighbour.weight;
            }
            QVERIFY(std::abs(total - 1) < 1e-9);
            QVERIFY(std::abs(ofToken - token.knnProbability) < 1e-9);
        }
        config.neighboursKept = 3;
        QCOMPARE(int(run(config).front().neighbours.size()), 3);
        config.retrieval.method = Method::Base;
        QVERIFY(run(config).front().neighbours.empty());
    }

    void whyItStopped()
    {
        StopReason reason{};
        QCOMPARE(int(run(configOf(Method::KnnLm, "greedy", 7), &reason).size()), 7);
        QVERIFY(reason == StopReason::TokenLimit);
        QVERIFY(run(configOf(Method::KnnLm, "beam", 0), &reason).empty());

        const auto shortModel = std::make_shared<FakeLanguageModel>(SmallWorld::vocabulary, 12, 1, 10);
        RetrievalParts given = parts();
        given.model = shortModel;
        for (const std::string decoding : {"greedy", "beam"}) {
            // 4 tokens of prompt and 6 more fill the context; one more can be chosen but not be read.
            QCOMPARE(int(generate(given, m_prompt, configOf(Method::Retomaton, decoding, 100), m_job, {}, &reason).size()), 7);
            QVERIFY(reason == StopReason::ContextFull);
        }

        const std::vector<std::int32_t> free = idsOf(run(configOf(Method::Retomaton, "greedy", 40)));
        const auto ending = std::make_shared<FakeLanguageModel>(*m_world.model);
        ending->setSpecialTokens(0, free[20]);
        given.model = ending;
        const auto firstEnd = std::ranges::find(free, free[20]) - free.begin();
        GenerationConfig config = configOf(Method::Retomaton, "greedy", 40);
        const std::vector<GeneratedToken> stopped = generate(given, m_prompt, config, m_job, {}, &reason);
        QVERIFY(reason == StopReason::EndOfText);
        QCOMPARE(std::int64_t(stopped.size()), std::int64_t(firstEnd + 1));
        QCOMPARE(stopped.back().token.value, free[20]);
        config.stopAtEos = false;
        QCOMPARE(idsOf(generate(given, m_prompt, config, m_job)), free);
        config.stopAtEos = true;
        config.decoding = "beam";
        const std::vector<std::int32_t> beam = idsOf(generate(given, m_prompt, config, m_job, {}, &reason));
        QCOMPARE(std::int64_t(std::ranges::count(beam, free[20])), std::int64_t(reason == StopReason::EndOfText));
    }

    void theListenerHearsEveryToken()
    {
        for (const std::string decoding : {"greedy", "sample", "beam"}) {
            std::vector<std::int32_t> heard;
            const auto tokens = generate(parts(), m_prompt, configOf(Method::Retomaton, decoding, 12), m_job,
                                         [&](const GeneratedToken &token) { heard.push_back(token.token.value); });
            QCOMPARE(heard, idsOf(tokens));
        }
    }

    void badInputIsRefused()
    {
        const auto sentence = [&](const RetrievalParts &given, const std::vector<std::int32_t> &prompt, const GenerationConfig &config) {
            return sentenceOf([&] { generate(given, prompt, config, m_job); });
        };
        const GenerationConfig good = configOf(Method::KnnLm, "greedy", 5);
        QVERIFY(contains(sentence(parts(), {}, good), "The prompt has no token"));
        const std::string tooLong = sentence(parts(), std::vector<std::int32_t>(300, 1), good);
        QVERIFY(contains(tooLong, "300") && contains(tooLong, "256"));
        RetrievalParts nothing = parts();
        nothing.datastore = nullptr;
        QVERIFY(contains(sentence(nothing, m_prompt, good), "needs a datastore and an index"));
        QVERIFY(contains(sentence(parts(), {999}, good), "999"));

        const auto with = [&](auto change) {
            GenerationConfig config = good;
            change(config);
            return sentence(parts(), m_prompt, config);
        };
        QVERIFY(contains(with([](auto &c) { c.decoding = "magic"; }), "decoding is 'magic'"));
        QVERIFY(contains(with([](auto &c) { c.beams = 0; }), "beams is 0"));
        QVERIFY(contains(with([](auto &c) { c.samplingTemperature = 0; }), "sampling_temperature is 0"));
        QVERIFY(contains(with([](auto &c) { c.topP = 1.5; }), "top_p is 1.5"));
        QVERIFY(contains(with([](auto &c) { c.topP = 0; }), "top_p is 0"));
        QVERIFY(contains(with([](auto &c) { c.maxNewTokens = -1; }), "max_new_tokens is -1"));
        QVERIFY(contains(with([](auto &c) { c.neighboursKept = -1; }), "neighbours_kept is -1"));
        QVERIFY(contains(with([](auto &c) { c.retrieval.skipFraction = 0.5; }), "skip_fraction is 0.5"));
        QVERIFY(contains(with([](auto &c) { c.retrieval.automaton = AutomatonSettings::reference(); }), "semantics is 'reference'"));
        QVERIFY(contains(with([](auto &c) { c.retrieval.lambda = -1; }), "lambda is -1"));
    }

    void theConfigurationGoesThroughJson()
    {
        GenerationConfig config = configOf(Method::Retomaton, "sample", 33);
        config.topP = 0.9;
        config.seed = 77;
        config.stopAtEos = false;
        QVERIFY(Json(Json(config).get<GenerationConfig>()) == Json(config));
        QCOMPARE(Json::object().get<GenerationConfig>().maxNewTokens, GenerationConfig().maxNewTokens);
        QVERIFY(contains(sentenceOf([] { Json::parse(R"({"topp": 0.5})").get<GenerationConfig>(); }), "'topp'"));
        QVERIFY(contains(sentenceOf([] { Json::parse(R"({"top_p": "half"})").get<GenerationConfig>(); }), "top_p is \"half\""));
        QVERIFY(contains(sentenceOf([] { Json::parse(R"({"top_p": 7})").get<GenerationConfig>(); }), "top_p is 7"));
    }

    void stories260KGreedily()
    {
        const char *shared = std::getenv("RETOSCOPE_SHARED");
        if (!shared || !fs::exists(fs::path(shared) / "data" / "stories260K"))
            QSKIP("RETOSCOPE_SHARED names no folder with stories260K.");
        const fs::path root(shared);
        const NpyFile golden(root / "golden" / "stories260k_hf" / "golden_greedy_ids.npy");
        const std::span<const std::int32_t> expected = golden.values<std::int32_t>();
        GenerationConfig config = configOf(Method::Base, "greedy", std::int32_t(expected.size() - 1));
        config.stopAtEos = false;
        const auto model = LanguageModel::load(root / "data" / "stories260K" / "stories260K.bin");
        const std::vector<std::int32_t> ids = idsOf(generate({.model = model, .datastore = {}, .index = {}, .clusters = {}, .search = {}},
                                                             expected.first(1), config, m_job));
        QVERIFY(std::ranges::equal(ids, expected.subspan(1)));
    }
};

QTEST_GUILESS_MAIN(TestGeneration)
#include "tst_generation.moc"
