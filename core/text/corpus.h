// SPDX-License-Identifier: GPL-3.0-or-later
// Corpora: documents with titles, from plain text, WikiText, JSONL or HTML (each also .gz), and their splits. A corpus is
// an artefact: its text is copied into the project once, so that contexts can always be shown.
#pragma once

#include "base/ids.h"
#include "base/manifest.h"
#include "base/mapped_file.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

class JobControl;

enum class CorpusKind
{
    Auto,       ///< by file name: .jsonl, .html/.htm, else Text
    Text,       ///< a document per file
    BlankLines, ///< documents separated by blank lines
    WikiText,   ///< documents begin at headings " = Title = "
    Jsonl,      ///< a document per line, text in a named field
    Html,       ///< a document per page, visible text, <title>
};

enum class Split { Train, Validation, Test };

struct CorpusOptions
{
    CorpusKind kind = CorpusKind::Auto;
    std::string field = "text";   ///< Jsonl: the field that holds the text
    std::string titleField = "title"; ///< Jsonl: used when present
    double trainFraction = 1.0;   ///< by document, drawn with `seed`; the three sum to 1
    double validationFraction = 0.0;
    double testFraction = 0.0;
    std::uint64_t seed = 1;
    /// Given files instead of fractions: paths (files or folders) of each split; empty: use the fractions.
    std::vector<std::string> validationPaths = {};
    std::vector<std::string> testPaths = {};
};

void to_json(Json &json, const CorpusOptions &options);
void from_json(const Json &json, CorpusOptions &options);

struct Document
{
    std::string title;
    std::string text;   ///< valid UTF-8, never empty
    std::string source; ///< file (and line) it came from
};

/// Streams the documents of files and folders (recursively, in byte order of their paths). Throws BadInput with file and
/// line or byte for invalid UTF-8, malformed JSON, a missing field; NotFound for a missing path; BadInput when there is
/// no document at all. Constant memory.
void readDocuments(const std::vector<std::filesystem::path> &paths, const CorpusOptions &options,
                   const std::function<void(Document &&)> &sink, JobControl &job);

/// The corpus artefact, memory-mapped. Thread-safe to read.
class Corpus
{
public:
    /// Throws like readManifest().
    static std::shared_ptr<const Corpus> open(const std::filesystem::path &folder);

    [[nodiscard]] std::int64_t documentCount() const;
    [[nodiscard]] std::int64_t documentCount(Split split) const;
    [[nodiscard]] std::string_view text(DocumentId document) const;
    [[nodiscard]] std::string_view title(DocumentId document) const;
    [[nodiscard]] std::string_view source(DocumentId document) const;
    [[nodiscard]] Split split(DocumentId document) const;
    [[nodiscard]] const Manifest &manifest() const;
    [[nodiscard]] std::string fingerprint() const;

private:
    Corpus() = default;
    struct Data;
    std::shared_ptr<const Data> m_data;
};

/// Reads the documents and writes the artefact into `folder` (built in a temporary place and renamed when whole).
void buildCorpus(const std::filesystem::path &folder, const std::vector<std::filesystem::path> &paths,
                 const CorpusOptions &options, JobControl &job);

std::string_view toString(CorpusKind kind);
CorpusKind corpusKindFromString(std::string_view text); ///< throws BadInput listing the kinds
std::string_view toString(Split split);                 ///< "train", "validation", "test"
Split splitFromString(std::string_view text);           ///< also "valid", "dev"

} // namespace retoscope
