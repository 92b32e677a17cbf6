// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever the files of a datastore hold behind a sound manifest: every entry can be read, or it is refused.
#include "base/error.h"
#include "datastore/datastore.h"

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::Folder folder;
    try {
        if (!fuzz::writeArtefact(folder, "retoscope-datastore", 1, fuzz::inputOf(data, size), {"keys.bin", "values.bin", "documents.bin"}))
            return 0;
        const auto store = Datastore::open(folder.path());
        std::vector<float> key(static_cast<std::size_t>(store->dimension()));
        for (std::int64_t i = 0; i < store->size(); ++i) {
            store->copyKeys(i, 1, key.data());
            (void)store->hasPointer(EntryId(i));
            (void)store->documentOf(EntryId(i));
            (void)store->tokenIndex(EntryId(i));
        }
    } catch (const Error &) {
    }
    return 0;
}
