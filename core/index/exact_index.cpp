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
#include <atomic>
#include <bit>
#include <cmath>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

namespace retoscope {

namespace {

constexpr std::int64_t blockKeys = 1024;      ///< keys per product: block and scores stay in a core's cache
constexpr std::int64_t queryGroup = 256;      ///< queries per product
constexpr std::int64_t queryMultiple = 32;    ///< products come in few shapes, so that the library prepares few kernels
constexpr std::int64_t fewQueries = 2;        ///< up to here reading the keys once per query is faster
constexpr std::int64_t fewKeys = 16 * blockKeys;
constexpr std::int64_t sampleBlocks = 8;      ///< blocks of keys, evenly spread, from which the threshold is guessed
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

/// Workers that outlive a search, so that their memory is not asked from the system for each. Thread-safe.
class WorkerPool
{
public:
    std::vector<Worker> take()
    {
        const std::lock_guard lock(m_mutex);
        return std::exchange(m_workers, {});
    }
    void giveBack(std::vector<Worker> workers)
    {
        const std::lock_guard lock(m_mutex);
        if (workers.size() > m_workers.size())
            m_workers = std::move(workers);
    }

private:
    std::mutex m_mutex;
    std::vector<Worker> m_workers;
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

        const bool scanAll = result.queries <= fewQueries || m_datastore->size() <= fewKeys || k > m_datastore->size() / 8 || !centred().usable();
        const std::int64_t group = scanAll ? fewQueries : queryGroup;
        std::vector<Worker> workers = m_pool.take();
        for (std::int64_t begin = 0; begin < result.queries; begin += group) {
            const Group now{queries.data() + std::size_t(begin) * dimension, std::min(group, result.queries - begin), begin, k};
            if (scanAll)
                scanKeys(now, workers, result);
            else
                multiplyKeys(now, workers, result);
        }
        m_pool.giveBack(std::move(workers));
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

    /// Queries as they are multiplied, and what their products are worth.
    struct Products
    {
        std::int64_t rows = 0;           ///< queries and zeros up to a round number
        std::vector<std::byte> rounded;  ///< [rows × D], bf16 or fp32
        std::vector<ScoreBounds> bounds; ///< [queries]
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
    void overBlocks(const Group &group, std::int64_t threads, std::vector<Worker> &workers, Body body) const
    {
        const std::int64_t n = m_datastore->size();
        const std::int64_t blocks = (n + blockKeys - 1) / blockKeys;
        workers.resize(static_cast<std::size_t>(std::min(threads, blocks)));
        std::atomic<std::int64_t> next{0};
        parallelFor(std::int64_t(workers.size()), 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t w = begin; w < end; ++w) {
                Worker &worker = workers[std::size_t(w)];
                worker.candidates.resize(std::max(worker.candidates.size(), std::size_t(group.count)));
                for (std::int64_t q = 0; q < group.count; ++q)
                    worker.candidates[std::size_t(q)].reset(std::size_t(group.k), blockKeys);
                for (std::int64_t block = next++; block < blocks; block = next++) {
                    const std::int64_t first = block * blockKeys;
                    body(worker, first, std::min(blockKeys, n - first));
                }
            }
        });
    }

    /// Few queries: exact distances of all keys.
    void scanKeys(const Group &group, std::vector<Worker> &workers, Neighbours &result) const
    {
        std::vector<Threshold> thresholds(static_cast<std::size_t>(group.count));
        overBlocks(group, threadCount(), workers, [&](Worker &worker, std::int64_t first, std::int64_t count) {
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
        parallelFor(group.count, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t q = begin; q < end; ++q)
                finish(group, q, workers, std::numeric_limits<float>::infinity(), result);
        });
    }

    /// Many queries: approximate products, block by block.
    void multiplyKeys(const Group &group, std::vector<Worker> &workers, Neighbours &result) const
    {
        const CentredKeys &keys = centred();
        const std::int64_t n = m_datastore->size();
        const Products products = prepareProducts(group);
        const std::vector<float> guesses = guessThresholds(group, products);
        std::vector<Threshold> thresholds(static_cast<std::size_t>(group.count));
        for (std::size_t q = 0; q < thresholds.size(); ++q)
            thresholds[q].lower(guesses[q]);

        // Without native bf16 the product is BLAS's, which brings its own threads.
        overBlocks(group, keys.bf16() ? threadCount() : 1, workers, [&](Worker &worker, std::int64_t first, std::int64_t count) {
            // The last block reaches back, so that every product has the same shape.
            const std::int64_t begin = std::min(first, n - blockKeys);
            multiplyBlock(products, begin, 1, worker.keys, worker.scores);
            for (std::int64_t q = 0; q < group.count; ++q) {
                CandidateBuffer &buffer = makeRoom(group, worker, q, count, thresholds);
                const std::byte *scores = worker.scores.data() + std::size_t(q * blockKeys + first - begin) * keys.elementBytes();
                buffer.grow(keys.scan(scores, keys.squaredNorms().data() + first, keys.lengths().data() + first, count, std::int32_t(first),
                                      products.bounds[std::size_t(q)], thresholds[std::size_t(q)].get(), buffer.nextLower(), buffer.nextUpper(),
                                      buffer.nextId()));
            }
        });

        std::vector<char> proven(static_cast<std::size_t>(group.count));
        parallelFor(group.count, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t q = begin; q < end; ++q)
                proven[std::size_t(q)] = finish(group, q, workers, guesses[std::size_t(q)], result);
        });
        for (std::int64_t q = 0; q < group.count; ++q) {
            if (!proven[std::size_t(q)])
                scanKeys({query(group, q), 1, group.first + q, group.k}, workers, result);
        }
    }

    /// scores [rows × blockKeys] = ⟨query, key⟩ for the keys begin, begin + stride, …
    void multiplyBlock(const Products &products, std::int64_t begin, std::int64_t stride, std::vector<std::byte> &keyRows,
                       std::vector<std::byte> &scoreRows) const
    {
        const CentredKeys &keys = centred();
        const std::int64_t dimension = m_datastore->dimension();
        const auto type = keys.bf16() ? at::kBFloat16 : at::kFloat;
        keyRows.resize(std::size_t(blockKeys * dimension) * keys.elementBytes());
        scoreRows.resize(std::size_t(blockKeys * products.rows) * keys.elementBytes());
        keys.convert(begin, blockKeys, stride, keyRows.data());

        const std::optional<SingleOpenMpThread> single = keys.bf16() ? std::make_optional<SingleOpenMpThread>() : std::nullopt;
        const c10::InferenceMode inference;
        at::Tensor scores = at::from_blob(scoreRows.data(), {products.rows, blockKeys}, type);
        const at::Tensor queries = at::from_blob(const_cast<std::byte *>(products.rounded.data()), {products.rows, dimension}, type);
        at::mm_out(scores, queries, at::from_blob(keyRows.data(), {blockKeys, dimension}, type).t());
    }

    /// A distance below which the k nearest keys probably lie, from an even sample of the keys: it spares the scan most of
    /// its candidates. finish() finds out when it was too small.
    std::vector<float> guessThresholds(const Group &group, const Products &products) const
    {
        const CentredKeys &keys = centred();
        const std::int64_t stride = m_datastore->size() / (sampleBlocks * blockKeys) + 1;
        const std::int64_t blocks = std::min(sampleBlocks, m_datastore->size() / (stride * blockKeys));
        const auto sample = std::size_t(blocks * blockKeys);
        const double expected = double(group.k) * double(sample) / double(m_datastore->size());
        const auto rank = std::size_t(expected + 4 * std::sqrt(expected) + 4);
        std::vector<float> guesses(std::size_t(group.count), std::numeric_limits<float>::infinity());
        if (rank >= sample / 2)
            return guesses;

        std::vector<float> uppers(std::size_t(group.count) * sample);
        parallelFor(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
            std::vector<std::byte> keyRows, scoreRows;
            std::vector<float> norms(blockKeys), lengths(blockKeys), lower(blockKeys + CandidateBuffer::slack), upper(lower);
            std::vector<std::int32_t> ids(lower.size());
            for (std::int64_t block = begin; block < end; ++block) {
                const std::int64_t first = block * blockKeys * stride;
                multiplyBlock(products, first, stride, keyRows, scoreRows);
                for (std::size_t i = 0; i < norms.size(); ++i) {
                    norms[i] = keys.squaredNorms()[std::size_t(first) + i * std::size_t(stride)];
                    lengths[i] = keys.lengths()[std::size_t(first) + i * std::size_t(stride)];
                }
                for (std::int64_t q = 0; q < group.count; ++q) {
                    keys.scan(scoreRows.data() + std::size_t(q * blockKeys) * keys.elementBytes(), norms.data(), lengths.data(), blockKeys, 0,
                              products.bounds[std::size_t(q)], std::numeric_limits<float>::max(), lower.data(), upper.data(), ids.data());
                    std::copy_n(upper.begin(), blockKeys, uppers.begin() + q * std::int64_t(sample) + block * blockKeys);
                }
            }
        });
        parallelFor(group.count, 8, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t q = begin; q < end; ++q) {
                const auto row = uppers.begin() + q * std::int64_t(sample);
                std::nth_element(row, row + std::ptrdiff_t(rank), row + std::ptrdiff_t(sample));
                guesses[std::size_t(q)] = row[std::ptrdiff_t(rank)];
            }
        });
        return guesses;
    }

    /// The rounded queries and the error bound of their products.
    ///
    /// With c the centred key, r its rounding, p the (centred) query, s the computed product of the roundings:
    ///   |⟨p, c⟩ − s| ≤ ‖p‖‖c − r‖ + ‖p − round(p)‖‖r‖ + γ‖round(p)‖‖r‖ + (rounding of s itself)
    /// by Cauchy and Schwarz, γ = (D + 8)u for fp32 accumulation in any order (Higham 2002, section 3.1; doubled). The terms
    /// with `slack` cover the rounding of norms, of centring, of this arithmetic and of the exact kernel itself.
    Products prepareProducts(const Group &group) const
    {
        const CentredKeys &keys = centred();
        const auto dimension = std::size_t(m_datastore->dimension());
        const bool l2 = m_metric == Metric::L2;
        const double accumulation = 2 * double(dimension + 8) * epsilon;
        const double slack = 4 * double(dimension + 16) * epsilon;
        Products products;
        products.rows = (group.count + queryMultiple - 1) / queryMultiple * queryMultiple;
        products.rounded.resize(std::size_t(products.rows) * dimension * keys.elementBytes());
        products.bounds.resize(std::size_t(group.count));
        std::vector<float> shifted(dimension);
        for (std::int64_t q = 0; q < group.count; ++q) {
            const double error = keys.round(query(group, q), l2, shifted.data(), products.rounded.data() + std::size_t(q) * dimension * keys.elementBytes());
            const double squared = std::inner_product(shifted.begin(), shifted.end(), shifted.begin(), 0.0);
            const double length = std::sqrt(squared);
            const double product = length * keys.relativeError() + error + accumulation * (length + error);
            ScoreBounds &bounds = products.bounds[std::size_t(q)];
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
        return products;
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

    /// Exact distances of the candidates of all threads; the k nearest go into the result. False when the guessed threshold
    /// may have hidden one of them: unless k candidates are certainly within it.
    bool finish(const Group &group, std::int64_t q, const std::vector<Worker> &workers, float guess, Neighbours &result) const
    {
        const auto k = std::size_t(group.k);
        std::vector<float> distances;
        for (const Worker &worker : workers) {
            const CandidateBuffer &buffer = worker.candidates[std::size_t(q)];
            for (std::size_t i = 0; i < buffer.size(); ++i)
                distances.push_back(buffer.upper(i));
        }
        float limit = std::numeric_limits<float>::infinity();
        if (distances.size() >= k) {
            std::nth_element(distances.begin(), distances.begin() + std::ptrdiff_t(k - 1), distances.end());
            limit = distances[k - 1];
        }
        if (limit > guess)
            return false;

        std::vector<std::int32_t> ids;
        for (const Worker &worker : workers) {
            const CandidateBuffer &buffer = worker.candidates[std::size_t(q)];
            for (std::size_t i = 0; i < buffer.size(); ++i) {
                if (buffer.lower(i) <= limit)
                    ids.push_back(buffer.ids()[i]);
            }
        }
        distances.resize(ids.size());
        measure(query(group, q), ids, distances.data());
        std::vector<std::uint64_t> order(ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i)
            order[i] = sortKey(distances[i], ids[i]);
        const std::size_t found = std::min(k, order.size());
        std::nth_element(order.begin(), order.begin() + std::ptrdiff_t(found), order.end());
        std::sort(order.begin(), order.begin() + std::ptrdiff_t(found));
        const std::size_t row = std::size_t(group.first + q) * k;
        for (std::size_t i = 0; i < found; ++i) {
            result.ids[row + i] = std::int32_t(std::uint32_t(order[i]));
            result.distances[row + i] = distanceOf(order[i]);
        }
        return true;
    }

    std::shared_ptr<const Datastore> m_datastore;
    Metric m_metric;
    Manifest m_manifest;
    mutable std::once_flag m_once;
    mutable std::unique_ptr<CentredKeys> m_centred; ///< made by the first search of many queries
    mutable WorkerPool m_pool;
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
