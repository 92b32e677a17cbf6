// SPDX-License-Identifier: GPL-3.0-or-later
// FAISS behind Index; included by this room only, and free of FAISS's types so that few files wait for its headers.
#pragma once

#include "index/index.h"

namespace faiss {
struct Index;
}

namespace retoscope {

/// `index` must hold the datastore's entries in order.
std::shared_ptr<const Index> makeFaissIndex(std::unique_ptr<faiss::Index> index, std::shared_ptr<const Datastore> datastore, Manifest manifest);

/// Reads a FAISS file after checking its structure and that it is an index over `datastore`. `trusted`: its checksum is that
/// of the manifest, so types whose structure is not walked here are let through.
std::unique_ptr<faiss::Index> readFaissFile(const std::filesystem::path &path, const Datastore &datastore, bool trusted);

/// Makes an inverted file able to reconstruct() and gives it the default number of lists to visit.
void prepareForUse(faiss::Index &index);

/// What FAISS threw, as one sentence of ours.
[[noreturn]] void failFromFaiss(std::string_view what, const std::string &message);

} // namespace retoscope
