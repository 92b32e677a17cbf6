// SPDX-License-Identifier: GPL-3.0-or-later
// Forward and backward pass of a Llama-type decoder for training on a processor, written out by hand: matrix products
// by LibTorch (oneDNN in bf16, BLAS in fp32) into buffers that are allocated once, everything between them fused
// (training_kernels.h). One replica uses one thread; the trainer runs one on each core, so that nothing is synchronised
// within a step. Internal to this room.
#pragma once

#include "model/parameters.h"
#include "model/training_kernels.h"

#include <memory>
#include <span>

namespace retoscope {

/// Sequences of one length, row by row; targets[i] is the token after tokens[i].
struct TrainingBatch
{
    std::span<const std::int32_t> tokens;
    std::span<const std::int32_t> targets;
    std::int64_t length = 0;

    [[nodiscard]] std::int64_t sequences() const { return static_cast<std::int64_t>(tokens.size()) / length; }
};

struct GradientOptions
{
    float scale = 1;        ///< factor on the summed loss, e.g. 1 / tokens of the step
    double dropout = 0;     ///< of embeddings, attention probabilities and residual branches
    std::uint64_t seed = 0; ///< of the dropout masks
};

/// Something that can tell the loss and its gradient. Not thread-safe; one per thread.
class LossFunction
{
public:
    virtual ~LossFunction() = default;
    /// Sum over the targets of −log p, nats, without dropout.
    [[nodiscard]] virtual double loss(const TrainingBatch &batch) = 0;
    /// The same with dropout, and adds scale · ∂loss/∂parameters to `gradient` [layout.size()].
    virtual double lossAndGradient(const TrainingBatch &batch, const GradientOptions &options,
                                   std::span<float> gradient) = 0;
};

/// True for what createFusedDecoder() computes: RMS norm, SwiGLU with SiLU, rotary embedding without scaling that
/// depends on the length, no biases, no sliding window shorter than the sequences.
[[nodiscard]] bool fusedDecoderSupports(const ModelConfig &config, std::int64_t length);

/// `values` are the fp32 weights, read afresh by every call. With bf16 `halves` holds the same values rounded (the
/// caller keeps them in step); with fp32 it is empty. At most `sequences` sequences of at most `length` tokens are
/// computed at a time.
[[nodiscard]] std::unique_ptr<LossFunction> createFusedDecoder(const ModelConfig &config, const ParameterLayout &layout,
                                                               std::span<const float> values,
                                                               std::span<const kernels::BFloat16> halves,
                                                               std::int64_t sequences, std::int64_t length);

} // namespace retoscope
