// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace retoscope {

/// A map from int32 to int32 whose clear() costs nothing: a slot counts only when it carries the current generation. It
/// holds the few thousand ids of one step in the first-level caches, whatever the ids are. Grows, never shrinks.
class StampedMap
{
public:
    void clear()
    {
        m_size = 0;
        if (++m_generation == 0) { // after 2^32 steps old stamps could look current
            std::fill(m_slots.begin(), m_slots.end(), Slot{});
            m_generation = 1;
        }
    }

    [[nodiscard]] std::size_t size() const { return m_size; }

    [[nodiscard]] bool contains(std::int32_t key) const { return find(key) != nullptr; }

    /// Null when `key` is not there.
    [[nodiscard]] const std::int32_t *find(std::int32_t key) const
    {
        for (std::size_t at = home(key); m_slots[at].generation == m_generation; at = (at + 1) & m_mask) {
            if (m_slots[at].key == key)
                return &m_slots[at].value;
        }
        return nullptr;
    }

    void set(std::int32_t key, std::int32_t value)
    {
        bool inserted = false;
        at(key, inserted) = value;
    }

    /// The value of `key`, 0 when it was not there; `inserted` tells.
    std::int32_t &at(std::int32_t key, bool &inserted)
    {
        if (2 * (m_size + 1) > m_slots.size())
            grow();
        Slot &slot = slotOf(key);
        inserted = slot.generation != m_generation;
        if (inserted) {
            slot = {m_generation, key, 0};
            ++m_size;
        }
        return slot.value;
    }

    /// True when `key` was not there.
    bool insert(std::int32_t key)
    {
        bool inserted = false;
        at(key, inserted);
        return inserted;
    }

private:
    struct Slot
    {
        std::uint32_t generation = 0;
        std::int32_t key = 0;
        std::int32_t value = 0;
    };

    [[nodiscard]] std::size_t home(std::int32_t key) const
    {
        // Fibonacci hashing: consecutive ids spread, and the multiplication is all it costs.
        return (std::uint64_t(std::uint32_t(key)) * 0x9e3779b97f4a7c15u) >> m_shift;
    }

    Slot &slotOf(std::int32_t key)
    {
        std::size_t at = home(key);
        while (m_slots[at].generation == m_generation && m_slots[at].key != key)
            at = (at + 1) & m_mask;
        return m_slots[at];
    }

    void grow()
    {
        std::vector<Slot> old(std::max<std::size_t>(2 * m_slots.size(), 64));
        old.swap(m_slots);
        m_mask = m_slots.size() - 1;
        m_shift = 64 - std::countr_zero(m_slots.size());
        for (const Slot &slot : old) {
            if (slot.generation == m_generation)
                slotOf(slot.key) = slot;
        }
    }

    std::vector<Slot> m_slots = std::vector<Slot>(64);
    std::size_t m_mask = 63;
    int m_shift = 58;
    std::size_t m_size = 0;
    std::uint32_t m_generation = 1;
};

} // namespace retoscope
