// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/adaptive.h"

#include "base/error.h"
#include "base/job.h"
#include "predict/ngram_statistics.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <list>
#include <map>
#include <mutex>
#include <random>

namespace retoscope {

namespace {

/// How many tokens of its document stand before each target. A document's first token is no target where nothing comes
/// before it; it belongs to no n-gram then, as it is no value of the datastore either.
std::vector<std::int32_t> contextLengths(const TraceArrays &arrays)
{
    std::vector<std::int32_t> lengths(std::size_t(arrays.positions));
    for (std::size_t t = 1; t < lengths.size(); ++t) {
        const bool continues = arrays.documents[t] == arrays.documents[t - 1] && arrays.tokenIndices[t] == arrays.tokenIndices[t - 1] + 1;
        lengths[t] = continues ? std::min(lengths[t - 1] + 1, longestNgram) : 0;
    }
    return lengths;
}

/// What was put together in memory has no files, and no fingerprint that tells it from others.
template<typename Artefact>
bool isSame(const std::shared_ptr<const Artefact> &a, const std::shared_ptr<const Artefact> &b)
{
    return a == b || (!a->manifest().files.empty() && a->fingerprint() == b->fingerprint());
}

std::vector<float> logarithms(const std::vector<ContextStatistics> &statistics, std::array<std::int64_t, longestNgram> ContextStatistics::*counts)
{
    std::vector<float> values;
    values.reserve(statistics.size() * std::size_t(longestNgram));
    for (const ContextStatistics &one : statistics) {
        for (const std::int64_t count : one.*counts)
            values.push_back(float(std::log1p(double(count))));
    }
    return values;
}

} // namespace

const std::vector<std::string> &TraceFeatures::names()
{
    static const std::vector<std::string> all{"context", "confidence", "entropy", "frequency", "fertility"};
    return all;
}

TraceFeatures::TraceFeatures(std::shared_ptr<const Trace> trace, JobControl &job) : m_trace(std::move(trace))
{
    const TraceArrays &arrays = m_trace->arrays();
    const Datastore &datastore = *m_trace->datastore();
    const auto statistics = contextStatistics(datastore.values(), datastore.documentStarts(), arrays.targets, contextLengths(arrays), job);
    m_frequency = logarithms(statistics, &ContextStatistics::frequency);
    m_fertility = logarithms(statistics, &ContextStatistics::followers);
    const auto candidates = std::size_t(arrays.topCandidates);
    if (candidates == 0 || arrays.lmTopLogProbs.empty())
        return;
    for (std::size_t t = 0; t < std::size_t(arrays.positions); ++t)
        m_confidence.push_back(std::exp(std::ranges::max(arrays.lmTopLogProbs.subspan(t * candidates, candidates))));
}

bool TraceFeatures::has(const std::string &name) const
{
    if (name == "confidence")
        return !m_confidence.empty();
    return name != "entropy" || !m_trace->arrays().lmEntropies.empty();
}

std::vector<GateFeatures> TraceFeatures::select(const std::vector<std::string> &wanted) const
{
    const TraceArrays &arrays = m_trace->arrays();
    const std::vector<GateFeatures> all{{"context", arrays.dimension, arrays.queries},
                                        {"confidence", 1, m_confidence},
                                        {"entropy", 1, arrays.lmEntropies},
                                        {"frequency", longestNgram, m_frequency},
                                        {"fertility", longestNgram, m_fertility}};
    std::vector<GateFeatures> selected;
    for (const std::string &name : wanted)
        selected.push_back(*std::ranges::find(all, name, &GateFeatures::name));
    return selected;
}

std::vector<std::uint8_t> heldOutDocuments(std::span<const std::int32_t> documents, std::uint64_t seed)
{
    constexpr std::size_t part = 10; // one in ten
    std::vector<std::uint8_t> heldOut(documents.size());
    std::vector<std::int32_t> order(documents.begin(), documents.end());
    order.erase(std::unique(order.begin(), order.end()), order.end());
    const std::size_t wanted = (documents.size() + part - 1) / part;
    if (order.size() < 2) {
        std::fill(heldOut.end() - std::ptrdiff_t(wanted), heldOut.end(), std::uint8_t(1));
        return heldOut;
    }
    // Fisher–Yates: std::shuffle is free to differ between standard libraries.
    std::mt19937_64 random(seed);
    for (std::size_t i = order.size() - 1; i > 0; --i)
        std::swap(order[i], order[random() % (i + 1)]);
    std::size_t held = 0;
    for (std::size_t i = 0; held < wanted && i + 1 < order.size(); ++i) {
        const auto [first, last] = std::ranges::equal_range(documents, order[i]);
        const auto count = std::size_t(last - first);
        // A document that is most of the text would leave nothing to learn from.
        if (held + count > documents.size() / 2)
            continue;
        std::fill_n(heldOut.begin() + (first - documents.begin()), count, std::uint8_t(1));
        held += count;
    }
    if (held == 0)
        std::fill(heldOut.end() - std::ptrdiff_t(wanted), heldOut.end(), std::uint8_t(1));
    return heldOut;
}

std::shared_ptr<const GateDecisions> learnGate(const Replay &learning, std::shared_ptr<const Trace> applied, const EvaluationSettings &settings, JobControl &job)
{
    const auto begin = std::chrono::steady_clock::now();
    const std::shared_ptr<const Trace> &source = learning.trace();
    const TraceArrays &from = source->arrays();
    if (isSame(source, applied))
        fail(ErrorKind::BadInput, "The gate would learn from the trace that it is judged on; name a trace of other text, such as the validation split.");
    if (!isSame(source->datastore(), applied->datastore()))
        fail(ErrorKind::Mismatch, "The trace that the gate learns from was recorded with another datastore ({}) than the one that it is used on ({}); both must share one.",
             source->datastore()->fingerprint().substr(0, 12), applied->datastore()->fingerprint().substr(0, 12));
    if (from.positions < fewestGatePositions)
        fail(ErrorKind::BadInput, "The trace that the gate learns from has {} positions; it takes {} at least.", from.positions, fewestGatePositions);

    EvaluationSettings everywhere = settings;
    everywhere.method = Method::KnnLm;
    everywhere.skipFraction = 0;
    const EvaluationResult searched = learning.evaluate(everywhere, {.perPosition = true}, job);
    const TraceFeatures learned(source, job), asked(applied, job);
    auto decisions = std::make_shared<GateDecisions>();
    for (const std::string &name : TraceFeatures::names())
        (learned.has(name) && asked.has(name) ? decisions->features : decisions->missing).push_back(name);

    const std::vector<std::uint8_t> heldOut = heldOutDocuments(from.documents, settings.gate.training.seed);
    const GateExamples examples{learned.select(decisions->features), from.lmLogProbs, searched.knnLogProbs, heldOut};
    const RetrievalGate gate = RetrievalGate::train(examples, settings.gate.training, job);
    const std::vector<float> own = gate.logits(examples.features, job);
    for (std::size_t t = 0; t < own.size(); ++t) {
        if (heldOut[t])
            decisions->heldOutLogits.push_back(own[t]);
    }
    std::ranges::sort(decisions->heldOutLogits);
    decisions->logits = gate.logits(asked.select(decisions->features), job);
    std::ranges::transform(decisions->logits, std::back_inserter(decisions->weights), gateWeight);
    decisions->learnedFrom = from.positions - std::ssize(decisions->heldOutLogits);
    decisions->bestEpoch = gate.bestEpoch();
    decisions->heldOutLoss = gate.heldOutLoss();
    decisions->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return decisions;
}

namespace {

class GateMemory
{
public:
    std::shared_ptr<const GateDecisions> find(const std::shared_ptr<const Trace> &applied, const OpenLearningTrace &openTrace, const EvaluationSettings &settings, JobControl &job)
    {
        const EvaluationSettings key = keyOf(settings);
        const std::scoped_lock lock(m_mutex);
        const auto found = std::ranges::find(m_gates, key, [](const auto &entry) { return entry.first; });
        if (found != m_gates.end()) {
            m_gates.splice(m_gates.begin(), m_gates, found);
            return m_gates.front().second;
        }
        if (!m_learning || m_learningName != settings.gate.trace) {
            m_learning = openTrace(settings.gate.trace);
            m_learningName = settings.gate.trace;
        }
        constexpr std::size_t remembered = 8;
        m_gates.emplace_front(key, learnGate(*m_learning, applied, settings, job));
        if (m_gates.size() > remembered)
            m_gates.pop_back();
        return m_gates.front().second;
    }

    /// The memory of a scope, as long as someone holds it.
    static std::shared_ptr<GateMemory> ofScope(const std::string &scope)
    {
        static std::mutex mutex;
        static std::map<std::string, std::weak_ptr<GateMemory>> known;
        const std::scoped_lock lock(mutex);
        std::erase_if(known, [](const auto &entry) { return entry.second.expired(); });
        auto memory = known[scope].lock();
        if (!memory)
            known[scope] = memory = std::make_shared<GateMemory>();
        return memory;
    }

private:
    /// Settings without what a gate does not depend on.
    static EvaluationSettings keyOf(EvaluationSettings settings)
    {
        const EvaluationSettings standard;
        settings.lambda = standard.lambda;
        settings.skipFraction = standard.skipFraction;
        settings.skipSeed = standard.skipSeed;
        settings.useClusters = standard.useClusters;
        settings.gate.learnedWeight = standard.gate.learnedWeight;
        settings.automaton.minKnns = standard.automaton.minKnns;
        settings.automaton.maxKnns = standard.automaton.maxKnns;
        return settings;
    }

    std::mutex m_mutex;
    std::list<std::pair<EvaluationSettings, std::shared_ptr<const GateDecisions>>> m_gates; ///< most recent first
    std::shared_ptr<const Replay> m_learning;
    std::string m_learningName;
};

} // namespace

GateSource rememberedGates(std::shared_ptr<const Trace> applied, OpenLearningTrace openTrace, const std::string &scope)
{
    auto memory = scope.empty() ? std::make_shared<GateMemory>() : GateMemory::ofScope(scope);
    return [memory = std::move(memory), applied = std::move(applied), openTrace = std::move(openTrace)](const EvaluationSettings &settings, JobControl &job) {
        return memory->find(applied, openTrace, settings, job);
    };
}

} // namespace retoscope
