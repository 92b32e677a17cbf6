// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a FAISS index file holds: its structure is walked within its bytes, or it is refused with a sentence.
#include "base/error.h"
#include "index/faiss_file.h"

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    try {
        (void)checkFaissFile(fuzz::bytesOf(fuzz::inputOf(data, size)), "fuzz.faiss");
    } catch (const Error &) {
    }
    return 0;
}
