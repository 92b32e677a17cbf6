// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/transformer.h"

#include "base/error.h"
#include "base/threads.h"
#include "model/families.h"
#include "model/training_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#ifdef __GLIBC__
#include <malloc.h>
#endif

extern "C" void openblas_set_num_threads(int count) __attribute__((weak)); // absent when LibTorch brings another BLAS

namespace retoscope {

namespace {

// Queries are taken in blocks of this many positions, so that a block never meets the keys behind it (half of all
// products) and its scores stay in the cache.
constexpr std::int64_t queryBlock = 128;

// Below this many rows oneDNN's own layouts cost more than its faster product gains (fp32).
constexpr std::int64_t fewestRowsForOneDnn = 64;

std::string describe(at::IntArrayRef shape)
{
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// 0 where query `firstQuery + row` may look at key `firstKey + column`, −∞ elsewhere.
at::Tensor causalMask(std::int64_t firstQuery, std::int64_t queries, std::int64_t firstKey, std::int64_t keys,
                      std::int64_t window, const at::TensorOptions &options)
{
    const auto forbidden = at::full({queries, keys}, -std::numeric_limits<double>::infinity(), options);
    const std::int64_t offset = firstQuery - firstKey;
    const auto future = forbidden.triu(offset + 1);
    return window > 0 ? future + forbidden.tril(offset - window) : future;
}

/// Writes the new tokens' rows behind the old ones, doubling the buffer when it is full; returns all rows so far.
at::Tensor append(at::Tensor &buffer, const at::Tensor &rows, std::int64_t length)
{
    const std::int64_t total = length + rows.size(2);
    if (!buffer.defined() || buffer.size(2) < total) {
        auto larger = at::empty({rows.size(0), rows.size(1), std::max(total, 2 * length), rows.size(3)}, rows.options());
        if (length > 0)
            larger.narrow(2, 0, length).copy_(buffer.narrow(2, 0, length));
        buffer = larger;
    }
    buffer.narrow(2, length, rows.size(2)).copy_(rows);
    return buffer.narrow(2, 0, total);
}

/// True when a hand-written kernel may stand in for LibTorch's operations.
bool isPlainInference(const at::Tensor &x)
{
    return x.is_cpu() && !at::GradMode::is_enabled() &&
           (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

/// Calls body with the values as the kernels see them.
template<typename Body>
void withValues(const at::Tensor &x, const Body &body)
{
    if (x.scalar_type() == at::kFloat)
        body(x.data_ptr<float>());
    else
        body(reinterpret_cast<kernels::BFloat16 *>(x.data_ptr<at::BFloat16>()));
}

/// In place for scores [blocks, rows of each head of the group, keys]: 60 % less time than adding a mask and at::softmax.
void softmaxInPlace(const at::Tensor &scores, const kernels::VisibleKeys &keys)
{
    withValues(scores, [&](auto *values) { kernels::visibleSoftmax(keys, scores.numel() / (keys.rows * keys.columns), values); });
}

at::Tensor dropout(const at::Tensor &x, const TransformerOptions &options)
{
    return options.training && options.dropout > 0 ? at::dropout(x, options.dropout, true) : x;
}

} // namespace

void checkWeights(const ModelConfig &config, const WeightMap &weights, std::string_view name)
{
    std::vector<std::string> complaints;
    for (const auto &[weight, shape] : requiredWeights(config)) {
        const auto it = weights.find(weight);
        if (it == weights.end())
            complaints.push_back(fmt::format("{} is missing", weight));
        else if (it->second.sizes() != at::IntArrayRef(shape))
            complaints.push_back(fmt::format("{} is {} instead of {}", weight, describe(it->second.sizes()), describe(shape)));
    }
    if (!complaints.empty())
        fail(ErrorKind::BadInput, "{}: {} weights do not fit the configuration ({}); save the model again.", name,
             complaints.size(), fmt::join(complaints, "; "));
}

WeightShapes requiredWeights(const ModelConfig &config)
{
    return config.architecture == "gpt2" ? gpt2Weights(config) : llamaWeights(config);
}

void useThreads()
{
    const int count = threadCount();
    if (at::get_num_threads() != count)
        at::set_num_threads(count);
    if (openblas_set_num_threads)
        openblas_set_num_threads(count);
}

SingleThreadScope::SingleThreadScope() : m_before(at::get_num_threads())
{
    at::set_num_threads(1);
    if (openblas_set_num_threads)
        openblas_set_num_threads(1);
}

SingleThreadScope::~SingleThreadScope()
{
    at::set_num_threads(m_before);
}

void keepFreedMemory()
{
#ifdef __GLIBC__
    // Every operation's result is a few MB that is freed soon after; by default each would be mapped, zeroed page by page
    // and unmapped again, which costs as much as the products (fp32: 1.4 times the tokens a second without).
    ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
    ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

KeyValueCache KeyValueCache::clone() const
{
    KeyValueCache copy;
    copy.length = length;
    for (const auto &buffer : keys)
        copy.keys.push_back(buffer.narrow(2, 0, length).clone());
    for (const auto &buffer : values)
        copy.values.push_back(buffer.narrow(2, 0, length).clone());
    return copy;
}

/// Cosine and sine of a range of positions, [positions, 1, headSize]; the sine carries the sign of the half-rotation.
struct Transformer::Rotation
{
    at::Tensor cosine;
    at::Tensor sine;

    /// x: [B, positions, heads, headSize]
    [[nodiscard]] at::Tensor operator()(const at::Tensor &x) const
    {
        const auto halves = x.chunk(2, -1);
        return at::addcmul(x * cosine, at::cat({halves[1], halves[0]}, -1), sine);
    }
};

/// What all layers of one pass share.
struct Transformer::Pass
{
    const TransformerOptions &options;
    KeyValueCache *cache = nullptr;
    std::int64_t first = 0; ///< position of the first new token
    std::optional<Rotation> rotation;
};

at::Tensor Transformer::Linear::operator()(const at::Tensor &x) const
{
    const auto w = transposed ? weight.to(compute).t() : weight.to(compute);
    const auto b = bias.defined() ? bias.to(compute) : bias;
    const bool oneDnn = compute == at::kFloat && isPlainInference(x) && at::globalContext().hasMKLDNN() &&
                        x.numel() / x.size(-1) >= fewestRowsForOneDnn;
    if (oneDnn) // 1.6 times OpenBLAS, its conversions included; bf16 goes to oneDNN by itself
        return at::mkldnn_linear(x.to_mkldnn(), w, b).to_dense();
    return at::linear(x.to(compute), w, b);
}

at::Tensor Transformer::Projections::operator()(const at::Tensor &x) const
{
    if (parts.size() == 1)
        return parts.front()(x);
    std::vector<at::Tensor> outputs;
    for (const Linear &part : parts)
        outputs.push_back(part(x));
    return at::cat(outputs, -1);
}

Transformer::Transformer(ModelConfig config, WeightMap weights, at::ScalarType compute)
    : m_config(std::move(config)), m_weights(std::move(weights)), m_compute(compute)
{
    for (auto &[name, weight] : m_weights)
        if (!weight.requires_grad())
            weight = weight.to(weight.dim() == 2 ? compute : at::kFloat); // vectors: norms (fp32) and biases
}

std::unique_ptr<Transformer> Transformer::create(ModelConfig config, WeightMap weights, at::ScalarType compute)
{
    auto transformer = config.architecture == "gpt2" ? makeGpt2(std::move(config), std::move(weights), compute)
                                                     : makeLlama(std::move(config), std::move(weights), compute);
    std::erase_if(transformer->m_weights, [](const auto &entry) { return !entry.second.requires_grad(); });
    return transformer;
}

Transformer::Linear Transformer::linear(const std::string &scope, bool transposed) const
{
    Linear result{weight(scope + ".weight"), {}, m_compute, transposed};
    if (transposed && !result.weight.requires_grad()) {
        result.weight = result.weight.t().contiguous();
        result.transposed = false;
    }
    if (const auto bias = m_weights.find(scope + ".bias"); bias != m_weights.end())
        result.bias = bias->second.requires_grad() ? bias->second : bias->second.to(m_compute);
    return result;
}

Transformer::Projections Transformer::projections(const std::vector<std::string> &scopes) const
{
    Projections result;
    for (const std::string &scope : scopes)
        result.parts.push_back(linear(scope));
    const auto isTrained = [](const Linear &part) { return part.weight.requires_grad() || (part.bias.defined() && part.bias.requires_grad()); };
    if (std::any_of(result.parts.begin(), result.parts.end(), isTrained))
        return result;
    std::vector<at::Tensor> weights, biases;
    for (const Linear &part : result.parts) {
        weights.push_back(part.weight);
        if (part.bias.defined())
            biases.push_back(part.bias);
    }
    result.parts = {Linear{at::cat(weights), biases.empty() ? at::Tensor() : at::cat(biases), m_compute}};
    return result;
}

at::Tensor Transformer::activate(const at::Tensor &x) const
{
    if (m_config.activation == "silu")
        return at::silu(x);
    if (m_config.activation == "relu")
        return at::relu(x);
    return at::gelu(x, m_config.activation == "gelu_new" ? "tanh" : "none");
}

at::Tensor Transformer::gated(const at::Tensor &gateUp) const
{
    if (m_config.activation == "silu" && isPlainInference(gateUp)) {
        const std::int64_t width = gateUp.size(-1) / 2;
        const auto contiguous = gateUp.contiguous();
        auto shape = gateUp.sizes().vec();
        shape.back() = width;
        auto result = at::empty(shape, gateUp.options());
        withValues(contiguous, [&](auto *in) {
            kernels::swiGlu(in, reinterpret_cast<decltype(in)>(result.data_ptr()), gateUp.numel() / (2 * width), width);
        });
        return result;
    }
    const auto parts = gateUp.chunk(2, -1);
    return activate(parts[0]) * parts[1];
}

at::Tensor Transformer::hidden(const at::Tensor &tokens, const TransformerOptions &options) const
{
    Wish wish;
    wish.options = options;
    return run(tokens, wish).hidden;
}

at::Tensor Transformer::tap(const at::Tensor &tokens, KeyTap tap) const
{
    Wish wish;
    wish.tap = tap;
    wish.hidden = false;
    return run(tokens, wish).tap;
}

at::Tensor Transformer::logits(const at::Tensor &hidden) const
{
    return m_head(hidden);
}

Transformer::Activations Transformer::run(const at::Tensor &tokens, const Wish &wish) const
{
    Pass pass{wish.options, wish.cache, wish.cache ? wish.cache->length : 0, {}};
    const std::int64_t total = pass.first + tokens.size(1);
    if (m_rotary)
        pass.rotation = rotation(pass.first, total, tokens.device());
    if (pass.cache && pass.cache->keys.empty()) {
        pass.cache->keys.resize(static_cast<std::size_t>(m_config.layers));
        pass.cache->values.resize(static_cast<std::size_t>(m_config.layers));
    }

    Activations result;
    const std::int32_t tapLayer = wish.tap && wish.tap->layer < 0 ? wish.tap->layer + m_config.layers
                                                                  : wish.tap ? wish.tap->layer : -1;
    // True when nothing behind this place is wanted.
    const auto taken = [&](TapPlace place, std::int32_t layer, const at::Tensor &value) {
        if (!wish.tap || wish.tap->place != place || (place != TapPlace::HeadInput && layer != tapLayer))
            return false;
        result.tap = value;
        return !wish.hidden;
    };

    at::Tensor x = dropout(embed(tokens, pass.first), wish.options);
    for (std::int32_t i = 0; i < m_config.layers; ++i) {
        const auto layer = static_cast<std::size_t>(i);
        if (taken(TapPlace::AttentionInputPreNorm, i, x))
            return result;
        const auto attentionInput = attentionNorm(layer, x);
        if (taken(TapPlace::AttentionInput, i, attentionInput))
            return result;
        x = x + dropout(attentionOutput(layer, attention(layer, attentionInput, pass)), wish.options);
        if (taken(TapPlace::FfnInputPreNorm, i, x))
            return result;
        const auto feedForwardInput = feedForwardNorm(layer, x);
        if (taken(TapPlace::FfnInput, i, feedForwardInput))
            return result;
        x = x + dropout(feedForward(layer, feedForwardInput), wish.options);
        if (taken(TapPlace::BlockOutput, i, x))
            return result;
    }
    if (pass.cache)
        pass.cache->length = total;
    result.hidden = finalNorm(x);
    taken(TapPlace::HeadInput, 0, result.hidden);
    return result;
}

Transformer::Rotation Transformer::rotation(std::int64_t begin, std::int64_t end, const at::Device &device) const
{
    const auto options = at::TensorOptions().dtype(at::kFloat);
    const auto frequencies = at::tensor(m_rotary->inverse(end), options).to(device);
    const auto positions = at::arange(begin, end, options.device(device));
    const auto angles = at::outer(positions, frequencies).unsqueeze(1);
    const auto cosine = at::cos(angles) * m_rotary->magnitude();
    const auto sine = at::sin(angles) * m_rotary->magnitude();
    return {at::cat({cosine, cosine}, -1).to(m_compute), at::cat({-sine, sine}, -1).to(m_compute)};
}

at::Tensor Transformer::attention(std::size_t layer, const at::Tensor &normed, const Pass &pass) const
{
    const std::int64_t batch = normed.size(0), length = normed.size(1);
    const auto [projectedQuery, projectedKey, projectedValue] = project(layer, normed);
    auto query = projectedQuery.reshape({batch, length, m_config.heads, m_config.headSize});
    auto key = projectedKey.reshape({batch, length, m_config.keyValueHeads, m_config.headSize});
    auto value = projectedValue.reshape({batch, length, m_config.keyValueHeads, m_config.headSize}).transpose(1, 2);
    if (pass.rotation) {
        query = (*pass.rotation)(query);
        key = (*pass.rotation)(key);
    }
    key = key.transpose(1, 2);
    if (pass.cache) {
        key = append(pass.cache->keys[layer], key, pass.first);
        value = append(pass.cache->values[layer], value, pass.first);
    }
    return mixValues(layer, query, key, value, pass);
}

/// softmax(q kᵀ / √headSize) v. The query heads of a group share their keys (Ainslie et al. 2023), so a group's queries
/// are stacked into one matrix product.
at::Tensor Transformer::mixValues(std::size_t layer, const at::Tensor &query, const at::Tensor &key,
                                  const at::Tensor &value, const Pass &pass) const
{
    const std::int64_t batch = query.size(0), length = query.size(1), size = m_config.headSize;
    const std::int64_t groups = m_config.keyValueHeads, perGroup = m_config.heads / groups;
    const bool slides = m_config.slidingWindow > 0 && static_cast<std::int32_t>(layer) >= m_config.firstSlidingLayer;
    const std::int64_t window = slides ? m_config.slidingWindow : 0;
    double scale = 1 / std::sqrt(static_cast<double>(size));
    if (m_config.attentionScaledByLayer)
        scale /= static_cast<double>(layer + 1);

    const auto grouped = (query * scale).reshape({batch, length, groups, perGroup, size}).permute({0, 2, 3, 1, 4});
    const auto keys = key.reshape({batch * groups, key.size(2), size});
    const auto values = value.reshape({batch * groups, value.size(2), size});
    std::vector<at::Tensor> mixed;
    for (std::int64_t begin = 0; begin < length; begin += queryBlock) {
        const std::int64_t rows = std::min(queryBlock, length - begin);
        const std::int64_t firstQuery = pass.first + begin, end = firstQuery + rows;
        const std::int64_t firstKey = window > 0 ? std::max<std::int64_t>(firstQuery - window + 1, 0) : 0;
        const auto queries = grouped.narrow(3, begin, rows).reshape({batch * groups, perGroup * rows, size});
        auto scores = at::bmm(queries, keys.narrow(1, firstKey, end - firstKey).transpose(1, 2));
        if (isPlainInference(scores)) {
            softmaxInPlace(scores, {rows, end - firstKey, firstQuery - firstKey, window});
        } else {
            const auto masked = scores.view({batch * groups, perGroup, rows, end - firstKey}) +
                                causalMask(firstQuery, rows, firstKey, end - firstKey, window, scores.options());
            scores = at::softmax(masked.view(scores.sizes()), -1);
        }
        const auto weights = dropout(scores, pass.options);
        mixed.push_back(at::bmm(weights, values.narrow(1, firstKey, end - firstKey))
                            .view({batch, groups, perGroup, rows, size})
                            .permute({0, 3, 1, 2, 4})
                            .reshape({batch, rows, groups * perGroup * size}));
    }
    return mixed.size() == 1 ? mixed.front() : at::cat(mixed, 1);
}

} // namespace retoscope
