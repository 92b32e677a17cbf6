// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/bpe.h"

#include <algorithm>
#include <bit>

namespace retoscope {

namespace {

std::uint64_t pairKey(std::int32_t left, std::int32_t right)
{
    return std::uint64_t(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

/// Heap order: the best rank on top, the leftmost among equals.
constexpr auto worse = [](const auto &a, const auto &b) { return a.rank != b.rank ? a.rank > b.rank : a.left > b.left; };

} // namespace

std::size_t BpeMerges::slotOf(std::uint64_t key) const
{
    const std::size_t mask = m_slots.size() - 1;
    std::size_t slot = (key * 0x9E3779B97F4A7C15u) >> 32 & mask; // Fibonacci hashing
    while (m_slots[slot].key != key && m_slots[slot].key != emptyKey)
        slot = (slot + 1) & mask;
    return slot;
}

void BpeMerges::rehash(std::size_t expected)
{
    std::vector<Slot> old(std::bit_ceil(2 * expected + 16));
    old.swap(m_slots);
    for (const Slot &slot : old)
        if (slot.key != emptyKey)
            m_slots[slotOf(slot.key)] = slot;
}

void BpeMerges::add(std::int32_t left, std::int32_t right, BpeMerge merge)
{
    if (2 * (m_size + 1) > m_slots.size())
        rehash(2 * m_size);
    Slot &slot = m_slots[slotOf(pairKey(left, right))];
    if (slot.key != emptyKey)
        return;
    slot = {pairKey(left, right), merge};
    ++m_size;
}

const BpeMerge *BpeMerges::find(std::int32_t left, std::int32_t right) const
{
    const Slot &slot = m_slots[slotOf(pairKey(left, right))];
    return slot.key == emptyKey ? nullptr : &slot.merge;
}

void BpeMerger::propose(const std::vector<BpeSymbol> &symbols, const BpeMerges &merges, std::int32_t left, std::int32_t right)
{
    const std::int32_t leftId = symbols[static_cast<std::size_t>(left)].id, rightId = symbols[static_cast<std::size_t>(right)].id;
    if (const BpeMerge *merge = merges.find(leftId, rightId)) {
        m_heap.push_back({merge->rank, left, right, merge->id, leftId, rightId});
        std::push_heap(m_heap.begin(), m_heap.end(), worse);
    }
}

void BpeMerger::merge(std::vector<BpeSymbol> &symbols, const BpeMerges &merges)
{
    const auto count = static_cast<std::int32_t>(symbols.size());
    if (count < 2)
        return;
    m_previous.resize(symbols.size());
    m_next.resize(symbols.size());
    m_heap.clear();
    for (std::int32_t i = 0; i < count; ++i) {
        m_previous[static_cast<std::size_t>(i)] = i - 1;
        m_next[static_cast<std::size_t>(i)] = i + 1 < count ? i + 1 : -1;
        if (i > 0)
            propose(symbols, merges, i - 1, i);
    }
    while (!m_heap.empty()) {
        std::pop_heap(m_heap.begin(), m_heap.end(), worse);
        const Candidate best = m_heap.back();
        m_heap.pop_back();
        const auto left = static_cast<std::size_t>(best.left), right = static_cast<std::size_t>(best.right);
        // A symbol that has been merged since no longer is what the proposal was made for.
        if (symbols[left].id != best.leftId || symbols[right].id != best.rightId || m_next[left] != best.right)
            continue;
        symbols[left] = {best.id, symbols[left].bytes + symbols[right].bytes};
        symbols[right].id = -1;
        const std::int32_t next = m_next[left] = m_next[right];
        if (next >= 0) {
            m_previous[static_cast<std::size_t>(next)] = best.left;
            propose(symbols, merges, best.left, next);
        }
        if (const std::int32_t previous = m_previous[left]; previous >= 0)
            propose(symbols, merges, previous, best.left);
    }
    std::erase_if(symbols, [](const BpeSymbol &symbol) { return symbol.id < 0; });
}

const std::vector<BpeSymbol> *WordCache::find(std::string_view word, std::uint64_t hash) const
{
    const Slot &slot = m_slots[hash % slotCount];
    return slot.word == word ? &slot.symbols : nullptr;
}

void WordCache::insert(std::string_view word, std::uint64_t hash, const std::vector<BpeSymbol> &symbols)
{
    if (word.size() > longestWord)
        return;
    Slot &slot = m_slots[hash % slotCount];
    slot.word = word;
    slot.symbols = symbols;
}

} // namespace retoscope
