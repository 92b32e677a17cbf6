// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/trace_format.h"

#include "base/error.h"

#include <limits>

namespace retoscope::trace_format {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t maximalPositions = std::int64_t(1) << 40;
constexpr std::int32_t maximalColumns = 1 << 24; ///< k, D and c

template<typename Integer>
Integer integerField(const Json &identity, const char *name, Integer lowest, Integer highest, const std::string &where)
{
    const auto field = identity.find(name);
    if (field == identity.end() || !field->is_number_integer())
        fail(ErrorKind::Corrupt, "{}: the trace's identity has no integer '{}'; record the trace again.", where, name);
    const auto value = field->get<std::int64_t>();
    if (value < lowest || value > highest)
        fail(ErrorKind::Corrupt, "{}: '{}' is {}, which no trace has; record the trace again.", where, name, value);
    return static_cast<Integer>(value);
}

bool booleanField(const Json &identity, const char *name, const std::string &where)
{
    const auto field = identity.find(name);
    if (field == identity.end() || !field->is_boolean())
        fail(ErrorKind::Corrupt, "{}: the trace's identity has no '{}' that is true or false; record the trace again.",
             where, name);
    return field->get<bool>();
}

fs::path partialName(const fs::path &folder, const char *file)
{
    return folder / (std::string(file) + ".partial");
}

/// Refuses to continue somebody else's work, naming what differs.
void requireSameIdentity(const Json &journaled, const Json &wanted, const fs::path &folder)
{
    for (const auto &[name, value] : wanted.items()) {
        const auto old = journaled.find(name);
        requireSame(fmt::format("{} of the unfinished trace in {}", name, folder.string()),
                    old == journaled.end() ? std::string("absent") : old->dump(), value.dump(),
                    "Record into another folder, or remove this one to start again.");
    }
}

} // namespace

Shape Shape::fromIdentity(const Json &identity, const std::string &where)
{
    Shape shape;
    shape.positions = integerField<std::int64_t>(identity, "positions", 0, maximalPositions, where);
    shape.k = integerField<std::int32_t>(identity, "k", 1, maximalColumns, where);
    shape.dimension = integerField<std::int32_t>(identity, "dimension", 1, maximalColumns, where);
    shape.topCandidates = integerField<std::int32_t>(identity, "top_candidates", 0, maximalColumns, where);
    shape.exactIndex = booleanField(identity, "exact_index", where);
    shape.entropies = booleanField(identity, "has_entropies", where);
    return shape;
}

void Shape::toIdentity(Json &identity) const
{
    identity["positions"] = positions;
    identity["k"] = k;
    identity["dimension"] = dimension;
    identity["top_candidates"] = topCandidates;
    identity["exact_index"] = exactIndex;
    identity["has_entropies"] = entropies;
}

std::vector<Column> columns(const Shape &shape)
{
    const std::int64_t k = shape.k, d = shape.dimension, c = shape.topCandidates;
    using A = const TraceArrays &;
    using P = const void *;
    std::vector<Column> result = {
        {"targets.bin", 4, [](A a) -> P { return a.targets.data(); }},
        {"token_indices.bin", 8, [](A a) -> P { return a.tokenIndices.data(); }},
        {"documents.bin", 4, [](A a) -> P { return a.documents.data(); }},
        {"windows.bin", 4, [](A a) -> P { return a.windows.data(); }},
        {"lm_log_probs.bin", 4, [](A a) -> P { return a.lmLogProbs.data(); }},
        {"queries.bin", 4 * d, [](A a) -> P { return a.queries.data(); }},
        {"neighbour_ids.bin", 4 * k, [](A a) -> P { return a.neighbourIds.data(); }},
        {"index_distances.bin", 4 * k, [](A a) -> P { return a.indexDistances.data(); }},
    };
    if (!shape.exactIndex)
        result.push_back({"exact_distances.bin", 4 * k, [](A a) -> P { return a.exactDistances.data(); }});
    if (shape.entropies)
        result.push_back({"lm_entropies.bin", 4, [](A a) -> P { return a.lmEntropies.data(); }});
    if (c > 0) {
        result.push_back({"lm_top_ids.bin", 4 * c, [](A a) -> P { return a.lmTopIds.data(); }});
        result.push_back({"lm_top_log_probs.bin", 4 * c, [](A a) -> P { return a.lmTopLogProbs.data(); }});
    }
    return result;
}

std::uint64_t diskBytes(const Shape &shape)
{
    std::uint64_t bytes = 0;
    for (const Column &column : columns(shape))
        bytes += std::uint64_t(column.rowBytes) * std::uint64_t(shape.positions);
    return bytes;
}

MappedColumns mapColumns(const fs::path &folder, const Shape &shape)
{
    MappedColumns mapped;
    TraceArrays &a = mapped.arrays;
    a.positions = shape.positions;
    a.kMax = shape.k;
    a.dimension = shape.dimension;
    a.topCandidates = shape.topCandidates;
    const auto map = [&]<typename T>(std::span<const T> &array, const char *name, std::int64_t columns) {
        const fs::path finished = folder / name;
        const MappedFile &file = mapped.files.emplace_back(fs::exists(finished) ? finished : partialName(folder, name));
        // The length decides, before any multiplication of hostile sizes is trusted.
        const std::size_t rows = std::size_t(shape.positions);
        if (file.size() / sizeof(T) / std::size_t(columns) < rows)
            fail(ErrorKind::Corrupt, "{}: {} is shorter than {} positions need; record the trace again.", folder.string(), name, rows);
        array = file.view<T>(0, rows * std::size_t(columns));
    };
    map(a.targets, "targets.bin", 1);
    map(a.tokenIndices, "token_indices.bin", 1);
    map(a.documents, "documents.bin", 1);
    map(a.windows, "windows.bin", 1);
    map(a.lmLogProbs, "lm_log_probs.bin", 1);
    map(a.queries, "queries.bin", shape.dimension);
    map(a.neighbourIds, "neighbour_ids.bin", shape.k);
    map(a.indexDistances, "index_distances.bin", shape.k);
    if (shape.exactIndex)
        a.exactDistances = a.indexDistances;
    else
        map(a.exactDistances, "exact_distances.bin", shape.k);
    if (shape.entropies)
        map(a.lmEntropies, "lm_entropies.bin", 1);
    if (shape.topCandidates > 0) {
        map(a.lmTopIds, "lm_top_ids.bin", shape.topCandidates);
        map(a.lmTopLogProbs, "lm_top_log_probs.bin", shape.topCandidates);
    }
    return mapped;
}

TraceWriter::TraceWriter(fs::path folder, const Shape &shape, Json identity)
    : m_folder(std::move(folder)), m_shape(shape), m_identity(std::move(identity)),
      m_lock((makeFolder(m_folder), m_folder)), m_columns(columns(shape))
{
    m_shape.toIdentity(m_identity);
    if (hasManifest(m_folder))
        fail(ErrorKind::Resource, "{} was finished by another process a moment ago; run the same command again.", m_folder.string());
    const fs::path journal = m_folder / journalFile;
    if (fs::exists(journal)) {
        const Json state = Json::parse(readFile(journal), nullptr, false);
        if (!state.is_object() || !state.contains("identity") || !state.contains("positions"))
            fail(ErrorKind::Corrupt, "{} is damaged; remove the folder and record the trace again.", journal.string());
        requireSameIdentity(state["identity"], m_identity, m_folder);
        m_positions = integerField<std::int64_t>(state, "positions", 0, m_shape.positions, journal.string());
    }
    for (const Column &column : m_columns) {
        const fs::path partial = partialName(m_folder, column.file);
        const bool named = m_positions == m_shape.positions && !fs::exists(partial) && fs::exists(m_folder / column.file);
        m_files.push_back(named ? nullptr
                                : std::make_unique<AppendFile>(partial, std::uint64_t(column.rowBytes) * std::uint64_t(m_positions)));
    }
    writeJournal();
}

void TraceWriter::append(const TraceArrays &block)
{
    if (block.positions > m_shape.positions - m_positions)
        throw std::logic_error("TraceWriter: more positions than the shape has");
    for (std::size_t i = 0; i < m_columns.size(); ++i) {
        if (block.positions == 0)
            break;
        m_files[i]->write(m_columns[i].rows(block), std::size_t(m_columns[i].rowBytes) * std::size_t(block.positions));
    }
    for (const auto &file : m_files) {
        if (file)
            file->sync();
    }
    m_positions += block.positions;
    writeJournal();
}

MappedColumns TraceWriter::map() const
{
    Shape soFar = m_shape;
    soFar.positions = m_positions;
    return mapColumns(m_folder, soFar);
}

void TraceWriter::finish(Json info)
{
    if (!complete())
        throw std::logic_error("TraceWriter: finished before all positions were written");
    Manifest manifest;
    manifest.format = Trace::format;
    manifest.version = Trace::version;
    manifest.identity = m_identity;
    manifest.info = std::move(info);
    m_files.resize(m_columns.size());
    for (std::size_t i = 0; i < m_columns.size(); ++i) {
        if (m_files[i]) {
            m_files[i].reset();
            renameDurably(partialName(m_folder, m_columns[i].file), m_folder / m_columns[i].file);
        }
        addFile(manifest, m_folder, m_columns[i].file);
    }
    writeManifest(manifest, m_folder);
    fs::remove(m_folder / journalFile);
}

void TraceWriter::writeJournal() const
{
    writeFileAtomically(m_folder / journalFile, Json{{"identity", m_identity}, {"positions", m_positions}}.dump(2));
}

} // namespace retoscope::trace_format
