// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <vector>

namespace retoscope {

class Session;
class View;

/// Where a view stands in the default layout.
enum class ViewPlace { Top, Centre, Right, Bottom };

/// One view of the workbench. The window's docks, the View menu, the command palette and `--export` all come from the list.
struct ViewEntry
{
    QString id;    ///< on the command line and in saved layouts: "text", "foss"
    QString title; ///< for people
    ViewPlace place = ViewPlace::Right;
    bool openAtFirst = false; ///< at most four views are open at the first start
    View *(*make)(Session &session) = nullptr;
};

/// All views, in the order of the View menu.
const std::vector<ViewEntry> &viewRegistry();
/// Throws NotFound listing the ids.
const ViewEntry &viewById(const QString &id);

} // namespace retoscope
