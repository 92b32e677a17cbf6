// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace retoscope {

/// Version of the LibTorch that this program was built with, e.g. "1.13.1".
std::string torchVersion();

} // namespace retoscope
