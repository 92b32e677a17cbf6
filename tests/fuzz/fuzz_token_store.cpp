// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever the files of a token store hold behind a sound manifest: every document can be read, or it is refused.
#include "base/error.h"
#include "text/token_store.h"
#include "text/windows.h"

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::Folder folder;
    try {
        if (!fuzz::writeArtefact(folder, "retoscope-tokens", 1, fuzz::inputOf(data, size), {"tokens.bin", "offsets.bin", "span_ends.bin", "documents.bin"}))
            return 0;
        const auto store = TokenStore::open(folder.path());
        (void)store->tokenizerFingerprint();
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(store->tokens().size()); ++i)
            (void)store->span(i);
        for (std::int32_t d = 0; d < store->documentCount(); ++d)
            (void)store->corpusDocument(DocumentId(d));
        (void)planWindows(store->documentOffsets(), {});
    } catch (const Error &) {
    }
    return 0;
}
