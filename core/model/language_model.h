// SPDX-License-Identifier: GPL-3.0-or-later
// Decoder-only language models (GPT-2 and Llama families), their key taps and their log-probabilities. No LibTorch type
// appears here.
#pragma once

#include "base/ids.h"
#include "base/manifest.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

/// Which activation is the key (Khandelwal et al. 2020, table 5; retrieval.md section 2).
enum class TapPlace
{
    FfnInput,             ///< input of the feed-forward, after its layer norm in a pre-norm model (default)
    FfnInputPreNorm,
    AttentionInput,
    AttentionInputPreNorm,
    BlockOutput,
    HeadInput,            ///< after the final norm; the layer is ignored
};

struct KeyTap
{
    TapPlace place = TapPlace::FfnInput;
    std::int32_t layer = -1; ///< 0-based; negative counts from the last block (−1 = last)
    friend bool operator==(const KeyTap &, const KeyTap &) = default;
};

std::string_view toString(TapPlace place); ///< "ffn_input", "ffn_input_pre_norm", …
TapPlace tapPlaceFromString(std::string_view text);
void to_json(Json &json, const KeyTap &tap);
void from_json(const Json &json, KeyTap &tap);

enum class ComputeType { Float32, BFloat16 };
std::string_view toString(ComputeType type); ///< "fp32", "bf16"
ComputeType computeTypeFromString(std::string_view text);

/// What the checkpoint says about itself, in one vocabulary for both families.
struct ModelConfig
{
    std::string architecture;        ///< "gpt2", "llama", "mistral", "qwen2"
    std::int32_t vocabularySize = 0;
    std::int32_t hiddenSize = 0;     ///< D of every tap
    std::int32_t layers = 0;
    std::int32_t heads = 0;
    std::int32_t keyValueHeads = 0;
    std::int32_t headSize = 0;
    std::int32_t feedForwardSize = 0;
    std::int32_t contextLength = 0;  ///< longest sequence, tokens
    std::int32_t slidingWindow = 0;  ///< tokens that a position attends to, itself included; 0: all
    std::int32_t firstSlidingLayer = 0; ///< layers before this one attend to everything (Qwen2's max_window_layers)
    float normEpsilon = 1e-5f;
    std::string activation = "silu"; ///< "silu", "gelu", "gelu_new" …
    bool tiedHead = false;
    bool attentionBias = false;      ///< q, k, v biases (Qwen2, or attention_bias)
    bool attentionOutputBias = false;
    bool feedForwardBias = false;
    bool attentionScaledByLayer = false; ///< GPT-2's scale_attn_by_inverse_layer_idx
    double ropeTheta = 10000;
    Json ropeScaling;                ///< null, or Hugging Face's rope_scaling (linear, dynamic, yarn, llama3)
    std::int32_t bosToken = -1;
    std::int32_t eosToken = -1;
};

/// One window: the tokens go in; the targets are tokens[firstTarget…], each scored from the hidden state before it.
struct WindowInput
{
    std::span<const std::int32_t> tokens;
    std::int32_t firstTarget = 1; ///< ≥ 1
};

struct ForwardRequest
{
    KeyTap tap;
    bool keys = true;                ///< fill ForwardOutput::keys
    bool scores = false;             ///< fill targetLogProbs and entropies (runs the rest of the model and the head)
    std::int32_t topCandidates = 0;  ///< with scores: the most probable tokens kept per position
};

/// Rows in the order of the windows and of the targets in each; n = total number of targets.
struct ForwardOutput
{
    std::int64_t positions = 0;
    std::vector<float> keys;            ///< [n × hiddenSize]
    std::vector<float> targetLogProbs;  ///< [n], natural logarithm
    std::vector<float> entropies;       ///< [n], nats
    std::vector<std::int32_t> topIds;   ///< [n × topCandidates], most probable first
    std::vector<float> topLogProbs;     ///< [n × topCandidates]
};

/// One sequence with its key-value cache, for generation. Not thread-safe; independent sessions are.
class GenerationSession
{
public:
    virtual ~GenerationSession() = default;
    /// Appends the tokens. Throws BadInput past the context length.
    virtual void feed(std::span<const std::int32_t> tokens) = 0;
    /// log p(next token), [vocabularySize], after the last token fed; valid until the next feed().
    [[nodiscard]] virtual std::span<const float> logProbs() const = 0;
    /// The tap at the last token fed, [hiddenSize]: the query for the next token.
    [[nodiscard]] virtual std::span<const float> query() const = 0;
    [[nodiscard]] virtual std::int32_t length() const = 0;
    /// An independent copy, for beams.
    [[nodiscard]] virtual std::unique_ptr<GenerationSession> fork() const = 0;
};

struct LoadOptions
{
    ComputeType compute = ComputeType::Float32;
    std::string device = "cpu"; ///< "cpu", "cuda", "cuda:1"; refused with a sentence when LibTorch has none
};

/// Immutable and thread-safe after load; forward passes use threadCount() threads.
class LanguageModel
{
public:
    virtual ~LanguageModel() = default;

    /// A Hugging Face folder (config.json with model.safetensors or model.safetensors.index.json) or a llama2.c .bin file.
    /// All missing and misshapen weights are listed in one error.
    static std::shared_ptr<const LanguageModel> load(const std::filesystem::path &path, const LoadOptions &options = {});

    [[nodiscard]] virtual const ModelConfig &config() const = 0;
    /// SHA-256 over architecture, configuration and all weights as stored (not over compute type or device).
    [[nodiscard]] virtual std::string fingerprint() const = 0;
    [[nodiscard]] virtual std::int64_t parameterCount() const = 0;
    [[nodiscard]] virtual const LoadOptions &options() const = 0;

    /// Runs the windows as one batch (padded to the longest; padding changes nothing). Stops at the tap when only keys are
    /// asked for. Throws BadInput for a token outside the vocabulary or a window beyond the context length.
    virtual void forward(std::span<const WindowInput> windows, const ForwardRequest &request, ForwardOutput &output) const = 0;

    /// Logits of every position of one sequence, [tokens × vocabularySize]; and one tap of every position,
    /// [tokens × hiddenSize]. For tests and analyses.
    [[nodiscard]] virtual std::vector<float> logits(std::span<const std::int32_t> tokens) const = 0;
    [[nodiscard]] virtual std::vector<float> taps(std::span<const std::int32_t> tokens, KeyTap tap) const = 0;

    [[nodiscard]] virtual std::unique_ptr<GenerationSession> startSession(KeyTap tap) const = 0;
};

} // namespace retoscope
