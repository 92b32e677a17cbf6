// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "index/index.h"
#include "trace/trace.h"

#include <filesystem>

namespace retoscope {

class JobControl;

/// Arrays of an evaluation that ran elsewhere, as .npy files; n positions in the order of the text.
struct TraceSource
{
    std::filesystem::path queries;    ///< f2, f4 or f8 [n, D]
    std::filesystem::path targets;    ///< integers [n]: the true next token
    std::filesystem::path lmLogProbs; ///< f2, f4 or f8 [n]: natural logarithm of the LM's probability of it
    std::filesystem::path sequences;  ///< integers [n], non-decreasing: where the automaton starts afresh; empty: never
    std::filesystem::path windows;    ///< integers [n], non-decreasing: the forward pass of each (parity mode); empty: the sequences
};

struct TraceImportConfig
{
    std::int32_t k = 1024;
    SearchParameters search;
};
void to_json(Json &json, const TraceImportConfig &config);

/// Number of positions; throws BadInput or Mismatch naming two files and their sizes unless all arrays fit together and to
/// the datastore.
std::int64_t checkTraceSource(const TraceSource &source, const Datastore &datastore);

/// Searches with each query and writes a trace that replays like a recorded one; it has no entropies and no candidates of
/// the LM. Continues after a kill; byte-identical.
void importTrace(const std::filesystem::path &folder, const TraceSource &source, const TraceImportConfig &config,
                 std::shared_ptr<const Datastore> datastore, const Index &index, JobControl &job);

} // namespace retoscope
