// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "automaton/clusters.h"

namespace retoscope {

class JobControl;

/// State of each entry out of a file of others.
struct StateAssignment
{
    std::vector<std::int32_t> stateOf; ///< [N]
    std::int32_t states = 0;
};

/// Reads the pickled CSR matrix of knn-transformers and fairseq's RetoMaton (members_*.pkl: states × entries), or one state
/// per entry as .npy or as a pickled array. Every entry must be in exactly one state; throws BadInput or Mismatch naming the
/// entry, or both sizes.
StateAssignment readStates(const std::filesystem::path &file, std::int64_t entries);

/// Makes the artefact from readStates(); nothing to do when it is there.
void importClusters(const std::filesystem::path &folder, const std::filesystem::path &file, const Datastore &datastore, JobControl &job);

} // namespace retoscope
