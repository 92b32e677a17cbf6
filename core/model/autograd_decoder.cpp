// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/autograd_decoder.h"

#include <algorithm>

namespace retoscope {

namespace {

/// Rows of the vocabulary's logits that are in memory at once.
constexpr std::int64_t headRows = 512;

at::Tensor toTensor(std::span<const std::int32_t> tokens)
{
    return at::from_blob(const_cast<std::int32_t *>(tokens.data()), {static_cast<std::int64_t>(tokens.size())},
                         at::kInt)
        .to(at::kLong);
}

class AutogradDecoder final : public LossFunction
{
public:
    AutogradDecoder(const ModelConfig &config, const ParameterLayout &layout, std::span<float> values,
                    ComputeType compute)
        : m_layout(layout)
    {
        WeightMap weights = layout.views(values.data());
        for (auto &[name, weight] : weights)
            weight.requires_grad_(true);
        m_decoder = Transformer::create(config, weights, compute == ComputeType::BFloat16 ? at::kBFloat16 : at::kFloat);
    }

    double loss(const TrainingBatch &batch) override
    {
        const at::NoGradGuard noGradient;
        const at::Tensor hidden = m_decoder->hidden(inputs(batch), {}).flatten(0, 1);
        return chunkedLoss(batch, hidden, [](const at::Tensor &) {});
    }

    double lossAndGradient(const TrainingBatch &batch, const GradientOptions &options,
                           std::span<float> gradient) override
    {
        const at::AutoGradMode withGradient(true);
        at::manual_seed(options.seed);
        at::Tensor hidden =
            m_decoder->hidden(inputs(batch), {.dropout = options.dropout, .training = true}).flatten(0, 1);
        // The head is differentiated chunk by chunk against a leaf, so that only one chunk of logits is ever kept.
        at::Tensor leaf = hidden.detach().requires_grad_(true);
        const double sum = chunkedLoss(batch, leaf, [&](const at::Tensor &loss) { (loss * options.scale).backward(); });
        hidden.backward(leaf.grad());
        collect(gradient);
        return sum;
    }

private:
    static at::Tensor inputs(const TrainingBatch &batch) { return toTensor(batch.tokens).view({-1, batch.length}); }

    template <typename Visit>
    double chunkedLoss(const TrainingBatch &batch, const at::Tensor &hidden, Visit visit) const
    {
        const at::Tensor targets = toTensor(batch.targets);
        double sum = 0;
        for (std::int64_t row = 0; row < hidden.size(0); row += headRows) {
            const std::int64_t end = std::min(row + headRows, hidden.size(0));
            const at::Tensor logits = m_decoder->logits(hidden.slice(0, row, end)).to(at::kFloat);
            const at::Tensor loss =
                at::nll_loss(at::log_softmax(logits, -1), targets.slice(0, row, end), {}, at::Reduction::Sum);
            sum += loss.item<double>();
            visit(loss);
        }
        return sum;
    }

    void collect(std::span<float> gradient)
    {
        const at::NoGradGuard noGradient;
        WeightMap sums = m_layout.views(gradient.data());
        for (const auto &[name, weight] : m_decoder->weights()) {
            at::Tensor &ownGradient = weight.mutable_grad();
            if (ownGradient.defined())
                sums.at(name).add_(ownGradient);
            ownGradient.reset();
        }
    }

    ParameterLayout m_layout;
    std::unique_ptr<Transformer> m_decoder;
};

} // namespace

std::unique_ptr<LossFunction> createAutogradDecoder(const ModelConfig &config, const ParameterLayout &layout,
                                                    std::span<float> values, ComputeType compute)
{
    return std::make_unique<AutogradDecoder>(config, layout, values, compute);
}

} // namespace retoscope
