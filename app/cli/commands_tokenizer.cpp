// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

namespace retoscope::cli {

void addTokenizerCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("tokenizer", "Tokenizers");
    CLI::App *train = tree.command(group, "train", "Train a SentencePiece tokenizer on the train split of a corpus",
                                   "tokenizer train --corpus manual --vocabulary 8192 --name manual-8k");
    struct Options : NameOptions
    {
        std::string corpus;
        SentencePieceTraining training;
    };
    auto options = std::make_shared<Options>();
    auto &training = options->training;
    train->add_option("--corpus", options->corpus, "Name of the corpus")->required();
    train->add_option("--vocabulary", training.vocabularySize, "Number of tokens")->capture_default_str();
    train->add_option("--type", training.type, "bpe or unigram")->check(CLI::IsMember({"bpe", "unigram"}))->capture_default_str();
    train->add_option("--character-coverage", training.characterCoverage, "Share of the characters that get a token; the others become bytes")->capture_default_str();
    train->add_option("--max-lines", training.maximalLines, "Longer corpora are sampled by line; 0: all lines")->capture_default_str();
    train->add_option("--seed", training.seed, "Seed of that sample")->capture_default_str();
    options->addTo(train);
    tree.onRun(train, [options](Session &session) {
        Project project = session.openProject();
        const auto corpus = project.ledger().findArtefact(ArtefactKind::Corpus, options->corpus);
        const auto row = trainTokenizer(project, corpus, options->training, session.request(options->name), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} with {} tokens", row.info.at("kind").get<std::string>(), formatCount(row.info.at("vocabulary"))));
    });
}

} // namespace retoscope::cli
