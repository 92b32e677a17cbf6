// SPDX-License-Identifier: GPL-3.0-or-later
// The loss of any decoder that this room can run, with the gradient from LibTorch's automatic differentiation: what
// createFusedDecoder() does not cover is trained with it, more slowly. Internal to this room.
#pragma once

#include "model/fused_decoder.h"

#include <memory>

namespace retoscope {

/// Reads the weights from `values` [layout.size()] at every call.
[[nodiscard]] std::unique_ptr<LossFunction> createAutogradDecoder(const ModelConfig &config,
                                                                  const ParameterLayout &layout,
                                                                  std::span<float> values, ComputeType compute);

} // namespace retoscope
