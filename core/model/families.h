// SPDX-License-Identifier: GPL-3.0-or-later
// The families behind Transformer::create(); internal to this room.
#pragma once

#include "model/transformer.h"

namespace retoscope {

WeightShapes gpt2Weights(const ModelConfig &config);
WeightShapes llamaWeights(const ModelConfig &config);

std::unique_ptr<Transformer> makeGpt2(ModelConfig config, WeightMap weights, at::ScalarType compute);
/// Llama, Mistral and Qwen2: they differ in their configurations only.
std::unique_ptr<Transformer> makeLlama(ModelConfig config, WeightMap weights, at::ScalarType compute);

} // namespace retoscope
