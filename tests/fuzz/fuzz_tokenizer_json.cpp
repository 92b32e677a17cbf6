// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a tokenizer.json holds: it is read or refused with a sentence, and what was read encodes and decodes.
#include "base/error.h"

#include "fuzz_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::Folder folder;
    try {
        fuzz::useTokenizer(*loadTokenizerJson(folder.write("tokenizer.json", fuzz::inputOf(data, size))));
    } catch (const Error &) {
    }
    return 0;
}
