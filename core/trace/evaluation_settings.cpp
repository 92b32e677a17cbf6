// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/evaluation_settings.h"

#include "base/error.h"
#include "base/json_fields.h"

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr EnumNames<Method, 4> methodNames{
    {{Method::Base, "base"}, {Method::KnnLm, "knnlm"}, {Method::Retomaton, "retomaton"}, {Method::Adaptive, "adaptret"}}};
constexpr EnumNames<DistanceSource, 2> distanceNames{{{DistanceSource::Exact, "exact"}, {DistanceSource::Index, "index"}}};
constexpr EnumNames<ReferenceSimilarity, 2> similarityNames{{{ReferenceSimilarity::L2, "l2"}, {ReferenceSimilarity::Dot, "dot"}}};

Json finiteOrNull(double value)
{
    return std::isfinite(value) ? Json(value) : Json(nullptr);
}

std::uint64_t hashOfPosition(std::uint64_t position, std::uint64_t seed)
{
    std::uint64_t x = position + seed * 0x9e3779b97f4a7c15u + 0x9e3779b97f4a7c15u; // SplitMix64
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

} // namespace

std::string_view toString(Method method)
{
    return nameOf(methodNames, method);
}

std::string_view displayName(Method method)
{
    switch (method) {
    case Method::Base: return "LM alone";
    case Method::KnnLm: return "kNN-LM";
    case Method::Retomaton: return "RetoMaton";
    case Method::Adaptive: return "AdaptRet";
    }
    return {};
}

std::string minKnnsText(std::int64_t minKnns)
{
    return minKnns == AutomatonSettings::alwaysSearch ? "∞" : std::to_string(minKnns);
}

std::string lambdaText(const EvaluationSettings &settings)
{
    const bool learned = settings.method == Method::Adaptive && settings.gate.learnedWeight;
    return learned ? "learned" : fmt::format("{:.4g}", settings.lambda);
}

std::string describe(const EvaluationSettings &settings)
{
    if (settings.method == Method::Base)
        return "the LM alone";
    std::string text = fmt::format("λ {}, T {:.4g}, k {}", lambdaText(settings), settings.temperature, settings.k);
    if (settings.method == Method::Retomaton)
        text += fmt::format(", min_knns {}, max_knns {}, {}", minKnnsText(settings.automaton.minKnns), settings.automaton.maxKnns,
                            settings.useClusters ? "with clusters" : "without clusters");
    else if (settings.method == Method::Adaptive)
        text += fmt::format(", {:.4g} % skipped by a gate{}{}", 100 * settings.skipFraction, settings.gate.trace.empty() ? "" : " from ", settings.gate.trace);
    else if (settings.skipFraction > 0)
        text += fmt::format(", {:.4g} % skipped at random", 100 * settings.skipFraction);
    if (settings.distances == DistanceSource::Index)
        text += ", distances of the index";
    if (settings.reference())
        text += ", semantics of the released code";
    return text;
}

double basePerplexity(const EvaluationResult &result)
{
    return std::exp(result.baseNll);
}

Method methodFromString(std::string_view text)
{
    return enumFromName(methodNames, "method", text);
}

void to_json(Json &json, const GateSettings &settings)
{
    json = Json{{"trace", settings.trace}, {"learned_weight", settings.learnedWeight}, {"training", settings.training}};
}

void from_json(const Json &json, GateSettings &settings)
{
    JsonFields fields(json, "gate");
    GateSettings read;
    fields.read("trace", read.trace);
    fields.read("learned_weight", read.learnedWeight);
    if (const Json *training = fields.find("training"))
        from_json(*training, read.training);
    fields.refuseOthers();
    settings = read;
}

void to_json(Json &json, const EvaluationSettings &settings)
{
    json = Json{{"method", toString(settings.method)},
                {"lambda", settings.lambda},
                {"temperature", settings.temperature},
                {"k", settings.k},
                {"automaton", settings.automaton},
                {"use_clusters", settings.useClusters},
                {"distances", nameOf(distanceNames, settings.distances)},
                {"reference_batch", settings.referenceBatch},
                {"reference_similarity", nameOf(similarityNames, settings.referenceSimilarity)},
                {"skip_fraction", settings.skipFraction},
                {"skip_seed", settings.skipSeed}};
    if (settings.method == Method::Adaptive) // the configurations of the other methods stay what they were
        json["gate"] = settings.gate;
}

void from_json(const Json &json, EvaluationSettings &settings)
{
    JsonFields fields(json, "evaluation");
    EvaluationSettings read;
    fields.readEnum("method", methodNames, read.method);
    fields.read("lambda", read.lambda);
    fields.read("temperature", read.temperature);
    fields.read("k", read.k, 1);
    if (const Json *automaton = fields.find("automaton"))
        from_json(*automaton, read.automaton);
    fields.read("use_clusters", read.useClusters);
    fields.readEnum("distances", distanceNames, read.distances);
    fields.read("reference_batch", read.referenceBatch, 1);
    fields.readEnum("reference_similarity", similarityNames, read.referenceSimilarity);
    fields.read("skip_fraction", read.skipFraction);
    fields.read("skip_seed", read.skipSeed);
    if (const Json *gate = fields.find("gate"))
        from_json(*gate, read.gate);
    fields.refuseOthers();
    validate(read);
    settings = read;
}

void validate(const EvaluationSettings &settings)
{
    if (!(settings.lambda >= 0 && settings.lambda <= 1))
        fail(ErrorKind::BadInput, "evaluation: lambda is {}; it is the weight of the kNN side and lies between 0 and 1.", settings.lambda);
    if (!(settings.temperature > 0) || !std::isfinite(settings.temperature))
        fail(ErrorKind::BadInput, "evaluation: temperature is {}; give a number above 0.", settings.temperature);
    if (settings.k < 1)
        fail(ErrorKind::BadInput, "evaluation: k is {}; give at least 1 neighbour per search.", settings.k);
    if (settings.referenceBatch < 1)
        fail(ErrorKind::BadInput, "evaluation: reference_batch is {}; give at least 1 window per forward call.", settings.referenceBatch);
    if (settings.referenceBatch > 1 && !settings.reference())
        fail(ErrorKind::BadInput, "evaluation: reference_batch belongs to semantics = reference; corrected results do not depend on batches.");
    if (settings.referenceSimilarity == ReferenceSimilarity::Dot && !(settings.reference() && settings.distances == DistanceSource::Exact))
        fail(ErrorKind::BadInput, "evaluation: reference_similarity = dot needs semantics = reference and distances = exact.");
    if (!(settings.skipFraction >= 0 && settings.skipFraction <= 1))
        fail(ErrorKind::BadInput, "evaluation: skip_fraction is {}; give a fraction from 0 to 1.", settings.skipFraction);
    if (settings.skipFraction > 0 && settings.method != Method::KnnLm && settings.method != Method::Adaptive)
        fail(ErrorKind::BadInput, "evaluation: skip_fraction goes with method = knnlm or adaptret only; RetoMaton decides by min_knns.");
    if (settings.method == Method::Adaptive)
        validate(settings.gate.training);
    validate(settings.automaton);
}

std::vector<std::int64_t> sequenceStarts(std::span<const std::int32_t> documents, std::span<const std::int32_t> windows,
                                         const EvaluationSettings &settings)
{
    const std::span<const std::int32_t> groups = settings.reference() ? windows : documents;
    const std::int64_t groupsPerSequence = settings.reference() ? settings.referenceBatch : 1;
    std::vector<std::int64_t> starts;
    std::int64_t groupsSeen = 0;
    for (std::size_t t = 0; t < groups.size(); ++t) {
        const bool newGroup = t == 0 || groups[t] != groups[t - 1];
        if (newGroup && groupsSeen++ % groupsPerSequence == 0)
            starts.push_back(static_cast<std::int64_t>(t));
    }
    starts.push_back(static_cast<std::int64_t>(groups.size()));
    return starts;
}

std::vector<std::uint8_t> randomSkips(std::int64_t positions, double fraction, std::uint64_t seed)
{
    std::vector<std::uint8_t> skipped(std::size_t(positions), 0);
    const std::int64_t count = std::llround(fraction * double(positions));
    if (count == 0)
        return skipped;
    std::vector<std::pair<std::uint64_t, std::int64_t>> order(static_cast<std::size_t>(positions));
    for (std::int64_t t = 0; t < positions; ++t)
        order[std::size_t(t)] = {hashOfPosition(std::uint64_t(t), seed), t};
    std::nth_element(order.begin(), order.begin() + (count - 1), order.end());
    for (std::int64_t i = 0; i < count; ++i)
        skipped[std::size_t(order[std::size_t(i)].second)] = 1;
    return skipped;
}

double referenceFoss(std::span<const std::uint8_t> searched, std::span<const std::int64_t> sequenceStarts)
{
    std::int64_t saved = 0, searches = 0;
    for (std::size_t s = 0; s + 1 < sequenceStarts.size(); ++s) {
        std::int64_t run = 0;
        for (std::int64_t t = sequenceStarts[s]; t < sequenceStarts[s + 1]; ++t) {
            if (searched[std::size_t(t)]) {
                saved += run;
                ++searches;
                run = 0;
            } else {
                ++run;
            }
        }
    }
    return searches == 0 ? 0 : double(saved) / double(saved + searches);
}

Json toJson(const EvaluationResult &result)
{
    Json json{{"perplexity", finiteOrNull(result.perplexity)},
              {"nll", finiteOrNull(result.nll)},
              {"positions", result.positions},
              {"searches", result.searches},
              {"foss", result.foss},
              {"foss_reference", result.fossReference},
              {"seconds", result.seconds},
              {"tokens_per_second", result.seconds > 0 ? double(result.positions) / result.seconds : 0.0},
              {"base_nll", finiteOrNull(result.baseNll)},
              {"base_perplexity", finiteOrNull(std::exp(result.baseNll))},
              {"helped", result.helped},
              {"hurt", result.hurt},
              {"oracle_perplexity", finiteOrNull(result.oraclePerplexity)},
              {"live", result.live},
              {"exact_distances", result.exactDistances}};
    if (result.live) {
        json["model_seconds"] = result.modelSeconds;
        json["search_seconds"] = result.searchSeconds;
        json["walk_seconds"] = result.walkSeconds;
    }
    json["configuration"] = result.settings;
    return json;
}

} // namespace retoscope
