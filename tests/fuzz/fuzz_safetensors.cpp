// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes must give tensors inside the file or a sentence.
#include "base/error.h"
#include "model/safetensors.h"

#include <cstdlib>

using namespace retoscope;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::span<const std::byte> file(reinterpret_cast<const std::byte *>(data), size);
    try {
        for (const auto &[name, tensor] : parseSafetensors(file, "fuzz")) {
            if (!tensor.bytes.empty() && (tensor.bytes.data() < file.data() || &tensor.bytes.back() > &file.back()))
                std::abort();
        }
    } catch (const Error &) {
    }
    return 0;
}
