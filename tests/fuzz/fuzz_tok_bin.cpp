// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a tokenizer file of llama2.c holds: it is read or refused with a sentence, and what was read encodes and decodes.
#include "base/error.h"
#include "text/bpe_tokenizer.h"

#include "fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::File file("tok.bin");
    file.write(data, size);
    try {
        const auto tokenizer = loadLlama2c(file.path());
        for (const char *text : {"Hello, world 42!\n", "\u00E9\u2581 \U0001F600"})
            (void)tokenizer->decode(tokenizer->encodeWithSpans(text).ids);
    } catch (const Error &) {
    }
    return 0;
}
