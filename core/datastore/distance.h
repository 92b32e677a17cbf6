// SPDX-License-Identifier: GPL-3.0-or-later
// Squared L2 distances between fp32 queries and stored fp16 or fp32 keys: the one hot kernel of replay and re-scoring,
// multiversioned for AVX2 and AVX-512 (Debian builds for the baseline).
#pragma once

#include "datastore/datastore.h"

#include <span>

namespace retoscope {

/// out[j] = Σ_d (query[d] − key_{ids[j]}[d])², fp32. Every id must be in [0, count). Keys far apart in memory are
/// prefetched. Thread-safe.
void squaredDistances(const KeyView &keys, const float *query, std::span<const std::int32_t> ids, float *out);

/// out[j] = −⟨query, key_{ids[j]}⟩ (smaller is nearer, always).
void negatedInnerProducts(const KeyView &keys, const float *query, std::span<const std::int32_t> ids, float *out);

/// fp16 ↔ fp32, round to nearest even.
void halfToFloat(const std::uint16_t *in, float *out, std::int64_t count);
void floatToHalf(const float *in, std::uint16_t *out, std::int64_t count);

} // namespace retoscope
