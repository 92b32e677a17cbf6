// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

namespace retoscope::cli {

void addDatastoreCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("datastore", "Datastores of (key, value) pairs");
    CLI::App *build = tree.command(group, "build", "Run the model over a split of a corpus and store a key and the next token of every position",
                                   "datastore build --model gpt2 --corpus manual:train --name manual-gpt2");
    struct Options : NameOptions, ComputeOptions, WindowOptions
    {
        std::string model, corpus, tap = "ffn_input", keyType = "fp16";
        DatastoreConfig config;
    };
    auto options = std::make_shared<Options>();
    build->add_option("--model", options->model, "Name of the model")->required();
    build->add_option("--corpus", options->corpus, "Corpus and split, e.g. manual:train")->type_name("NAME[:SPLIT]")->required();
    build->add_option("--tap", options->tap, "Activation that is the key")
        ->check(CLI::IsMember({"ffn_input", "ffn_input_pre_norm", "attention_input", "attention_input_pre_norm", "block_output", "head_input"}))
        ->capture_default_str();
    build->add_option("--layer", options->config.tap.layer, "Layer of the tap; negative counts from the last")->capture_default_str();
    build->add_option("--key-type", options->keyType, "Keys on disk: fp16 or fp32")->check(CLI::IsMember({"fp16", "fp32"}))->capture_default_str();
    build->add_option("--batch-tokens", options->config.batchTokens, "Tokens per forward pass")->capture_default_str();
    options->NameOptions::addForceTo(build);
    options->ComputeOptions::addTo(build);
    options->WindowOptions::addTo(build);
    tree.onRun(build, [options](Session &session) {
        DatastoreConfig config = options->config;
        config.tap.place = tapPlaceFromString(options->tap);
        config.keyType = keyTypeFromString(options->keyType);
        config.windows = options->scheme();
        const auto [corpusName, split] = corpusSplitFromString(options->corpus, Split::Train);
        Project project = session.openProject();
        const auto model = project.ledger().findArtefact(ArtefactKind::Model, options->model);
        const auto corpus = project.ledger().findArtefact(ArtefactKind::Corpus, corpusName);
        const auto tokens = tokensFor(project, corpus, split, model, options->tokens(), session.request(), session.job());
        const auto row = makeDatastore(project, model, tokens, config, options->load(), session.request(options->name, options->force), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} entries of {} dimensions, {}", formatCount(row.info.at("entries")), row.info.at("dimension").get<int>(), formatBytes(row.bytes)));
    });
}

} // namespace retoscope::cli
