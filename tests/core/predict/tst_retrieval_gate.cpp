// SPDX-License-Identifier: GPL-3.0-or-later
// The gate against a second program: its forward pass and loss written out by hand in double from the numbers it exports.
#include "predict/retrieval_gate.h"

#include "base/error.h"
#include "base/job.h"

#include <QtTest>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

using namespace retoscope;

namespace {

constexpr float unseen = -std::numeric_limits<float>::infinity();

/// Three groups of features; where "sign" is above zero the neighbours know the token, elsewhere they do not.
struct Examples
{
    static constexpr std::int32_t dimension = 6;
    std::vector<float> context, sign, pair, lm, knn;
    std::vector<std::uint8_t> heldOut;

    explicit Examples(int positions, unsigned seed = 3)
    {
        std::mt19937 random(seed);
        std::normal_distribution<float> noise;
        for (int t = 0; t < positions; ++t) {
            const bool helps = random() % 2 == 0;
            for (int d = 0; d < dimension; ++d)
                context.push_back(3 + 2 * noise(random));
            sign.push_back(helps ? 40.0f : -40.0f);
            pair.push_back(noise(random));
            pair.push_back(7); // never varies
            lm.push_back(std::log(0.2f));
            knn.push_back(helps ? std::log(0.9f) : t % 3 == 0 ? unseen : std::log(0.01f));
            heldOut.push_back(t % 10 == 9);
        }
    }
    [[nodiscard]] GateExamples all() const { return {{{"context", dimension, context}, {"sign", 1, sign}, {"pair", 2, pair}}, lm, knn, heldOut}; }
};

GateTraining small()
{
    GateTraining training;
    training.hidden = 16;
    training.batch = 16;
    return training;
}

std::vector<float> weightsOf(const RetrievalGate &gate, const GateExamples &examples)
{
    JobControl job;
    std::vector<float> weights = gate.logits(examples.features, job);
    std::ranges::transform(weights, weights.begin(), gateWeight);
    return weights;
}

using Vector = std::vector<double>;

/// The gate as its header describes it, from its exported numbers.
class ByHand
{
public:
    explicit ByHand(const RetrievalGate &gate)
    {
        for (auto &parameter : gate.parameters())
            m_parameters.emplace(parameter.name, parameter);
    }
    explicit ByHand(std::map<std::string, RetrievalGate::Parameter> parameters) : m_parameters(std::move(parameters)) {}
    [[nodiscard]] const std::map<std::string, RetrievalGate::Parameter> &parameters() const { return m_parameters; }

    [[nodiscard]] Vector logWeights(const GateExamples &examples, std::size_t row) const
    {
        Vector x;
        for (std::size_t g = 0; g < examples.features.size(); ++g) {
            const GateFeatures &features = examples.features[g];
            const auto width = std::size_t(features.width);
            Vector part;
            for (std::size_t c = 0; c < width; ++c)
                part.push_back((double(features.values[row * width + c]) - values("mean." + features.name)[c]) / double(values("deviation." + features.name)[c]));
            if (g > 0) {
                part = linear("group." + features.name + ".0", part);
                for (double &value : part)
                    value = value > 0 ? value : 0.01 * value;
                part = linear("group." + features.name + ".1", part);
            }
            x.insert(x.end(), part.begin(), part.end());
        }
        for (int layer = 0; layer < 4; ++layer) {
            x = linear("layer." + std::to_string(layer), x);
            for (double &value : x)
                value = std::max(value, 0.0);
        }
        x = linear("layer.4", x);
        const double all = std::log(std::exp(x[0]) + std::exp(x[1]));
        return {x[0] - all, x[1] - all};
    }

    [[nodiscard]] double loss(const GateExamples &examples, bool part, double sparsity) const
    {
        double sum = 0, weight = 0, count = 0;
        for (std::size_t t = 0; t < examples.heldOut.size(); ++t) {
            if ((examples.heldOut[t] != 0) != part)
                continue;
            const Vector w = logWeights(examples, t);
            sum -= std::log(std::exp(w[0]) * std::exp(double(examples.lmLogProbs[t])) + std::exp(w[1]) * std::exp(double(examples.knnLogProbs[t])));
            weight += std::exp(w[1]);
            ++count;
        }
        return sum / count + sparsity * weight / count;
    }

private:
    [[nodiscard]] const std::vector<float> &values(const std::string &name) const { return m_parameters.at(name).values; }
    [[nodiscard]] Vector linear(const std::string &name, const Vector &x) const
    {
        const auto &weight = m_parameters.at(name);
        Vector y;
        for (std::size_t o = 0; o < std::size_t(weight.shape[0]); ++o) {
            double sum = values(name + ".bias")[o];
            for (std::size_t i = 0; i < x.size(); ++i)
                sum += double(weight.values[o * x.size() + i]) * x[i];
            y.push_back(sum);
        }
        return y;
    }
    std::map<std::string, RetrievalGate::Parameter> m_parameters;
};

} // namespace

class TestRetrievalGate : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void isTheNetworkThatItsHeaderDescribes();
    void hasTheLossOfThePaper();
    void stepsAgainstTheGradient();
    void learnsWhereNeighboursHelp();
    void savesSearchesForSparsity();
    void isTheSameForASeed();
    void stopsWhenAsked();
    void refusesWhatCannotBe_data();
    void refusesWhatCannotBe();
    void settingsComeBackFromJson();

private:
    const Examples m_examples{400};
    JobControl m_job;
};

void TestRetrievalGate::isTheNetworkThatItsHeaderDescribes()
{
    const auto examples = m_examples.all();
    const auto gate = RetrievalGate::train(examples, small(), m_job);
    const ByHand byHand(gate);
    // 6 of the context and 2 groups of 6 / 2; "pair" has a column that never varies, which is left as it is.
    QCOMPARE(byHand.parameters().at("layer.0").shape, (std::vector<std::int64_t>{16, 12}));
    QCOMPARE(byHand.parameters().at("group.pair.0").shape, (std::vector<std::int64_t>{3, 2}));
    QCOMPARE(byHand.parameters().at("layer.4").shape, (std::vector<std::int64_t>{2, 16}));
    QCOMPARE(byHand.parameters().at("deviation.pair").values[1], 1.0f);
    const auto weights = weightsOf(gate, examples);
    QCOMPARE(weights.size(), std::size_t(400));
    for (std::size_t t = 0; t < weights.size(); ++t)
        QVERIFY2(std::abs(double(weights[t]) - std::exp(byHand.logWeights(examples, t)[1])) < 1e-5, qPrintable(QString::number(t)));
    // Standardised over the part that was learned from only.
    double sum = 0;
    for (std::size_t t = 0; t < 400; ++t)
        sum += examples.heldOut[t] ? 0.0 : double(m_examples.context[t * 6]);
    QVERIFY(std::abs(double(byHand.parameters().at("mean.context").values[0]) - sum / 360) < 1e-5);
}

void TestRetrievalGate::hasTheLossOfThePaper()
{
    const auto examples = m_examples.all();
    for (const double sparsity : {0.0, 0.05, 2.0}) {
        GateTraining training = small();
        training.sparsity = sparsity;
        training.epochs = 2;
        const auto gate = RetrievalGate::train(examples, training, m_job);
        const ByHand byHand(gate);
        QVERIFY(std::abs(gate.loss(examples, false) - byHand.loss(examples, false, sparsity)) < 1e-5);
        QVERIFY(std::abs(gate.loss(examples, true) - byHand.loss(examples, true, sparsity)) < 1e-5);
        QVERIFY(std::abs(gate.heldOutLoss() - gate.loss(examples, true)) < 1e-6);
        QVERIFY(gate.bestEpoch() >= 1 && gate.bestEpoch() <= 2);
    }
}

/// Adam's first step moves every weight by the learning rate against its gradient's sign; the gradient is taken from the
/// loss by hand, by differences.
void TestRetrievalGate::stepsAgainstTheGradient()
{
    const auto examples = m_examples.all();
    GateTraining training = small();
    training.dropout = 0;
    training.epochs = 1;
    training.batch = 400; // one step
    training.learningRate = 1e-12;
    const ByHand before(RetrievalGate::train(examples, training, m_job));
    training.learningRate = 1e-3;
    const ByHand after(RetrievalGate::train(examples, training, m_job));
    int compared = 0;
    for (const auto &[name, parameter] : before.parameters()) {
        if (name.starts_with("mean.") || name.starts_with("deviation."))
            continue;
        for (std::size_t i = 0; i < parameter.values.size(); i += 3) {
            const auto lossAt = [&](float offset) {
                auto moved = before.parameters();
                moved.at(name).values[i] += offset;
                return ByHand(std::move(moved)).loss(examples, false, training.sparsity);
            };
            constexpr float h = 1e-3f;
            const double gradient = (lossAt(h) - lossAt(-h)) / (2 * double(h));
            if (std::abs(gradient) < 1e-4)
                continue; // a unit that is off, or too close to call
            const double step = double(after.parameters().at(name).values[i]) - double(parameter.values[i]);
            QVERIFY2(std::abs(step + std::copysign(1e-3, gradient)) < 2e-5, qPrintable(QStringLiteral("%1[%2]: gradient %3, step %4").arg(QString::fromStdString(name)).arg(i).arg(gradient).arg(step)));
            ++compared;
        }
    }
    QVERIFY2(compared > 60, qPrintable(QString::number(compared)));
}

void TestRetrievalGate::learnsWhereNeighboursHelp()
{
    const auto examples = m_examples.all();
    GateTraining training = small();
    training.learningRate = 5e-3; // so few positions see few steps
    const auto gate = RetrievalGate::train(examples, training, m_job);
    const auto weights = weightsOf(gate, examples);
    for (std::size_t t = 0; t < weights.size(); ++t) {
        if (examples.heldOut[t])
            QVERIFY2(m_examples.sign[t] > 0 ? weights[t] > 0.8f : weights[t] < 0.2f, qPrintable(QString::number(weights[t])));
    }
    QVERIFY(std::ranges::all_of(weights, [](float weight) { return weight > 0 && weight < 1; })); // no token becomes impossible
}

void TestRetrievalGate::savesSearchesForSparsity()
{
    const auto examples = m_examples.all();
    const auto meanWeight = [&](double sparsity) {
        GateTraining training = small();
        training.learningRate = 5e-3;
        training.sparsity = sparsity;
        const auto weights = weightsOf(RetrievalGate::train(examples, training, m_job), examples);
        return std::accumulate(weights.begin(), weights.end(), 0.0) / double(weights.size());
    };
    const double dear = meanWeight(10), cheap = meanWeight(0);
    QVERIFY2(dear < 0.05 && cheap > 0.35, qPrintable(QStringLiteral("%1 %2").arg(dear).arg(cheap)));
}

void TestRetrievalGate::isTheSameForASeed()
{
    const auto examples = m_examples.all();
    const auto weightsFor = [&](std::uint64_t seed) {
        GateTraining training = small();
        training.epochs = 3;
        training.seed = seed;
        return RetrievalGate::train(examples, training, m_job).logits(examples.features, m_job);
    };
    const auto one = weightsFor(1);
    QCOMPARE(weightsFor(1), one);
    QVERIFY(weightsFor(2) != one);
}

void TestRetrievalGate::stopsWhenAsked()
{
    int reports = 0;
    JobControl job([&](const Progress &progress) {
        QCOMPARE(QString::fromStdString(progress.stage), QStringLiteral("training the gate"));
        if (++reports == 2)
            job.requestCancel();
    });
    GateTraining endless = small();
    endless.epochs = 10000;
    endless.learningRate = 1e-12; // never better than noise, but each epoch by a little
    QVERIFY_EXCEPTION_THROWN(RetrievalGate::train(Examples(20000).all(), endless, job), Cancelled);
    QVERIFY(reports >= 2);
}

void TestRetrievalGate::refusesWhatCannotBe_data()
{
    QTest::addColumn<std::function<void(GateExamples &, GateTraining &)>>("spoil");
    QTest::addColumn<QString>("sentence");
    using Spoil = std::function<void(GateExamples &, GateTraining &)>;
    const auto row = [](const char *name, Spoil spoil, const char *sentence) { QTest::newRow(name) << std::move(spoil) << QString::fromUtf8(sentence); };
    static const std::vector<std::uint8_t> none(400, 0);
    row("nothing held out", [](GateExamples &e, GateTraining &) { e.heldOut = none; }, "0 of 400 are held out");
    row("lengths", [](GateExamples &e, GateTraining &) { e.lmLogProbs = e.lmLogProbs.first(7); }, "LM log probabilities are of 7 positions, but its parts of 400");
    row("features", [](GateExamples &e, GateTraining &) { e.features[1].values = e.features[1].values.first(7); }, "sign are of 7 positions");
    row("no features", [](GateExamples &e, GateTraining &) { e.features.clear(); }, "at least the context vectors");
    row("dropout", [](GateExamples &, GateTraining &t) { t.dropout = 1; }, "dropout is 1");
    row("rate", [](GateExamples &, GateTraining &t) { t.learningRate = 0; }, "learning_rate is 0");
    row("epochs", [](GateExamples &, GateTraining &t) { t.epochs = 0; }, "epochs is 0");
    row("batch", [](GateExamples &, GateTraining &t) { t.batch = 0; }, "batch is 0");
    row("sparsity", [](GateExamples &, GateTraining &t) { t.sparsity = -1; }, "sparsity is -1");
    row("hidden", [](GateExamples &, GateTraining &t) { t.hidden = 0; }, "hidden is 0");
}

void TestRetrievalGate::refusesWhatCannotBe()
{
    QFETCH(std::function<void(GateExamples &, GateTraining &)>, spoil);
    QFETCH(QString, sentence);
    auto examples = m_examples.all();
    auto training = small();
    spoil(examples, training);
    try {
        static_cast<void>(RetrievalGate::train(examples, training, m_job));
        QFAIL("this was taken");
    } catch (const Error &error) {
        QVERIFY2(QString::fromUtf8(error.what()).contains(sentence), error.what());
    }
}

void TestRetrievalGate::settingsComeBackFromJson()
{
    GateTraining training = small();
    training.sparsity = 0.5;
    training.seed = 927;
    QVERIFY(Json(training).get<GateTraining>() == training);
    QVERIFY(Json::object().get<GateTraining>() == GateTraining());
    QVERIFY_EXCEPTION_THROWN(static_cast<void>(Json({{"layers", 5}}).get<GateTraining>()), Error);
}

QTEST_APPLESS_MAIN(TestRetrievalGate)
#include "tst_retrieval_gate.moc"
