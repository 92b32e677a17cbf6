// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/corpus_preview.h"

#include "base/job.h"

#include <algorithm>

namespace retoscope {

namespace {

constexpr std::size_t headBytes = 160;
constexpr std::size_t headsKept = 50;

/// Ends the reading; not an error.
struct Enough
{
};

/// The first bytes of valid UTF-8, cut before a character that does not fit.
std::string headOf(const std::string &text)
{
    std::size_t end = std::min(text.size(), headBytes);
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
        --end;
    return text.substr(0, end);
}

} // namespace

CorpusPreview previewCorpus(const std::vector<std::filesystem::path> &paths, const CorpusOptions &options, std::int64_t most, JobControl &job)
{
    CorpusPreview preview;
    try {
        readDocuments(paths, options, [&](Document &&document) {
            job.checkpoint();
            if (preview.found == most)
                throw Enough();
            ++preview.found;
            if (preview.documents.size() < headsKept)
                preview.documents.push_back({std::move(document.title), headOf(document.text), document.text.size()});
        }, job);
        preview.whole = true;
    } catch (const Enough &) {
        preview.whole = false;
    }
    return preview;
}

} // namespace retoscope
