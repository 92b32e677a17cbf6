// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the safetensors format (https://github.com/huggingface/safetensors).
#pragma once

#include "model/language_model.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

struct TensorToWrite
{
    std::vector<std::int64_t> shape;
    std::span<const float> values;
};

/// Writes the tensors in the order of their names, as F32 or rounded to BF16, atomically. The header carries
/// {"format": "pt"}, without which older versions of `transformers` refuse a file.
void writeSafetensors(const std::filesystem::path &path, const std::map<std::string, TensorToWrite> &tensors,
                      ComputeType type);

} // namespace retoscope
