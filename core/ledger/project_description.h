// SPDX-License-Identifier: GPL-3.0-or-later
// A project described in one JSON file, so that `run PROJECTFILE` does the whole pipeline: corpus → tokens → datastore →
// index → clusters → traces → settings chosen on validation → the table and the FoSS curve on test.
#pragma once

#include "automaton/clusters.h"
#include "datastore/datastore_builder.h"
#include "index/index.h"
#include "model/language_model.h"
#include "text/corpus.h"
#include "trace/evaluation_settings.h"
#include "trace/sweep.h"
#include "trace/trace_recorder.h"

#include <filesystem>
#include <string>
#include <vector>

namespace retoscope {

struct ProjectDescription
{
    static constexpr std::string_view format = "retoscope-project";
    static constexpr int version = 1;

    std::filesystem::path file; ///< where it was read from; relative paths are relative to its folder
    std::string name;           ///< of the project and, with suffixes, of its artefacts
    std::string title;          ///< for people; may be empty

    struct CorpusPart
    {
        std::string name;                         ///< of the artefact; the project's name when absent
        std::vector<std::filesystem::path> paths; ///< absolute; patterns (`*`, `?`) are expanded and sorted
        CorpusOptions options;                    ///< "kind", "field", "splits" …; split paths are absolute too
        std::string package;                      ///< Debian package that holds the texts, for the sentence when they are absent
    } corpus;

    struct ModelPart
    {
        std::string name;           ///< of the artefact; the folder's name when absent
        std::filesystem::path path; ///< absolute
        ComputeType compute = ComputeType::Float32;
    } model;

    Split datastoreSplit = Split::Train;
    DatastoreConfig datastore;
    IndexConfig index;
    ClusterConfig clusters; ///< states 0: no clusters
    TraceConfig trace;      ///< of both splits below
    Split tuneSplit = Split::Validation; ///< settings are chosen here …
    Split testSplit = Split::Test;       ///< … and reported here
    std::int64_t tunePositions = 0;      ///< as TraceConfig::maxPositions, for the tuning trace; 0: as the trace's

    EvaluationSettings settings; ///< what the sweep starts from
    SweepGrid grid;              ///< tried on the tuning split, for kNN-LM; λ and T carry over to RetoMaton
    std::int32_t fossPoints = 12;
};

/// Strict: an unknown field, a wrong type or an impossible value is refused with a sentence naming the file and the field.
/// Throws NotFound for the file itself; whether corpus and model are there is checked by requireInputs().
ProjectDescription readProjectDescription(const std::filesystem::path &file);
/// The same from parsed JSON; `folder` is the base of relative paths, `source` names the text in sentences.
ProjectDescription parseProjectDescription(const Json &json, const std::filesystem::path &folder, const std::string &source);
/// Throws NotFound naming the path (and the package to install) when a text or the model is not there.
void requireInputs(const ProjectDescription &description);

} // namespace retoscope
