// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/clusters_import.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"
#include "base/npy.h"
#include "base/pickle.h"

#include <algorithm>
#include <limits>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::int64_t mostStates = std::numeric_limits<std::int32_t>::max() - 1;

StateAssignment fromStates(const std::vector<std::int64_t> &states, std::int64_t entries, const std::string &name)
{
    if (std::int64_t(states.size()) != entries)
        fail(ErrorKind::Mismatch, "{} assigns {} entries to states, but the datastore has {}; name the datastore that it was made for.", name, states.size(), entries);
    const auto bad = std::ranges::find_if(states, [](std::int64_t state) { return state < 0 || state >= mostStates; });
    if (bad != states.end())
        fail(ErrorKind::BadInput, "{}: entry {} is in the state {}, but states are numbered from 0; save the number of a cluster for each entry.", name, bad - states.begin(), *bad);
    return {{states.begin(), states.end()}, static_cast<std::int32_t>(*std::ranges::max_element(states) + 1)};
}

StateAssignment fromMembers(const PickledCsr &csr, std::int64_t entries, const std::string &name)
{
    if (csr.columns > entries)
        fail(ErrorKind::Mismatch, "{} has members up to entry {}, but the datastore has {} entries; name the datastore that it was made for.", name, csr.columns - 1, entries);
    if (csr.rows < 1 || csr.rows > mostStates)
        fail(ErrorKind::BadInput, "{} has {} clusters; 1 to {} are possible.", name, csr.rows, mostStates);
    const auto offsets = csr.indptr.integers(name), members = csr.indices.integers(name);
    if (offsets.front() != 0 || offsets.back() != std::int64_t(members.size()) || !std::ranges::is_sorted(offsets))
        fail(ErrorKind::Corrupt, "{}: the row pointers of its matrix do not ascend from 0 to its {} members; write it again with pickle.dump.", name, members.size());
    constexpr std::int32_t unassigned = -1;
    StateAssignment result{std::vector<std::int32_t>(static_cast<std::size_t>(entries), unassigned), static_cast<std::int32_t>(csr.rows)};
    for (std::int32_t state = 0; state < result.states; ++state) {
        for (auto at = offsets[std::size_t(state)]; at < offsets[std::size_t(state) + 1]; ++at) {
            const std::int64_t member = members[std::size_t(at)];
            if (member < 0 || member >= entries)
                fail(ErrorKind::Mismatch, "{}: cluster {} has the member {}, but the datastore has {} entries; name the datastore that it was made for.", name, state, member, entries);
            std::int32_t &stateOf = result.stateOf[std::size_t(member)];
            if (stateOf != unassigned)
                fail(ErrorKind::BadInput, "{}: entry {} is in the clusters {} and {}, but an entry has one state; keep one of them.", name, member, stateOf, state);
            stateOf = state;
        }
    }
    const auto missing = std::ranges::find(result.stateOf, unassigned);
    if (missing != result.stateOf.end())
        fail(ErrorKind::Mismatch, "{} has {} members, but the datastore has {} entries (entry {} is in no cluster); name the datastore that it was made for.", name, members.size(),
             entries, missing - result.stateOf.begin());
    return result;
}

} // namespace

StateAssignment readStates(const fs::path &path, std::int64_t entries)
{
    const MappedFile file(path, MappedFile::Access::Sequential);
    const std::string name = path.string();
    if (looksLikeNpy(file.bytes()))
        return fromStates(NpyFile(path).integers(), entries, name);
    const Pickled pickled = readPickle(file.bytes(), name);
    if (const auto *csr = std::get_if<PickledCsr>(&pickled))
        return fromMembers(*csr, entries, name);
    return fromStates(std::get<PickledArray>(pickled).integers(name), entries, name);
}

void importClusters(const fs::path &folder, const fs::path &file, const Datastore &datastore, JobControl &job)
{
    constexpr std::string_view stage = "importing the clusters";
    job.report(stage, "entries", 0, datastore.size());
    const StateAssignment states = readStates(file, datastore.size());
    job.checkpoint();
    makeFolder(folder);
    const FolderLock lock(folder);
    if (hasManifest(folder))
        return;
    const MappedFile source(file, MappedFile::Access::Sequential);
    Clusters::write(folder, states.stateOf, states.states,
                    {{"datastore", datastore.fingerprint()}, {"source_xxh3", hex64(xxh3(source.bytes().data(), source.size()))}},
                    {{"source", file.filename().string()}});
    job.report(stage, "entries", datastore.size(), datastore.size());
}

} // namespace retoscope
