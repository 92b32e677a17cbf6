// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW over the whole parameter buffer. Internal to this room.
#pragma once

#include "model/parameters.h"
#include "model/train_config.h"
#include "model/training_kernels.h"

#include <span>
#include <vector>

namespace retoscope {

class Optimizer
{
public:
    Optimizer(const ParameterLayout &layout, const TrainConfig &config);

    /// One step with the sum of the replicas' gradients, clipped by its global norm; `step` counts from 0. The
    /// gradients are zero afterwards; `halves` (may be empty) gets the new values rounded. Returns the norm before
    /// clipping. The result does not depend on the number of threads.
    double step(std::int64_t step, double learningRate, std::span<std::vector<float>> gradients,
                std::span<float> values, std::span<kernels::BFloat16> halves);

    std::vector<float> firstMoment, secondMoment; ///< [layout.size()]; part of a saved state

private:
    /// A piece of one weight, small enough to stay in a core's cache.
    struct Piece
    {
        std::int64_t offset, count;
        bool decays;
    };
    TrainConfig m_config;
    std::vector<Piece> m_pieces;
};

} // namespace retoscope
