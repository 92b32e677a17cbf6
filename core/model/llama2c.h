// SPDX-License-Identifier: GPL-3.0-or-later
// The model files of llama2.c (https://github.com/karpathy/llama2.c, version 0): seven int32, then fp32 weights in a fixed
// order. Files of others are hostile input: the sizes are checked against the file's length before use.
#pragma once

#include "model/language_model.h"
#include "model/stored_tensor.h"

#include <string_view>

namespace retoscope {

struct Llama2cFile
{
    ModelConfig config;
    /// Under Hugging Face's names. The rows of q_proj and k_proj still rotate neighbouring values (2i, 2i + 1) as this
    /// format has it, not halves.
    StoredTensors tensors;
};

Llama2cFile parseLlama2c(std::span<const std::byte> file, std::string_view name);

} // namespace retoscope
