// SPDX-License-Identifier: GPL-3.0-or-later
// Query → neighbours. Distances: smaller is nearer, always (squared L2, or the negated inner product).
#pragma once

#include "base/manifest.h"
#include "datastore/datastore.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

class JobControl;

enum class Metric { L2, InnerProduct };
std::string_view toString(Metric metric); ///< "l2", "ip"
Metric metricFromString(std::string_view text);

/// Parameters travel with the call; nothing mutates a shared index.
struct SearchParameters
{
    std::int32_t nprobe = 0;   ///< inverted lists visited; 0: the index's default (32, or all if fewer)
    std::int32_t efSearch = 0; ///< HNSW; 0: default
    friend bool operator==(const SearchParameters &, const SearchParameters &) = default;
};
void to_json(Json &json, const SearchParameters &parameters);
void from_json(const Json &json, SearchParameters &parameters);

/// Row-major [queries × k], nearest first; id −1 with an infinite distance pads rows with fewer than k results.
struct Neighbours
{
    std::int64_t queries = 0;
    std::int32_t k = 0;
    std::vector<std::int32_t> ids;
    std::vector<float> distances;
};

struct IndexConfig
{
    std::string factory = "exact"; ///< "exact" (ours) or any FAISS factory string, e.g. "IVF256,PQ32", "HNSW32", "OPQ16_64,IVF1024,PQ16"
    Metric metric = Metric::L2;
    std::int64_t trainSample = 0;  ///< keys drawn without replacement for training; 0: min(N, 1,000,000)
    std::uint64_t seed = 1;
    std::int64_t recallSample = 200; ///< queries (stored keys with noise-free leave-self-in) for the recall measurement; 0: skip
    std::int32_t recallAt = 64;
};
void to_json(Json &json, const IndexConfig &config);
void from_json(const Json &json, IndexConfig &config);

/// Immutable; thread-safe to search.
class Index
{
public:
    virtual ~Index() = default;

    /// Opens an artefact made by buildIndex() for this datastore. Throws Mismatch naming the field when it belongs to
    /// another one, Corrupt when a size or checksum in the file's header does not fit its length.
    static std::shared_ptr<const Index> open(const std::filesystem::path &folder, std::shared_ptr<const Datastore> datastore);
    /// Exact search needs no artefact.
    static std::shared_ptr<const Index> exact(std::shared_ptr<const Datastore> datastore, Metric metric = Metric::L2);

    /// Fills `result` for n queries [n × D]. Throws BadInput for k < 1. k may exceed N (rows are padded).
    virtual void search(std::span<const float> queries, std::int32_t k, const SearchParameters &parameters, Neighbours &result) const = 0;
    /// What the index believes the keys of these entries to be (decoded from its codes), [ids × D]; the stored keys for
    /// an exact index. Throws BadInput when the index cannot.
    virtual void reconstruct(std::span<const std::int32_t> ids, float *out) const = 0;
    [[nodiscard]] virtual bool isExact() const = 0;   ///< distances are those of the stored keys
    [[nodiscard]] virtual Metric metric() const = 0;
    [[nodiscard]] virtual std::string factory() const = 0;
    [[nodiscard]] virtual std::uint64_t bytes() const = 0;
    [[nodiscard]] virtual const Manifest &manifest() const = 0; ///< info.recall = {at, value, sample, nprobe}
    [[nodiscard]] std::string fingerprint() const { return manifest().fingerprint(); }
};

/// Trains, adds in blocks (resumable after a kill, progress, cancel), measures recall@k against exact search on a sample
/// and writes the artefact.
void buildIndex(const std::filesystem::path &folder, const IndexConfig &config, std::shared_ptr<const Datastore> datastore, JobControl &job);

/// Takes over a FAISS index file of others, after walking its whole structure: an index of this datastore's entries in
/// order. Only config's recall settings and seed are used. Throws Corrupt, Mismatch or BadInput, each a sentence.
void importIndex(const std::filesystem::path &folder, const std::filesystem::path &file, std::shared_ptr<const Datastore> datastore,
                 const IndexConfig &config, JobControl &job);

struct Recall
{
    std::int32_t at = 0;
    std::int64_t sample = 0;
    double value = 0; ///< mean share of the true `at` nearest neighbours that were found
    SearchParameters parameters;
};
/// Queries are `sample` keys drawn with a seed.
Recall measureRecall(const Index &index, const Datastore &datastore, std::int32_t at, std::int64_t sample,
                     const SearchParameters &parameters, std::uint64_t seed, JobControl &job);

} // namespace retoscope
