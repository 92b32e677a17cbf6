// SPDX-License-Identifier: GPL-3.0-or-later
// evaluate, sweep and foss: numbers from a trace.
#include "build_options.h"
#include "command_tree.h"
#include "evaluation_options.h"
#include "import_commands.h"
#include "terminal.h"
#include "text_table.h"

#include "base/atomic_file.h"
#include "base/error.h"

#include <algorithm>

namespace retoscope::cli {

namespace {

constexpr std::size_t listedPoints = 20;
constexpr int curveHeight = 18;
constexpr int widestCurve = 100;

/// The settings of the options; k is the trace's when it was not given.
EvaluationSettings settingsFor(const Project &project, const std::string &trace, const EvaluationOptions &options)
{
    EvaluationSettings settings = options.settings();
    if (options.kGiven())
        return settings;
    const auto row = project.ledger().findArtefact(ArtefactKind::Trace, trace);
    settings.k = std::min(settings.k, row.info.value("k", settings.k));
    return settings;
}

std::string evaluationText(const EvaluationOutcome &outcome)
{
    const auto &result = outcome.result;
    const bool colours = coloursOnStandardOutput();
    std::string text = fmt::format("{}  {}\n\n", styled(std::string(displayName(result.settings.method)), Style::Bold, colours), describe(result.settings));
    const auto line = [&](const char *name, const std::string &value) { text += fmt::format("  {:<18}{}\n", name, value); };
    line("perplexity", styled(fmt::format("{:.4f}", result.perplexity), Style::Bold, colours) +
                           fmt::format("   (nll {:.5f}; the LM alone {:.4f})", result.nll, basePerplexity(result)));
    line("positions", formatCount(result.positions));
    if (result.settings.method != Method::Base) {
        line("searches", formatCount(result.searches));
        line("FoSS", fmt::format("{:.4f}   (counted as the released code does: {:.4f})", result.foss, result.fossReference));
        line("helped / hurt", fmt::format("{} / {}", formatCount(result.helped), formatCount(result.hurt)));
        line("oracle perplexity", fmt::format("{:.4f}", result.oraclePerplexity));
    }
    const double rate = result.seconds > 0 ? static_cast<double>(result.positions) / result.seconds : 0;
    line(result.live ? "live" : "replayed", fmt::format("in {}, {} tokens/s", formatDuration(result.seconds), formatCount(static_cast<std::int64_t>(rate))));
    if (result.live)
        line("of which", fmt::format("model {}, search {}, walk {}", formatDuration(result.modelSeconds), formatDuration(result.searchSeconds), formatDuration(result.walkSeconds)));
    line("run", std::to_string(outcome.run));
    return text;
}

/// The contract of `evaluate --json`, with the run and all artefacts beside it.
Json evaluationJson(const EvaluationOutcome &outcome)
{
    Json json = toJson(outcome.result);
    json["configuration"] = outcome.config;
    json["run"] = outcome.run;
    return json;
}

/// How the gate behind a curve came to be.
std::string gateText(const GateDecisions &gate)
{
    std::string text = fmt::format("gate of AdaptRet: learned from {} positions in {}, best epoch {}, held-out loss {:.4f} over {} positions", formatCount(gate.learnedFrom),
                                   formatDuration(gate.seconds), gate.bestEpoch, gate.heldOutLoss, formatCount(std::ssize(gate.heldOutLogits)));
    if (!gate.missing.empty())
        text += fmt::format("; without {}, which one of the traces does not hold", fmt::join(gate.missing, " and "));
    return text;
}

struct PointTable
{
    TextTable table{{"perplexity", "FoSS", "method", "λ", "T", "k", "min_knns", "max_knns", "Pareto"}};

    void add(const SweepPoint &point)
    {
        const auto &settings = point.settings;
        const bool base = settings.method == Method::Base;
        const bool automaton = settings.method == Method::Retomaton;
        const auto when = [](bool applies, const std::string &text) { return applies ? text : std::string("–"); };
        table.addRow({fmt::format("{:.4f}", point.result.perplexity), fmt::format("{:.4f}", point.result.foss), std::string(displayName(settings.method)),
                      when(!base, lambdaText(settings)), when(!base, fmt::format("{:.4g}", settings.temperature)),
                      when(!base, std::to_string(settings.k)), when(automaton, minKnnsText(settings.automaton.minKnns)),
                      when(automaton, std::to_string(settings.automaton.maxKnns)), point.pareto ? "*" : ""});
    }
};

Json pointJson(const SweepPoint &point, std::int64_t run)
{
    Json json = toJson(point.result);
    json["pareto"] = point.pareto;
    json["run"] = run;
    return json;
}

/// A grid in words, or the name of a JSON file with one.
SweepGrid readGrid(const std::string &text)
{
    std::error_code code;
    if (!std::filesystem::is_regular_file(text, code)) {
        if (text.find('=') == std::string::npos)
            fail(ErrorKind::NotFound, "The grid {} is neither a file nor of the form 'lambda=0.1:0.9:0.1;temperature=1,10'.", text);
        return SweepGrid::parse(text);
    }
    const Json json = Json::parse(readFile(text, 1 << 20), nullptr, false);
    if (json.is_discarded())
        fail(ErrorKind::BadInput, "{} is not valid JSON; write e.g. {{\"lambda\": [0.1, 0.2], \"temperature\": [1, 10]}}.", text);
    return SweepGrid::fromJson(json);
}

Json runSweepCommand(Session &session, const std::string &trace, const std::string &grid, const EvaluationOptions &options, const std::string &clusters, const std::string &name)
{
    Project project = session.openProject();
    const auto outcome = sweep(project, trace, clusters, settingsFor(project, trace, options), readGrid(grid), session.request(name), session.job());
    std::vector<std::size_t> order(outcome.points.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return outcome.points[a].result.perplexity < outcome.points[b].result.perplexity; });
    PointTable table;
    for (std::size_t i = 0; i < std::min(order.size(), listedPoints); ++i)
        table.add(outcome.points[order[i]]);
    session.print(table.table.toString());
    if (order.size() > listedPoints)
        session.print(fmt::format("… and {} more (`runs list --filter 'group = {}'`)\n", formatCount(static_cast<std::int64_t>(order.size() - listedPoints)), outcome.curve));
    const auto &best = outcome.points.at(outcome.best);
    session.print(fmt::format("\nbest of {}: perplexity {} with {}\n", formatCount(static_cast<std::int64_t>(outcome.points.size())),
                              styled(fmt::format("{:.4f}", best.result.perplexity), Style::Bold, coloursOnStandardOutput()), describe(best.settings)));
    Json points = Json::array();
    for (std::size_t i = 0; i < outcome.points.size(); ++i)
        points.push_back(pointJson(outcome.points[i], outcome.runs.at(i)));
    return {{"curve", outcome.curve}, {"best", points.at(outcome.best)}, {"points", points}};
}

Json runFossCommand(Session &session, const std::string &trace, std::int32_t points, const EvaluationOptions &options, const std::string &clusters,
                    const std::string &name, const std::string &csv)
{
    Project project = session.openProject();
    const auto outcome = foss(project, trace, clusters, settingsFor(project, trace, options), points, session.request(name), session.job());
    session.print(drawFossCurve(outcome.series, outcome.basePerplexity, std::min(terminalWidth(), widestCurve), curveHeight) + "\n");
    if (!outcome.note.empty())
        session.note(outcome.note);
    for (const auto &series : outcome.series) {
        PointTable table;
        for (const auto &point : series.points)
            table.add(point);
        session.print(fmt::format("\n{}\n{}", styled(series.name, Style::Bold, coloursOnStandardOutput()), table.table.toString()));
    }
    if (!csv.empty())
        writeFileAtomically(csv, toCsv(outcome.series));
    Json json{{"curve", outcome.curve}, {"base_perplexity", outcome.basePerplexity}, {"series", toJson(outcome.series)}};
    if (outcome.gate) {
        session.print(fmt::format("\n{}\n", gateText(*outcome.gate)));
        json["gate"] = toJson(*outcome.gate);
    }
    return json;
}

} // namespace

void addEvaluateCommands(CommandTree &tree)
{
    struct Options
    {
        explicit Options(Method method) : evaluation(method) {}
        std::string trace, name, grid, csv, perPosition;
        std::int32_t points = 12;
        EvaluationOptions evaluation;
        bool live = false;
        std::int64_t maxPositions = 0;
        std::string device = "cpu";
    };
    const auto addCommon = [](CLI::App *command, Options &options) {
        command->add_option("--trace", options.trace, "Name of the trace")->required();
        command->add_option("--name", options.name, "Name of the run");
        options.evaluation.addTo(command);
    };

    CLI::App *evaluateApp = tree.command(nullptr, "evaluate", "Perplexity of the LM alone, of kNN-LM, RetoMaton or AdaptRet on a trace",
                                         "evaluate --trace manual-test --method retomaton --lambda 0.3 --temperature 10 --min-knns 64");
    auto evaluation = std::make_shared<Options>(Method::KnnLm);
    addCommon(evaluateApp, *evaluation);
    const auto liveGroup = "Live evaluation";
    evaluateApp->add_flag("--live", evaluation->live, "Run the model and the index again and really skip the saved searches")->group(liveGroup);
    evaluateApp->add_option("--max-positions", evaluation->maxPositions, "Stop after so many positions; 0: as the trace")->capture_default_str()->group(liveGroup);
    evaluateApp->add_option("--device", evaluation->device, "cpu, cuda or cuda:N")->capture_default_str()->group(liveGroup);
    evaluateApp->add_option("--per-position", evaluation->perPosition, "Also write log probabilities and decisions of every position as .npy files into this folder")->type_name("DIR");
    tree.onRun(evaluateApp, [evaluation](Session &session) {
        static_cast<void>(evaluation->evaluation.settings()); // wrong usage is said before anything is opened
        if (evaluation->live && !evaluation->perPosition.empty())
            fail(ErrorKind::Usage, "--per-position is answered from the trace; leave out --live, the numbers are the same.");
        Project project = session.openProject();
        const LiveOptions live{evaluation->live, evaluation->maxPositions, evaluation->device};
        const auto settings = settingsFor(project, evaluation->trace, evaluation->evaluation);
        const auto outcome = evaluate(project, evaluation->trace, evaluation->evaluation.clusters(), settings, live, session.request(evaluation->name), session.job());
        session.print(evaluationText(outcome));
        Json json = evaluationJson(outcome);
        if (!evaluation->perPosition.empty())
            json.update(reportExport(session, exportEvaluation(project, evaluation->trace, evaluation->evaluation.clusters(), outcome.result.settings,
                                                               evaluation->perPosition, session.job())));
        return json;
    });

    CLI::App *sweepApp = tree.command(nullptr, "sweep", "Evaluate a grid of settings on a trace",
                                      "sweep --trace manual-validation --grid 'lambda=0.1:0.9:0.1;temperature=1,10,100'");
    auto sweeping = std::make_shared<Options>(Method::KnnLm);
    addCommon(sweepApp, *sweeping);
    sweepApp->add_option("--grid", sweeping->grid, "Parameters and values (begin:end:step or a list), or a JSON file with them")->type_name("FILE|GRID")->required();
    tree.onRun(sweepApp, [sweeping](Session &session) {
        // A grid may turn RetoMaton on where the options do not: the clusters are then the datastore's.
        const bool walks = sweeping->grid.find("method") != std::string::npos;
        const auto clusters = walks ? sweeping->evaluation.namedClusters() : sweeping->evaluation.clusters();
        return runSweepCommand(session, sweeping->trace, sweeping->grid, sweeping->evaluation, clusters, sweeping->name);
    });

    CLI::App *fossApp = tree.command(nullptr, "foss", "The curve of perplexity over the fraction of saved searches (FoSS)",
                                     "foss --trace manual-test --lambda 0.3 --temperature 10 --points 12");
    auto curve = std::make_shared<Options>(Method::Retomaton);
    addCommon(fossApp, *curve);
    fossApp->add_option("--points", curve->points, "Points per series")->check(CLI::Range(2, 1000))->capture_default_str();
    fossApp->add_option("--csv", curve->csv, "Also write the curve to this file")->type_name("FILE");
    tree.onRun(fossApp, [curve](Session &session) {
        return runFossCommand(session, curve->trace, curve->points, curve->evaluation, curve->evaluation.namedClusters(), curve->name, curve->csv);
    });
}

} // namespace retoscope::cli
