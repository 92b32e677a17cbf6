// SPDX-License-Identifier: GPL-3.0-or-later
// The keys of a datastore seen from the side on which they differ most: principal components of a sample (FAISS's PCAMatrix:
// eigenvectors of the sample's covariance, exact up to rounding). Distances between projected keys are not distances between
// keys; `explained` says how much of the variance the picture holds.
#pragma once

#include "datastore/datastore.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace retoscope {

class JobControl;

struct ProjectionConfig
{
    std::int64_t sample = 20'000; ///< keys drawn without replacement; at least 3, at most all are used
    std::uint64_t seed = 1;
    friend bool operator==(const ProjectionConfig &, const ProjectionConfig &) = default;
};

/// Immutable once made.
struct KeyProjection
{
    std::int32_t dimension = 0;            ///< D
    std::vector<float> axes;               ///< [2 × D], orthonormal; the largest component of each is positive
    std::array<float, 2> offset{};         ///< minus the projected mean of the sample
    std::array<double, 2> explained{};     ///< share of the sample's variance along each axis; 0 when all keys are equal
    std::vector<std::int32_t> entries;     ///< the sample, ascending
    std::vector<std::array<float, 2>> points; ///< [entries]

    /// A key or query, fp32 [D].
    [[nodiscard]] std::array<float, 2> project(std::span<const float> key) const;
};

/// Peak memory: the sample as fp32. Throws BadInput for a datastore or sample of fewer than 3 keys and for keys that are not
/// finite; Cancelled.
KeyProjection projectKeys(const Datastore &datastore, const ProjectionConfig &config, JobControl &job);

/// Any entries through a projection of the same datastore. [entries]
std::vector<std::array<float, 2>> projectEntries(const Datastore &datastore, const KeyProjection &projection, std::span<const std::int32_t> entries);

} // namespace retoscope
