// SPDX-License-Identifier: GPL-3.0-or-later
// The bodies are templates over the storage type, forced inline into one exported function per type, because the
// compiler makes its per-processor clones of plain functions only.
#include "model/training_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

// Clones are picked by an indirect function at load time, before a sanitizer's runtime is ready.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RETOSCOPE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RETOSCOPE_CLONES
#endif
#define RETOSCOPE_INLINE [[gnu::always_inline]] inline

namespace retoscope::kernels {

namespace {

RETOSCOPE_INLINE float load(float value)
{
    return value;
}

RETOSCOPE_INLINE float load(BFloat16 value)
{
    return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

RETOSCOPE_INLINE void store(float value, float &out)
{
    out = value;
}

RETOSCOPE_INLINE void store(float value, BFloat16 &out)
{
    // Round to nearest, ties to even. A NaN keeps its upper payload bit, which every NaN made by arithmetic has.
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    out.bits = static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// exp(x) within 2 units in the last place for x ≤ 88, 0 below −87: range reduction by log 2 and a polynomial, because
/// a call into the mathematics library would keep the loops scalar.
RETOSCOPE_INLINE float exponential(float x)
{
    constexpr float rounder = 12582912.0f; // 1.5·2²³: adding it rounds to an integer, held in the low mantissa bits
    const float clamped = std::min(std::max(x, -87.0f), 88.0f);
    const float shifted = clamped * 1.44269504f + rounder;
    const float n = shifted - rounder;
    const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const std::uint32_t exponent = (std::bit_cast<std::uint32_t>(shifted) + 127u) << 23;
    const float value = p * std::bit_cast<float>(exponent);
    return x < -87.0f ? 0.0f : value;
}

/// A 32-bit integer hash with low bias (two rounds of xor-shift and multiply).
RETOSCOPE_INLINE std::uint32_t hash(std::uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

template <bool active>
RETOSCOPE_INLINE float keepFactor(const Dropout &dropout, std::int64_t element)
{
    if constexpr (!active)
        return 1.0f;
    return hash(static_cast<std::uint32_t>(element) + dropout.seed) < dropout.threshold ? 0.0f : dropout.scale;
}

template <bool active, typename In, typename Out>
RETOSCOPE_INLINE void dropRow(const In *in, Out *out, std::int64_t count, const Dropout &dropout, std::int64_t first)
{
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i)
        store(load(in[i]) * keepFactor<active>(dropout, first + i), out[i]);
}

template <typename In, typename Out>
RETOSCOPE_INLINE void drop(const In *in, Out *out, std::int64_t count, const Dropout &dropout, std::int64_t first = 0)
{
    if (dropout.active())
        dropRow<true>(in, out, count, dropout, first);
    else
        dropRow<false>(in, out, count, dropout, first);
}

template <bool active, typename T>
RETOSCOPE_INLINE void addDropped(const float *x, const T *branch, float *sum, std::int64_t count,
                                 const Dropout &dropout, std::int64_t first)
{
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i)
        sum[i] = x[i] + load(branch[i]) * keepFactor<active>(dropout, first + i);
}

template <typename T>
RETOSCOPE_INLINE void addBranchBody(const float *x, const T *branch, float *sum, std::int64_t count,
                                    const Dropout &dropout, std::int64_t first = 0)
{
    if (dropout.active())
        addDropped<true>(x, branch, sum, count, dropout, first);
    else
        addDropped<false>(x, branch, sum, count, dropout, first);
}

template <typename T>
RETOSCOPE_INLINE void rmsNormBody(const float *x, const float *weight, float epsilon, T *out, float *inverseRms,
                                  std::int64_t rows, std::int64_t width)
{
    for (std::int64_t row = 0; row < rows; ++row, x += width, out += width) {
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (std::int64_t i = 0; i < width; ++i)
            squares += x[i] * x[i];
        const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(width) + epsilon);
        inverseRms[row] = inverse;
#pragma omp simd
        for (std::int64_t i = 0; i < width; ++i)
            store(x[i] * inverse * weight[i], out[i]);
    }
}

template <typename T>
RETOSCOPE_INLINE void rmsNormBackwardBody(const T *outGradient, const float *x, const float *weight,
                                          const float *inverseRms, float *xGradient, float *weightGradient,
                                          std::int64_t rows, std::int64_t width)
{
    for (std::int64_t row = 0; row < rows; ++row, x += width, outGradient += width, xGradient += width) {
        const float inverse = inverseRms[row];
        float dot = 0;
#pragma omp simd reduction(+ : dot)
        for (std::int64_t i = 0; i < width; ++i)
            dot += load(outGradient[i]) * weight[i] * x[i];
        const float along = dot * inverse * inverse / static_cast<float>(width);
#pragma omp simd
        for (std::int64_t i = 0; i < width; ++i) {
            const float gradient = load(outGradient[i]);
            xGradient[i] += inverse * (gradient * weight[i] - x[i] * along);
            weightGradient[i] += gradient * x[i] * inverse;
        }
    }
}

/// direction +1 rotates, −1 rotates back (the transpose). Pairs are (i, i + headSize/2), as Hugging Face orders them.
template <typename T>
RETOSCOPE_INLINE void rotateRow(const T *in, T *out, const float *cosines, const float *sines, std::int64_t half,
                                float direction)
{
#pragma omp simd
    for (std::int64_t i = 0; i < half; ++i) {
        const float a = load(in[i]);
        const float b = load(in[half + i]);
        const float c = cosines[i];
        const float s = direction * sines[i];
        store(a * c - b * s, out[i]);
        store(b * c + a * s, out[half + i]);
    }
}

/// Visits the slices of headSize values: visit(offset in [token, width], offset in [sequence, head, position]).
template <typename Visit>
RETOSCOPE_INLINE void forEachHead(const AttentionShape &shape, std::int64_t heads, std::int64_t rowWidth,
                                  std::int64_t firstColumn, Visit visit)
{
    for (std::int64_t sequence = 0; sequence < shape.sequences; ++sequence)
        for (std::int64_t head = 0; head < heads; ++head)
            for (std::int64_t position = 0; position < shape.length; ++position)
                visit((sequence * shape.length + position) * rowWidth + firstColumn + head * shape.headSize,
                      ((sequence * heads + head) * shape.length + position) * shape.headSize, position);
}

template <typename T>
RETOSCOPE_INLINE void splitHeadsBody(const AttentionShape &shape, const Rotation &rotation, const T *projected,
                                     T *queries, T *keys, T *values)
{
    const std::int64_t half = shape.headSize / 2;
    const std::int64_t width = shape.projectedWidth();
    const auto rotated = [&](T *heads) {
        return [=](std::int64_t from, std::int64_t to, std::int64_t position) {
            rotateRow(projected + from, heads + to, rotation.cosines + position * half,
                      rotation.sines + position * half, half, 1.0f);
        };
    };
    forEachHead(shape, shape.heads, width, 0, rotated(queries));
    forEachHead(shape, shape.keyValueHeads, width, shape.queryWidth(), rotated(keys));
    forEachHead(shape, shape.keyValueHeads, width, shape.queryWidth() + shape.keyWidth(),
                [=](std::int64_t from, std::int64_t to, std::int64_t) {
                    std::copy_n(projected + from, shape.headSize, values + to);
                });
}

template <typename T>
RETOSCOPE_INLINE void splitHeadsBackwardBody(const AttentionShape &shape, const Rotation &rotation, const T *queries,
                                             const T *keys, const T *values, T *projected)
{
    const std::int64_t half = shape.headSize / 2;
    const std::int64_t width = shape.projectedWidth();
    const auto rotatedBack = [&](const T *heads) {
        return [=](std::int64_t to, std::int64_t from, std::int64_t position) {
            rotateRow(heads + from, projected + to, rotation.cosines + position * half,
                      rotation.sines + position * half, half, -1.0f);
        };
    };
    forEachHead(shape, shape.heads, width, 0, rotatedBack(queries));
    forEachHead(shape, shape.keyValueHeads, width, shape.queryWidth(), rotatedBack(keys));
    forEachHead(shape, shape.keyValueHeads, width, shape.queryWidth() + shape.keyWidth(),
                [=](std::int64_t to, std::int64_t from, std::int64_t) {
                    std::copy_n(values + from, shape.headSize, projected + to);
                });
}

template <typename T>
RETOSCOPE_INLINE void mergeHeadsBody(const AttentionShape &shape, const T *mixed, T *merged)
{
    forEachHead(shape, shape.heads, shape.queryWidth(), 0, [=](std::int64_t to, std::int64_t from, std::int64_t) {
        std::copy_n(mixed + from, shape.headSize, merged + to);
    });
}

template <typename T>
RETOSCOPE_INLINE void mergeHeadsBackwardBody(const AttentionShape &shape, const T *merged, T *mixed)
{
    forEachHead(shape, shape.heads, shape.queryWidth(), 0, [=](std::int64_t from, std::int64_t to, std::int64_t) {
        std::copy_n(merged + from, shape.headSize, mixed + to);
    });
}

/// Keys that the loops over a row visit: those up to the query's own position, rounded up to whole vectors because a
/// scalar rest would cost more than the masked keys. Rows are zero (before softmax: −∞) there.
RETOSCOPE_INLINE std::int64_t visited(const AttentionShape &shape, std::int64_t row)
{
    constexpr std::int64_t lanes = 16;
    return std::min((row % shape.length / lanes + 1) * lanes, shape.length);
}

/// softmax(scale · scores[0, count)); −∞ becomes 0.
template <typename T>
RETOSCOPE_INLINE void softmaxRow(float scale, T *scores, std::int64_t count)
{
    float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < count; ++i)
        largest = std::max(largest, load(scores[i]));
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < count; ++i) {
        const float e = exponential(scale * (load(scores[i]) - largest));
        sum += e;
        store(e, scores[i]);
    }
    const float inverse = 1.0f / sum;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i)
        store(load(scores[i]) * inverse, scores[i]);
}

template <typename T>
RETOSCOPE_INLINE void causalSoftmaxBody(const AttentionShape &shape, float scale, T *scores)
{
    const std::int64_t rows = shape.sequences * shape.heads * shape.length;
    for (std::int64_t row = 0; row < rows; ++row, scores += shape.length) {
        const std::int64_t count = visited(shape, row);
        T masked;
        store(-std::numeric_limits<float>::infinity(), masked);
        std::fill(scores + row % shape.length + 1, scores + count, masked);
        softmaxRow(scale, scores, count);
        std::fill(scores + count, scores + shape.length, T{});
    }
}

template <typename T>
RETOSCOPE_INLINE void visibleSoftmaxBody(const VisibleKeys &keys, std::int64_t blocks, T *scores)
{
    constexpr std::int64_t lanes = 16; // see visited()
    T masked;
    store(-std::numeric_limits<float>::infinity(), masked);
    for (std::int64_t row = 0; row < blocks * keys.rows; ++row, scores += keys.columns) {
        const std::int64_t last = std::min(keys.firstVisible + row % keys.rows + 1, keys.columns);
        const std::int64_t first = keys.window > 0 ? std::max<std::int64_t>(last - keys.window, 0) : 0;
        const std::int64_t begin = first / lanes * lanes,
                           end = std::min((last + lanes - 1) / lanes * lanes, keys.columns);
        std::fill(scores, scores + begin, T{});
        std::fill(scores + begin, scores + first, masked);
        std::fill(scores + last, scores + end, masked);
        softmaxRow(1, scores + begin, end - begin);
        std::fill(scores + end, scores + keys.columns, T{});
    }
}

template <bool active, typename T>
RETOSCOPE_INLINE void softmaxBackwardRow(float scale, const T *probabilities, T *gradient, std::int64_t count,
                                         const Dropout &dropout, std::int64_t first)
{
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < count; ++i)
        dot += load(probabilities[i]) * load(gradient[i]) * keepFactor<active>(dropout, first + i);
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i)
        store(scale * load(probabilities[i]) * (load(gradient[i]) * keepFactor<active>(dropout, first + i) - dot),
              gradient[i]);
}

template <typename T>
RETOSCOPE_INLINE void causalSoftmaxBackwardBody(const AttentionShape &shape, float scale, const T *probabilities,
                                                T *gradient, const Dropout &dropout)
{
    const std::int64_t rows = shape.sequences * shape.heads * shape.length;
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t first = row * shape.length;
        const std::int64_t count = visited(shape, row);
        if (dropout.active())
            softmaxBackwardRow<true>(scale, probabilities + first, gradient + first, count, dropout, first);
        else
            softmaxBackwardRow<false>(scale, probabilities + first, gradient + first, count, dropout, first);
        std::fill(gradient + first + count, gradient + first + shape.length, T{});
    }
}

template <typename T>
RETOSCOPE_INLINE void dropProbabilitiesBody(const AttentionShape &shape, const T *probabilities, T *dropped,
                                            const Dropout &dropout)
{
    const std::int64_t rows = shape.sequences * shape.heads * shape.length;
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t first = row * shape.length;
        const std::int64_t count = visited(shape, row);
        drop(probabilities + first, dropped + first, count, dropout, first);
        std::fill(dropped + first + count, dropped + first + shape.length, T{});
    }
}

template <typename T>
RETOSCOPE_INLINE void swiGluBody(const T *gateUp, T *out, std::int64_t rows, std::int64_t width)
{
    for (std::int64_t row = 0; row < rows; ++row, gateUp += 2 * width, out += width) {
#pragma omp simd
        for (std::int64_t i = 0; i < width; ++i) {
            const float gate = load(gateUp[i]);
            store(gate / (1.0f + exponential(-gate)) * load(gateUp[width + i]), out[i]);
        }
    }
}

template <typename T>
RETOSCOPE_INLINE void swiGluBackwardBody(const T *outGradient, T *gateUp, std::int64_t rows, std::int64_t width)
{
    for (std::int64_t row = 0; row < rows; ++row, gateUp += 2 * width, outGradient += width) {
#pragma omp simd
        for (std::int64_t i = 0; i < width; ++i) {
            const float gate = load(gateUp[i]);
            const float up = load(gateUp[width + i]);
            const float gradient = load(outGradient[i]);
            const float sigmoid = 1.0f / (1.0f + exponential(-gate));
            store(gradient * up * sigmoid * (1.0f + gate * (1.0f - sigmoid)), gateUp[i]);
            store(gradient * gate * sigmoid, gateUp[width + i]);
        }
    }
}

template <typename T>
RETOSCOPE_INLINE double crossEntropyBody(T *logits, std::span<const std::int32_t> targets, std::int64_t width,
                                         float gradientScale, float *scratch)
{
    double total = 0;
    for (const std::int32_t target : targets) {
        float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
        for (std::int64_t i = 0; i < width; ++i)
            largest = std::max(largest, load(logits[i]));
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::int64_t i = 0; i < width; ++i) {
            scratch[i] = exponential(load(logits[i]) - largest);
            sum += scratch[i];
        }
        total += std::log(static_cast<double>(sum)) + largest - load(logits[target]);
        if (gradientScale != 0) {
            const float factor = gradientScale / sum;
            const float atTarget = scratch[target] * factor - gradientScale;
            for (std::int64_t i = 0; i < width; ++i)
                store(scratch[i] * factor, logits[i]);
            store(atTarget, logits[target]);
        }
        logits += width;
    }
    return total;
}

} // namespace

Dropout Dropout::of(double rate, std::uint64_t seed)
{
    if (rate <= 0)
        return {};
    return {hash(static_cast<std::uint32_t>(seed) ^ hash(static_cast<std::uint32_t>(seed >> 32))),
            static_cast<std::uint32_t>(rate * 4294967296.0), static_cast<float>(1 / (1 - rate))};
}

RETOSCOPE_CLONES void convert(const float *in, BFloat16 *out, std::int64_t count)
{
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i)
        store(in[i], out[i]);
}

RETOSCOPE_CLONES void embed(std::span<const std::int32_t> tokens, const float *table, float *out, std::int64_t width,
                            Dropout dropout)
{
    std::int64_t first = 0;
    for (const std::int32_t token : tokens) {
        drop(table + token * width, out + first, width, dropout, first);
        first += width;
    }
}

RETOSCOPE_CLONES void embedBackward(std::span<const std::int32_t> tokens, const float *gradient, float *tableGradient,
                                    std::int64_t width, Dropout dropout)
{
    std::int64_t first = 0;
    for (const std::int32_t token : tokens) {
        float *row = tableGradient + token * width;
        addBranchBody(row, gradient + first, row, width, dropout, first);
        first += width;
    }
}

// One exported function per storage type for each body above.
#define RETOSCOPE_KERNELS(T)                                                                                           \
    RETOSCOPE_CLONES void accumulate(const T *in, float *sum, std::int64_t count)                                      \
    {                                                                                                                  \
        addDropped<false>(sum, in, sum, count, {}, 0);                                                                 \
    }                                                                                                                  \
    RETOSCOPE_CLONES void addBranch(const float *x, const T *branch, float *sum, std::int64_t count, Dropout dropout)  \
    {                                                                                                                  \
        addBranchBody(x, branch, sum, count, dropout);                                                                 \
    }                                                                                                                  \
    RETOSCOPE_CLONES void addBranchBackward(const float *gradient, T *branchGradient, std::int64_t count,              \
                                            Dropout dropout)                                                           \
    {                                                                                                                  \
        drop(gradient, branchGradient, count, dropout);                                                                \
    }                                                                                                                  \
    RETOSCOPE_CLONES void rmsNorm(const float *x, const float *weight, float epsilon, T *out, float *inverseRms,       \
                                  std::int64_t rows, std::int64_t width)                                               \
    {                                                                                                                  \
        rmsNormBody(x, weight, epsilon, out, inverseRms, rows, width);                                                 \
    }                                                                                                                  \
    RETOSCOPE_CLONES void rmsNormBackward(const T *outGradient, const float *x, const float *weight,                   \
                                          const float *inverseRms, float *xGradient, float *weightGradient,            \
                                          std::int64_t rows, std::int64_t width)                                       \
    {                                                                                                                  \
        rmsNormBackwardBody(outGradient, x, weight, inverseRms, xGradient, weightGradient, rows, width);               \
    }                                                                                                                  \
    RETOSCOPE_CLONES void splitHeads(const AttentionShape &shape, Rotation rotation, const T *projected, T *queries,   \
                                     T *keys, T *values)                                                               \
    {                                                                                                                  \
        splitHeadsBody(shape, rotation, projected, queries, keys, values);                                             \
    }                                                                                                                  \
    RETOSCOPE_CLONES void splitHeadsBackward(const AttentionShape &shape, Rotation rotation, const T *queries,         \
                                             const T *keys, const T *values, T *projected)                             \
    {                                                                                                                  \
        splitHeadsBackwardBody(shape, rotation, queries, keys, values, projected);                                     \
    }                                                                                                                  \
    RETOSCOPE_CLONES void mergeHeads(const AttentionShape &shape, const T *mixed, T *merged)                           \
    {                                                                                                                  \
        mergeHeadsBody(shape, mixed, merged);                                                                          \
    }                                                                                                                  \
    RETOSCOPE_CLONES void mergeHeadsBackward(const AttentionShape &shape, const T *merged, T *mixed)                   \
    {                                                                                                                  \
        mergeHeadsBackwardBody(shape, merged, mixed);                                                                  \
    }                                                                                                                  \
    RETOSCOPE_CLONES void causalSoftmax(const AttentionShape &shape, float scale, T *scores)                           \
    {                                                                                                                  \
        causalSoftmaxBody(shape, scale, scores);                                                                       \
    }                                                                                                                  \
    RETOSCOPE_CLONES void visibleSoftmax(const VisibleKeys &keys, std::int64_t blocks, T *scores)                      \
    {                                                                                                                  \
        visibleSoftmaxBody(keys, blocks, scores);                                                                      \
    }                                                                                                                  \
    RETOSCOPE_CLONES void causalSoftmaxBackward(const AttentionShape &shape, float scale, const T *probabilities,      \
                                                T *gradient, Dropout dropout)                                          \
    {                                                                                                                  \
        causalSoftmaxBackwardBody(shape, scale, probabilities, gradient, dropout);                                     \
    }                                                                                                                  \
    RETOSCOPE_CLONES void dropProbabilities(const AttentionShape &shape, const T *probabilities, T *dropped,           \
                                            Dropout dropout)                                                           \
    {                                                                                                                  \
        dropProbabilitiesBody(shape, probabilities, dropped, dropout);                                                 \
    }                                                                                                                  \
    RETOSCOPE_CLONES void swiGlu(const T *gateUp, T *out, std::int64_t rows, std::int64_t width)                       \
    {                                                                                                                  \
        swiGluBody(gateUp, out, rows, width);                                                                          \
    }                                                                                                                  \
    RETOSCOPE_CLONES void swiGluBackward(const T *outGradient, T *gateUp, std::int64_t rows, std::int64_t width)       \
    {                                                                                                                  \
        swiGluBackwardBody(outGradient, gateUp, rows, width);                                                          \
    }                                                                                                                  \
    RETOSCOPE_CLONES double crossEntropy(T *logits, std::span<const std::int32_t> targets, std::int64_t width,         \
                                         float gradientScale, float *scratch)                                          \
    {                                                                                                                  \
        return crossEntropyBody(logits, targets, width, gradientScale, scratch);                                       \
    }

RETOSCOPE_KERNELS(float)
RETOSCOPE_KERNELS(BFloat16)

RETOSCOPE_CLONES double sumOfSquares(const float *values, std::int64_t count)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < count; ++i)
        sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    return sum;
}

RETOSCOPE_CLONES void adamW(const AdamStep &step, const float *gradient, float *parameters, float *firstMoment,
                            float *secondMoment, std::int64_t count)
{
    const AdamStep s = step;
    const float keep = 1.0f - s.learningRate * s.weightDecay;
    const float rate = s.learningRate / s.correction1;
    const float inverseCorrection2 = 1.0f / s.correction2;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) {
        const float g = gradient[i] * s.gradientFactor;
        const float m = s.beta1 * firstMoment[i] + (1.0f - s.beta1) * g;
        const float v = s.beta2 * secondMoment[i] + (1.0f - s.beta2) * g * g;
        firstMoment[i] = m;
        secondMoment[i] = v;
        parameters[i] = parameters[i] * keep - rate * m / (std::sqrt(v * inverseCorrection2) + s.epsilon);
    }
}

} // namespace retoscope::kernels
