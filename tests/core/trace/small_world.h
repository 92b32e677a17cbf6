// SPDX-License-Identifier: GPL-3.0-or-later
// A datastore, states and a trace small enough for a naive program, full of ties: keys and queries are small whole
// numbers, so that every distance is exact in fp32.
#pragma once

#include "trace/replay.h"

#include <cstring>
#include <limits>
#include <random>

namespace retoscope::test {

struct SmallWorld
{
    static constexpr std::int32_t entries = 300, dimension = 4, states = 24, kMax = 16, tokens = 6;
    static constexpr std::int64_t positions = 240;

    std::vector<float> keys, decoded; ///< [entries × dimension]; what the index believes them to be
    std::vector<std::int32_t> values, stateOf;
    std::vector<std::int64_t> documentStarts{0, 1, 2, 90, 91, 200, 299, 300}; ///< with documents of one token
    std::vector<std::int32_t> targets, documents, windows, ids;
    std::vector<std::int64_t> tokenIndices;
    std::vector<float> lm, queries, indexDistances, exactDistances;
    std::shared_ptr<const Datastore> datastore;
    std::shared_ptr<const Clusters> clusters;
    std::shared_ptr<const Trace> trace;

    [[nodiscard]] double distance(std::int64_t position, std::int64_t entry, bool exact) const
    {
        double sum = 0;
        for (std::int64_t d = 0; d < dimension; ++d) {
            const double difference = double(queries[std::size_t(position * dimension + d)])
                                      - double((exact ? keys : decoded)[std::size_t(entry * dimension + d)]);
            sum += difference * difference;
        }
        return sum;
    }

    explicit SmallWorld(unsigned seed = 1)
    {
        std::mt19937 random(seed);
        const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
        for (std::int32_t i = 0; i < entries; ++i) {
            values.push_back(pick(0, tokens - 1));
            stateOf.push_back(pick(0, states - 1));
            for (std::int32_t d = 0; d < dimension; ++d) {
                keys.push_back(float(pick(-3, 3)));
                decoded.push_back(keys.back() + float(d == 0 ? i % 3 - 1 : 0));
            }
        }
        for (std::int64_t t = 0; t < positions; ++t) {
            targets.push_back(pick(0, tokens)); // the last token has no entry
            tokenIndices.push_back(t + 1);
            documents.push_back(t < 3 ? std::int32_t(t) : t < 130 ? 3 : 4);
            windows.push_back(std::int32_t(t / 30));
            lm.push_back(-0.1f * float(pick(1, 60)));
            for (std::int32_t d = 0; d < dimension; ++d)
                queries.push_back(float(pick(-3, 3)));
            std::vector<std::pair<double, std::int32_t>> order;
            for (std::int32_t i = 0; i < entries; ++i)
                order.emplace_back(distance(t, i, false), i);
            std::sort(order.begin(), order.end());
            const int found = t % 17 == 16 ? 0 : t % 7 == 6 ? kMax - 5 : kMax; // some rows are padded, some are empty
            for (int j = 0; j < kMax; ++j) {
                constexpr float infinity = std::numeric_limits<float>::infinity();
                const bool real = j < found;
                ids.push_back(real ? order[std::size_t(j)].second : -1);
                indexDistances.push_back(real ? float(order[std::size_t(j)].first) : infinity);
                exactDistances.push_back(real ? float(distance(t, order[std::size_t(j)].second, true)) : infinity);
            }
        }
        Datastore::Parts parts;
        parts.keys.resize(keys.size() * sizeof(float));
        std::memcpy(parts.keys.data(), keys.data(), parts.keys.size());
        parts.dimension = dimension;
        parts.values = values;
        parts.documentStarts = documentStarts;
        datastore = Datastore::fromParts(std::move(parts));
        clusters = Clusters::fromAssignment(stateOf, states);
        trace = Trace::fromArrays(arrays(), nullptr, datastore);
    }
    SmallWorld(const SmallWorld &) = delete;

    [[nodiscard]] TraceArrays arrays() const
    {
        TraceArrays a;
        a.positions = positions;
        a.kMax = kMax;
        a.dimension = dimension;
        a.targets = targets;
        a.tokenIndices = tokenIndices;
        a.documents = documents;
        a.windows = windows;
        a.lmLogProbs = lm;
        a.queries = queries;
        a.neighbourIds = ids;
        a.indexDistances = indexDistances;
        a.exactDistances = exactDistances;
        return a;
    }

    [[nodiscard]] Replay replay(std::int64_t walkBytes = Replay::defaultWalkBytes) const
    {
        return Replay(trace, clusters, [this](std::span<const std::int32_t> wanted, float *out) {
            for (const std::int32_t id : wanted)
                out = std::copy_n(decoded.begin() + id * dimension, dimension, out);
        }, {}, walkBytes);
    }
};

} // namespace retoscope::test
