// SPDX-License-Identifier: GPL-3.0-or-later
// What recording, live evaluation and generation do with model, datastore and index alike. Internal to this room.
#pragma once

#include "index/index.h"
#include "model/language_model.h"
#include "text/token_store.h"
#include "trace/evaluation_settings.h"
#include "trace/live.h"

#include <span>

namespace retoscope {

/// The tap that the datastore was built with; the default for datastores that do not say (imports).
KeyTap tapOf(const Datastore &datastore);

/// Throws Mismatch naming the first field that differs, with both values: the model's and the tokenizer's fingerprints,
/// the dimension, the datastore of the index. A fingerprint that an import does not have is not compared.
void requireMatching(const LanguageModel &model, const Datastore &datastore, const Index &index);
void requireSameTokenizer(const TokenStore &tokens, const Datastore &datastore);
/// That the method finds all it needs, and that it fits together. Throws BadInput or Mismatch.
void requireParts(const RetrievalParts &parts, const EvaluationSettings &settings);

/// Distances from queries to entries under one metric, either to the stored keys or to what the index believes the keys
/// to be (retrieval.md section 4). Smaller is nearer. Thread-safe.
class EntryDistances
{
public:
    /// As an evaluation asks for them.
    EntryDistances(const Datastore &datastore, const Index &index, const EvaluationSettings &settings);
    /// To the stored keys.
    EntryDistances(const Datastore &datastore, const Index &index) : m_datastore(datastore), m_index(index) {}

    [[nodiscard]] bool exact() const { return m_exact || m_index.isExact(); } ///< of the stored keys

    /// Of what a search returned; `indexDistances` are the index's own. Padding (id −1) is infinitely far away; in parity
    /// mode it has the distance of the last entry wherever distances are exact, and FAISS's largest otherwise.
    void ofFound(const float *query, std::span<const std::int32_t> ids, std::span<const float> indexDistances, float *out) const;
    /// Of pointers; every id is an entry.
    void ofPointers(const float *query, std::span<const std::int32_t> ids, float *out) const;

private:
    [[nodiscard]] float paddingDistance(const float *query) const;
    void toKeys(const float *query, const KeyView &keys, std::span<const std::int32_t> ids, float *out) const;

    const Datastore &m_datastore;
    const Index &m_index;
    bool m_exact = true;
    bool m_reference = false;
    bool m_dot = false; ///< the released code's bug: similarity taken for distance
};

} // namespace retoscope
