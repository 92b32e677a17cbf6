// SPDX-License-Identifier: GPL-3.0-or-later
// The decoder itself, as LibTorch tensors. Internal to this room: only its .cpp files include this header, everyone else
// sees language_model.h and trainer.h. Inference and training run the same code, so that they cannot disagree.
#pragma once

#include "model/hf_config.h"
#include "model/language_model.h"
#include "model/rotary.h"

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

/// Weights under the names that Hugging Face's …ForCausalLM classes give them, e.g. "transformer.h.0.attn.c_attn.weight",
/// "model.layers.0.self_attn.q_proj.weight". GPT-2's Conv1D weights are [in, out], all others [out, in]. The head of a
/// tied model has no entry.
using WeightMap = std::map<std::string, at::Tensor>;
using WeightShapes = std::map<std::string, std::vector<std::int64_t>>;

/// Every weight that a model of this configuration has, with its shape.
WeightShapes requiredWeights(const ModelConfig &config);

/// Throws one BadInput that lists every missing and every misshapen weight; `name` is the checkpoint's.
void checkWeights(const ModelConfig &config, const WeightMap &weights, std::string_view name);

/// A checkpoint as it lies on disk: weights on the CPU, in the stored type, under the names of WeightMap.
struct Checkpoint
{
    ModelConfig config;
    WeightMap weights;
};

/// A Hugging Face folder or a llama2.c file, checked as LanguageModel::load() promises.
Checkpoint readCheckpoint(const std::filesystem::path &path);
/// SHA-256 over architecture, configuration and weights as stored.
std::string fingerprintOf(const Checkpoint &checkpoint);

/// Tells LibTorch and BLAS to use threadCount() threads; OpenMP's number is per thread, so every entry point calls this.
void useThreads();
/// Lets the allocator reuse what operations free instead of giving it back to the system each time; once per process.
void keepFreedMemory();
/// One thread for LibTorch in the calling thread, while several of them compute side by side.
class SingleThreadScope
{
public:
    SingleThreadScope();
    ~SingleThreadScope();
    SingleThreadScope(const SingleThreadScope &) = delete;
    SingleThreadScope &operator=(const SingleThreadScope &) = delete;

private:
    int m_before;
};

struct TransformerOptions
{
    double dropout = 0;    ///< of embeddings, attention probabilities and residual branches
    bool training = false; ///< apply dropout
};

/// Keys and values of the tokens so far, one growing buffer [B, keyValueHeads, capacity ≥ length, headSize] for each layer.
struct KeyValueCache
{
    std::vector<at::Tensor> keys;
    std::vector<at::Tensor> values;
    std::int64_t length = 0;

    /// A copy that shares nothing with this one.
    [[nodiscard]] KeyValueCache clone() const;
};

/// A pre-norm decoder; one subclass per family. The constructor takes weights that need no gradient into the compute type
/// once; weights that do are read afresh by every call, so an optimiser may change them in place. The residual stream is
/// always fp32, matrix products run in the compute type. Thread-safe for reading.
class Transformer
{
public:
    static std::unique_ptr<Transformer> create(ModelConfig config, WeightMap weights,
                                               at::ScalarType compute = at::kFloat);
    virtual ~Transformer() = default;

    [[nodiscard]] const ModelConfig &config() const { return m_config; }
    /// Those that need a gradient; the others are kept in the shape in which the products want them.
    [[nodiscard]] const WeightMap &weights() const { return m_weights; }

    /// tokens: int64 [B, L], L ≤ contextLength. The hidden state after the final norm, [B, L, D], compute type.
    [[nodiscard]] at::Tensor hidden(const at::Tensor &tokens, const TransformerOptions &options = {}) const;

    /// hidden [..., D] → logits [..., V], in the compute type of the head (convert to fp32 before a softmax).
    [[nodiscard]] at::Tensor logits(const at::Tensor &hidden) const;

    /// The tap at every position, [B, L, D]; nothing behind it is computed.
    [[nodiscard]] at::Tensor tap(const at::Tensor &tokens, KeyTap tap) const;

    /// What one pass can give. With a cache the tokens continue the sequence in it (and are appended to it); a pass that
    /// stops at a tap leaves the cache incomplete, so a cache needs `hidden`.
    struct Wish
    {
        std::optional<KeyTap> tap;
        bool hidden = true;
        KeyValueCache *cache = nullptr;
        TransformerOptions options;
    };
    struct Activations
    {
        at::Tensor tap;
        at::Tensor hidden;
    };
    [[nodiscard]] Activations run(const at::Tensor &tokens, const Wish &wish) const;

    /// False when a sequence that grew to this length must be run afresh: dynamic scaling then turns all its tokens anew.
    [[nodiscard]] bool cacheHoldsUntil(std::int64_t length) const
    {
        return !m_rotary || m_rotary->variesBeyond() == 0 || length <= m_rotary->variesBeyond();
    }

protected:
    Transformer(ModelConfig config, WeightMap weights, at::ScalarType compute);

    /// y = x Wᵀ + b in the compute type.
    struct Linear
    {
        at::Tensor weight; ///< [out, in]; [in, out] when `transposed`
        at::Tensor bias;   ///< undefined: none
        at::ScalarType compute = at::kFloat;
        bool transposed = false;
        [[nodiscard]] at::Tensor operator()(const at::Tensor &x) const;
    };
    /// Projections of the same input, their outputs side by side; one product when nothing is trained.
    struct Projections
    {
        std::vector<Linear> parts;
        [[nodiscard]] at::Tensor operator()(const at::Tensor &x) const;
    };
    struct QueryKeyValue
    {
        at::Tensor query; ///< [B, L, heads · headSize]
        at::Tensor key;   ///< [B, L, keyValueHeads · headSize]
        at::Tensor value; ///< as key
    };

    [[nodiscard]] const at::Tensor &weight(const std::string &name) const { return m_weights.at(name); }
    [[nodiscard]] Linear linear(const std::string &scope, bool transposed = false) const;
    [[nodiscard]] Projections projections(const std::vector<std::string> &scopes) const;
    [[nodiscard]] at::Tensor toCompute(const at::Tensor &x) const { return x.to(m_compute); }
    [[nodiscard]] at::Tensor activate(const at::Tensor &x) const;
    /// activation(gate) · up for [..., gate and up side by side].
    [[nodiscard]] at::Tensor gated(const at::Tensor &gateUp) const;

    // What the families do differently. x is the fp32 residual stream; normed input is in the compute type.
    [[nodiscard]] virtual at::Tensor embed(const at::Tensor &tokens, std::int64_t firstPosition) const = 0;
    [[nodiscard]] virtual at::Tensor attentionNorm(std::size_t layer, const at::Tensor &x) const = 0;
    [[nodiscard]] virtual QueryKeyValue project(std::size_t layer, const at::Tensor &normed) const = 0;
    [[nodiscard]] virtual at::Tensor attentionOutput(std::size_t layer, const at::Tensor &mixed) const = 0;
    [[nodiscard]] virtual at::Tensor feedForwardNorm(std::size_t layer, const at::Tensor &x) const = 0;
    [[nodiscard]] virtual at::Tensor feedForward(std::size_t layer, const at::Tensor &normed) const = 0;
    [[nodiscard]] virtual at::Tensor finalNorm(const at::Tensor &x) const = 0;

    ModelConfig m_config;
    WeightMap m_weights;
    at::ScalarType m_compute;
    Linear m_head;
    std::optional<RotaryFrequencies> m_rotary; ///< none: the embedding knows the positions

private:
    struct Rotation;
    struct Pass;
    [[nodiscard]] Rotation rotation(std::int64_t begin, std::int64_t end, const at::Device &device) const;
    [[nodiscard]] at::Tensor attention(std::size_t layer, const at::Tensor &normed, const Pass &pass) const;
    [[nodiscard]] at::Tensor mixValues(std::size_t layer, const at::Tensor &query, const at::Tensor &key,
                                       const at::Tensor &value, const Pass &pass) const;
};

} // namespace retoscope
