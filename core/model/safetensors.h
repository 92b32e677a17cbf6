// SPDX-License-Identifier: GPL-3.0-or-later
// The safetensors format (https://github.com/huggingface/safetensors): 8 bytes with the header's length, a JSON header,
// the data. Files of others are hostile input: every number is checked against the file's length before use.
#pragma once

#include "model/stored_tensor.h"

#include <string_view>

namespace retoscope {

/// The tensors of a whole file in memory; `name` is the file's name for the sentences. Throws Corrupt when the header does
/// not describe exactly the bytes that follow it (beyond the end, overlapping, holes), BadInput for an unknown type.
StoredTensors parseSafetensors(std::span<const std::byte> file, std::string_view name);

} // namespace retoscope
