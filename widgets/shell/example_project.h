// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace retoscope {

/// Description of the example project as it is installed beside the program (../share/retoscope/projects); empty: it is not.
QString exampleDescription();

} // namespace retoscope
