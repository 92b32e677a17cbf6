// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a text of the user's holds: documents of valid UTF-8 or a sentence. The first byte chooses the kind.
#include "base/error.h"
#include "base/job.h"
#include "text/corpus.h"
#include "text/document_reader.h"
#include "text/utf8.h"

#include "fuzz_input.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const fuzz::Folder folder;
    if (size == 0)
        return 0;
    CorpusOptions options;
    switch (data[0]) {
    case 'B': options.kind = CorpusKind::BlankLines; break;
    case 'W': options.kind = CorpusKind::WikiText; break;
    case 'J': options.kind = CorpusKind::Jsonl; break;
    case 'H': options.kind = CorpusKind::Html; break;
    default: options.kind = CorpusKind::Text;
    }
    JobControl job;
    try {
        readDocuments({folder.write("text", fuzz::inputOf(data + 1, size - 1))}, options,
                      [](const Document &document) {
                          if (findInvalidUtf8(document.text) != std::string_view::npos)
                              std::abort();
                      },
                      job);
    } catch (const Error &) {
    }
    return 0;
}
