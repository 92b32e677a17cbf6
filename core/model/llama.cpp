// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/families.h"

#include <fmt/format.h>

namespace retoscope {

namespace {

std::string scopeOf(std::int32_t layer)
{
    return fmt::format("model.layers.{}.", layer);
}

/// RMSNorm (Zhang and Sennrich 2019), rotary positions, SwiGLU (Shazeer 2020).
class Llama final : public Transformer
{
public:
    Llama(ModelConfig config, WeightMap weights, at::ScalarType compute)
        : Transformer(std::move(config), std::move(weights), compute), m_embedding(weight("model.embed_tokens.weight")),
          m_finalNorm(weight("model.norm.weight"))
    {
        m_rotary.emplace(m_config);
        for (std::int32_t i = 0; i < m_config.layers; ++i) {
            const std::string scope = scopeOf(i);
            m_layers.push_back(
                {weight(scope + "input_layernorm.weight"),
                 projections({scope + "self_attn.q_proj", scope + "self_attn.k_proj", scope + "self_attn.v_proj"}),
                 linear(scope + "self_attn.o_proj"), weight(scope + "post_attention_layernorm.weight"),
                 projections({scope + "mlp.gate_proj", scope + "mlp.up_proj"}), linear(scope + "mlp.down_proj")});
        }
        m_head = m_config.tiedHead ? Linear{m_embedding, {}, m_compute} : linear("lm_head");
    }

protected:
    at::Tensor embed(const at::Tensor &tokens, std::int64_t) const override
    {
        return at::embedding(m_embedding, tokens).to(at::kFloat);
    }
    at::Tensor attentionNorm(std::size_t layer, const at::Tensor &x) const override
    {
        return rmsNorm(x, m_layers[layer].attentionNorm);
    }
    QueryKeyValue project(std::size_t layer, const at::Tensor &normed) const override
    {
        const std::int64_t key = std::int64_t(m_config.keyValueHeads) * m_config.headSize;
        const std::int64_t query = std::int64_t(m_config.heads) * m_config.headSize;
        const auto parts = m_layers[layer].queryKeyValue(normed).split_with_sizes({query, key, key}, -1);
        return {parts[0], parts[1], parts[2]};
    }
    at::Tensor attentionOutput(std::size_t layer, const at::Tensor &mixed) const override
    {
        return m_layers[layer].attentionOutput(mixed);
    }
    at::Tensor feedForwardNorm(std::size_t layer, const at::Tensor &x) const override
    {
        return rmsNorm(x, m_layers[layer].feedForwardNorm);
    }
    at::Tensor feedForward(std::size_t layer, const at::Tensor &normed) const override
    {
        return m_layers[layer].down(gated(m_layers[layer].gateUp(normed)));
    }
    at::Tensor finalNorm(const at::Tensor &x) const override { return rmsNorm(x, m_finalNorm); }

private:
    struct Layer
    {
        at::Tensor attentionNorm;
        Projections queryKeyValue;
        Linear attentionOutput;
        at::Tensor feedForwardNorm;
        Projections gateUp;
        Linear down;
    };

    [[nodiscard]] at::Tensor rmsNorm(const at::Tensor &x, const at::Tensor &gain) const
    {
        const auto scale = at::rsqrt(x.square().mean(-1, true) + m_config.normEpsilon);
        return toCompute(x * scale * gain);
    }

    at::Tensor m_embedding;
    at::Tensor m_finalNorm;
    std::vector<Layer> m_layers;
};

} // namespace

WeightShapes llamaWeights(const ModelConfig &config)
{
    const std::int64_t hidden = config.hiddenSize, feedForward = config.feedForwardSize;
    const std::int64_t query = std::int64_t(config.heads) * config.headSize;
    const std::int64_t keyValue = std::int64_t(config.keyValueHeads) * config.headSize;
    WeightShapes shapes;
    const auto linear = [&](const std::string &scope, std::int64_t out, std::int64_t in, bool bias) {
        shapes[scope + ".weight"] = {out, in};
        if (bias)
            shapes[scope + ".bias"] = {out};
    };
    shapes["model.embed_tokens.weight"] = {config.vocabularySize, hidden};
    shapes["model.norm.weight"] = {hidden};
    for (std::int32_t i = 0; i < config.layers; ++i) {
        const std::string scope = scopeOf(i);
        shapes[scope + "input_layernorm.weight"] = {hidden};
        shapes[scope + "post_attention_layernorm.weight"] = {hidden};
        linear(scope + "self_attn.q_proj", query, hidden, config.attentionBias);
        linear(scope + "self_attn.k_proj", keyValue, hidden, config.attentionBias);
        linear(scope + "self_attn.v_proj", keyValue, hidden, config.attentionBias);
        linear(scope + "self_attn.o_proj", hidden, query, config.attentionOutputBias);
        linear(scope + "mlp.gate_proj", feedForward, hidden, config.feedForwardBias);
        linear(scope + "mlp.up_proj", feedForward, hidden, config.feedForwardBias);
        linear(scope + "mlp.down_proj", hidden, feedForward, config.feedForwardBias);
    }
    if (!config.tiedHead)
        linear("lm_head", config.vocabularySize, hidden, false);
    return shapes;
}

std::unique_ptr<Transformer> makeLlama(ModelConfig config, WeightMap weights, at::ScalarType compute)
{
    return std::make_unique<Llama>(std::move(config), std::move(weights), compute);
}

} // namespace retoscope
