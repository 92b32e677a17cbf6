// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/clusters.h"

#include "base/error.h"
#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/json_fields.h"
#include "base/mapped_file.h"

#include <numeric>

namespace retoscope {

namespace fs = std::filesystem;

namespace {

constexpr const char *clustersFormat = "retoscope-clusters";
constexpr int clustersVersion = 1;
constexpr const char *assignmentFile = "assignment.bin"; ///< int32 [N]
constexpr const char *offsetsFile = "offsets.bin";       ///< int64 [states + 1]
constexpr const char *membersFile = "members.bin";       ///< int32 [N]

void requireStates(std::span<const std::int32_t> stateOfEntry, std::int32_t states)
{
    if (states < 1)
        fail(ErrorKind::BadInput, "The clusters have {} states; at least one is needed.", states);
    for (std::size_t i = 0; i < stateOfEntry.size(); ++i) {
        if (stateOfEntry[i] < 0 || stateOfEntry[i] >= states)
            fail(ErrorKind::BadInput, "Entry {} is assigned to state {}, but there are only the states 0 to {}.", i,
                 stateOfEntry[i], states - 1);
    }
}

/// The inverse of an assignment as CSR: counting sort, so members ascend within a state.
struct Inverse
{
    std::vector<std::int64_t> offsets;
    std::vector<std::int32_t> members;

    Inverse(std::span<const std::int32_t> stateOfEntry, std::int32_t states)
        : offsets(std::size_t(states) + 1), members(stateOfEntry.size())
    {
        for (const std::int32_t state : stateOfEntry)
            ++offsets[std::size_t(state) + 1];
        std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
        std::vector<std::int64_t> next(offsets.begin(), offsets.end() - 1);
        for (std::size_t i = 0; i < stateOfEntry.size(); ++i)
            members[std::size_t(next[std::size_t(stateOfEntry[i])]++)] = static_cast<std::int32_t>(i);
    }
};

/// The arrays index one another in hot loops that do not check, so a damaged file is refused here.
void requireConsistent(std::span<const std::int32_t> stateOf, std::span<const std::int64_t> offsets,
                       std::span<const std::int32_t> members, const fs::path &folder)
{
    bool whole = offsets.front() == 0 && offsets.back() == std::int64_t(members.size());
    for (std::size_t s = 0; whole && s + 1 < offsets.size(); ++s)
        whole = offsets[s] <= offsets[s + 1];
    for (std::size_t s = 0; whole && s + 1 < offsets.size(); ++s) {
        for (std::int64_t at = offsets[s]; whole && at < offsets[s + 1]; ++at) {
            const std::int32_t member = members[std::size_t(at)];
            whole = member >= 0 && std::size_t(member) < stateOf.size() && stateOf[std::size_t(member)] == std::int32_t(s)
                    && (at == offsets[s] || members[std::size_t(at) - 1] < member);
        }
    }
    if (!whole)
        fail(ErrorKind::Corrupt, "{}: assignment, offsets and members contradict one another; build the clusters again.", folder.string());
}

} // namespace

struct Clusters::Data
{
    MappedFile assignmentMap, offsetsMap, membersMap;
    std::vector<std::int32_t> ownedAssignment, ownedMembers;
    std::vector<std::int64_t> ownedOffsets;
    std::span<const std::int32_t> stateOf, members;
    std::span<const std::int64_t> offsets;
    Manifest manifest;
};

void to_json(Json &json, const ClusterConfig &config)
{
    json = Json{{"states", config.states}, {"iterations", config.iterations}, {"sample", config.sample}, {"seed", config.seed}};
}

void from_json(const Json &json, ClusterConfig &config)
{
    JsonFields fields(json, "clusters");
    ClusterConfig read;
    fields.read("states", read.states, 1);
    fields.read("iterations", read.iterations, 1, 10000);
    fields.read("sample", read.sample, std::int64_t(0));
    fields.read("seed", read.seed);
    fields.refuseOthers();
    config = read;
}

std::shared_ptr<const Clusters> Clusters::open(const fs::path &folder)
{
    auto data = std::make_shared<Data>();
    data->manifest = readManifest(folder, clustersFormat, clustersVersion);
    const Json &identity = data->manifest.identity;
    const auto whole = [&](const char *name, std::int64_t highest) {
        const auto field = identity.find(name);
        if (field == identity.end() || !field->is_number_integer() || field->get<std::int64_t>() < 1 || field->get<std::int64_t>() > highest)
            fail(ErrorKind::Corrupt, "{}: the manifest has no usable '{}'; build the clusters again.", folder.string(), name);
        return std::size_t(field->get<std::int64_t>());
    };
    const std::size_t entries = whole("entries", std::numeric_limits<std::int32_t>::max());
    const std::size_t states = whole("states", std::numeric_limits<std::int32_t>::max() - 1);
    data->assignmentMap = MappedFile(folder / assignmentFile);
    data->offsetsMap = MappedFile(folder / offsetsFile);
    data->membersMap = MappedFile(folder / membersFile);
    data->stateOf = data->assignmentMap.view<std::int32_t>(0, entries);
    data->offsets = data->offsetsMap.view<std::int64_t>(0, states + 1);
    data->members = data->membersMap.view<std::int32_t>(0, entries);
    requireConsistent(data->stateOf, data->offsets, data->members, folder);
    std::shared_ptr<Clusters> clusters(new Clusters);
    clusters->m_data = std::move(data);
    return clusters;
}

std::shared_ptr<const Clusters> Clusters::fromAssignment(std::vector<std::int32_t> stateOfEntry, std::int32_t states)
{
    requireStates(stateOfEntry, states);
    auto data = std::make_shared<Data>();
    Inverse inverse(stateOfEntry, states);
    data->ownedAssignment = std::move(stateOfEntry);
    data->ownedOffsets = std::move(inverse.offsets);
    data->ownedMembers = std::move(inverse.members);
    data->stateOf = data->ownedAssignment;
    data->offsets = data->ownedOffsets;
    data->members = data->ownedMembers;
    data->manifest.format = clustersFormat;
    data->manifest.version = clustersVersion;
    data->manifest.identity = {{"states", states}, {"entries", data->stateOf.size()}};
    std::shared_ptr<Clusters> clusters(new Clusters);
    clusters->m_data = std::move(data);
    return clusters;
}

void Clusters::write(const fs::path &folder, std::span<const std::int32_t> stateOfEntry, std::int32_t states, Json identity, Json info)
{
    requireStates(stateOfEntry, states);
    const Inverse inverse(stateOfEntry, states);
    Sha256 hash;
    hash.update(stateOfEntry);
    identity["assignment"] = hash.hex();
    identity["entries"] = stateOfEntry.size();
    identity["states"] = states;
    Manifest manifest;
    manifest.format = clustersFormat;
    manifest.version = clustersVersion;
    manifest.identity = std::move(identity);
    manifest.info = std::move(info);
    makeFolder(folder);
    const auto writeArray = [&](const char *name, auto values) {
        AtomicFile file(folder / name);
        file.write(values);
        file.commit();
        addFile(manifest, name, values.size_bytes(), xxh3(values.data(), values.size_bytes()));
    };
    writeArray(assignmentFile, stateOfEntry);
    writeArray(offsetsFile, std::span<const std::int64_t>(inverse.offsets));
    writeArray(membersFile, std::span<const std::int32_t>(inverse.members));
    writeManifest(manifest, folder);
}

std::int32_t Clusters::states() const { return static_cast<std::int32_t>(m_data->offsets.size()) - 1; }
std::int64_t Clusters::entries() const { return static_cast<std::int64_t>(m_data->stateOf.size()); }
std::span<const std::int32_t> Clusters::stateOf() const { return m_data->stateOf; }
std::span<const std::int64_t> Clusters::offsets() const { return m_data->offsets; }
std::span<const std::int32_t> Clusters::members() const { return m_data->members; }
const Manifest &Clusters::manifest() const { return m_data->manifest; }
std::string Clusters::fingerprint() const { return m_data->manifest.fingerprint(); }

std::span<const std::int32_t> Clusters::membersOf(StateId state) const
{
    const auto begin = std::size_t(m_data->offsets[std::size_t(state.value)]);
    const auto end = std::size_t(m_data->offsets[std::size_t(state.value) + 1]);
    return m_data->members.subspan(begin, end - begin);
}

} // namespace retoscope
