// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/command_line.h"

#include "base/error.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>

namespace retoscope {

namespace {

/// Collects the words of one command.
class CommandText
{
public:
    explicit CommandText(std::string_view command) : m_text(fmt::format("retoscope-cli {}", command)) {}

    CommandText &word(std::string_view value)
    {
        m_text += " " + shellQuote(value);
        return *this;
    }
    template<typename T>
    CommandText &option(std::string_view name, const T &value)
    {
        m_text += fmt::format(" {}", name);
        return word(fmt::format("{}", value));
    }
    /// Left out when it is the default.
    template<typename T>
    CommandText &option(std::string_view name, const T &value, const T &standard)
    {
        return value == standard ? *this : option(name, value);
    }
    CommandText &flag(std::string_view name, bool on)
    {
        if (on)
            m_text += fmt::format(" {}", name);
        return *this;
    }
    CommandText &named(const std::string &name) { return option("--name", name, std::string()); }
    [[nodiscard]] std::string text() const { return m_text; }

private:
    std::string m_text;
};

std::string withSplit(const std::string &corpus, Split split)
{
    return fmt::format("{}:{}", corpus, toString(split));
}

void addWindows(CommandText &text, const WindowScheme &windows)
{
    const WindowScheme standard;
    text.option("--block", windows.block, standard.block).option("--stride", windows.stride, standard.stride);
    if (windows.mode != standard.mode)
        text.option("--window-mode", Json(windows).at("mode").get<std::string>());
    if (windows.tail != standard.tail)
        text.option("--window-tail", Json(windows).at("tail").get<std::string>());
}

void addSearch(CommandText &text, const SearchParameters &search)
{
    text.option("--nprobe", search.nprobe, 0).option("--ef-search", search.efSearch, 0);
}

void addCompute(CommandText &text, ComputeType compute)
{
    if (compute != ComputeType::Float32)
        text.option("--compute", toString(compute));
}

void addAutomaton(CommandText &text, const AutomatonSettings &automaton)
{
    const AutomatonSettings standard = automaton.semantics == Semantics::Reference ? AutomatonSettings::reference() : AutomatonSettings();
    if (automaton.semantics == Semantics::Reference)
        text.option("--semantics", "reference");
    if (automaton.minKnns == AutomatonSettings::alwaysSearch)
        text.option("--min-knns", "inf");
    else
        text.option("--min-knns", automaton.minKnns);
    text.option("--max-knns", automaton.maxKnns);
    text.flag("--no-pointers", !automaton.pointers);
    if (automaton.count != standard.count)
        text.option("--count", automaton.count == CountRule::States ? "states" : "entries");
    if (automaton.order != standard.order)
        text.option("--order", automaton.order == StateOrder::Random ? "random" : "count");
    text.option("--seed", automaton.seed, standard.seed);
    if (automaton.ties != standard.ties)
        text.option("--ties", automaton.ties == TieOrder::Stable ? "stable" : "std_sort");
}

void addGate(CommandText &text, const GateSettings &gate)
{
    const GateSettings standard;
    text.option("--gate-trace", gate.trace, standard.trace);
    if (!gate.learnedWeight)
        text.option("--gate-lambda", "constant");
    text.option("--gate-sparsity", gate.training.sparsity, standard.training.sparsity);
    text.option("--gate-epochs", gate.training.epochs, standard.training.epochs);
    text.option("--gate-seed", gate.training.seed, standard.training.seed);
}

void addEvaluation(CommandText &text, const std::string &clusters, const EvaluationSettings &settings)
{
    text.option("--method", toString(settings.method));
    if (settings.method == Method::Base)
        return;
    text.option("--lambda", settings.lambda).option("--temperature", settings.temperature).option("--k", settings.k);
    if (settings.distances == DistanceSource::Index)
        text.option("--distances", "index");
    text.option("--reference-batch", settings.referenceBatch, 1);
    if (settings.referenceSimilarity == ReferenceSimilarity::Dot)
        text.option("--reference-similarity", "dot");
    if (settings.method == Method::Retomaton) {
        addAutomaton(text, settings.automaton);
        text.option("--clusters", settings.useClusters && !clusters.empty() ? clusters : "none");
    } else {
        if (settings.reference())
            text.option("--semantics", "reference");
        text.option("--skip", settings.skipFraction, 0.0);
        if (settings.method == Method::Adaptive)
            addGate(text, settings.gate);
        else if (settings.skipFraction > 0)
            text.option("--skip-seed", settings.skipSeed, std::uint64_t(1));
    }
}

} // namespace

std::string shellQuote(std::string_view text)
{
    const auto isPlain = [](unsigned char c) { return std::isalnum(c) || std::string_view("-_./:,=+@%^").find(static_cast<char>(c)) != std::string_view::npos; };
    if (!text.empty() && std::all_of(text.begin(), text.end(), isPlain))
        return std::string(text);
    std::string quoted = "'";
    for (const char c : text)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

std::string shellCommand(std::string_view program, int count, const char *const *arguments)
{
    std::string text = shellQuote(program);
    for (int i = 0; i < count; ++i)
        text += " " + shellQuote(arguments[i]);
    return text;
}

std::string modelAddCommand(const std::filesystem::path &path, const std::string &name)
{
    return CommandText("model add").word(path.string()).named(name).text();
}

std::string corpusAddCommand(const std::vector<std::filesystem::path> &paths, const CorpusOptions &options, const std::string &name)
{
    const CorpusOptions standard;
    CommandText text("corpus add");
    for (const auto &path : paths)
        text.word(path.string());
    text.named(name);
    if (options.kind != standard.kind)
        text.option("--kind", toString(options.kind));
    text.option("--field", options.field, standard.field).option("--title-field", options.titleField, standard.titleField);
    for (const auto &path : options.validationPaths)
        text.option("--validation", path);
    for (const auto &path : options.testPaths)
        text.option("--test", path);
    if (options.trainFraction != standard.trainFraction)
        text.option("--split", fmt::format("train={},validation={},test={},seed={}", options.trainFraction, options.validationFraction,
                                           options.testFraction, options.seed));
    return text.text();
}

std::string datastoreBuildCommand(const std::string &model, const std::string &corpus, Split split, const DatastoreConfig &config,
                                  ComputeType compute, const std::string &name)
{
    const DatastoreConfig standard;
    CommandText text("datastore build");
    text.option("--model", model).option("--corpus", withSplit(corpus, split));
    if (config.tap.place != standard.tap.place)
        text.option("--tap", toString(config.tap.place));
    text.option("--layer", config.tap.layer, standard.tap.layer);
    addWindows(text, config.windows);
    if (config.keyType != standard.keyType)
        text.option("--key-type", toString(config.keyType));
    addCompute(text, compute);
    return text.named(name).text();
}

std::string indexBuildCommand(const std::string &datastore, const IndexConfig &config, const std::string &name)
{
    const IndexConfig standard;
    CommandText text("index build");
    text.option("--datastore", datastore).option("--factory", config.factory);
    if (config.metric != standard.metric)
        text.option("--metric", toString(config.metric));
    text.option("--train-sample", config.trainSample, standard.trainSample).option("--seed", config.seed, standard.seed);
    text.option("--recall-sample", config.recallSample, standard.recallSample).option("--recall-at", config.recallAt, standard.recallAt);
    return text.named(name).text();
}

std::string clusterBuildCommand(const std::string &datastore, const ClusterConfig &config, const std::string &name)
{
    const ClusterConfig standard;
    return CommandText("cluster build")
        .option("--datastore", datastore)
        .option("--states", config.states)
        .option("--iterations", config.iterations, standard.iterations)
        .option("--sample", config.sample, standard.sample)
        .option("--seed", config.seed, standard.seed)
        .named(name)
        .text();
}

std::string traceRecordCommand(const std::string &model, const std::string &corpus, Split split, const std::string &datastore,
                               const std::string &index, const TraceConfig &config, ComputeType compute, const std::string &name)
{
    const TraceConfig standard;
    CommandText text("trace record");
    text.option("--model", model).option("--corpus", withSplit(corpus, split)).option("--datastore", datastore).option("--index", index);
    text.option("--k", config.k);
    addWindows(text, config.windows);
    addSearch(text, config.search);
    text.option("--top-candidates", config.topCandidates, standard.topCandidates);
    text.option("--max-positions", config.maxPositions, standard.maxPositions);
    addCompute(text, compute);
    return text.named(name).text();
}

std::string evaluateCommand(const std::string &trace, const std::string &clusters, const EvaluationSettings &settings, bool live)
{
    CommandText text("evaluate");
    text.option("--trace", trace);
    addEvaluation(text, clusters, settings);
    return text.flag("--live", live).text();
}

std::string sweepCommand(const std::string &trace, const std::string &clusters, const EvaluationSettings &base, const SweepGrid &grid)
{
    const auto valueText = [](const Json &value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
    std::string axes;
    for (const auto &[name, values] : grid.axes) {
        std::string list;
        for (const auto &value : values)
            list += (list.empty() ? "" : ",") + valueText(value);
        axes += (axes.empty() ? "" : ";") + name + "=" + list;
    }
    CommandText text("sweep");
    text.option("--trace", trace).option("--grid", axes);
    addEvaluation(text, clusters, base);
    return text.text();
}

std::string fossCommand(const std::string &trace, const std::string &clusters, const EvaluationSettings &base, std::int32_t points)
{
    CommandText text("foss");
    text.option("--trace", trace).option("--points", points);
    addEvaluation(text, clusters, base);
    if (base.method != Method::Adaptive)
        addGate(text, base.gate);
    return text.text();
}

void readSplitFractions(const std::string &text, CorpusOptions &options)
{
    options.trainFraction = options.validationFraction = options.testFraction = 0;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        const auto equals = part.find('=');
        const std::string name = part.substr(0, equals);
        const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
        char *end = nullptr;
        const double number = std::strtod(value.c_str(), &end);
        if (value.empty() || *end != '\0' || !(number >= 0))
            fail(ErrorKind::Usage, "--split: '{}' is not of the form name=number; write e.g. train=0.8,validation=0.1,test=0.1,seed=1.", part);
        if (name == "train")
            options.trainFraction = number;
        else if (name == "validation" || name == "valid" || name == "dev")
            options.validationFraction = number;
        else if (name == "test")
            options.testFraction = number;
        else if (name == "seed")
            options.seed = static_cast<std::uint64_t>(number);
        else
            fail(ErrorKind::Usage, "--split: there is no split called '{}'; the names are train, validation, test and seed.", name);
    }
    const double sum = options.trainFraction + options.validationFraction + options.testFraction;
    if (std::abs(sum - 1) > 1e-9)
        fail(ErrorKind::Usage, "--split: the fractions add up to {:g}; they must add up to 1.", sum);
}

std::int64_t minKnnsFromString(const std::string &text)
{
    if (text == "inf" || text == "∞")
        return AutomatonSettings::alwaysSearch;
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() || value < 1)
        fail(ErrorKind::Usage, "--min-knns is '{}'; give a whole number from 1 on, or inf.", text);
    return value;
}

std::string generateCommand(const std::string &model, const std::string &datastore, const std::string &index, const std::string &clusters,
                            const std::string &prompt, const GenerationConfig &config)
{
    const GenerationConfig standard;
    CommandText text("generate");
    text.option("--model", model).option("--prompt", prompt);
    if (config.retrieval.method != Method::Base)
        text.option("--datastore", datastore).option("--index", index, std::string());
    addEvaluation(text, clusters, config.retrieval);
    text.option("--decoding", config.decoding, standard.decoding).option("--max-new-tokens", config.maxNewTokens);
    if (config.decoding == "sample")
        text.option("--sampling-temperature", config.samplingTemperature).option("--top-p", config.topP).option("--sampling-seed", config.seed);
    if (config.decoding == "beam")
        text.option("--beams", config.beams);
    text.option("--neighbours", config.neighboursKept, standard.neighboursKept).flag("--ignore-eos", !config.stopAtEos);
    return text.text();
}

} // namespace retoscope
