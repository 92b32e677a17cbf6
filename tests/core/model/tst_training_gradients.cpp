// SPDX-License-Identifier: GPL-3.0-or-later
// The hand-written backward pass against automatic differentiation of the decoder that inference uses, and, with
// dropout, against finite differences.
#include "base/error.h"
#include "model/autograd_decoder.h"
#include "model/fused_decoder.h"
#include "model/optimizer.h"

#include <QTest>

#include <cmath>
#include <numeric>
#include <random>

using namespace retoscope;

namespace {

ModelConfig smallLlama()
{
    ModelConfig config;
    config.architecture = "llama";
    config.vocabularySize = 97;
    config.hiddenSize = 32;
    config.layers = 2;
    config.heads = 4;
    config.keyValueHeads = 2;
    config.headSize = 8;
    config.feedForwardSize = 48;
    config.contextLength = 64;
    config.tiedHead = true;
    return config;
}

/// A model, weights far enough from their first values that every part matters, and a batch.
struct Problem
{
    explicit Problem(const ModelConfig &model, std::int64_t sequences = 3, std::int64_t sequenceLength = 19)
        : config(model), layout(model), values(static_cast<std::size_t>(layout.size())), halves(values.size()),
          length(sequenceLength)
    {
        initialise(config, layout, 1, values);
        std::mt19937_64 random(2);
        std::uniform_real_distribution<float> around1(0.7f, 1.3f);
        for (const Parameter &parameter : layout.parameters())
            for (std::int64_t i = 0; i < parameter.count; ++i) {
                float &value = values[static_cast<std::size_t>(parameter.offset + i)];
                value = parameter.isMatrix() ? 5 * value : around1(random);
            }
        kernels::convert(values.data(), halves.data(), layout.size());
        for (auto *ids : {&tokens, &targets}) {
            ids->resize(static_cast<std::size_t>(sequences * length));
            for (std::int32_t &id : *ids)
                id = static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(config.vocabularySize));
        }
    }

    TrainingBatch batch() const { return {tokens, targets, length}; }
    std::unique_ptr<LossFunction> fused(ComputeType compute) const
    {
        return createFusedDecoder(config, layout, values,
                                  compute == ComputeType::BFloat16 ? std::span<const kernels::BFloat16>(halves)
                                                                   : std::span<const kernels::BFloat16>(),
                                  batch().sequences(), length);
    }

    ModelConfig config;
    ParameterLayout layout;
    std::vector<float> values;
    std::vector<kernels::BFloat16> halves;
    std::vector<std::int32_t> tokens, targets;
    std::int64_t length;
};

double norm(std::span<const float> values)
{
    return std::sqrt(kernels::sumOfSquares(values.data(), static_cast<std::int64_t>(values.size())));
}

double distance(std::span<const float> a, std::span<const float> b)
{
    std::vector<float> difference(a.size());
    std::ranges::transform(a, b, difference.begin(), std::minus<>());
    return norm(difference);
}

} // namespace

class TestTrainingGradients : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void fusedEqualsAutograd_data();
    void fusedEqualsAutograd();
    void lossWithoutGradientIsTheSame();
    void shorterSequencesFit();
    void gradientWithDropoutEqualsFiniteDifferences();
    void unsupportedModelsAreLeftToAutograd_data();
    void unsupportedModelsAreLeftToAutograd();
    void optimizerClipsDecaysAndSumsReplicas();
};

void TestTrainingGradients::fusedEqualsAutograd_data()
{
    QTest::addColumn<int>("keyValueHeads");
    QTest::addColumn<bool>("tied");
    QTest::addColumn<int>("length");
    QTest::addColumn<bool>("half");
    QTest::addColumn<double>("tolerance"); // relative, of each weight's gradient
    QTest::newRow("grouped heads") << 2 << true << 19 << false << 2e-5;
    QTest::newRow("one key head, own head weights") << 1 << false << 32 << false << 2e-5;
    QTest::newRow("as many key heads, one token") << 4 << true << 1 << false << 2e-5;
    QTest::newRow("bf16") << 2 << true << 33 << true << 4e-2;
}

void TestTrainingGradients::fusedEqualsAutograd()
{
    QFETCH(int, keyValueHeads);
    QFETCH(bool, tied);
    QFETCH(int, length);
    QFETCH(bool, half);
    QFETCH(double, tolerance);
    ModelConfig config = smallLlama();
    config.keyValueHeads = keyValueHeads;
    config.tiedHead = tied;
    Problem problem(config, 3, length);
    std::vector<float> expected(problem.values.size()), actual(problem.values.size());
    const double expectedLoss = createAutogradDecoder(config, problem.layout, problem.values, ComputeType::Float32)
                                    ->lossAndGradient(problem.batch(), {.scale = 0.5f}, expected);
    const double loss = problem.fused(half ? ComputeType::BFloat16 : ComputeType::Float32)
                            ->lossAndGradient(problem.batch(), {.scale = 0.5f}, actual);
    QVERIFY(std::abs(loss - expectedLoss) < (half ? 2e-3 : 1e-6) * expectedLoss);
    for (const Parameter &parameter : problem.layout.parameters()) {
        const auto part = [&](const std::vector<float> &all) {
            return std::span(all).subspan(static_cast<std::size_t>(parameter.offset),
                                          static_cast<std::size_t>(parameter.count));
        };
        const double relative = distance(part(actual), part(expected)) / std::max(norm(part(expected)), 1e-6);
        QVERIFY2(relative < tolerance, fmt::format("{}: {}", parameter.name, relative).c_str());
    }
}

void TestTrainingGradients::lossWithoutGradientIsTheSame()
{
    Problem problem(smallLlama());
    const auto fused = problem.fused(ComputeType::Float32);
    std::vector<float> gradient(problem.values.size());
    const double with = fused->lossAndGradient(problem.batch(), {}, gradient);
    QCOMPARE(fused->loss(problem.batch()), with);
    const double reference = createAutogradDecoder(problem.config, problem.layout, problem.values, ComputeType::Float32)
                                 ->loss(problem.batch());
    QVERIFY(std::abs(with - reference) < 1e-6 * reference);
}

void TestTrainingGradients::shorterSequencesFit()
{
    const Problem problem(smallLlama());
    const auto fused = problem.fused(ComputeType::Float32);
    // A causal model scores the first tokens of each sequence alike whatever follows.
    const std::span tokens(problem.tokens), targets(problem.targets);
    const double first7 = fused->loss({tokens.first(7), targets.first(7), 7});
    const double first12 = fused->loss({tokens.first(12), targets.first(12), 12});
    double singly = first7;
    for (std::size_t count = 8; count <= 12; ++count)
        singly +=
            fused->loss({tokens.first(count), targets.first(count), static_cast<std::int64_t>(count)}) -
            fused->loss({tokens.first(count - 1), targets.first(count - 1), static_cast<std::int64_t>(count - 1)});
    QVERIFY(first7 > 0 && first12 > first7);
    QVERIFY(std::abs(singly - first12) < 1e-3);
}

void TestTrainingGradients::gradientWithDropoutEqualsFiniteDifferences()
{
    Problem problem(smallLlama());
    const auto fused = problem.fused(ComputeType::Float32);
    const GradientOptions options{.dropout = 0.3, .seed = 11};
    std::vector<float> gradient(problem.values.size()), unused(problem.values.size());
    const double loss = fused->lossAndGradient(problem.batch(), options, gradient);
    QVERIFY(std::abs(loss - fused->loss(problem.batch())) > 1); // the masks do something
    // Along the gradient itself the loss changes fastest, so that rounding hides least.
    const std::vector<float> original = problem.values;
    const double step = 1e-3 / norm(gradient);
    const auto moved = [&](double factor) {
        for (std::size_t i = 0; i < original.size(); ++i)
            problem.values[i] = static_cast<float>(original[i] + factor * gradient[i]);
        return fused->lossAndGradient(problem.batch(), options, unused);
    };
    const double slope = (moved(step) - moved(-step)) / (2 * step);
    const double expected = norm(gradient) * norm(gradient);
    QVERIFY2(std::abs(slope / expected - 1) < 0.01, fmt::format("{} instead of {}", slope, expected).c_str());
}

void TestTrainingGradients::unsupportedModelsAreLeftToAutograd_data()
{
    QTest::addColumn<QString>("what");
    for (const char *name : {"supported", "gpt2", "biases", "sliding window", "other activation"})
        QTest::newRow(name) << name;
}

void TestTrainingGradients::unsupportedModelsAreLeftToAutograd()
{
    QFETCH(QString, what);
    ModelConfig config = smallLlama();
    if (what == "gpt2")
        config.architecture = "gpt2";
    config.attentionBias = what == "biases";
    config.slidingWindow = what == "sliding window" ? 8 : 0;
    if (what == "other activation")
        config.activation = "gelu";
    QCOMPARE(fusedDecoderSupports(config, 16), what == "supported");
}

void TestTrainingGradients::optimizerClipsDecaysAndSumsReplicas()
{
    const ModelConfig config = smallLlama();
    const ParameterLayout layout(config);
    TrainConfig train;
    train.clipNorm = 1;
    train.weightDecay = 0.5;
    Optimizer optimizer(layout, train);
    const auto size = static_cast<std::size_t>(layout.size());
    std::vector<float> values(size, 1.0f);
    std::vector<std::vector<float>> gradients{std::vector<float>(size, 0.25f), std::vector<float>(size, 0.75f)};
    const double expectedNorm = std::sqrt(static_cast<double>(size)); // of ones
    QVERIFY(std::abs(optimizer.step(0, 0.1, gradients, values, {}) / expectedNorm - 1) < 1e-6);
    QVERIFY(std::abs(optimizer.firstMoment[0] - 0.1 / expectedNorm) < 1e-8); // clipped to norm 1
    for (const auto &gradient : gradients)
        QVERIFY(std::ranges::all_of(gradient, [](float g) { return g == 0; }));
    // The first step of Adam is the learning rate itself; matrices also lose 0.1 · 0.5 of their size.
    for (const Parameter &parameter : layout.parameters()) {
        const float value = values[static_cast<std::size_t>(parameter.offset)];
        QVERIFY2(std::abs(value - (parameter.isMatrix() ? 0.85f : 0.9f)) < 1e-4f, parameter.name.c_str());
    }
}

QTEST_GUILESS_MAIN(TestTrainingGradients)
#include "tst_training_gradients.moc"
