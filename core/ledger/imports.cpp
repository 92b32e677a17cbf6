// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/imports.h"

#include "automaton/clusters_import.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"
#include "base/npy.h"
#include "datastore/layout.h"
#include "ledger/artefact_build.h"
#include "ledger/forecast.h"
#include "trace/trace_format.h"

#include <algorithm>
#include <cmath>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::size_t blockBytes = 8 << 20;

/// Two requests are equal when the contents of their files are.
std::string checksumOf(const fs::path &path, JobControl &job)
{
    const MappedFile file(path, MappedFile::Access::Sequential);
    Xxh3 hash;
    for (std::size_t at = 0; at < file.size(); at += blockBytes) {
        job.checkpoint();
        hash.update(file.bytes().data() + at, std::min(blockBytes, file.size() - at));
        job.report("looking at " + path.filename().string(), "bytes", std::int64_t(at), std::int64_t(file.size()));
    }
    return hex64(hash.digest());
}

std::string stemOf(const fs::path &file)
{
    std::string stem = file.stem().string();
    for (const std::string_view suffix : {"_keys", "-keys", ".keys"}) {
        if (stem.ends_with(suffix) && stem.size() > suffix.size())
            stem.resize(stem.size() - suffix.size());
    }
    return stem;
}

std::optional<ArtefactRow> readyRow(const Project &project, ArtefactKind kind, const std::string &name)
{
    const auto rows = project.ledger().artefacts(kind);
    const auto row = std::ranges::find_if(rows, [&](const ArtefactRow &r) { return r.name == name && r.state == ArtefactState::Ready; });
    return row == rows.end() ? std::nullopt : std::optional(*row);
}

/// A tokenizer's files, copied into the project.
ArtefactRow addTokenizer(Project &project, const fs::path &path, const Request &request, JobControl &job)
{
    const auto tokenizer = Tokenizer::load(path);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Tokenizer;
    plan.job = "tokenizer import";
    plan.name = path.has_filename() ? path.stem().string() : path.parent_path().stem().string();
    plan.identity = {{"tokenizer", tokenizer->fingerprint()}};
    Request own = request;
    own.name.clear();
    return makeArtefact(project, plan, own, [&](const fs::path &folder) {
        job.checkpoint();
        makeFolder(folder);
        for (const auto &file : tokenizer->files())
            writeFileAtomically(folder / file.filename(), readFile(file));
        const auto copied = Tokenizer::load(folder);
        return Built{copied->fingerprint(), {{"kind", copied->kind()}, {"vocabulary", copied->vocabularySize()}}, {}};
    });
}

ArtefactRow tokenizerNamed(Project &project, const std::string &text, const Request &request, JobControl &job)
{
    for (const auto kind : {ArtefactKind::Tokenizer, ArtefactKind::Model}) {
        if (auto row = readyRow(project, kind, text))
            return *std::move(row);
    }
    std::error_code code;
    if (!fs::exists(text, code))
        fail(ErrorKind::NotFound, "'{}' is neither a tokenizer or model of this project nor a file or folder; name one with --tokenizer, or leave it out to see token ids.", text);
    return addTokenizer(project, text, request, job);
}

/// An index of other keys finds neighbours at random.
void requireSomeRecall(const Index &index, const fs::path &file)
{
    const auto recall = index.manifest().info.find("recall");
    if (recall == index.manifest().info.end())
        return;
    constexpr double leastShare = 0.02, mostShare = 0.5;
    const int at = recall->at("at").get<int>();
    const double value = recall->at("value").get<double>();
    const double least = std::max(leastShare, 2.0 * at / index.manifest().identity.at("entries").get<double>());
    if (least < mostShare && value < least)
        fail(ErrorKind::Mismatch, "{} finds {:.1f} % of the {} true neighbours of stored keys, so it was hardly built from the keys of this datastore; name the datastore it belongs to, or give --force.",
             file.string(), 100 * value, at);
}

/// Files that were refused half-way cannot be continued: nothing is left of them.
template<typename Work>
void importInto(const fs::path &folder, const Work &work)
{
    try {
        work();
    } catch (const Error &error) {
        if (error.kind() == ErrorKind::BadInput || error.kind() == ErrorKind::Mismatch || error.kind() == ErrorKind::Corrupt) {
            std::error_code code;
            for (const auto &entry : fs::directory_iterator(folder, code)) {
                if (entry.path().filename() != ".lock")
                    fs::remove(entry.path(), code);
            }
        }
        throw;
    }
}

/// One .npy file after another into one folder.
class Exporter
{
public:
    Exporter(fs::path folder, JobControl &job) : m_folder(std::move(folder)), m_job(job) { makeFolder(m_folder); }

    template<typename T>
    void add(const std::string &name, std::span<const T> values, std::vector<std::int64_t> shape = {})
    {
        if (shape.empty())
            shape = {static_cast<std::int64_t>(values.size())};
        addBytes(name, npyType<T>(), std::as_bytes(values), std::move(shape));
    }
    void addBytes(const std::string &name, std::string_view type, std::span<const std::byte> bytes, std::vector<std::int64_t> shape)
    {
        const fs::path path = m_folder / (name + ".npy");
        AtomicFile file(path);
        file.write(npyHeader(type, shape));
        for (std::size_t at = 0; at < bytes.size(); at += blockBytes) {
            m_job.checkpoint();
            m_job.report("writing " + path.filename().string(), "bytes", std::int64_t(at), std::int64_t(bytes.size()));
            file.write(bytes.subspan(at, std::min(blockBytes, bytes.size() - at)));
        }
        file.commit();
        m_files.push_back({path, std::string(type), std::move(shape)});
    }
    [[nodiscard]] std::vector<ExportedFile> files() && { return std::move(m_files); }

private:
    fs::path m_folder;
    JobControl &m_job;
    std::vector<ExportedFile> m_files;
};

} // namespace

// ---------------------------------------------------------------------------------------------------------------- imports

ArtefactRow addDatastore(Project &project, const DatastoreSource &files, const std::string &tokenizerName, const Request &request, JobControl &job)
{
    DatastoreSource source = files;
    const DatastoreLayout layout = layoutOf(source); // refused before anything is made
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Datastore;
    plan.job = "datastore import";
    plan.name = stemOf(source.keys);
    plan.config = {{"entries", layout.entries}, {"dimension", layout.dimension}, {"key_type", toString(layout.keyType)}, {"value_type", layout.valueType}};
    plan.identity = {{"keys", checksumOf(source.keys, job)}, {"values", checksumOf(source.values, job)}};
    if (!source.documents.empty())
        plan.identity["documents"] = checksumOf(source.documents, job);
    std::int32_t vocabulary = 0;
    if (!tokenizerName.empty()) {
        const auto row = tokenizerNamed(project, tokenizerName, request, job);
        const auto tokenizer = project.openTokenizer(row);
        plan.inputs = {inputFrom("tokenizer", row)};
        source.tokenizer = tokenizer->fingerprint();
        vocabulary = tokenizer->vocabularySize();
    }
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const KeyView row{nullptr, layout.keyType, layout.entries, layout.dimension};
        Forecast forecast{"the datastore", formatCount(layout.entries) + " entries"};
        forecast.diskBytes = static_cast<std::uint64_t>(layout.entries) * (row.rowBytes() + sizeof(std::int32_t));
        admitBuild(project, folder, forecast, request, job);
        importInto(folder, [&] { importDatastore(folder, source, vocabulary, job); });
        const auto datastore = Datastore::open(folder);
        Json info = datastore->manifest().info;
        info["entries"] = datastore->size();
        info["dimension"] = datastore->dimension();
        info["source"] = {{"keys", source.keys.string()}, {"values", source.values.string()}};
        return Built{datastore->fingerprint(), info, {}};
    });
}

ArtefactRow addIndex(Project &project, const fs::path &file, const ArtefactRow &datastore, const IndexConfig &config, const Request &request, JobControl &job)
{
    requireKind(datastore, ArtefactKind::Datastore);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Index;
    plan.job = "index import";
    plan.name = fmt::format("{}-{}", datastore.name, stemOf(file));
    plan.config = {{"recall_sample", config.recallSample}, {"recall_at", config.recallAt}, {"seed", config.seed}};
    plan.inputs = {inputFrom("datastore", datastore)};
    plan.identity = {{"file", checksumOf(file, job)}};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const auto store = project.openDatastore(datastore);
        Forecast forecast{"the index", formatCount(store->size()) + " vectors"};
        forecast.diskBytes = fs::file_size(file);
        forecast.memoryBytes = 2 * forecast.diskBytes; // FAISS's and, while it is written, its direct map
        admitBuild(project, folder, forecast, request, job);
        std::shared_ptr<const Index> index;
        importInto(folder, [&] {
            importIndex(folder, file, store, config, job);
            index = Index::open(folder, store);
            if (!request.force)
                requireSomeRecall(*index, file);
        });
        Json info = index->manifest().info;
        info["source_xxh3"] = index->manifest().identity.at("source_xxh3");
        return Built{index->fingerprint(), info, {}};
    });
}

ArtefactRow addClusters(Project &project, const fs::path &file, const ArtefactRow &datastore, const Request &request, JobControl &job)
{
    requireKind(datastore, ArtefactKind::Datastore);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Clusters;
    plan.job = "cluster import";
    plan.name = fmt::format("{}-{}", datastore.name, stemOf(file));
    plan.inputs = {inputFrom("datastore", datastore)};
    plan.identity = {{"file", checksumOf(file, job)}};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const auto store = project.openDatastore(datastore);
        importInto(folder, [&] { importClusters(folder, file, *store, job); });
        const auto clusters = Clusters::open(folder);
        Json info = clusters->manifest().info;
        info["states"] = clusters->states();
        info["entries"] = clusters->entries();
        return Built{clusters->fingerprint(), info, {}};
    });
}

ArtefactRow addTrace(Project &project, const TraceSource &source, const TraceImportConfig &config, const ArtefactRow &datastore,
                     const std::optional<ArtefactRow> &index, const Request &request, JobControl &job)
{
    requireKind(datastore, ArtefactKind::Datastore);
    const auto store = project.openDatastore(datastore);
    const auto searcher = index ? project.openIndex(*index, store) : Index::exact(store);
    const std::int64_t positions = checkTraceSource(source, *store);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Trace;
    plan.job = "trace import";
    plan.name = fmt::format("{}-{}", datastore.name, stemOf(source.queries));
    plan.config = config;
    plan.inputs = {inputFrom("datastore", datastore)};
    if (index)
        plan.inputs.push_back(inputFrom("index", *index));
    const std::pair<const char *, const fs::path &> files[] = {
        {"queries", source.queries}, {"targets", source.targets}, {"lm_log_probs", source.lmLogProbs}, {"sequences", source.sequences}, {"windows", source.windows}};
    for (const auto &[role, path] : files) {
        if (!path.empty())
            plan.identity[role] = checksumOf(path, job);
    }
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        Forecast forecast{"the trace", formatCount(positions) + " positions"};
        forecast.diskBytes = trace_format::diskBytes({positions, config.k, store->dimension(), 0, searcher->isExact(), false});
        admitBuild(project, folder, forecast, request, job);
        importInto(folder, [&] { importTrace(folder, source, config, store, *searcher, job); });
        const auto trace = Trace::open(folder, store);
        double sum = 0;
        for (const float logProb : trace->arrays().lmLogProbs)
            sum -= logProb;
        Json info = trace->manifest().info;
        info["positions"] = trace->arrays().positions;
        info["k"] = trace->arrays().kMax;
        info["base_perplexity"] = std::exp(sum / static_cast<double>(positions));
        return Built{trace->fingerprint(), info, {}};
    });
}

// ---------------------------------------------------------------------------------------------------------------- exports

std::vector<ExportedFile> exportDatastore(const Project &project, const ArtefactRow &row, const fs::path &folder, JobControl &job)
{
    requireKind(row, ArtefactKind::Datastore);
    const auto datastore = project.openDatastore(row);
    const KeyView keys = datastore->keys();
    Exporter out(folder, job);
    const std::span data(static_cast<const std::byte *>(keys.data), static_cast<std::size_t>(keys.count) * keys.rowBytes());
    out.addBytes("keys", keys.type == KeyType::Float16 ? "f2" : "f4", data, {keys.count, keys.dimension});
    out.add("values", datastore->values());
    const MappedFile documents(project.folderOf(row) / layout::documentsFile);
    out.addBytes("documents", "i8", documents.bytes(), {std::int64_t(documents.size() / sizeof(layout::DocumentStart)), 2});
    return std::move(out).files();
}

std::vector<ExportedFile> exportClusters(const Project &project, const ArtefactRow &row, const fs::path &folder, JobControl &job)
{
    requireKind(row, ArtefactKind::Clusters);
    const auto clusters = project.openClusters(row);
    Exporter out(folder, job);
    out.add("states", clusters->stateOf());
    out.add("offsets", clusters->offsets());
    out.add("members", clusters->members());
    return std::move(out).files();
}

std::vector<ExportedFile> exportTrace(const Project &project, const ArtefactRow &row, const fs::path &folder, JobControl &job)
{
    requireKind(row, ArtefactKind::Trace);
    const auto trace = project.openTrace(row, project.openDatastore(project.inputOf(row, "datastore")));
    const TraceArrays &a = trace->arrays();
    Exporter out(folder, job);
    out.add("queries", a.queries, {a.positions, a.dimension});
    out.add("targets", a.targets);
    out.add("lm_log_probs", a.lmLogProbs);
    out.add("sequences", a.documents);
    out.add("windows", a.windows);
    out.add("token_indices", a.tokenIndices);
    if (!a.lmEntropies.empty())
        out.add("lm_entropies", a.lmEntropies);
    if (a.topCandidates > 0) {
        out.add("lm_top_ids", a.lmTopIds, {a.positions, a.topCandidates});
        out.add("lm_top_log_probs", a.lmTopLogProbs, {a.positions, a.topCandidates});
    }
    out.add("neighbour_ids", a.neighbourIds, {a.positions, a.kMax});
    out.add("index_distances", a.indexDistances, {a.positions, a.kMax});
    out.add("exact_distances", a.exactDistances, {a.positions, a.kMax});
    return std::move(out).files();
}

std::vector<ExportedFile> exportEvaluation(const Project &project, const std::string &trace, const std::string &clusters, const EvaluationSettings &settings,
                                           const fs::path &folder, JobControl &job)
{
    const EvaluationResult result = openTraceForReplay(project, trace, clusters).replay->evaluate(settings, {.perPosition = true}, job);
    Exporter out(folder, job);
    const auto add = [&]<typename T>(const char *name, const std::vector<T> &values) {
        if (!values.empty()) // the LM alone has but log_probs
            out.add(name, std::span<const T>(values));
    };
    add("log_probs", result.logProbs);
    add("knn_log_probs", result.knnLogProbs);
    add("searched", result.searched);
    add("candidates", result.candidates);
    add("survivors", result.survivors);
    return std::move(out).files();
}

} // namespace retoscope
