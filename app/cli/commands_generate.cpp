// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"
#include "evaluation_options.h"
#include "terminal.h"
#include "text_table.h"

#include "base/error.h"

#include <chrono>

namespace retoscope::cli {

namespace {

constexpr std::int64_t contextTokens = 12;
constexpr int contextColumns = 60;

struct GenerateOptions : ComputeOptions
{
    std::string model, prompt, datastore, index, documentStart = "auto";
    EvaluationOptions evaluation{Method::KnnLm};
    SearchParameters search;
    GenerationConfig config;
    bool neverStop = false;
    bool showNeighbours = false;
};

/// Settings, with the LM alone when there is no datastore to look into.
EvaluationSettings retrievalSettings(GenerateOptions &options)
{
    if (options.datastore.empty() && !options.evaluation.methodGiven())
        options.evaluation.setMethod(Method::Base);
    const auto settings = options.evaluation.settings();
    if (settings.method != Method::Base && options.datastore.empty())
        fail(ErrorKind::Usage, "--method {} looks up neighbours; name a datastore with --datastore.", toString(settings.method));
    return settings;
}

/// A piece as one line of valid UTF-8.
std::string visible(const std::string &text)
{
    std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    return quoted.substr(1, quoted.size() - 2);
}

/// The text before an entry's value, as far as its document reaches; empty when the datastore has no tokens.
std::string contextOf(const GenerationParts &generation, EntryId entry)
{
    if (!generation.tokens)
        return {};
    const auto &tokens = *generation.tokens;
    const auto at = generation.parts.datastore->tokenIndex(entry);
    const auto document = tokens.documentAt(at);
    const auto begin = std::max(tokens.documentOffsets()[static_cast<std::size_t>(document.value)], at - contextTokens);
    return generation.tokenizer->decode(tokens.tokens().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(at - begin)));
}

TokenId valueOf(const GenerationParts &generation, EntryId entry)
{
    return TokenId(generation.parts.datastore->values()[static_cast<std::size_t>(entry.value)]);
}

/// The last columns of a text.
std::string tail(const std::string &text, int columns)
{
    const int width = displayWidth(text);
    if (width <= columns)
        return text;
    std::size_t at = 0;
    for (int skip = width - columns + 1; skip > 0; --skip) {
        ++at;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
            ++at;
    }
    return "…" + text.substr(at);
}

void printNeighbours(Session &session, const GenerationParts &generation, const std::vector<GeneratedToken> &tokens)
{
    for (const auto &token : tokens) {
        session.print(fmt::format("\n{}  p {:.4f} (LM {:.4f}, kNN {:.4f}){}\n", styled("'" + visible(generation.tokenizer->piece(token.token)) + "'", Style::Bold, coloursOnStandardOutput()),
                                  std::exp(token.logProb), std::exp(token.lmLogProb), token.knnProbability, token.searched ? "" : "  search saved"));
        TextTable table({"weight", "distance", "entry", "value", "after"});
        for (const auto &neighbour : token.neighbours)
            table.addRow({fmt::format("{:.4f}", neighbour.weight), fmt::format("{:.2f}", neighbour.distance), std::to_string(neighbour.entry.value),
                          "'" + visible(generation.tokenizer->piece(valueOf(generation, neighbour.entry))) + "'",
                          tail(visible(contextOf(generation, neighbour.entry)), contextColumns)});
        if (!table.empty())
            session.print(table.toString());
    }
}

Json tokenJson(const GenerationParts &generation, const GeneratedToken &token)
{
    Json neighbours = Json::array();
    for (const auto &neighbour : token.neighbours) {
        const auto value = valueOf(generation, neighbour.entry);
        neighbours.push_back({{"entry", neighbour.entry.value}, {"distance", neighbour.distance}, {"weight", neighbour.weight}, {"value", value.value},
                              {"piece", generation.tokenizer->piece(value)}, {"context", contextOf(generation, neighbour.entry)}});
    }
    return {{"id", token.token.value}, {"piece", generation.tokenizer->piece(token.token)}, {"log_prob", token.logProb}, {"lm_log_prob", token.lmLogProb},
            {"knn_probability", token.knnProbability}, {"searched", token.searched}, {"neighbours", neighbours}};
}

Json generateText(Session &session, GenerateOptions &options)
{
    GenerationConfig config = options.config;
    config.retrieval = retrievalSettings(options);
    config.stopAtEos = !options.neverStop;
    const Project project = session.openProject(Ledger::Mode::ReadOnly);
    auto generation = openForGeneration(project, options.model, options.datastore, options.index, options.evaluation.clusters(), options.load());
    generation.parts.search = options.search;
    if (!generation.clustersRow)
        config.retrieval.useClusters = false;
    if (options.documentStart == "bos" && !generation.tokenizer->bos())
        fail(ErrorKind::Usage, "--document-start bos: the tokenizer has no BOS token; use none.");
    const auto prompt = encodePrompt(*generation.tokenizer, options.prompt, options.documentStart != "none");
    if (!session.json())
        session.display().mute();
    session.print(styled(options.prompt, Style::Dim, coloursOnStandardOutput()));
    const auto begin = std::chrono::steady_clock::now();
    StopReason stopped = StopReason::TokenLimit;
    std::vector<std::int32_t> ids;
    const auto onToken = [&](const GeneratedToken &token) {
        ids.push_back(token.token.value);
        session.print(generation.tokenizer->piece(token.token));
    };
    const auto tokens = generate(generation.parts, prompt, config, session.job(), onToken, &stopped);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    session.print("\n");
    if (options.showNeighbours)
        printNeighbours(session, generation, tokens);
    const auto count = static_cast<std::int64_t>(tokens.size());
    const auto searches = std::count_if(tokens.begin(), tokens.end(), [](const GeneratedToken &token) { return token.searched; });
    const double foss = count > 0 && config.retrieval.method != Method::Base ? 1.0 - static_cast<double>(searches) / static_cast<double>(count) : 0.0;
    const double rate = seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
    session.note(fmt::format("{} tokens in {} ({:.1f}/s), {} searches; {}", formatCount(count), formatDuration(seconds), rate, formatCount(searches), toString(stopped)));
    Json list = Json::array();
    for (const auto &token : tokens)
        list.push_back(tokenJson(generation, token));
    return {{"prompt", options.prompt}, {"text", generation.tokenizer->decode(ids)}, {"tokens", list}, {"searches", searches}, {"foss", foss},
            {"seconds", seconds}, {"tokens_per_second", rate}, {"stopped", toString(stopped)}, {"configuration", config}};
}

} // namespace

void addGenerateCommand(CommandTree &tree)
{
    CLI::App *command = tree.command(nullptr, "generate", "Continue a prompt with the LM alone, kNN-LM or RetoMaton",
                                     "generate --model manual --datastore manual-train --method retomaton --prompt 'The server' --show-neighbours");
    auto options = std::make_shared<GenerateOptions>();
    auto &config = options->config;
    command->add_option("--model", options->model, "Name of the model")->required();
    command->add_option("--prompt", options->prompt, "Text to continue")->type_name("TEXT")->required();
    command->add_option("--datastore", options->datastore, "Name of the datastore (without one: the LM alone)");
    command->add_option("--index", options->index, "Name of the index (default: the datastore's only one, else exact search)");
    command->add_option("--document-start", options->documentStart, "What stands before the prompt: auto, bos or none")->check(CLI::IsMember({"auto", "bos", "none"}))->capture_default_str();
    command->add_flag("--show-neighbours", options->showNeighbours, "Print the neighbours behind each token");
    command->add_option("--neighbours", config.neighboursKept, "How many of them")->check(CLI::Range(0, 1024))->capture_default_str();
    const auto decoding = "Decoding";
    command->add_option("--decoding", config.decoding, "greedy, sample or beam")->check(CLI::IsMember({"greedy", "sample", "beam"}))->capture_default_str()->group(decoding);
    command->add_option("--max-new-tokens", config.maxNewTokens, "Longest continuation")->check(CLI::Range(1, 1 << 20))->capture_default_str()->group(decoding);
    command->add_option("--sampling-temperature", config.samplingTemperature, "Temperature of --decoding sample")->check(CLI::PositiveNumber)->capture_default_str()->group(decoding);
    command->add_option("--top-p", config.topP, "Sample from the most probable tokens with this share")->check(CLI::Range(0.0, 1.0))->capture_default_str()->group(decoding);
    command->add_option("--sampling-seed", config.seed, "Seed of --decoding sample")->capture_default_str()->group(decoding);
    command->add_option("--beams", config.beams, "Hypotheses of --decoding beam")->check(CLI::Range(1, 256))->capture_default_str()->group(decoding);
    command->add_flag("--ignore-eos", options->neverStop, "Go on after the end-of-text token")->group(decoding);
    options->evaluation.addTo(command);
    command->add_option("--nprobe", options->search.nprobe, "Inverted lists that are searched; 0: the index's default")->capture_default_str();
    command->add_option("--ef-search", options->search.efSearch, "HNSW: width of the search; 0: default")->capture_default_str();
    options->addTo(command);
    tree.onRun(command, [options](Session &session) { return generateText(session, *options); });
}

} // namespace retoscope::cli
