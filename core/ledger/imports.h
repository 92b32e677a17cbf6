// SPDX-License-Identifier: GPL-3.0-or-later
// Artefacts of other programs in and out of a project. What comes in gets manifests, fingerprints and ledger rows like what
// is built here, so every later command works on it; what goes out are .npy files (names and types: README). The rules of
// operations.h hold.
#pragma once

#include "datastore/datastore_import.h"
#include "ledger/operations.h"
#include "trace/trace_import.h"

#include <filesystem>
#include <string>
#include <vector>

namespace retoscope {

/// `tokenizer`: name of a tokenizer or model of the project, or where a tokenizer's files lie; empty: tokens appear as ids.
ArtefactRow addDatastore(Project &project, const DatastoreSource &source, const std::string &tokenizer, const Request &request, JobControl &job);
/// A FAISS file over the entries of the datastore. Refused when it finds next to none of the true neighbours of stored keys
/// (it belongs to other keys), unless forced.
ArtefactRow addIndex(Project &project, const std::filesystem::path &file, const ArtefactRow &datastore, const IndexConfig &config, const Request &request, JobControl &job);
ArtefactRow addClusters(Project &project, const std::filesystem::path &file, const ArtefactRow &datastore, const Request &request, JobControl &job);
/// `index` absent: exact search.
ArtefactRow addTrace(Project &project, const TraceSource &source, const TraceImportConfig &config, const ArtefactRow &datastore,
                     const std::optional<ArtefactRow> &index, const Request &request, JobControl &job);

struct ExportedFile
{
    std::filesystem::path path;
    std::string type;                ///< NumPy's, e.g. "f4"
    std::vector<std::int64_t> shape;
};

/// Each writes .npy files into `folder` (made when it is not there) and returns them. A file appears under its name only
/// when it is whole; one that is there is replaced. Throws Io.
std::vector<ExportedFile> exportDatastore(const Project &project, const ArtefactRow &row, const std::filesystem::path &folder, JobControl &job);
std::vector<ExportedFile> exportClusters(const Project &project, const ArtefactRow &row, const std::filesystem::path &folder, JobControl &job);
std::vector<ExportedFile> exportTrace(const Project &project, const ArtefactRow &row, const std::filesystem::path &folder, JobControl &job);
/// Per position of an evaluation, replayed: log probabilities of mixture and kNN side, searched, candidates, survivors.
std::vector<ExportedFile> exportEvaluation(const Project &project, const std::string &trace, const std::string &clusters,
                                           const EvaluationSettings &settings, const std::filesystem::path &folder, JobControl &job);

} // namespace retoscope
