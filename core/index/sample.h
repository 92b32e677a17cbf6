// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace retoscope {

/// min(count, total) different numbers of [0, total), ascending; the same for the same seed on every machine. Selection
/// sampling (Knuth, TAOCP volume 2, 3.4.2, algorithm S).
inline std::vector<std::int32_t> sampleEntries(std::int64_t total, std::int64_t count, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::vector<std::int32_t> chosen;
    std::int64_t wanted = std::min(count, total);
    for (std::int64_t i = 0; i < total && wanted > 0; ++i) {
        // 53 random bits instead of a library distribution, whose numbers differ between libraries.
        const double uniform = double(random() >> 11) * 0x1p-53;
        if (uniform * double(total - i) < double(wanted)) {
            chosen.push_back(std::int32_t(i));
            --wanted;
        }
    }
    return chosen;
}

} // namespace retoscope
