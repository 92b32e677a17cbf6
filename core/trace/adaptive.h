// SPDX-License-Identifier: GPL-3.0-or-later
// Adaptive retrieval, AdaptRet (He, Neubig and Berg-Kirkpatrick 2021): a gate that is trained on one trace decides at every
// position of another whether its search is worth making, and how much it counts.
#pragma once

#include "predict/retrieval_gate.h"
#include "trace/replay.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace retoscope {

/// The features of every position of a trace: "context" (the query), "confidence" (the LM's highest probability) and
/// "entropy" (nats) where the trace has them, "frequency" and "fertility": log(1 + n-gram frequency) and log(1 + distinct
/// followers) of the last n = 1 … 4 tokens within the document, counted in the datastore's values in corpus order.
class TraceFeatures
{
public:
    TraceFeatures(std::shared_ptr<const Trace> trace, JobControl &job);

    [[nodiscard]] bool has(const std::string &name) const;
    /// In the order of `names`; the values live as long as this object.
    [[nodiscard]] std::vector<GateFeatures> select(const std::vector<std::string> &names) const;
    /// All that there may be, the context first.
    static const std::vector<std::string> &names();

private:
    std::shared_ptr<const Trace> m_trace;
    std::vector<float> m_confidence, m_frequency, m_fertility;
};

/// Below that a tenth of a trace says nothing.
inline constexpr std::int64_t fewestGatePositions = 20;

/// 1 for about a tenth of the positions, whole documents drawn by the seed; the last tenth when there is one document only.
std::vector<std::uint8_t> heldOutDocuments(std::span<const std::int32_t> documents, std::uint64_t seed);

/// Trains a gate on `learning` with the settings' T, k and distances, and applies it to `applied`, a trace over the same
/// datastore. Reports its stages. Throws Mismatch for another datastore, BadInput for a trace that is judged by itself or is
/// too short to learn from, Cancelled.
std::shared_ptr<const GateDecisions> learnGate(const Replay &learning, std::shared_ptr<const Trace> applied, const EvaluationSettings &settings, JobControl &job);

/// The gates of one trace: trains each at its first use and remembers the most recent ones. `openTrace` finds the replay of
/// another trace by its name. Sources of the same `scope` share what they know as long as one of them lives; an empty one
/// keeps to itself.
using OpenLearningTrace = std::function<std::shared_ptr<const Replay>(const std::string &name)>;
GateSource rememberedGates(std::shared_ptr<const Trace> applied, OpenLearningTrace openTrace, const std::string &scope = {});

} // namespace retoscope
