// SPDX-License-Identifier: GPL-3.0-or-later
// Which tokens a training step sees.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace retoscope {

/// Every epoch cuts the token stream into chunks from a random offset and visits them in a random order. A pure
/// function of the seed: the i-th sequence of a run is the same after a restart.
class ChunkSampler
{
public:
    ChunkSampler(std::int64_t tokens, std::int64_t sequenceLength, std::uint64_t seed);

    /// Chunks of sequenceLength inputs and their targets; 0 when there are too few tokens for one.
    static std::int64_t chunksPerEpoch(std::int64_t tokens, std::int64_t sequenceLength);

    /// First token of the run's sequence number `sequence`.
    [[nodiscard]] std::int64_t begin(std::int64_t sequence);

private:
    void prepareEpoch(std::int64_t epoch);

    std::int64_t m_tokens;
    std::int64_t m_sequenceLength;
    std::uint64_t m_seed;
    std::int64_t m_epoch = -1;
    std::int64_t m_offset = 0;
    std::vector<std::int64_t> m_order;
};

/// Mixes numbers into a seed (SplitMix64's finaliser after each).
std::uint64_t mixSeed(std::uint64_t seed, std::uint64_t a, std::uint64_t b);

} // namespace retoscope
