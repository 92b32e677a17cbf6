// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

#include "ledger/command_line.h"

namespace retoscope::cli {

namespace {

struct CorpusAddOptions : NameOptions
{
    std::vector<std::string> paths;
    std::string kind = "auto", split;
    CorpusOptions corpus;
};

Json addOne(Session &session, CorpusAddOptions &options)
{
    options.corpus.kind = corpusKindFromString(options.kind);
    if (!options.split.empty())
        readSplitFractions(options.split, options.corpus);
    Project project = session.openProject();
    const std::vector<std::filesystem::path> paths(options.paths.begin(), options.paths.end());
    const auto row = addCorpus(project, paths, options.corpus, session.request(options.name), session.job());
    const auto &splits = row.info.at("splits");
    return reportArtefact(session, project, row,
                          fmt::format("{} documents, {} (train {}, validation {}, test {})", formatCount(row.info.at("documents")), formatBytes(row.bytes),
                                      formatCount(splits.at("train")), formatCount(splits.at("validation")), formatCount(splits.at("test"))));
}

} // namespace

void addCorpusCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("corpus", "Texts");
    CLI::App *add = tree.command(group, "add", "Read texts into the project and split them by document",
                                 "corpus add manual/html --name manual --kind html --split train=0.8,validation=0.1,test=0.1");
    auto options = std::make_shared<CorpusAddOptions>();
    add->add_option("paths", options->paths, "Files and folders, also .gz")->type_name("PATH")->required();
    add->add_option("--name", options->name, "Name of the corpus")->required();
    add->add_option("--kind", options->kind, "auto, text (a document per file), blank-lines, wikitext, jsonl or html")->capture_default_str();
    add->add_option("--field", options->corpus.field, "JSONL: field that holds the text")->capture_default_str();
    add->add_option("--title-field", options->corpus.titleField, "JSONL: field that holds the title")->capture_default_str();
    auto *split = add->add_option("--split", options->split, "Fractions by document, e.g. train=0.8,validation=0.1,test=0.1,seed=1 (default: all is train)");
    add->add_option("--validation", options->corpus.validationPaths, "Files and folders of the validation split")->type_name("PATH")->excludes(split);
    add->add_option("--test", options->corpus.testPaths, "Files and folders of the test split")->type_name("PATH")->excludes(split);
    tree.onRun(add, [options](Session &session) { return addOne(session, *options); });
}

} // namespace retoscope::cli
