// SPDX-License-Identifier: GPL-3.0-or-later
// Training and fine-tuning of decoder-only models on the tokens of a corpus.
#pragma once

#include "model/train_config.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace retoscope {

class JobControl;

struct TrainPoint
{
    std::int64_t step = 0;     ///< optimiser steps done
    double trainLoss = 0;      ///< mean −log p per token over the steps since the last point, nats, with dropout
    double validationLoss = 0; ///< mean −log p per token, nats
    double learningRate = 0;
    double tokensPerSecond = 0; ///< of training alone, since the last point
};

struct TrainReport
{
    double bestValidationLoss = 0;
    std::int64_t bestStep = 0;
    std::int64_t steps = 0; ///< done; fewer than planned when patience ran out
    std::vector<TrainPoint> curve;

    [[nodiscard]] double bestPerplexity() const;
};

void to_json(Json &json, const TrainReport &report);
void from_json(const Json &json, TrainReport &report);

/// What trainModel() will need, from the sizes alone.
struct TrainForecast
{
    std::int64_t parameters = 0;
    std::int64_t tokens = 0;       ///< of all steps
    std::uint64_t diskBytes = 0;   ///< weights and the state from which it continues, each once more while it is replaced
    std::uint64_t memoryBytes = 0; ///< weights, moments, gradients and activations
};
TrainForecast forecastTraining(const TrainConfig &config, std::int64_t trainTokens);
/// Seconds for all steps, measured on a few that are thrown away; negative when there are too few to be worth it.
double pilotTraining(const TrainConfig &config, std::span<const std::int32_t> trainTokens, std::span<const std::int32_t> validationTokens, JobControl &job);

/// Trains with AdamW and leaves in `folder` a Hugging Face model: config.json, generation_config.json,
/// model.safetensors (with keepBest from the first evaluation on), the tokenizer's files, and training.json with the
/// configuration and the report. Stopped by kill -9 or by `job`, the same call continues; with the same number of
/// threads the losses are those of an uninterrupted run, bit for bit. A finished folder is left alone and its report
/// returned. Sequences run over document ends, as in evaluation in Stream mode. Throws BadInput (too few tokens, tokens
/// outside the vocabulary, sequences longer than the context, divergence), Mismatch when the folder holds another run,
/// Resource when another process trains in it, Cancelled.
TrainReport trainModel(const std::filesystem::path &folder, const TrainConfig &config,
                       std::span<const std::int32_t> trainTokens, std::span<const std::int32_t> validationTokens,
                       const std::vector<std::filesystem::path> &tokenizerFiles, JobControl &job);

} // namespace retoscope
