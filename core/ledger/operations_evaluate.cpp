// SPDX-License-Identifier: GPL-3.0-or-later
// The operations that give numbers: evaluation, sweeps, FoSS curves. Each result is a run or a curve of the ledger.
#include "ledger/operations.h"

#include "base/error.h"
#include "base/job.h"
#include "ledger/artefact_build.h"
#include "ledger/command_line.h"
#include "trace/adaptive.h"

#include <algorithm>
#include <mutex>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

std::optional<ArtefactRow> optionalInput(const Project &project, const ArtefactRow &row, const std::string &role)
{
    const bool has = std::any_of(row.inputs.begin(), row.inputs.end(), [&](const ArtefactInput &input) { return input.role == role; });
    return has ? std::optional(project.inputOf(row, role)) : std::nullopt;
}

bool belongsTo(const ArtefactRow &row, const ArtefactRow &datastore)
{
    return std::any_of(row.inputs.begin(), row.inputs.end(), [&](const ArtefactInput &input) {
        return input.role == "datastore" && input.fingerprint == datastore.fingerprint;
    });
}

std::vector<ArtefactRow> readyOnesOf(const Project &project, ArtefactKind kind, const ArtefactRow &datastore)
{
    std::vector<ArtefactRow> found;
    for (const auto &row : project.ledger().artefacts(kind)) {
        if (row.state == ArtefactState::Ready && belongsTo(row, datastore))
            found.push_back(row);
    }
    return found;
}

std::string namesOf(const std::vector<ArtefactRow> &rows)
{
    std::string names;
    for (const auto &row : rows)
        names += (names.empty() ? "" : ", ") + row.name;
    return names;
}

/// The artefact of this kind that was made from the datastore: the named one, or the only one there is.
std::optional<ArtefactRow> partOf(const Project &project, ArtefactKind kind, const ArtefactRow &datastore, const std::string &name)
{
    const auto fitting = readyOnesOf(project, kind, datastore);
    const auto kindName = toString(kind);
    if (name.empty()) {
        if (fitting.size() > 1)
            fail(ErrorKind::BadInput, "The datastore '{}' has several {} ({}); name one with --{}.", datastore.name, kindName, namesOf(fitting), kindName);
        return fitting.empty() ? std::nullopt : std::optional(fitting.front());
    }
    const ArtefactRow row = project.ledger().findArtefact(kind, name);
    if (row.state != ArtefactState::Ready)
        fail(ErrorKind::NotFound, "The {} '{}' is not finished; run the command that builds it again, it continues where it stopped.", kindName, row.name);
    if (!belongsTo(row, datastore)) {
        const ArtefactRow own = project.inputOf(row, "datastore");
        fail(ErrorKind::Mismatch, "The {} '{}' belongs to the datastore '{}' (fingerprint {}), but '{}' ({}) is used here; {}.", kindName, row.name,
             own.name, own.fingerprint.substr(0, 12), datastore.name, datastore.fingerprint.substr(0, 12),
             fitting.empty() ? "build one for it" : "what fits is " + namesOf(fitting));
    }
    return row;
}

std::optional<ArtefactRow> clustersOf(const Project &project, const ArtefactRow &datastore, const std::string &name)
{
    return name == "none" ? std::nullopt : partOf(project, ArtefactKind::Clusters, datastore, name);
}

/// Opens the index only when a replay asks for approximate distances of pointers.
Reconstruct lazyReconstruct(const Project &project, const ArtefactRow &indexRow, std::shared_ptr<const Datastore> datastore)
{
    struct Lazy
    {
        std::once_flag once;
        std::shared_ptr<const Index> index;
    };
    return [lazy = std::make_shared<Lazy>(), folder = project.folderOf(indexRow), datastore](std::span<const std::int32_t> ids, float *out) {
        std::call_once(lazy->once, [&] { lazy->index = Index::open(folder, datastore); });
        lazy->index->reconstruct(ids, out);
    };
}

ArtefactRow readyTrace(const Project &project, const std::string &name)
{
    ArtefactRow row = project.ledger().findArtefact(ArtefactKind::Trace, name);
    if (row.state != ArtefactState::Ready)
        fail(ErrorKind::NotFound, "The trace '{}' is not finished; run the command that records it again, it continues where it stopped.", row.name);
    return row;
}

/// Traces of the same datastore over a validation split, the only text that a gate may learn from without being told.
std::vector<ArtefactRow> validationTraces(const Project &project, const ArtefactRow &trace, const ArtefactRow &datastore)
{
    std::vector<ArtefactRow> found = readyOnesOf(project, ArtefactKind::Trace, datastore);
    std::erase_if(found, [&](const ArtefactRow &row) {
        if (row.id == trace.id || row.fingerprint == trace.fingerprint || row.info.value("positions", std::int64_t(0)) < fewestGatePositions)
            return true;
        const auto tokens = optionalInput(project, row, "tokens");
        return !tokens || tokens->config.value("split", "") != toString(Split::Validation);
    });
    return found;
}

/// The trace that a gate for `trace` learns from: the named one, or the only one over a validation split. Throws BadInput.
ArtefactRow learningTrace(const Project &project, const ArtefactRow &trace, const ArtefactRow &datastore, const std::string &name)
{
    if (!name.empty()) {
        ArtefactRow row = readyTrace(project, name);
        if (!belongsTo(row, datastore))
            fail(ErrorKind::Mismatch, "The trace '{}' was recorded with the datastore '{}'; a gate for a trace of '{}' learns from a trace of the same datastore.",
                 row.name, project.inputOf(row, "datastore").name, datastore.name);
        return row;
    }
    const auto candidates = validationTraces(project, trace, datastore);
    if (candidates.size() == 1)
        return candidates.front();
    if (candidates.empty())
        fail(ErrorKind::BadInput, "Adaptive retrieval needs another trace to learn its gate from: record one of the validation split with the datastore '{}', or name one with --gate-trace.",
             datastore.name);
    fail(ErrorKind::BadInput, "There are several traces that a gate can learn from ({}); name one with --gate-trace.", namesOf(candidates));
}

/// Gates learn from other traces of the project, which are opened when one is asked for: from any thread.
GateSource gatesOf(const Project &project, const OpenTrace &open)
{
    const auto openTrace = [folder = project.folder(), applied = open.trace, row = open.row, datastoreRow = open.datastoreRow](const std::string &name) {
        const Project anew = Project::open(folder, Ledger::Mode::ReadOnly);
        const ArtefactRow learning = learningTrace(anew, row, datastoreRow, name);
        return std::make_shared<const Replay>(anew.openTrace(learning, applied->datastore()), nullptr);
    };
    return rememberedGates(open.trace, openTrace, fmt::format("{}\n{}", fs::absolute(project.folder()).string(), open.row.fingerprint));
}

/// Clusters matter to RetoMaton only; and where there are none, pointers alone are followed. A gate knows where it comes from.
EvaluationSettings applicable(EvaluationSettings settings, const Project &project, const OpenTrace &open)
{
    if (settings.method == Method::Retomaton && !open.clustersRow)
        settings.useClusters = false;
    if (settings.method == Method::Adaptive)
        settings.gate.trace = learningTrace(project, open.row, open.datastoreRow, settings.gate.trace).name;
    return settings;
}

Json describeArtefacts(const OpenTrace &open)
{
    Json artefacts = Json::object();
    const auto add = [&](const char *role, const std::optional<ArtefactRow> &row) {
        if (row)
            artefacts[role] = {{"id", row->id}, {"name", row->name}, {"fingerprint", row->fingerprint}};
    };
    add("trace", open.row);
    add("datastore", open.datastoreRow);
    add("index", open.indexRow);
    add("model", open.modelRow);
    add("tokens", open.tokensRow);
    add("clusters", open.clustersRow);
    return artefacts;
}

/// The settings and, beside them, the artefacts that they were applied to.
Json runConfig(const OpenTrace &open, const EvaluationSettings &settings)
{
    Json config = settings;
    config["artefacts"] = describeArtefacts(open);
    if (settings.method != Method::Retomaton || !settings.useClusters)
        config["artefacts"].erase("clusters");
    return config;
}

/// The figures of a result without what the configuration says already.
Json metricsOf(const EvaluationResult &result)
{
    Json metrics = toJson(result);
    for (const char *key : {"config", "configuration", "settings"})
        metrics.erase(key);
    return metrics;
}

std::string clustersName(const OpenTrace &open)
{
    return open.clustersRow ? open.clustersRow->name : "none";
}

RunRow runOf(const OpenTrace &open, const EvaluationSettings &settings)
{
    RunRow run;
    run.method = toString(settings.method);
    run.trace = open.row.id;
    run.config = runConfig(open, settings);
    return run;
}

std::optional<RunRow> recordedRun(const Ledger &ledger, const RunRow &like)
{
    RunFilter filter;
    filter.descending = true;
    for (auto &run : ledger.runs(filter)) {
        if (run.status == RunStatus::Done && run.trace == like.trace && run.group == like.group && run.config == like.config &&
            run.metrics.value("live", false) == like.metrics.value("live", false))
            return run;
    }
    return std::nullopt;
}

std::optional<CurveRow> recordedCurve(const Ledger &ledger, const CurveRow &like)
{
    for (auto &curve : ledger.curves()) {
        if (curve.kind == like.kind && curve.trace == like.trace && curve.config == like.config && curve.data.contains("series"))
            return curve;
    }
    return std::nullopt;
}

/// Runs of the points of a curve, in order.
std::vector<RunRow> runsOf(const OpenTrace &open, const std::vector<const SweepPoint *> &points, const Request &request)
{
    const Json environment = describeEnvironment();
    std::vector<RunRow> rows;
    rows.reserve(points.size());
    for (const SweepPoint *point : points) {
        RunRow run = runOf(open, point->settings);
        run.status = RunStatus::Done;
        run.name = request.name;
        run.metrics = metricsOf(point->result);
        run.environment = environment;
        run.command = evaluateCommand(open.row.name, clustersName(open), point->settings);
        run.seconds = point->result.seconds;
        rows.push_back(std::move(run));
    }
    return rows;
}

Json pointJson(const SweepPoint &point, std::int64_t run)
{
    return {{"run", run},
            {"settings", point.settings},
            {"perplexity", point.result.perplexity},
            {"nll", point.result.nll},
            {"foss", point.result.foss},
            {"foss_reference", point.result.fossReference},
            {"searches", point.result.searches},
            {"positions", point.result.positions},
            {"pareto", point.pareto}};
}

/// Stores a curve of `series` (name → points) with a run for each point, unless the request is content with what is there.
Ledger::CurveWithRuns storeCurve(Project &project, const OpenTrace &open, CurveRow curve,
                                 const std::vector<std::pair<std::string, const std::vector<SweepPoint> *>> &series, const Request &request)
{
    Ledger &ledger = project.ledger();
    if (request.once) {
        if (const auto known = recordedCurve(ledger, curve)) {
            Ledger::CurveWithRuns stored{.curve = known->id, .runs = {}};
            for (const auto &one : known->data.at("series"))
                for (const auto &point : one.at("points"))
                    stored.runs.push_back(point.at("run").get<std::int64_t>());
            return stored;
        }
    }
    curve.command = request.command;
    std::vector<const SweepPoint *> points;
    for (const auto &[name, list] : series)
        for (const auto &point : *list)
            points.push_back(&point);
    return ledger.addCurve(std::move(curve), runsOf(open, points, request), [&series](CurveRow &row, const std::vector<std::int64_t> &runs) {
        Json all = Json::array();
        std::size_t next = 0;
        for (const auto &[name, list] : series) {
            Json one = {{"name", name}, {"points", Json::array()}};
            for (const auto &point : *list)
                one["points"].push_back(pointJson(point, runs[next++]));
            all.push_back(std::move(one));
        }
        row.data["series"] = std::move(all);
    });
}

EvaluationResult evaluateLive(const Project &project, const OpenTrace &open, const EvaluationSettings &settings, const LiveOptions &live, JobControl &job,
                              const LiveSink &sink)
{
    if (!open.modelRow || !open.tokensRow || !open.indexRow)
        fail(ErrorKind::BadInput, "The trace '{}' was imported without a model; it can be replayed, but not evaluated live.", open.row.name);
    Json recorded = open.row.config;
    LoadOptions load{.compute = computeTypeFromString(recorded.value("compute", "fp32")), .device = live.device};
    recorded.erase("compute");
    const auto config = recorded.get<TraceConfig>();
    RetrievalParts parts;
    parts.model = project.openModel(*open.modelRow, load);
    parts.datastore = open.trace->datastore();
    parts.index = project.openIndex(*open.indexRow, parts.datastore);
    parts.clusters = settings.useClusters ? open.replay->clusters() : nullptr;
    parts.search = config.search;
    const auto positions = live.maxPositions > 0 ? live.maxPositions : config.maxPositions;
    LiveSource source;
    source.name = open.row.name;
    source.total = positions > 0 ? std::min(positions, open.trace->arrays().positions) : open.trace->arrays().positions;
    source.tokenizer = sink ? project.openTokenizer(*open.modelRow) : nullptr;
    return retoscope::evaluateLive(parts, *project.openTokens(*open.tokensRow), config.windows, settings, positions, job,
                                   liveEvaluationListener(std::move(source), open.trace, sink));
}

} // namespace

OpenTrace openTraceForReplay(const Project &project, const std::string &trace, const std::string &clusters)
{
    OpenTrace open;
    open.row = readyTrace(project, trace);
    open.datastoreRow = project.inputOf(open.row, "datastore");
    open.indexRow = optionalInput(project, open.row, "index");
    open.modelRow = optionalInput(project, open.row, "model");
    open.tokensRow = optionalInput(project, open.row, "tokens");
    open.clustersRow = clustersOf(project, open.datastoreRow, clusters);
    const auto datastore = project.openDatastore(open.datastoreRow);
    open.trace = project.openTrace(open.row, datastore);
    const auto states = open.clustersRow ? project.openClusters(*open.clustersRow) : nullptr;
    const auto reconstruct = open.indexRow ? lazyReconstruct(project, *open.indexRow, datastore) : Reconstruct();
    open.replay = std::make_shared<Replay>(open.trace, states, reconstruct, gatesOf(project, open));
    return open;
}

TraceListener growingTrace(const Project &project, const ArtefactRow &model, const ArtefactRow &tokens, const ArtefactRow &datastore, const std::string &name,
                           const TraceConfig &config, const EvaluationSettings &settings, const LiveSink &sink)
{
    if (!sink)
        return {};
    LiveSource source;
    source.name = name.empty() ? tokens.name : name;
    source.tokenizer = project.openTokenizer(model);
    source.datastore = project.openDatastore(datastore);
    source.total = forecastTrace(config, *project.openTokens(tokens), *source.datastore).positions;
    source.settings = settings;
    if (const auto fitting = readyOnesOf(project, ArtefactKind::Clusters, datastore); settings.method == Method::Retomaton && !fitting.empty())
        source.clusters = project.openClusters(fitting.back());
    return liveTraceListener(std::move(source), sink);
}

EvaluationOutcome evaluate(Project &project, const std::string &trace, const std::string &clusters, const EvaluationSettings &wished,
                           const LiveOptions &live, const Request &request, JobControl &job, const LiveSink &sink)
{
    const OpenTrace open = openTraceForReplay(project, trace, clusters);
    const EvaluationSettings settings = applicable(wished, project, open);
    validate(settings);
    RunRow run = runOf(open, settings);
    run.name = request.name;
    run.command = request.command;
    run.environment = describeEnvironment();
    Ledger &ledger = project.ledger();
    const auto known = request.once ? recordedRun(ledger, run) : std::nullopt;
    run.id = known ? known->id : ledger.addRun(run);
    const auto closeRun = [&](RunStatus status, const std::string &message) {
        if (known)
            return;
        run.status = status;
        run.message = message;
        ledger.updateRun(run);
    };
    try {
        EvaluationOutcome outcome;
        outcome.run = run.id;
        outcome.config = run.config;
        if (live.live)
            outcome.result = recordedJob(project, "evaluate", request, [&] { return evaluateLive(project, open, settings, live, job, sink); });
        else
            outcome.result = open.replay->evaluate(settings, {}, job);
        run.metrics = metricsOf(outcome.result);
        run.seconds = outcome.result.seconds;
        closeRun(RunStatus::Done, {});
        return outcome;
    } catch (const std::exception &error) {
        closeRun(RunStatus::Failed, error.what());
        throw;
    }
}

SweepOutcome sweep(Project &project, const std::string &trace, const std::string &clusters, const EvaluationSettings &base, const SweepGrid &grid,
                   const Request &request, JobControl &job)
{
    return recordedJob(project, "sweep", request, [&] {
        const OpenTrace open = openTraceForReplay(project, trace, clusters);
        const EvaluationSettings settings = applicable(base, project, open);
        SweepOutcome outcome;
        outcome.points = runSweep(*open.replay, settings, grid, job);
        outcome.best = bestPoint(outcome.points);
        CurveRow curve;
        curve.kind = "sweep";
        curve.name = request.name;
        curve.trace = open.row.id;
        curve.config = {{"base", runConfig(open, settings)}, {"grid", grid.toJson()}};
        const auto stored = storeCurve(project, open, curve, {{"sweep", &outcome.points}}, request);
        outcome.curve = stored.curve;
        outcome.runs = stored.runs;
        return outcome;
    });
}

namespace {

/// What the curve of AdaptRet is drawn with; none, and a sentence, where nobody named a trace to learn from and none
/// offers itself.
std::optional<GateSettings> gateOfCurve(const Project &project, const OpenTrace &open, GateSettings gate, std::string &note)
{
    if (gate.trace == noGate)
        return std::nullopt;
    const bool named = !gate.trace.empty();
    try {
        gate.trace = learningTrace(project, open.row, open.datastoreRow, gate.trace).name;
        return gate;
    } catch (const Error &error) {
        if (named || error.kind() != ErrorKind::BadInput)
            throw;
        note = fmt::format("AdaptRet is left out. {}", error.what());
        return std::nullopt;
    }
}

} // namespace

FossOutcome foss(Project &project, const std::string &trace, const std::string &clusters, const EvaluationSettings &base, std::int32_t points,
                 const Request &request, JobControl &job)
{
    if (points < 2)
        fail(ErrorKind::BadInput, "A curve needs at least 2 points, not {}.", points);
    return recordedJob(project, "foss", request, [&] {
        const OpenTrace open = openTraceForReplay(project, trace, clusters);
        const EvaluationSettings settings = applicable(base, project, open);
        FossOutcome outcome;
        EvaluationSettings lmAlone = settings;
        lmAlone.method = Method::Base;
        lmAlone.skipFraction = 0;
        outcome.basePerplexity = open.replay->evaluate(lmAlone, {}, job).perplexity;
        const auto gate = gateOfCurve(project, open, settings.gate, outcome.note);
        outcome.series = fossCurve(*open.replay, settings, points, job, gate);
        CurveRow curve;
        curve.kind = "foss";
        curve.name = request.name;
        curve.trace = open.row.id;
        curve.config = {{"base", runConfig(open, settings)}, {"points", points}};
        curve.data["base_perplexity"] = outcome.basePerplexity;
        if (gate) {
            curve.config["gate"] = *gate;
            EvaluationSettings adaptive = outcome.series.back().points.front().settings;
            outcome.gate = open.replay->gate(adaptive, job);
            curve.data["gate"] = toJson(*outcome.gate);
        }
        std::vector<std::pair<std::string, const std::vector<SweepPoint> *>> series;
        for (const auto &one : outcome.series)
            series.emplace_back(one.name, &one.points);
        outcome.curve = storeCurve(project, open, curve, series, request).curve;
        return outcome;
    });
}

GenerationParts openForGeneration(const Project &project, const std::string &model, const std::string &datastore,
                                  const std::string &index, const std::string &clusters, const LoadOptions &load)
{
    GenerationParts generation;
    generation.modelRow = project.ledger().findArtefact(ArtefactKind::Model, model);
    generation.tokenizer = project.openTokenizer(generation.modelRow);
    generation.parts.model = project.openModel(generation.modelRow, load);
    if (datastore.empty())
        return generation;
    const ArtefactRow row = project.ledger().findArtefact(ArtefactKind::Datastore, datastore);
    project.requireInput(row, "model", ArtefactKind::Model, generation.modelRow.fingerprint);
    generation.datastoreRow = row;
    generation.indexRow = partOf(project, ArtefactKind::Index, row, index);
    generation.clustersRow = clustersOf(project, row, clusters);
    if (const auto tokens = optionalInput(project, row, "tokens"))
        generation.tokens = project.openTokens(*tokens);
    auto &parts = generation.parts;
    parts.datastore = project.openDatastore(row);
    parts.index = generation.indexRow ? project.openIndex(*generation.indexRow, parts.datastore) : Index::exact(parts.datastore);
    parts.clusters = generation.clustersRow ? project.openClusters(*generation.clustersRow) : nullptr;
    return generation;
}

} // namespace retoscope
