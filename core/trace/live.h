// SPDX-License-Identifier: GPL-3.0-or-later
// Live evaluation and generation: the model runs, saved searches are really not made, wall-clock is measured.
#pragma once

#include "automaton/clusters.h"
#include "index/index.h"
#include "model/language_model.h"
#include "text/token_store.h"
#include "text/tokenizer.h"
#include "text/windows.h"
#include "trace/evaluation_settings.h"

#include <functional>
#include <memory>

namespace retoscope {

class JobControl;

/// The parts of a retrieval-augmented model. `clusters` may be null.
struct RetrievalParts
{
    std::shared_ptr<const LanguageModel> model;
    std::shared_ptr<const Datastore> datastore;
    std::shared_ptr<const Index> index;
    std::shared_ptr<const Clusters> clusters;
    SearchParameters search;
};

/// Called with growing results while the evaluation runs (positions so far final), on the evaluating thread.
using LiveListener = std::function<void(const EvaluationResult &soFar)>;

/// Runs the model over the tokens window by window (positions capped at maxPositions, 0: all). Plain kNN-LM searches in
/// batches; RetoMaton decides per position and really skips. Settings as in replay; the result has live = true.
EvaluationResult evaluateLive(const RetrievalParts &parts, const TokenStore &tokens, const WindowScheme &windows,
                              const EvaluationSettings &settings, std::int64_t maxPositions, JobControl &job, const LiveListener &listener = {});

struct GenerationConfig
{
    EvaluationSettings retrieval;    ///< method, λ, T, k, min_knns …
    std::string decoding = "greedy"; ///< "greedy", "sample" (temperature and top-p), "beam"
    std::int32_t beams = 4;
    double samplingTemperature = 1.0;
    double topP = 1.0;
    std::uint64_t seed = 1;
    std::int32_t maxNewTokens = 100;
    bool stopAtEos = true;
    std::int32_t neighboursKept = 8; ///< per token, for display
};
void to_json(Json &json, const GenerationConfig &config);
void from_json(const Json &json, GenerationConfig &config);

struct GeneratedToken
{
    TokenId token;
    double logProb = 0, lmLogProb = 0;
    double knnProbability = 0; ///< p_kNN(token)
    bool searched = false;
    RetomatonPlan plan;        ///< RetoMaton only
    struct Neighbour { EntryId entry; double distance = 0, weight = 0; };
    std::vector<Neighbour> neighbours; ///< nearest first, at most neighboursKept
};
using GenerationListener = std::function<void(const GeneratedToken &)>;

enum class StopReason
{
    TokenLimit,  ///< maxNewTokens were made
    EndOfText,   ///< the model's end-of-text token was chosen (it is the last token of the result)
    ContextFull, ///< the model reads no longer sequence
};
std::string_view toString(StopReason reason); ///< a clause, e.g. "the end-of-text token was chosen"

/// The tokens of a prompt, with BOS before them where `documentStart` and the tokenizer has one. BadInput when nothing is left.
std::vector<std::int32_t> encodePrompt(const Tokenizer &tokenizer, std::string_view text, bool documentStart = true);

/// Continues `prompt` (token ids, BOS included where wanted). For Base, parts.datastore/index may be null. The automaton
/// state belongs to the sequence (each beam owns its own), is empty at the first new token, and follows the chosen tokens
/// (retrieval.md section 5, "Decoding"). Deterministic for a seed. Beams are compared by log-probability per token, and the
/// listener hears the best one at the end; otherwise it hears each token as it is chosen.
std::vector<GeneratedToken> generate(const RetrievalParts &parts, std::span<const std::int32_t> prompt, const GenerationConfig &config,
                                     JobControl &job, const GenerationListener &listener = {}, StopReason *stopped = nullptr);

} // namespace retoscope
