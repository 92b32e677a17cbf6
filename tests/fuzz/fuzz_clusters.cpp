// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever the files of clusters hold behind a sound manifest: every state can be read, or they are refused.
#include "automaton/clusters.h"
#include "base/error.h"

#include "fuzz_input.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::Folder folder;
    try {
        if (!fuzz::writeArtefact(folder, "retoscope-clusters", 1, fuzz::inputOf(data, size), {"assignment.bin", "offsets.bin", "members.bin"}))
            return 0;
        const auto clusters = Clusters::open(folder.path());
        for (const std::int32_t state : clusters->stateOf()) {
            if (clusters->membersOf(StateId(state)).empty())
                std::abort();
        }
    } catch (const Error &) {
    }
    return 0;
}
