// SPDX-License-Identifier: GPL-3.0-or-later
// Rotary position embedding (Su et al. 2021) and the ways in which checkpoints stretch it to longer contexts.
#pragma once

#include "model/language_model.h"

#include <cstdint>
#include <vector>

namespace retoscope {

/// The angle per position of every pair of a head's values. Immutable.
class RotaryFrequencies
{
public:
    explicit RotaryFrequencies(const ModelConfig &config);

    /// [headSize / 2] radians per position, for a sequence of this many tokens.
    [[nodiscard]] std::vector<float> inverse(std::int64_t sequenceLength) const;
    /// Factor on cosine and sine (yarn's temperature; 1 for all others).
    [[nodiscard]] float magnitude() const { return m_magnitude; }
    /// Dynamic scaling: the angles of *all* positions change once a sequence is longer than this; 0 for all others.
    [[nodiscard]] std::int64_t variesBeyond() const { return m_variesBeyond; }

private:
    [[nodiscard]] std::vector<double> plain(double theta) const;
    void applyLinear(double factor);
    void applyLlama3(const Json &scaling);
    void applyYarn(const Json &scaling);

    std::int32_t m_size; ///< of a head
    double m_theta;
    double m_factor = 1;
    float m_magnitude = 1;
    std::int64_t m_variesBeyond = 0;
    std::vector<double> m_inverse;
};

} // namespace retoscope
