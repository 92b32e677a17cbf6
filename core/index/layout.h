// SPDX-License-Identifier: GPL-3.0-or-later
// How an index lies on disk.
#pragma once

namespace retoscope::layout {

inline constexpr const char *indexFormat = "retoscope-index";
inline constexpr int indexVersion = 1;
inline constexpr const char *indexFile = "index.faiss"; ///< FAISS's own format; absent for the exact search
inline constexpr const char *exactFactory = "exact";

} // namespace retoscope::layout
