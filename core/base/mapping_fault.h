// SPDX-License-Identifier: GPL-3.0-or-later
// A mapped file that is cut short while it is read, or whose disk fails, cannot be an exception: the kernel sends SIGBUS to
// the thread that touches the page. Going on would mean to compute with bytes that are not there, so the program ends, with
// a sentence. Nothing of ours is lost by that: it is what a kill at the same moment would do.
#pragma once

#include <cstddef>

namespace retoscope {

/// From here on such a fault ends the program with exit code 1 and a sentence that names the file, on standard error. Call
/// it at the start of main(). Not for libraries: the handler is the process's.
void explainMappingFaults();
/// The sentence also goes to standard output, as the one JSON object that --json promises.
void explainMappingFaultsAsJson();

// MappedFile tells what is mapped where, for that sentence. Thread-safe; when all places are taken it names no file.
void rememberMapping(const void *begin, std::size_t size, const char *path);
void forgetMapping(const void *begin); ///< before the range is unmapped

} // namespace retoscope
