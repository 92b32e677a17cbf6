// SPDX-License-Identifier: GPL-3.0-or-later
// What FAISS's own reader does not check: its files are walked before it sees them. The format is defined by FAISS's
// impl/index_write.cpp; every vector there is preceded by its length, and a length beyond the end of the file is refused
// before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace retoscope {

struct FaissHeader
{
    std::string type;             ///< four characters, e.g. "IwPQ"
    std::int32_t dimension = 0;
    std::int64_t entries = 0;
    std::int32_t metric = 0;      ///< 0: inner product, 1: L2
    bool walked = false;          ///< the whole structure is known and its sizes fit the file
};

/// Reads the common header and walks the structure of the usual types (flat, IVF, PQ, scalar quantizers, HNSW, transforms,
/// refinement). Throws Corrupt with a sentence naming `name` when a size cannot be.
FaissHeader checkFaissFile(std::span<const std::byte> bytes, std::string_view name);

} // namespace retoscope
