// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a .npy file holds: its header is read and its data lie within the file, or it is refused with a sentence.
#include "base/error.h"
#include "base/npy.h"

#include "fuzz_input.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::Folder folder;
    const auto input = fuzz::inputOf(data, size);
    try {
        const NpyHeader header = parseNpyHeader(fuzz::bytesOf(input), "fuzz.npy");
        const auto count = static_cast<std::size_t>(header.count());
        if (header.dataOffset > size || (header.itemSize > 0 && count > (size - header.dataOffset) / header.itemSize))
            std::abort();
        const NpyFile file(folder.write("fuzz.npy", input));
        (void)file.integers();
    } catch (const Error &) {
    }
    return 0;
}
