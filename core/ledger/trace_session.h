// SPDX-License-Identifier: GPL-3.0-or-later
// A trace opened for looking at: its replay, and the texts behind its tokens and behind the datastore's entries.
#pragma once

#include "ledger/operations.h"

#include <memory>
#include <string>
#include <vector>

namespace retoscope {

/// The surroundings of a datastore entry in its corpus, as text.
struct EntryContext
{
    std::string left;  ///< decoded tokens before the value, oldest first
    std::string value;
    std::string right; ///< decoded tokens after it, within the document
    std::string documentTitle;
    DocumentId document;
    std::int64_t tokenIndex = 0; ///< of the value in the datastore's token stream
};

/// `count` tokens on each side of an entry, cut at the document's ends. Without the token stream the values of the entries
/// beside it are the context; without a tokenizer tokens appear as their ids, without the corpus the document has no title.
EntryContext contextOf(const Datastore &datastore, const Tokenizer *tokenizer, const TokenStore *tokens, const Corpus *corpus, EntryId entry, std::int32_t count);

/// Consecutive positions of one evaluation document.
struct DocumentRange
{
    DocumentId document;
    std::string title;
    std::int64_t first = 0; ///< position
    std::int64_t count = 0;
};

/// Immutable and thread-safe after open. Tokens without a tokenizer (imported artefacts) appear as their ids.
class TraceSession
{
public:
    /// Throws what openTraceForReplay() throws.
    static std::shared_ptr<const TraceSession> open(const Project &project, const std::string &trace, const std::string &clusters);
    /// The parts directly, for tests. `tokenizer` and `datastoreTokens` may be null.
    static std::shared_ptr<const TraceSession> fromParts(std::shared_ptr<const Replay> replay, std::shared_ptr<const Tokenizer> tokenizer,
                                                         std::shared_ptr<const TokenStore> datastoreTokens, std::string name);

    [[nodiscard]] const std::string &name() const { return m_name; }
    [[nodiscard]] const std::string &clustersName() const { return m_clustersName; } ///< "none" without clusters
    [[nodiscard]] const Replay &replay() const { return *m_replay; }
    [[nodiscard]] const Trace &trace() const { return *m_replay->trace(); }
    [[nodiscard]] const Datastore &datastore() const { return *trace().datastore(); }
    [[nodiscard]] std::int64_t positions() const { return trace().arrays().positions; }
    [[nodiscard]] bool hasTokenizer() const { return m_tokenizer != nullptr; } ///< false: tokens appear as their ids
    /// False: the datastore's token stream is not known, and contexts are put together from the values of its entries.
    [[nodiscard]] bool hasDatastoreTokens() const { return m_datastoreTokens != nullptr; }
    [[nodiscard]] bool hasClusters() const { return m_replay->clusters() != nullptr; }
    [[nodiscard]] const std::vector<DocumentRange> &documents() const { return m_documents; }

    /// The token as text, exactly (may be an incomplete UTF-8 sequence); "[id]" without a tokenizer.
    [[nodiscard]] std::string tokenText(TokenId token) const;
    /// The same for the target of a position.
    [[nodiscard]] std::string targetText(Position position) const;
    /// `tokens` tokens on each side, cut at the document's ends.
    [[nodiscard]] EntryContext contextOf(EntryId entry, std::int32_t tokens) const;
    /// Measured recall of the index behind the trace, e.g. 0.98 at 64; negative when exact or not measured.
    [[nodiscard]] double recall() const;

private:
    TraceSession() = default;
    std::string m_name, m_clustersName;
    std::shared_ptr<const Replay> m_replay;
    std::shared_ptr<const Tokenizer> m_tokenizer;
    std::shared_ptr<const TokenStore> m_datastoreTokens;
    std::shared_ptr<const Corpus> m_datastoreCorpus, m_evaluationCorpus;
    std::vector<DocumentRange> m_documents;
    Json m_indexInfo;
};

} // namespace retoscope
