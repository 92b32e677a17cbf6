// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/centred_keys.h"

#include "base/threads.h"
#include "datastore/distance.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#if defined(__x86_64__)
#include <immintrin.h>
// GCC 12 takes the deliberately undefined lanes inside its own AVX-512 header for mistakes (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#define RETOSCOPE_AVX512BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,f16c")))
#endif

namespace retoscope {

namespace {

constexpr std::int64_t rowsAtOnce = 1024;
constexpr std::int32_t lanes = 16;

/// Sums over one row c: ‖c‖², ‖r‖², ‖c − r‖² with r the rounded c.
struct RowSums
{
    float squared = 0, roundedSquared = 0, errorSquared = 0;
};

bool cpuMultipliesBf16()
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
           && __builtin_cpu_supports("avx512dq");
#else
    return false;
#endif
}

#if defined(__x86_64__)

RETOSCOPE_AVX512BF16 inline __m512 load(const std::uint16_t *key, __mmask16 mask)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, key));
}

RETOSCOPE_AVX512BF16 inline __m512 load(const float *key, __mmask16 mask)
{
    return _mm512_maskz_loadu_ps(mask, key);
}

RETOSCOPE_AVX512BF16 inline __m512 widenBf16(__m256i values)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(values), 16));
}

/// out = bf16(row − mean); returns the sums when asked for.
template<typename Key, bool sums>
RETOSCOPE_AVX512BF16 RowSums roundRow(const Key *row, const float *mean, std::int32_t dimension, std::uint16_t *out)
{
    __m512 squared = _mm512_setzero_ps(), roundedSquared = squared, errorSquared = squared;
    for (std::int32_t d = 0; d < dimension; d += lanes) {
        const auto mask = static_cast<__mmask16>(dimension - d >= lanes ? 0xffff : (1 << (dimension - d)) - 1);
        const __m512 centred = _mm512_sub_ps(load(row + d, mask), _mm512_maskz_loadu_ps(mask, mean + d));
        const __m256i rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(centred));
        _mm256_mask_storeu_epi16(out + d, mask, rounded);
        if constexpr (sums) {
            const __m512 wide = widenBf16(rounded);
            const __m512 error = _mm512_sub_ps(centred, wide);
            squared = _mm512_fmadd_ps(centred, centred, squared);
            roundedSquared = _mm512_fmadd_ps(wide, wide, roundedSquared);
            errorSquared = _mm512_fmadd_ps(error, error, errorSquared);
        }
    }
    if constexpr (sums)
        return {_mm512_reduce_add_ps(squared), _mm512_reduce_add_ps(roundedSquared), _mm512_reduce_add_ps(errorSquared)};
    return {};
}

RETOSCOPE_AVX512BF16 std::size_t scanBf16(const std::uint16_t *scores, const float *squaredNorms, const float *lengths, std::int64_t count,
                                          std::int32_t firstId, const ScoreBounds &bounds, float threshold, float *lower, float *upper,
                                          std::int32_t *ids)
{
    const __m512 lowerConstant = _mm512_set1_ps(bounds.lowerConstant), lowerNorm = _mm512_set1_ps(bounds.lowerNorm);
    const __m512 upperConstant = _mm512_set1_ps(bounds.upperConstant), upperNorm = _mm512_set1_ps(bounds.upperNorm);
    const __m512 norm = _mm512_set1_ps(bounds.norm), scale = _mm512_set1_ps(bounds.scale), rounding = _mm512_set1_ps(bounds.rounding);
    const __m512 limit = _mm512_set1_ps(threshold);
    const __m512i laneIds = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    std::size_t found = 0;
    for (std::int64_t i = 0; i < count; i += lanes) {
        const auto valid = static_cast<__mmask16>(count - i >= lanes ? 0xffff : (1 << (count - i)) - 1);
        const __m512 score = widenBf16(_mm256_maskz_loadu_epi16(valid, scores + i));
        const __m512 squared = _mm512_maskz_loadu_ps(valid, squaredNorms + i);
        const __m512 width = _mm512_fmadd_ps(norm, _mm512_maskz_loadu_ps(valid, lengths + i), _mm512_mul_ps(rounding, _mm512_abs_ps(score)));
        const __m512 low = _mm512_sub_ps(_mm512_fnmadd_ps(scale, score, _mm512_fmadd_ps(lowerNorm, squared, lowerConstant)), width);
        const __mmask16 near = _mm512_mask_cmp_ps_mask(valid, low, limit, _CMP_LE_OQ);
        if (!near)
            continue;
        const __m512 high = _mm512_add_ps(_mm512_fnmadd_ps(scale, score, _mm512_fmadd_ps(upperNorm, squared, upperConstant)), width);
        // Compressing in a register and storing it whole: compressing stores are microcoded on some CPUs.
        _mm512_storeu_ps(lower + found, _mm512_maskz_compress_ps(near, low));
        _mm512_storeu_ps(upper + found, _mm512_maskz_compress_ps(near, high));
        _mm512_storeu_si512(ids + found, _mm512_maskz_compress_epi32(near, _mm512_add_epi32(laneIds, _mm512_set1_epi32(firstId + std::int32_t(i)))));
        found += std::size_t(__builtin_popcount(near));
    }
    return found;
}

#endif

std::size_t scanFloat(const float *scores, const float *squaredNorms, const float *lengths, std::int64_t count, std::int32_t firstId,
                      const ScoreBounds &bounds, float threshold, float *lower, float *upper, std::int32_t *ids)
{
    std::size_t found = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        const float width = bounds.norm * lengths[i] + bounds.rounding * std::abs(scores[i]);
        const float low = bounds.lowerConstant + bounds.lowerNorm * squaredNorms[i] - bounds.scale * scores[i] - width;
        if (!(low <= threshold))
            continue;
        lower[found] = low;
        upper[found] = bounds.upperConstant + bounds.upperNorm * squaredNorms[i] - bounds.scale * scores[i] + width;
        ids[found++] = firstId + std::int32_t(i);
    }
    return found;
}

} // namespace

CentredKeys::CentredKeys(const KeyView &keys) : m_keys(keys), m_bf16(cpuMultipliesBf16())
{
    computeMean();
    computeNorms();
}

std::uint64_t CentredKeys::bytes() const
{
    return (m_mean.size() + m_squaredNorms.size() + m_lengths.size()) * sizeof(float);
}

void CentredKeys::computeMean()
{
    const auto dimension = std::size_t(m_keys.dimension);
    std::vector<double> sums(dimension);
    std::mutex mutex;
    parallelFor(m_keys.count, 8 * rowsAtOnce, [&](std::int64_t begin, std::int64_t end) {
        std::vector<double> local(dimension);
        std::vector<float> partial(dimension), row(dimension);
        for (std::int64_t i = begin; i < end; i += rowsAtOnce) {
            std::ranges::fill(partial, 0.0f); // fp32 within a few rows, fp64 across: the mean need not be exact
            for (std::int64_t j = i; j < std::min(i + rowsAtOnce, end); ++j) {
                if (m_keys.type == KeyType::Float16)
                    halfToFloat(static_cast<const std::uint16_t *>(m_keys.row(j)), row.data(), m_keys.dimension);
                const float *values = m_keys.type == KeyType::Float16 ? row.data() : static_cast<const float *>(m_keys.row(j));
                for (std::size_t d = 0; d < dimension; ++d)
                    partial[d] += values[d];
            }
            for (std::size_t d = 0; d < dimension; ++d)
                local[d] += partial[d];
        }
        const std::lock_guard lock(mutex);
        for (std::size_t d = 0; d < dimension; ++d)
            sums[d] += local[d];
    });
    m_mean.resize(dimension);
    double squared = 0;
    for (std::size_t d = 0; d < dimension; ++d) {
        m_mean[d] = float(sums[d] / double(m_keys.count));
        squared += double(m_mean[d]) * m_mean[d];
    }
    m_meanLength = std::sqrt(squared);
}

void CentredKeys::computeNorms()
{
    m_squaredNorms.resize(std::size_t(m_keys.count));
    m_lengths.resize(std::size_t(m_keys.count));
    std::mutex mutex;
    double largest = 0, relativeError = 0;
    bool finite = true;
    parallelFor(m_keys.count, rowsAtOnce, [&](std::int64_t begin, std::int64_t end) {
        const std::size_t dimension = m_mean.size();
        std::vector<std::uint16_t> rounded(dimension);
        std::vector<float> centred(dimension);
        double localLargest = 0, localError = 0;
        bool localFinite = true;
        for (std::int64_t i = begin; i < end; ++i) {
            RowSums sums;
#if defined(__x86_64__)
            if (m_bf16 && m_keys.type == KeyType::Float16)
                sums = roundRow<std::uint16_t, true>(static_cast<const std::uint16_t *>(m_keys.row(i)), m_mean.data(), m_keys.dimension, rounded.data());
            else if (m_bf16)
                sums = roundRow<float, true>(static_cast<const float *>(m_keys.row(i)), m_mean.data(), m_keys.dimension, rounded.data());
#endif
            if (!m_bf16) {
                convert(i, 1, 1, centred.data());
                for (const float value : centred)
                    sums.squared += value * value;
                sums.roundedSquared = sums.squared;
            }
            const double length = std::sqrt(double(std::max(sums.squared, sums.roundedSquared)));
            m_squaredNorms[std::size_t(i)] = sums.squared;
            m_lengths[std::size_t(i)] = float(length * (1 + 1e-4));
            localLargest = std::max(localLargest, length);
            if (length > 0)
                localError = std::max(localError, std::sqrt(double(sums.errorSquared)) / length);
            localFinite = localFinite && std::isfinite(length);
        }
        const std::lock_guard lock(mutex);
        largest = std::max(largest, localLargest);
        relativeError = std::max(relativeError, localError);
        finite = finite && localFinite;
    });
    m_relativeError = relativeError * (1 + 1e-3);
    constexpr double tiny = 1e-12, huge = 1e12; // squares and products stay far inside the range of fp32
    m_usable = finite && std::isfinite(m_meanLength) && (largest == 0 || (largest > tiny && largest < huge)) && m_meanLength < huge;
}

void CentredKeys::convert(std::int64_t begin, std::int64_t count, std::int64_t stride, void *out) const
{
    const std::int32_t dimension = m_keys.dimension;
#if defined(__x86_64__)
    if (m_bf16) {
        auto *row = static_cast<std::uint16_t *>(out);
        for (std::int64_t i = 0; i < count; ++i, row += dimension) {
            const void *key = m_keys.row(begin + i * stride);
            if (m_keys.type == KeyType::Float16)
                roundRow<std::uint16_t, false>(static_cast<const std::uint16_t *>(key), m_mean.data(), dimension, row);
            else
                roundRow<float, false>(static_cast<const float *>(key), m_mean.data(), dimension, row);
        }
        return;
    }
#endif
    auto *row = static_cast<float *>(out);
    for (std::int64_t i = 0; i < count; ++i, row += dimension) {
        const void *key = m_keys.row(begin + i * stride);
        if (m_keys.type == KeyType::Float16)
            halfToFloat(static_cast<const std::uint16_t *>(key), row, dimension);
        else
            std::memcpy(row, key, m_keys.rowBytes());
        for (std::int32_t d = 0; d < dimension; ++d)
            row[d] -= m_mean[std::size_t(d)];
    }
}

double CentredKeys::round(const float *row, bool centred, float *shifted, void *out) const
{
    const std::size_t dimension = m_mean.size();
    for (std::size_t d = 0; d < dimension; ++d)
        shifted[d] = centred ? row[d] - m_mean[d] : row[d];
#if defined(__x86_64__)
    if (m_bf16) {
        const std::vector<float> zero(dimension);
        return std::sqrt(double(roundRow<float, true>(shifted, zero.data(), m_keys.dimension, static_cast<std::uint16_t *>(out)).errorSquared));
    }
#endif
    std::memcpy(out, shifted, dimension * sizeof(float));
    return 0;
}

std::size_t CentredKeys::scan(const void *scores, const float *squaredNorms, const float *lengths, std::int64_t count, std::int32_t firstId,
                              const ScoreBounds &bounds, float threshold, float *lower, float *upper, std::int32_t *ids) const
{
#if defined(__x86_64__)
    if (m_bf16)
        return scanBf16(static_cast<const std::uint16_t *>(scores), squaredNorms, lengths, count, firstId, bounds, threshold, lower, upper, ids);
#endif
    return scanFloat(static_cast<const float *>(scores), squaredNorms, lengths, count, firstId, bounds, threshold, lower, upper, ids);
}

} // namespace retoscope
