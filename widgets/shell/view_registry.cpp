// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/view_registry.h"

#include "automaton/automaton_view.h"
#include "base/error.h"
#include "explore/distributions_view.h"
#include "explore/neighbours_view.h"
#include "explore/perplexity_view.h"
#include "explore/text_view.h"
#include "foss/foss_view.h"
#include "generate/generate_view.h"
#include "jobs/jobs_view.h"
#include "map/map_view.h"
#include "pipeline/pipeline_view.h"
#include "runs/runs_view.h"
#include "sweep/sweep_view.h"

#include <QObject>
#include <QStringList>

#include <algorithm>

namespace retoscope {

namespace {

template<typename SomeView>
View *make(Session &session)
{
    return new SomeView(session);
}

} // namespace

const std::vector<ViewEntry> &viewRegistry()
{
    static const std::vector<ViewEntry> views{
        {QStringLiteral("pipeline"), QObject::tr("Pipeline"), ViewPlace::Top, true, &make<PipelineView>},
        {QStringLiteral("text"), QObject::tr("Text"), ViewPlace::Centre, true, &make<TextView>},
        {QStringLiteral("neighbours"), QObject::tr("Neighbours"), ViewPlace::Right, true, &make<NeighboursView>},
        {QStringLiteral("distributions"), QObject::tr("Distributions"), ViewPlace::Right, true, &make<DistributionsView>},
        {QStringLiteral("perplexity"), QObject::tr("Perplexity"), ViewPlace::Bottom, true, &make<PerplexityView>},
        {QStringLiteral("automaton"), QObject::tr("Automaton"), ViewPlace::Bottom, false, &make<AutomatonView>},
        {QStringLiteral("sweep"), QObject::tr("Sweep"), ViewPlace::Right, false, &make<SweepView>},
        {QStringLiteral("foss"), QObject::tr("FoSS"), ViewPlace::Bottom, false, &make<FossView>},
        {QStringLiteral("runs"), QObject::tr("Runs"), ViewPlace::Bottom, false, &make<RunsView>},
        {QStringLiteral("generate"), QObject::tr("Generate"), ViewPlace::Right, false, &make<GenerateView>},
        {QStringLiteral("map"), QObject::tr("Datastore map"), ViewPlace::Right, false, &make<MapView>},
        {QStringLiteral("jobs"), QObject::tr("Jobs"), ViewPlace::Bottom, false, &make<JobsView>},
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
