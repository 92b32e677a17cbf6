// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

#include "base/error.h"

namespace retoscope::cli {

namespace {

struct TrainOptions : NameOptions
{
    std::string corpus, tokenizer, initial, compute = "bf16", store = "fp32";
    TrainConfig config;
    bool untiedHead = false, keepLast = false;

    TrainOptions()
    {
        auto &model = config.model;
        model.architecture = "llama";
        model.layers = 6;
        model.hiddenSize = 256;
        model.heads = 8;
        model.contextLength = 512;
    }
};

ModelConfig modelOf(const TrainOptions &options)
{
    ModelConfig model = options.config.model;
    model.tiedHead = !options.untiedHead;
    try {
        return completedLlama(std::move(model));
    } catch (const Error &error) {
        throw Error(ErrorKind::Usage, error.what());
    }
}

Json train(Session &session, const TrainOptions &options)
{
    if (options.tokenizer.empty() == options.initial.empty())
        fail(ErrorKind::Usage, "Give either --tokenizer (from scratch) or --model (fine-tuning).");
    TrainConfig config = options.config;
    config.model = modelOf(options);
    config.compute = computeTypeFromString(options.compute);
    config.storeType = computeTypeFromString(options.store);
    config.keepBest = !options.keepLast;
    Project project = session.openProject();
    const Ledger &ledger = project.ledger();
    const auto corpus = ledger.findArtefact(ArtefactKind::Corpus, options.corpus);
    const auto start = options.initial.empty() ? ledger.findArtefact(ArtefactKind::Tokenizer, options.tokenizer) : ledger.findArtefact(ArtefactKind::Model, options.initial);
    const auto row = trainLanguageModel(project, corpus, start, config, session.request(options.name, options.force), session.job());
    return reportArtefact(session, project, row,
                          fmt::format("{} with {} parameters, validation perplexity {:.4f}", row.info.at("architecture").get<std::string>(),
                                      formatCount(row.info.at("parameters")), row.info.at("validation_perplexity").get<double>()));
}

} // namespace

void addTrainCommand(CommandTree &tree)
{
    CLI::App *command = tree.command(nullptr, "train", "Train a Llama-type model on a corpus, or fine-tune a model; stopped, the same command continues",
                                     "train --corpus manual --tokenizer manual-8k --layers 6 --hidden 256 --epochs 5 --name manual");
    auto options = std::make_shared<TrainOptions>();
    auto &config = options->config;
    auto &model = config.model;
    command->add_option("--corpus", options->corpus, "Name of the corpus; it needs a validation split")->required();
    command->add_option("--tokenizer", options->tokenizer, "Name of the tokenizer: train from scratch");
    command->add_option("--model", options->initial, "Name of a model: fine-tune it");
    options->addForceTo(command);
    const auto shape = "Model, from scratch";
    const auto positive = CLI::Range(1, 1 << 20);
    command->add_option("--layers", model.layers, "Blocks")->check(positive)->capture_default_str()->group(shape);
    command->add_option("--hidden", model.hiddenSize, "Hidden size")->check(positive)->capture_default_str()->group(shape);
    command->add_option("--heads", model.heads, "Attention heads")->check(positive)->capture_default_str()->group(shape);
    command->add_option("--kv-heads", model.keyValueHeads, "Key-value heads (default: as many as heads)")->check(positive)->group(shape);
    command->add_option("--feed-forward", model.feedForwardSize, "Size of the feed-forward (default: 8/3 of the hidden size)")->check(positive)->group(shape);
    command->add_option("--context", model.contextLength, "Longest context, tokens")->check(positive)->capture_default_str()->group(shape);
    command->add_flag("--untied-head", options->untiedHead, "An output matrix of its own")->group(shape);
    const auto schedule = "Optimisation";
    command->add_option("--sequence", config.sequenceLength, "Tokens per sequence")->capture_default_str()->group(schedule);
    command->add_option("--batch", config.batchSequences, "Sequences per batch")->capture_default_str()->group(schedule);
    command->add_option("--accumulation", config.accumulation, "Batches per step")->capture_default_str()->group(schedule);
    command->add_option("--steps", config.steps, "Steps; 0: by epochs")->capture_default_str()->group(schedule);
    command->add_option("--epochs", config.epochs, "Passes over the train split")->capture_default_str()->group(schedule);
    command->add_option("--learning-rate", config.learningRate, "After the warm-up")->capture_default_str()->group(schedule);
    command->add_option("--min-learning-rate", config.minLearningRateFraction, "Where the cosine ends, as a share of it")->capture_default_str()->group(schedule);
    command->add_option("--warmup", config.warmupSteps, "Steps of linear warm-up")->capture_default_str()->group(schedule);
    command->add_option("--weight-decay", config.weightDecay, "Of matrices")->capture_default_str()->group(schedule);
    command->add_option("--clip", config.clipNorm, "Norm to which the gradient is clipped; 0: none")->capture_default_str()->group(schedule);
    command->add_option("--dropout", config.dropout, "Dropout")->capture_default_str()->group(schedule);
    command->add_option("--seed", config.seed, "Seed")->capture_default_str()->group(schedule);
    command->add_option("--evaluate-every", config.evaluateEvery, "Steps between validations; the state is saved as often")->capture_default_str()->group(schedule);
    command->add_option("--validation-tokens", config.validationTokens, "At most so many; 0: all")->capture_default_str()->group(schedule);
    command->add_option("--patience", config.patience, "Validations without improvement before it stops; 0: never")->capture_default_str()->group(schedule);
    command->add_flag("--keep-last", options->keepLast, "Keep the last weights instead of the best")->group(schedule);
    command->add_option("--compute", options->compute, "Matrix products: fp32 or bf16")->check(CLI::IsMember({"fp32", "bf16"}))->capture_default_str()->group(schedule);
    command->add_option("--store", options->store, "Weights as written: fp32 or bf16")->check(CLI::IsMember({"fp32", "bf16"}))->capture_default_str()->group(schedule);
    tree.onRun(command, [options](Session &session) { return train(session, *options); });
}

} // namespace retoscope::cli
