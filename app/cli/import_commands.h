// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "command_tree.h"

#include "ledger/imports.h"

namespace retoscope::cli {

/// `… import` and `… export` of datastores, indexes, clusters and traces; after the groups that they belong to.
void addImportCommands(CommandTree &tree);

/// Prints each file with its type and shape; returns {"files": […]}.
Json reportExport(Session &session, const std::vector<ExportedFile> &files);

} // namespace retoscope::cli
