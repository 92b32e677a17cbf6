// SPDX-License-Identifier: GPL-3.0-or-later
// A trace of the size that the project promises response times for: 25,000 positions × 1,024 neighbours over 500,000
// keys of 256 dimensions. The text is made of phrases that recur, so that pointers survive as they do in real text, and
// entries of one context lie all over the datastore, as real neighbours do.
#pragma once

#include "base/threads.h"
#include "datastore/distance.h"
#include "trace/replay.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

namespace retoscope::bench {

class SyntheticTrace
{
public:
    static constexpr std::int32_t entries = 500'000, dimension = 256, states = 5'000, kMax = 1024;
    static constexpr std::int64_t positions = 25'000;

    std::shared_ptr<const Trace> trace;
    std::shared_ptr<const Clusters> clusters;

    explicit SyntheticTrace(std::int64_t documentLength = 1'000) : m_documentLength(documentLength)
    {
        std::mt19937_64 random(1);
        makePhrases(random);
        const std::vector<Occurrence> corpus = makeText(entries, random), evaluation = makeText(positions, random);
        makeDatastore(corpus);
        makeTrace(evaluation, random);
    }

private:
    static constexpr std::int32_t vocabulary = 8'000, phrases = 900;
    struct Occurrence
    {
        std::int32_t context = 0; ///< which place of which phrase
        std::int32_t token = 0;   ///< what follows there
    };

    void makePhrases(std::mt19937_64 &random)
    {
        for (std::int32_t p = 0; p < phrases; ++p) {
            m_phraseStarts.push_back(std::int32_t(m_phraseTokens.size()));
            for (std::int32_t length = 4 + std::int32_t(random() % 24); length > 0; --length)
                m_phraseTokens.push_back(std::int32_t(random() % vocabulary));
        }
        m_phraseStarts.push_back(std::int32_t(m_phraseTokens.size()));
    }

    /// Phrases with Zipf-like frequencies; one token in eight is replaced.
    std::vector<Occurrence> makeText(std::int64_t length, std::mt19937_64 &random) const
    {
        std::vector<Occurrence> text;
        while (std::int64_t(text.size()) < length) {
            const double u = double(random() >> 11) * 0x1p-53;
            const auto phrase = std::size_t(double(phrases) * u * u);
            for (std::int32_t at = m_phraseStarts[phrase]; at < m_phraseStarts[phrase + 1]; ++at)
                text.push_back({at, random() % 8 == 0 ? std::int32_t(random() % vocabulary) : m_phraseTokens[std::size_t(at)]});
        }
        text.resize(std::size_t(length));
        return text;
    }

    /// The hidden state of a context: a fixed direction of its own, blurred.
    static void fillKey(std::int32_t context, std::uint64_t noiseSeed, float *key)
    {
        std::minstd_rand direction(unsigned(context) + 1), noise(unsigned(noiseSeed) + 1);
        for (std::int32_t d = 0; d < dimension; ++d)
            key[d] = float(direction() % 2000) / 1000.f - 1 + 0.3f * (float(noise() % 2000) / 1000.f - 1);
    }

    void makeDatastore(const std::vector<Occurrence> &corpus)
    {
        Datastore::Parts parts;
        parts.keyType = KeyType::Float16;
        parts.dimension = dimension;
        parts.keys.resize(std::size_t(entries) * dimension * 2);
        parts.values.resize(entries);
        m_entriesOfContext.resize(m_phraseTokens.size());
        std::vector<std::int32_t> stateOf(entries);
        for (std::int32_t i = 0; i < entries; ++i) {
            parts.values[std::size_t(i)] = corpus[std::size_t(i)].token;
            stateOf[std::size_t(i)] = std::int32_t(std::uint32_t(corpus[std::size_t(i)].context) * 2654435761u % states);
            m_entriesOfContext[std::size_t(corpus[std::size_t(i)].context)].push_back(i);
        }
        parallelFor(entries, 1024, [&](std::int64_t begin, std::int64_t end) {
            std::vector<float> key(dimension);
            for (std::int64_t i = begin; i < end; ++i) {
                fillKey(corpus[std::size_t(i)].context, std::uint64_t(i), key.data());
                floatToHalf(key.data(), reinterpret_cast<std::uint16_t *>(parts.keys.data()) + i * dimension, dimension);
            }
        });
        for (std::int64_t start = 0; start <= entries; start += entries / 100)
            parts.documentStarts.push_back(start);
        m_datastore = Datastore::fromParts(std::move(parts));
        clusters = Clusters::fromAssignment(std::move(stateOf), states);
    }

    /// Neighbours: entries of the same context, then of others, by distance.
    void makeTrace(const std::vector<Occurrence> &evaluation, std::mt19937_64 &random)
    {
        const std::size_t n = std::size_t(positions);
        m_queries.resize(n * dimension);
        m_ids.resize(n * kMax);
        m_distances.resize(n * kMax);
        const std::uint64_t seed = random();
        parallelFor(positions, 64, [&](std::int64_t begin, std::int64_t end) {
            std::vector<std::pair<float, std::int32_t>> order(kMax);
            std::vector<float> distances(kMax);
            for (std::int64_t t = begin; t < end; ++t) {
                std::minstd_rand other(unsigned(seed + std::uint64_t(t)));
                float *query = m_queries.data() + t * dimension;
                const std::int32_t context = evaluation[std::size_t(t)].context;
                fillKey(context, std::uint64_t(entries + t), query);
                const std::vector<std::int32_t> &same = m_entriesOfContext[std::size_t(context)];
                std::vector<std::int32_t> ids(same.begin(), same.begin() + std::ptrdiff_t(std::min<std::size_t>(same.size(), kMax)));
                while (ids.size() < kMax) {
                    ids.push_back(std::int32_t(other() % entries));
                    if (ids.size() == kMax) {
                        std::sort(ids.begin(), ids.end());
                        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
                    }
                }
                squaredDistances(m_datastore->keys(), query, ids, distances.data());
                for (std::size_t j = 0; j < kMax; ++j)
                    order[j] = {distances[j], ids[j]};
                std::sort(order.begin(), order.end());
                for (std::size_t j = 0; j < kMax; ++j) {
                    m_distances[std::size_t(t) * kMax + j] = order[j].first;
                    m_ids[std::size_t(t) * kMax + j] = order[j].second;
                }
            }
        });
        for (std::int64_t t = 0; t < positions; ++t) {
            m_targets.push_back(evaluation[std::size_t(t)].token);
            m_documents.push_back(std::int32_t(t / m_documentLength));
        }
        m_lm.assign(n, -4.0f);
        m_tokenIndices.resize(n);
        std::iota(m_tokenIndices.begin(), m_tokenIndices.end(), 1);
        TraceArrays a;
        a.positions = positions;
        a.kMax = kMax;
        a.dimension = dimension;
        a.targets = m_targets;
        a.tokenIndices = m_tokenIndices;
        a.documents = m_documents;
        a.windows = m_documents;
        a.lmLogProbs = m_lm;
        a.queries = m_queries;
        a.neighbourIds = m_ids;
        a.indexDistances = m_distances;
        trace = Trace::fromArrays(a, nullptr, m_datastore);
    }

    const std::int64_t m_documentLength;
    std::vector<std::int32_t> m_phraseStarts, m_phraseTokens;
    std::vector<std::vector<std::int32_t>> m_entriesOfContext;
    std::shared_ptr<const Datastore> m_datastore;
    std::vector<float> m_queries, m_distances, m_lm;
    std::vector<std::int32_t> m_ids, m_targets, m_documents;
    std::vector<std::int64_t> m_tokenIndices;
};

inline const SyntheticTrace &syntheticTrace()
{
    static const SyntheticTrace trace;
    return trace;
}

} // namespace retoscope::bench
