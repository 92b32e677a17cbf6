// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/project_snapshot.h"

#include "trace/evaluation_settings.h"

#include <optional>
#include <vector>

namespace retoscope {

/// What a project offers to look at: its ready traces, the newest first.
std::vector<ArtefactRow> readyTraces(const ProjectSnapshot &snapshot);
/// The ready clusters of the trace's datastore, the newest first.
std::vector<ArtefactRow> readyClusters(const ProjectSnapshot &snapshot, const ArtefactRow &trace);
/// The setting to begin with: the RetoMaton run of this trace that saved nearest to half of its searches, so that searched
/// and saved tokens are both to be seen; else its best run. Nothing: it has no runs.
std::optional<EvaluationSettings> settingsToBeginWith(const ProjectSnapshot &snapshot, const ArtefactRow &trace);
/// The same setting for another method, with the fraction of skipped searches that is usual there: none but for AdaptRet.
EvaluationSettings withMethod(EvaluationSettings settings, Method method);

} // namespace retoscope
