// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/index.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "index/exact_index.h"
#include "index/faiss_index.h"
#include "index/layout.h"

#include <faiss/Index.h>

#include <algorithm>
#include <initializer_list>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

/// Reads `field` of an object when it is there; a sentence for a wrong type.
template<typename T>
void readField(const Json &json, std::string_view what, const char *field, T &value)
{
    const auto found = json.find(field);
    if (found == json.end())
        return;
    try {
        value = found->template get<T>();
    } catch (const Json::exception &) {
        fail(ErrorKind::BadInput, "{}: '{}' has the wrong type ({}).", what, field, found->type_name());
    }
}

void checkFields(const Json &json, std::string_view what, std::initializer_list<std::string_view> known)
{
    if (!json.is_object())
        fail(ErrorKind::BadInput, "{} must be a JSON object, not {}.", what, json.type_name());
    for (const auto &[name, value] : json.items()) {
        if (std::find(known.begin(), known.end(), name) == known.end())
            fail(ErrorKind::BadInput, "{} have no field '{}'; the fields are {}.", what, name, fmt::join(known, ", "));
    }
}

constexpr std::uint64_t alwaysVerifiedBytes = std::uint64_t(1) << 30; ///< hashing this takes a fraction of a second

} // namespace

void to_json(Json &json, const SearchParameters &parameters)
{
    json = {{"nprobe", parameters.nprobe}, {"ef_search", parameters.efSearch}};
}

void from_json(const Json &json, SearchParameters &parameters)
{
    constexpr std::string_view what = "The search parameters";
    checkFields(json, what, {"nprobe", "ef_search"});
    readField(json, what, "nprobe", parameters.nprobe);
    readField(json, what, "ef_search", parameters.efSearch);
    if (parameters.nprobe < 0 || parameters.efSearch < 0)
        fail(ErrorKind::BadInput, "The search parameters nprobe = {} and ef_search = {} must not be negative (0 is the default).", parameters.nprobe,
             parameters.efSearch);
}

void to_json(Json &json, const IndexConfig &config)
{
    json = {{"factory", config.factory}, {"metric", toString(config.metric)},      {"train_sample", config.trainSample},
            {"seed", config.seed},       {"recall_sample", config.recallSample},   {"recall_at", config.recallAt}};
}

void from_json(const Json &json, IndexConfig &config)
{
    constexpr std::string_view what = "The index's settings";
    checkFields(json, what, {"factory", "metric", "train_sample", "seed", "recall_sample", "recall_at"});
    std::string metric(toString(config.metric));
    readField(json, what, "factory", config.factory);
    readField(json, what, "metric", metric);
    readField(json, what, "train_sample", config.trainSample);
    readField(json, what, "seed", config.seed);
    readField(json, what, "recall_sample", config.recallSample);
    readField(json, what, "recall_at", config.recallAt);
    config.metric = metricFromString(metric);
    if (config.trainSample < 0 || config.recallSample < 0 || config.recallAt < 1)
        fail(ErrorKind::BadInput, "The index's settings train_sample = {}, recall_sample = {} and recall_at = {} must be 0 or more, 0 or more and 1 or more.",
             config.trainSample, config.recallSample, config.recallAt);
}

std::shared_ptr<const Index> Index::exact(std::shared_ptr<const Datastore> datastore, Metric metric)
{
    Manifest manifest = exactManifest(*datastore, metric);
    return makeExactIndex(std::move(datastore), metric, std::move(manifest));
}

std::shared_ptr<const Index> Index::open(const fs::path &folder, std::shared_ptr<const Datastore> datastore)
{
    Manifest manifest = readManifest(folder, layout::indexFormat, layout::indexVersion);
    std::string factory, metric, builtFor, checksum;
    try {
        factory = manifest.identity.at("factory").get<std::string>();
        metric = manifest.identity.at("metric").get<std::string>();
        builtFor = manifest.identity.at("datastore").get<std::string>();
        if (factory != layout::exactFactory)
            checksum = manifest.files.at(layout::indexFile).at("xxh3").get<std::string>();
    } catch (const Json::exception &) {
        fail(ErrorKind::Corrupt, "{}: the manifest lacks a field of an index; build the index again.", folder.string());
    }
    requireSame(fmt::format("the datastore of the index {}", folder.string()), builtFor, datastore->fingerprint(),
                "open the index with the datastore it was built for, or build one for this datastore");
    if (factory == layout::exactFactory)
        return makeExactIndex(std::move(datastore), metricFromString(metric), std::move(manifest));

    const fs::path path = folder / layout::indexFile;
    if (const MappedFile file(path, MappedFile::Access::Sequential);
        file.size() < alwaysVerifiedBytes && hex64(xxh3(file.bytes().data(), file.size())) != checksum)
        fail(ErrorKind::Corrupt, "{}: the checksum differs from the manifest's; the file was damaged, build the index again.", path.string());
    auto index = readFaissFile(path, *datastore, true);
    prepareForUse(*index);
    return makeFaissIndex(std::move(index), std::move(datastore), std::move(manifest));
}

} // namespace retoscope
