// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/trace_import.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/npy.h"
#include "base/threads.h"
#include "datastore/distance.h"
#include "trace/retrieval.h"
#include "trace/trace_format.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::int64_t blockPositions = 512;

/// Numbers of any floating-point type as fp32.
std::vector<float> floatsOf(const NpyFile &file, std::int64_t begin, std::int64_t count)
{
    const auto size = file.header().itemSize;
    const auto raw = file.rawData().subspan(static_cast<std::size_t>(begin) * size, static_cast<std::size_t>(count) * size);
    std::vector<float> values(static_cast<std::size_t>(count));
    if (size == sizeof(float)) {
        std::memcpy(values.data(), raw.data(), raw.size());
    } else if (size == sizeof(std::uint16_t)) {
        std::vector<std::uint16_t> halves(values.size());
        std::memcpy(halves.data(), raw.data(), raw.size());
        halfToFloat(halves.data(), values.data(), count);
    } else {
        std::vector<double> doubles(values.size());
        std::memcpy(doubles.data(), raw.data(), raw.size());
        std::ranges::transform(doubles, values.begin(), [](double value) { return static_cast<float>(value); });
    }
    return values;
}

/// The arrays, opened and of the right types and shapes.
struct Arrays
{
    NpyFile queries, targets, lmLogProbs;
    std::optional<NpyFile> sequences, windows;
    std::int64_t positions = 0;

    explicit Arrays(const TraceSource &source)
        : queries(source.queries), targets(source.targets), lmLogProbs(source.lmLogProbs)
    {
        if (!source.sequences.empty())
            sequences.emplace(source.sequences);
        if (!source.windows.empty())
            windows.emplace(source.windows);
        requireNumbers(queries, source.queries, 'f', "queries are floating-point numbers");
        requireNumbers(lmLogProbs, source.lmLogProbs, 'f', "logarithms of probabilities are floating-point numbers");
        if (queries.header().shape.size() != 2)
            fail(ErrorKind::BadInput, "{} has the shape ({}), but queries have two dimensions, positions and components; reshape it.", source.queries.string(),
                 fmt::join(queries.header().shape, ", "));
        positions = targets.header().count();
        if (positions < 1)
            fail(ErrorKind::BadInput, "{} holds no position; an evaluation needs at least one.", source.targets.string());
        requireCount(queries.header().shape[0], source.queries, source.targets);
        requireCount(lmLogProbs.header().count(), source.lmLogProbs, source.targets);
        for (const auto *optional : {&sequences, &windows}) {
            if (*optional)
                requireCount((*optional)->header().count(), optional == &sequences ? source.sequences : source.windows, source.targets);
        }
    }

    void requireDimension(const Datastore &datastore, const fs::path &path) const
    {
        if (queries.header().shape[1] != datastore.dimension())
            fail(ErrorKind::Mismatch, "{} holds queries of dimension {}, but the keys of the datastore have {}; name the datastore of the same model.", path.string(),
                 queries.header().shape[1], datastore.dimension());
    }

private:
    static void requireNumbers(const NpyFile &file, const fs::path &path, char kind, std::string_view what)
    {
        if (file.header().type[0] != kind)
            fail(ErrorKind::BadInput, "{} holds values of the type {}, but {}; convert it with numpy.astype.", path.string(), file.header().type, what);
    }
    void requireCount(std::int64_t count, const fs::path &path, const fs::path &targets_) const
    {
        if (count != positions)
            fail(ErrorKind::Mismatch, "{} has {} positions, but {} has {}; save both for the same positions.", path.string(), count, targets_.string(), positions);
    }
};

/// Whole columns that are small: everything but queries and neighbours.
struct Labels
{
    std::vector<std::int32_t> targets, documents, windows;
    std::vector<std::int64_t> tokenIndices;
    std::vector<float> lmLogProbs;
};

std::vector<std::int32_t> narrowed(const NpyFile &file, const fs::path &path, std::string_view what, std::string_view advice)
{
    const auto wide = file.integers();
    const auto bad = std::ranges::find_if(wide, [](std::int64_t value) { return value < 0 || value > std::numeric_limits<std::int32_t>::max(); });
    if (bad != wide.end())
        fail(ErrorKind::BadInput, "{}: position {} has the {} {}; {}.", path.string(), bad - wide.begin(), what, *bad, advice);
    return {wide.begin(), wide.end()};
}

std::vector<std::int32_t> ascending(const NpyFile &file, const fs::path &path, std::string_view what)
{
    auto values = narrowed(file, path, what, "number them from 0");
    const auto back = std::ranges::adjacent_find(values, std::greater<>());
    if (back != values.end())
        fail(ErrorKind::BadInput, "{}: position {} goes back from {} {} to {}; save the positions in the order of the text.", path.string(), back - values.begin() + 1, what, *back,
             *(back + 1));
    return values;
}

Labels labelsOf(const Arrays &arrays, const TraceSource &source)
{
    Labels labels;
    labels.targets = narrowed(arrays.targets, source.targets, "target", "a target is a token id, so leave out positions that are not scored (label -100)");
    labels.lmLogProbs = floatsOf(arrays.lmLogProbs, 0, arrays.positions);
    constexpr float roundingAllowed = 1e-3f;
    const auto bad = std::ranges::find_if(labels.lmLogProbs, [](float value) { return !(value <= roundingAllowed); });
    if (bad != labels.lmLogProbs.end())
        fail(ErrorKind::BadInput, "{}: position {} has {}, which is no natural logarithm of a probability; save log p, not p or the loss.", source.lmLogProbs.string(),
             bad - labels.lmLogProbs.begin(), *bad);
    labels.documents.assign(static_cast<std::size_t>(arrays.positions), 0);
    if (arrays.sequences)
        labels.documents = ascending(*arrays.sequences, source.sequences, "sequence");
    labels.windows = arrays.windows ? ascending(*arrays.windows, source.windows, "window") : labels.documents;
    labels.tokenIndices.resize(static_cast<std::size_t>(arrays.positions));
    std::iota(labels.tokenIndices.begin(), labels.tokenIndices.end(), 0);
    return labels;
}

std::string checksumOf(const NpyFile &file)
{
    return hex64(xxh3(file.rawData().data(), file.rawData().size()));
}

Json identityOf(const Arrays &arrays, const TraceImportConfig &config, const Datastore &datastore, const Index &index)
{
    Json identity = {{"source", "import"},
                     {"datastore", datastore.fingerprint()},
                     {"index", index.fingerprint()},
                     {"metric", toString(index.metric())},
                     {"search", config.search},
                     {"queries_xxh3", checksumOf(arrays.queries)},
                     {"targets_xxh3", checksumOf(arrays.targets)},
                     {"lm_log_probs_xxh3", checksumOf(arrays.lmLogProbs)}};
    if (arrays.sequences)
        identity["sequences_xxh3"] = checksumOf(*arrays.sequences);
    if (arrays.windows)
        identity["windows_xxh3"] = checksumOf(*arrays.windows);
    return identity;
}

/// Searches for the neighbours of positions [begin, begin + count) and appends them.
class BlockImporter
{
public:
    BlockImporter(const Arrays &arrays, const Labels &labels, const TraceImportConfig &config, const Datastore &datastore, const Index &index, std::string queriesName)
        : m_arrays(arrays), m_labels(labels), m_config(config), m_index(index), m_distances(datastore, index), m_queriesName(std::move(queriesName))
    {
    }

    void append(std::int64_t begin, std::int64_t count, trace_format::TraceWriter &writer)
    {
        const std::int64_t dimension = m_arrays.queries.header().shape[1];
        m_queries = floatsOf(m_arrays.queries, begin * dimension, count * dimension);
        const auto bad = std::ranges::find_if(m_queries, [](float value) { return !std::isfinite(value); });
        if (bad != m_queries.end())
            fail(ErrorKind::BadInput, "{}: the query of position {} holds {}; record the queries again.", m_queriesName, begin + (bad - m_queries.begin()) / dimension, *bad);
        m_index.search(m_queries, m_config.k, m_config.search, m_found);
        if (!m_index.isExact())
            measureExactly(std::size_t(dimension));
        const auto part = [&](const auto &column) { return std::span(column).subspan(std::size_t(begin), std::size_t(count)); };
        TraceArrays block;
        block.positions = count;
        block.kMax = m_config.k;
        block.dimension = static_cast<std::int32_t>(dimension);
        block.metric = m_index.metric();
        block.targets = part(m_labels.targets);
        block.tokenIndices = part(m_labels.tokenIndices);
        block.documents = part(m_labels.documents);
        block.windows = part(m_labels.windows);
        block.lmLogProbs = part(m_labels.lmLogProbs);
        block.queries = m_queries;
        block.neighbourIds = m_found.ids;
        block.indexDistances = m_found.distances;
        block.exactDistances = m_index.isExact() ? m_found.distances : m_exact;
        writer.append(block);
    }

private:
    void measureExactly(std::size_t dimension)
    {
        const auto k = static_cast<std::size_t>(m_config.k);
        m_exact.resize(m_found.ids.size());
        parallelFor(m_found.queries, 16, [&](std::int64_t begin, std::int64_t end) {
            for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
                m_distances.ofFound(&m_queries[i * dimension], std::span(m_found.ids).subspan(i * k, k), std::span(m_found.distances).subspan(i * k, k), &m_exact[i * k]);
        });
    }

    const Arrays &m_arrays;
    const Labels &m_labels;
    const TraceImportConfig &m_config;
    const Index &m_index;
    EntryDistances m_distances;
    std::string m_queriesName;
    std::vector<float> m_queries, m_exact;
    Neighbours m_found;
};

} // namespace

void to_json(Json &json, const TraceImportConfig &config)
{
    json = {{"k", config.k}, {"search", config.search}};
}

std::int64_t checkTraceSource(const TraceSource &source, const Datastore &datastore)
{
    const Arrays arrays(source);
    arrays.requireDimension(datastore, source.queries);
    return arrays.positions;
}

void importTrace(const fs::path &folder, const TraceSource &source, const TraceImportConfig &config, std::shared_ptr<const Datastore> datastore, const Index &index,
                 JobControl &job)
{
    if (config.k < 1)
        fail(ErrorKind::BadInput, "k is {}; a trace needs at least 1 neighbour per position.", config.k);
    if (hasManifest(folder)) {
        std::error_code absent;
        fs::remove(folder / trace_format::journalFile, absent); // left by a kill right after the manifest was written
        return;
    }
    const Arrays arrays(source);
    arrays.requireDimension(*datastore, source.queries);
    const Labels labels = labelsOf(arrays, source);
    const trace_format::Shape shape{arrays.positions, config.k, datastore->dimension(), 0, index.isExact(), false};
    trace_format::TraceWriter writer(folder, shape, identityOf(arrays, config, *datastore, index));
    BlockImporter importer(arrays, labels, config, *datastore, index, source.queries.string());
    while (!writer.complete()) {
        job.checkpoint();
        const std::int64_t begin = writer.positions();
        importer.append(begin, std::min(blockPositions, arrays.positions - begin), writer);
        job.report("importing the trace", "positions", writer.positions(), arrays.positions);
    }
    writer.finish(Json{{"index_factory", index.factory()}});
}

} // namespace retoscope
