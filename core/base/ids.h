// SPDX-License-Identifier: GPL-3.0-or-later
// Strong ids. Mixing an entry, a token and a state is the bug class of this field, so each is a type of its own.
// Bulk arrays on disk and in hot loops hold the raw representation; ids appear at the interfaces between rooms.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace retoscope {

template<typename Tag, typename Rep>
struct StrongId
{
    using Representation = Rep;
    Rep value = -1;

    constexpr StrongId() = default;
    constexpr explicit StrongId(Rep v) : value(v) {}
    [[nodiscard]] constexpr bool valid() const { return value >= 0; }
    friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

struct TokenTag;
struct StateTag;
struct PositionTag;
struct DocumentTag;

using TokenId = StrongId<TokenTag, std::int32_t>;       ///< row of the vocabulary
using StateId = StrongId<StateTag, std::int32_t>;       ///< automaton state (cluster of datastore entries)
using Position = StrongId<PositionTag, std::int64_t>;   ///< scored position of an evaluation, 0-based in trace order
using DocumentId = StrongId<DocumentTag, std::int32_t>; ///< document of a token store, in corpus order

/// One (key, value) pair of a datastore, in corpus order.
struct EntryId : StrongId<struct EntryTag, std::int64_t>
{
    using StrongId::StrongId;
    /// The pointer of RetoMaton (Alon et al. 2022, section 3.1): the entry that follows in corpus order. Whether it
    /// exists (document ends) is known by the datastore, see Datastore::hasPointer().
    [[nodiscard]] constexpr EntryId next() const { return EntryId(value + 1); }
};

} // namespace retoscope

template<typename Tag, typename Rep>
struct std::hash<retoscope::StrongId<Tag, Rep>>
{
    std::size_t operator()(retoscope::StrongId<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value); }
};
