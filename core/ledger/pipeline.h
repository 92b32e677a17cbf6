// SPDX-License-Identifier: GPL-3.0-or-later
// The whole way from a pile of text to a FoSS curve, as a project description says. Every stage is an operation of its
// own, so a stopped pipeline continues and a finished one is only read again.
#pragma once

#include "ledger/operations.h"
#include "ledger/project_description.h"

#include <functional>
#include <string>
#include <vector>

namespace retoscope {

struct PipelineStage
{
    enum class State { Waiting, Running, Done, Reused /* was there already */, Failed };
    std::string name;     ///< "corpus", "datastore", "tuning kNN-LM", …
    State state = State::Waiting;
    double seconds = 0;
    std::string summary;  ///< once it is done, e.g. "503,113 entries of 256 dimensions, 262.4 MB"
};
std::string_view toString(PipelineStage::State state);

/// One line of the results table; all on the test split.
struct PipelineResult
{
    std::string method; ///< "base", "kNN-LM", "RetoMaton"
    EvaluationResult result;
};

struct PipelineOutcome
{
    ArtefactRow corpus, model, datastore, index, tuneTrace, testTrace;
    std::optional<ArtefactRow> clusters;
    EvaluationSettings knnLm, retomaton; ///< chosen on the tuning split
    std::vector<PipelineResult> table;   ///< base, kNN-LM, RetoMaton at FoSS 0 and along the curve
    std::vector<FossSeries> curve;
    double basePerplexity = 0;
    double seconds = 0;
    std::vector<std::filesystem::path> files; ///< table and curve as written under results/
};

/// All stages with their states, and the one that has just changed; on the calling thread.
using PipelineListener = std::function<void(const std::vector<PipelineStage> &stages, std::size_t changed)>;

/// Names of the stages that runPipeline() will go through.
std::vector<PipelineStage> planPipeline(const ProjectDescription &description);

/// `live` sees the traces grow, replayed as RetoMaton with the description's settings.
PipelineOutcome runPipeline(Project &project, const ProjectDescription &description, const Request &request, JobControl &job,
                            const PipelineListener &listener = {}, const LiveSink &live = {});

/// The results table with a heading line: method, FoSS, searches, perplexity, λ, T, k, min_knns …
std::string tableToCsv(const std::vector<PipelineResult> &table);
std::string tableToMarkdown(const std::vector<PipelineResult> &table);
Json toJson(const std::vector<PipelineResult> &table);
/// Cells of the table as people read them; the first row holds the headings.
std::vector<std::vector<std::string>> tableCells(const std::vector<PipelineResult> &table);

} // namespace retoscope
