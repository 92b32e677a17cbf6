// SPDX-License-Identifier: GPL-3.0-or-later
// A trace over any tokens, with a datastore small enough to be worked out by hand.
#pragma once

#include "ledger/trace_session.h"
#include "text/tokenizer.h"

#include <cmath>
#include <cstring>
#include <numeric>

namespace retoscope::test {

/// Pieces by id; ids are what the tests choose, so encoding is not needed.
class PieceTokenizer : public Tokenizer
{
public:
    explicit PieceTokenizer(std::vector<std::string> pieces) : m_pieces(std::move(pieces)) {}
    [[nodiscard]] std::string kind() const override { return "pieces"; }
    [[nodiscard]] std::int32_t vocabularySize() const override { return std::int32_t(m_pieces.size()); }
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view) const override { return {}; }
    [[nodiscard]] Encoding encodeWithSpans(std::string_view) const override { return {}; }
    [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const override
    {
        std::string text;
        for (const std::int32_t id : ids)
            text += m_pieces[std::size_t(id)];
        return text;
    }
    [[nodiscard]] std::string piece(TokenId id) const override { return m_pieces[std::size_t(id.value)]; }
    [[nodiscard]] bool isSpecial(TokenId) const override { return false; }
    [[nodiscard]] std::optional<TokenId> bos() const override { return std::nullopt; }
    [[nodiscard]] std::optional<TokenId> eos() const override { return std::nullopt; }
    [[nodiscard]] std::string fingerprint() const override { return "pieces"; }
    [[nodiscard]] std::vector<std::filesystem::path> files() const override { return {}; }

private:
    std::vector<std::string> m_pieces;
};

struct ExploreText
{
    std::vector<std::string> pieces;    ///< the vocabulary
    std::vector<std::int32_t> targets;  ///< the evaluation text
    std::vector<std::int32_t> documents = {}; ///< of each position; empty: one document
    bool tokenizer = true;
    std::int32_t kMax = 6;
    std::int32_t states = 0; ///< clusters of neighbouring entries; 0: a trace without clusters
};

/// Entry i of the datastore has the value i mod vocabulary and lies at i on a line, in two documents of half the entries;
/// the query of position t lies at t mod entries, so that its neighbours are the entries around it, nearest first.
inline std::shared_ptr<const TraceSession> makeSession(const ExploreText &text)
{
    struct Storage
    {
        std::vector<std::int32_t> targets, documents, windows, topIds, ids;
        std::vector<std::int64_t> indices;
        std::vector<float> lm, entropies, topLogProbs, queries, distances;
    };
    constexpr std::int32_t entries = 40, candidates = 3;
    const auto vocabulary = std::int32_t(text.pieces.size());
    const auto storage = std::make_shared<Storage>();
    const auto n = text.targets.size();
    storage->targets = text.targets;
    storage->documents = text.documents.empty() ? std::vector<std::int32_t>(n, 0) : text.documents;
    storage->windows = storage->documents;
    storage->indices.resize(n);
    std::iota(storage->indices.begin(), storage->indices.end(), 1);
    storage->entropies.assign(n, 1.5f);
    std::vector<std::int32_t> order(entries);
    for (std::size_t t = 0; t < n; ++t) {
        const std::int32_t at = std::int32_t(t % entries);
        storage->lm.push_back(-0.5f - float(t % 7));
        storage->queries.push_back(float(at));
        for (std::int32_t c = 0; c < candidates; ++c) {
            storage->topIds.push_back((text.targets[t] + c * std::int32_t(1 + t % 2)) % vocabulary);
            storage->topLogProbs.push_back(c == 0 ? storage->lm.back() : -3.0f - float(c));
        }
        for (std::int32_t j = 0; j < text.kMax; ++j) {
            const std::int32_t id = (at + j) % entries;
            storage->ids.push_back(id);
            storage->distances.push_back(float((id - at) * (id - at)));
        }
    }
    Datastore::Parts parts;
    std::vector<float> keys(entries);
    std::iota(keys.begin(), keys.end(), 0.0f);
    parts.keys.resize(keys.size() * sizeof(float));
    std::memcpy(parts.keys.data(), keys.data(), parts.keys.size());
    parts.dimension = 1;
    for (std::int32_t i = 0; i < entries; ++i)
        parts.values.push_back(i % vocabulary);
    parts.documentStarts = {0, entries / 2, entries};
    TraceArrays a;
    a.positions = std::int64_t(n);
    a.kMax = text.kMax;
    a.dimension = 1;
    a.topCandidates = candidates;
    a.targets = storage->targets;
    a.tokenIndices = storage->indices;
    a.documents = storage->documents;
    a.windows = storage->windows;
    a.lmLogProbs = storage->lm;
    a.lmEntropies = storage->entropies;
    a.lmTopIds = storage->topIds;
    a.lmTopLogProbs = storage->topLogProbs;
    a.queries = storage->queries;
    a.neighbourIds = storage->ids;
    a.indexDistances = storage->distances;
    const auto trace = Trace::fromArrays(a, storage, Datastore::fromParts(std::move(parts)));
    const auto tokenizer = text.tokenizer ? std::make_shared<PieceTokenizer>(text.pieces) : nullptr;
    std::vector<std::int32_t> stateOf;
    for (std::int32_t i = 0; i < entries && text.states > 0; ++i)
        stateOf.push_back(i * text.states / entries);
    const auto clusters = text.states > 0 ? Clusters::fromAssignment(stateOf, text.states) : nullptr;
    return TraceSession::fromParts(std::make_shared<Replay>(trace, clusters), tokenizer, nullptr, "example");
}

/// "The cat sat on the mat .\n", again and again, in two documents.
inline ExploreText smallText(std::size_t positions = 60)
{
    ExploreText text;
    text.pieces = {"The", " cat", " s", "at", " on", " the", " mat", ".", "\n"};
    for (std::size_t i = 0; i < positions; ++i) {
        text.targets.push_back(std::int32_t(i % text.pieces.size()));
        text.documents.push_back(i < positions / 2 ? 0 : 1);
    }
    return text;
}

} // namespace retoscope::test
