// SPDX-License-Identifier: GPL-3.0-or-later
// How every operation makes its artefact: begin the row, build in its folder, finish the row. Internal to this room.
#pragma once

#include "base/error.h"
#include "ledger/forecast.h"
#include "ledger/operations.h"

#include <functional>

namespace retoscope {

/// Runs `work` as a job of the ledger: its row says how it ended.
template<typename Work>
auto recordedJob(Project &project, const std::string &kind, const Request &request, Work &&work)
{
    const auto id = project.ledger().beginJob(kind, request.command);
    try {
        auto result = work();
        project.ledger().endJob(id, JobState::Done);
        return result;
    } catch (const Cancelled &stopped) {
        project.ledger().endJob(id, JobState::Cancelled, stopped.what());
        throw;
    } catch (const std::exception &error) {
        project.ledger().endJob(id, JobState::Failed, error.what());
        throw;
    }
}

struct ArtefactPlan
{
    ArtefactKind kind = ArtefactKind::Corpus;
    std::string job;    ///< kind of the job row, e.g. "datastore build"
    std::string name;   ///< when the request names none
    Json config = Json::object();
    std::vector<ArtefactInput> inputs;
    Json identity = Json::object(); ///< what else makes two requests different, e.g. the contents of the texts
};

/// What a builder reports when its artefact is whole.
struct Built
{
    std::string fingerprint;
    Json info = Json::object();
    std::filesystem::path folder; ///< where it lies when that is not the project's folder for it
};

/// Throws BadInput when the row is something else.
void requireKind(const ArtefactRow &row, ArtefactKind kind);
/// The info of a model row.
Json describeModel(const LanguageModel &model, const Tokenizer &tokenizer);

/// Reads all the texts, for what is in them is part of the request.
ArtefactPlan corpusPlan(const std::vector<std::filesystem::path> &paths, const CorpusOptions &options, JobControl &job);

/// Equal requests have equal hashes: configuration, inputs' fingerprints, contents.
std::string requestHashOf(const ArtefactPlan &plan);

ArtefactInput inputFrom(const std::string &role, const ArtefactRow &row);

/// Notes the forecast with the artefact that is being built in `folder`, for the doctor, then admits it or throws Resource.
void admitBuild(Project &project, const std::filesystem::path &folder, const Forecast &forecast, const Request &request, JobControl &job);

/// Returns the ready artefact of an equal request, or lets `build` make it (and continue it) in the folder that it is
/// given. A failed request that left nothing behind leaves no row. Refuses a name that belongs to another request, except
/// that the same request over inputs that have changed renews its artefact. Ready files that are damaged are made again.
ArtefactRow makeArtefact(Project &project, const ArtefactPlan &plan, const Request &request,
                         const std::function<Built(const std::filesystem::path &folder)> &build);

} // namespace retoscope
