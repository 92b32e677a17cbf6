// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a manifest.json holds: it is read or refused with a sentence.
#include "base/error.h"
#include "base/manifest.h"

#include "fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::File file("manifest.json");
    file.write(data, size);
    try {
        (void)readManifest(std::filesystem::path(file.path()).parent_path(), "retoscope-datastore", 1).fingerprint();
    } catch (const Error &) {
    }
    return 0;
}
