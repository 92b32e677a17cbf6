// SPDX-License-Identifier: GPL-3.0-or-later
// A golden bundle: inputs and outputs of the released code of kNN-LM and RetoMaton (knn-transformers) for a grid of settings
// on a real model and real text. The tests read whatever bundle of this kind RETOSCOPE_BUNDLE names.
#pragma once

#include "automaton/clusters.h"
#include "base/error.h"
#include "base/npy.h"
#include "datastore/datastore.h"
#include "trace/evaluation_settings.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace retoscope::test {

namespace fs = std::filesystem;

/// The folder that RETOSCOPE_BUNDLE names, else the one in RETOSCOPE_SHARED; empty when there is none.
inline fs::path goldenBundleFolder()
{
    fs::path folder;
    if (const char *bundle = std::getenv("RETOSCOPE_BUNDLE"))
        folder = bundle;
    else if (const char *shared = std::getenv("RETOSCOPE_SHARED"))
        folder = fs::path(shared) / "golden" / "bundle_stories260k";
    std::error_code code;
    return fs::exists(folder / "expected.json", code) ? folder : fs::path();
}

inline constexpr const char *noGoldenBundle = "No golden bundle: set RETOSCOPE_SHARED, or RETOSCOPE_BUNDLE to the folder of one.";

template<typename T>
std::vector<T> raw(const fs::path &path)
{
    const MappedFile file(path);
    const std::span<const T> values = file.view<T>(0, file.size() / sizeof(T));
    return {values.begin(), values.end()};
}

template<typename T>
std::vector<T> npy(const fs::path &path)
{
    const NpyFile file(path);
    const std::span<const T> values = file.values<T>();
    return {values.begin(), values.end()};
}

inline fs::path fileLike(const fs::path &folder, const std::string &begin, const std::string &end)
{
    for (const auto &entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(begin) && name.ends_with(end))
            return entry.path();
    }
    return {};
}

/// A bundle in the form in which Replay takes it.
struct Bundle
{
    fs::path folder;
    Json expected;
    std::shared_ptr<const Datastore> datastore;
    std::shared_ptr<const Clusters> clusters;
    std::vector<float> decoded; ///< [N × D] what the index believes the keys to be
    std::vector<float> queries, lmLogProbs;
    std::vector<std::int32_t> labels, rows, documents;
    std::vector<std::int64_t> tokenIndices;
    std::int64_t positions = 0;
    std::int32_t kMax = 1; ///< the largest k of the grid
    std::int32_t dimension = 0;

    explicit Bundle(fs::path path) : folder(std::move(path)), expected(Json::parse(readFile(folder / "expected.json")))
    {
        const Json &store = expected.at("store");
        const std::int64_t entries = store.at("N");
        Datastore::Parts parts;
        parts.keys = raw<std::byte>(fileLike(folder, "dstore_", "_keys.npy"));
        parts.values = raw<std::int32_t>(fileLike(folder, "dstore_", "_vals.npy"));
        parts.keyType = KeyType::Float16;
        dimension = parts.dimension = std::int32_t(std::int64_t(parts.keys.size()) / (2 * entries));
        datastore = Datastore::fromParts(std::move(parts));
        std::vector<std::int32_t> states = npy<std::int32_t>(folder / "cluster_ids.npy");
        const std::int32_t count = 1 + *std::max_element(states.begin(), states.end());
        clusters = Clusters::fromAssignment(std::move(states), count);
        queries = npy<float>(folder / "queries.npy");
        lmLogProbs = npy<float>(folder / "lm_logprob_label.npy");
        labels = npy<std::int32_t>(folder / "labels.npy");
        rows = npy<std::int32_t>(folder / "row_id.npy");
        for (const std::int32_t index : npy<std::int32_t>(folder / "target_pos.npy"))
            tokenIndices.push_back(index);
        positions = std::int64_t(labels.size());
        documents.assign(labels.size(), 0);
        for (const Json &setting : expected.at("settings"))
            kMax = std::max(kMax, setting.value("k", 1));
        decode();
    }

    [[nodiscard]] const Json &settings() const { return expected.at("settings"); }
    /// Inverted lists that a setting visits.
    [[nodiscard]] int probeOf(const Json &setting) const { return setting.value("probe", expected.at("store").value("probe_build", 32)); }

    /// decoded(i) = ivf_centroids[list_no[i]] + concat_m pq_centroids[m, codes[i, m]]
    void decode()
    {
        const std::vector<float> coarse = npy<float>(folder / "ivf_centroids.npy"), fine = npy<float>(folder / "pq_centroids.npy");
        const std::vector<std::int32_t> lists = npy<std::int32_t>(folder / "ivf_list_no.npy");
        const std::vector<std::uint8_t> codes = npy<std::uint8_t>(folder / "pq_codes.npy");
        const std::size_t d = std::size_t(dimension), m = codes.size() / lists.size(), part = d / m, words = fine.size() / d;
        decoded.resize(lists.size() * d);
        for (std::size_t i = 0; i < lists.size(); ++i) {
            for (std::size_t c = 0; c < d; ++c)
                decoded[i * d + c] = coarse[std::size_t(lists[i]) * d + c] + fine[((c / part) * words + codes[i * m + c / part]) * part + c % part];
        }
    }
};

/// The settings of ours that reproduce one of the bundle's.
inline EvaluationSettings settingsOf(const Json &entry)
{
    EvaluationSettings settings;
    settings.automaton = AutomatonSettings::reference();
    const std::string kind = entry.at("kind");
    settings.method = kind == "base" ? Method::Base : kind == "knn" ? Method::KnnLm : Method::Retomaton;
    if (settings.method == Method::Base)
        return settings;
    settings.k = entry.at("k");
    settings.temperature = entry.at("T");
    settings.lambda = entry.at("lmbda");
    settings.distances = entry.at("recompute").get<bool>() ? DistanceSource::Exact : DistanceSource::Index;
    if (entry.value("sim", std::string("l2")) == "dot")
        settings.referenceSimilarity = ReferenceSimilarity::Dot;
    if (settings.method == Method::Retomaton) {
        settings.useClusters = entry.at("members");
        settings.automaton.minKnns = entry.at("min_knns");
        settings.automaton.maxKnns = entry.at("max_knns");
        settings.automaton.pointers = !entry.value("no_pointer", false);
        settings.referenceBatch = entry.value("batch", 1);
        if (entry.value("stable", false))
            settings.automaton.ties = TieOrder::Stable;
    }
    return settings;
}

} // namespace retoscope::test
