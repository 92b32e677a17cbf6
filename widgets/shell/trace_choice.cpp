// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/trace_choice.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

namespace {

constexpr double usualSkipFraction = 0.5; ///< of AdaptRet, as its paper has it
constexpr double fossToBeginWith = 0.5;

std::vector<ArtefactRow> readyOf(const ProjectSnapshot &snapshot, ArtefactKind kind)
{
    std::vector<ArtefactRow> rows;
    std::ranges::copy_if(snapshot.artefacts, std::back_inserter(rows),
                         [&](const ArtefactRow &row) { return row.kind == kind && row.state == ArtefactState::Ready; });
    std::ranges::sort(rows, std::greater(), &ArtefactRow::id);
    return rows;
}

std::string fingerprintOfInput(const ArtefactRow &row, const std::string &role)
{
    const auto found = std::ranges::find(row.inputs, role, &ArtefactInput::role);
    return found == row.inputs.end() ? std::string() : found->fingerprint;
}

/// Lower is better; runs that are no use as a beginning are infinitely bad.
double distanceFromUseful(const RunRow &run)
{
    const double foss = run.metrics.value("foss", -1.0), perplexity = run.metrics.value("perplexity", 0.0);
    if (run.method == "retomaton" && foss > 0 && foss < 1)
        return std::abs(foss - fossToBeginWith);
    return perplexity > 0 ? 1 + perplexity : std::numeric_limits<double>::infinity();
}

} // namespace

std::vector<ArtefactRow> readyTraces(const ProjectSnapshot &snapshot)
{
    return readyOf(snapshot, ArtefactKind::Trace);
}

std::vector<ArtefactRow> readyClusters(const ProjectSnapshot &snapshot, const ArtefactRow &trace)
{
    auto rows = readyOf(snapshot, ArtefactKind::Clusters);
    const std::string datastore = fingerprintOfInput(trace, "datastore");
    std::erase_if(rows, [&](const ArtefactRow &row) { return fingerprintOfInput(row, "datastore") != datastore; });
    return rows;
}

std::optional<EvaluationSettings> settingsToBeginWith(const ProjectSnapshot &snapshot, const ArtefactRow &trace)
{
    const RunRow *best = nullptr;
    double bestDistance = std::numeric_limits<double>::infinity();
    try {
        for (const RunRow &run : snapshot.runs) {
            if (run.trace != trace.id || run.status != RunStatus::Done)
                continue;
            if (const double distance = distanceFromUseful(run); distance < bestDistance) {
                best = &run;
                bestDistance = distance;
            }
        }
        if (!best)
            return {};
        Json config = best->config;
        config.erase("artefacts");
        return config.get<EvaluationSettings>();
    } catch (const Json::exception &) {
        return {}; // a run of another kind of work; the defaults do
    } catch (const Error &) {
        return {};
    }
}

EvaluationSettings withMethod(EvaluationSettings settings, Method method)
{
    if (settings.method != method) // what is skipped is an affair of the method
        settings.skipFraction = method == Method::Adaptive ? usualSkipFraction : 0;
    settings.method = method;
    return settings;
}

} // namespace retoscope
