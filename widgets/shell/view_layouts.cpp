// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/view_layouts.h"

#include <QCoreApplication>

#include <algorithm>

namespace retoscope {

namespace {

QString title(const char *text)
{
    return QCoreApplication::translate("ViewLayout", text);
}

} // namespace

const std::vector<ViewLayout> &builtInLayouts()
{
    static const std::vector<ViewLayout> layouts = {
        {QStringLiteral("explore"), title(QT_TRANSLATE_NOOP("ViewLayout", "Explore")), true,
         {{Qt::TopDockWidgetArea, {QStringLiteral("pipeline")}, 0.13},
          {Qt::RightDockWidgetArea, {QStringLiteral("neighbours"), QStringLiteral("distributions")}, 0.42},
          {Qt::BottomDockWidgetArea, {QStringLiteral("perplexity")}, 0.27}}},
        {QStringLiteral("automaton"), title(QT_TRANSLATE_NOOP("ViewLayout", "Automaton")), true,
         {{Qt::RightDockWidgetArea, {QStringLiteral("neighbours")}, 0.42},
          {Qt::BottomDockWidgetArea, {QStringLiteral("automaton")}, 0.58}}},
        {QStringLiteral("sweep"), title(QT_TRANSLATE_NOOP("ViewLayout", "Sweep")), true,
         {{Qt::LeftDockWidgetArea, {QStringLiteral("sweep")}, 0.45},
          {Qt::BottomDockWidgetArea, {QStringLiteral("foss")}, 0.5}}},
        {QStringLiteral("runs"), title(QT_TRANSLATE_NOOP("ViewLayout", "Runs")), false,
         {{Qt::LeftDockWidgetArea, {QStringLiteral("runs")}, 0.64},
          {Qt::RightDockWidgetArea, {QStringLiteral("foss"), QStringLiteral("jobs")}, 0.36}}},
    };
    return layouts;
}

const ViewLayout *builtInLayout(const QString &id)
{
    const auto &layouts = builtInLayouts();
    const auto found = std::ranges::find(layouts, id, &ViewLayout::id);
    return found == layouts.end() ? nullptr : &*found;
}

} // namespace retoscope
