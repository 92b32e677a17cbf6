// SPDX-License-Identifier: GPL-3.0-or-later
// The configuration structs that the values of a piece of work fill in. Internal to this room. Each throws BadInput with
// a sentence for values that do not go together.
#pragma once

#include "ledger/work.h"

namespace retoscope {

struct SplitName
{
    std::string corpus;
    Split split = Split::Train;
};
/// "manual:train"; without a split it is `standard`.
SplitName splitNameOf(const std::string &text, Split standard);

CorpusOptions corpusOptionsOf(const Work &work);
std::vector<std::filesystem::path> pathsOf(const Work &work, std::string_view option);
SentencePieceTraining tokenizerTrainingOf(const Work &work);
TrainConfig trainConfigOf(const Work &work);
DatastoreConfig datastoreConfigOf(const Work &work);
IndexConfig indexConfigOf(const Work &work);
ClusterConfig clusterConfigOf(const Work &work);
TraceConfig traceConfigOf(const Work &work);
EvaluationSettings settingsOf(const Work &work);
SweepGrid gridOf(const Work &work);
LoadOptions loadOptionsOf(const Work &work);
/// Clusters as the operations want them: a name, "none", or empty for the only ones.
std::string clustersOf(const Work &work);

} // namespace retoscope
