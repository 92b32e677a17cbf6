// SPDX-License-Identifier: GPL-3.0-or-later
// Byte-pair encoding (Sennrich et al. 2016): of all adjacent pairs that have a merge, the one of best rank is merged, the
// leftmost among equals, until none is left. One engine for GPT-2's merge lists and for llama2.c's scores.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace retoscope {

/// Lets a std::unordered_map with string keys be searched by string_view.
struct StringHash
{
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template<typename T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

struct BpeMerge
{
    std::int32_t rank = 0; ///< smaller is merged first
    std::int32_t id = -1;  ///< token of the merged pair
};

/// The merges of a vocabulary: a hash table with open addressing, because every step of encoding asks it twice.
class BpeMerges
{
public:
    explicit BpeMerges(std::size_t expected = 0) { rehash(expected); }
    /// The first merge of a pair stays.
    void add(std::int32_t left, std::int32_t right, BpeMerge merge);
    [[nodiscard]] const BpeMerge *find(std::int32_t left, std::int32_t right) const;
    [[nodiscard]] std::size_t size() const { return m_size; }

private:
    struct Slot
    {
        std::uint64_t key = emptyKey;
        BpeMerge merge;
    };
    static constexpr std::uint64_t emptyKey = ~std::uint64_t(0);
    [[nodiscard]] std::size_t slotOf(std::uint64_t key) const;
    void rehash(std::size_t expected);

    std::vector<Slot> m_slots;
    std::size_t m_size = 0;
};

/// A token and how many bytes of the word it stands for.
struct BpeSymbol
{
    std::int32_t id = -1;
    std::int32_t bytes = 0;
};

/// Applies the merges to a word, given as its symbols, in O(n log n) and in place. Holds the working memory: one a thread.
class BpeMerger
{
public:
    void merge(std::vector<BpeSymbol> &symbols, const BpeMerges &merges);

private:
    struct Candidate
    {
        std::int32_t rank, left, right, id, leftId, rightId;
    };
    void propose(const std::vector<BpeSymbol> &symbols, const BpeMerges &merges, std::int32_t left, std::int32_t right);

    std::vector<std::int32_t> m_previous, m_next;
    std::vector<Candidate> m_heap;
};

/// Remembers how words were encoded. Words of a text repeat (Zipf), so nearly all are answered from here. Direct-mapped: a
/// new word takes the place of an old one with the same hash.
class WordCache
{
public:
    /// Symbols of the word, or null.
    [[nodiscard]] const std::vector<BpeSymbol> *find(std::string_view word, std::uint64_t hash) const;
    void insert(std::string_view word, std::uint64_t hash, const std::vector<BpeSymbol> &symbols);

    static constexpr std::size_t longestWord = 64; ///< bytes; longer ones hardly repeat

private:
    struct Slot
    {
        std::string word;
        std::vector<BpeSymbol> symbols;
    };
    static constexpr std::size_t slotCount = 1u << 15;
    std::vector<Slot> m_slots = std::vector<Slot>(slotCount);
};

} // namespace retoscope
