// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/corpus.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "text/artefact_folder.h"
#include "text/document_reader.h"
#include "text/strict_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

// On disk: text.bin, the documents' texts one after the other; labels.bin, title and source of each document in turn;
// their byte offsets (int64, little-endian, [documents + 1] and [2·documents + 1]); splits.bin, a byte per document.
constexpr std::string_view format = "retoscope-corpus";
constexpr int formatVersion = 1;
constexpr const char *textFile = "text.bin";
constexpr const char *textOffsetsFile = "text_offsets.bin";
constexpr const char *labelsFile = "labels.bin";
constexpr const char *labelOffsetsFile = "label_offsets.bin";
constexpr const char *splitsFile = "splits.bin";

constexpr std::string_view optionsName = "corpus options";

constexpr std::array<std::pair<CorpusKind, std::string_view>, 6> kinds{{{CorpusKind::Auto, "auto"},
                                                                        {CorpusKind::Text, "text"},
                                                                        {CorpusKind::BlankLines, "blank-lines"},
                                                                        {CorpusKind::WikiText, "wikitext"},
                                                                        {CorpusKind::Jsonl, "jsonl"},
                                                                        {CorpusKind::Html, "html"}}};

void check(const CorpusOptions &options)
{
    const double fractions[] = {options.trainFraction, options.validationFraction, options.testFraction};
    for (const double fraction : fractions)
        if (!(fraction >= 0 && fraction <= 1))
            fail(ErrorKind::BadInput, "A split fraction is {}; fractions lie between 0 and 1.", fraction);
    const double sum = std::accumulate(std::begin(fractions), std::end(fractions), 0.0);
    if (std::abs(sum - 1) > 1e-6)
        fail(ErrorKind::BadInput, "The split fractions sum to {}, not to 1 (train {}, validation {}, test {}).", sum, fractions[0], fractions[1], fractions[2]);
}

/// Documents of each split: rounded, but at least one where the fraction is not 0 and documents are left.
std::vector<std::uint8_t> drawSplits(std::size_t documents, const CorpusOptions &options)
{
    const auto share = [&](double fraction, std::size_t left) {
        if (fraction <= 0)
            return std::size_t(0);
        const auto wanted = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(documents)));
        return std::min(std::max<std::size_t>(wanted, 1), left);
    };
    // The train split, where one is wanted, keeps at least one document.
    const std::size_t reserve = options.trainFraction > 0 && documents > 0 ? 1 : 0;
    const std::size_t validation = share(options.validationFraction, documents - reserve);
    const std::size_t test = options.trainFraction > 0 ? share(options.testFraction, documents - reserve - validation) : documents - validation;

    std::vector<std::size_t> order(documents);
    std::iota(order.begin(), order.end(), 0);
    std::mt19937_64 random(options.seed); // with our own shuffle: std::shuffle differs between libraries
    for (std::size_t i = documents; i > 1; --i)
        std::swap(order[i - 1], order[random() % i]);
    std::vector<std::uint8_t> splits(documents, static_cast<std::uint8_t>(Split::Train));
    for (std::size_t i = 0; i < validation; ++i)
        splits[order[i]] = static_cast<std::uint8_t>(Split::Validation);
    for (std::size_t i = validation; i < validation + test; ++i)
        splits[order[i]] = static_cast<std::uint8_t>(Split::Test);
    return splits;
}

/// Writes the documents and remembers what the manifest needs.
class CorpusWriter
{
public:
    explicit CorpusWriter(const fs::path &folder)
        : m_folder(folder), m_text(folder / textFile), m_labels(folder / labelsFile)
    {
    }

    void add(const Document &document, Split split)
    {
        if (document.text.size() > std::numeric_limits<std::int32_t>::max())
            fail(ErrorKind::BadInput, "{} is a document of {} bytes; documents may have up to 2 GB, split it.", document.source, document.text.size());
        append(m_text, m_textHash, document.text, m_textOffsets);
        append(m_labels, m_labelHash, document.title, m_labelOffsets);
        append(m_labels, m_labelHash, document.source, m_labelOffsets);
        m_splits.push_back(static_cast<std::uint8_t>(split));
        m_titleHash.update(document.title);
        m_titleHash.update("\n");
    }

    [[nodiscard]] std::size_t documents() const { return m_splits.size(); }
    void setSplits(std::vector<std::uint8_t> splits) { m_splits = std::move(splits); }

    void finish(const CorpusOptions &options, const std::vector<fs::path> &paths)
    {
        m_text.commit();
        m_labels.commit();
        Manifest manifest{.format = std::string(format), .version = formatVersion};
        addFile(manifest, textFile, static_cast<std::uint64_t>(m_textOffsets.back()), m_textHash.digest());
        addFile(manifest, labelsFile, static_cast<std::uint64_t>(m_labelOffsets.back()), m_labelHash.digest());
        writeArray(manifest, textOffsetsFile, std::span<const std::int64_t>(m_textOffsets));
        writeArray(manifest, labelOffsetsFile, std::span<const std::int64_t>(m_labelOffsets));
        writeArray(manifest, splitsFile, std::span<const std::uint8_t>(m_splits));
        // What the corpus is: its texts, titles, borders and splits; not where the files lay.
        manifest.identity = {{"documents", m_splits.size()}, {"bytes", m_textOffsets.back()}, {"text", m_identityHash.hex()},
                             {"titles", m_titleHash.hex()}, {"offsets", hashOf(m_textOffsets)}, {"splits", hashOf(m_splits)}};
        manifest.info = {{"options", options}, {"paths", Json::array()}, {"splits", Json::object()}};
        for (const fs::path &path : paths)
            manifest.info["paths"].push_back(path.string());
        for (const Split split : {Split::Train, Split::Validation, Split::Test})
            manifest.info["splits"][std::string(toString(split))] = std::count(m_splits.begin(), m_splits.end(), static_cast<std::uint8_t>(split));
        writeManifest(manifest, m_folder);
    }

private:
    void append(AtomicFile &file, Xxh3 &hash, std::string_view text, std::vector<std::int64_t> &offsets)
    {
        file.write(text);
        hash.update(text.data(), text.size());
        if (&file == &m_text)
            m_identityHash.update(text);
        offsets.push_back(offsets.back() + static_cast<std::int64_t>(text.size()));
    }

    template<typename T>
    void writeArray(Manifest &manifest, const char *name, std::span<const T> values)
    {
        AtomicFile file(m_folder / name);
        file.write(values);
        file.commit();
        addFile(manifest, name, values.size_bytes(), xxh3(values.data(), values.size_bytes()));
    }

    template<typename T>
    static std::string hashOf(const std::vector<T> &values)
    {
        return sha256({reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)});
    }

    fs::path m_folder;
    AtomicFile m_text, m_labels;
    Xxh3 m_textHash, m_labelHash;
    Sha256 m_identityHash, m_titleHash;
    std::vector<std::int64_t> m_textOffsets{0}, m_labelOffsets{0};
    std::vector<std::uint8_t> m_splits;
};

std::vector<fs::path> filesOf(const std::vector<std::string> &paths, CorpusKind kind)
{
    const std::vector<fs::path> asPaths(paths.begin(), paths.end());
    return corpusFiles(asPaths, kind);
}

std::set<fs::path> canonical(const std::vector<fs::path> &files)
{
    std::set<fs::path> result;
    for (const fs::path &file : files)
        result.insert(fs::weakly_canonical(file));
    return result;
}

/// Given files: validation and test are what they name, train is everything else that `paths` hold.
void addGivenSplits(CorpusWriter &writer, const std::vector<fs::path> &paths, const CorpusOptions &options, JobControl &job)
{
    const auto validation = filesOf(options.validationPaths, options.kind), test = filesOf(options.testPaths, options.kind);
    const auto inValidation = canonical(validation), inTest = canonical(test);
    for (const fs::path &file : inTest)
        if (inValidation.contains(file))
            fail(ErrorKind::BadInput, "{} is named for validation and for test; a document belongs to one split.", file.string());
    std::vector<fs::path> train = corpusFiles(paths, options.kind);
    std::erase_if(train, [&](const fs::path &file) {
        const fs::path name = fs::weakly_canonical(file);
        return inValidation.contains(name) || inTest.contains(name);
    });
    const auto add = [&](const std::vector<fs::path> &files, Split split) {
        if (!files.empty())
            readFiles(files, options, [&](Document &&document) { writer.add(document, split); }, job);
    };
    add(train, Split::Train);
    add(validation, Split::Validation);
    add(test, Split::Test);
}

} // namespace

struct Corpus::Data
{
    Manifest manifest;
    MappedFile textFile, textOffsetsFile, labelsFile, labelOffsetsFile, splitsFile;
    std::span<const char> text, labels;
    std::span<const std::int64_t> textOffsets, labelOffsets;
    std::span<const std::uint8_t> splits;

    [[nodiscard]] std::size_t row(DocumentId document) const
    {
        if (document.value < 0 || static_cast<std::size_t>(document.value) >= splits.size())
            fail(ErrorKind::BadInput, "Document {} does not exist; the corpus has {}.", document.value, splits.size());
        return static_cast<std::size_t>(document.value);
    }

    static std::string_view slice(std::span<const char> bytes, std::span<const std::int64_t> offsets, std::size_t row)
    {
        return {bytes.data() + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row])};
    }
};

std::shared_ptr<const Corpus> Corpus::open(const fs::path &folder)
{
    auto data = std::make_shared<Data>();
    data->manifest = readManifest(folder, format, formatVersion);
    data->textFile = MappedFile(folder / textFile);
    data->textOffsetsFile = MappedFile(folder / textOffsetsFile);
    data->labelsFile = MappedFile(folder / labelsFile);
    data->labelOffsetsFile = MappedFile(folder / labelOffsetsFile);
    data->splitsFile = MappedFile(folder / splitsFile);
    const std::size_t documents = data->splitsFile.size();
    data->splits = data->splitsFile.view<std::uint8_t>(0, documents);
    data->text = data->textFile.view<char>(0, data->textFile.size());
    data->labels = data->labelsFile.view<char>(0, data->labelsFile.size());
    data->textOffsets = data->textOffsetsFile.view<std::int64_t>(0, documents + 1);
    data->labelOffsets = data->labelOffsetsFile.view<std::int64_t>(0, 2 * documents + 1);
    requireOffsets(data->textOffsets, data->text.size(), folder / textOffsetsFile);
    requireOffsets(data->labelOffsets, data->labels.size(), folder / labelOffsetsFile);
    if (std::any_of(data->splits.begin(), data->splits.end(), [](std::uint8_t split) { return split > 2; }))
        fail(ErrorKind::Corrupt, "{} holds an unknown split; build the corpus again.", (folder / splitsFile).string());
    std::shared_ptr<Corpus> corpus(new Corpus);
    corpus->m_data = std::move(data);
    return corpus;
}

std::int64_t Corpus::documentCount() const { return static_cast<std::int64_t>(m_data->splits.size()); }

std::int64_t Corpus::documentCount(Split split) const
{
    return std::count(m_data->splits.begin(), m_data->splits.end(), static_cast<std::uint8_t>(split));
}

std::string_view Corpus::text(DocumentId document) const { return Data::slice(m_data->text, m_data->textOffsets, m_data->row(document)); }
std::string_view Corpus::title(DocumentId document) const { return Data::slice(m_data->labels, m_data->labelOffsets, 2 * m_data->row(document)); }
std::string_view Corpus::source(DocumentId document) const { return Data::slice(m_data->labels, m_data->labelOffsets, 2 * m_data->row(document) + 1); }
Split Corpus::split(DocumentId document) const { return static_cast<Split>(m_data->splits[m_data->row(document)]); }
const Manifest &Corpus::manifest() const { return m_data->manifest; }
std::string Corpus::fingerprint() const { return m_data->manifest.fingerprint(); }

void buildCorpus(const fs::path &folder, const std::vector<fs::path> &paths, const CorpusOptions &options, JobControl &job)
{
    check(options);
    ArtefactFolder place(folder);
    CorpusWriter writer(place.path());
    if (options.validationPaths.empty() && options.testPaths.empty()) {
        readDocuments(paths, options, [&](Document &&document) { writer.add(document, Split::Train); }, job);
        writer.setSplits(drawSplits(writer.documents(), options));
    } else {
        addGivenSplits(writer, paths, options, job);
    }
    writer.finish(options, paths);
    place.commit();
}

void to_json(Json &json, const CorpusOptions &options)
{
    json = {{"kind", toString(options.kind)}, {"field", options.field}, {"titleField", options.titleField},
            {"trainFraction", options.trainFraction}, {"validationFraction", options.validationFraction},
            {"testFraction", options.testFraction}, {"seed", options.seed},
            {"validationPaths", options.validationPaths}, {"testPaths", options.testPaths}};
}

void from_json(const Json &json, CorpusOptions &options)
{
    requireKnownFields(json, optionsName,
                       {"kind", "field", "titleField", "trainFraction", "validationFraction", "testFraction", "seed", "validationPaths", "testPaths"});
    options = {};
    std::string kind(toString(options.kind));
    readField(json, optionsName, "kind", kind);
    options.kind = corpusKindFromString(kind);
    readField(json, optionsName, "field", options.field);
    readField(json, optionsName, "titleField", options.titleField);
    readField(json, optionsName, "trainFraction", options.trainFraction);
    readField(json, optionsName, "validationFraction", options.validationFraction);
    readField(json, optionsName, "testFraction", options.testFraction);
    readField(json, optionsName, "seed", options.seed);
    readField(json, optionsName, "validationPaths", options.validationPaths);
    readField(json, optionsName, "testPaths", options.testPaths);
    check(options);
}

std::string_view toString(CorpusKind kind)
{
    return std::find_if(kinds.begin(), kinds.end(), [&](const auto &entry) { return entry.first == kind; })->second;
}

CorpusKind corpusKindFromString(std::string_view text)
{
    std::vector<std::string_view> names;
    for (const auto &[kind, name] : kinds) {
        if (name == text)
            return kind;
        names.push_back(name);
    }
    fail(ErrorKind::BadInput, "'{}' is no kind of corpus; the kinds are {}.", text, fmt::join(names, ", "));
}

std::string_view toString(Split split)
{
    return split == Split::Train ? "train" : split == Split::Validation ? "validation" : "test";
}

Split splitFromString(std::string_view text)
{
    if (text == "train")
        return Split::Train;
    if (text == "validation" || text == "valid" || text == "dev")
        return Split::Validation;
    if (text == "test")
        return Split::Test;
    fail(ErrorKind::BadInput, "'{}' is no split; the splits are train, validation (also valid, dev) and test.", text);
}

} // namespace retoscope
