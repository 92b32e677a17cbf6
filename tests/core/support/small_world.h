// SPDX-License-Identifier: GPL-3.0-or-later
// A whole retrieval-augmented model in miniature: a text that repeats itself with slips, a model, a datastore over one part
// of the text, states, and another part to evaluate on.
#pragma once

#include "automaton/clusters.h"
#include "base/job.h"
#include "core/support/fake_language_model.h"
#include "datastore/datastore_builder.h"

#include <QTemporaryDir>

#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <vector>

namespace retoscope::test {

/// Documents made of phrases from a common stock; one token in ten is replaced by another.
inline std::shared_ptr<const TokenStore> phraseText(std::span<const std::int64_t> lengths, std::int32_t vocabulary, std::uint64_t seed)
{
    std::mt19937_64 stockRandom(7), random(seed);
    const auto token = [&](std::mt19937_64 &from) { return std::int32_t(from() % std::uint64_t(vocabulary)); };
    std::vector<std::vector<std::int32_t>> phrases(12);
    for (auto &phrase : phrases) {
        phrase.resize(4 + stockRandom() % 9);
        std::generate(phrase.begin(), phrase.end(), [&] { return token(stockRandom); });
    }
    std::vector<std::int32_t> tokens;
    std::vector<std::int64_t> offsets{0};
    for (const std::int64_t length : lengths) {
        const std::size_t end = tokens.size() + std::size_t(length);
        while (tokens.size() < end) {
            for (const std::int32_t next : phrases[random() % phrases.size()])
                tokens.push_back(random() % 10 == 0 ? token(random) : next);
        }
        tokens.resize(end);
        offsets.push_back(std::int64_t(end));
    }
    return TokenStore::fromTokens(std::move(tokens), std::move(offsets));
}

/// Each entry in the state of the nearest of `states` evenly spread entries.
inline std::shared_ptr<const Clusters> nearestOf(const Datastore &datastore, std::int32_t states)
{
    const auto dimension = std::size_t(datastore.dimension());
    std::vector<float> keys(std::size_t(datastore.size()) * dimension);
    datastore.copyKeys(0, datastore.size(), keys.data());
    std::vector<std::int32_t> stateOf(std::size_t(datastore.size()));
    for (std::size_t i = 0; i < stateOf.size(); ++i) {
        double nearest = std::numeric_limits<double>::infinity();
        for (std::int32_t s = 0; s < states; ++s) {
            const std::size_t centre = std::size_t(s) * stateOf.size() / std::size_t(states);
            double distance = 0;
            for (std::size_t d = 0; d < dimension; ++d) {
                const double difference = double(keys[i * dimension + d]) - double(keys[centre * dimension + d]);
                distance += difference * difference;
            }
            if (distance < nearest) {
                nearest = distance;
                stateOf[i] = s;
            }
        }
    }
    return Clusters::fromAssignment(std::move(stateOf), states);
}

struct SmallWorld
{
    static constexpr std::int32_t vocabulary = 32;

    QTemporaryDir folder;
    std::shared_ptr<const FakeLanguageModel> model = std::make_shared<FakeLanguageModel>(vocabulary, 12);
    WindowScheme windows{.block = 48, .stride = 24, .mode = WindowMode::Document};
    std::shared_ptr<const TokenStore> trainTokens =
        phraseText(std::vector<std::int64_t>{300, 1, 500, 2, 41, 400, 90}, vocabulary, 1);
    std::shared_ptr<const TokenStore> evalTokens =
        phraseText(std::vector<std::int64_t>{3, 700, 1, 120, 2, 330, 64, 900, 25, 40}, vocabulary, 2);
    std::shared_ptr<const Datastore> datastore = buildStore();
    std::shared_ptr<const Clusters> clusters = nearestOf(*datastore, 40);

    [[nodiscard]] std::filesystem::path path(const std::string &name) const { return folder.path().toStdString() + "/" + name; }

private:
    std::shared_ptr<const Datastore> buildStore()
    {
        DatastoreConfig config;
        config.windows = windows;
        JobControl job;
        buildDatastore(path("datastore"), config, *model, *trainTokens, job);
        return Datastore::open(path("datastore"));
    }
};

} // namespace retoscope::test
