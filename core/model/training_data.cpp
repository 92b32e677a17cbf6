// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/training_data.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

namespace retoscope {

namespace {

std::uint64_t splitMix(std::uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/// Uniform in [0, count). The bias of the remainder is below 2⁻³⁰ for any token stream, and unlike the standard
/// library's distributions the result is the same everywhere.
std::int64_t below(std::mt19937_64 &random, std::int64_t count)
{
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(count));
}

} // namespace

std::uint64_t mixSeed(std::uint64_t seed, std::uint64_t a, std::uint64_t b)
{
    return splitMix(splitMix(splitMix(seed) ^ a) ^ b);
}

ChunkSampler::ChunkSampler(std::int64_t tokens, std::int64_t sequenceLength, std::uint64_t seed)
    : m_tokens(tokens), m_sequenceLength(sequenceLength), m_seed(seed),
      m_order(static_cast<std::size_t>(chunksPerEpoch(tokens, sequenceLength)))
{
}

std::int64_t ChunkSampler::chunksPerEpoch(std::int64_t tokens, std::int64_t sequenceLength)
{
    // One chunk less than fit leaves every offset below a whole chunk possible.
    const std::int64_t fitting = (tokens - 1) / sequenceLength;
    return fitting > 1 ? fitting - 1 : std::max<std::int64_t>(fitting, 0);
}

std::int64_t ChunkSampler::begin(std::int64_t sequence)
{
    const auto chunks = static_cast<std::int64_t>(m_order.size());
    if (sequence / chunks != m_epoch)
        prepareEpoch(sequence / chunks);
    return m_offset + m_order[static_cast<std::size_t>(sequence % chunks)] * m_sequenceLength;
}

void ChunkSampler::prepareEpoch(std::int64_t epoch)
{
    m_epoch = epoch;
    std::mt19937_64 random(mixSeed(m_seed, static_cast<std::uint64_t>(epoch), 0));
    const std::int64_t slack = m_tokens - 1 - static_cast<std::int64_t>(m_order.size()) * m_sequenceLength;
    m_offset = below(random, std::min(slack, m_sequenceLength - 1) + 1);
    std::iota(m_order.begin(), m_order.end(), std::int64_t(0));
    for (std::size_t i = m_order.size(); i > 1; --i)
        std::swap(m_order[i - 1], m_order[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(i)))]);
}

} // namespace retoscope
