// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever the files of a trace hold behind a sound manifest: ids name entries and numbers are numbers, or it is refused.
#include "base/error.h"
#include "trace/trace.h"

#include "fuzz_input.h"

#include <cstdlib>

namespace {

using namespace retoscope;

std::shared_ptr<const Datastore> threeEntries()
{
    Datastore::Parts parts;
    parts.keys.resize(3 * 2 * sizeof(float));
    parts.dimension = 2;
    parts.values = {1, 2, 3};
    return Datastore::fromParts(std::move(parts));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static const fuzz::Folder folder;
    static const auto datastore = threeEntries();
    try {
        if (!fuzz::writeArtefact(folder, Trace::format, Trace::version, fuzz::inputOf(data, size),
                                 {"targets.bin", "token_indices.bin", "documents.bin", "windows.bin", "lm_log_probs.bin", "queries.bin", "neighbour_ids.bin",
                                  "index_distances.bin", "exact_distances.bin", "lm_entropies.bin", "lm_top_ids.bin", "lm_top_log_probs.bin"},
                                 {{"datastore", datastore->fingerprint()}}))
            return 0;
        const auto trace = Trace::open(folder.path(), datastore);
        for (const std::int32_t id : trace->arrays().neighbourIds) {
            if (id < -1 || id >= datastore->size())
                std::abort();
        }
    } catch (const Error &) {
    }
    return 0;
}
