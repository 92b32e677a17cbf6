// SPDX-License-Identifier: GPL-3.0-or-later
// Training as its callers see it. Expected numbers are worked by hand or come from a second road to the same number
// (an uninterrupted run, the model loaded again through LanguageModel).
#include "core/support/sentence_of.h"

#include "base/atomic_file.h"
#include "base/job.h"
#include "base/threads.h"
#include "model/language_model.h"
#include "model/trainer.h"
#include "model/training_data.h"
#include "model/training_kernels.h"

#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

using namespace retoscope;
using retoscope::test::contains;
using retoscope::test::sentenceOf;
namespace fs = std::filesystem;

namespace {

Json llamaJson()
{
    return Json::parse(R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 24,
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "rope_theta": 10000.0, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2})");
}

Json gpt2Json()
{
    return Json::parse(R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 24, "n_embd": 32,
        "n_layer": 2, "n_head": 4, "n_positions": 64, "n_inner": 48, "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2})");
}

TrainConfig tinyConfig(const Json &changes = Json::object(), const Json &model = llamaJson())
{
    Json json{{"model", model},      {"sequence_length", 16}, {"batch_sequences", 8},
              {"steps", 12},         {"learning_rate", 0.01}, {"warmup_steps", 4},
              {"evaluate_every", 3}, {"compute", "fp32"},     {"seed", 7}};
    json.update(changes);
    return json.get<TrainConfig>();
}

/// The same sentence again and again: everything but its first tokens can be predicted.
std::vector<std::int32_t> repeatedText(std::size_t count)
{
    const std::vector<std::int32_t> sentence{3, 14, 15, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3};
    std::vector<std::int32_t> tokens(count);
    for (std::size_t i = 0; i < count; ++i)
        tokens[i] = sentence[i % sentence.size()];
    return tokens;
}

/// A Markov chain: each token is followed by one of two others.
std::vector<std::int32_t> chainText(std::size_t count, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::vector<std::int32_t> tokens{0};
    while (tokens.size() < count)
        tokens.push_back((tokens.back() * 5 + (random() % 4 == 0 ? 7 : 3)) % 24);
    return tokens;
}

std::vector<std::int32_t> noise(std::size_t count, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::vector<std::int32_t> tokens(count);
    std::ranges::generate(tokens, [&] { return static_cast<std::int32_t>(random() % 24); });
    return tokens;
}

TrainReport train(const fs::path &folder, const TrainConfig &config, const std::vector<std::int32_t> &tokens,
                  const std::vector<std::int32_t> &validation)
{
    JobControl job;
    return trainModel(folder, config, tokens, validation, {}, job);
}

/// Mean −log p of tokens[1…] in windows of sequenceLength inputs, by the inference code from the files of the folder.
double lossOfFolder(const fs::path &folder, const std::vector<std::int32_t> &tokens, std::size_t length)
{
    const auto model = LanguageModel::load(folder);
    double sum = 0;
    for (std::size_t begin = 0; begin + 1 < tokens.size(); begin += length) {
        const std::size_t count = std::min(length + 1, tokens.size() - begin);
        const WindowInput window{std::span(tokens).subspan(begin, count), 1};
        ForwardRequest request;
        request.keys = false;
        request.scores = true;
        ForwardOutput output;
        model->forward(std::span(&window, 1), request, output);
        sum -= std::accumulate(output.targetLogProbs.begin(), output.targetLogProbs.end(), 0.0);
    }
    return sum / static_cast<double>(tokens.size() - 1);
}

void cancelAfterTheFirstStep(const fs::path &folder, const TrainConfig &config, const std::vector<std::int32_t> &tokens,
                             const std::vector<std::int32_t> &validation)
{
    JobControl *self = nullptr;
    JobControl job([&](const Progress &) { self->requestCancel(); }); // hears of the first step at once
    self = &job;
    QVERIFY_EXCEPTION_THROWN(trainModel(folder, config, tokens, validation, {}, job), Cancelled);
    QVERIFY(fs::exists(folder / "training.state"));
}

/// Everything of a report that must not depend on time or interruptions.
std::vector<double> losses(const TrainReport &report)
{
    std::vector<double> result{report.bestValidationLoss, static_cast<double>(report.bestStep)};
    for (const TrainPoint &point : report.curve)
        result.insert(result.end(),
                      {static_cast<double>(point.step), point.trainLoss, point.validationLoss, point.learningRate});
    return result;
}

struct Killed
{
};

/// So many threads while it lives.
class Threads
{
public:
    explicit Threads(int count) { setThreadCount(count); }
    ~Threads() { setThreadCount(0); } // as many as there are
    Threads(const Threads &) = delete;
    Threads &operator=(const Threads &) = delete;
};

} // namespace

class TestTrainer : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void scheduleWarmsUpAndFollowsTheCosine_data();
    void scheduleWarmsUpAndFollowsTheCosine();
    void configurationRoundTrips();
    void configurationRefusesNonsense_data();
    void configurationRefusesNonsense();
    void samplerCoversEveryEpochOnceInItsOwnOrder();
    void adamWMatchesAHandWorkedCase();
    void dropoutKeepsTheMean();
    void tinyTextIsMemorised_data();
    void tinyTextIsMemorised();
    void bf16FollowsFp32();
    void numberOfReplicasDoesNotMatter();
    void accumulationEqualsALargerBatch();
    void cancelledRunContinuesBitForBit();
    void killedRunContinuesBitForBit();
    void bestWeightsAreKept();
    void lastWeightsAreKeptOnRequest();
    void patienceEndsTheRun();
    void storedInHalfPrecision();
    void fineTuningBeginsAtTheCheckpoint();
    void finishedFolderIsLeftAlone();
    void badInputIsRefused_data();
    void badInputIsRefused();
    void divergenceIsReported();
    void damagedStateIsRefused();

private:
    fs::path folder(const char *name) const { return fs::path(m_folder.path().toStdString()) / name; }
    QTemporaryDir m_folder;
};

void TestTrainer::scheduleWarmsUpAndFollowsTheCosine_data()
{
    QTest::addColumn<qint64>("step");
    QTest::addColumn<double>("rate");
    QTest::newRow("first step") << qint64(0) << 0.1;
    QTest::newRow("last of the warm-up") << qint64(9) << 1.0;
    QTest::newRow("top") << qint64(10) << 1.0;
    QTest::newRow("a quarter") << qint64(35) << 0.1 + 0.9 * (1 + std::sqrt(0.5)) / 2;
    QTest::newRow("middle of the cosine") << qint64(60) << 0.55;
    QTest::newRow("last step") << qint64(110) << 0.1;
}

void TestTrainer::scheduleWarmsUpAndFollowsTheCosine()
{
    QFETCH(qint64, step);
    QFETCH(double, rate);
    TrainConfig config;
    config.learningRate = 1;
    config.warmupSteps = 10;
    QVERIFY(std::abs(learningRateAt(config, step, 111) - rate) < 1e-12);
}

void TestTrainer::configurationRoundTrips()
{
    const TrainConfig config =
        tinyConfig({{"dropout", 0.25}, {"compute", "bf16"}, {"store_type", "bf16"}, {"patience", 3}});
    const Json json = config;
    QVERIFY(Json(json.get<TrainConfig>()) == json);
    QCOMPARE(json.at("model").at("hidden_size").get<int>(), 32);
    QCOMPARE(json.at("dropout").get<double>(), 0.25);
    QCOMPARE(totalSteps(config, 1000), std::int64_t(12));
    TrainConfig byEpochs = config;
    byEpochs.steps = 0;
    byEpochs.epochs = 2.5;
    // (1000 − 1) / 16 = 62 whole chunks, 61 used; ⌈2.5 · 61 / 8⌉ = 20
    QCOMPARE(totalSteps(byEpochs, 1000), std::int64_t(20));
}

void TestTrainer::configurationRefusesNonsense_data()
{
    QTest::addColumn<QString>("changes");
    QTest::addColumn<QString>("part");
    QTest::newRow("unknown field") << R"({"learningrate": 1})"
                                   << "'learningrate'";
    QTest::newRow("dropout of everything") << R"({"dropout": 1.0})"
                                           << "dropout is 1";
    QTest::newRow("no sequences") << R"({"batch_sequences": 0})"
                                  << "batch_sequences";
    QTest::newRow("unknown type") << R"({"compute": "fp8"})"
                                  << "fp32, bf16";
    QTest::newRow("a text for a number") << R"({"learning_rate": "fast"})"
                                         << "learning_rate";
    QTest::newRow("neither model nor checkpoint") << R"({"model": null})"
                                                  << "initial_checkpoint";
}

void TestTrainer::configurationRefusesNonsense()
{
    QFETCH(QString, changes);
    QFETCH(QString, part);
    const std::string sentence = sentenceOf([&] { (void)tinyConfig(Json::parse(changes.toStdString())); });
    QVERIFY2(contains(sentence, part.toStdString()), sentence.c_str());
}

void TestTrainer::samplerCoversEveryEpochOnceInItsOwnOrder()
{
    const std::int64_t tokens = 1003, length = 10, chunks = ChunkSampler::chunksPerEpoch(tokens, length);
    QCOMPARE(chunks, std::int64_t(99));
    ChunkSampler sampler(tokens, length, 5);
    std::vector<std::vector<std::int64_t>> epochs(3);
    for (std::int64_t i = 0; i < 3 * chunks; ++i)
        epochs[static_cast<std::size_t>(i / chunks)].push_back(sampler.begin(i));
    for (const auto &epoch : epochs) {
        const std::set<std::int64_t> sorted(epoch.begin(), epoch.end());
        QCOMPARE(static_cast<std::int64_t>(sorted.size()), chunks);
        QCOMPARE(*sorted.rbegin() - *sorted.begin(), (chunks - 1) * length);
        QVERIFY(*sorted.begin() >= 0 && *sorted.begin() < length);
        QVERIFY(*sorted.rbegin() + length < tokens); // the last target exists
        QVERIFY(!std::ranges::is_sorted(epoch));
    }
    QVERIFY(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
    QCOMPARE(ChunkSampler(tokens, length, 5).begin(150), epochs[1][51]); // no history needed
    QVERIFY(ChunkSampler(tokens, length, 6).begin(0) != epochs[0][0] ||
            ChunkSampler(tokens, length, 6).begin(1) != epochs[0][1]);
}

void TestTrainer::adamWMatchesAHandWorkedCase()
{
    // θ 1, η 0.1, β₁ 0.9, β₂ 0.99, λ 0.1. Step 1, g 0.5: m 0.05, v 0.0025, m̂ 0.5, v̂ 0.25, θ = 0.99 − 0.1 = 0.89.
    // Step 2, g −1: m −0.055, v 0.012475, m̂ −0.2894737, v̂ 0.6268844, θ = 0.89·0.99 + 0.1·0.2894737/0.7917603.
    kernels::AdamStep step{.learningRate = 0.1f, .beta1 = 0.9f, .beta2 = 0.99f, .weightDecay = 0.1f};
    std::vector<float> parameters(40, 1.0f), first(40), second(40);
    const std::vector<float> gradient1(40, 0.25f), gradient2(40, -1.0f);
    step.gradientFactor = 2; // of clipping: 0.25 counts as 0.5
    step.correction1 = 0.1f;
    step.correction2 = 0.01f;
    kernels::adamW(step, gradient1.data(), parameters.data(), first.data(), second.data(), 40);
    for (const float value : parameters)
        QVERIFY(std::abs(value - 0.89f) < 1e-6f);
    step.gradientFactor = 1;
    step.correction1 = 1 - 0.81f;
    step.correction2 = 1 - 0.9801f;
    kernels::adamW(step, gradient2.data(), parameters.data(), first.data(), second.data(), 40);
    for (const float value : parameters)
        QVERIFY2(std::abs(value - 0.9176607f) < 1e-6f, std::to_string(value).c_str());
}

void TestTrainer::dropoutKeepsTheMean()
{
    const std::int64_t count = 200000;
    const std::vector<float> ones(count, 1.0f), zeros(count, 0.0f);
    std::vector<float> a(count), b(count);
    kernels::addBranch(zeros.data(), ones.data(), a.data(), count, kernels::Dropout::of(0.2, 1));
    kernels::addBranchBackward(ones.data(), b.data(), count, kernels::Dropout::of(0.2, 1));
    QVERIFY(a == b); // the same mask on the way back
    const auto dropped = std::ranges::count(a, 0.0f);
    QVERIFY(std::abs(static_cast<double>(dropped) - 0.2 * count) < 4 * std::sqrt(0.2 * 0.8 * count));
    QCOMPARE(*std::ranges::max_element(a), 1.25f);
    kernels::addBranch(zeros.data(), ones.data(), b.data(), count, kernels::Dropout::of(0.2, 2));
    std::int64_t both = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        both += a[i] == 0 && b[i] == 0;
    QVERIFY(std::abs(static_cast<double>(both) - 0.04 * count) <
            5 * std::sqrt(0.04 * 0.96 * count)); // independent seeds
}

void TestTrainer::tinyTextIsMemorised_data()
{
    QTest::addColumn<QString>("model");
    QTest::addColumn<QString>("compute");
    const QString llama = QString::fromStdString(llamaJson().dump()), gpt2 = QString::fromStdString(gpt2Json().dump());
    QTest::newRow("Llama fp32") << llama << "fp32";
    QTest::newRow("Llama bf16") << llama << "bf16";
    QTest::newRow("GPT-2 fp32") << gpt2 << "fp32";
    QTest::newRow("GPT-2 bf16") << gpt2 << "bf16";
}

void TestTrainer::tinyTextIsMemorised()
{
    QFETCH(QString, model);
    QFETCH(QString, compute);
    const Threads one(1); // the operations on so small a model are not worth a second one
    const auto text = repeatedText(1000);
    const fs::path out = folder(QTest::currentDataTag());
    const TrainReport report = train(
        out,
        tinyConfig({{"steps", 120}, {"evaluate_every", 60}, {"compute", compute.toStdString()}, {"weight_decay", 0.01}},
                   Json::parse(model.toStdString())),
        text, text);
    // The sentence has places where fewer tokens of context are ambiguous; only the starts of the 16-token sequences
    // see so few. Untrained the loss is log 24 = 3.18.
    QVERIFY2(report.bestValidationLoss < 0.25, std::to_string(report.bestValidationLoss).c_str());
    QVERIFY(report.curve.front().validationLoss > report.curve.back().validationLoss);
    const double loaded = lossOfFolder(out, text, 16);
    QVERIFY2(std::abs(loaded - report.bestValidationLoss) < (compute == "fp32" ? 1e-4 : 0.02),
             std::to_string(loaded).c_str());
}

void TestTrainer::bf16FollowsFp32()
{
    const auto text = chainText(6000, 1), validation = chainText(1500, 2);
    const Json changes{{"steps", 120}, {"evaluate_every", 20}, {"dropout", 0.1}};
    const TrainReport exact = train(folder("fp32"), tinyConfig(changes), text, validation);
    Json half = changes;
    half["compute"] = "bf16";
    const TrainReport rounded = train(folder("bf16"), tinyConfig(half), text, validation);
    for (std::size_t i = 0; i < exact.curve.size(); ++i) {
        const double difference = std::abs(exact.curve[i].validationLoss - rounded.curve[i].validationLoss);
        QVERIFY2(difference < 0.02 * exact.curve[i].validationLoss, std::to_string(difference).c_str());
    }
    // The chain's own entropy is H(1/4) = 0.5623 nats; no model can be better, a trained one is near.
    QVERIFY2(rounded.bestValidationLoss > 0.5 && rounded.bestValidationLoss < 0.75,
             std::to_string(rounded.bestValidationLoss).c_str());
}

void TestTrainer::numberOfReplicasDoesNotMatter()
{
    // 640 sequences of 16 tokens are ten passes; with dropout the masks belong to the pass, not to the replica.
    const auto text = chainText(4000, 3);
    const TrainConfig config = tinyConfig({{"batch_sequences", 640}, {"steps", 3}, {"dropout", 0.1}});
    const auto with = [&](const char *name, int threads) {
        const Threads limit(threads);
        return train(folder(name), config, text, text);
    };
    const TrainReport one = with("one", 1), three = with("three", 3);
    QVERIFY(std::abs(one.bestValidationLoss - three.bestValidationLoss) < 1e-5);
    QVERIFY(std::abs(one.curve[0].trainLoss - three.curve[0].trainLoss) < 1e-5);
}

void TestTrainer::accumulationEqualsALargerBatch()
{
    const auto text = chainText(4000, 3);
    const TrainReport large = train(folder("large"), tinyConfig({{"batch_sequences", 16}}), text, text);
    const TrainReport accumulated = train(folder("accumulated"), tinyConfig({{"accumulation", 2}}), text, text);
    QCOMPARE(losses(accumulated), losses(large));
}

void TestTrainer::cancelledRunContinuesBitForBit()
{
    const auto text = chainText(4000, 4), validation = chainText(300, 5);
    const Threads two(2); // two replicas, whose gradients must be summed in the same order again
    const TrainConfig config = tinyConfig({{"dropout", 0.1}, {"compute", "bf16"}, {"keep_best", false}});
    const TrainReport whole = train(folder("whole"), config, text, validation);

    const fs::path out = folder("cancelled");
    cancelAfterTheFirstStep(out, config, text, validation);
    const TrainReport continued = train(out, config, text, validation);
    QCOMPARE(losses(continued), losses(whole));
    QCOMPARE(readFile(out / "model.safetensors"), readFile(folder("whole") / "model.safetensors"));
    QVERIFY(!fs::exists(out / "training.state"));
}

void TestTrainer::killedRunContinuesBitForBit()
{
    const auto text = chainText(4000, 4), validation = chainText(300, 5);
    const TrainConfig config = tinyConfig({{"dropout", 0.1}});
    const TrainReport whole = train(folder("unbroken"), config, text, validation);

    // Dies when the weights of step 6 are already in place but the state on disk is that of step 3.
    const fs::path out = folder("killed");
    int evaluations = 0;
    JobControl dying({}, [&](const std::string &) {
        if (++evaluations == 2)
            throw Killed{};
    });
    QVERIFY_EXCEPTION_THROWN(trainModel(out, config, text, validation, {}, dying), Killed);
    const TrainReport continued = train(out, config, text, validation);
    QCOMPARE(losses(continued), losses(whole));
    QCOMPARE(readFile(out / "model.safetensors"), readFile(folder("unbroken") / "model.safetensors"));
}

void TestTrainer::bestWeightsAreKept()
{
    // Nothing learnt from one noise helps with another: the validation loss rises once the training text is memorised.
    const auto text = noise(400, 1), validation = noise(300, 2);
    const TrainReport report =
        train(folder("best"), tinyConfig({{"steps", 60}, {"evaluate_every", 10}}), text, validation);
    QVERIFY(report.bestStep < 60);
    QVERIFY(report.curve.back().validationLoss > report.bestValidationLoss + 0.1);
    QVERIFY(std::abs(lossOfFolder(folder("best"), validation, 16) - report.bestValidationLoss) < 1e-4);
    QCOMPARE(report.bestPerplexity(), std::exp(report.bestValidationLoss));
}

void TestTrainer::lastWeightsAreKeptOnRequest()
{
    const auto text = noise(400, 1), validation = noise(300, 2);
    const TrainReport report = train(
        folder("last"), tinyConfig({{"steps", 60}, {"evaluate_every", 10}, {"keep_best", false}}), text, validation);
    QVERIFY(std::abs(lossOfFolder(folder("last"), validation, 16) - report.curve.back().validationLoss) < 1e-4);
}

void TestTrainer::patienceEndsTheRun()
{
    const auto text = noise(400, 1), validation = noise(300, 2);
    const TrainReport report = train(
        folder("patience"), tinyConfig({{"steps", 600}, {"evaluate_every", 10}, {"patience", 2}}), text, validation);
    QVERIFY(report.steps < 600);
    QCOMPARE(report.curve.back().step, report.bestStep + 20);
    QCOMPARE(report.steps, report.curve.back().step);
}

void TestTrainer::storedInHalfPrecision()
{
    const auto text = chainText(1000, 1);
    train(folder("f32"), tinyConfig(), text, text);
    const TrainReport report = train(folder("half"), tinyConfig({{"store_type", "bf16"}}), text, text);
    QVERIFY(fs::file_size(folder("half") / "model.safetensors") <
            0.6 * fs::file_size(folder("f32") / "model.safetensors"));
    QVERIFY(std::abs(lossOfFolder(folder("half"), text, 16) - report.bestValidationLoss) < 0.01);
}

void TestTrainer::fineTuningBeginsAtTheCheckpoint()
{
    const auto text = chainText(3000, 1), other = repeatedText(1000);
    const TrainReport first = train(folder("base"), tinyConfig({{"steps", 60}, {"evaluate_every", 60}}), text, text);
    Json tune{{"initial_checkpoint", folder("base").string()},
              {"sequence_length", 16},
              {"batch_sequences", 8},
              {"steps", 40},
              {"learning_rate", 0.0},
              {"evaluate_every", 40},
              {"compute", "fp32"}};
    const TrainReport still = train(folder("still"), tune.get<TrainConfig>(), other, text);
    QVERIFY(std::abs(still.bestValidationLoss - first.bestValidationLoss) < 1e-5); // learning rate 0 changes nothing
    tune["learning_rate"] = 0.01;
    tune["warmup_steps"] = 2;
    cancelAfterTheFirstStep(folder("tuned"), tune.get<TrainConfig>(), other, other); // and is continued
    const TrainReport tuned = train(folder("tuned"), tune.get<TrainConfig>(), other, other);
    QVERIFY(tuned.bestValidationLoss < 0.5 * lossOfFolder(folder("base"), other, 16));
}

void TestTrainer::finishedFolderIsLeftAlone()
{
    const auto text = chainText(1000, 1);
    const fs::path tokenizer = folder("tokenizer.json");
    writeFileAtomically(tokenizer, "{}");
    JobControl job;
    const TrainReport first = trainModel(folder("done"), tinyConfig(), text, text, {tokenizer}, job);
    QCOMPARE(readFile(folder("done") / "tokenizer.json"), std::string("{}"));
    const auto written = fs::last_write_time(folder("done") / "model.safetensors");
    QCOMPARE(losses(train(folder("done"), tinyConfig(), text, text)), losses(first));
    QCOMPARE(fs::last_write_time(folder("done") / "model.safetensors"), written);
    const std::string sentence = sentenceOf([&] { train(folder("done"), tinyConfig({{"seed", 8}}), text, text); });
    QVERIFY2(contains(sentence, "another folder"), sentence.c_str());
}

void TestTrainer::badInputIsRefused_data()
{
    QTest::addColumn<QString>("changes");
    QTest::addColumn<int>("tokens");
    QTest::addColumn<int>("token");
    QTest::addColumn<QString>("part");
    QTest::newRow("too few tokens") << "{}" << 16 << 3 << "at least 17 are needed";
    QTest::newRow("token outside the vocabulary") << "{}" << 100 << 24 << "token 24 at position 50";
    QTest::newRow("negative token") << "{}" << 100 << -1 << "token -1 at position 50";
    QTest::newRow("sequences longer than the context") << R"({"sequence_length": 65})" << 100 << 3 << "context is 64";
}

void TestTrainer::badInputIsRefused()
{
    QFETCH(QString, changes);
    QFETCH(int, tokens);
    QFETCH(int, token);
    QFETCH(QString, part);
    std::vector<std::int32_t> text(static_cast<std::size_t>(tokens), 3);
    text[std::min<std::size_t>(50, text.size() - 1)] = token;
    const std::string sentence = sentenceOf(
        [&] { train(folder("bad"), tinyConfig(Json::parse(changes.toStdString())), text, repeatedText(100)); });
    QVERIFY2(contains(sentence, part.toStdString()), sentence.c_str());
    QVERIFY(!fs::exists(folder("bad"))); // nothing was begun
}

void TestTrainer::divergenceIsReported()
{
    const auto text = noise(2000, 1);
    const std::string sentence = sentenceOf([&] {
        train(folder("diverged"),
              tinyConfig({{"learning_rate", 10.0},
                          {"warmup_steps", 0},
                          {"beta2", 0.0},
                          {"clip_norm", 0.0},
                          {"weight_decay", 10.0},
                          {"steps", 4000},
                          {"evaluate_every", 4000}}),
              text, text);
    });
    QVERIFY2(contains(sentence, "diverged"), sentence.c_str());
}

void TestTrainer::damagedStateIsRefused()
{
    const auto text = chainText(1000, 1);
    const fs::path out = folder("damaged");
    cancelAfterTheFirstStep(out, tinyConfig(), text, text);
    const std::string state = readFile(out / "training.state");
    std::string flipped = state;
    flipped[flipped.size() / 2] ^= 1;
    for (const std::string &damaged :
         {flipped, state.substr(0, state.size() / 2), state.substr(0, 10), std::string("RSCTRAIN")}) {
        writeFileAtomically(out / "training.state", damaged);
        const std::string sentence = sentenceOf([&] { train(out, tinyConfig(), text, text); });
        QVERIFY2(contains(sentence, "damaged"), sentence.c_str());
    }
    writeFileAtomically(out / "training.state", state);
    const std::string sentence = sentenceOf([&] { train(out, tinyConfig({{"seed", 8}}), text, text); });
    QVERIFY2(contains(sentence, "another folder"), sentence.c_str());
}

QTEST_GUILESS_MAIN(TestTrainer)
#include "tst_trainer.moc"
