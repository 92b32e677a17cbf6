// SPDX-License-Identifier: GPL-3.0-or-later
// The states of RetoMaton: clusters of datastore entries (Alon et al. 2022, section 3.2; retrieval.md section 6).
#pragma once

#include "base/ids.h"
#include "base/manifest.h"
#include "datastore/datastore.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace retoscope {

class JobControl;

struct ClusterConfig
{
    std::int32_t states = 0;      ///< number of clusters; N/100 to N/200 is the usual choice
    std::int32_t iterations = 20;
    std::int64_t sample = 0;      ///< keys k-means is trained on, drawn without replacement; 0: all
    std::uint64_t seed = 1;
};
void to_json(Json &json, const ClusterConfig &config);
void from_json(const Json &json, ClusterConfig &config);

/// State of each entry and members of each state (CSR, members ascending). Memory-mapped; thread-safe to read.
class Clusters
{
public:
    static std::shared_ptr<const Clusters> open(const std::filesystem::path &folder);
    /// From an assignment int32 [N] (each in [0, states)); for imports and tests. Throws BadInput otherwise.
    static std::shared_ptr<const Clusters> fromAssignment(std::vector<std::int32_t> stateOfEntry, std::int32_t states);
    /// Writes the artefact; `identity` is recorded beside the assignment's own hash.
    static void write(const std::filesystem::path &folder, std::span<const std::int32_t> stateOfEntry, std::int32_t states, Json identity, Json info);

    [[nodiscard]] std::int32_t states() const;
    [[nodiscard]] std::int64_t entries() const; ///< N
    [[nodiscard]] std::span<const std::int32_t> stateOf() const;  ///< [N]
    [[nodiscard]] std::span<const std::int64_t> offsets() const;  ///< [states + 1]
    [[nodiscard]] std::span<const std::int32_t> members() const;  ///< [N], ascending within a state
    [[nodiscard]] std::span<const std::int32_t> membersOf(StateId state) const;
    [[nodiscard]] const Manifest &manifest() const; ///< info.objective = [per iteration]
    [[nodiscard]] std::string fingerprint() const;

private:
    Clusters() = default;
    struct Data;
    std::shared_ptr<const Data> m_data;
};

/// FAISS k-means over (a sample of) the keys, then nearest-centroid assignment of all entries in resumable blocks. The
/// objective of each iteration goes to job.report's detail and into the manifest. Cancellable between and inside
/// iterations; a kill during assignment continues from the stored centroids.
void buildClusters(const std::filesystem::path &folder, const ClusterConfig &config, const Datastore &datastore, JobControl &job);

} // namespace retoscope
