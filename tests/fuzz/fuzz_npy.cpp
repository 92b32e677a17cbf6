// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a .npy file holds: its header is read and its data lie within the file, or it is refused with a sentence.
#include "base/error.h"
#include "base/npy.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        const NpyHeader header = parseNpyHeader(bytes, "fuzz.npy");
        const auto count = static_cast<std::size_t>(header.count());
        if (header.dataOffset > size || (header.itemSize > 0 && count > (size - header.dataOffset) / header.itemSize))
            std::abort();
    } catch (const Error &) {
    }
    return 0;
}
