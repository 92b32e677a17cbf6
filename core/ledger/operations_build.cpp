// SPDX-License-Identifier: GPL-3.0-or-later
// The operations that make artefacts.
#include "ledger/operations.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"
#include "ledger/artefact_build.h"
#include "ledger/forecast.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <regex>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

/// Names and contents of all files of a corpus: two requests are equal when the texts are.
Json describeTexts(const std::vector<fs::path> &paths, const CorpusOptions &options, JobControl &job)
{
    std::vector<fs::path> files;
    const auto add = [&](const fs::path &path) {
        std::error_code code;
        if (!fs::exists(path, code))
            fail(ErrorKind::NotFound, "{} does not exist; check the name of the text.", path.string());
        if (!fs::is_directory(path, code)) {
            files.push_back(path);
            return;
        }
        for (const auto &entry : fs::recursive_directory_iterator(path)) {
            if (entry.is_regular_file())
                files.push_back(entry.path());
        }
    };
    std::for_each(paths.begin(), paths.end(), add);
    std::for_each(options.validationPaths.begin(), options.validationPaths.end(), add);
    std::for_each(options.testPaths.begin(), options.testPaths.end(), add);
    std::sort(files.begin(), files.end());
    Sha256 hash;
    std::int64_t done = 0;
    for (const auto &path : files) {
        job.checkpoint();
        const MappedFile file(path, MappedFile::Access::Sequential);
        hash.update(path.string() + '\0' + hex64(xxh3(file.bytes().data(), file.size())));
        job.report("looking at the texts", "files", ++done, static_cast<std::int64_t>(files.size()));
    }
    return hash.hex();
}

Json withCompute(Json config, const LoadOptions &load)
{
    config["compute"] = toString(load.compute);
    return config;
}

/// Seconds for so many multiply-adds of a distance, measured with exact search over the stored keys; negative when the job
/// is too short for that to be worth it.
double secondsForDistances(double multiplyAdds, const std::shared_ptr<const Datastore> &datastore)
{
    constexpr double worthMeasuring = 2e11, sample = 1e9;
    if (multiplyAdds < worthMeasuring)
        return -1;
    const double perQuery = static_cast<double>(datastore->size()) * datastore->dimension();
    const auto queries = std::clamp<std::int64_t>(static_cast<std::int64_t>(sample / perQuery), 1, std::min<std::int64_t>(64, datastore->size()));
    std::vector<float> keys(static_cast<std::size_t>(queries * datastore->dimension()));
    datastore->copyKeys(0, queries, keys.data());
    const auto index = Index::exact(datastore);
    Neighbours found;
    const auto begin = std::chrono::steady_clock::now();
    index->search(keys, 1, {}, found);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return seconds * multiplyAdds / (perQuery * static_cast<double>(queries));
}

/// Multiply-adds of training and adding for IVF and PQ with FAISS's numbers of iterations; 0 for what is not known.
double indexMultiplyAdds(const IndexConfig &config, const Datastore &datastore)
{
    std::smatch match;
    if (config.factory.find("HNSW") != std::string::npos)
        return 0;
    const auto d = static_cast<double>(datastore.dimension()), n = static_cast<double>(datastore.size());
    const double trained = std::min(n, config.trainSample > 0 ? static_cast<double>(config.trainSample) : 1e6);
    double perTrained = 0, perAdded = 0;
    if (std::regex_search(config.factory, match, std::regex("IVF(\\d+)"))) {
        const double lists = std::stod(match[1]);
        perTrained += 10 * lists;
        perAdded += lists;
    }
    if (config.factory.find("PQ") != std::string::npos) {
        perTrained += 25 * 256 * std::min(1.0, 65536 / trained);
        perAdded += 256;
    }
    return d * (perTrained * trained + perAdded * n);
}

/// Multiply-adds of k-means over the sample and of the assignment.
double clusterMultiplyAdds(const ClusterConfig &config, const Datastore &datastore)
{
    const auto n = static_cast<double>(datastore.size());
    const double sample = config.sample > 0 ? std::min(n, static_cast<double>(config.sample)) : n;
    return (sample * config.iterations + n) * config.states * datastore.dimension();
}

/// Measured on a few stored keys.
double secondsPerQuery(const Index &index, const Datastore &datastore, const TraceConfig &config)
{
    const auto queries = std::min<std::int64_t>(64, datastore.size());
    if (queries == 0)
        return 0;
    std::vector<float> keys(static_cast<std::size_t>(queries * datastore.dimension()));
    datastore.copyKeys(0, queries, keys.data());
    Neighbours found;
    const auto begin = std::chrono::steady_clock::now();
    index.search(keys, config.k, config.search, found);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / static_cast<double>(queries);
}

/// The token store's tokenizer must be the model's, or every number would be nonsense.
void requireTokenizerOf(const Project &project, const ArtefactRow &model, const TokenStore &tokens, const ArtefactRow &tokensRow)
{
    const auto tokenizer = project.openTokenizer(model);
    if (tokenizer->fingerprint() != tokens.tokenizerFingerprint())
        fail(ErrorKind::Mismatch, "The tokens '{}' were made with another tokenizer (fingerprint {}) than that of the model '{}' ({}); tokenize the corpus for this model.",
             tokensRow.name, tokens.tokenizerFingerprint().substr(0, 12), model.name, tokenizer->fingerprint().substr(0, 12));
}

} // namespace

Json describeModel(const LanguageModel &model, const Tokenizer &tokenizer)
{
    const ModelConfig &config = model.config();
    return Json{{"architecture", config.architecture}, {"parameters", model.parameterCount()}, {"vocabulary", config.vocabularySize},
                {"hidden_size", config.hiddenSize},    {"layers", config.layers},              {"heads", config.heads},
                {"context_length", config.contextLength}, {"tokenizer", {{"kind", tokenizer.kind()}, {"fingerprint", tokenizer.fingerprint()}}}};
}

ArtefactRow addModel(Project &project, const fs::path &path, const fs::path &tokenizerPath, const Request &request, JobControl &job)
{
    std::error_code code;
    const fs::path place = fs::canonical(path, code);
    if (code)
        fail(ErrorKind::NotFound, "{} does not exist; name a Hugging Face folder or a llama2.c .bin file.", path.string());
    job.report("reading the model", "models", 0, 1, place.filename().string());
    const auto model = LanguageModel::load(place);
    const fs::path tokenizerPlace = tokenizerPath.empty() ? place : fs::canonical(tokenizerPath, code);
    if (code)
        fail(ErrorKind::NotFound, "{} does not exist; name the tokenizer's folder or file.", tokenizerPath.string());
    const auto tokenizer = Tokenizer::load(fs::is_directory(tokenizerPlace) || !tokenizerPath.empty() ? tokenizerPlace : tokenizerPlace.parent_path());
    if (tokenizer->vocabularySize() > model->config().vocabularySize)
        fail(ErrorKind::Mismatch, "The tokenizer has {} tokens, but the model {} only {}; name the tokenizer that it was trained with (--tokenizer).",
             formatCount(tokenizer->vocabularySize()), place.string(), formatCount(model->config().vocabularySize));
    job.checkpoint();

    ArtefactPlan plan;
    plan.kind = ArtefactKind::Model;
    plan.job = "model add";
    plan.name = place.stem().string();
    plan.config = {{"path", place.string()}};
    if (!tokenizerPath.empty())
        plan.config["tokenizer"] = tokenizerPlace.string();
    plan.identity = {{"model", model->fingerprint()}, {"tokenizer", tokenizer->fingerprint()}};
    return makeArtefact(project, plan, request, [&](const fs::path &) {
        Built built;
        built.fingerprint = model->fingerprint();
        built.info = describeModel(*model, *tokenizer);
        built.folder = place;
        job.report("reading the model", "models", 1, 1, place.filename().string());
        return built;
    });
}

ArtefactPlan corpusPlan(const std::vector<fs::path> &paths, const CorpusOptions &options, JobControl &job)
{
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Corpus;
    plan.job = "corpus add";
    plan.name = paths.empty() ? "corpus" : fs::path(paths.front()).stem().string();
    plan.identity = {{"texts", describeTexts(paths, options, job)}};
    plan.config = {{"options", options}, {"paths", Json::array()}};
    for (const auto &path : paths)
        plan.config["paths"].push_back(path.string());
    return plan;
}

ArtefactRow addCorpus(Project &project, const std::vector<fs::path> &paths, const CorpusOptions &options, const Request &request, JobControl &job)
{
    const ArtefactPlan plan = corpusPlan(paths, options, job);
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        if (!hasManifest(folder)) // else a build of this very request was killed just before the ledger heard of it
            buildCorpus(folder, paths, options, job);
        const auto corpus = Corpus::open(folder);
        Json documents = Json::object();
        for (const Split split : {Split::Train, Split::Validation, Split::Test})
            documents[std::string(toString(split))] = corpus->documentCount(split);
        return Built{corpus->fingerprint(), {{"documents", corpus->documentCount()}, {"splits", documents}}, {}};
    });
}

ArtefactRow tokensFor(Project &project, const ArtefactRow &corpus, Split split, const ArtefactRow &tokenizerOrModel,
                      const TokenStoreOptions &options, const Request &request, JobControl &job)
{
    requireKind(corpus, ArtefactKind::Corpus);
    const auto tokenizer = project.openTokenizer(tokenizerOrModel);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Tokens;
    plan.job = "tokens";
    plan.name = fmt::format("{}-{}-{}", corpus.name, toString(split), tokenizerOrModel.name);
    plan.config = {{"split", toString(split)}, {"document_start", options.documentStart}};
    plan.inputs = {inputFrom("corpus", corpus), inputFrom("tokenizer", tokenizerOrModel)};
    plan.identity = {{"tokenizer", tokenizer->fingerprint()}};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        if (!hasManifest(folder))
            buildTokenStore(folder, *project.openCorpus(corpus), split, *tokenizer, options, job);
        const auto store = TokenStore::open(folder);
        return Built{store->fingerprint(), {{"tokens", store->tokens().size()}, {"documents", store->documentCount()}}, {}};
    });
}

ArtefactRow makeDatastore(Project &project, const ArtefactRow &model, const ArtefactRow &tokens, const DatastoreConfig &config,
                          const LoadOptions &load, const Request &request, JobControl &job)
{
    requireKind(model, ArtefactKind::Model);
    requireKind(tokens, ArtefactKind::Tokens);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Datastore;
    plan.job = "datastore build";
    plan.name = fmt::format("{}-{}", tokens.name, toString(config.tap.place));
    plan.config = withCompute(config, load);
    plan.config.erase("batch_tokens"); // does not change the result
    plan.inputs = {inputFrom("model", model), inputFrom("tokens", tokens)};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const auto store = project.openTokens(tokens);
        requireTokenizerOf(project, model, *store, tokens);
        const auto languageModel = project.openModel(model, load);
        const auto expected = forecastDatastore(config, *languageModel, *store);
        Forecast forecast{"the datastore", formatCount(expected.entries) + " entries", expected.diskBytes, expected.memoryBytes};
        ForwardRequest forward;
        forward.tap = config.tap;
        forecast.seconds = pilot(*languageModel, *store, config.windows, forward, config.batchTokens, job);
        admitBuild(project, folder, forecast, request, job);
        buildDatastore(folder, config, *languageModel, *store, job);
        const auto datastore = Datastore::open(folder);
        Json info = datastore->manifest().info;
        info["entries"] = datastore->size();
        info["dimension"] = datastore->dimension();
        return Built{datastore->fingerprint(), info, {}};
    });
}

ArtefactRow makeIndex(Project &project, const ArtefactRow &datastore, const IndexConfig &config, const Request &request, JobControl &job)
{
    requireKind(datastore, ArtefactKind::Datastore);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Index;
    plan.job = "index build";
    plan.name = fmt::format("{}-{}", datastore.name, std::regex_replace(config.factory, std::regex("[^A-Za-z0-9]+"), "-"));
    plan.config = config;
    plan.inputs = {inputFrom("datastore", datastore)};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const auto store = project.openDatastore(datastore);
        Forecast forecast = forecastIndex(config, store->size(), store->dimension());
        forecast.seconds = secondsForDistances(indexMultiplyAdds(config, *store), store);
        admitBuild(project, folder, forecast, request, job);
        buildIndex(folder, config, store, job);
        const auto index = Index::open(folder, store);
        return Built{index->fingerprint(), index->manifest().info, {}};
    });
}

ArtefactRow makeClusters(Project &project, const ArtefactRow &datastore, const ClusterConfig &config, const Request &request, JobControl &job)
{
    requireKind(datastore, ArtefactKind::Datastore);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Clusters;
    plan.job = "cluster build";
    plan.name = fmt::format("{}-k{}", datastore.name, config.states);
    plan.config = config;
    plan.inputs = {inputFrom("datastore", datastore)};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const auto store = project.openDatastore(datastore);
        Forecast forecast = forecastClusters(config, store->size(), store->dimension());
        forecast.seconds = secondsForDistances(clusterMultiplyAdds(config, *store), store);
        admitBuild(project, folder, forecast, request, job);
        buildClusters(folder, config, *store, job);
        const auto clusters = Clusters::open(folder);
        Json info = clusters->manifest().info;
        info["states"] = clusters->states();
        info["entries"] = clusters->entries();
        return Built{clusters->fingerprint(), info, {}};
    });
}

ArtefactRow makeTrace(Project &project, const ArtefactRow &model, const ArtefactRow &tokens, const ArtefactRow &datastore, const ArtefactRow &index,
                      const TraceConfig &config, const LoadOptions &load, const Request &request, JobControl &job, const TraceListener &listener)
{
    requireKind(model, ArtefactKind::Model);
    requireKind(tokens, ArtefactKind::Tokens);
    requireKind(datastore, ArtefactKind::Datastore);
    requireKind(index, ArtefactKind::Index);
    project.requireInput(datastore, "model", ArtefactKind::Model, model.fingerprint);
    project.requireInput(index, "datastore", ArtefactKind::Datastore, datastore.fingerprint);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Trace;
    plan.job = "trace record";
    plan.name = fmt::format("{}-{}", tokens.name, index.name);
    plan.config = withCompute(config, load);
    plan.inputs = {inputFrom("model", model), inputFrom("tokens", tokens), inputFrom("datastore", datastore), inputFrom("index", index)};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const auto store = project.openTokens(tokens);
        const auto entries = project.openDatastore(datastore);
        const auto searcher = project.openIndex(index, entries);
        const auto languageModel = project.openModel(model, load);
        const auto expected = forecastTrace(config, *store, *entries);
        Forecast forecast{"the trace", formatCount(expected.positions) + " positions", expected.diskBytes, expected.memoryBytes};
        ForwardRequest forward;
        forward.scores = true;
        forward.topCandidates = config.topCandidates;
        forecast.seconds = pilot(*languageModel, *store, config.windows, forward, DatastoreConfig().batchTokens, job);
        if (forecast.seconds >= 0)
            forecast.seconds += secondsPerQuery(*searcher, *entries, config) * static_cast<double>(expected.positions);
        admitBuild(project, folder, forecast, request, job);
        recordTrace(folder, config, *languageModel, *store, entries, *searcher, job, listener);
        const auto trace = Trace::open(folder, entries);
        const auto &arrays = trace->arrays();
        double sum = 0;
        for (const float logProb : arrays.lmLogProbs)
            sum -= logProb;
        Json info = trace->manifest().info;
        info["positions"] = arrays.positions;
        info["k"] = arrays.kMax;
        info["base_perplexity"] = arrays.positions > 0 ? std::exp(sum / static_cast<double>(arrays.positions)) : 0.0;
        return Built{trace->fingerprint(), info, {}};
    });
}

} // namespace retoscope
