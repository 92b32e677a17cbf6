// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QStringList>

#include <vector>

namespace retoscope {

/// A named arrangement of the docks around the reading area, as it comes; what the user moves is remembered apart.
struct ViewLayout
{
    struct Area
    {
        Qt::DockWidgetArea area = Qt::RightDockWidgetArea;
        QStringList views;  ///< from the top or from the left
        double share = 0.3; ///< of the workspace's width (left, right) or height (top, bottom)
    };

    QString id;
    QString title; ///< for people
    bool readingArea = true; ///< the central view is shown
    std::vector<Area> areas;
};

/// Explore (the first start), Automaton, Sweep, Runs.
const std::vector<ViewLayout> &builtInLayouts();
/// Null when `id` is none of them.
const ViewLayout *builtInLayout(const QString &id);

} // namespace retoscope
