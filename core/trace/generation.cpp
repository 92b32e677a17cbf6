// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/live.h"

#include "automaton/retomaton.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json_fields.h"
#include "predict/knn_distribution.h"
#include "trace/retrieval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <random>

namespace retoscope {

namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();

void validate(const GenerationConfig &config)
{
    validate(config.retrieval);
    if (config.decoding != "greedy" && config.decoding != "sample" && config.decoding != "beam")
        fail(ErrorKind::BadInput, "decoding is '{}'; use greedy, sample or beam.", config.decoding);
    if (config.beams < 1)
        fail(ErrorKind::BadInput, "beams is {}; give 1 or more.", config.beams);
    if (!(config.samplingTemperature > 0) || !std::isfinite(config.samplingTemperature))
        fail(ErrorKind::BadInput, "sampling_temperature is {}; it must be above 0 (decoding 'greedy' is its limit at 0).",
             config.samplingTemperature);
    if (!(config.topP > 0 && config.topP <= 1))
        fail(ErrorKind::BadInput, "top_p is {}; it must lie above 0 and at most at 1.", config.topP);
    if (config.maxNewTokens < 0)
        fail(ErrorKind::BadInput, "max_new_tokens is {}; give 0 or more.", config.maxNewTokens);
    if (config.neighboursKept < 0)
        fail(ErrorKind::BadInput, "neighbours_kept is {}; give 0 or more.", config.neighboursKept);
    if (config.retrieval.reference())
        fail(ErrorKind::BadInput, "semantics is 'reference', but the released code does not generate with retrieval; use corrected.");
    if (config.retrieval.method == Method::Adaptive)
        fail(ErrorKind::BadInput, "method is 'adaptret', which is answered from a trace only; generate with base, knnlm or retomaton.");
    if (config.retrieval.skipFraction > 0)
        fail(ErrorKind::BadInput, "skip_fraction is {}, but random skipping is for evaluation only; leave it at 0.",
             config.retrieval.skipFraction);
}

void requirePrompt(const RetrievalParts &parts, std::span<const std::int32_t> prompt)
{
    if (prompt.empty())
        fail(ErrorKind::BadInput, "The prompt has no token; give some text or begin with the model's BOS token.");
    if (const std::int32_t longest = parts.model->config().contextLength; std::ssize(prompt) > longest)
        fail(ErrorKind::BadInput, "The prompt is {} tokens long, but the model reads at most {}; shorten it.", prompt.size(), longest);
}

/// The candidates of one position and where they came from.
struct Retrieved
{
    std::vector<std::int32_t> ids;
    std::vector<float> distances;
    bool searched = false;
    RetomatonPlan plan;
};

/// What a hypothesis knows about its next token.
struct Outlook
{
    std::vector<double> logProbs; ///< [V] of the mixture
    std::vector<TokenProbability> knn;
    Retrieved retrieved;
};

/// One sequence with everything that a beam reorder has to copy.
struct Hypothesis
{
    std::unique_ptr<GenerationSession> session;
    std::optional<RetomatonWalker> walker;
    std::vector<GeneratedToken> tokens;
    double logProb = 0;
    Outlook outlook;

    [[nodiscard]] Hypothesis copy() const { return {session->fork(), walker, tokens, logProb, outlook}; }
    /// Wu et al. 2016, section 7, with α = 1: longer hypotheses are not punished for their length.
    [[nodiscard]] double score() const { return tokens.empty() ? impossible : logProb / static_cast<double>(tokens.size()); }
};

class Generator
{
public:
    Generator(const RetrievalParts &parts, const GenerationConfig &config, JobControl &job, const GenerationListener &listener)
        : m_parts(parts), m_config(config), m_settings(config.retrieval), m_job(job), m_listener(listener), m_random(config.seed)
    {
        if (m_settings.method != Method::Base)
            m_distances.emplace(*parts.datastore, *parts.index, m_settings);
    }

    std::vector<GeneratedToken> run(std::span<const std::int32_t> prompt, StopReason &reason)
    {
        return m_config.decoding == "beam" ? runBeams(prompt, reason) : runSingle(prompt, reason);
    }

private:
    Hypothesis begin(std::span<const std::int32_t> prompt) const
    {
        Hypothesis hypothesis;
        hypothesis.session = m_parts.model->startSession(m_parts.datastore ? tapOf(*m_parts.datastore) : KeyTap{});
        hypothesis.session->feed(prompt);
        if (m_settings.method == Method::Retomaton)
            hypothesis.walker.emplace(m_parts.datastore, m_settings.useClusters ? m_parts.clusters : nullptr, m_settings.automaton);
        return hypothesis;
    }

    std::vector<GeneratedToken> runSingle(std::span<const std::int32_t> prompt, StopReason &reason)
    {
        std::vector<Hypothesis> hypotheses;
        hypotheses.push_back(begin(prompt));
        Hypothesis &only = hypotheses.front();
        while (!ended(only, reason)) {
            lookAhead(hypotheses);
            const TokenId token = m_config.decoding == "sample" ? sample(only.outlook.logProbs) : mostProbable(only.outlook.logProbs);
            choose(only, token);
            if (m_listener)
                m_listener(only.tokens.back());
            report(only);
        }
        return std::move(only.tokens);
    }

    std::vector<GeneratedToken> runBeams(std::span<const std::int32_t> prompt, StopReason &reason)
    {
        std::vector<Hypothesis> beams, finished;
        beams.push_back(begin(prompt));
        StopReason beamReason = StopReason::TokenLimit;
        while (!ended(beams.front(), beamReason) && std::ssize(finished) < m_config.beams) {
            lookAhead(beams);
            beams = extend(std::move(beams));
            for (auto beam = beams.begin(); beam != beams.end();) {
                if (!endsText(*beam)) {
                    ++beam;
                    continue;
                }
                finished.push_back(std::move(*beam));
                beam = beams.erase(beam);
            }
            if (beams.empty())
                break;
            report(beams.front());
        }
        return best(std::move(finished), std::move(beams), beamReason, reason);
    }

    std::vector<GeneratedToken> best(std::vector<Hypothesis> finished, std::vector<Hypothesis> beams, StopReason beamReason,
                                     StopReason &reason) const
    {
        std::move(beams.begin(), beams.end(), std::back_inserter(finished));
        const auto winner = std::ranges::max_element(finished, {}, &Hypothesis::score);
        reason = endsText(*winner) ? StopReason::EndOfText : beamReason;
        if (m_listener)
            std::ranges::for_each(winner->tokens, m_listener);
        return std::move(winner->tokens);
    }

    [[nodiscard]] bool endsText(const Hypothesis &hypothesis) const
    {
        const std::int32_t eos = m_parts.model->config().eosToken;
        return m_config.stopAtEos && eos >= 0 && !hypothesis.tokens.empty() && hypothesis.tokens.back().token.value == eos;
    }

    [[nodiscard]] bool ended(const Hypothesis &hypothesis, StopReason &reason) const
    {
        if (endsText(hypothesis))
            reason = StopReason::EndOfText;
        else if (std::ssize(hypothesis.tokens) >= m_config.maxNewTokens)
            reason = StopReason::TokenLimit;
        else if (mustFeed(hypothesis) && hypothesis.session->length() >= m_parts.model->config().contextLength)
            reason = StopReason::ContextFull;
        else
            return false;
        return true;
    }

    /// The newest token is read only when another one is wanted, so that the last token of a full context can be chosen.
    [[nodiscard]] static bool mustFeed(const Hypothesis &hypothesis) { return !hypothesis.tokens.empty(); }

    void report(const Hypothesis &hypothesis)
    {
        m_job.report("generating", "tokens", std::ssize(hypothesis.tokens), m_config.maxNewTokens);
    }

    /// Reads the newest token of each hypothesis and works out the distribution of the one after it; the searches of all
    /// hypotheses are one call.
    void lookAhead(std::vector<Hypothesis> &hypotheses)
    {
        m_job.checkpoint();
        for (Hypothesis &hypothesis : hypotheses) {
            if (mustFeed(hypothesis))
                hypothesis.session->feed(std::span(&hypothesis.tokens.back().token.value, 1));
            hypothesis.outlook = {};
        }
        if (m_settings.method != Method::Base)
            retrieve(hypotheses);
        for (Hypothesis &hypothesis : hypotheses)
            mix(hypothesis);
    }

    void retrieve(std::vector<Hypothesis> &hypotheses)
    {
        std::vector<float> queries;
        for (Hypothesis &hypothesis : hypotheses) {
            Retrieved &retrieved = hypothesis.outlook.retrieved;
            if (hypothesis.walker)
                retrieved.plan = hypothesis.walker->plan();
            retrieved.searched = !hypothesis.walker || retrieved.plan.search;
            if (retrieved.searched)
                queries.insert(queries.end(), hypothesis.session->query().begin(), hypothesis.session->query().end());
        }
        if (!queries.empty())
            m_parts.index->search(queries, m_settings.k, m_parts.search, m_found);
        std::size_t row = 0;
        for (Hypothesis &hypothesis : hypotheses)
            gather(hypothesis, hypothesis.outlook.retrieved.searched ? row++ : 0);
    }

    void gather(Hypothesis &hypothesis, std::size_t row)
    {
        Retrieved &retrieved = hypothesis.outlook.retrieved;
        const float *query = hypothesis.session->query().data();
        const std::size_t k = retrieved.searched ? static_cast<std::size_t>(m_settings.k) : 0;
        const auto ids = std::span<const std::int32_t>(m_found.ids).subspan(row * k, k);
        std::vector<float> foundDistances(k);
        m_distances->ofFound(query, ids, std::span<const float>(m_found.distances).subspan(row * k, k), foundDistances.data());
        if (!hypothesis.walker) {
            const auto padding = static_cast<std::size_t>(std::ranges::find(ids, -1) - ids.begin());
            retrieved.ids.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(padding));
            foundDistances.resize(padding);
            retrieved.distances = std::move(foundDistances);
            return;
        }
        const auto candidates = hypothesis.walker->combine(ids, foundDistances);
        m_distances->ofPointers(query, candidates.pointers(), candidates.pointerDistances.data());
        retrieved.ids.assign(candidates.ids.begin(), candidates.ids.end());
        retrieved.distances.assign(candidates.distances.begin(), candidates.distances.end());
    }

    void mix(Hypothesis &hypothesis) const
    {
        Outlook &outlook = hypothesis.outlook;
        const std::span<const float> lm = hypothesis.session->logProbs();
        outlook.logProbs.assign(lm.begin(), lm.end());
        if (outlook.retrieved.ids.empty())
            return;
        outlook.knn = knnDistribution(outlook.retrieved.ids, outlook.retrieved.distances, m_parts.datastore->values(),
                                      m_settings.temperature);
        std::vector<double> knnLogProbs(lm.size(), impossible);
        for (const TokenProbability &entry : outlook.knn)
            knnLogProbs.at(static_cast<std::size_t>(entry.token.value)) = std::log(entry.probability);
        for (std::size_t v = 0; v < lm.size(); ++v)
            outlook.logProbs[v] = interpolate(lm[v], knnLogProbs[v], m_settings.lambda, true);
    }

    static TokenId mostProbable(std::span<const double> logProbs)
    {
        return TokenId(static_cast<std::int32_t>(std::ranges::max_element(logProbs) - logProbs.begin()));
    }

    /// Nucleus sampling (Holtzman et al. 2020) after the temperature.
    TokenId sample(std::span<const double> logProbs)
    {
        std::vector<std::int32_t> order(logProbs.size());
        std::iota(order.begin(), order.end(), 0);
        const auto logProb = [&](std::int32_t token) { return logProbs[static_cast<std::size_t>(token)]; };
        std::ranges::stable_sort(order, std::ranges::greater(), logProb);
        std::vector<double> weights(order.size());
        std::ranges::transform(order, weights.begin(), [&](std::int32_t token) {
            return std::exp((logProb(token) - logProb(order.front())) / m_config.samplingTemperature);
        });
        const double nucleus = m_config.topP * std::accumulate(weights.begin(), weights.end(), 0.0);
        std::size_t kept = 0;
        double mass = 0;
        while (kept < weights.size() && mass < nucleus)
            mass += weights[kept++];
        double left = uniform() * mass;
        std::size_t drawn = 0;
        while (drawn + 1 < kept && left >= weights[drawn])
            left -= weights[drawn++];
        return TokenId(order[drawn]);
    }

    /// [0, 1) with 53 bits; std::uniform_real_distribution differs between standard libraries.
    double uniform() { return static_cast<double>(m_random() >> 11) * 0x1p-53; }

    void choose(Hypothesis &hypothesis, TokenId token) const
    {
        const auto index = static_cast<std::size_t>(token.value);
        const Outlook &outlook = hypothesis.outlook;
        const auto knn = std::ranges::find(outlook.knn, token, &TokenProbability::token);
        GeneratedToken chosen{.token = token,
                              .logProb = outlook.logProbs[index],
                              .lmLogProb = hypothesis.session->logProbs()[index],
                              .knnProbability = knn == outlook.knn.end() ? 0.0 : knn->probability,
                              .searched = outlook.retrieved.searched,
                              .plan = outlook.retrieved.plan,
                              .neighbours = nearest(outlook.retrieved)};
        hypothesis.logProb += chosen.logProb;
        hypothesis.tokens.push_back(std::move(chosen));
        if (hypothesis.walker)
            hypothesis.walker->observe(token);
    }

    [[nodiscard]] std::vector<GeneratedToken::Neighbour> nearest(const Retrieved &retrieved) const
    {
        const std::vector<double> weights = knnWeights(retrieved.ids, retrieved.distances, m_settings.temperature);
        std::vector<std::size_t> order(retrieved.ids.size());
        std::iota(order.begin(), order.end(), std::size_t(0));
        std::ranges::stable_sort(order, {}, [&](std::size_t j) { return retrieved.distances[j]; });
        order.resize(std::min(order.size(), static_cast<std::size_t>(m_config.neighboursKept)));
        std::vector<GeneratedToken::Neighbour> neighbours;
        for (const std::size_t j : order)
            neighbours.push_back({EntryId(retrieved.ids[j]), retrieved.distances[j], weights[j]});
        return neighbours;
    }

    struct Extension
    {
        std::size_t parent;
        TokenId token;
        double logProb;
    };

    /// The most probable continuations of all beams together, as new beams.
    std::vector<Hypothesis> extend(std::vector<Hypothesis> parents) const
    {
        std::vector<Extension> extensions;
        for (std::size_t p = 0; p < parents.size(); ++p)
            for (std::size_t v = 0; v < parents[p].outlook.logProbs.size(); ++v)
                extensions.push_back({p, TokenId(static_cast<std::int32_t>(v)), parents[p].logProb + parents[p].outlook.logProbs[v]});
        const std::size_t kept = std::min(extensions.size(), static_cast<std::size_t>(m_config.beams));
        std::partial_sort(extensions.begin(), extensions.begin() + static_cast<std::ptrdiff_t>(kept), extensions.end(),
                          [](const Extension &a, const Extension &b) {
                              return std::tuple(-a.logProb, a.parent, a.token) < std::tuple(-b.logProb, b.parent, b.token);
                          });
        extensions.resize(kept);

        std::vector<Hypothesis> beams;
        for (auto extension = extensions.begin(); extension != extensions.end(); ++extension) {
            Hypothesis &parent = parents[extension->parent];
            const bool neededAgain = std::any_of(extension + 1, extensions.end(),
                                                 [&](const Extension &later) { return later.parent == extension->parent; });
            Hypothesis beam = neededAgain ? parent.copy() : std::move(parent);
            choose(beam, extension->token);
            beams.push_back(std::move(beam));
        }
        return beams;
    }

    const RetrievalParts &m_parts;
    const GenerationConfig &m_config;
    const EvaluationSettings &m_settings;
    JobControl &m_job;
    const GenerationListener &m_listener;
    std::optional<EntryDistances> m_distances;
    std::mt19937_64 m_random;
    Neighbours m_found;
};

} // namespace

void to_json(Json &json, const GenerationConfig &config)
{
    json = {{"retrieval", config.retrieval},
            {"decoding", config.decoding},
            {"beams", config.beams},
            {"sampling_temperature", config.samplingTemperature},
            {"top_p", config.topP},
            {"seed", config.seed},
            {"max_new_tokens", config.maxNewTokens},
            {"stop_at_eos", config.stopAtEos},
            {"neighbours_kept", config.neighboursKept}};
}

void from_json(const Json &json, GenerationConfig &config)
{
    JsonFields fields(json, "generation");
    GenerationConfig read;
    if (const Json *retrieval = fields.find("retrieval"))
        read.retrieval = retrieval->get<EvaluationSettings>();
    fields.read("decoding", read.decoding);
    fields.read("beams", read.beams);
    fields.read("sampling_temperature", read.samplingTemperature);
    fields.read("top_p", read.topP);
    fields.read("seed", read.seed);
    fields.read("max_new_tokens", read.maxNewTokens);
    fields.read("stop_at_eos", read.stopAtEos);
    fields.read("neighbours_kept", read.neighboursKept);
    fields.refuseOthers();
    validate(read);
    config = read;
}

std::string_view toString(StopReason reason)
{
    switch (reason) {
    case StopReason::TokenLimit: return "as many tokens as asked for were made";
    case StopReason::EndOfText: return "the end-of-text token was chosen";
    case StopReason::ContextFull: return "the model's context is full";
    }
    return {};
}

std::vector<std::int32_t> encodePrompt(const Tokenizer &tokenizer, std::string_view text, bool documentStart)
{
    std::vector<std::int32_t> ids = tokenizer.encode(text);
    if (documentStart && tokenizer.bos())
        ids.insert(ids.begin(), tokenizer.bos()->value);
    if (ids.empty())
        fail(ErrorKind::BadInput, "The prompt is empty, and the tokenizer has no BOS token to begin with; give a text.");
    return ids;
}

std::vector<GeneratedToken> generate(const RetrievalParts &parts, std::span<const std::int32_t> prompt, const GenerationConfig &config,
                                     JobControl &job, const GenerationListener &listener, StopReason *stopped)
{
    validate(config);
    requireParts(parts, config.retrieval);
    requirePrompt(parts, prompt);
    StopReason reason = StopReason::TokenLimit;
    auto tokens = Generator(parts, config, job, listener).run(prompt, reason);
    if (stopped)
        *stopped = reason;
    return tokens;
}

} // namespace retoscope
