// SPDX-License-Identifier: GPL-3.0-or-later
// The running top-k of a scan whose scores are approximate but bounded: lower ≤ distance ≤ upper. A candidate can be
// among the k nearest only while its lower bound does not exceed the k-th smallest upper bound seen so far.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

namespace retoscope {

/// The k-th smallest upper bound that any thread has seen for one query. Only ever falls.
class Threshold
{
public:
    [[nodiscard]] float get() const { return m_value.load(std::memory_order_relaxed); }
    void lower(float value)
    {
        float current = get();
        while (value < current && !m_value.compare_exchange_weak(current, value, std::memory_order_relaxed)) {
        }
    }

private:
    std::atomic<float> m_value{std::numeric_limits<float>::infinity()};
};

/// Candidates of one query found by one thread, ids ascending. Structure of arrays, so that a vector scan appends whole
/// registers: room() leaves that many free slots behind the last.
class CandidateBuffer
{
public:
    static constexpr std::size_t slack = 16;

    void reset(std::size_t k, std::size_t block)
    {
        m_k = k;
        m_size = 0;
        resize(std::max(2 * k + 2 * block, m_ids.size() - std::min(m_ids.size(), slack)));
    }

    /// Makes room for `count` more, dropping what can no longer be among the k nearest. False when nothing more can be
    /// dropped by bounds alone (many equal distances): the caller must decide by exact distances, see keepNearest().
    [[nodiscard]] bool makeRoom(std::size_t count, Threshold &threshold)
    {
        if (m_size + count <= capacity())
            return true;
        prune(threshold);
        return m_size + count <= capacity();
    }

    void prune(Threshold &threshold)
    {
        if (m_size >= m_k) {
            m_scratch.assign(m_uppers.begin(), m_uppers.begin() + std::ptrdiff_t(m_size));
            const auto kth = m_scratch.begin() + std::ptrdiff_t(m_k - 1);
            std::nth_element(m_scratch.begin(), kth, m_scratch.end());
            threshold.lower(*kth);
        }
        const float limit = threshold.get();
        std::size_t kept = 0;
        for (std::size_t i = 0; i < m_size; ++i) {
            if (m_lowers[i] <= limit) {
                m_lowers[kept] = m_lowers[i];
                m_uppers[kept] = m_uppers[i];
                m_ids[kept] = m_ids[i];
                ++kept;
            }
        }
        m_size = kept;
    }

    /// Replaces bounds by exact distances (in the order of ids()) and keeps the k nearest, ties to the smaller id.
    void keepNearest(const std::vector<float> &distances, Threshold &threshold)
    {
        std::copy_n(distances.begin(), m_size, m_lowers.begin());
        std::copy_n(distances.begin(), m_size, m_uppers.begin());
        if (m_size <= m_k)
            return;
        m_scratch.assign(distances.begin(), distances.begin() + std::ptrdiff_t(m_size));
        const auto kth = m_scratch.begin() + std::ptrdiff_t(m_k - 1);
        std::nth_element(m_scratch.begin(), kth, m_scratch.end());
        const float limit = *kth;
        threshold.lower(limit);
        std::size_t ties = m_k - std::size_t(std::count_if(m_scratch.begin(), kth, [limit](float d) { return d < limit; }));
        std::size_t kept = 0;
        for (std::size_t i = 0; i < m_size; ++i) {
            if (distances[i] < limit || (distances[i] == limit && ties > 0)) {
                ties -= distances[i] == limit;
                m_lowers[kept] = m_uppers[kept] = distances[i];
                m_ids[kept++] = m_ids[i];
            }
        }
        m_size = kept;
    }

    [[nodiscard]] std::size_t size() const { return m_size; }
    [[nodiscard]] const std::int32_t *ids() const { return m_ids.data(); }
    [[nodiscard]] float lower(std::size_t i) const { return m_lowers[i]; }
    [[nodiscard]] float upper(std::size_t i) const { return m_uppers[i]; }

    /// Where a scan writes; call grow() with what it wrote.
    [[nodiscard]] float *nextLower() { return m_lowers.data() + m_size; }
    [[nodiscard]] float *nextUpper() { return m_uppers.data() + m_size; }
    [[nodiscard]] std::int32_t *nextId() { return m_ids.data() + m_size; }
    void grow(std::size_t count) { m_size += count; }

private:
    [[nodiscard]] std::size_t capacity() const { return m_ids.size() - slack; }
    void resize(std::size_t capacity)
    {
        m_lowers.resize(capacity + slack);
        m_uppers.resize(capacity + slack);
        m_ids.resize(capacity + slack);
    }

    std::size_t m_k = 0;
    std::size_t m_size = 0;
    std::vector<float> m_lowers, m_uppers, m_scratch;
    std::vector<std::int32_t> m_ids;
};

} // namespace retoscope
