// SPDX-License-Identifier: GPL-3.0-or-later
// The machine and the program, as a run records them.
#pragma once

#include "base/manifest.h"

#include <cstdint>

namespace retoscope {

/// Program version and commit, compiler, library versions, processor, cores, threads, memory, operating system.
Json describeEnvironment();

std::uint64_t totalMemory();     ///< bytes; 0 when the system does not say
std::uint64_t availableMemory(); ///< bytes that could be used without swapping; 0 when the system does not say

} // namespace retoscope
