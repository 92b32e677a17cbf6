// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/trace_session.h"

#include "base/error.h"

#include <algorithm>
#include <optional>

namespace retoscope {

namespace {

/// The row of an input, when the artefact has one in this role.
std::optional<ArtefactRow> inputIn(const Project &project, const ArtefactRow &row, const std::string &role)
{
    const bool has = std::ranges::find(row.inputs, role, &ArtefactInput::role) != row.inputs.end();
    return has ? std::optional(project.inputOf(row, role)) : std::nullopt;
}

std::shared_ptr<const Corpus> corpusBehind(const Project &project, const std::optional<ArtefactRow> &tokens)
{
    const auto row = tokens ? inputIn(project, *tokens, "corpus") : std::nullopt;
    return row ? project.openCorpus(*row) : nullptr;
}

std::string textOf(const Tokenizer *tokenizer, TokenId token)
{
    return tokenizer && token.valid() && token.value < tokenizer->vocabularySize() ? tokenizer->piece(token) : fmt::format("[{}]", token.value);
}

std::vector<DocumentRange> documentRanges(const TraceArrays &arrays, const TokenStore *tokens, const Corpus *corpus)
{
    std::vector<DocumentRange> ranges;
    for (std::int64_t i = 0; i < arrays.positions; ++i) {
        const DocumentId document(arrays.documents[static_cast<std::size_t>(i)]);
        if (ranges.empty() || ranges.back().document != document) {
            std::string title = fmt::format("document {}", document.value + 1);
            if (tokens && corpus)
                title = corpus->title(tokens->corpusDocument(document));
            ranges.push_back({document, std::move(title), i, 0});
        }
        ++ranges.back().count;
    }
    return ranges;
}

} // namespace

EntryContext contextOf(const Datastore &datastore, const Tokenizer *tokenizer, const TokenStore *tokens, const Corpus *corpus, EntryId entry, std::int32_t count)
{
    const auto values = datastore.values();
    EntryContext context;
    context.document = datastore.documentOf(entry);
    context.tokenIndex = datastore.tokenIndex(entry);
    context.value = textOf(tokenizer, TokenId(values[static_cast<std::size_t>(entry.value)]));
    if (tokens) {
        const auto stream = tokens->tokens();
        const DocumentId document = tokens->documentAt(context.tokenIndex);
        const auto offsets = tokens->documentOffsets();
        const std::int64_t first = std::max(offsets[static_cast<std::size_t>(document.value)], context.tokenIndex - count);
        const std::int64_t end = std::min(offsets[static_cast<std::size_t>(document.value) + 1], context.tokenIndex + 1 + count);
        for (std::int64_t i = first; i < context.tokenIndex; ++i)
            context.left += textOf(tokenizer, TokenId(stream[static_cast<std::size_t>(i)]));
        for (std::int64_t i = context.tokenIndex + 1; i < end; ++i)
            context.right += textOf(tokenizer, TokenId(stream[static_cast<std::size_t>(i)]));
        if (corpus)
            context.documentTitle = corpus->title(tokens->corpusDocument(document));
        return context;
    }
    // Without the token stream, the values of the neighbouring entries are the context.
    const auto starts = datastore.documentStarts();
    const auto document = static_cast<std::size_t>(context.document.value);
    const std::int64_t first = std::max(starts[document], entry.value - count), end = std::min(starts[document + 1], entry.value + 1 + count);
    for (std::int64_t i = first; i < entry.value; ++i)
        context.left += textOf(tokenizer, TokenId(values[static_cast<std::size_t>(i)]));
    for (std::int64_t i = entry.value + 1; i < end; ++i)
        context.right += textOf(tokenizer, TokenId(values[static_cast<std::size_t>(i)]));
    return context;
}

std::shared_ptr<const TraceSession> TraceSession::open(const Project &project, const std::string &trace, const std::string &clusters)
{
    const OpenTrace open = openTraceForReplay(project, trace, clusters);
    const auto datastoreTokens = inputIn(project, open.datastoreRow, "tokens");
    std::shared_ptr<TraceSession> session(new TraceSession);
    session->m_name = open.row.name;
    session->m_clustersName = open.clustersRow ? open.clustersRow->name : "none";
    session->m_replay = open.replay;
    if (const auto tokenizer = open.modelRow ? open.modelRow : inputIn(project, open.datastoreRow, "tokenizer"))
        session->m_tokenizer = project.openTokenizer(*tokenizer);
    if (datastoreTokens)
        session->m_datastoreTokens = project.openTokens(*datastoreTokens);
    session->m_datastoreCorpus = corpusBehind(project, datastoreTokens);
    session->m_evaluationCorpus = corpusBehind(project, open.tokensRow);
    if (open.indexRow)
        session->m_indexInfo = open.indexRow->info;
    const auto evaluationTokens = open.tokensRow ? project.openTokens(*open.tokensRow) : nullptr;
    session->m_documents = documentRanges(session->trace().arrays(), evaluationTokens.get(), session->m_evaluationCorpus.get());
    return session;
}

std::shared_ptr<const TraceSession> TraceSession::fromParts(std::shared_ptr<const Replay> replay, std::shared_ptr<const Tokenizer> tokenizer,
                                                            std::shared_ptr<const TokenStore> datastoreTokens, std::string name)
{
    std::shared_ptr<TraceSession> session(new TraceSession);
    session->m_name = std::move(name);
    session->m_replay = std::move(replay);
    session->m_clustersName = session->hasClusters() ? "clusters" : "none";
    session->m_tokenizer = std::move(tokenizer);
    session->m_datastoreTokens = std::move(datastoreTokens);
    session->m_documents = documentRanges(session->trace().arrays(), nullptr, nullptr);
    return session;
}

std::string TraceSession::tokenText(TokenId token) const
{
    return textOf(m_tokenizer.get(), token);
}

std::string TraceSession::targetText(Position position) const
{
    return tokenText(TokenId(trace().arrays().targets[static_cast<std::size_t>(position.value)]));
}

EntryContext TraceSession::contextOf(EntryId entry, std::int32_t tokens) const
{
    return retoscope::contextOf(datastore(), m_tokenizer.get(), m_datastoreTokens.get(), m_datastoreCorpus.get(), entry, tokens);
}

double TraceSession::recall() const
{
    if (trace().indexIsExact() || !m_indexInfo.contains("recall") || !m_indexInfo["recall"].is_object())
        return -1;
    return m_indexInfo["recall"].value("value", -1.0);
}

} // namespace retoscope
