// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "base/job.h"
#include "index/index.h"
#include "index/sample.h"

#include <algorithm>

namespace retoscope {

Recall measureRecall(const Index &index, const Datastore &datastore, std::int32_t at, std::int64_t sample, const SearchParameters &parameters,
                     std::uint64_t seed, JobControl &job)
{
    if (at < 1 || sample < 1)
        fail(ErrorKind::BadInput, "Recall needs at least one neighbour and one query, not {} and {}.", at, sample);
    constexpr std::size_t batch = 64;
    const std::vector<std::int32_t> entries = sampleEntries(datastore.size(), sample, seed);
    // The datastore outlives this call; the exact index need not own it.
    const auto exact = Index::exact(std::shared_ptr<const Datastore>(std::shared_ptr<const Datastore>(), &datastore), index.metric());
    const auto dimension = std::size_t(datastore.dimension());
    std::vector<float> queries;
    Neighbours found, truth;
    std::int64_t hits = 0, wanted = 0;
    for (std::size_t begin = 0; begin < entries.size(); begin += batch) {
        job.checkpoint();
        job.report("measuring recall", "queries", std::int64_t(begin), std::int64_t(entries.size()));
        const std::span<const std::int32_t> ids = std::span(entries).subspan(begin, std::min(batch, entries.size() - begin));
        queries.resize(ids.size() * dimension);
        datastore.gatherKeys(ids, queries.data());
        exact->search(queries, at, {}, truth);
        index.search(queries, at, parameters, found);
        for (std::size_t q = 0; q < ids.size(); ++q) {
            const auto row = [&](Neighbours &neighbours) {
                const std::span<std::int32_t> all(neighbours.ids.data() + q * std::size_t(at), std::size_t(at));
                std::ranges::sort(all);
                return all.subspan(std::size_t(std::ranges::count(all, -1)));
            };
            const auto expected = row(truth), got = row(found);
            std::vector<std::int32_t> common;
            std::ranges::set_intersection(expected, got, std::back_inserter(common));
            hits += std::int64_t(common.size());
            wanted += std::int64_t(expected.size());
        }
    }
    job.report("measuring recall", "queries", std::int64_t(entries.size()), std::int64_t(entries.size()));
    return {at, std::int64_t(entries.size()), wanted > 0 ? double(hits) / double(wanted) : 0.0, parameters};
}

} // namespace retoscope
