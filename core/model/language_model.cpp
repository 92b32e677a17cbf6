// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/language_model.h"

#include "base/error.h"
#include "base/json_fields.h"
#include "base/threads.h"
#include "model/transformer.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <mutex>

namespace retoscope {

namespace {

constexpr EnumNames<TapPlace, 6> placeNames = {{
    {TapPlace::FfnInput, "ffn_input"},
    {TapPlace::FfnInputPreNorm, "ffn_input_pre_norm"},
    {TapPlace::AttentionInput, "attention_input"},
    {TapPlace::AttentionInputPreNorm, "attention_input_pre_norm"},
    {TapPlace::BlockOutput, "block_output"},
    {TapPlace::HeadInput, "head_input"},
}};

constexpr EnumNames<ComputeType, 2> computeNames = {{{ComputeType::Float32, "fp32"}, {ComputeType::BFloat16, "bf16"}}};

constexpr std::int64_t scoreBytes = 4 << 20; // logits kept at once, so that they stay in the cache
constexpr std::int64_t batchTokens = 1024;   // run at once by one thread: more would leave its cache

/// fp32 on the CPU, C order.
at::Tensor toHost(const at::Tensor &values)
{
    return values.to(at::kCPU, at::kFloat).contiguous();
}

std::vector<float> toVector(const at::Tensor &values)
{
    const auto host = toHost(values);
    return {host.data_ptr<float>(), host.data_ptr<float>() + host.numel()};
}

at::Device parseDevice(const std::string &text)
{
    if (text == "cpu")
        return at::kCPU;
    std::int32_t index = 0;
    const bool named = text.starts_with("cuda:");
    const auto [end, error] = std::from_chars(text.data() + (named ? 5 : 0), text.data() + text.size(), index);
    if (text != "cuda" && !(named && error == std::errc() && end == text.data() + text.size() && index >= 0))
        fail(ErrorKind::BadInput, "The device '{}' is not known; use cpu, cuda or cuda:N.", text);
    if (!torch::cuda::is_available())
        fail(ErrorKind::BadInput, "The device '{}' was asked for, but this LibTorch finds no CUDA; use cpu.", text);
    if (static_cast<std::size_t>(index) >= torch::cuda::device_count())
        fail(ErrorKind::BadInput, "The device '{}' was asked for, but there are only {}; use a smaller number.", text,
             torch::cuda::device_count());
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

std::int64_t targetCount(const WindowInput &window)
{
    return std::max<std::int64_t>(static_cast<std::int64_t>(window.tokens.size()) - window.firstTarget, 0);
}

/// What every entry point needs around its tensors: threads, and no gradients (both are per thread).
struct InferenceScope
{
    InferenceScope() { useThreads(); }
    c10::InferenceMode mode;
};

class TorchLanguageModel final : public LanguageModel, public std::enable_shared_from_this<TorchLanguageModel>
{
public:
    TorchLanguageModel(Checkpoint checkpoint, const LoadOptions &options)
        : m_config(checkpoint.config), m_options(options), m_device(parseDevice(options.device)),
          m_fingerprint(fingerprintOf(checkpoint))
    {
        for (auto &[name, weight] : checkpoint.weights) {
            m_parameters += weight.numel();
            weight = weight.to(m_device);
        }
        m_transformer = Transformer::create(m_config, std::move(checkpoint.weights),
                                            options.compute == ComputeType::BFloat16 ? at::kBFloat16 : at::kFloat);
    }

    const ModelConfig &config() const override { return m_config; }
    std::string fingerprint() const override { return m_fingerprint; }
    std::int64_t parameterCount() const override { return m_parameters; }
    const LoadOptions &options() const override { return m_options; }

    void forward(std::span<const WindowInput> windows, const ForwardRequest &request, ForwardOutput &output) const override;
    std::vector<float> logits(std::span<const std::int32_t> tokens) const override;
    std::vector<float> taps(std::span<const std::int32_t> tokens, KeyTap tap) const override;
    std::unique_ptr<GenerationSession> startSession(KeyTap tap) const override;

    [[nodiscard]] const Transformer &transformer() const { return *m_transformer; }
    [[nodiscard]] const at::Device &device() const { return m_device; }
    void checkTokens(std::span<const std::int32_t> tokens, std::int64_t before = 0) const;
    void checkTap(KeyTap tap) const;
    [[nodiscard]] at::Tensor toRow(std::span<const std::int32_t> tokens) const;

private:
    /// Consecutive windows that run as one batch, and where their rows begin in the output.
    struct Batch
    {
        std::span<const WindowInput> windows;
        std::int64_t firstRow = 0;
    };
    [[nodiscard]] std::vector<Batch> batches(std::span<const WindowInput> windows) const;
    void forwardBatch(const Batch &batch, const ForwardRequest &request, ForwardOutput &output) const;
    void score(const at::Tensor &hidden, const at::Tensor &targets, const ForwardRequest &request, ForwardOutput &output,
               std::int64_t firstRow) const;

    ModelConfig m_config;
    LoadOptions m_options;
    at::Device m_device;
    std::string m_fingerprint;
    std::int64_t m_parameters = 0;
    std::unique_ptr<const Transformer> m_transformer;
};

class TorchSession final : public GenerationSession
{
public:
    TorchSession(std::shared_ptr<const TorchLanguageModel> model, KeyTap tap) : m_model(std::move(model)), m_tap(tap) {}

    void feed(std::span<const std::int32_t> tokens) override
    {
        if (tokens.empty())
            return;
        m_model->checkTokens(tokens, length());
        const InferenceScope scope;
        m_tokens.insert(m_tokens.end(), tokens.begin(), tokens.end());
        if (!m_model->transformer().cacheHoldsUntil(length())) {
            m_cache = {};
            tokens = m_tokens;
        }
        Transformer::Wish wish;
        wish.tap = m_tap;
        wish.cache = &m_cache;
        const auto result = m_model->transformer().run(m_model->toRow(tokens), wish);
        m_query = toVector(result.tap.select(1, -1));
        m_logProbs = toVector(at::log_softmax(m_model->transformer().logits(result.hidden.select(1, -1)).to(at::kFloat), -1));
    }
    std::span<const float> logProbs() const override { return m_logProbs; }
    std::span<const float> query() const override { return m_query; }
    std::int32_t length() const override { return static_cast<std::int32_t>(m_tokens.size()); }
    std::unique_ptr<GenerationSession> fork() const override
    {
        const InferenceScope scope;
        auto copy = std::make_unique<TorchSession>(m_model, m_tap);
        copy->m_tokens = m_tokens;
        copy->m_cache = m_cache.clone();
        copy->m_logProbs = m_logProbs;
        copy->m_query = m_query;
        return copy;
    }

private:
    std::shared_ptr<const TorchLanguageModel> m_model;
    KeyTap m_tap;
    std::vector<std::int32_t> m_tokens;
    KeyValueCache m_cache;
    std::vector<float> m_logProbs;
    std::vector<float> m_query;
};

void TorchLanguageModel::checkTokens(std::span<const std::int32_t> tokens, std::int64_t before) const
{
    const auto total = before + static_cast<std::int64_t>(tokens.size());
    if (total > m_config.contextLength)
        fail(ErrorKind::BadInput, "A sequence of {} tokens is longer than the model's context of {}; choose shorter windows.",
             total, m_config.contextLength);
    const auto bad = std::find_if(tokens.begin(), tokens.end(),
                                  [&](std::int32_t token) { return token < 0 || token >= m_config.vocabularySize; });
    if (bad != tokens.end())
        fail(ErrorKind::BadInput, "Token {} is outside the model's vocabulary of {}; use the model's own tokenizer.", *bad,
             m_config.vocabularySize);
}

void TorchLanguageModel::checkTap(KeyTap tap) const
{
    if (tap.place != TapPlace::HeadInput && (tap.layer < -m_config.layers || tap.layer >= m_config.layers))
        fail(ErrorKind::BadInput, "The tap names layer {}, but the model has {} layers; choose one from {} to {}.", tap.layer,
             m_config.layers, -m_config.layers, m_config.layers - 1);
}

at::Tensor TorchLanguageModel::toRow(std::span<const std::int32_t> tokens) const
{
    auto row = at::empty({1, static_cast<std::int64_t>(tokens.size())}, at::kLong);
    std::copy(tokens.begin(), tokens.end(), row.data_ptr<std::int64_t>());
    return row.to(m_device);
}

/// Padding on the right changes nothing behind a causal mask, except the angles of dynamic scaling.
std::vector<TorchLanguageModel::Batch> TorchLanguageModel::batches(std::span<const WindowInput> windows) const
{
    const bool lengthMatters = !m_config.ropeScaling.is_null() && m_config.ropeScaling["rope_type"] == "dynamic";
    // A GPU wants everything at once.
    const auto limit = static_cast<std::size_t>(m_device.is_cpu() ? batchTokens : std::numeric_limits<std::int64_t>::max());
    std::vector<Batch> result;
    std::int64_t row = 0;
    for (std::size_t begin = 0, end = 0; begin < windows.size(); begin = end) {
        const std::int64_t firstRow = row;
        std::size_t longest = 0;
        for (end = begin; end < windows.size(); ++end) {
            const std::size_t length = windows[end].tokens.size();
            if (end > begin && ((lengthMatters && length != longest) || std::max(length, longest) * (end - begin + 1) > limit))
                break;
            longest = std::max(longest, length);
            row += targetCount(windows[end]);
        }
        if (row > firstRow)
            result.push_back({windows.subspan(begin, end - begin), firstRow});
    }
    return result;
}

void TorchLanguageModel::forward(std::span<const WindowInput> windows, const ForwardRequest &request,
                                 ForwardOutput &output) const
{
    checkTap(request.tap);
    if (request.topCandidates < 0 || request.topCandidates > m_config.vocabularySize)
        fail(ErrorKind::BadInput, "{} candidates were asked for, but the vocabulary has {} tokens.", request.topCandidates,
             m_config.vocabularySize);
    std::int64_t positions = 0;
    for (const WindowInput &window : windows) {
        checkTokens(window.tokens);
        if (window.firstTarget < 1)
            fail(ErrorKind::BadInput, "The first target of a window is {}, but nothing precedes it; it must be at least 1.",
                 window.firstTarget);
        positions += targetCount(window);
    }
    const auto rows = static_cast<std::size_t>(positions);
    const auto candidates = request.scores ? static_cast<std::size_t>(request.topCandidates) : 0;
    output.positions = positions;
    output.keys.resize(request.keys ? rows * static_cast<std::size_t>(m_config.hiddenSize) : 0);
    output.targetLogProbs.resize(request.scores ? rows : 0);
    output.entropies.resize(request.scores ? rows : 0);
    output.topIds.resize(rows * candidates);
    output.topLogProbs.resize(rows * candidates);

    if (!request.keys && !request.scores)
        return;
    const auto work = batches(windows);
    if (!m_device.is_cpu() || work.size() < 2 || threadCount() == 1) {
        const InferenceScope scope;
        for (const Batch &batch : work)
            forwardBatch(batch, request, output);
        return;
    }
    // A batch on each core: nothing waits for anything, as the threads of one operation would for the slowest.
    parallelFor(static_cast<std::int64_t>(work.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        const SingleThreadScope single;
        const c10::InferenceMode mode;
        for (std::int64_t i = begin; i < end; ++i)
            forwardBatch(work[static_cast<std::size_t>(i)], request, output);
    });
    useThreads(); // for whoever computes next
}

void TorchLanguageModel::forwardBatch(const Batch &batch, const ForwardRequest &request, ForwardOutput &output) const
{
    const auto &[windows, firstRow] = batch;
    const auto longest = static_cast<std::int64_t>(
        std::max_element(windows.begin(), windows.end(), [](const auto &a, const auto &b) {
            return a.tokens.size() < b.tokens.size();
        })->tokens.size());
    auto tokens = at::zeros({static_cast<std::int64_t>(windows.size()), longest}, at::kLong);
    std::vector<std::int64_t> rows, targets; // flat index of the state before each target, and the target
    for (std::size_t w = 0; w < windows.size(); ++w) {
        const auto &window = windows[w];
        const std::int64_t base = static_cast<std::int64_t>(w) * longest;
        std::copy(window.tokens.begin(), window.tokens.end(), tokens.data_ptr<std::int64_t>() + base);
        for (auto t = static_cast<std::size_t>(window.firstTarget); t < window.tokens.size(); ++t) {
            rows.push_back(base + static_cast<std::int64_t>(t) - 1);
            targets.push_back(window.tokens[t]);
        }
    }
    Transformer::Wish wish;
    if (request.keys)
        wish.tap = request.tap;
    wish.hidden = request.scores;
    const auto result = m_transformer->run(tokens.to(m_device), wish);

    const auto index = at::tensor(rows, at::kLong).to(m_device);
    const auto pick = [&](const at::Tensor &values) { return values.reshape({-1, values.size(-1)}).index_select(0, index); };
    if (request.keys) {
        const auto keys = toHost(pick(result.tap));
        std::memcpy(output.keys.data() + firstRow * m_config.hiddenSize, keys.data_ptr<float>(), keys.nbytes());
    }
    if (request.scores)
        score(pick(result.hidden), at::tensor(targets, at::kLong).to(m_device), request, output, firstRow);
}

/// The head and its softmax in chunks of rows: [positions × V] never exists as a whole.
void TorchLanguageModel::score(const at::Tensor &hidden, const at::Tensor &targets, const ForwardRequest &request,
                               ForwardOutput &output, std::int64_t firstRow) const
{
    const std::int64_t chunk = std::max<std::int64_t>(
        scoreBytes / (std::int64_t(m_config.vocabularySize) * std::int64_t(sizeof(float))), 16);
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
        const std::int64_t rows = std::min(chunk, hidden.size(0) - begin);
        const auto logProbs = at::log_softmax(m_transformer->logits(hidden.narrow(0, begin, rows)).to(at::kFloat), -1);
        const auto copyOut = [&](const at::Tensor &values, float *to, std::int64_t width) {
            const auto host = toHost(values);
            std::memcpy(to + (firstRow + begin) * width, host.data_ptr<float>(), host.nbytes());
        };
        copyOut(logProbs.gather(1, targets.narrow(0, begin, rows).unsqueeze(1)), output.targetLogProbs.data(), 1);
        if (request.topCandidates > 0) {
            const auto [values, ids] = at::topk(logProbs, request.topCandidates, -1);
            copyOut(values, output.topLogProbs.data(), request.topCandidates);
            const auto host = ids.to(at::kCPU, at::kInt).contiguous();
            std::memcpy(output.topIds.data() + (firstRow + begin) * request.topCandidates, host.data_ptr<std::int32_t>(),
                        host.nbytes());
        }
        copyOut((at::exp(logProbs) * logProbs).sum(-1).neg(), output.entropies.data(), 1);
    }
}

std::vector<float> TorchLanguageModel::logits(std::span<const std::int32_t> tokens) const
{
    checkTokens(tokens);
    if (tokens.empty())
        return {};
    const InferenceScope scope;
    return toVector(m_transformer->logits(m_transformer->hidden(toRow(tokens))));
}

std::vector<float> TorchLanguageModel::taps(std::span<const std::int32_t> tokens, KeyTap tap) const
{
    checkTokens(tokens);
    checkTap(tap);
    if (tokens.empty())
        return {};
    const InferenceScope scope;
    return toVector(m_transformer->tap(toRow(tokens), tap));
}

std::unique_ptr<GenerationSession> TorchLanguageModel::startSession(KeyTap tap) const
{
    checkTap(tap);
    return std::make_unique<TorchSession>(shared_from_this(), tap);
}

} // namespace

std::string_view toString(TapPlace place)
{
    return nameOf(placeNames, place);
}

TapPlace tapPlaceFromString(std::string_view text)
{
    return enumFromName(placeNames, "tap", text);
}

void to_json(Json &json, const KeyTap &tap)
{
    json = {{"place", toString(tap.place)}, {"layer", tap.layer}};
}

void from_json(const Json &json, KeyTap &tap)
{
    tap = {};
    JsonFields fields(json, "tap");
    fields.readEnum("place", placeNames, tap.place);
    fields.read("layer", tap.layer);
    fields.refuseOthers();
}

std::string_view toString(ComputeType type)
{
    return nameOf(computeNames, type);
}

ComputeType computeTypeFromString(std::string_view text)
{
    return enumFromName(computeNames, "compute type", text);
}

std::shared_ptr<const LanguageModel> LanguageModel::load(const std::filesystem::path &path, const LoadOptions &options)
{
    static std::once_flag once;
    std::call_once(once, keepFreedMemory);
    const InferenceScope scope;
    return std::make_shared<TorchLanguageModel>(readCheckpoint(path), options);
}

} // namespace retoscope
