// SPDX-License-Identifier: GPL-3.0-or-later
#include "datastore/distance.h"

#include <algorithm>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#if !defined(__clang__)
// GCC 12 takes the deliberately undefined lanes inside its own AVX-512 header for mistakes (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define RETOSCOPE_AVX2 __attribute__((target("avx2,fma,f16c")))
#define RETOSCOPE_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma,f16c")))
#endif

namespace retoscope {

namespace {

enum class Measure { SquaredL2, Dot };

// ---- portable -------------------------------------------------------------------------------------------------------

float widen(std::uint16_t half)
{
    const std::uint32_t sign = std::uint32_t(half & 0x8000u) << 16;
    const std::uint32_t magnitude = half & 0x7fffu;
    if (magnitude >= 0x7c00u) // infinity or NaN: the fp32 exponent is all ones too
        return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    // The bits shifted into place are the value times 2^-112, subnormals included; the product is exact.
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f));
}

std::uint16_t narrow(float value)
{
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000u;
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) // NaN: keep the payload's top, quiet
        return static_cast<std::uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x1ffu));
    if (magnitude >= 0x477ff000u) // 65520 and above round to infinity
        return static_cast<std::uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { // below 2^-14: adding 1/2 lets the FPU round to multiples of 2^-24
        const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    const std::uint32_t roundedUp = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return static_cast<std::uint16_t>(sign | ((roundedUp - 0x38000000u) >> 13));
}

float widen(float value)
{
    return value;
}

template<typename Key, Measure measure>
float measureRow(const float *query, const void *row, std::int32_t dimension)
{
    const Key *key = static_cast<const Key *>(row);
    float sum = 0;
    for (std::int32_t d = 0; d < dimension; ++d) {
        const float value = widen(key[d]);
        if constexpr (measure == Measure::SquaredL2)
            sum += (query[d] - value) * (query[d] - value);
        else
            sum += query[d] * value;
    }
    return sum;
}

void widenAll(const std::uint16_t *in, float *out, std::int64_t count)
{
    for (std::int64_t i = 0; i < count; ++i)
        out[i] = widen(in[i]);
}

void narrowAll(const float *in, std::uint16_t *out, std::int64_t count)
{
    for (std::int64_t i = 0; i < count; ++i)
        out[i] = narrow(in[i]);
}

#if defined(__x86_64__)

// ---- AVX2 -----------------------------------------------------------------------------------------------------------

namespace avx2 {

RETOSCOPE_AVX2 inline __m256 load(const std::uint16_t *key)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(key)));
}

RETOSCOPE_AVX2 inline __m256 load(const float *key)
{
    return _mm256_loadu_ps(key);
}

template<typename Key, Measure measure>
RETOSCOPE_AVX2 inline __m256 accumulate(const float *query, const Key *key, __m256 sum)
{
    const __m256 q = _mm256_loadu_ps(query);
    const __m256 k = load(key);
    if constexpr (measure == Measure::Dot)
        return _mm256_fmadd_ps(q, k, sum);
    const __m256 difference = _mm256_sub_ps(q, k);
    return _mm256_fmadd_ps(difference, difference, sum);
}

template<typename Key, Measure measure>
RETOSCOPE_AVX2 float measureRow(const float *query, const void *row, std::int32_t dimension)
{
    const Key *key = static_cast<const Key *>(row);
    __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    std::int32_t d = 0;
    for (; d + 32 <= dimension; d += 32) {
        for (int lane = 0; lane < 4; ++lane)
            sum[lane] = accumulate<Key, measure>(query + d + 8 * lane, key + d + 8 * lane, sum[lane]);
    }
    for (; d + 8 <= dimension; d += 8)
        sum[0] = accumulate<Key, measure>(query + d, key + d, sum[0]);
    const __m256 total = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half))) + retoscope::measureRow<Key, measure>(query + d, key + d, dimension - d);
}

RETOSCOPE_AVX2 void widenAll(const std::uint16_t *in, float *out, std::int64_t count)
{
    std::int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(out + i, load(in + i));
    retoscope::widenAll(in + i, out + i, count - i);
}

RETOSCOPE_AVX2 void narrowAll(const float *in, std::uint16_t *out, std::int64_t count)
{
    std::int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm_storeu_si128(reinterpret_cast<__m128i *>(out + i), halves);
    }
    retoscope::narrowAll(in + i, out + i, count - i);
}

} // namespace avx2

// ---- AVX-512 --------------------------------------------------------------------------------------------------------

namespace avx512 {

RETOSCOPE_AVX512 inline __m512 load(const std::uint16_t *key)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(key)));
}

RETOSCOPE_AVX512 inline __m512 load(const float *key)
{
    return _mm512_loadu_ps(key);
}

template<typename Key, Measure measure>
RETOSCOPE_AVX512 inline __m512 accumulate(const float *query, const Key *key, __m512 sum)
{
    const __m512 q = _mm512_loadu_ps(query);
    const __m512 k = load(key);
    if constexpr (measure == Measure::Dot)
        return _mm512_fmadd_ps(q, k, sum);
    const __m512 difference = _mm512_sub_ps(q, k);
    return _mm512_fmadd_ps(difference, difference, sum);
}

template<typename Key, Measure measure>
RETOSCOPE_AVX512 float measureRow(const float *query, const void *row, std::int32_t dimension)
{
    const Key *key = static_cast<const Key *>(row);
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    std::int32_t d = 0;
    for (; d + 64 <= dimension; d += 64) {
        for (int lane = 0; lane < 4; ++lane)
            sum[lane] = accumulate<Key, measure>(query + d + 16 * lane, key + d + 16 * lane, sum[lane]);
    }
    for (; d + 16 <= dimension; d += 16)
        sum[0] = accumulate<Key, measure>(query + d, key + d, sum[0]);
    const __m512 total = _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3]));
    return _mm512_reduce_add_ps(total) + retoscope::measureRow<Key, measure>(query + d, key + d, dimension - d);
}

} // namespace avx512

#endif

// ---- choice at run time ---------------------------------------------------------------------------------------------

using RowFunction = float (*)(const float *query, const void *row, std::int32_t dimension);

/// The best kernels that this CPU runs, chosen once. A plain table instead of ifuncs: those are resolved before the
/// sanitizers are ready.
struct Kernels
{
    RowFunction halfL2 = measureRow<std::uint16_t, Measure::SquaredL2>;
    RowFunction floatL2 = measureRow<float, Measure::SquaredL2>;
    RowFunction halfDot = measureRow<std::uint16_t, Measure::Dot>;
    RowFunction floatDot = measureRow<float, Measure::Dot>;
    void (*widen)(const std::uint16_t *, float *, std::int64_t) = widenAll;
    void (*narrow)(const float *, std::uint16_t *, std::int64_t) = narrowAll;
};

Kernels chooseKernels()
{
    Kernels kernels;
#if defined(__x86_64__)
    // Every processor with AVX2 has F16C, which Clang 14 cannot ask for.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        kernels = {avx2::measureRow<std::uint16_t, Measure::SquaredL2>, avx2::measureRow<float, Measure::SquaredL2>,
                   avx2::measureRow<std::uint16_t, Measure::Dot>, avx2::measureRow<float, Measure::Dot>,
                   avx2::widenAll, avx2::narrowAll};
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            kernels.halfL2 = avx512::measureRow<std::uint16_t, Measure::SquaredL2>;
            kernels.floatL2 = avx512::measureRow<float, Measure::SquaredL2>;
            kernels.halfDot = avx512::measureRow<std::uint16_t, Measure::Dot>;
            kernels.floatDot = avx512::measureRow<float, Measure::Dot>;
        }
    }
#endif
    return kernels;
}

const Kernels &kernels()
{
    static const Kernels chosen = chooseKernels();
    return chosen;
}

constexpr std::size_t cacheLine = 64;
constexpr std::size_t prefetchBytes = 8192; ///< asked for ahead of the row being read: more than the latency of memory hides

void prefetchRow(const void *row, std::size_t bytes)
{
    const char *begin = static_cast<const char *>(row);
    for (std::size_t at = 0; at < bytes; at += cacheLine)
        __builtin_prefetch(begin + at, 0, 3);
}

/// The hardware prefetcher cannot guess where the next candidate lies, but the list of ids tells.
void measureRows(RowFunction measure, const KeyView &keys, const float *query, std::span<const std::int32_t> ids, float *out)
{
    const std::size_t rowBytes = keys.rowBytes();
    const std::size_t ahead = std::max<std::size_t>(prefetchBytes / std::max<std::size_t>(rowBytes, 1), 1);
    for (std::size_t j = 0; j < std::min(ahead, ids.size()); ++j)
        prefetchRow(keys.row(ids[j]), rowBytes);
    for (std::size_t j = 0; j < ids.size(); ++j) {
        if (j + ahead < ids.size())
            prefetchRow(keys.row(ids[j + ahead]), rowBytes);
        out[j] = measure(query, keys.row(ids[j]), keys.dimension);
    }
}

} // namespace

void squaredDistances(const KeyView &keys, const float *query, std::span<const std::int32_t> ids, float *out)
{
    measureRows(keys.type == KeyType::Float16 ? kernels().halfL2 : kernels().floatL2, keys, query, ids, out);
}

void negatedInnerProducts(const KeyView &keys, const float *query, std::span<const std::int32_t> ids, float *out)
{
    measureRows(keys.type == KeyType::Float16 ? kernels().halfDot : kernels().floatDot, keys, query, ids, out);
    for (std::size_t j = 0; j < ids.size(); ++j)
        out[j] = -out[j];
}

void halfToFloat(const std::uint16_t *in, float *out, std::int64_t count)
{
    kernels().widen(in, out, count);
}

void floatToHalf(const float *in, std::uint16_t *out, std::int64_t count)
{
    kernels().narrow(in, out, count);
}

} // namespace retoscope
