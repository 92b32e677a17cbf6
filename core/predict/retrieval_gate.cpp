// SPDX-License-Identifier: GPL-3.0-or-later
// The only file of this room that knows LibTorch.
#include "predict/retrieval_gate.h"

#include "base/error.h"
#include "base/job.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/optim/adam.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

// Absent when LibTorch brings another BLAS.
extern "C" {
__attribute__((weak)) int openblas_get_num_threads(void);
__attribute__((weak)) void openblas_set_num_threads(int);
}

namespace retoscope {

namespace {

/// One thread for the libraries that this thread calls. The products are so small that several threads spend their time
/// waiting for each other: on a busy machine of two cores 163 s instead of 20.
class OneThread
{
public:
    OneThread() : m_before(at::get_num_threads())
    {
        at::set_num_threads(1);
        if (openblas_set_num_threads) {
            m_blasBefore = openblas_get_num_threads();
            openblas_set_num_threads(1);
        }
    }
    ~OneThread()
    {
        if (m_blasBefore > 0)
            openblas_set_num_threads(m_blasBefore);
        at::set_num_threads(m_before);
    }
    OneThread(const OneThread &) = delete;
    OneThread &operator=(const OneThread &) = delete;

private:
    int m_before, m_blasBefore = 0;
};

constexpr int hiddenLayers = 4;
constexpr std::int64_t rowsAtOnce = 4096; // without gradients
/// What stands for log 0, as in the released kNN-LM: finite, so that no gradient becomes 0 · ∞.
constexpr float logZero = -10000.0f;
/// A feature that never varies on the training part carries nothing; dividing by less would blow up its noise elsewhere.
constexpr double smallestDeviation = 1e-6;
constexpr int patience = 3; ///< epochs without a better held-out loss before the training ends

using torch::Tensor;

struct Linear
{
    Tensor weight, bias; ///< [out, in], [out]

    Linear() = default;
    /// Uniform within ±1/√in, as PyTorch begins.
    Linear(std::int64_t in, std::int64_t out, at::Generator &random)
    {
        const double bound = 1 / std::sqrt(static_cast<double>(in));
        weight = torch::empty({out, in}).uniform_(-bound, bound, random);
        bias = torch::empty({out}).uniform_(-bound, bound, random);
    }
    [[nodiscard]] Tensor operator()(const Tensor &x) const { return at::linear(x, weight, bias); }
};

std::int64_t rowsOf(const GateFeatures &features)
{
    return static_cast<std::int64_t>(features.values.size()) / features.width;
}

/// The values as they lie, [positions × width]; never written to.
Tensor asTensor(const GateFeatures &features)
{
    return torch::from_blob(const_cast<float *>(features.values.data()), {rowsOf(features), features.width});
}

Tensor asTensor(std::span<const float> values)
{
    return torch::from_blob(const_cast<float *>(values.data()), {static_cast<std::int64_t>(values.size())});
}

/// Mean and deviation of each column over some rows, in double and piece by piece: the context vectors may be gigabytes.
std::pair<Tensor, Tensor> momentsOf(const Tensor &values, const Tensor &rows)
{
    const auto columns = values.size(1);
    Tensor sum = torch::zeros({columns}, torch::kFloat64), squares = torch::zeros({columns}, torch::kFloat64);
    for (const Tensor &part : rows.split(rowsAtOnce)) {
        const Tensor some = values.index_select(0, part).to(torch::kFloat64);
        sum += some.sum(0);
        squares += (some * some).sum(0);
    }
    const auto count = static_cast<double>(rows.size(0));
    const Tensor mean = sum / count;
    const Tensor deviation = (squares / count - mean * mean).clamp_min(0).sqrt();
    return {mean.to(torch::kFloat32), torch::where(deviation < smallestDeviation, torch::ones_like(deviation), deviation).to(torch::kFloat32)};
}

Tensor rowsWhere(std::span<const std::uint8_t> heldOut, bool part)
{
    std::vector<std::int64_t> rows;
    for (std::size_t t = 0; t < heldOut.size(); ++t) {
        if ((heldOut[t] != 0) == part)
            rows.push_back(static_cast<std::int64_t>(t));
    }
    return torch::tensor(rows, torch::kInt64);
}

void requireConsistent(const GateExamples &examples)
{
    const std::size_t positions = examples.heldOut.size();
    const auto require = [&](const char *what, std::size_t count) {
        if (count != positions)
            fail(ErrorKind::BadInput, "The gate's {} are of {} positions, but its parts of {}.", what, count, positions);
    };
    if (examples.features.empty())
        fail(ErrorKind::BadInput, "A gate needs at least the context vectors as features.");
    for (const GateFeatures &features : examples.features)
        require(features.name.c_str(), static_cast<std::size_t>(rowsOf(features)));
    require("LM log probabilities", examples.lmLogProbs.size());
    require("kNN log probabilities", examples.knnLogProbs.size());
    const auto heldOut = static_cast<std::size_t>(std::ranges::count_if(examples.heldOut, [](std::uint8_t flag) { return flag != 0; }));
    if (heldOut == 0 || heldOut == positions)
        fail(ErrorKind::BadInput, "A gate needs positions to learn from and positions that are held out; {} of {} are held out.", heldOut, positions);
}

} // namespace

struct RetrievalGate::Network
{
    struct Group
    {
        std::string name;
        Tensor mean, deviation;
        std::vector<Linear> layers; ///< none for the context vector, two for scalars
    };
    std::vector<Group> groups;
    std::vector<Linear> layers; ///< the last one has two outputs
    double sparsity = 0;
    std::int32_t bestEpoch = 0;
    double heldOutLoss = 0;

    /// The features of some rows, standardised and widened; then [log(1 − λ_t), log λ_t], [rows × 2]. With `dropout` (a
    /// share) units are dropped by `random`.
    [[nodiscard]] Tensor logWeights(const std::vector<Tensor> &features, double dropout, const at::Generator &random) const
    {
        std::vector<Tensor> parts;
        for (std::size_t g = 0; g < groups.size(); ++g) {
            Tensor part = (features[g] - groups[g].mean) / groups[g].deviation;
            if (!groups[g].layers.empty())
                part = groups[g].layers[1](at::leaky_relu(groups[g].layers[0](part)));
            parts.push_back(part);
        }
        Tensor x = at::cat(parts, 1);
        for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
            x = at::relu(layers[i](x));
            if (dropout > 0)
                x = x * at::empty_like(x).bernoulli_(1 - dropout, random) / (1 - dropout);
        }
        return at::log_softmax(layers.back()(x), 1);
    }

    [[nodiscard]] std::vector<Tensor> trainable() const
    {
        std::vector<Tensor> all;
        const auto add = [&all](const Linear &layer) {
            all.push_back(layer.weight);
            all.push_back(layer.bias);
        };
        for (const Group &group : groups)
            std::ranges::for_each(group.layers, add);
        std::ranges::for_each(layers, add);
        return all;
    }

    [[nodiscard]] Tensor lossOf(const Tensor &logWeights, const Tensor &logProbs) const
    {
        const Tensor mixed = at::logsumexp(logWeights + logProbs, {1});
        return -mixed.mean() + sparsity * logWeights.select(1, 1).exp().mean();
    }
};

namespace {

/// The tensors of one set of examples, and batches of them.
class Batches
{
public:
    explicit Batches(const GateExamples &examples)
        : m_logProbs(torch::stack({asTensor(examples.lmLogProbs), asTensor(examples.knnLogProbs)}, 1).clamp_min(logZero))
    {
        for (const GateFeatures &features : examples.features)
            m_features.push_back(asTensor(features));
    }
    [[nodiscard]] std::vector<Tensor> features(const Tensor &rows) const
    {
        std::vector<Tensor> some;
        for (const Tensor &values : m_features)
            some.push_back(values.index_select(0, rows));
        return some;
    }
    [[nodiscard]] Tensor logProbs(const Tensor &rows) const { return m_logProbs.index_select(0, rows); }

private:
    std::vector<Tensor> m_features;
    Tensor m_logProbs; ///< [positions × 2]: LM, kNN
};

} // namespace

float gateWeight(float logit)
{
    constexpr double edge = 1e-6;
    return static_cast<float>(std::clamp(1 / (1 + std::exp(-static_cast<double>(logit))), edge, 1 - edge));
}

RetrievalGate RetrievalGate::train(const GateExamples &examples, const GateTraining &training, JobControl &job)
{
    validate(training);
    requireConsistent(examples);
    const OneThread oneThread;
    // A generator of its own: the global one is shared with whatever else runs in this process.
    at::Generator random = at::make_generator<at::CPUGeneratorImpl>(training.seed);
    const Batches batches(examples);
    const Tensor learned = rowsWhere(examples.heldOut, false), heldOut = rowsWhere(examples.heldOut, true);

    auto network = std::make_shared<Network>();
    network->sparsity = training.sparsity;
    const auto dimension = static_cast<std::int64_t>(examples.features.front().width);
    const auto scalarGroups = static_cast<std::int64_t>(examples.features.size()) - 1;
    const std::int64_t widened = scalarGroups > 0 ? std::max<std::int64_t>(1, dimension / scalarGroups) : 0;
    for (const GateFeatures &features : examples.features) {
        job.checkpoint();
        const auto [mean, deviation] = momentsOf(asTensor(features), learned);
        Network::Group group{features.name, mean, deviation, {}};
        if (!network->groups.empty())
            group.layers = {Linear(features.width, widened, random), Linear(widened, widened, random)};
        network->groups.push_back(std::move(group));
    }
    std::int64_t width = dimension + scalarGroups * widened;
    for (int i = 0; i < hiddenLayers; ++i, width = training.hidden)
        network->layers.emplace_back(width, training.hidden, random);
    network->layers.emplace_back(width, 2, random);

    std::vector<Tensor> parameters = network->trainable(), best;
    for (Tensor &parameter : parameters)
        parameter.set_requires_grad(true);
    torch::optim::Adam adam(parameters, torch::optim::AdamOptions(training.learningRate));
    const auto heldOutLoss = [&] {
        const torch::NoGradGuard noGradients;
        double sum = 0;
        for (const Tensor &rows : heldOut.split(rowsAtOnce)) {
            job.checkpoint();
            const Tensor logWeights = network->logWeights(batches.features(rows), 0, random);
            sum += network->lossOf(logWeights, batches.logProbs(rows)).item<double>() * static_cast<double>(rows.size(0));
        }
        return sum / static_cast<double>(heldOut.size(0));
    };

    network->heldOutLoss = std::numeric_limits<double>::infinity();
    const std::int64_t total = learned.size(0) * training.epochs;
    std::int64_t seen = 0;
    std::string detail;
    for (std::int32_t epoch = 1; epoch <= training.epochs; ++epoch) {
        const Tensor order = learned.index_select(0, at::randperm(learned.size(0), random, torch::kInt64));
        for (const Tensor &rows : order.split(training.batch)) {
            job.checkpoint();
            adam.zero_grad();
            network->lossOf(network->logWeights(batches.features(rows), training.dropout, random), batches.logProbs(rows)).backward();
            adam.step();
            job.report("training the gate", "positions", seen += rows.size(0), total, detail);
        }
        const double loss = heldOutLoss();
        detail = fmt::format("epoch {}, held-out loss {:.4f}", epoch, loss);
        if (loss < network->heldOutLoss) {
            network->heldOutLoss = loss;
            network->bestEpoch = epoch;
            best.clear();
            for (const Tensor &parameter : parameters)
                best.push_back(parameter.detach().clone());
        }
        if (epoch - network->bestEpoch >= patience)
            break;
    }
    if (best.empty())
        fail(ErrorKind::BadInput, "The gate's training gave no finite loss; look for features or log probabilities that are not finite, or choose a smaller learning rate.");
    const torch::NoGradGuard noGradients;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        parameters[i].set_requires_grad(false);
        parameters[i].copy_(best[i]);
    }
    return RetrievalGate(std::move(network));
}

std::vector<float> RetrievalGate::logits(const std::vector<GateFeatures> &features, JobControl &job) const
{
    const auto fits = [&] {
        if (features.size() != m_network->groups.size())
            return false;
        for (std::size_t g = 0; g < features.size(); ++g) {
            if (features[g].name != m_network->groups[g].name || features[g].width != m_network->groups[g].mean.size(0) || rowsOf(features[g]) != rowsOf(features[0]))
                return false;
        }
        return true;
    };
    if (!fits())
        fail(ErrorKind::BadInput, "The gate was trained with other features than it is asked about.");
    const torch::NoGradGuard noGradients;
    const at::Generator unused;
    std::vector<float> logits;
    const std::int64_t positions = rowsOf(features.front());
    logits.reserve(static_cast<std::size_t>(positions));
    for (std::int64_t begin = 0; begin < positions; begin += rowsAtOnce) {
        job.checkpoint();
        const std::int64_t count = std::min(rowsAtOnce, positions - begin);
        std::vector<Tensor> some;
        for (const GateFeatures &group : features)
            some.push_back(asTensor(group).narrow(0, begin, count));
        const Tensor logWeights = m_network->logWeights(some, 0, unused);
        const Tensor part = (logWeights.select(1, 1) - logWeights.select(1, 0)).contiguous();
        logits.insert(logits.end(), part.data_ptr<float>(), part.data_ptr<float>() + count);
    }
    return logits;
}

double RetrievalGate::loss(const GateExamples &examples, bool part) const
{
    requireConsistent(examples);
    const torch::NoGradGuard noGradients;
    const Batches batches(examples);
    const Tensor rows = rowsWhere(examples.heldOut, part);
    return m_network->lossOf(m_network->logWeights(batches.features(rows), 0, at::Generator()), batches.logProbs(rows)).item<double>();
}

std::int32_t RetrievalGate::bestEpoch() const { return m_network->bestEpoch; }
double RetrievalGate::heldOutLoss() const { return m_network->heldOutLoss; }

std::vector<RetrievalGate::Parameter> RetrievalGate::parameters() const
{
    std::vector<Parameter> all;
    const auto add = [&all](std::string name, const Tensor &tensor) {
        const float *values = tensor.data_ptr<float>();
        all.push_back({std::move(name), tensor.sizes().vec(), {values, values + tensor.numel()}});
    };
    const auto addLayer = [&add](const std::string &name, const Linear &layer) {
        add(name, layer.weight);
        add(name + ".bias", layer.bias);
    };
    for (const Network::Group &group : m_network->groups) {
        add("mean." + group.name, group.mean);
        add("deviation." + group.name, group.deviation);
        for (std::size_t i = 0; i < group.layers.size(); ++i)
            addLayer(fmt::format("group.{}.{}", group.name, i), group.layers[i]);
    }
    for (std::size_t i = 0; i < m_network->layers.size(); ++i)
        addLayer(fmt::format("layer.{}", i), m_network->layers[i]);
    return all;
}

} // namespace retoscope
