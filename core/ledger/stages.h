// SPDX-License-Identifier: GPL-3.0-or-later
// The pipeline of a project as it stands: what each stage was made from, whether it still fits its inputs, and the work
// that makes, continues or renews it.
#pragma once

#include "ledger/work.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

enum class Stage { Corpus, Model, Datastore, Index, Clusters, Trace, Curves };
inline constexpr std::array<Stage, 7> allStages = {Stage::Corpus, Stage::Model, Stage::Datastore, Stage::Index, Stage::Clusters, Stage::Trace, Stage::Curves};
std::string_view toString(Stage stage); ///< "corpus", "model", …, "curves"

struct StageStatus
{
    enum class State
    {
        Missing,    ///< nothing there yet; `next` makes it when its inputs are ready
        Unfinished, ///< begun by a process that is gone or was stopped; `next` continues it
        Ready,
        Stale,      ///< an input changed since; `renewal` brings it up to date
        Failed,     ///< `reasons` says why; `next` tries again
    };

    Stage stage = Stage::Corpus;
    State state = State::Missing;
    std::optional<ArtefactRow> artefact; ///< the one that is shown; none when missing, and for curves
    std::vector<std::string> names;      ///< of all artefacts of this stage that fit the stages before it, newest first
    std::string name;                    ///< of the artefact or the curve; empty when missing
    std::string inputs;                  ///< "model · manual:train"
    std::string parameters;              ///< "ffn_input −1 · fp16 · 512/256"
    std::string figures;                 ///< "543,867 × 256"
    std::uint64_t bytes = 0;
    std::vector<std::string> reasons;    ///< of Stale and Failed; for Missing: what must be there first
    std::optional<Work> next;
    std::vector<Work> renewal;           ///< in the order in which they must run
    std::optional<Forecast> forecast;    ///< of `next` where something can be said
};
std::string_view toString(StageStatus::State state); ///< "missing", "unfinished", "ready", "stale", "failed"

/// Artefacts that the user chose to look at, by name; a stage without one shows the newest that fits the stages before it.
using StageChoice = std::map<Stage, std::string>;

/// All stages in order. Reads the ledger, manifests and sizes of files; no model, no index.
std::vector<StageStatus> stageStatus(const Project &project, const StageChoice &choice = {});

} // namespace retoscope
