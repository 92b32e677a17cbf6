// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a FAISS index file holds: its structure is walked within its bytes, or it is refused with a sentence.
#include "base/error.h"
#include "index/faiss_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    try {
        (void)retoscope::checkFaissFile(std::as_bytes(std::span(data, size)), "fuzz.faiss");
    } catch (const retoscope::Error &) {
    }
    return 0;
}
