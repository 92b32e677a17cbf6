// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/view_registry.h"

#include "base/error.h"
#include "explore/distributions_view.h"
#include "explore/neighbours_view.h"
#include "explore/perplexity_view.h"
#include "explore/text_view.h"
#include "foss/foss_view.h"
#include "generate/generate_view.h"
#include "jobs/jobs_view.h"
#include "pipeline/pipeline_view.h"
#include "sweep/sweep_view.h"

#include <QStringList>

#include <algorithm>

namespace retoscope {

const std::vector<ViewEntry> &viewRegistry()
{
    static const std::vector<ViewEntry> views{
        {QStringLiteral("pipeline"), QObject::tr("Pipeline"), ViewPlace::Top, true, [](Session &session) -> View * { return new PipelineView(session); }},
        {QStringLiteral("text"), QObject::tr("Text"), ViewPlace::Centre, true, [](Session &session) -> View * { return new TextView(session); }},
        {QStringLiteral("neighbours"), QObject::tr("Neighbours"), ViewPlace::Right, true, [](Session &session) -> View * { return new NeighboursView(session); }},
        {QStringLiteral("distributions"), QObject::tr("Distributions"), ViewPlace::Right, true, [](Session &session) -> View * { return new DistributionsView(session); }},
        {QStringLiteral("perplexity"), QObject::tr("Perplexity"), ViewPlace::Bottom, true, [](Session &session) -> View * { return new PerplexityView(session); }},
        {QStringLiteral("sweep"), QObject::tr("Sweep"), ViewPlace::Right, false, [](Session &session) -> View * { return new SweepView(session); }},
        {QStringLiteral("foss"), QObject::tr("FoSS"), ViewPlace::Bottom, false, [](Session &session) -> View * { return new FossView(session); }},
        {QStringLiteral("generate"), QObject::tr("Generate"), ViewPlace::Right, false, [](Session &session) -> View * { return new GenerateView(session); }},
        {QStringLiteral("jobs"), QObject::tr("Jobs"), ViewPlace::Bottom, false, [](Session &session) -> View * { return new JobsView(session); }},
    };
    return views;
}

const ViewEntry &viewById(const QString &id)
{
    const auto &views = viewRegistry();
    const auto found = std::find_if(views.begin(), views.end(), [&](const ViewEntry &view) { return view.id == id; });
    if (found != views.end())
        return *found;
    QStringList ids;
    for (const ViewEntry &view : views)
        ids << view.id;
    fail(ErrorKind::NotFound, "There is no view “{}”; the views are {}.", id.toStdString(), ids.join(QLatin1String(", ")).toStdString());
}

} // namespace retoscope
