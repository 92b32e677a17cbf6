// SPDX-License-Identifier: GPL-3.0-or-later
// What a training run is: the one struct behind the command line, the form and the ledger's row.
#pragma once

#include "model/language_model.h"

#include <cstdint>
#include <string>

namespace retoscope {

struct TrainConfig
{
    /// From scratch: the model, written in JSON as Hugging Face's config.json. Ignored with an initial checkpoint.
    ModelConfig model;
    std::string initialCheckpoint; ///< fine-tuning: anything LanguageModel::load() reads; empty: from scratch

    std::int64_t sequenceLength = 256; ///< tokens
    std::int64_t batchSequences = 16;  ///< sequences in a batch
    std::int64_t accumulation = 1;     ///< batches whose gradients make one step
    std::int64_t steps = 0;            ///< of the optimiser; 0: by epochs
    double epochs = 1;                 ///< passes over the training tokens; used when steps is 0

    double learningRate = 1e-3;           ///< after the warm-up
    double minLearningRateFraction = 0.1; ///< of learningRate, where the cosine ends
    std::int64_t warmupSteps = 100;
    double weightDecay = 0.1; ///< of matrices; norms and biases do not decay
    bool decayEmbeddings = true;
    double beta1 = 0.9;
    double beta2 = 0.95;
    double clipNorm = 1; ///< of the whole gradient; 0: no clipping
    double dropout = 0;  ///< of embeddings, attention probabilities and residual branches
    std::uint64_t seed = 1;

    std::int64_t evaluateEvery = 200;       ///< steps; also how often the state is saved
    std::int64_t validationTokens = 100000; ///< at most so many, from the front of the validation tokens; 0: all
    std::int64_t patience = 0;              ///< evaluations without improvement before stopping; 0: never stop early
    bool keepBest = true;                   ///< keep the weights of the lowest validation loss, not the last ones

    ComputeType compute = ComputeType::BFloat16;  ///< of the matrix products; weights and optimiser are always fp32
    ComputeType storeType = ComputeType::Float32; ///< of the weights written
};

void to_json(Json &json, const TrainConfig &config);
/// Strict: unknown fields and values out of range are refused with a sentence.
void from_json(const Json &json, TrainConfig &config);

/// Sizes of a Llama-type model that are 0 follow from the others: as many key-value heads as heads, a SwiGLU of 8/3 of the
/// hidden size. Throws BadInput for sizes that do not divide.
[[nodiscard]] ModelConfig completedLlama(ModelConfig model);

/// Steps of a run over so many training tokens.
[[nodiscard]] std::int64_t totalSteps(const TrainConfig &config, std::int64_t trainTokens);

/// Linear warm-up to learningRate, then a cosine down to minLearningRateFraction of it at the last step
/// (Loshchilov and Hutter 2017, without restarts). `step` counts from 0.
[[nodiscard]] double learningRateAt(const TrainConfig &config, std::int64_t step, std::int64_t steps);

} // namespace retoscope
