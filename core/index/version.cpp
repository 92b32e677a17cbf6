// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/version.h"

#include <faiss/Index.h>

#include <fmt/format.h>

namespace retoscope {

std::string faissVersion()
{
    return fmt::format("{}.{}.{}", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH);
}

} // namespace retoscope
