// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace retoscope {

/// Version of the FAISS that this program was built with, e.g. "1.7.3".
std::string faissVersion();

} // namespace retoscope
