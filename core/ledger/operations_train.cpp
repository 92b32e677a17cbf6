// SPDX-License-Identifier: GPL-3.0-or-later
// The operations that train: tokenizers and language models.
#include "ledger/operations.h"

#include "base/error.h"
#include "base/job.h"
#include "ledger/artefact_build.h"

namespace fs = std::filesystem;

namespace retoscope {

ArtefactRow trainTokenizer(Project &project, const ArtefactRow &corpus, const SentencePieceTraining &config, const Request &request, JobControl &job)
{
    requireKind(corpus, ArtefactKind::Corpus);
    ArtefactPlan plan;
    plan.kind = ArtefactKind::Tokenizer;
    plan.job = "tokenizer train";
    plan.name = corpus.name;
    plan.config = config;
    plan.inputs = {inputFrom("corpus", corpus)};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        trainSentencePiece(config, *project.openCorpus(corpus), folder, job);
        const auto tokenizer = Tokenizer::load(folder);
        return Built{tokenizer->fingerprint(), {{"kind", tokenizer->kind()}, {"vocabulary", tokenizer->vocabularySize()}}, {}};
    });
}

ArtefactRow trainLanguageModel(Project &project, const ArtefactRow &corpus, const ArtefactRow &tokenizerOrModel, const TrainConfig &wished,
                               const Request &request, JobControl &job)
{
    requireKind(corpus, ArtefactKind::Corpus);
    const auto tokenizer = project.openTokenizer(tokenizerOrModel);
    TrainConfig config = wished;
    if (tokenizerOrModel.kind == ArtefactKind::Model) {
        config.initialCheckpoint = project.folderOf(tokenizerOrModel).string();
    } else {
        config.model.vocabularySize = tokenizer->vocabularySize();
        config.model.bosToken = tokenizer->bos() ? tokenizer->bos()->value : -1;
        config.model.eosToken = tokenizer->eos() ? tokenizer->eos()->value : -1;
    }
    if (project.openCorpus(corpus)->documentCount(Split::Validation) == 0)
        fail(ErrorKind::BadInput, "The corpus '{}' has no validation split, by which the best weights are chosen; add it again with --split or --validation.", corpus.name);
    Request tokensRequest = request;
    tokensRequest.name.clear();
    const auto train = tokensFor(project, corpus, Split::Train, tokenizerOrModel, {}, tokensRequest, job);
    const auto validation = tokensFor(project, corpus, Split::Validation, tokenizerOrModel, {}, tokensRequest, job);

    ArtefactPlan plan;
    plan.kind = ArtefactKind::Model;
    plan.job = "train";
    plan.name = corpus.name;
    plan.config = config;
    plan.inputs = {inputFrom("tokens", train), inputFrom("validation", validation),
                   inputFrom(tokenizerOrModel.kind == ArtefactKind::Model ? "model" : "tokenizer", tokenizerOrModel)};
    return makeArtefact(project, plan, request, [&](const fs::path &folder) {
        const auto trainTokens = project.openTokens(train);
        const auto validationTokens = project.openTokens(validation);
        const auto expected = forecastTraining(config, static_cast<std::int64_t>(trainTokens->tokens().size()));
        Forecast forecast{"the training", fmt::format("{} parameters, {} tokens", formatCount(expected.parameters), formatCount(expected.tokens)), expected.diskBytes,
                          expected.memoryBytes};
        admitBuild(project, folder, forecast, request, job); // before memory is taken for the pilot
        forecast.seconds = pilotTraining(config, trainTokens->tokens(), validationTokens->tokens(), job);
        if (forecast.seconds >= 0)
            admitBuild(project, folder, forecast, request, job);
        const TrainReport report = trainModel(folder, config, trainTokens->tokens(), validationTokens->tokens(), tokenizer->files(), job);
        const auto model = LanguageModel::load(folder);
        Built built{model->fingerprint(), describeModel(*model, *Tokenizer::load(folder)), {}};
        built.info["training"] = report;
        built.info["validation_perplexity"] = report.bestPerplexity();
        return built;
    });
}

} // namespace retoscope
