// SPDX-License-Identifier: GPL-3.0-or-later
// What a walk of the automaton measured, kept for the next question: another T weighs the same candidates, and another
// min_knns or max_knns meets most of them again. Internal to this room.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace retoscope {

/// A bound on the bytes of several owners together. Thread-safe.
class MemoryBudget
{
public:
    explicit MemoryBudget(std::int64_t bytes) : m_left(bytes) {}
    /// False, and nothing is taken, when there is not that much left.
    [[nodiscard]] bool take(std::int64_t bytes);
    void giveBack(std::int64_t bytes) { m_left.fetch_add(bytes, std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> m_left;
};

/// The pointers that were measured at each position, with their distances to its query, in the order of the candidates.
/// Filled by several writers, each position by one of them; read when all are done. 8 bytes a pointer.
class PointerDistances
{
public:
    struct Row
    {
        std::span<const std::int32_t> ids;
        std::span<const float> distances;
    };

    PointerDistances(std::int64_t positions, std::shared_ptr<MemoryBudget> budget);
    ~PointerDistances();
    PointerDistances(const PointerDistances &) = delete;
    PointerDistances &operator=(const PointerDistances &) = delete;

    /// Empty where nothing was written.
    [[nodiscard]] Row at(std::int64_t position) const { return m_rows[std::size_t(position)]; }
    /// False: the budget was used up, and some rows were not kept.
    [[nodiscard]] bool complete() const { return m_complete.load(std::memory_order_relaxed); }

    /// Of one thread.
    class Writer
    {
    public:
        explicit Writer(PointerDistances &target) : m_target(target) {}
        void write(std::int64_t position, std::span<const std::int32_t> ids, std::span<const float> distances);

    private:
        PointerDistances &m_target;
        std::int32_t *m_ids = nullptr; ///< what is left of the block being filled
        float *m_distances = nullptr;
        std::size_t m_left = 0;
    };

private:
    struct Block
    {
        std::unique_ptr<std::int32_t[]> ids;
        std::unique_ptr<float[]> distances;
    };
    /// Null when the budget does not allow it.
    Block *allocate(std::size_t pointers);

    std::vector<Row> m_rows;
    std::shared_ptr<MemoryBudget> m_budget;
    std::mutex m_mutex;
    std::vector<std::unique_ptr<Block>> m_blocks;
    std::int64_t m_bytes = 0;
    std::atomic<bool> m_complete{true};
};

} // namespace retoscope
