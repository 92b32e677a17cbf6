// SPDX-License-Identifier: GPL-3.0-or-later
// The commands of the workbench. The command line and the desktop program call these same functions with the same
// configuration structs; each writes its artefact, its job row and its runs into the ledger. Every function may be
// cancelled and continues when called again with the same arguments. An artefact that is already ready for the same
// request is returned at once.
#pragma once

#include "datastore/datastore_builder.h"
#include "ledger/live_progress.h"
#include "ledger/project.h"
#include "model/trainer.h"
#include "text/sentencepiece_trainer.h"
#include "trace/live.h"
#include "trace/sweep.h"
#include "trace/trace_recorder.h"

namespace retoscope {

/// How the operation was asked for: recorded as the command that repeats it.
struct Request
{
    std::string name;    ///< of the artefact to make; empty: chosen from its inputs
    bool nameMayVary = false; ///< take name-2, name-3 … when the name belongs to another request, instead of refusing
    std::string command; ///< exact command line
    bool force = false;  ///< go on although the forecast says it cannot fit
    bool once = false;   ///< do not record a run or curve again that the ledger has with the same configuration
};

/// `tokenizer`: where it lies when not beside the weights (llama2.c); empty: beside them.
ArtefactRow addModel(Project &project, const std::filesystem::path &path, const std::filesystem::path &tokenizer, const Request &request, JobControl &job);
ArtefactRow addCorpus(Project &project, const std::vector<std::filesystem::path> &paths, const CorpusOptions &options, const Request &request, JobControl &job);
ArtefactRow trainTokenizer(Project &project, const ArtefactRow &corpus, const SentencePieceTraining &config, const Request &request, JobControl &job);
/// The token store of one split under a tokenizer (of a tokenizer or model row); made when it is not there.
ArtefactRow tokensFor(Project &project, const ArtefactRow &corpus, Split split, const ArtefactRow &tokenizerOrModel,
                      const TokenStoreOptions &options, const Request &request, JobControl &job);
/// From scratch with the tokenizer of a tokenizer row (config.model says what; its vocabulary is the tokenizer's), or on
/// from the weights of a model row.
ArtefactRow trainLanguageModel(Project &project, const ArtefactRow &corpus, const ArtefactRow &tokenizerOrModel, const TrainConfig &config, const Request &request, JobControl &job);
ArtefactRow makeDatastore(Project &project, const ArtefactRow &model, const ArtefactRow &tokens, const DatastoreConfig &config, const LoadOptions &load, const Request &request, JobControl &job);
ArtefactRow makeIndex(Project &project, const ArtefactRow &datastore, const IndexConfig &config, const Request &request, JobControl &job);
ArtefactRow makeClusters(Project &project, const ArtefactRow &datastore, const ClusterConfig &config, const Request &request, JobControl &job);
ArtefactRow makeTrace(Project &project, const ArtefactRow &model, const ArtefactRow &tokens, const ArtefactRow &datastore, const ArtefactRow &index,
                      const TraceConfig &config, const LoadOptions &load, const Request &request, JobControl &job, const TraceListener &listener = {});

/// What lets `sink` see the trace that makeTrace() records grow, replayed with the settings and, for RetoMaton, the newest
/// clusters of the datastore. Empty without a sink.
TraceListener growingTrace(const Project &project, const ArtefactRow &model, const ArtefactRow &tokens, const ArtefactRow &datastore, const std::string &name,
                           const TraceConfig &config, const EvaluationSettings &settings, const LiveSink &sink);

/// Everything that a trace needs to be replayed, opened and checked against each other. `clusters` by name or "none"; empty:
/// the only ready clusters of the datastore, none when there are none (BadInput lists them when there are several).
struct OpenTrace
{
    ArtefactRow row, datastoreRow;
    std::optional<ArtefactRow> indexRow, modelRow, tokensRow; ///< absent for an imported trace
    std::optional<ArtefactRow> clustersRow;
    std::shared_ptr<const Trace> trace;
    std::shared_ptr<const Replay> replay;
};
OpenTrace openTraceForReplay(const Project &project, const std::string &trace, const std::string &clusters);

struct LiveOptions
{
    bool live = false;             ///< run the model and really skip the saved searches
    std::int64_t maxPositions = 0; ///< live only; 0: as many as the trace has
    std::string device = "cpu";    ///< as LoadOptions::device; the precision is the trace's, or the numbers would differ
};

struct EvaluationOutcome
{
    EvaluationResult result;
    std::int64_t run = 0; ///< id in the ledger
    Json config = Json::object(); ///< as recorded: the settings and the names and fingerprints of all artefacts
};
/// Replayed (or live when asked for) and recorded as a run. `sink` hears a live evaluation grow.
EvaluationOutcome evaluate(Project &project, const std::string &trace, const std::string &clusters, const EvaluationSettings &settings,
                           const LiveOptions &live, const Request &request, JobControl &job, const LiveSink &sink = {});

struct SweepOutcome
{
    std::vector<SweepPoint> points;
    std::size_t best = 0;
    std::int64_t curve = 0;
    std::vector<std::int64_t> runs; ///< of each point
};
SweepOutcome sweep(Project &project, const std::string &trace, const std::string &clusters, const EvaluationSettings &base, const SweepGrid &grid,
                   const Request &request, JobControl &job);

/// In place of the name of a gate's trace: no curve of AdaptRet.
inline constexpr std::string_view noGate = "none";

struct FossOutcome
{
    std::vector<FossSeries> series;
    double basePerplexity = 0;
    std::int64_t curve = 0;
    std::shared_ptr<const GateDecisions> gate; ///< null without AdaptRet
    std::string note; ///< why AdaptRet was left out, when nobody asked for that
};
/// With AdaptRet when base.gate names the trace to learn from, or names none and the datastore has one trace over a
/// validation split; base.gate.trace = noGate leaves it out.
FossOutcome foss(Project &project, const std::string &trace, const std::string &clusters, const EvaluationSettings &base, std::int32_t points,
                 const Request &request, JobControl &job);

/// What generation needs, opened and checked against each other. For the LM alone only the model is there.
struct GenerationParts
{
    ArtefactRow modelRow;
    std::optional<ArtefactRow> datastoreRow, indexRow, clustersRow;
    RetrievalParts parts;
    std::shared_ptr<const Tokenizer> tokenizer;
    std::shared_ptr<const TokenStore> tokens; ///< the datastore's, for the contexts of neighbours; null when unknown
};
/// Names of artefacts; an empty `datastore` gives the LM alone. An empty `index` is the datastore's only one, or exact
/// search when it has none; `clusters` as for openTraceForReplay().
GenerationParts openForGeneration(const Project &project, const std::string &model, const std::string &datastore,
                                  const std::string &index, const std::string &clusters, const LoadOptions &load);

} // namespace retoscope
