// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever GPT-2's vocab.json and merges.txt hold (here with a line "--" between them): read or refused with a sentence.
#include "base/error.h"

#include "fuzz_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::Folder folder;
    const auto parts = fuzz::partsOf(fuzz::inputOf(data, size), 2);
    try {
        fuzz::useTokenizer(*loadVocabularyAndMerges(folder.write("vocab.json", parts[0]), folder.write("merges.txt", parts[1])));
    } catch (const Error &) {
    }
    return 0;
}
