// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/retrieval.h"

#include "base/error.h"
#include "datastore/distance.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

namespace retoscope {

namespace {

/// A fingerprint in an identity; empty where an imported artefact has none.
std::string identityText(const Manifest &manifest, const char *field)
{
    const auto found = manifest.identity.find(field);
    return found != manifest.identity.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void requireSameWhereKnown(std::string_view field, const std::string &expected, const std::string &actual, std::string_view advice)
{
    if (!expected.empty() && !actual.empty())
        requireSame(field, expected, actual, advice);
}

} // namespace

KeyTap tapOf(const Datastore &datastore)
{
    const Json &identity = datastore.manifest().identity;
    if (!identity.contains("tap"))
        return {};
    try {
        return {.place = tapPlaceFromString(identity.at("tap").get<std::string>()), .layer = identity.value("layer", -1)};
    } catch (const Json::exception &) {
        fail(ErrorKind::Corrupt, "The manifest of the datastore {} does not name its tap as a text and its layer as a number; build the datastore again.",
             datastore.folder().string());
    }
}

void requireMatching(const LanguageModel &model, const Datastore &datastore, const Index &index)
{
    requireSameWhereKnown("the model of the datastore", identityText(datastore.manifest(), "model"), model.fingerprint(),
                          "use the model that the datastore was built with, or build a datastore with this one");
    requireSame("the dimension of the keys", std::to_string(datastore.dimension()), std::to_string(model.config().hiddenSize),
                "use the model that the datastore was built with");
    requireSameWhereKnown("the datastore of the index", datastore.fingerprint(), identityText(index.manifest(), "datastore"),
                          "use the index that was built over this datastore, or build one");
}

void requireSameTokenizer(const TokenStore &tokens, const Datastore &datastore)
{
    requireSameWhereKnown("the tokenizer of the datastore", identityText(datastore.manifest(), "tokenizer"),
                          tokens.tokenizerFingerprint(),
                          "tokenize the evaluation text with the tokenizer of the datastore");
}

void requireParts(const RetrievalParts &parts, const EvaluationSettings &settings)
{
    if (!parts.model)
        fail(ErrorKind::BadInput, "No model is given; name the one to evaluate.");
    if (settings.method == Method::Base)
        return;
    if (settings.method == Method::Adaptive)
        fail(ErrorKind::BadInput, "method is 'adaptret', which is answered from a trace only; replay it, or use base, knnlm or retomaton.");
    if (!parts.datastore || !parts.index)
        fail(ErrorKind::BadInput, "method is '{}', which needs a datastore and an index; name both, or use method base.",
             toString(settings.method));
    requireMatching(*parts.model, *parts.datastore, *parts.index);
    if (settings.method == Method::Retomaton && settings.useClusters && !parts.clusters)
        fail(ErrorKind::BadInput, "clusters are asked for but none are given; name some, or switch them off.");
}

EntryDistances::EntryDistances(const Datastore &datastore, const Index &index, const EvaluationSettings &settings)
    : m_datastore(datastore), m_index(index), m_exact(settings.distances == DistanceSource::Exact), m_reference(settings.reference()), m_dot(settings.referenceSimilarity == ReferenceSimilarity::Dot)
{
}

void EntryDistances::ofFound(const float *query, std::span<const std::int32_t> ids, std::span<const float> indexDistances,
                             float *out) const
{
    const auto found = static_cast<std::size_t>(std::ranges::find(ids, -1) - ids.begin()); // padding is always a tail
    const bool recompute = m_dot || (m_exact && !m_index.isExact());
    if (recompute)
        toKeys(query, m_datastore.keys(), ids.first(found), out);
    else
        std::ranges::copy(indexDistances.first(found), out);
    if (found < ids.size())
        std::fill(out + found, out + ids.size(), paddingDistance(query));
}

float EntryDistances::paddingDistance(const float *query) const
{
    if (!m_reference)
        return std::numeric_limits<float>::infinity();
    float distance = std::numeric_limits<float>::max(); // FAISS's own
    if (m_exact) {
        const auto last = static_cast<std::int32_t>(m_datastore.size() - 1);
        toKeys(query, m_datastore.keys(), {&last, 1}, &distance);
    }
    return distance;
}

void EntryDistances::ofPointers(const float *query, std::span<const std::int32_t> ids, float *out) const
{
    if (exact()) {
        toKeys(query, m_datastore.keys(), ids, out);
        return;
    }
    std::vector<float> decoded(ids.size() * static_cast<std::size_t>(m_datastore.dimension()));
    m_index.reconstruct(ids, decoded.data());
    std::vector<std::int32_t> rows(ids.size());
    std::iota(rows.begin(), rows.end(), 0);
    const KeyView keys{decoded.data(), KeyType::Float32, static_cast<std::int64_t>(ids.size()), m_datastore.dimension()};
    toKeys(query, keys, rows, out);
}

void EntryDistances::toKeys(const float *query, const KeyView &keys, std::span<const std::int32_t> ids, float *out) const
{
    if (m_index.metric() == Metric::L2 && !m_dot)
        return squaredDistances(keys, query, ids, out);
    negatedInnerProducts(keys, query, ids, out);
    if (m_dot)
        std::ranges::transform(std::span(out, ids.size()), out, std::negate());
}

} // namespace retoscope
