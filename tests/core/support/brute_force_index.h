// SPDX-License-Identifier: GPL-3.0-or-later
// An index for tests that is nothing but its definition: every key is looked at, in double precision. With a grid the keys
// are rounded to its multiples first, which makes it an approximate index whose distances differ from the exact ones.
// One thread, no library: it may run in a forked child.
#pragma once

#include "index/index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

namespace retoscope::test {

class BruteForceIndex final : public Index
{
public:
    /// grid 0: exact. `reach`: at most so many neighbours are found, the rest of a row is padding (−1: no limit).
    explicit BruteForceIndex(std::shared_ptr<const Datastore> datastore, float grid = 0, Metric metric = Metric::L2, std::int32_t reach = -1)
        : m_datastore(std::move(datastore)), m_grid(grid), m_metric(metric), m_reach(reach)
    {
        m_keys.resize(std::size_t(m_datastore->size()) * dimension());
        m_datastore->copyKeys(0, m_datastore->size(), m_keys.data());
        if (grid > 0) {
            for (float &value : m_keys)
                value = std::round(value / grid) * grid;
        }
        m_manifest.format = "brute-force";
        m_manifest.identity = {{"datastore", m_datastore->fingerprint()}, {"grid", grid}, {"metric", toString(metric)}, {"reach", reach}};
    }

    void search(std::span<const float> queries, std::int32_t k, const SearchParameters &, Neighbours &result) const override
    {
        result.queries = std::int64_t(queries.size() / dimension());
        result.k = k;
        result.ids.assign(std::size_t(result.queries) * std::size_t(k), -1);
        result.distances.assign(result.ids.size(), std::numeric_limits<float>::infinity());
        const auto entries = std::size_t(m_datastore->size());
        std::vector<double> distances(entries);
        std::vector<std::int32_t> order(entries);
        std::size_t found = std::min(entries, std::size_t(k));
        if (m_reach >= 0)
            found = std::min(found, std::size_t(m_reach));
        for (std::size_t q = 0; q < std::size_t(result.queries); ++q) {
            for (std::size_t i = 0; i < entries; ++i)
                distances[i] = distance(&queries[q * dimension()], &m_keys[i * dimension()]);
            std::iota(order.begin(), order.end(), 0);
            std::partial_sort(order.begin(), order.begin() + std::ptrdiff_t(found), order.end(), [&](std::int32_t a, std::int32_t b) {
                return std::pair(distances[std::size_t(a)], a) < std::pair(distances[std::size_t(b)], b);
            });
            for (std::size_t j = 0; j < found; ++j) {
                result.ids[q * std::size_t(k) + j] = order[j];
                result.distances[q * std::size_t(k) + j] = float(distances[std::size_t(order[j])]);
            }
        }
    }

    void reconstruct(std::span<const std::int32_t> ids, float *out) const override
    {
        for (std::size_t j = 0; j < ids.size(); ++j)
            std::copy_n(&m_keys[std::size_t(ids[j]) * dimension()], dimension(), out + j * dimension());
    }

    [[nodiscard]] bool isExact() const override { return m_grid == 0; }
    [[nodiscard]] Metric metric() const override { return m_metric; }
    [[nodiscard]] std::string factory() const override { return "brute-force"; }
    [[nodiscard]] std::uint64_t bytes() const override { return m_keys.size() * sizeof(float); }
    [[nodiscard]] const Manifest &manifest() const override { return m_manifest; }

private:
    [[nodiscard]] std::size_t dimension() const { return std::size_t(m_datastore->dimension()); }

    [[nodiscard]] double distance(const float *query, const float *key) const
    {
        double sum = 0;
        for (std::size_t d = 0; d < dimension(); ++d) {
            const double difference = double(query[d]) - double(key[d]);
            sum += m_metric == Metric::L2 ? difference * difference : -double(query[d]) * double(key[d]);
        }
        return sum;
    }

    std::shared_ptr<const Datastore> m_datastore;
    float m_grid;
    Metric m_metric;
    std::int32_t m_reach;
    std::vector<float> m_keys;
    Manifest m_manifest;
};

} // namespace retoscope::test
