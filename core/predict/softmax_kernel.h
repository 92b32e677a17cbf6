// SPDX-License-Identifier: GPL-3.0-or-later
// The sums behind p_kNN(target), the hot loop of replaying other T and k. Internal to the room.
#pragma once

#include <cstddef>
#include <cstdint>

namespace retoscope {

struct SoftmaxSums
{
    double all = 0;     ///< Σ_j exp((d_min − d_j) / T)
    double matched = 0; ///< the same over the candidates with matches[j] != 0
    float nearest = 0;  ///< d_min
    float nearestMatch = 0; ///< smallest distance of a match, +infinity without one
};

/// In double precision throughout; multiversioned, chosen once through a function pointer. count ≥ 1, T > 0, finite d_min.
SoftmaxSums softmaxSums(const float *distances, const std::uint8_t *matches, std::size_t count, double temperature);

} // namespace retoscope
