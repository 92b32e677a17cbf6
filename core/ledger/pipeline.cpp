// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/pipeline.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/job.h"
#include "ledger/command_line.h"
#include "ledger/run_table.h"
#include "trace/adaptive.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin)
{
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

constexpr std::array<std::string_view, 8> tableHeadings = {"method", "FoSS", "searches", "perplexity", "λ", "T", "k", "min_knns"};

std::string minKnnsText(const EvaluationSettings &settings)
{
    if (settings.method != Method::Retomaton)
        return "–";
    return settings.automaton.minKnns == AutomatonSettings::alwaysSearch ? "∞" : std::to_string(settings.automaton.minKnns);
}

/// The grid's axes that matter to RetoMaton once k is chosen.
SweepGrid mixingAxes(const SweepGrid &grid)
{
    SweepGrid mixing;
    std::copy_if(grid.axes.begin(), grid.axes.end(), std::back_inserter(mixing.axes),
                 [](const auto &axis) { return axis.first == "lambda" || axis.first == "temperature"; });
    return mixing;
}

class Pipeline
{
public:
    Pipeline(Project &project, const ProjectDescription &description, const Request &request, JobControl &job, const PipelineListener &listener,
             const LiveSink &live)
        : m_project(project), m_description(description), m_request(request), m_job(job), m_listener(listener), m_live(live),
          m_stages(planPipeline(description))
    {
        m_load.compute = description.model.compute;
    }

    PipelineOutcome run()
    {
        const auto begin = Clock::now();
        requireInputs(m_description);
        makeInputs();
        makeRetrieval();
        recordTraces();
        tune();
        report();
        m_outcome.seconds = secondsSince(begin);
        return std::move(m_outcome);
    }

private:
    /// Runs the next stage. `work` returns its summary and whether it was there already.
    struct StageEnd
    {
        std::string summary;
        bool reused = false;
    };
    template<typename Work>
    void stage(Work &&work)
    {
        m_job.checkpoint();
        auto &current = m_stages.at(m_next);
        const auto begin = Clock::now();
        m_stageBeganMs = nowMs();
        change(PipelineStage::State::Running);
        try {
            const StageEnd end = work();
            current.summary = end.summary;
            current.seconds = secondsSince(begin);
            change(end.reused ? PipelineStage::State::Reused : PipelineStage::State::Done);
        } catch (...) {
            current.seconds = secondsSince(begin);
            change(PipelineStage::State::Failed);
            throw;
        }
        ++m_next;
    }
    void change(PipelineStage::State state)
    {
        m_stages[m_next].state = state;
        if (m_listener)
            m_listener(m_stages, m_next);
    }

    [[nodiscard]] Request request(std::string name, std::string command) const
    {
        Request request = m_request;
        request.name = std::move(name);
        request.nameMayVary = true;
        request.once = true;
        request.command = std::move(command);
        return request;
    }
    [[nodiscard]] bool wasThere(const ArtefactRow &row) const { return row.finishedMs < m_stageBeganMs; }
    [[nodiscard]] std::string partName(std::string_view suffix) const { return fmt::format("{}-{}", m_description.name, suffix); }

    void makeInputs()
    {
        const auto &d = m_description;
        stage([&] {
            m_outcome.corpus = addCorpus(m_project, d.corpus.paths, d.corpus.options,
                                         request(d.corpus.name, corpusAddCommand(d.corpus.paths, d.corpus.options, d.corpus.name)), m_job);
            const auto &info = m_outcome.corpus.info;
            return StageEnd{fmt::format("{} documents, {}", formatCount(info.at("documents")), formatBytes(m_outcome.corpus.bytes)), wasThere(m_outcome.corpus)};
        });
        stage([&] {
            m_outcome.model = addModel(m_project, d.model.path, {}, request(d.model.name, modelAddCommand(d.model.path, d.model.name)), m_job);
            const auto &info = m_outcome.model.info;
            return StageEnd{fmt::format("{}, {} parameters", info.at("architecture").get<std::string>(), formatCount(info.at("parameters"))), wasThere(m_outcome.model)};
        });
        stage([&] {
            m_trainTokens = tokens(d.datastoreSplit);
            m_tuneTokens = tokens(d.tuneSplit);
            m_testTokens = tokens(d.testSplit);
            const auto count = [](const ArtefactRow &row) { return formatCount(row.info.at("tokens")); };
            return StageEnd{fmt::format("{} {}, {} {}, {} {}", toString(d.datastoreSplit), count(m_trainTokens), toString(d.tuneSplit), count(m_tuneTokens),
                                        toString(d.testSplit), count(m_testTokens)),
                            wasThere(m_trainTokens) && wasThere(m_tuneTokens) && wasThere(m_testTokens)};
        });
    }

    ArtefactRow tokens(Split split)
    {
        return tokensFor(m_project, m_outcome.corpus, split, m_outcome.model, {}, request({}, m_request.command), m_job);
    }

    void makeRetrieval()
    {
        const auto &d = m_description;
        const auto &corpus = m_outcome.corpus.name;
        stage([&] {
            const auto name = partName(toString(d.datastoreSplit));
            auto &row = m_outcome.datastore = makeDatastore(
                m_project, m_outcome.model, m_trainTokens, d.datastore, m_load,
                request(name, datastoreBuildCommand(m_outcome.model.name, corpus, d.datastoreSplit, d.datastore, m_load.compute, name)), m_job);
            return StageEnd{fmt::format("{} entries of {} dimensions, {}", formatCount(row.info.at("entries")), row.info.at("dimension").get<int>(), formatBytes(row.bytes)),
                            wasThere(row)};
        });
        stage([&] {
            auto &row = m_outcome.index =
                makeIndex(m_project, m_outcome.datastore, d.index, request({}, indexBuildCommand(m_outcome.datastore.name, d.index, {})), m_job);
            return StageEnd{fmt::format("{}, {}", d.index.factory, formatBytes(row.bytes)), wasThere(row)};
        });
        if (d.clusters.states == 0)
            return;
        stage([&] {
            m_outcome.clusters =
                makeClusters(m_project, m_outcome.datastore, d.clusters, request({}, clusterBuildCommand(m_outcome.datastore.name, d.clusters, {})), m_job);
            return StageEnd{fmt::format("{} states", formatCount(d.clusters.states)), wasThere(*m_outcome.clusters)};
        });
    }

    void recordTraces()
    {
        TraceConfig tuneConfig = m_description.trace;
        if (m_description.tunePositions > 0)
            tuneConfig.maxPositions = m_description.tunePositions;
        stage([&] { return recordOne(m_outcome.tuneTrace, m_description.tuneSplit, m_tuneTokens, tuneConfig); });
        stage([&] { return recordOne(m_outcome.testTrace, m_description.testSplit, m_testTokens, m_description.trace); });
    }

    StageEnd recordOne(ArtefactRow &row, Split split, const ArtefactRow &tokensRow, const TraceConfig &config)
    {
        const auto name = partName(toString(split));
        row = makeTrace(m_project, m_outcome.model, tokensRow, m_outcome.datastore, m_outcome.index, config, m_load,
                        request(name, traceRecordCommand(m_outcome.model.name, m_outcome.corpus.name, split, m_outcome.datastore.name, m_outcome.index.name,
                                                         config, m_load.compute, name)),
                        m_job, growingTrace(m_project, m_outcome.model, tokensRow, m_outcome.datastore, name, config, liveSettings(), m_live));
        return {fmt::format("{} positions × {} neighbours, {}", formatCount(row.info.at("positions")), formatCount(row.info.at("k")), formatBytes(row.bytes)),
                wasThere(row)};
    }

    [[nodiscard]] EvaluationSettings liveSettings() const
    {
        EvaluationSettings settings = m_description.settings;
        settings.method = Method::Retomaton;
        return settings;
    }

    [[nodiscard]] std::string clustersName() const { return m_outcome.clusters ? m_outcome.clusters->name : "none"; }

    EvaluationSettings best(const std::string &name, const EvaluationSettings &base, const SweepGrid &grid)
    {
        const auto &trace = m_outcome.tuneTrace.name;
        const auto found = sweep(m_project, trace, clustersName(), base, grid, request(name, sweepCommand(trace, clustersName(), base, grid)), m_job);
        return found.points.at(found.best).settings;
    }

    /// λ, T and k are chosen on the tuning split; for RetoMaton λ and T with every position searched (FoSS 0).
    void tune()
    {
        const auto summary = [](const EvaluationSettings &settings, std::size_t points) {
            return fmt::format("best of {}: λ {:.4g}, T {:.4g}, k {}", formatCount(static_cast<std::int64_t>(points)), settings.lambda, settings.temperature, settings.k);
        };
        stage([&] {
            EvaluationSettings base = m_description.settings;
            base.method = Method::KnnLm;
            m_outcome.knnLm = best("tuning kNN-LM", base, m_description.grid);
            return StageEnd{summary(m_outcome.knnLm, m_description.grid.size()), false};
        });
        stage([&] {
            EvaluationSettings base = m_description.settings;
            base.method = Method::Retomaton;
            base.k = m_outcome.knnLm.k;
            base.useClusters = m_outcome.clusters.has_value();
            base.automaton.minKnns = AutomatonSettings::alwaysSearch;
            const auto grid = mixingAxes(m_description.grid);
            m_outcome.retomaton = best("tuning RetoMaton", base, grid);
            return StageEnd{summary(m_outcome.retomaton, grid.size()), false};
        });
    }

    EvaluationResult onTest(const EvaluationSettings &settings)
    {
        const auto &trace = m_outcome.testTrace.name;
        return evaluate(m_project, trace, clustersName(), settings, {}, request("test", evaluateCommand(trace, clustersName(), settings)), m_job).result;
    }

    void report()
    {
        stage([&] {
            EvaluationSettings base = m_outcome.knnLm;
            base.method = Method::Base;
            m_outcome.table = {{"base", onTest(base)}, {"kNN-LM", onTest(m_outcome.knnLm)}, {"RetoMaton", onTest(m_outcome.retomaton)}};
            m_outcome.basePerplexity = m_outcome.table.front().result.perplexity;
            return StageEnd{fmt::format("perplexity {:.4f} → {:.4f} (kNN-LM), {:.4f} (RetoMaton)", m_outcome.basePerplexity,
                                        m_outcome.table[1].result.perplexity, m_outcome.table[2].result.perplexity),
                            false};
        });
        stage([&] {
            const auto &trace = m_outcome.testTrace.name;
            const auto points = m_description.fossPoints;
            EvaluationSettings base = m_outcome.retomaton;
            base.gate.trace = gateTrace();
            m_outcome.curve = foss(m_project, trace, clustersName(), base, points, request("test", fossCommand(trace, clustersName(), base, points)), m_job).series;
            addCurveToTable();
            writeResults();
            return StageEnd{fmt::format("{} series of {} points", m_outcome.curve.size(), points), false};
        });
    }

    /// AdaptRet learns its gate where λ, T and k are chosen, too, unless that is the text that is reported or next to none.
    [[nodiscard]] std::string gateTrace() const
    {
        const bool other = m_outcome.tuneTrace.fingerprint != m_outcome.testTrace.fingerprint;
        const bool enough = m_outcome.tuneTrace.info.value("positions", std::int64_t(0)) >= fewestGatePositions;
        return other && enough ? m_outcome.tuneTrace.name : std::string(noGate);
    }

    /// The points of RetoMaton beyond the one that always searches, which the table has already, and those of AdaptRet that
    /// make a search at all.
    void addCurveToTable()
    {
        if (m_outcome.curve.empty())
            return;
        for (const auto &point : m_outcome.curve.front().points) {
            if (point.settings.automaton.minKnns != AutomatonSettings::alwaysSearch)
                m_outcome.table.push_back({"RetoMaton", point.result});
        }
        for (const auto &point : m_outcome.curve.back().points) {
            if (point.settings.method == Method::Adaptive && point.result.searches > 0)
                m_outcome.table.push_back({"AdaptRet", point.result});
        }
    }

    void writeResults()
    {
        const fs::path folder = m_project.folder() / "results";
        makeFolder(folder);
        const auto write = [&](const char *name, const std::string &text) {
            writeFileAtomically(folder / name, text);
            m_outcome.files.push_back(folder / name);
        };
        write("table.csv", tableToCsv(m_outcome.table));
        write("table.md", tableToMarkdown(m_outcome.table));
        write("table.json", toJson(m_outcome.table).dump(2) + "\n");
        write("foss.csv", toCsv(m_outcome.curve));
        write("foss.json", Json{{"base_perplexity", m_outcome.basePerplexity}, {"trace", m_outcome.testTrace.name}, {"series", toJson(m_outcome.curve)}}.dump(2) + "\n");
    }

    Project &m_project;
    const ProjectDescription &m_description;
    const Request &m_request;
    JobControl &m_job;
    const PipelineListener &m_listener;
    const LiveSink &m_live;
    LoadOptions m_load;
    std::vector<PipelineStage> m_stages;
    std::size_t m_next = 0;
    std::int64_t m_stageBeganMs = 0;
    ArtefactRow m_trainTokens, m_tuneTokens, m_testTokens;
    PipelineOutcome m_outcome;
};

} // namespace

std::string_view toString(PipelineStage::State state)
{
    switch (state) {
    case PipelineStage::State::Waiting:
        return "waiting";
    case PipelineStage::State::Running:
        return "running";
    case PipelineStage::State::Done:
        return "done";
    case PipelineStage::State::Reused:
        return "reused";
    case PipelineStage::State::Failed:
        return "failed";
    }
    return "";
}

std::vector<PipelineStage> planPipeline(const ProjectDescription &description)
{
    std::vector<std::string> names = {"corpus", "model", "tokens", "datastore", "index"};
    if (description.clusters.states > 0)
        names.emplace_back("clusters");
    names.push_back(fmt::format("trace of {}", toString(description.tuneSplit)));
    names.push_back(fmt::format("trace of {}", toString(description.testSplit)));
    names.insert(names.end(), {"tuning kNN-LM", "tuning RetoMaton", "evaluation", "FoSS curve"});
    std::vector<PipelineStage> stages(names.size());
    for (std::size_t i = 0; i < names.size(); ++i)
        stages[i].name = names[i];
    return stages;
}

PipelineOutcome runPipeline(Project &project, const ProjectDescription &description, const Request &request, JobControl &job, const PipelineListener &listener,
                            const LiveSink &live)
{
    return Pipeline(project, description, request, job, listener, live).run();
}

std::vector<std::vector<std::string>> tableCells(const std::vector<PipelineResult> &table)
{
    TableCells cells = {{tableHeadings.begin(), tableHeadings.end()}};
    for (const auto &[method, result] : table) {
        const auto &settings = result.settings;
        const bool base = settings.method == Method::Base;
        cells.push_back({method, base ? "–" : fmt::format("{:.3f}", result.foss), base ? "–" : formatCount(result.searches), fmt::format("{:.4f}", result.perplexity),
                         base ? "–" : lambdaText(settings), base ? "–" : fmt::format("{:.4g}", settings.temperature),
                         base ? "–" : std::to_string(settings.k), minKnnsText(settings)});
    }
    return cells;
}

std::string tableToCsv(const std::vector<PipelineResult> &table)
{
    TableCells cells = {{"method", "foss", "foss_reference", "searches", "positions", "perplexity", "nll", "lambda", "temperature", "k", "min_knns", "max_knns"}};
    for (const auto &[method, result] : table) {
        const auto &settings = result.settings;
        const bool base = settings.method == Method::Base;
        const bool automaton = settings.method == Method::Retomaton, learned = settings.method == Method::Adaptive && settings.gate.learnedWeight;
        const auto number = [](bool applies, const auto &value) { return applies ? fmt::format("{}", value) : std::string(); };
        const auto minKnns = settings.automaton.minKnns;
        cells.push_back({method, number(!base, result.foss), number(!base, result.fossReference), number(!base, result.searches), number(true, result.positions),
                         number(true, result.perplexity), number(true, result.nll), number(!base && !learned, settings.lambda), number(!base, settings.temperature),
                         number(!base, settings.k), automaton && minKnns == AutomatonSettings::alwaysSearch ? "inf" : number(automaton, minKnns),
                         number(automaton, settings.automaton.maxKnns)});
    }
    return toCsv(cells);
}

std::string tableToMarkdown(const std::vector<PipelineResult> &table)
{
    std::vector<bool> rightAligned(tableHeadings.size(), true);
    rightAligned.front() = false;
    return toMarkdown(tableCells(table), rightAligned);
}

Json toJson(const std::vector<PipelineResult> &table)
{
    Json rows = Json::array();
    for (const auto &[method, result] : table) {
        Json row = toJson(result);
        row["label"] = method;
        rows.push_back(std::move(row));
    }
    return Json{{"rows", std::move(rows)}};
}

} // namespace retoscope
