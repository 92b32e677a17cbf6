// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/document_reader.h"

#include "base/error.h"
#include "base/job.h"
#include "text/html_text.h"
#include "text/text_file.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

using Sink = std::function<void(Document &&)>;

/// Lower-case extension without ".gz": "page.HTML.gz" → ".html".
std::string plainExtension(const fs::path &path)
{
    std::string extension = path.extension().string();
    if (extension == ".gz")
        extension = path.stem().extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return extension;
}

bool oneOf(std::string_view value, std::initializer_list<std::string_view> values)
{
    return std::find(values.begin(), values.end(), value) != values.end();
}

CorpusKind kindOf(const fs::path &path, CorpusKind asked)
{
    if (asked != CorpusKind::Auto)
        return asked;
    const std::string extension = plainExtension(path);
    if (oneOf(extension, {".jsonl", ".ndjson"}))
        return CorpusKind::Jsonl;
    if (oneOf(extension, {".html", ".htm", ".xhtml"}))
        return CorpusKind::Html;
    return CorpusKind::Text;
}

/// Which files of a folder belong to a corpus: by extension, so that the images and style sheets beside the pages of a
/// manual are passed over. A file that is named itself is always read.
bool belongs(const fs::path &path, CorpusKind kind)
{
    if (path.filename().string().starts_with('.'))
        return false;
    const std::string extension = plainExtension(path);
    switch (kind) {
    case CorpusKind::Jsonl:
        return oneOf(extension, {".jsonl", ".ndjson", ".json"});
    case CorpusKind::Html:
        return oneOf(extension, {".html", ".htm", ".xhtml"});
    case CorpusKind::Auto:
        return oneOf(extension, {".txt", ".text", ".md", ".rst", ".raw", ".tokens", ".jsonl", ".ndjson", ".html", ".htm", ".xhtml"});
    default:
        return oneOf(extension, {"", ".txt", ".text", ".md", ".rst", ".raw", ".tokens"});
    }
}

bool isBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos; }

std::string_view trimmed(std::string_view text)
{
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

/// The title of a WikiText heading of the first level, " = Title = "; empty for other lines.
std::string_view wikiTitle(std::string_view line)
{
    const std::string_view text = trimmed(line);
    if (text.size() < 5 || !text.starts_with("= ") || !text.ends_with(" =") || text.starts_with("= =") || text.ends_with("= ="))
        return {};
    return trimmed(text.substr(2, text.size() - 4));
}

std::string lineSource(const fs::path &path, std::int64_t line) { return fmt::format("{}:{}", path.string(), line); }

/// Gathers lines into documents and hands over those that hold text.
class Gatherer
{
public:
    Gatherer(const fs::path &path, const Sink &sink) : m_path(path), m_sink(sink) {}

    void begin(std::string title, std::int64_t line)
    {
        end();
        m_document.title = std::move(title);
        m_document.source = lineSource(m_path, line);
    }

    void add(std::string_view line, std::int64_t number)
    {
        if (m_document.source.empty())
            m_document.source = lineSource(m_path, number);
        m_document.text += line;
    }

    void end()
    {
        if (!isBlank(m_document.text))
            m_sink(std::move(m_document));
        m_document = {};
    }

private:
    const fs::path &m_path;
    const Sink &m_sink;
    Document m_document;
};

void readText(const fs::path &path, const Sink &sink)
{
    std::string text = TextFile(path).readAll();
    if (!isBlank(text))
        sink({.title = path.filename().string(), .text = std::move(text), .source = path.string()});
}

void readBlankLines(const fs::path &path, const Sink &sink)
{
    TextFile file(path);
    Gatherer documents(path, sink);
    for (std::string line; file.readLine(line);) {
        if (isBlank(line))
            documents.end();
        else
            documents.add(line, file.lineNumber());
    }
    documents.end();
}

/// A heading stands between blank lines (prose may hold "= x =" as well), so each line waits for the next one.
void readWikiText(const fs::path &path, const Sink &sink)
{
    TextFile file(path);
    Gatherer documents(path, sink);
    std::string line, next;
    bool afterBlank = true;
    bool more = file.readLine(line);
    for (std::int64_t number = 1; more; ++number) {
        more = file.readLine(next);
        const std::string_view title = wikiTitle(line);
        if (!title.empty() && afterBlank && (!more || isBlank(next)))
            documents.begin(std::string(title), number);
        documents.add(line, number);
        afterBlank = isBlank(line);
        line.swap(next);
    }
    documents.end();
}

void readJsonl(const fs::path &path, const CorpusOptions &options, const Sink &sink)
{
    TextFile file(path);
    for (std::string line; file.readLine(line);) {
        if (isBlank(line))
            continue;
        const std::string source = lineSource(path, file.lineNumber());
        const Json record = Json::parse(line, nullptr, false);
        if (!record.is_object())
            fail(ErrorKind::BadInput, "{}: the line is not a JSON object; JSONL holds one object a line.", source);
        const auto field = record.find(options.field);
        if (field == record.end())
            fail(ErrorKind::BadInput, "{}: there is no field '{}'; name the field that holds the text.", source, options.field);
        if (!field->is_string())
            fail(ErrorKind::BadInput, "{}: the field '{}' is not a string but {}.", source, options.field, field->type_name());
        const auto title = record.find(options.titleField);
        Document document{.title = title != record.end() && title->is_string() ? title->get<std::string>() : std::string(),
                          .text = field->get<std::string>(),
                          .source = source};
        if (!isBlank(document.text))
            sink(std::move(document));
    }
}

void readHtml(const fs::path &path, const Sink &sink)
{
    HtmlText page = extractHtmlText(TextFile(path).readAll());
    if (!isBlank(page.text))
        sink({.title = std::move(page.title), .text = std::move(page.text), .source = path.string()});
}

void readFile(const fs::path &path, const CorpusOptions &options, const Sink &sink)
{
    switch (kindOf(path, options.kind)) {
    case CorpusKind::BlankLines:
        return readBlankLines(path, sink);
    case CorpusKind::WikiText:
        return readWikiText(path, sink);
    case CorpusKind::Jsonl:
        return readJsonl(path, options, sink);
    case CorpusKind::Html:
        return readHtml(path, sink);
    default:
        return readText(path, sink);
    }
}

void addFolder(const fs::path &folder, CorpusKind kind, std::vector<fs::path> &files)
{
    const std::size_t before = files.size();
    std::error_code code;
    for (fs::recursive_directory_iterator it(folder, code), end; it != end; it.increment(code)) {
        if (code)
            break;
        if (it->is_regular_file(code) && belongs(it->path(), kind))
            files.push_back(it->path());
    }
    if (code)
        fail(ErrorKind::Io, "Cannot read the folder {}: {}.", folder.string(), code.message());
    if (files.size() == before)
        fail(ErrorKind::BadInput, "The folder {} holds no file of the kind '{}'; name the files or another kind.", folder.string(), toString(kind));
}

} // namespace

std::vector<fs::path> corpusFiles(std::span<const fs::path> paths, CorpusKind kind)
{
    std::vector<fs::path> files;
    for (const fs::path &path : paths) {
        std::error_code code;
        if (fs::is_directory(path, code))
            addFolder(path, kind, files);
        else if (fs::exists(path, code))
            files.push_back(path);
        else
            fail(ErrorKind::NotFound, "{} does not exist.", path.string());
    }
    std::sort(files.begin(), files.end(), [](const fs::path &a, const fs::path &b) { return a.native() < b.native(); });
    files.erase(std::unique(files.begin(), files.end()), files.end());
    return files;
}

void readFiles(std::span<const fs::path> files, const CorpusOptions &options, const Sink &sink, JobControl &job)
{
    std::int64_t done = 0, documents = 0;
    const auto count = [&](Document &&document) {
        ++documents;
        sink(std::move(document));
    };
    for (const fs::path &file : files) {
        job.checkpoint();
        const std::int64_t before = documents;
        readFile(file, options, count);
        if (documents == before) {
            std::error_code code;
            if (fs::file_size(file, code) == 0)
                fail(ErrorKind::BadInput, "{} is empty; remove it or name other files.", file.string());
            job.log(fmt::format("{} holds no text and was passed over", file.string()));
        }
        job.report("reading the corpus", "files", ++done, static_cast<std::int64_t>(files.size()), file.filename().string());
    }
    if (documents == 0)
        fail(ErrorKind::BadInput, "There is no document with text in {}{}.", files.empty() ? "the given paths" : files.front().string(),
             files.size() > 1 ? fmt::format(" and {} other files", files.size() - 1) : std::string());
}

void readDocuments(const std::vector<fs::path> &paths, const CorpusOptions &options, const Sink &sink, JobControl &job)
{
    readFiles(corpusFiles(paths, options.kind), options, sink, job);
}

} // namespace retoscope
