// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/token_store.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/threads.h"
#include "text/artefact_folder.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::string_view format = "retoscope-tokens";
constexpr int formatVersion = 1;
constexpr const char *tokensFile = "tokens.bin";         // int32 [n]
constexpr const char *offsetsFile = "offsets.bin";       // int64 [docs + 1]
constexpr const char *spanEndsFile = "span_ends.bin";    // int32 [n], bytes within the document
constexpr const char *documentsFile = "documents.bin";   // int32 [docs], documents of the corpus

/// A data file whose checksum is taken while it is written.
class HashedFile
{
public:
    HashedFile(const fs::path &folder, const char *name) : m_name(name), m_file(folder / name) {}

    template<typename T>
    void write(std::span<const T> values)
    {
        m_file.write(values);
        m_hash.update(values.data(), values.size_bytes());
    }

    void finish(Manifest &manifest)
    {
        addFile(manifest, m_name, m_file.written(), m_hash.digest());
        m_file.commit();
    }

private:
    std::string m_name;
    AtomicFile m_file;
    Xxh3 m_hash;
};

struct EncodedDocument
{
    std::vector<std::int32_t> tokens;
    std::vector<std::int32_t> spanEnds;
};

EncodedDocument encodeDocument(std::string_view text, const Tokenizer &tokenizer, std::optional<TokenId> start)
{
    const Encoding encoding = tokenizer.encodeWithSpans(text);
    EncodedDocument document;
    if (start) {
        document.tokens.push_back(start->value);
        document.spanEnds.push_back(0);
    }
    document.tokens.insert(document.tokens.end(), encoding.ids.begin(), encoding.ids.end());
    for (const TextSpan &span : encoding.spans)
        document.spanEnds.push_back(static_cast<std::int32_t>(span.end));
    return document;
}

std::optional<TokenId> documentStart(const Tokenizer &tokenizer, const TokenStoreOptions &options)
{
    if (options.documentStart == "none")
        return std::nullopt;
    if (options.documentStart != "auto" && options.documentStart != "bos")
        fail(ErrorKind::BadInput, "The start of documents is 'auto', 'bos' or 'none', not '{}'.", options.documentStart);
    if (options.documentStart == "bos" && !tokenizer.bos())
        fail(ErrorKind::BadInput, "The tokenizer has no BOS token to put in front of documents; use 'none' or 'auto'.");
    return tokenizer.bos();
}

} // namespace

struct TokenStore::Data
{
    Manifest manifest;
    MappedFile tokensMap, offsetsMap, spanEndsMap, documentsMap;
    std::vector<std::int32_t> ownTokens; ///< of a store in memory
    std::vector<std::int64_t> ownOffsets;
    std::span<const std::int32_t> tokens, spanEnds, documents; ///< spanEnds, documents: empty without text
    std::span<const std::int64_t> offsets;
};

std::shared_ptr<const TokenStore> TokenStore::open(const fs::path &folder)
{
    auto data = std::make_shared<Data>();
    data->manifest = readManifest(folder, format, formatVersion);
    data->tokensMap = MappedFile(folder / tokensFile, MappedFile::Access::Sequential);
    data->offsetsMap = MappedFile(folder / offsetsFile);
    data->spanEndsMap = MappedFile(folder / spanEndsFile);
    data->documentsMap = MappedFile(folder / documentsFile);
    const std::size_t tokens = data->tokensMap.size() / sizeof(std::int32_t), documents = data->documentsMap.size() / sizeof(std::int32_t);
    data->tokens = data->tokensMap.view<std::int32_t>(0, tokens);
    data->spanEnds = data->spanEndsMap.view<std::int32_t>(0, tokens);
    data->documents = data->documentsMap.view<std::int32_t>(0, documents);
    data->offsets = data->offsetsMap.view<std::int64_t>(0, documents + 1);
    requireOffsets(data->offsets, tokens, folder / offsetsFile);
    std::shared_ptr<TokenStore> store(new TokenStore);
    store->m_data = std::move(data);
    return store;
}

std::shared_ptr<const TokenStore> TokenStore::fromTokens(std::vector<std::int32_t> tokens, std::vector<std::int64_t> documentOffsets)
{
    auto data = std::make_shared<Data>();
    data->ownTokens = std::move(tokens);
    data->ownOffsets = std::move(documentOffsets);
    data->tokens = data->ownTokens;
    data->offsets = data->ownOffsets;
    requireOffsets(data->offsets, data->tokens.size(), "the list of document offsets");
    Sha256 hash;
    hash.update(data->tokens);
    hash.update(data->offsets);
    data->manifest = {.format = std::string(format), .version = formatVersion};
    data->manifest.identity = {{"content", hash.hex()}, {"tokenizer", ""}};
    std::shared_ptr<TokenStore> store(new TokenStore);
    store->m_data = std::move(data);
    return store;
}

std::span<const std::int32_t> TokenStore::tokens() const { return m_data->tokens; }
std::span<const std::int64_t> TokenStore::documentOffsets() const { return m_data->offsets; }
std::int64_t TokenStore::documentCount() const { return static_cast<std::int64_t>(m_data->offsets.size()) - 1; }

DocumentId TokenStore::documentAt(std::int64_t tokenIndex) const
{
    if (tokenIndex < 0 || tokenIndex >= static_cast<std::int64_t>(m_data->tokens.size()))
        fail(ErrorKind::BadInput, "Token {} does not exist; the store has {}.", tokenIndex, m_data->tokens.size());
    const auto next = std::upper_bound(m_data->offsets.begin(), m_data->offsets.end(), tokenIndex);
    return DocumentId(static_cast<std::int32_t>(next - m_data->offsets.begin() - 1));
}

DocumentId TokenStore::corpusDocument(DocumentId d) const
{
    if (d.value < 0 || d.value >= documentCount())
        fail(ErrorKind::BadInput, "Document {} does not exist; the store has {}.", d.value, documentCount());
    return m_data->documents.empty() ? d : DocumentId(m_data->documents[static_cast<std::size_t>(d.value)]);
}

TextSpan TokenStore::span(std::int64_t tokenIndex) const
{
    const DocumentId document = documentAt(tokenIndex);
    if (m_data->spanEnds.empty())
        return {};
    const auto at = static_cast<std::size_t>(tokenIndex);
    const bool first = tokenIndex == m_data->offsets[static_cast<std::size_t>(document.value)];
    return {first ? 0 : m_data->spanEnds[at - 1], m_data->spanEnds[at]};
}

const Manifest &TokenStore::manifest() const { return m_data->manifest; }
std::string TokenStore::fingerprint() const { return m_data->manifest.fingerprint(); }
std::string TokenStore::tokenizerFingerprint() const { return m_data->manifest.identity.value("tokenizer", std::string()); }

void buildTokenStore(const fs::path &folder, const Corpus &corpus, Split split, const Tokenizer &tokenizer,
                     const TokenStoreOptions &options, JobControl &job)
{
    const auto start = documentStart(tokenizer, options);
    std::vector<std::int32_t> documents;
    std::int64_t totalBytes = 0, bytes = 0;
    for (std::int32_t d = 0; d < corpus.documentCount(); ++d)
        if (corpus.split(DocumentId(d)) == split) {
            documents.push_back(d);
            totalBytes += static_cast<std::int64_t>(corpus.text(DocumentId(d)).size());
        }
    if (documents.empty())
        fail(ErrorKind::BadInput, "The corpus has no document in its {} split; choose another split or build the corpus with one.", toString(split));

    ArtefactFolder place(folder);
    HashedFile tokens(place.path(), tokensFile), offsets(place.path(), offsetsFile), spanEnds(place.path(), spanEndsFile), origins(place.path(), documentsFile);
    std::int64_t count = 0;
    offsets.write(std::span<const std::int64_t>(&count, 1));
    constexpr std::size_t batch = 256; // documents encoded side by side, then written in order
    std::vector<EncodedDocument> encoded(batch);
    for (std::size_t first = 0; first < documents.size(); first += batch) {
        job.checkpoint();
        const std::size_t size = std::min(batch, documents.size() - first);
        parallelFor(static_cast<std::int64_t>(size), 1, [&](std::int64_t begin, std::int64_t end) {
            for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
                encoded[i] = encodeDocument(corpus.text(DocumentId(documents[first + i])), tokenizer, start);
        });
        for (std::size_t i = 0; i < size; ++i) {
            tokens.write(std::span<const std::int32_t>(encoded[i].tokens));
            spanEnds.write(std::span<const std::int32_t>(encoded[i].spanEnds));
            count += static_cast<std::int64_t>(encoded[i].tokens.size());
            offsets.write(std::span<const std::int64_t>(&count, 1));
            bytes += static_cast<std::int64_t>(corpus.text(DocumentId(documents[first + i])).size());
        }
        job.report("tokenizing", "bytes", bytes, totalBytes);
    }
    origins.write(std::span<const std::int32_t>(documents));

    Manifest manifest{.format = std::string(format), .version = formatVersion};
    for (HashedFile *file : {&tokens, &offsets, &spanEnds, &origins})
        file->finish(manifest);
    manifest.identity = {{"corpus", corpus.fingerprint()}, {"split", toString(split)}, {"tokenizer", tokenizer.fingerprint()},
                         {"documentStart", start ? "bos" : "none"}, {"tokens", count}};
    manifest.info = {{"tokens", count}, {"documents", documents.size()}, {"bytes", totalBytes}, {"tokenizerKind", tokenizer.kind()}};
    writeManifest(manifest, place.path());
    place.commit();
}

} // namespace retoscope
