// SPDX-License-Identifier: GPL-3.0-or-later
// The gate of adaptive retrieval (He, Neubig and Berg-Kirkpatrick 2021, section 4.1): a small network that says from what is
// known before the search how much a search is worth at a position.
#pragma once

#include "predict/gate_training.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

class JobControl;

/// Features of one kind, a row for each position: the context vector, the entropy of the LM, … The values are borrowed.
struct GateFeatures
{
    std::string name;
    std::int32_t width = 1;
    std::span<const float> values; ///< [positions × width]
};

/// What a gate learns from.
struct GateExamples
{
    std::vector<GateFeatures> features; ///< the first is the context vector; the others are groups of scalars
    std::span<const float> lmLogProbs;  ///< [positions] log p_LM(target)
    std::span<const float> knnLogProbs; ///< [positions] log p_kNN(target); −infinity where no neighbour has it
    std::span<const std::uint8_t> heldOut; ///< [positions] 1: not learned from; decides which epoch is kept
};

/// λ_t, kept a millionth away from 0 and 1: at 1 a token that no neighbour has would be impossible.
float gateWeight(float logit);

/// Features are standardised by mean and deviation of the training part. Each group of scalars goes through
/// Linear–LeakyReLU–Linear to the width of the context vector divided by the number of such groups; all that and the context
/// vector through four layers Linear–ReLU–dropout and a Linear to two, whose log-softmax is [log(1 − λ_t), log λ_t].
/// Immutable once trained and thread-safe.
class RetrievalGate
{
public:
    /// The loss is −mean logsumexp(log w + [log p_LM, log p_kNN]) + sparsity · mean λ_t. The same examples and seed give the
    /// same gate. Throws BadInput (sizes that disagree, an empty part), Cancelled.
    static RetrievalGate train(const GateExamples &examples, const GateTraining &training, JobControl &job);

    /// log(λ_t / (1 − λ_t)) of each position, [positions]: orders the positions also where λ_t is as good as 0 or 1. The
    /// features are those it was trained with, of the same widths.
    [[nodiscard]] std::vector<float> logits(const std::vector<GateFeatures> &features, JobControl &job) const;
    /// The loss over the positions whose heldOut is `part`.
    [[nodiscard]] double loss(const GateExamples &examples, bool part) const;
    [[nodiscard]] std::int32_t bestEpoch() const;   ///< 1-based
    [[nodiscard]] double heldOutLoss() const;       ///< of that epoch

    /// All numbers of the gate by name, for tests and for whoever wants to use it elsewhere: "mean.g", "deviation.g" and, for
    /// scalars, "group.g.0" and "group.g.1" of each group g; "layer.0" … "layer.4". Linear layers are [out, in] with a
    /// ".bias" [out] beside them.
    struct Parameter
    {
        std::string name;
        std::vector<std::int64_t> shape;
        std::vector<float> values; ///< row-major
    };
    [[nodiscard]] std::vector<Parameter> parameters() const;

private:
    struct Network;
    explicit RetrievalGate(std::shared_ptr<const Network> network) : m_network(std::move(network)) {}
    std::shared_ptr<const Network> m_network;
};

} // namespace retoscope
