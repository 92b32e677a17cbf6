// SPDX-License-Identifier: GPL-3.0-or-later
// The first documents that a corpus would hold, before it is made.
#pragma once

#include "text/corpus.h"

namespace retoscope {

struct CorpusPreview
{
    struct Head
    {
        std::string title;
        std::string begin;       ///< the first characters of the text; valid UTF-8
        std::uint64_t bytes = 0; ///< of the whole text
    };
    std::vector<Head> documents; ///< the first ones
    std::int64_t found = 0;
    bool whole = false;          ///< all were read; else there are more than `found`
};

/// Reads at most `most` documents of the files as readDocuments() would; throws what it throws.
CorpusPreview previewCorpus(const std::vector<std::filesystem::path> &paths, const CorpusOptions &options, std::int64_t most, JobControl &job);

} // namespace retoscope
