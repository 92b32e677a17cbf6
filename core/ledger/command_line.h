// SPDX-License-Identifier: GPL-3.0-or-later
// The command lines that repeat what was done: recorded with every artefact and run, copied from the desktop program.
#pragma once

#include "ledger/operations.h"

#include <span>
#include <string>
#include <string_view>

namespace retoscope {

/// Quoted for a POSIX shell when it has to be.
std::string shellQuote(std::string_view text);
/// "program argument 'other argument'".
std::string shellCommand(std::string_view program, int count, const char *const *arguments);

// Options that have their default value are left out.
std::string modelAddCommand(const std::filesystem::path &path, const std::string &name);
std::string corpusAddCommand(const std::vector<std::filesystem::path> &paths, const CorpusOptions &options, const std::string &name);
std::string datastoreBuildCommand(const std::string &model, const std::string &corpus, Split split, const DatastoreConfig &config,
                                  ComputeType compute, const std::string &name);
std::string indexBuildCommand(const std::string &datastore, const IndexConfig &config, const std::string &name);
std::string clusterBuildCommand(const std::string &datastore, const ClusterConfig &config, const std::string &name);
std::string traceRecordCommand(const std::string &model, const std::string &corpus, Split split, const std::string &datastore,
                               const std::string &index, const TraceConfig &config, ComputeType compute, const std::string &name);
std::string evaluateCommand(const std::string &trace, const std::string &clusters, const EvaluationSettings &settings, bool live = false);
std::string sweepCommand(const std::string &trace, const std::string &clusters, const EvaluationSettings &base, const SweepGrid &grid);
std::string fossCommand(const std::string &trace, const std::string &clusters, const EvaluationSettings &base, std::int32_t points);
/// `datastore` empty: the LM alone. `index` empty: the datastore's only one.
std::string generateCommand(const std::string &model, const std::string &datastore, const std::string &index, const std::string &clusters,
                            const std::string &prompt, const GenerationConfig &config);

// And read back; each throws Usage with the option and what to write.
/// "train=0.8,validation=0.1,test=0.1,seed=1": what is not named is 0, and the seed 1.
void readSplitFractions(const std::string &text, CorpusOptions &options);
/// "64" or "inf".
std::int64_t minKnnsFromString(const std::string &text);

} // namespace retoscope
