// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/manifest.h"

#include <cstdint>

namespace retoscope {

/// How the gate of adaptive retrieval is trained; the defaults are those of He, Neubig and Berg-Kirkpatrick 2021.
struct GateTraining
{
    std::int32_t hidden = 128; ///< units of each of the four hidden layers
    double dropout = 0.2;
    double learningRate = 5e-4; ///< of Adam
    std::int32_t batch = 64;
    std::int32_t epochs = 10;   ///< at most: the one that does best on the held-out part is kept
    double sparsity = 0.05;     ///< a of the loss's a · mean(λ_t), which makes searches cost something
    std::uint64_t seed = 1;

    friend bool operator==(const GateTraining &, const GateTraining &) = default;
};
void to_json(Json &json, const GateTraining &training);
/// Strict; throws BadInput with the field, the value and what is allowed.
void from_json(const Json &json, GateTraining &training);
/// Checks ranges; throws BadInput.
void validate(const GateTraining &training);

} // namespace retoscope
