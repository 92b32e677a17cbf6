// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong here, in plain words: the checks that every artefact must pass before a number is shown (retrieval.md
// section 8), and the state of machine, ledger and folders. Nothing is changed except that jobs whose process is gone are
// marked as interrupted.
#pragma once

#include "ledger/project.h"

#include <filesystem>
#include <string>
#include <vector>

namespace retoscope {

class JobControl;

enum class Severity
{
    Ok,
    Note,    ///< worth knowing; nothing to do
    Warning, ///< numbers are right, but something should be renewed or cleaned up
    Error,   ///< numbers that come from this cannot be trusted
};
std::string_view toString(Severity severity); ///< "ok", "note", "warning", "error"

struct Finding
{
    Severity severity = Severity::Ok;
    std::string subject;  ///< "environment", "ledger", "datastore pg-train", "folder artefacts/index/x" …
    std::string sentence;
    std::string remedy;   ///< command that mends it; may be empty
};
void to_json(Json &json, const Finding &finding);

struct DoctorOptions
{
    bool checksums = true;             ///< read every file of every artefact
    std::int64_t selfRetrieval = 64;   ///< stored keys that are searched for; 0: none
    std::int64_t recallSample = 64;    ///< queries of the recall measurement; 0: none
    std::int64_t positions = 2000;     ///< of a trace, replayed at λ = 0
    std::int64_t modelPositions = 256; ///< of a trace, computed again by its model; 0: none
};

/// Versions, processor, memory, free disk under `where`.
std::vector<Finding> examineEnvironment(const std::filesystem::path &where);

/// Environment and project. Order: environment, ledger, jobs, artefacts by kind, folders.
std::vector<Finding> examineProject(Project &project, const DoctorOptions &options, JobControl &job);

/// The worst of them; Ok for an empty list.
Severity worst(const std::vector<Finding> &findings);

} // namespace retoscope
