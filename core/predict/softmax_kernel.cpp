// SPDX-License-Identifier: GPL-3.0-or-later
#include "predict/softmax_kernel.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

// The vector extensions of GCC and Clang say once what AVX-512, AVX2 and the baseline each turn into their instructions.
#define RETOSCOPE_INLINE inline __attribute__((always_inline))

namespace retoscope {

namespace {

constexpr std::size_t lanes = 8;
using Doubles = double __attribute__((vector_size(lanes * sizeof(double))));
using Longs = std::int64_t __attribute__((vector_size(lanes * sizeof(std::int64_t))));
using Floats = float __attribute__((vector_size(lanes * sizeof(float))));
using Ints = std::int32_t __attribute__((vector_size(lanes * sizeof(std::int32_t))));
using Bytes = std::uint8_t __attribute__((vector_size(lanes)));

constexpr float infinity = std::numeric_limits<float>::infinity();

template<typename Vector, typename T>
RETOSCOPE_INLINE Vector load(const T *from)
{
    Vector vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

/// exp(x) for x ≤ 0, correct to 1 ulp or so. Values below e^-708 come out as e^-708, which no sum that holds e^0 notices.
RETOSCOPE_INLINE Doubles expOfNonPositive(Doubles x)
{
    constexpr double log2e = 0x1.71547652b82fep+0;
    constexpr double ln2High = 0x1.62e42fefa3800p-1; // 11 trailing zero bits: n · ln2High is exact for |n| < 2048
    constexpr double ln2Low = 0x1.ef35793c76730p-45;
    constexpr double toInteger = 0x1.8p52; // adding it leaves the nearest integer in the low bits of the mantissa
    const Doubles lowest = Doubles{} - 708.0;
    x = x < lowest ? lowest : x;
    const Doubles shifted = x * log2e + toInteger;
    const Doubles n = shifted - toInteger;
    const Doubles r = (x - n * ln2High) - n * ln2Low; // |r| ≤ ln2 / 2
    // Taylor up to r^13 / 13!, whose remainder is below 2e-17 there; even and odd powers run side by side.
    const Doubles r2 = r * r;
    const Doubles odd = (((((r2 * (1.0 / 6227020800.0) + 1.0 / 39916800.0) * r2 + 1.0 / 362880.0) * r2 + 1.0 / 5040.0) * r2
                          + 1.0 / 120.0) * r2 + 1.0 / 6.0) * r2 + 1.0;
    const Doubles even = (((((r2 * (1.0 / 479001600.0) + 1.0 / 3628800.0) * r2 + 1.0 / 40320.0) * r2 + 1.0 / 720.0) * r2
                           + 1.0 / 24.0) * r2 + 0.5) * r2 + 1.0;
    const Longs power = (std::bit_cast<Longs>(shifted) << 52) + std::bit_cast<std::int64_t>(1.0);
    return (odd * r + even) * std::bit_cast<Doubles>(power);
}

/// Calls body(distances, matches) for eight candidates at a time; the last ones are padded by infinitely far misses.
template<typename Body>
RETOSCOPE_INLINE void forEachEight(const float *distances, const std::uint8_t *matches, std::size_t count, const Body &body)
{
    std::size_t j = 0;
    for (; j + lanes <= count; j += lanes)
        body(distances + j, matches + j);
    if (j == count)
        return;
    float lastDistances[lanes];
    std::uint8_t lastMatches[lanes] = {};
    std::fill(std::copy(distances + j, distances + count, lastDistances), lastDistances + lanes, infinity);
    std::copy(matches + j, matches + count, lastMatches);
    body(lastDistances, lastMatches);
}

RETOSCOPE_INLINE SoftmaxSums sums(const float *distances, const std::uint8_t *matches, std::size_t count, double temperature)
{
    const Floats far = Floats{} + infinity;
    Floats nearest = far, nearestMatch = far;
    forEachEight(distances, matches, count, [&](const float *d, const std::uint8_t *m) __attribute__((always_inline)) {
        const Floats distance = load<Floats>(d);
        const Ints match = __builtin_convertvector(load<Bytes>(m), Ints);
        const Floats matched = match != 0 ? distance : far;
        nearest = distance < nearest ? distance : nearest;
        nearestMatch = matched < nearestMatch ? matched : nearestMatch;
    });
    SoftmaxSums result{0, 0, infinity, infinity};
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        result.nearest = std::min(result.nearest, nearest[lane]);
        result.nearestMatch = std::min(result.nearestMatch, nearestMatch[lane]);
    }
    const double origin = result.nearest, inverse = 1.0 / temperature;
    Doubles all{}, matched{};
    forEachEight(distances, matches, count, [&](const float *d, const std::uint8_t *m) __attribute__((always_inline)) {
        const Doubles distance = __builtin_convertvector(load<Floats>(d), Doubles);
        const Doubles weight = expOfNonPositive((origin - distance) * inverse);
        const Longs match = __builtin_convertvector(load<Bytes>(m), Longs);
        all += weight;
        matched += match != 0 ? weight : Doubles{};
    });
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        result.all += all[lane];
        result.matched += matched[lane];
    }
    return result;
}

using Function = SoftmaxSums (*)(const float *, const std::uint8_t *, std::size_t, double);

SoftmaxSums sumsPortable(const float *distances, const std::uint8_t *matches, std::size_t count, double temperature)
{
    return sums(distances, matches, count, temperature);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) SoftmaxSums sumsAvx2(const float *distances, const std::uint8_t *matches,
                                                        std::size_t count, double temperature)
{
    return sums(distances, matches, count, temperature);
}

__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))) SoftmaxSums
sumsAvx512(const float *distances, const std::uint8_t *matches, std::size_t count, double temperature)
{
    return sums(distances, matches, count, temperature);
}
#endif

/// A pointer rather than an ifunc: ifunc resolvers run before the sanitizers' runtimes are ready.
Function choose()
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl"))
        return sumsAvx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return sumsAvx2;
#endif
    return sumsPortable;
}

} // namespace

SoftmaxSums softmaxSums(const float *distances, const std::uint8_t *matches, std::size_t count, double temperature)
{
    static const Function chosen = choose();
    return chosen(distances, matches, count, temperature);
}

} // namespace retoscope
