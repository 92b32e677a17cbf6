// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/families.h"

#include <fmt/format.h>

namespace retoscope {

namespace {

std::string scopeOf(std::int32_t layer)
{
    return fmt::format("transformer.h.{}.", layer);
}

/// Radford et al. 2019: layer norm before each part, learned positions, one fused projection.
class Gpt2 final : public Transformer
{
public:
    Gpt2(ModelConfig config, WeightMap weights, at::ScalarType compute)
        : Transformer(std::move(config), std::move(weights), compute), m_embedding(weight("transformer.wte.weight")),
          m_positions(weight("transformer.wpe.weight")), m_finalNorm(norm("transformer.ln_f"))
    {
        constexpr bool conv1d = true; // GPT-2 stores its matrices transposed
        for (std::int32_t i = 0; i < m_config.layers; ++i) {
            const std::string scope = scopeOf(i);
            m_layers.push_back({norm(scope + "ln_1"), linear(scope + "attn.c_attn", conv1d),
                                linear(scope + "attn.c_proj", conv1d), norm(scope + "ln_2"),
                                linear(scope + "mlp.c_fc", conv1d), linear(scope + "mlp.c_proj", conv1d)});
        }
        m_head = m_config.tiedHead ? Linear{m_embedding, {}, m_compute} : linear("lm_head");
    }

protected:
    at::Tensor embed(const at::Tensor &tokens, std::int64_t firstPosition) const override
    {
        const auto positions = m_positions.narrow(0, firstPosition, tokens.size(1));
        return at::embedding(m_embedding, tokens).to(at::kFloat) + positions.to(at::kFloat);
    }
    at::Tensor attentionNorm(std::size_t layer, const at::Tensor &x) const override
    {
        return layerNorm(x, m_layers[layer].attentionNorm);
    }
    QueryKeyValue project(std::size_t layer, const at::Tensor &normed) const override
    {
        const auto parts = m_layers[layer].queryKeyValue(normed).chunk(3, -1);
        return {parts[0], parts[1], parts[2]};
    }
    at::Tensor attentionOutput(std::size_t layer, const at::Tensor &mixed) const override
    {
        return m_layers[layer].attentionOutput(mixed);
    }
    at::Tensor feedForwardNorm(std::size_t layer, const at::Tensor &x) const override
    {
        return layerNorm(x, m_layers[layer].feedForwardNorm);
    }
    at::Tensor feedForward(std::size_t layer, const at::Tensor &normed) const override
    {
        return m_layers[layer].down(activate(m_layers[layer].up(normed)));
    }
    at::Tensor finalNorm(const at::Tensor &x) const override { return layerNorm(x, m_finalNorm); }

private:
    struct Norm
    {
        at::Tensor gain, bias;
    };
    struct Layer
    {
        Norm attentionNorm;
        Linear queryKeyValue, attentionOutput;
        Norm feedForwardNorm;
        Linear up, down;
    };

    [[nodiscard]] Norm norm(const std::string &scope) const { return {weight(scope + ".weight"), weight(scope + ".bias")}; }
    [[nodiscard]] at::Tensor layerNorm(const at::Tensor &x, const Norm &norm) const
    {
        return toCompute(at::layer_norm(x, {m_config.hiddenSize}, norm.gain, norm.bias, m_config.normEpsilon));
    }

    at::Tensor m_embedding;
    at::Tensor m_positions;
    Norm m_finalNorm;
    std::vector<Layer> m_layers;
};

} // namespace

WeightShapes gpt2Weights(const ModelConfig &config)
{
    const std::int64_t hidden = config.hiddenSize, feedForward = config.feedForwardSize;
    WeightShapes shapes;
    const auto conv1d = [&](const std::string &scope, std::int64_t in, std::int64_t out) {
        shapes[scope + ".weight"] = {in, out};
        shapes[scope + ".bias"] = {out};
    };
    const auto norm = [&](const std::string &scope) {
        shapes[scope + ".weight"] = {hidden};
        shapes[scope + ".bias"] = {hidden};
    };
    shapes["transformer.wte.weight"] = {config.vocabularySize, hidden};
    shapes["transformer.wpe.weight"] = {config.contextLength, hidden};
    norm("transformer.ln_f");
    for (std::int32_t i = 0; i < config.layers; ++i) {
        const std::string scope = scopeOf(i);
        norm(scope + "ln_1");
        conv1d(scope + "attn.c_attn", hidden, 3 * hidden);
        conv1d(scope + "attn.c_proj", hidden, hidden);
        norm(scope + "ln_2");
        conv1d(scope + "mlp.c_fc", hidden, feedForward);
        conv1d(scope + "mlp.c_proj", feedForward, hidden);
    }
    if (!config.tiedHead)
        shapes["lm_head.weight"] = {config.vocabularySize, hidden};
    return shapes;
}

std::unique_ptr<Transformer> makeGpt2(ModelConfig config, WeightMap weights, at::ScalarType compute)
{
    return std::make_unique<Gpt2>(std::move(config), std::move(weights), compute);
}

} // namespace retoscope
