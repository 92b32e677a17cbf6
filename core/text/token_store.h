// SPDX-License-Identifier: GPL-3.0-or-later
// The tokens of one split of a corpus under one tokenizer: what models, datastores and traces walk over.
#pragma once

#include "text/corpus.h"
#include "text/tokenizer.h"

#include <memory>
#include <span>

namespace retoscope {

struct TokenStoreOptions
{
    /// What stands in front of every document: its BOS where the tokenizer has one ("auto", "bos") or nothing ("none").
    std::string documentStart = "auto";
};

/// Memory-mapped; thread-safe to read. On disk: tokens int32 [n], documentOffsets int64 [docs+1], span ends (bytes within
/// the document) int32 [n], source documents int32 [docs].
class TokenStore
{
public:
    static std::shared_ptr<const TokenStore> open(const std::filesystem::path &folder);
    /// A store in memory, for imported artefacts and tests: no text behind it.
    static std::shared_ptr<const TokenStore> fromTokens(std::vector<std::int32_t> tokens, std::vector<std::int64_t> documentOffsets);

    [[nodiscard]] std::span<const std::int32_t> tokens() const;
    [[nodiscard]] std::span<const std::int64_t> documentOffsets() const; ///< [docs+1], the last is tokens().size()
    [[nodiscard]] std::int64_t documentCount() const;
    [[nodiscard]] DocumentId documentAt(std::int64_t tokenIndex) const;
    /// Document of the corpus that document `d` of this store came from.
    [[nodiscard]] DocumentId corpusDocument(DocumentId d) const;
    /// Bytes of the token in the text of its document; empty for BOS and for stores without text.
    [[nodiscard]] TextSpan span(std::int64_t tokenIndex) const;
    [[nodiscard]] const Manifest &manifest() const;
    [[nodiscard]] std::string fingerprint() const;          ///< corpus, split, tokenizer, options
    [[nodiscard]] std::string tokenizerFingerprint() const;

private:
    TokenStore() = default;
    struct Data;
    std::shared_ptr<const Data> m_data;
};

void buildTokenStore(const std::filesystem::path &folder, const Corpus &corpus, Split split, const Tokenizer &tokenizer,
                     const TokenStoreOptions &options, JobControl &job);

} // namespace retoscope
