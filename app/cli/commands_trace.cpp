// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

namespace retoscope::cli {

void addTraceCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("trace", "Traces: evaluations recorded once and replayed with any settings");
    CLI::App *record = tree.command(group, "record", "Run the model over a split once, with one search per position",
                                    "trace record --model gpt2 --corpus manual:validation --datastore manual-gpt2 --index manual-gpt2-exact --k 1024");
    struct Options : NameOptions, ComputeOptions, WindowOptions
    {
        std::string model, corpus, datastore, index;
        TraceConfig config;
    };
    auto options = std::make_shared<Options>();
    auto &config = options->config;
    record->add_option("--model", options->model, "Name of the model")->required();
    record->add_option("--corpus", options->corpus, "Corpus and split, e.g. manual:validation")->type_name("NAME:SPLIT")->required();
    record->add_option("--datastore", options->datastore, "Name of the datastore")->required();
    record->add_option("--index", options->index, "Name of the index")->required();
    record->add_option("--k", config.k, "Neighbours recorded per position")->check(CLI::Range(1, 1 << 20))->capture_default_str();
    record->add_option("--nprobe", config.search.nprobe, "Inverted lists that are searched; 0: the index's default")->capture_default_str();
    record->add_option("--ef-search", config.search.efSearch, "HNSW: width of the search; 0: default")->capture_default_str();
    record->add_option("--top-candidates", config.topCandidates, "Most probable tokens of the LM kept per position")->capture_default_str();
    record->add_option("--max-positions", config.maxPositions, "Record only the first so many positions; 0: all")->capture_default_str();
    options->NameOptions::addForceTo(record);
    options->ComputeOptions::addTo(record);
    options->WindowOptions::addTo(record);
    tree.onRun(record, [options](Session &session) {
        TraceConfig request = options->config;
        request.windows = options->scheme();
        const auto [corpusName, split] = corpusSplitFromString(options->corpus, Split::Test);
        Project project = session.openProject();
        const Ledger &ledger = project.ledger();
        const auto model = ledger.findArtefact(ArtefactKind::Model, options->model);
        const auto corpus = ledger.findArtefact(ArtefactKind::Corpus, corpusName);
        const auto datastore = ledger.findArtefact(ArtefactKind::Datastore, options->datastore);
        const auto index = ledger.findArtefact(ArtefactKind::Index, options->index);
        const auto tokens = tokensFor(project, corpus, split, model, options->tokens(), session.request(), session.job());
        const auto row = makeTrace(project, model, tokens, datastore, index, request, options->load(), session.request(options->name, options->force), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} positions with {} neighbours each, perplexity of the LM alone {:.4f}, {}", formatCount(row.info.at("positions")),
                                          formatCount(row.info.at("k")), row.info.at("base_perplexity").get<double>(), formatBytes(row.bytes)));
    });
}

} // namespace retoscope::cli
