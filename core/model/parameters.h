// SPDX-License-Identifier: GPL-3.0-or-later
// All trainable weights of a model in one fp32 buffer, so that the optimiser, clipping, checkpoints and the sum over
// replicas are single passes. Internal to this room.
#pragma once

#include "model/transformer.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

struct Parameter
{
    std::string name; ///< as in WeightMap
    std::vector<std::int64_t> shape;
    std::int64_t offset = 0; ///< in the buffer, values
    std::int64_t count = 0;

    [[nodiscard]] bool isMatrix() const { return shape.size() > 1; } ///< else a norm's weight or a bias
};

/// Where each weight lies. Of a Llama-type layer the query, key and value matrices are neighbours, and so are gate and
/// up: each group is one matrix product.
class ParameterLayout
{
public:
    explicit ParameterLayout(const ModelConfig &config);

    [[nodiscard]] const std::vector<Parameter> &parameters() const { return m_parameters; }
    [[nodiscard]] std::int64_t size() const { return m_size; }
    [[nodiscard]] std::int64_t offset(const std::string &name) const;

    /// The weights as views into a buffer of size() values, which must outlive them.
    [[nodiscard]] WeightMap views(float *buffer) const;

private:
    std::vector<Parameter> m_parameters;
    std::int64_t m_size = 0;
};

/// Radford et al. 2019: normal(0, 0.02), the projections that feed the residual stream scaled by 1/√(2·layers); norms
/// 1, biases 0.
void initialise(const ModelConfig &config, const ParameterLayout &layout, std::uint64_t seed, std::span<float> values);

/// Copies the checkpoint's weights, converted to fp32.
void copyWeights(const WeightMap &weights, const ParameterLayout &layout, std::span<float> values);

} // namespace retoscope
