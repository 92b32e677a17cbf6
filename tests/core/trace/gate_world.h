// SPDX-License-Identifier: GPL-3.0-or-later
// Two traces over one datastore in which retrieval helps after one token only: the frequent token 0. After it all neighbours
// have the right token, elsewhere none has. The context vectors are noise: a gate has to count n-grams.
#pragma once

#include "trace/adaptive.h"

#include <cstring>
#include <random>

namespace retoscope::test {

struct GateWorld
{
    static constexpr std::int32_t dimension = 4, tokens = 8, k = 4, entries = 1200;
    static constexpr float lmProbability = 0.2f;

    struct Evaluation
    {
        std::vector<std::int32_t> targets, documents, windows, ids;
        std::vector<std::int64_t> tokenIndices;
        std::vector<float> lm, entropies, topLogProbs, queries, distances;
        std::vector<std::int32_t> topIds;
        std::shared_ptr<const Trace> trace;
        std::vector<std::uint8_t> helps; ///< the neighbours know the target
    };

    std::shared_ptr<const Datastore> datastore;
    Evaluation validation, test;

    explicit GateWorld(std::int64_t positions = 1500, unsigned seed = 11) : m_random(seed)
    {
        Datastore::Parts parts;
        for (std::int32_t i = 0; i < entries; ++i)
            parts.values.push_back(token());
        m_values = parts.values;
        const std::vector<float> keys(std::size_t(entries) * dimension, 1.0f);
        parts.keys.resize(keys.size() * sizeof(float));
        std::memcpy(parts.keys.data(), keys.data(), parts.keys.size());
        parts.dimension = dimension;
        datastore = Datastore::fromParts(std::move(parts));
        fill(validation, positions);
        fill(test, positions);
    }
    GateWorld(const GateWorld &) = delete;

    [[nodiscard]] static TraceArrays arraysOf(const Evaluation &e)
    {
        TraceArrays a;
        a.positions = std::ssize(e.targets);
        a.kMax = k;
        a.dimension = dimension;
        a.topCandidates = 1;
        a.targets = e.targets;
        a.tokenIndices = e.tokenIndices;
        a.documents = e.documents;
        a.windows = e.windows;
        a.lmLogProbs = e.lm;
        a.lmEntropies = e.entropies;
        a.lmTopIds = e.topIds;
        a.lmTopLogProbs = e.topLogProbs;
        a.queries = e.queries;
        a.neighbourIds = e.ids;
        a.indexDistances = e.distances;
        a.exactDistances = e.distances;
        return a;
    }

    [[nodiscard]] static EvaluationSettings adaptive(double skipped)
    {
        EvaluationSettings settings;
        settings.method = Method::Adaptive;
        settings.k = k;
        settings.lambda = 0.4;
        settings.skipFraction = skipped;
        settings.gate.trace = "validation";
        settings.gate.training.hidden = 32;
        settings.gate.training.learningRate = 2e-3; // the traces are short
        return settings;
    }

    /// Of the test trace, whose gates learn from the one called "validation".
    [[nodiscard]] Replay replay() const
    {
        return Replay(test.trace, nullptr, {}, rememberedGates(test.trace, [this](const std::string &) { return std::make_shared<const Replay>(validation.trace, nullptr); }));
    }

private:
    std::int32_t token() { return m_random() % 5 < 2 ? 0 : 1 + std::int32_t(m_random() % (tokens - 1)); }

    void fill(Evaluation &e, std::int64_t positions)
    {
        const std::int64_t documentLength = positions / 15;
        for (std::int64_t t = 0; t < positions; ++t) {
            const bool begins = t % documentLength == 0;
            e.targets.push_back(token());
            e.tokenIndices.push_back(t + 1);
            e.documents.push_back(std::int32_t(t / documentLength));
            e.windows.push_back(e.documents.back());
            e.lm.push_back(std::log(lmProbability));
            e.entropies.push_back(float(m_random() % 100) / 50);
            e.topIds.push_back(0);
            e.topLogProbs.push_back(-float(m_random() % 100) / 100);
            for (std::int32_t d = 0; d < dimension; ++d)
                e.queries.push_back(float(m_random() % 100) / 10);
            e.helps.push_back(!begins && e.targets[std::size_t(t - 1)] == 0);
            for (std::int32_t j = 0; j < k;) {
                const auto entry = std::int32_t(m_random() % entries);
                if ((m_values[std::size_t(entry)] == e.targets.back()) != bool(e.helps.back()) || std::find(e.ids.end() - j, e.ids.end(), entry) != e.ids.end())
                    continue;
                e.ids.push_back(entry);
                e.distances.push_back(float(++j));
            }
        }
        e.trace = Trace::fromArrays(arraysOf(e), nullptr, datastore);
    }

    std::mt19937 m_random;
    std::vector<std::int32_t> m_values;
};

} // namespace retoscope::test
