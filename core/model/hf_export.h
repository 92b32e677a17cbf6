// SPDX-License-Identifier: GPL-3.0-or-later
// A Hugging Face folder that `transformers` and LanguageModel::load() read. Internal to this room.
#pragma once

#include "model/parameters.h"

#include <filesystem>
#include <span>
#include <vector>

namespace retoscope {

/// config.json, generation_config.json and copies of the tokenizer's files: all but the weights.
void writeModelDescription(const std::filesystem::path &folder, const ModelConfig &config, ComputeType storeType,
                           const std::vector<std::filesystem::path> &tokenizerFiles);

/// model.safetensors, replaced atomically.
void writeModelWeights(const std::filesystem::path &folder, const ParameterLayout &layout,
                       std::span<const float> values, ComputeType storeType);

} // namespace retoscope
