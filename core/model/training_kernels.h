// SPDX-License-Identifier: GPL-3.0-or-later
// The element-wise parts of a training step of a Llama-type decoder, each fused into one pass over memory: between two
// matrix products everything else is memory traffic, and LibTorch's one-operation-at-a-time kernels would cost more
// time than the products themselves. Plain loops that the compiler vectorises for AVX-512, AVX2 and the baseline. No
// function here is parallel: the trainer runs one replica per core. All matrices are row-major.
#pragma once

#include <cstdint>
#include <span>

namespace retoscope::kernels {

/// The upper half of an fp32, as oneDNN and at::BFloat16 store it.
struct BFloat16
{
    std::uint16_t bits = 0;
};

/// Inverted dropout whose mask is a pure function of (seed, element), so that the backward pass needs no stored mask
/// and a continued run repeats the masks of the interrupted one.
struct Dropout
{
    std::uint32_t seed = 0;
    std::uint32_t threshold = 0; ///< an element is dropped when its hash is below; 0: nothing is dropped
    float scale = 1;             ///< 1 / (1 − rate)

    static Dropout of(double rate, std::uint64_t seed);
    [[nodiscard]] bool active() const { return threshold != 0; }
};

void convert(const float *in, BFloat16 *out, std::int64_t count);
/// sum += in
void accumulate(const float *in, float *sum, std::int64_t count);
void accumulate(const BFloat16 *in, float *sum, std::int64_t count);

/// out[r] = dropout(table[tokens[r]])
void embed(std::span<const std::int32_t> tokens, const float *table, float *out, std::int64_t width, Dropout dropout);
/// tableGradient[tokens[r]] += dropout(gradient[r])
void embedBackward(std::span<const std::int32_t> tokens, const float *gradient, float *tableGradient,
                   std::int64_t width, Dropout dropout);

/// sum = x + dropout(branch); in place when sum == x.
void addBranch(const float *x, const float *branch, float *sum, std::int64_t count, Dropout dropout);
void addBranch(const float *x, const BFloat16 *branch, float *sum, std::int64_t count, Dropout dropout);
/// branchGradient = dropout(gradient)
void addBranchBackward(const float *gradient, float *branchGradient, std::int64_t count, Dropout dropout);
void addBranchBackward(const float *gradient, BFloat16 *branchGradient, std::int64_t count, Dropout dropout);

/// out = x / rms(x) · weight (Zhang and Sennrich 2019); inverseRms [rows] is kept for the backward pass.
void rmsNorm(const float *x, const float *weight, float epsilon, float *out, float *inverseRms, std::int64_t rows,
             std::int64_t width);
void rmsNorm(const float *x, const float *weight, float epsilon, BFloat16 *out, float *inverseRms, std::int64_t rows,
             std::int64_t width);
/// xGradient and weightGradient are added to.
void rmsNormBackward(const float *outGradient, const float *x, const float *weight, const float *inverseRms,
                     float *xGradient, float *weightGradient, std::int64_t rows, std::int64_t width);
void rmsNormBackward(const BFloat16 *outGradient, const float *x, const float *weight, const float *inverseRms,
                     float *xGradient, float *weightGradient, std::int64_t rows, std::int64_t width);

/// Sizes of the attention of one call.
struct AttentionShape
{
    std::int64_t sequences = 0;
    std::int64_t length = 0; ///< tokens of each sequence
    std::int64_t heads = 0;
    std::int64_t keyValueHeads = 0;
    std::int64_t headSize = 0;

    [[nodiscard]] std::int64_t tokens() const { return sequences * length; }
    [[nodiscard]] std::int64_t queryWidth() const { return heads * headSize; }
    [[nodiscard]] std::int64_t keyWidth() const { return keyValueHeads * headSize; }
    [[nodiscard]] std::int64_t projectedWidth() const { return queryWidth() + 2 * keyWidth(); }
    [[nodiscard]] std::int64_t group() const { return heads / keyValueHeads; } ///< query heads per key head
};

/// Cosines and sines of the rotary embedding (Su et al. 2021), each [length × headSize/2].
struct Rotation
{
    const float *cosines = nullptr;
    const float *sines = nullptr;
};

/// projected [tokens × projectedWidth] holds queries, keys and values of each token; they are rotated (not the values)
/// and laid out as [sequence, head, position, headSize].
void splitHeads(const AttentionShape &shape, Rotation rotation, const float *projected, float *queries, float *keys,
                float *values);
void splitHeads(const AttentionShape &shape, Rotation rotation, const BFloat16 *projected, BFloat16 *queries,
                BFloat16 *keys, BFloat16 *values);
void splitHeadsBackward(const AttentionShape &shape, Rotation rotation, const float *queries, const float *keys,
                        const float *values, float *projected);
void splitHeadsBackward(const AttentionShape &shape, Rotation rotation, const BFloat16 *queries, const BFloat16 *keys,
                        const BFloat16 *values, BFloat16 *projected);

/// [sequence, head, position, headSize] → [token, head · headSize] and back.
void mergeHeads(const AttentionShape &shape, const float *mixed, float *merged);
void mergeHeads(const AttentionShape &shape, const BFloat16 *mixed, BFloat16 *merged);
void mergeHeadsBackward(const AttentionShape &shape, const float *merged, float *mixed);
void mergeHeadsBackward(const AttentionShape &shape, const BFloat16 *merged, BFloat16 *mixed);

/// scores [sequence, head, query position, key position] become softmax(scale · scores) over the keys up to the query's
/// own position; later keys get 0.
void causalSoftmax(const AttentionShape &shape, float scale, float *scores);
void causalSoftmax(const AttentionShape &shape, float scale, BFloat16 *scores);
/// Which keys a row of a block of scores may look at: row r of each `rows` consecutive rows sees the columns up to
/// firstVisible + r, and of these the last `window` only (0: all).
struct VisibleKeys
{
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t firstVisible = 0;
    std::int64_t window = 0;
};
/// scores [blocks × rows × columns] become the softmax over the visible keys; the others get 0.
void visibleSoftmax(const VisibleKeys &keys, std::int64_t blocks, float *scores);
void visibleSoftmax(const VisibleKeys &keys, std::int64_t blocks, BFloat16 *scores);
/// gradient holds ∂/∂(dropped probabilities) and becomes ∂/∂scores.
void causalSoftmaxBackward(const AttentionShape &shape, float scale, const float *probabilities, float *gradient,
                           Dropout dropout);
void causalSoftmaxBackward(const AttentionShape &shape, float scale, const BFloat16 *probabilities, BFloat16 *gradient,
                           Dropout dropout);
/// dropped = dropout(probabilities), with the same masks as causalSoftmaxBackward().
void dropProbabilities(const AttentionShape &shape, const float *probabilities, float *dropped, Dropout dropout);
void dropProbabilities(const AttentionShape &shape, const BFloat16 *probabilities, BFloat16 *dropped, Dropout dropout);

/// gateUp [rows × 2·width]: silu(gate) · up (Shazeer 2020) → out [rows × width].
void swiGlu(const float *gateUp, float *out, std::int64_t rows, std::int64_t width);
void swiGlu(const BFloat16 *gateUp, BFloat16 *out, std::int64_t rows, std::int64_t width);
/// gateUp is replaced by its gradient.
void swiGluBackward(const float *outGradient, float *gateUp, std::int64_t rows, std::int64_t width);
void swiGluBackward(const BFloat16 *outGradient, BFloat16 *gateUp, std::int64_t rows, std::int64_t width);

/// Sum over the rows of −log softmax(logits)[target], nats. With gradientScale ≠ 0 the logits are replaced by
/// gradientScale · ∂sum/∂logits. scratch [width].
double crossEntropy(float *logits, std::span<const std::int32_t> targets, std::int64_t width, float gradientScale,
                    float *scratch);
double crossEntropy(BFloat16 *logits, std::span<const std::int32_t> targets, std::int64_t width, float gradientScale,
                    float *scratch);

[[nodiscard]] double sumOfSquares(const float *values, std::int64_t count);

/// One step of AdamW (Loshchilov and Hutter 2019, algorithm 2, with η·α = learningRate).
struct AdamStep
{
    float learningRate = 0;
    float beta1 = 0.9f;
    float beta2 = 0.95f;
    float epsilon = 1e-8f;
    float weightDecay = 0;
    float gradientFactor = 1; ///< of clipping
    float correction1 = 1;    ///< 1 − β₁ᵗ
    float correction2 = 1;    ///< 1 − β₂ᵗ
};
void adamW(const AdamStep &step, const float *gradient, float *parameters, float *firstMoment, float *secondMoment,
           std::int64_t count);

} // namespace retoscope::kernels
