// SPDX-License-Identifier: GPL-3.0-or-later
// How many threads the numeric work may use, decided once per process; every library is told the same number.
#pragma once

#include <cstdint>
#include <functional>

namespace retoscope {

/// Threads for numeric work: RETOSCOPE_THREADS if set, else the number given to setThreadCount(), else the cores this
/// process may run on. At least 1.
int threadCount();
void setThreadCount(int count);

/// Calls body(begin, end) for contiguous pieces of [0, count) on up to threadCount() threads (plain std::thread, no
/// OpenMP, so that ThreadSanitizer sees it), each piece at least `grain` long. Returns when all are done; the first
/// exception of a piece is rethrown here.
void parallelFor(std::int64_t count, std::int64_t grain,
                 const std::function<void(std::int64_t begin, std::int64_t end)> &body);

} // namespace retoscope
