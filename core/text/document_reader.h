// SPDX-License-Identifier: GPL-3.0-or-later
// The two steps of readDocuments(), for the corpus builder, which sorts the files into splits between them.
#pragma once

#include "text/corpus.h"

namespace retoscope {

/// The files that `paths` name, folders searched recursively, in byte order and each once. Throws NotFound, Io, BadInput.
std::vector<std::filesystem::path> corpusFiles(std::span<const std::filesystem::path> paths, CorpusKind kind);

/// Streams the documents of these files; throws like readDocuments().
void readFiles(std::span<const std::filesystem::path> files, const CorpusOptions &options,
               const std::function<void(Document &&)> &sink, JobControl &job);

} // namespace retoscope
