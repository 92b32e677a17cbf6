// SPDX-License-Identifier: GPL-3.0-or-later
// How a trace lies on disk, and the one writer of it (recorder and importer). Row-major little-endian arrays without
// headers; shapes are in the manifest's identity, sizes and checksums in its files.
//
//   targets.bin          int32 [n]        lm_log_probs.bin      float32 [n]
//   token_indices.bin    int64 [n]        lm_entropies.bin      float32 [n]      absent in imported traces
//   documents.bin        int32 [n]        lm_top_ids.bin        int32 [n × c]    absent when c = 0
//   windows.bin          int32 [n]        lm_top_log_probs.bin  float32 [n × c]  absent when c = 0
//   queries.bin          float32 [n × D]  neighbour_ids.bin     int32 [n × k]    −1 pads
//   index_distances.bin  float32 [n × k]  exact_distances.bin   float32 [n × k]  absent when the index is exact
//
// Identity fields read by Trace::open(): "positions", "k", "dimension", "top_candidates", "metric", "exact_index",
// "has_entropies", "datastore" (fingerprint). The recorder adds what else the trace *is*: "index", "model", "tokenizer",
// "tokens", "windows", "search", "max_positions".
#pragma once

#include "base/atomic_file.h"
#include "base/manifest.h"
#include "base/mapped_file.h"
#include "trace/trace.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace retoscope::trace_format {

inline constexpr const char *journalFile = "journal.json";

/// What decides every file's size.
struct Shape
{
    std::int64_t positions = 0; ///< n
    std::int32_t k = 0;
    std::int32_t dimension = 0;
    std::int32_t topCandidates = 0;
    bool exactIndex = false; ///< no exact_distances.bin: they are the index's
    bool entropies = true;

    /// Reads and bounds-checks the identity; throws Corrupt naming the field.
    static Shape fromIdentity(const Json &identity, const std::string &where);
    /// Adds the fields of the shape to an identity.
    void toIdentity(Json &identity) const;
};

/// One file of the trace: where its rows are in TraceArrays.
struct Column
{
    const char *file;
    std::int64_t rowBytes;
    const void *(*rows)(const TraceArrays &arrays);
};

/// The columns that a trace of this shape has, in a fixed order.
std::vector<Column> columns(const Shape &shape);

/// The columns of a trace in memory for as long as this lives.
struct MappedColumns
{
    std::vector<MappedFile> files;
    TraceArrays arrays; ///< all but the metric
};

/// Maps the first shape.positions rows of every column, finished or still being written; throws Corrupt naming the file
/// that is too short.
MappedColumns mapColumns(const std::filesystem::path &folder, const Shape &shape);

/// Bytes of all columns.
std::uint64_t diskBytes(const Shape &shape);

/// Grows a trace block by block and survives kill -9: every file is `<name>.partial` until finish(), and a journal says
/// how many positions are whole. Opening the folder again continues there; a journal of another identity is refused with
/// the field that differs (Mismatch). Not thread-safe. Blocks may be of any size; the result depends only on the rows.
class TraceWriter
{
public:
    /// `identity` lacks only the fields of `shape`, which are added. Takes the folder's lock.
    TraceWriter(std::filesystem::path folder, const Shape &shape, Json identity);

    /// Positions that are on disk; the next append() continues there.
    [[nodiscard]] std::int64_t positions() const { return m_positions; }
    [[nodiscard]] bool complete() const { return m_positions == m_shape.positions; }

    /// Appends the `block.positions` next positions and returns when they are on disk and journaled. All arrays that the
    /// shape has must be filled; exactDistances are ignored for an exact index.
    void append(const TraceArrays &block);

    /// What is on disk so far, for live views; not after finish().
    [[nodiscard]] MappedColumns map() const;

    /// Gives every file its name, writes the manifest and removes the journal. Throws when positions are missing.
    void finish(Json info);

private:
    void writeJournal() const;

    std::filesystem::path m_folder;
    Shape m_shape;
    Json m_identity;
    FolderLock m_lock;
    std::vector<Column> m_columns;
    std::vector<std::unique_ptr<AppendFile>> m_files; ///< null: renamed already by an interrupted finish()
    std::int64_t m_positions = 0;
};

} // namespace retoscope::trace_format
