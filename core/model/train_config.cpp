// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/train_config.h"

#include "base/json_fields.h"
#include "model/hf_config.h"
#include "model/training_data.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace retoscope {

namespace {

constexpr std::string_view what = "training configuration";

constexpr EnumNames<ComputeType, 2> computeNames{{{ComputeType::Float32, "fp32"}, {ComputeType::BFloat16, "bf16"}}};

void requireRange(std::string_view name, double value, double lowest, double highest)
{
    if (value < lowest || value > highest)
        fail(ErrorKind::BadInput, "{}: {} is {}; give a number from {} to {}.", what, name, value, lowest, highest);
}

} // namespace

void to_json(Json &json, const TrainConfig &config)
{
    json = {{"initial_checkpoint", config.initialCheckpoint},
            {"sequence_length", config.sequenceLength},
            {"batch_sequences", config.batchSequences},
            {"accumulation", config.accumulation},
            {"steps", config.steps},
            {"epochs", config.epochs},
            {"learning_rate", config.learningRate},
            {"min_learning_rate_fraction", config.minLearningRateFraction},
            {"warmup_steps", config.warmupSteps},
            {"weight_decay", config.weightDecay},
            {"decay_embeddings", config.decayEmbeddings},
            {"beta1", config.beta1},
            {"beta2", config.beta2},
            {"clip_norm", config.clipNorm},
            {"dropout", config.dropout},
            {"seed", config.seed},
            {"evaluate_every", config.evaluateEvery},
            {"validation_tokens", config.validationTokens},
            {"patience", config.patience},
            {"keep_best", config.keepBest},
            {"compute", nameOf(computeNames, config.compute)},
            {"store_type", nameOf(computeNames, config.storeType)}};
    if (config.initialCheckpoint.empty())
        json["model"] = toHfConfig(config.model);
}

void from_json(const Json &json, TrainConfig &config)
{
    TrainConfig read;
    JsonFields fields(json, what);
    fields.read("initial_checkpoint", read.initialCheckpoint);
    if (const Json *model = fields.find("model"); model && !model->is_null())
        read.model = parseHfConfig(*model, "training configuration: model");
    else if (read.initialCheckpoint.empty())
        fail(ErrorKind::BadInput,
             "{}: give 'model' (as in Hugging Face's config.json) to train from scratch, or "
             "'initial_checkpoint' to fine-tune.",
             what);
    fields.read("sequence_length", read.sequenceLength, std::int64_t(2), std::int64_t(1) << 20);
    fields.read("batch_sequences", read.batchSequences, std::int64_t(1), std::int64_t(1) << 20);
    fields.read("accumulation", read.accumulation, std::int64_t(1), std::int64_t(1) << 20);
    fields.read("steps", read.steps, std::int64_t(0));
    fields.read("epochs", read.epochs);
    fields.read("learning_rate", read.learningRate);
    fields.read("min_learning_rate_fraction", read.minLearningRateFraction);
    fields.read("warmup_steps", read.warmupSteps, std::int64_t(0));
    fields.read("weight_decay", read.weightDecay);
    fields.read("decay_embeddings", read.decayEmbeddings);
    fields.read("beta1", read.beta1);
    fields.read("beta2", read.beta2);
    fields.read("clip_norm", read.clipNorm);
    fields.read("dropout", read.dropout);
    fields.read("seed", read.seed);
    fields.read("evaluate_every", read.evaluateEvery, std::int64_t(1));
    fields.read("validation_tokens", read.validationTokens, std::int64_t(0));
    fields.read("patience", read.patience, std::int64_t(0));
    fields.read("keep_best", read.keepBest);
    fields.readEnum("compute", computeNames, read.compute);
    fields.readEnum("store_type", computeNames, read.storeType);
    fields.refuseOthers();
    requireRange("epochs", read.epochs, 0, 1e6);
    requireRange("learning_rate", read.learningRate, 0, 10);
    requireRange("min_learning_rate_fraction", read.minLearningRateFraction, 0, 1);
    requireRange("weight_decay", read.weightDecay, 0, 10);
    requireRange("beta1", read.beta1, 0, 0.9999);
    requireRange("beta2", read.beta2, 0, 0.999999);
    requireRange("clip_norm", read.clipNorm, 0, 1e6);
    requireRange("dropout", read.dropout, 0, 0.9);
    config = std::move(read);
}

ModelConfig completedLlama(ModelConfig model)
{
    model.architecture = "llama";
    if (model.heads < 1 || model.hiddenSize % model.heads != 0)
        fail(ErrorKind::BadInput, "The hidden size is {} and the heads {}; the hidden size must be a multiple of the heads (--hidden, --heads).", model.hiddenSize, model.heads);
    if (model.keyValueHeads == 0)
        model.keyValueHeads = model.heads;
    if (model.heads % model.keyValueHeads != 0)
        fail(ErrorKind::BadInput, "The heads are {} and the key-value heads {}; the heads must be a multiple of the key-value heads (--heads, --kv-heads).", model.heads,
             model.keyValueHeads);
    model.headSize = model.hiddenSize / model.heads;
    if (model.feedForwardSize == 0)
        model.feedForwardSize = (model.hiddenSize * 8 / 3 + 31) / 32 * 32; // SwiGLU: 8/3 of the hidden size (Shazeer 2020)
    return model;
}

std::int64_t totalSteps(const TrainConfig &config, std::int64_t trainTokens)
{
    if (config.steps > 0)
        return config.steps;
    const double chunks = static_cast<double>(ChunkSampler::chunksPerEpoch(trainTokens, config.sequenceLength));
    const double sequences = static_cast<double>(config.batchSequences * config.accumulation);
    return std::max<std::int64_t>(1, std::llround(std::ceil(config.epochs * chunks / sequences)));
}

double learningRateAt(const TrainConfig &config, std::int64_t step, std::int64_t steps)
{
    if (step < config.warmupSteps)
        return config.learningRate * static_cast<double>(step + 1) / static_cast<double>(config.warmupSteps);
    const double span = static_cast<double>(std::max<std::int64_t>(1, steps - 1 - config.warmupSteps));
    const double progress = std::min(1.0, static_cast<double>(step - config.warmupSteps) / span);
    const double lowest = config.learningRate * config.minLearningRateFraction;
    return lowest + (config.learningRate - lowest) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

} // namespace retoscope
