// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/fused_decoder.h"

#include "base/error.h"
#include "model/rotary.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace retoscope {

namespace {

using kernels::AttentionShape;
using kernels::BFloat16;
using kernels::Dropout;

/// Rows of the vocabulary's logits that are in memory at once, so that they stay in the cache between their three uses.
constexpr std::int64_t headRows = 512;

template <typename T>
constexpr at::ScalarType scalarType = std::is_same_v<T, float> ? at::kFloat : at::kBFloat16;

template <typename T>
at::Tensor tensor(const T *data, at::IntArrayRef shape)
{
    return at::from_blob(const_cast<T *>(data), shape, scalarType<T>);
}

/// out [m, n] = a [m, k] · b [k, n]; the tensors may be transposed views, out is contiguous.
void multiply(at::Tensor out, const at::Tensor &a, const at::Tensor &b)
{
    if (a.dim() == 3)
        at::bmm_out(out, a, b);
    else
        at::mm_out(out, a, b);
}

template <typename T>
class FusedDecoder : public LossFunction
{
public:
    FusedDecoder(const ModelConfig &config, const ParameterLayout &layout, const float *values, const T *weights,
                 std::int64_t sequences, std::int64_t length);

    double loss(const TrainingBatch &batch) override;
    double lossAndGradient(const TrainingBatch &batch, const GradientOptions &options,
                           std::span<float> gradient) override;

private:
    /// Where the weights of a layer begin in the parameter buffer.
    struct LayerOffsets
    {
        std::int64_t attentionNorm, projection, output, feedForwardNorm, gateUp, down;
    };
    /// What the backward pass needs of a layer's forward pass.
    struct LayerMemory
    {
        std::vector<float> input;  ///< residual stream before the layer, [tokens × D]
        std::vector<float> middle; ///< residual stream between attention and feed-forward
        std::vector<float> attentionRms, feedForwardRms;
        std::vector<T> attentionInput, feedForwardInput; ///< after their norms
        std::vector<T> queries, keys, values, probabilities, mixed, gateUp, activated;
    };
    enum Site { Attention, AttentionBranch, FeedForwardBranch, SitesPerLayer };

    void forward(const TrainingBatch &batch);
    void forwardLayer(std::size_t layer, const std::vector<float> &input, std::vector<float> &output);
    double head(const TrainingBatch &batch, float scale, float *gradient);
    void backward(const TrainingBatch &batch, float *gradient);
    void backwardLayer(std::size_t layer, float *gradient);
    void backwardAttention(const LayerMemory &memory, const Dropout &dropout);

    /// out = in · Wᵀ for W [outWidth × inWidth] at `offset`.
    void linear(const T *in, std::int64_t rows, std::int64_t inWidth, std::int64_t outWidth, std::int64_t offset,
                T *out) const;
    /// Adds outGradientᵀ · in to the gradient of W and sets inGradient = outGradient · W.
    void linearBackward(const T *outGradient, const T *in, std::int64_t rows, std::int64_t inWidth,
                        std::int64_t outWidth, std::int64_t offset, T *inGradient, float *gradient);

    [[nodiscard]] Dropout dropoutAt(std::size_t layer, Site site) const
    {
        return Dropout::of(m_dropout, m_seed + 1 + layer * SitesPerLayer + site);
    }
    [[nodiscard]] kernels::Rotation rotation() const { return {m_cosines.data(), m_sines.data()}; }
    /// Heads that share keys are one taller matrix: [sequences · keyValueHeads, group · length, columns].
    [[nodiscard]] at::Tensor grouped(const T *data, std::int64_t columns) const
    {
        return tensor(data, {m_shape.sequences * m_shape.keyValueHeads, m_shape.group() * m_shape.length, columns});
    }
    [[nodiscard]] at::Tensor keyed(const T *data) const
    {
        return tensor(data, {m_shape.sequences * m_shape.keyValueHeads, m_shape.length, m_shape.headSize});
    }

    ModelConfig m_config;
    const float *m_values;
    const T *m_weights;
    std::int64_t m_embedding, m_finalNorm, m_headWeight; // offsets
    std::vector<LayerOffsets> m_offsets;
    std::vector<float> m_cosines, m_sines;
    float m_attentionScale;

    AttentionShape m_shape; // of the batch in hand
    double m_dropout = 0;
    std::uint64_t m_seed = 0;

    std::vector<LayerMemory> m_layers;
    std::vector<float> m_output, m_finalRms; // residual stream after the last layer
    std::vector<T> m_hidden;                 // after the final norm
    // Scratch, used anew by every layer.
    std::vector<float> m_streamGradient, m_logitScratch;
    std::vector<T> m_projected, m_branch, m_merged, m_wide, m_normedGradient, m_queryGradient, m_keyGradient,
        m_valueGradient, m_scoreGradient, m_droppedProbabilities, m_logits, m_weightGradient;
};

template <typename T>
FusedDecoder<T>::FusedDecoder(const ModelConfig &config, const ParameterLayout &layout, const float *values,
                              const T *weights, std::int64_t sequences, std::int64_t length)
    : m_config(config), m_values(values), m_weights(weights), m_embedding(layout.offset("model.embed_tokens.weight")),
      m_finalNorm(layout.offset("model.norm.weight")),
      m_headWeight(config.tiedHead ? m_embedding : layout.offset("lm_head.weight")),
      m_attentionScale(1.0f / std::sqrt(static_cast<float>(config.headSize))), m_shape{sequences, length, config.heads,
                                                                                       config.keyValueHeads,
                                                                                       config.headSize},
      m_layers(static_cast<std::size_t>(config.layers))
{
    for (std::int32_t layer = 0; layer < config.layers; ++layer) {
        const std::string scope = fmt::format("model.layers.{}.", layer);
        m_offsets.push_back(
            {layout.offset(scope + "input_layernorm.weight"), layout.offset(scope + "self_attn.q_proj.weight"),
             layout.offset(scope + "self_attn.o_proj.weight"), layout.offset(scope + "post_attention_layernorm.weight"),
             layout.offset(scope + "mlp.gate_proj.weight"), layout.offset(scope + "mlp.down_proj.weight")});
    }

    const RotaryFrequencies frequencies(config);
    const std::vector<float> inverse = frequencies.inverse(length);
    for (std::int64_t position = 0; position < length; ++position)
        for (const float frequency : inverse) {
            const double angle = static_cast<double>(frequency) * static_cast<double>(position);
            m_cosines.push_back(static_cast<float>(std::cos(angle)) * frequencies.magnitude());
            m_sines.push_back(static_cast<float>(std::sin(angle)) * frequencies.magnitude());
        }

    const auto sized = [](auto &buffer, std::int64_t count) { buffer.resize(static_cast<std::size_t>(count)); };
    const std::int64_t tokens = m_shape.tokens();
    const std::int64_t width = config.hiddenSize;
    const std::int64_t inner = config.feedForwardSize;
    const std::int64_t scores = sequences * config.heads * length * length;
    for (LayerMemory &memory : m_layers) {
        sized(memory.input, tokens * width);
        sized(memory.middle, tokens * width);
        sized(memory.attentionRms, tokens);
        sized(memory.feedForwardRms, tokens);
        sized(memory.attentionInput, tokens * width);
        sized(memory.feedForwardInput, tokens * width);
        sized(memory.queries, tokens * m_shape.queryWidth());
        sized(memory.keys, tokens * m_shape.keyWidth());
        sized(memory.values, tokens * m_shape.keyWidth());
        sized(memory.probabilities, scores);
        sized(memory.mixed, tokens * m_shape.queryWidth());
        sized(memory.gateUp, tokens * 2 * inner);
        sized(memory.activated, tokens * inner);
    }
    sized(m_output, tokens * width);
    sized(m_finalRms, tokens);
    sized(m_hidden, tokens * width);
    sized(m_streamGradient, tokens * width);
    sized(m_logitScratch, config.vocabularySize);
    sized(m_projected, tokens * m_shape.projectedWidth());
    sized(m_branch, tokens * width);
    sized(m_merged, tokens * m_shape.queryWidth());
    sized(m_wide, tokens * inner);
    sized(m_normedGradient, tokens * width);
    sized(m_queryGradient, tokens * m_shape.queryWidth());
    sized(m_keyGradient, tokens * m_shape.keyWidth());
    sized(m_valueGradient, tokens * m_shape.keyWidth());
    sized(m_scoreGradient, scores);
    sized(m_droppedProbabilities, scores);
    sized(m_logits, std::min(headRows, tokens) * config.vocabularySize);
    if constexpr (!std::is_same_v<T, float>)
        sized(m_weightGradient, width * std::max({static_cast<std::int64_t>(config.vocabularySize), 2 * inner,
                                                  m_shape.projectedWidth()}));
}

template <typename T>
double FusedDecoder<T>::loss(const TrainingBatch &batch)
{
    const at::NoGradGuard noGradient;
    m_dropout = 0;
    forward(batch);
    return head(batch, 0, nullptr);
}

template <typename T>
double FusedDecoder<T>::lossAndGradient(const TrainingBatch &batch, const GradientOptions &options,
                                        std::span<float> gradient)
{
    const at::NoGradGuard noGradient;
    m_dropout = options.dropout;
    m_seed = options.seed;
    forward(batch);
    const double sum = head(batch, options.scale, gradient.data());
    backward(batch, gradient.data());
    return sum;
}

template <typename T>
void FusedDecoder<T>::linear(const T *in, std::int64_t rows, std::int64_t inWidth, std::int64_t outWidth,
                             std::int64_t offset, T *out) const
{
    multiply(tensor(out, {rows, outWidth}), tensor(in, {rows, inWidth}),
             tensor(m_weights + offset, {outWidth, inWidth}).t());
}

template <typename T>
void FusedDecoder<T>::linearBackward(const T *outGradient, const T *in, std::int64_t rows, std::int64_t inWidth,
                                     std::int64_t outWidth, std::int64_t offset, T *inGradient, float *gradient)
{
    const at::Tensor above = tensor(outGradient, {rows, outWidth});
    multiply(tensor(inGradient, {rows, inWidth}), above, tensor(m_weights + offset, {outWidth, inWidth}));
    const at::Tensor input = tensor(in, {rows, inWidth});
    if constexpr (std::is_same_v<T, float>) {
        tensor(gradient + offset, {outWidth, inWidth}).addmm_(above.t(), input);
    } else {
        multiply(tensor(m_weightGradient.data(), {outWidth, inWidth}), above.t(), input);
        kernels::accumulate(m_weightGradient.data(), gradient + offset, outWidth * inWidth);
    }
}

template <typename T>
void FusedDecoder<T>::forward(const TrainingBatch &batch)
{
    m_shape.sequences = batch.sequences();
    m_shape.length = batch.length;
    kernels::embed(batch.tokens, m_values + m_embedding, m_layers.front().input.data(), m_config.hiddenSize,
                   Dropout::of(m_dropout, m_seed));
    for (std::size_t layer = 0; layer < m_layers.size(); ++layer)
        forwardLayer(layer, m_layers[layer].input, layer + 1 < m_layers.size() ? m_layers[layer + 1].input : m_output);
    kernels::rmsNorm(m_output.data(), m_values + m_finalNorm, m_config.normEpsilon, m_hidden.data(), m_finalRms.data(),
                     m_shape.tokens(), m_config.hiddenSize);
}

template <typename T>
void FusedDecoder<T>::forwardLayer(std::size_t layer, const std::vector<float> &input, std::vector<float> &output)
{
    LayerMemory &memory = m_layers[layer];
    const LayerOffsets &offsets = m_offsets[layer];
    const std::int64_t tokens = m_shape.tokens();
    const std::int64_t width = m_config.hiddenSize;
    const std::int64_t inner = m_config.feedForwardSize;

    kernels::rmsNorm(input.data(), m_values + offsets.attentionNorm, m_config.normEpsilon, memory.attentionInput.data(),
                     memory.attentionRms.data(), tokens, width);
    linear(memory.attentionInput.data(), tokens, width, m_shape.projectedWidth(), offsets.projection,
           m_projected.data());
    kernels::splitHeads(m_shape, rotation(), m_projected.data(), memory.queries.data(), memory.keys.data(),
                        memory.values.data());
    multiply(grouped(memory.probabilities.data(), m_shape.length), grouped(memory.queries.data(), m_shape.headSize),
             keyed(memory.keys.data()).transpose(1, 2));
    kernels::causalSoftmax(m_shape, m_attentionScale, memory.probabilities.data());
    const Dropout attentionDropout = dropoutAt(layer, Attention);
    const T *probabilities = memory.probabilities.data();
    if (attentionDropout.active()) {
        kernels::dropProbabilities(m_shape, probabilities, m_droppedProbabilities.data(), attentionDropout);
        probabilities = m_droppedProbabilities.data();
    }
    multiply(grouped(m_merged.data(), m_shape.headSize), grouped(probabilities, m_shape.length),
             keyed(memory.values.data()));
    kernels::mergeHeads(m_shape, m_merged.data(), memory.mixed.data());
    linear(memory.mixed.data(), tokens, m_shape.queryWidth(), width, offsets.output, m_branch.data());
    kernels::addBranch(input.data(), m_branch.data(), memory.middle.data(), tokens * width,
                       dropoutAt(layer, AttentionBranch));

    kernels::rmsNorm(memory.middle.data(), m_values + offsets.feedForwardNorm, m_config.normEpsilon,
                     memory.feedForwardInput.data(), memory.feedForwardRms.data(), tokens, width);
    linear(memory.feedForwardInput.data(), tokens, width, 2 * inner, offsets.gateUp, memory.gateUp.data());
    kernels::swiGlu(memory.gateUp.data(), memory.activated.data(), tokens, inner);
    linear(memory.activated.data(), tokens, inner, width, offsets.down, m_branch.data());
    kernels::addBranch(memory.middle.data(), m_branch.data(), output.data(), tokens * width,
                       dropoutAt(layer, FeedForwardBranch));
}

/// The loss; with a gradient buffer also ∂/∂hidden in m_normedGradient and the gradient of the head's weights.
template <typename T>
double FusedDecoder<T>::head(const TrainingBatch &batch, float scale, float *gradient)
{
    const std::int64_t width = m_config.hiddenSize;
    const std::int64_t vocabulary = m_config.vocabularySize;
    double sum = 0;
    for (std::int64_t row = 0; row < m_shape.tokens(); row += headRows) {
        const std::int64_t rows = std::min(headRows, m_shape.tokens() - row);
        const T *hidden = m_hidden.data() + row * width;
        linear(hidden, rows, width, vocabulary, m_headWeight, m_logits.data());
        sum += kernels::crossEntropy(
            m_logits.data(), batch.targets.subspan(static_cast<std::size_t>(row), static_cast<std::size_t>(rows)),
            vocabulary, scale, m_logitScratch.data());
        if (gradient)
            linearBackward(m_logits.data(), hidden, rows, width, vocabulary, m_headWeight,
                           m_normedGradient.data() + row * width, gradient);
    }
    return sum;
}

template <typename T>
void FusedDecoder<T>::backward(const TrainingBatch &batch, float *gradient)
{
    const std::int64_t tokens = m_shape.tokens();
    const std::int64_t width = m_config.hiddenSize;
    std::fill_n(m_streamGradient.begin(), tokens * width, 0.0f);
    kernels::rmsNormBackward(m_normedGradient.data(), m_output.data(), m_values + m_finalNorm, m_finalRms.data(),
                             m_streamGradient.data(), gradient + m_finalNorm, tokens, width);
    for (std::size_t layer = m_layers.size(); layer-- > 0;)
        backwardLayer(layer, gradient);
    kernels::embedBackward(batch.tokens, m_streamGradient.data(), gradient + m_embedding, width,
                           Dropout::of(m_dropout, m_seed));
}

template <typename T>
void FusedDecoder<T>::backwardLayer(std::size_t layer, float *gradient)
{
    LayerMemory &memory = m_layers[layer];
    const LayerOffsets &offsets = m_offsets[layer];
    const std::int64_t tokens = m_shape.tokens();
    const std::int64_t width = m_config.hiddenSize;
    const std::int64_t inner = m_config.feedForwardSize;

    kernels::addBranchBackward(m_streamGradient.data(), m_branch.data(), tokens * width,
                               dropoutAt(layer, FeedForwardBranch));
    linearBackward(m_branch.data(), memory.activated.data(), tokens, inner, width, offsets.down, m_wide.data(),
                   gradient);
    kernels::swiGluBackward(m_wide.data(), memory.gateUp.data(), tokens, inner);
    linearBackward(memory.gateUp.data(), memory.feedForwardInput.data(), tokens, width, 2 * inner, offsets.gateUp,
                   m_normedGradient.data(), gradient);
    kernels::rmsNormBackward(m_normedGradient.data(), memory.middle.data(), m_values + offsets.feedForwardNorm,
                             memory.feedForwardRms.data(), m_streamGradient.data(), gradient + offsets.feedForwardNorm,
                             tokens, width);

    kernels::addBranchBackward(m_streamGradient.data(), m_branch.data(), tokens * width,
                               dropoutAt(layer, AttentionBranch));
    linearBackward(m_branch.data(), memory.mixed.data(), tokens, m_shape.queryWidth(), width, offsets.output,
                   m_merged.data(), gradient);
    backwardAttention(memory, dropoutAt(layer, Attention));
    linearBackward(m_projected.data(), memory.attentionInput.data(), tokens, width, m_shape.projectedWidth(),
                   offsets.projection, m_normedGradient.data(), gradient);
    kernels::rmsNormBackward(m_normedGradient.data(), memory.input.data(), m_values + offsets.attentionNorm,
                             memory.attentionRms.data(), m_streamGradient.data(), gradient + offsets.attentionNorm,
                             tokens, width);
}

/// From m_merged = ∂/∂mixed to m_projected = ∂/∂(queries, keys and values before rotation).
template <typename T>
void FusedDecoder<T>::backwardAttention(const LayerMemory &memory, const Dropout &dropout)
{
    T *mixedGradient = m_queryGradient.data(); // its own content comes after the last use of this one
    kernels::mergeHeadsBackward(m_shape, m_merged.data(), mixedGradient);
    const T *probabilities = memory.probabilities.data();
    if (dropout.active()) {
        kernels::dropProbabilities(m_shape, probabilities, m_droppedProbabilities.data(), dropout);
        probabilities = m_droppedProbabilities.data();
    }
    multiply(keyed(m_valueGradient.data()), grouped(probabilities, m_shape.length).transpose(1, 2),
             grouped(mixedGradient, m_shape.headSize));
    multiply(grouped(m_scoreGradient.data(), m_shape.length), grouped(mixedGradient, m_shape.headSize),
             keyed(memory.values.data()).transpose(1, 2));
    kernels::causalSoftmaxBackward(m_shape, m_attentionScale, memory.probabilities.data(), m_scoreGradient.data(),
                                   dropout);
    const at::Tensor scores = grouped(m_scoreGradient.data(), m_shape.length);
    multiply(grouped(m_queryGradient.data(), m_shape.headSize), scores, keyed(memory.keys.data()));
    multiply(keyed(m_keyGradient.data()), scores.transpose(1, 2), grouped(memory.queries.data(), m_shape.headSize));
    kernels::splitHeadsBackward(m_shape, rotation(), m_queryGradient.data(), m_keyGradient.data(),
                                m_valueGradient.data(), m_projected.data());
}

} // namespace

bool fusedDecoderSupports(const ModelConfig &config, std::int64_t length)
{
    const bool family = config.architecture == "llama" || config.architecture == "mistral";
    const bool wholeAttention = config.slidingWindow == 0 || config.slidingWindow >= length;
    return family && wholeAttention && config.activation == "silu" && !config.attentionBias &&
           !config.attentionOutputBias && !config.feedForwardBias && config.headSize % 2 == 0 &&
           (config.ropeScaling.is_null() || length <= config.contextLength);
}

std::unique_ptr<LossFunction> createFusedDecoder(const ModelConfig &config, const ParameterLayout &layout,
                                                 std::span<const float> values, std::span<const BFloat16> halves,
                                                 std::int64_t sequences, std::int64_t length)
{
    if (halves.empty())
        return std::make_unique<FusedDecoder<float>>(config, layout, values.data(), values.data(), sequences, length);
    return std::make_unique<FusedDecoder<BFloat16>>(config, layout, values.data(), halves.data(), sequences, length);
}

} // namespace retoscope
