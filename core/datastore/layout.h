// SPDX-License-Identifier: GPL-3.0-or-later
// How a datastore lies on disk; shared by its writer and its reader only.
#pragma once

#include <cstdint>
#include <limits>

namespace retoscope::layout {

inline constexpr const char *format = "retoscope-datastore";
inline constexpr int version = 1;

inline constexpr const char *keysFile = "keys.bin";           ///< [N × D] fp16 or fp32, little-endian
inline constexpr const char *valuesFile = "values.bin";       ///< int32 [N]
inline constexpr const char *documentsFile = "documents.bin"; ///< DocumentStart [documents]

/// Where a document of the token store begins: its first entry, and the token index of that entry's value. Within a
/// document both run on in step; a document without entries starts where the next one does.
struct DocumentStart
{
    std::int64_t entry = 0;
    std::int64_t token = 0;
};

/// Neighbour ids are int32 everywhere.
inline constexpr std::int64_t maximalEntries = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int32_t maximalDimension = 1 << 20;

} // namespace retoscope::layout
