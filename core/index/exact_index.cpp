// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/exact_index.h"

#include "base/error.h"
#include "base/threads.h"
#include "datastore/distance.h"
#include "index/candidates.h"
#include "index/centred_keys.h"
#include "index/layout.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <numeric>

namespace retoscope {

namespace {

constexpr std::int64_t blockKeys = 2048;      ///< keys per product: block and scores stay in a core's cache
constexpr std::int64_t queryGroup = 256;      ///< queries per product
constexpr std::int64_t queryMultiple = 32;    ///< products come in few shapes, so that the library prepares few kernels
constexpr std::int64_t fewQueries = 2;        ///< up to here reading the keys once per query is faster
constexpr std::int64_t fewKeys = 8 * blockKeys;
constexpr double epsilon = 0x1p-24;           ///< unit roundoff of fp32
constexpr double bf16Rounding = 1.01 * 0x1p-9;

/// Unsigned integers in the order of (distance, id).
std::uint64_t sortKey(float distance, std::int32_t id)
{
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(distance + 0.0f); // −0 becomes +0
    const std::uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return std::uint64_t(ordered) << 32 | std::uint32_t(id);
}

float distanceOf(std::uint64_t key)
{
    const auto ordered = static_cast<std::uint32_t>(key >> 32);
    return std::bit_cast<float>(ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered);
}

/// One OpenMP thread for the libraries that this thread calls: our own threads share the work already.
class SingleOpenMpThread
{
public:
    SingleOpenMpThread() : m_before((at::get_num_threads(), omp_get_max_threads())) { omp_set_num_threads(1); }
    ~SingleOpenMpThread() { omp_set_num_threads(m_before); }
    SingleOpenMpThread(const SingleOpenMpThread &) = delete;
    SingleOpenMpThread &operator=(const SingleOpenMpThread &) = delete;

private:
    int m_before;
};

/// What a thread of a search keeps between blocks.
struct Worker
{
    std::vector<CandidateBuffer> candidates; ///< one per query of the group
    std::vector<float> distances;
    std::vector<std::byte> keys, scores;
};

class ExactIndex final : public Index
{
public:
    ExactIndex(std::shared_ptr<const Datastore> datastore, Metric metric, Manifest manifest)
        : m_datastore(std::move(datastore)), m_metric(metric), m_manifest(std::move(manifest))
    {
    }

    void search(std::span<const float> queries, std::int32_t k, const SearchParameters &, Neighbours &result) const override
    {
        const auto dimension = std::size_t(m_datastore->dimension());
        if (k < 1)
            fail(ErrorKind::BadInput, "A search for k = {} neighbours makes no sense; k must be at least 1.", k);
        if (queries.size() % dimension != 0)
            fail(ErrorKind::BadInput, "The queries are {} numbers, which is not a multiple of the datastore's dimension {}.", queries.size(), dimension);
        const auto bad = std::ranges::find_if_not(queries, [](float value) { return std::isfinite(value); });
        if (bad != queries.end())
            fail(ErrorKind::BadInput, "Query {} holds {}, so that it is near to nothing; check the model.", std::size_t(bad - queries.begin()) / dimension, *bad);
        result.queries = std::int64_t(queries.size() / dimension);
        result.k = k;
        result.ids.assign(std::size_t(result.queries) * std::size_t(k), -1);
        result.distances.assign(result.ids.size(), std::numeric_limits<float>::infinity());

        const bool scanAll = result.queries <= fewQueries || m_datastore->size() <= fewKeys || k > m_datastore->size() / 4 || !centred().usable();
        const std::int64_t group = scanAll ? fewQueries : queryGroup;
        for (std::int64_t begin = 0; begin < result.queries; begin += group) {
            const std::int64_t count = std::min(group, result.queries - begin);
            const Group now{queries.data() + std::size_t(begin) * dimension, count, begin, k};
            std::vector<Threshold> thresholds(static_cast<std::size_t>(count));
            const std::vector<Worker> workers = scanAll ? scanKeys(now, thresholds) : multiplyKeys(now, thresholds);
            finish(now, workers, thresholds, result);
        }
    }

    void reconstruct(std::span<const std::int32_t> ids, float *out) const override { m_datastore->gatherKeys(ids, out); }
    [[nodiscard]] bool isExact() const override { return true; }
    [[nodiscard]] Metric metric() const override { return m_metric; }
    [[nodiscard]] std::string factory() const override { return layout::exactFactory; }
    [[nodiscard]] std::uint64_t bytes() const override { return std::uint64_t(m_datastore->size()) * 2 * sizeof(float); }
    [[nodiscard]] const Manifest &manifest() const override { return m_manifest; }

private:
    /// Queries that walk over the keys together.
    struct Group
    {
        const float *queries = nullptr; ///< [count × D]
        std::int64_t count = 0;
        std::int64_t first = 0;         ///< row of the result
        std::int32_t k = 0;
    };

    const CentredKeys &centred() const
    {
        std::call_once(m_once, [this] { m_centred = std::make_unique<CentredKeys>(m_datastore->keys()); });
        return *m_centred;
    }

    const float *query(const Group &group, std::int64_t q) const { return group.queries + std::size_t(q) * std::size_t(m_datastore->dimension()); }

    void measure(const float *query, std::span<const std::int32_t> ids, float *out) const
    {
        if (m_metric == Metric::L2)
            squaredDistances(m_datastore->keys(), query, ids, out);
        else
            negatedInnerProducts(m_datastore->keys(), query, ids, out);
    }

    /// Calls body(worker, firstKey, count) for all blocks, each thread with its own worker and its blocks ascending.
    template<typename Body>
    std::vector<Worker> overBlocks(const Group &group, std::int64_t threads, Body body) const
    {
        const std::int64_t n = m_datastore->size();
        const std::int64_t blocks = (n + blockKeys - 1) / blockKeys;
        std::vector<Worker> workers(static_cast<std::size_t>(std::min(threads, blocks)));
        std::atomic<std::int64_t> next{0};
        parallelFor(std::int64_t(workers.size()), 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t w = begin; w < end; ++w) {
                Worker &worker = workers[std::size_t(w)];
                worker.candidates.resize(std::size_t(group.count));
                for (CandidateBuffer &buffer : worker.candidates)
                    buffer.reset(std::size_t(group.k), blockKeys);
                for (std::int64_t block = next++; block < blocks; block = next++) {
                    const std::int64_t first = block * blockKeys;
                    body(worker, first, std::min(blockKeys, n - first));
                }
            }
        });
        return workers;
    }

    /// Few queries: exact distances of all keys.
    std::vector<Worker> scanKeys(const Group &group, std::vector<Threshold> &thresholds) const
    {
        return overBlocks(group, threadCount(), [&](Worker &worker, std::int64_t first, std::int64_t count) {
            std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
            std::iota(ids.begin(), ids.end(), std::int32_t(first));
            worker.distances.resize(ids.size());
            for (std::int64_t q = 0; q < group.count; ++q) {
                CandidateBuffer &buffer = makeRoom(group, worker, q, count, thresholds);
                measure(query(group, q), ids, worker.distances.data());
                const float limit = thresholds[std::size_t(q)].get();
                float *lower = buffer.nextLower(), *upper = buffer.nextUpper();
                std::int32_t *id = buffer.nextId();
                std::size_t found = 0;
                for (std::size_t j = 0; j < ids.size(); ++j) {
                    lower[found] = upper[found] = worker.distances[j];
                    id[found] = ids[j];
                    found += worker.distances[j] <= limit;
                }
                buffer.grow(found);
            }
        });
    }

    /// Many queries: approximate products, block by block.
    std::vector<Worker> multiplyKeys(const Group &group, std::vector<Threshold> &thresholds) const
    {
        const CentredKeys &keys = centred();
        const std::int64_t dimension = m_datastore->dimension();
        const std::int64_t rows = (group.count + queryMultiple - 1) / queryMultiple * queryMultiple;
        const auto type = keys.bf16() ? at::kBFloat16 : at::kFloat;
        std::vector<std::byte> rounded(std::size_t(rows * dimension) * keys.elementBytes());
        const std::vector<ScoreBounds> bounds = roundQueries(group, rounded);

        // Without native bf16 the product is BLAS's, which brings its own threads.
        const std::int64_t threads = keys.bf16() ? threadCount() : 1;
        return overBlocks(group, threads, [&](Worker &worker, std::int64_t first, std::int64_t count) {
            const SingleOpenMpThread single;
            const c10::InferenceMode inference;
            worker.keys.resize(std::size_t(blockKeys * dimension) * keys.elementBytes());
            worker.scores.resize(std::size_t(blockKeys * rows) * keys.elementBytes());
            // The last block reaches back, so that every product has the same shape.
            const std::int64_t begin = std::min(first, m_datastore->size() - blockKeys);
            keys.convert(begin, blockKeys, worker.keys.data());
            at::Tensor scores = at::from_blob(worker.scores.data(), {rows, blockKeys}, type);
            at::mm_out(scores, at::from_blob(rounded.data(), {rows, dimension}, type),
                       at::from_blob(worker.keys.data(), {blockKeys, dimension}, type).t());
            for (std::int64_t q = 0; q < group.count; ++q) {
                CandidateBuffer &buffer = makeRoom(group, worker, q, count, thresholds);
                const std::byte *row = worker.scores.data() + std::size_t(q * blockKeys + first - begin) * keys.elementBytes();
                buffer.grow(keys.scan(row, first, count, bounds[std::size_t(q)], thresholds[std::size_t(q)].get(), buffer.nextLower(),
                                      buffer.nextUpper(), buffer.nextId()));
            }
        });
    }

    /// The rounded queries and the error bound of their products.
    ///
    /// With c the centred key, r its rounding, p the (centred) query, s the computed product of the roundings:
    ///   |⟨p, c⟩ − s| ≤ ‖p‖‖c − r‖ + ‖p − round(p)‖‖r‖ + γ‖round(p)‖‖r‖ + (rounding of s itself)
    /// by Cauchy and Schwarz, γ = (D + 8)u for fp32 accumulation in any order (Higham 2002, section 3.1; doubled). The terms
    /// with `slack` cover the rounding of norms, of centring, of this arithmetic and of the exact kernel itself.
    std::vector<ScoreBounds> roundQueries(const Group &group, std::vector<std::byte> &rounded) const
    {
        const CentredKeys &keys = centred();
        const auto dimension = std::size_t(m_datastore->dimension());
        const bool l2 = m_metric == Metric::L2;
        const double accumulation = 2 * double(dimension + 8) * epsilon;
        const double slack = 4 * double(dimension + 16) * epsilon;
        std::vector<ScoreBounds> all(static_cast<std::size_t>(group.count));
        std::vector<float> shifted(dimension);
        for (std::int64_t q = 0; q < group.count; ++q) {
            const double error = keys.round(query(group, q), l2, shifted.data(), rounded.data() + std::size_t(q) * dimension * keys.elementBytes());
            const double squared = std::inner_product(shifted.begin(), shifted.end(), shifted.begin(), 0.0);
            const double length = std::sqrt(squared);
            const double product = length * keys.relativeError() + error + accumulation * (length + error);
            ScoreBounds &bounds = all[std::size_t(q)];
            if (l2) { // ‖p‖² + ‖c‖² − 2⟨p, c⟩
                bounds.lowerConstant = float(squared * (1 - slack));
                bounds.upperConstant = float(squared * (1 + slack));
                bounds.lowerNorm = float(1 - slack);
                bounds.upperNorm = float(1 + slack);
                bounds.norm = float(2 * product * (1 + 1e-4));
                bounds.scale = 2;
            } else { // −⟨p, μ⟩ − ⟨p, c⟩
                const double shift = -std::inner_product(shifted.begin(), shifted.end(), keys.mean().begin(), 0.0);
                const double width = slack * length * keys.meanLength();
                bounds.lowerConstant = float(shift - width);
                bounds.upperConstant = float(shift + width);
                bounds.norm = float((product + slack * length) * (1 + 1e-4));
                bounds.scale = 1;
            }
            bounds.rounding = keys.bf16() ? float(bounds.scale * bf16Rounding) : 0.0f;
        }
        return all;
    }

    /// Room for `count` more candidates of query q; when bounds cannot tell enough keys apart (many equal ones), distances do.
    CandidateBuffer &makeRoom(const Group &group, Worker &worker, std::int64_t q, std::int64_t count, std::vector<Threshold> &thresholds) const
    {
        CandidateBuffer &buffer = worker.candidates[std::size_t(q)];
        if (!buffer.makeRoom(std::size_t(count), thresholds[std::size_t(q)])) {
            std::vector<float> distances(buffer.size());
            measure(query(group, q), {buffer.ids(), buffer.size()}, distances.data());
            buffer.keepNearest(distances, thresholds[std::size_t(q)]);
        }
        return buffer;
    }

    /// Exact distances of the candidates of all threads; the k nearest go into the result.
    void finish(const Group &group, const std::vector<Worker> &workers, std::vector<Threshold> &thresholds, Neighbours &result) const
    {
        parallelFor(group.count, 1, [&](std::int64_t begin, std::int64_t end) {
            std::vector<std::int32_t> ids;
            std::vector<float> uppers, distances;
            std::vector<std::uint64_t> order;
            const auto k = std::size_t(group.k);
            for (std::int64_t q = begin; q < end; ++q) {
                uppers.clear();
                for (const Worker &worker : workers) {
                    const CandidateBuffer &buffer = worker.candidates[std::size_t(q)];
                    for (std::size_t i = 0; i < buffer.size(); ++i)
                        uppers.push_back(buffer.upper(i));
                }
                if (uppers.size() > k) {
                    std::nth_element(uppers.begin(), uppers.begin() + std::ptrdiff_t(k - 1), uppers.end());
                    thresholds[std::size_t(q)].lower(uppers[k - 1]);
                }
                const float limit = thresholds[std::size_t(q)].get();
                ids.clear();
                for (const Worker &worker : workers) {
                    const CandidateBuffer &buffer = worker.candidates[std::size_t(q)];
                    for (std::size_t i = 0; i < buffer.size(); ++i) {
                        if (buffer.lower(i) <= limit)
                            ids.push_back(buffer.ids()[i]);
                    }
                }
                distances.resize(ids.size());
                measure(query(group, q), ids, distances.data());
                order.clear();
                for (std::size_t i = 0; i < ids.size(); ++i)
                    order.push_back(sortKey(distances[i], ids[i]));
                const std::size_t found = std::min(k, order.size());
                if (found < order.size())
                    std::nth_element(order.begin(), order.begin() + std::ptrdiff_t(found), order.end());
                std::sort(order.begin(), order.begin() + std::ptrdiff_t(found));
                const std::size_t row = std::size_t(group.first + q) * k;
                for (std::size_t i = 0; i < found; ++i) {
                    result.ids[row + i] = std::int32_t(std::uint32_t(order[i]));
                    result.distances[row + i] = distanceOf(order[i]);
                }
            }
        });
    }

    std::shared_ptr<const Datastore> m_datastore;
    Metric m_metric;
    Manifest m_manifest;
    mutable std::once_flag m_once;
    mutable std::unique_ptr<CentredKeys> m_centred; ///< made by the first search of many queries
};

} // namespace

std::shared_ptr<const Index> makeExactIndex(std::shared_ptr<const Datastore> datastore, Metric metric, Manifest manifest)
{
    return std::make_shared<ExactIndex>(std::move(datastore), metric, std::move(manifest));
}

Manifest exactManifest(const Datastore &datastore, Metric metric)
{
    Manifest manifest;
    manifest.format = layout::indexFormat;
    manifest.version = layout::indexVersion;
    manifest.identity = {{"factory", layout::exactFactory}, {"metric", toString(metric)}, {"datastore", datastore.fingerprint()}};
    return manifest;
}

} // namespace retoscope
