// SPDX-License-Identifier: GPL-3.0-or-later
// A weight as it lies in a mapped file: what the checkpoint readers give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

struct StoredTensor
{
    std::string type;                 ///< safetensors' names: "F32", "BF16", "F16", …
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes; ///< little-endian, C order, possibly unaligned; lives as long as the mapping
};

using StoredTensors = std::map<std::string, StoredTensor>;

} // namespace retoscope
