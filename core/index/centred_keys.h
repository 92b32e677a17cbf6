// SPDX-License-Identifier: GPL-3.0-or-later
// The keys as the exact search multiplies them: minus their mean (shorter vectors, hence smaller rounding errors; distances
// do not change), in bf16 where the CPU multiplies bf16 natively, else in fp32. They are converted block by block; what is
// kept per key is 8 bytes: what the error bound needs.
#pragma once

#include "datastore/datastore.h"

#include <cstdint>
#include <vector>

namespace retoscope {

/// Numbers of one search query that turn an approximate product s = ⟨query, key⟩ into bounds of the distance:
///   lower = lowerConstant + lowerNorm·‖c‖² − norm·m − scale·s − rounding·|s|
///   upper = upperConstant + upperNorm·‖c‖² + norm·m − scale·s + rounding·|s|
/// with c the centred key and m its CentredKeys::lengths().
struct ScoreBounds
{
    float lowerConstant = 0, upperConstant = 0;
    float lowerNorm = 0, upperNorm = 0;
    float norm = 0;
    float scale = 0;
    float rounding = 0;
};

class CentredKeys
{
public:
    /// Reads all keys twice.
    explicit CentredKeys(const KeyView &keys);

    /// False when the keys hold infinities, or numbers so small or large that products would under- or overflow: then only
    /// plain distances are sound.
    [[nodiscard]] bool usable() const { return m_usable; }
    [[nodiscard]] bool bf16() const { return m_bf16; }
    [[nodiscard]] std::size_t elementBytes() const { return m_bf16 ? 2 : 4; }
    [[nodiscard]] const std::vector<float> &mean() const { return m_mean; }
    [[nodiscard]] double meanLength() const { return m_meanLength; }
    [[nodiscard]] const std::vector<float> &squaredNorms() const { return m_squaredNorms; } ///< ‖c‖²
    [[nodiscard]] const std::vector<float> &lengths() const { return m_lengths; }           ///< max(‖c‖, ‖rounded c‖), rounded up
    /// max over keys of ‖c − rounded c‖ / m.
    [[nodiscard]] double relativeError() const { return m_relativeError; }
    [[nodiscard]] std::uint64_t bytes() const;

    /// Rounded centred rows begin, begin + stride, … as bf16 or fp32.
    void convert(std::int64_t begin, std::int64_t count, std::int64_t stride, void *out) const;
    /// The same for any row: out = rounded(row − mean), or rounded(row) when not `centred`; returns ‖row − out‖.
    double round(const float *row, bool centred, float *shifted, void *out) const;

    /// Appends to lower, upper and ids what lies at or below the threshold among `count` scores, whose keys' norms and
    /// lengths are given and whose ids count up from firstId. Scores are bf16 or fp32 like the keys. Returns how many, and
    /// writes up to 16 values behind them.
    std::size_t scan(const void *scores, const float *squaredNorms, const float *lengths, std::int64_t count, std::int32_t firstId,
                     const ScoreBounds &bounds, float threshold, float *lower, float *upper, std::int32_t *ids) const;

private:
    void computeMean();
    void computeNorms();

    KeyView m_keys;
    bool m_bf16 = false;
    bool m_usable = false;
    std::vector<float> m_mean;
    double m_meanLength = 0;
    std::vector<float> m_squaredNorms, m_lengths;
    double m_relativeError = 0;
};

} // namespace retoscope
