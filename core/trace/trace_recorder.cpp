// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/trace_recorder.h"

#include "base/error.h"
#include "base/job.h"
#include "base/json_fields.h"
#include "base/mapped_file.h"
#include "base/threads.h"
#include "trace/retrieval.h"
#include "trace/scoring_plan.h"
#include "trace/trace_format.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::string_view stage = "recording the trace";

void validate(const TraceConfig &config, std::int32_t vocabulary)
{
    if (config.k < 1)
        fail(ErrorKind::BadInput, "k is {}; a trace needs at least 1 neighbour per position.", config.k);
    if (config.topCandidates < 0 || config.topCandidates > vocabulary)
        fail(ErrorKind::BadInput, "top_candidates is {}; it must lie between 0 and the model's vocabulary of {}.",
             config.topCandidates, vocabulary);
}

trace_format::Shape shapeOf(const TraceConfig &config, std::int64_t positions, std::int32_t dimension, bool exactIndex)
{
    return {.positions = positions,
            .k = config.k,
            .dimension = dimension,
            .topCandidates = config.topCandidates,
            .exactIndex = exactIndex,
            .entropies = true};
}

/// The columns of one block, owned.
struct RecordedBlock
{
    std::vector<std::int32_t> targets, documents, windows;
    std::vector<std::int64_t> tokenIndices;
    ForwardOutput scores;
    Neighbours found;
    std::vector<float> exactDistances; ///< empty: the index is exact

    [[nodiscard]] TraceArrays arrays(const trace_format::Shape &shape, Metric metric) const
    {
        return {.positions = static_cast<std::int64_t>(targets.size()),
                .kMax = shape.k,
                .dimension = shape.dimension,
                .topCandidates = shape.topCandidates,
                .metric = metric,
                .targets = targets,
                .tokenIndices = tokenIndices,
                .documents = documents,
                .windows = windows,
                .lmLogProbs = scores.targetLogProbs,
                .lmEntropies = scores.entropies,
                .lmTopIds = scores.topIds,
                .lmTopLogProbs = scores.topLogProbs,
                .queries = scores.keys,
                .neighbourIds = found.ids,
                .indexDistances = found.distances,
                .exactDistances = shape.exactIndex ? found.distances : exactDistances};
    }
};

/// Runs model and index; knows nothing of files.
class BlockRecorder
{
public:
    BlockRecorder(const TraceConfig &config, const LanguageModel &model, const TokenStore &tokens,
                  const Datastore &datastore, const Index &index, const ScoringPlan &plan)
        : m_config(config), m_model(model), m_tokens(tokens), m_index(index), m_plan(plan),
          m_distances(datastore, index),
          m_request{.tap = tapOf(datastore), .keys = true, .scores = true, .topCandidates = config.topCandidates}
    {
    }

    [[nodiscard]] RecordedBlock record(const ScoringBlock &block, JobControl &job) const
    {
        RecordedBlock result;
        for (const PositionLabel &label : labelPositions(m_plan, block, m_tokens)) {
            result.targets.push_back(label.target);
            result.tokenIndices.push_back(label.tokenIndex);
            result.documents.push_back(label.document);
            result.windows.push_back(label.window);
        }
        result.scores = forwardBlock(m_plan, block, m_model, m_tokens, m_request, job);
        job.checkpoint();
        m_index.search(result.scores.keys, m_config.k, m_config.search, result.found);
        if (!m_index.isExact())
            rescore(result);
        return result;
    }

private:
    void rescore(RecordedBlock &block) const
    {
        const auto k = static_cast<std::size_t>(m_config.k);
        const auto dimension = static_cast<std::size_t>(m_model.config().hiddenSize);
        const std::span<const std::int32_t> ids = block.found.ids;
        const std::span<const float> indexDistances = block.found.distances;
        block.exactDistances.resize(ids.size());
        parallelFor(block.found.queries, 16, [&](std::int64_t begin, std::int64_t end) {
            for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
                m_distances.ofFound(&block.scores.keys[i * dimension], ids.subspan(i * k, k),
                                    indexDistances.subspan(i * k, k), &block.exactDistances[i * k]);
        });
    }

    const TraceConfig &m_config;
    const LanguageModel &m_model;
    const TokenStore &m_tokens;
    const Index &m_index;
    const ScoringPlan &m_plan;
    EntryDistances m_distances;
    ForwardRequest m_request;
};

Json identityOf(const TraceConfig &config, const LanguageModel &model, const TokenStore &tokens, const Datastore &datastore,
                const Index &index)
{
    return {{"datastore", datastore.fingerprint()},
            {"index", index.fingerprint()},
            {"metric", toString(index.metric())},
            {"model", model.fingerprint()},
            {"compute", toString(model.options().compute)},
            {"tokens", tokens.fingerprint()},
            {"tokenizer", tokens.tokenizerFingerprint()},
            {"tap", tapOf(datastore)},
            {"windows", config.windows},
            {"search", config.search},
            {"max_positions", config.maxPositions}};
}

/// True when the folder holds this very trace already; throws Mismatch naming the first difference when another one.
bool holdsFinishedTrace(const fs::path &folder, const Json &identity)
{
    if (!hasManifest(folder))
        return false;
    const Manifest manifest = readManifest(folder, Trace::format, Trace::version);
    for (const auto &[field, value] : identity.items())
        requireSame(fmt::format("{} of the trace in {}", field, folder.string()), manifest.identity.value(field, Json()).dump(),
                    value.dump(), "record into another folder, or remove that one first");
    std::error_code absent;
    fs::remove(folder / trace_format::journalFile, absent); // left by a kill right after the manifest was written
    return true;
}

void tell(const TraceListener &listener, const trace_format::TraceWriter &writer, Metric metric, std::int64_t begin)
{
    if (!listener || writer.positions() == begin)
        return;
    trace_format::MappedColumns soFar = writer.map();
    soFar.arrays.metric = metric;
    listener(soFar.arrays, begin, writer.positions());
}

} // namespace

void to_json(Json &json, const TraceConfig &config)
{
    json = {{"k", config.k},
            {"windows", config.windows},
            {"search", config.search},
            {"top_candidates", config.topCandidates},
            {"max_positions", config.maxPositions}};
}

void from_json(const Json &json, TraceConfig &config)
{
    JsonFields fields(json, "trace");
    TraceConfig read;
    fields.read("k", read.k, 1);
    if (const Json *windows = fields.find("windows"))
        read.windows = windows->get<WindowScheme>();
    if (const Json *search = fields.find("search"))
        read.search = search->get<SearchParameters>();
    fields.read("top_candidates", read.topCandidates, 0);
    fields.read<std::int64_t>("max_positions", read.maxPositions, 0);
    fields.refuseOthers();
    config = read;
}

void recordTrace(const fs::path &folder, const TraceConfig &config, const LanguageModel &model, const TokenStore &tokens,
                 std::shared_ptr<const Datastore> datastore, const Index &index, JobControl &job, const TraceListener &listener)
{
    validate(config, model.config().vocabularySize);
    requireMatching(model, *datastore, index);
    requireSameTokenizer(tokens, *datastore);
    const ScoringPlan plan = planScoring(tokens, config.windows, config.maxPositions);
    requireReadable(plan, model);

    const auto shape = shapeOf(config, plan.positions, datastore->dimension(), index.isExact());
    Json identity = identityOf(config, model, tokens, *datastore, index);
    shape.toIdentity(identity);
    if (holdsFinishedTrace(folder, identity))
        return;

    trace_format::TraceWriter writer(folder, shape, std::move(identity));
    tell(listener, writer, index.metric(), 0);
    const BlockRecorder recorder(config, model, tokens, *datastore, index, plan);
    for (const ScoringBlock &block : plan.blocks) {
        if (block.firstPosition < writer.positions())
            continue; // on disk since an earlier run
        writer.append(recorder.record(block, job).arrays(shape, index.metric()));
        tell(listener, writer, index.metric(), block.firstPosition);
        job.report(stage, "positions", writer.positions(), plan.positions);
    }
    writer.finish(Json{{"index_factory", index.factory()}});
}

TraceForecast forecastTrace(const TraceConfig &config, const TokenStore &tokens, const Datastore &datastore)
{
    const ScoringPlan plan = planScoring(tokens, config.windows, config.maxPositions);
    const std::int64_t largestBlock = std::ranges::max(plan.blocks, {}, &ScoringBlock::positions).positions;
    const auto bytesOf = [&](std::int64_t positions) {
        return trace_format::diskBytes(shapeOf(config, positions, datastore.dimension(), false));
    };
    return {.positions = plan.positions, .diskBytes = bytesOf(plan.positions), .memoryBytes = bytesOf(largestBlock)};
}

} // namespace retoscope
