// SPDX-License-Identifier: GPL-3.0-or-later
// A trace: one run of the model over the evaluation text with one search per position, from which every hyperparameter
// question is answered without the model and without the index (retrieval.md section 7).
#pragma once

#include "base/manifest.h"
#include "datastore/datastore.h"
#include "index/index.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace retoscope {

/// The arrays of a trace, wherever they live. n positions, k = kMax neighbours, D dimensions, c LM candidates.
struct TraceArrays
{
    std::int64_t positions = 0;
    std::int32_t kMax = 0;
    std::int32_t dimension = 0;
    std::int32_t topCandidates = 0;
    Metric metric = Metric::L2; ///< of both distances: squared L2 or the negated inner product
    std::span<const std::int32_t> targets;        ///< [n] true next token
    std::span<const std::int64_t> tokenIndices;   ///< [n] index of the target in the evaluation's token stream
    std::span<const std::int32_t> documents;      ///< [n] evaluation document, non-decreasing
    std::span<const std::int32_t> windows;        ///< [n] forward pass (row) the position was scored in, non-decreasing
    std::span<const float> lmLogProbs;            ///< [n] log p_LM(target)
    std::span<const float> lmEntropies;           ///< [n] nats; may be empty (imported traces)
    std::span<const std::int32_t> lmTopIds;       ///< [n × c]
    std::span<const float> lmTopLogProbs;         ///< [n × c]
    std::span<const float> queries;               ///< [n × D] fp32
    std::span<const std::int32_t> neighbourIds;   ///< [n × kMax], −1 pads
    std::span<const float> indexDistances;        ///< [n × kMax] as the index returned them
    std::span<const float> exactDistances;        ///< [n × kMax] recomputed from the keys; equals indexDistances for an exact index
};

/// The trace artefact, memory-mapped. Thread-safe to read.
class Trace
{
public:
    static constexpr std::string_view format = "retoscope-trace";
    static constexpr int version = 1;

    /// Throws like readManifest(); Mismatch when the datastore is not the one it was recorded with.
    static std::shared_ptr<const Trace> open(const std::filesystem::path &folder, std::shared_ptr<const Datastore> datastore);
    /// Arrays owned by the caller's storage, kept alive by `owner`; for tests and imports. Empty exactDistances: those of
    /// the index are exact. Throws BadInput naming the array and position that does not fit (shapes, ids outside the
    /// datastore, documents or windows that go back).
    static std::shared_ptr<const Trace> fromArrays(const TraceArrays &arrays, std::shared_ptr<const void> owner, std::shared_ptr<const Datastore> datastore);

    [[nodiscard]] const TraceArrays &arrays() const;
    [[nodiscard]] const std::shared_ptr<const Datastore> &datastore() const;
    [[nodiscard]] bool indexIsExact() const;
    [[nodiscard]] const Manifest &manifest() const;
    [[nodiscard]] std::string fingerprint() const;

private:
    Trace() = default;
    struct Data;
    std::shared_ptr<const Data> m_data;
};

} // namespace retoscope
