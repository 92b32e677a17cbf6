// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/version.h"

#include <torch/version.h>

namespace retoscope {

std::string torchVersion()
{
    return TORCH_VERSION;
}

} // namespace retoscope
