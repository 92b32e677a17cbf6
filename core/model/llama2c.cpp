// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/llama2c.h"

#include "base/error.h"

#include <array>
#include <cstdlib>
#include <cstring>

namespace retoscope {

namespace {

constexpr std::int32_t newerMagic = 0x616b3432; // "ak42": version 1 and later
constexpr std::int32_t largestSize = 1 << 24;

ModelConfig parseHeader(const std::array<std::int32_t, 7> &header, std::string_view name)
{
    const auto [hidden, feedForward, layers, heads, keyValueHeads, vocabulary, context] = header;
    if (hidden == newerMagic)
        fail(ErrorKind::BadInput,
             "{} is a llama2.c file of version 1 or later; export it with --version 0 or as a Hugging Face folder.", name);
    const auto sane = [](std::int32_t value) { return value > 0 && value <= largestSize; };
    // A negative vocabulary size says that the head has weights of its own.
    if (!sane(hidden) || !sane(feedForward) || !sane(layers) || !sane(heads) || !sane(keyValueHeads) ||
        vocabulary < -largestSize || !sane(std::abs(vocabulary)) || !sane(context) || hidden % heads != 0 ||
        heads % keyValueHeads != 0 || (hidden / heads) % 2 != 0)
        fail(ErrorKind::BadInput,
             "{} is not a llama2.c model: dim {}, hidden_dim {}, n_layers {}, n_heads {}, n_kv_heads {}, vocab_size {}, "
             "max_seq_len {} make no model; name a .bin file that llama2.c reads.",
             name, hidden, feedForward, layers, heads, keyValueHeads, vocabulary, context);
    ModelConfig config;
    config.architecture = "llama";
    config.vocabularySize = std::abs(vocabulary);
    config.hiddenSize = hidden;
    config.layers = layers;
    config.heads = heads;
    config.keyValueHeads = keyValueHeads;
    config.headSize = hidden / heads;
    config.feedForwardSize = feedForward;
    config.contextLength = context;
    config.tiedHead = vocabulary > 0;
    config.bosToken = 1;
    config.eosToken = 2;
    return config;
}

/// Hands out the file's floats in order.
class Cursor
{
public:
    Cursor(std::span<const std::byte> rest, std::string_view name) : m_rest(rest), m_name(name) {}

    /// Sizes of at most 2^24 each: a product of two cannot overflow.
    StoredTensor take(std::vector<std::int64_t> shape)
    {
        std::uint64_t bytes = sizeof(float);
        for (const auto size : shape)
            bytes *= static_cast<std::uint64_t>(size);
        if (bytes > m_rest.size())
            fail(ErrorKind::Corrupt, "{} is truncated: {} more bytes are needed; download it again.", m_name,
                 bytes - m_rest.size());
        StoredTensor tensor{"F32", std::move(shape), m_rest.first(bytes)};
        m_rest = m_rest.subspan(bytes);
        return tensor;
    }
    [[nodiscard]] std::size_t left() const { return m_rest.size(); }

private:
    std::span<const std::byte> m_rest;
    std::string_view m_name;
};

} // namespace

Llama2cFile parseLlama2c(std::span<const std::byte> file, std::string_view name)
{
    std::array<std::int32_t, 7> header = {};
    if (file.size() < sizeof header)
        fail(ErrorKind::Corrupt, "{} is only {} bytes long and no llama2.c model; download it again.", name, file.size());
    std::memcpy(header.data(), file.data(), sizeof header);
    Llama2cFile result{parseHeader(header, name), {}};

    const ModelConfig &config = result.config;
    const std::int64_t hidden = config.hiddenSize, feedForward = config.feedForwardSize;
    const std::int64_t keyValue = std::int64_t(config.keyValueHeads) * config.headSize;
    Cursor cursor(file.subspan(sizeof header), name);
    const auto perLayer = [&](const char *weight, const std::vector<std::int64_t> &shape) {
        for (std::int32_t layer = 0; layer < config.layers; ++layer)
            result.tensors[fmt::format("model.layers.{}.{}.weight", layer, weight)] = cursor.take(shape);
    };
    result.tensors["model.embed_tokens.weight"] = cursor.take({config.vocabularySize, hidden});
    perLayer("input_layernorm", {hidden});
    perLayer("self_attn.q_proj", {hidden, hidden});
    perLayer("self_attn.k_proj", {keyValue, hidden});
    perLayer("self_attn.v_proj", {keyValue, hidden});
    perLayer("self_attn.o_proj", {hidden, hidden});
    perLayer("post_attention_layernorm", {hidden});
    perLayer("mlp.gate_proj", {feedForward, hidden});
    perLayer("mlp.down_proj", {hidden, feedForward});
    perLayer("mlp.up_proj", {feedForward, hidden});
    result.tensors["model.norm.weight"] = cursor.take({hidden});
    cursor.take({2, config.contextLength, config.headSize / 2}); // tables of cosines and sines, computed here instead
    if (!config.tiedHead)
        result.tensors["lm_head.weight"] = cursor.take({config.vocabularySize, hidden});
    if (cursor.left() != 0)
        fail(ErrorKind::Corrupt, "{}: {} bytes follow the last weight, so it is no llama2.c model of version 0; name another file.",
             name, cursor.left());
    return result;
}

} // namespace retoscope
