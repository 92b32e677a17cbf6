// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "index/index.h"

namespace retoscope {

/// Exact k nearest neighbours without any artefact. Many queries: a blocked product in bf16 (fp32 where the CPU has none)
/// selects every key that could be among the k nearest by a proven error bound, and only those are measured exactly. Few
/// queries: a plain scan at the speed of memory. Both return what sorting all squaredDistances() by (distance, id) would.
std::shared_ptr<const Index> makeExactIndex(std::shared_ptr<const Datastore> datastore, Metric metric, Manifest manifest);

/// The manifest of an exact index over this datastore.
Manifest exactManifest(const Datastore &datastore, Metric metric);

} // namespace retoscope
