// SPDX-License-Identifier: GPL-3.0-or-later
// A piece of work before it runs, as everybody sees it: the form of the desktop program is generated from its parameters,
// the command line that repeats it is written and read with them, and perform() fills the configuration structs of the
// operations with them.
#pragma once

#include "ledger/forecast.h"
#include "ledger/operations.h"
#include "ledger/pipeline.h"

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

enum class WorkKind { AddCorpus, AddModel, TrainTokenizer, TrainModel, BuildDatastore, BuildIndex, BuildClusters, RecordTrace, Evaluate, Sweep, Foss, RunProject };

/// One option of a command: one field of a form.
struct WorkParameter
{
    enum class Type
    {
        Integer,
        Real,
        Flag,
        Text,        ///< `choices` are suggestions
        Choice,      ///< one of `choices`
        Path,        ///< a file or folder
        Paths,       ///< several; a JSON array
        Artefact,    ///< the name of one of the kind `artefact`
        CorpusSplit, ///< "manual:train"; the usual split is the first of `choices`
    };
    enum class Group { Main, Advanced };

    std::string option;       ///< "nprobe" for --nprobe; a key of Work::values. Positional ones are named after what they are
    Type type = Type::Text;
    std::string label;        ///< "Lists searched"
    std::string help;         ///< a sentence
    Json standard = {};       ///< what an absent value means; null: nothing
    double least = -std::numeric_limits<double>::infinity();
    double most = std::numeric_limits<double>::infinity();
    std::vector<std::string> choices = {};
    ArtefactKind artefact = ArtefactKind::Corpus;
    bool required = false;
    bool positional = false;
    Group group = Group::Main;
};

struct WorkDescription
{
    WorkKind kind = WorkKind::AddCorpus;
    std::string command; ///< "datastore build"
    std::string title;   ///< "Build a datastore"
    std::vector<WorkParameter> parameters;

    [[nodiscard]] const WorkParameter *find(std::string_view option) const; ///< null: there is none
};
const WorkDescription &describe(WorkKind kind);

/// Values by option; what is absent has its standard value.
struct Work
{
    WorkKind kind = WorkKind::AddCorpus;
    Json values = Json::object();

    [[nodiscard]] const Json &value(std::string_view option) const; ///< given or standard
    [[nodiscard]] std::string text(std::string_view option) const;  ///< empty when it is not a text
    friend bool operator==(const Work &, const Work &) = default;
};

/// "Datastore manual-gpt2": what a job list calls it.
std::string titleOf(const Work &work);
/// The exact command; values that are standard are left out. `project` non-empty: with --project.
std::string commandOf(const Work &work, const std::filesystem::path &project = {});
/// The work that a recorded command line describes, whoever wrote it; nothing when it is not one of ours. --project and
/// other general options are skipped.
std::optional<Work> workFromCommand(std::string_view command);

/// What is wrong with one value; `option` names the field.
struct FieldError
{
    std::string option;
    std::string sentence;
};
/// All that can be said without opening anything: missing and impossible values, artefacts that are not there or not ready,
/// paths that do not exist. Empty: perform() may be tried.
std::vector<FieldError> check(const Work &work, const std::vector<ArtefactRow> &artefacts);

/// Disk, memory and, where an earlier artefact of the same kind tells the rate, time; without running anything. Reads
/// manifests and token stores. `amount` is empty when nothing can be said yet. Throws what opening the inputs throws.
Forecast forecastOf(const Project &project, const Work &work);

/// Who is told while it runs, all on the working thread.
struct WorkListeners
{
    PipelineListener stages;         ///< RunProject
    LiveSink live;                   ///< traces and live evaluations
    EvaluationSettings liveSettings; ///< what a growing trace is replayed with
};

struct WorkOutcome
{
    std::string message; ///< one line: what was made
    std::optional<ArtefactRow> artefact;
    std::int64_t run = 0, curve = 0; ///< ids in the ledger; 0: none
};

/// Runs it with its command recorded. Stopped, the same work continues. Throws what the operation throws.
WorkOutcome perform(Project &project, const Work &work, const WorkListeners &listeners, JobControl &job);

} // namespace retoscope
