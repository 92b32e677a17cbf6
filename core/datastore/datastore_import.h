// SPDX-License-Identifier: GPL-3.0-or-later
// Datastores of others: knn-transformers' and fairseq's raw dumps (called .npy, but without a header) and true .npy files.
// What the files do not say is read from their names or worked out from their sizes; what does not fit together is
// refused with both numbers.
#pragma once

#include "datastore/datastore.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

class JobControl;

/// What a name says, e.g. dstore_gpt2_116988150_768_keys.npy (knn-transformers) or dstore_size103225485_embed1024_fp16_keys.npy
/// (fairseq). Also of index_… and members_… files.
struct NameHints
{
    std::optional<std::int64_t> entries;
    std::optional<std::int32_t> dimension;
    std::optional<KeyType> keyType;
};
NameHints hintsFromName(std::string_view fileName);

struct DatastoreSource
{
    std::filesystem::path keys, values;
    std::filesystem::path documents;        ///< .npy with starts of documents; empty: one document
    std::int32_t dimension = 0;             ///< 0: from the name or the header
    std::int64_t entries = 0;               ///< 0: from the name, the header or the sizes
    std::optional<KeyType> keyType;         ///< absent: from the name, the header or the sizes
    std::optional<std::string> valueType;   ///< "i2", "i4" or "i8"; absent: from the header or the sizes
    std::string tokenizer;                  ///< fingerprint; empty: not known
};

/// How the two files are to be read.
struct DatastoreLayout
{
    std::int64_t entries = 0;
    std::int32_t dimension = 0;
    KeyType keyType = KeyType::Float16;
    std::string valueType;        ///< NumPy's, e.g. "i4"
    std::size_t keysOffset = 0;   ///< bytes of the header; 0 for a raw dump
    std::size_t valuesOffset = 0;
};

/// Throws BadInput or Mismatch; each sentence has the number that was promised and the number that is there.
DatastoreLayout layoutOf(const DatastoreSource &source);

/// Copies keys and values into an artefact, entry by entry as they are (int32 values), checking each: keys are finite, token
/// ids neither negative nor beyond `vocabulary` (0: not known). Continues after a kill; byte-identical.
///
/// `documents`: the first entry of each document and, last, the number of entries; or the token that each document starts
/// with and, last, the number of tokens, when that is larger than the number of entries (entry i predicts token i + 1, as
/// knn-transformers stores them); or rows of (entry, token) as exported from here.
void importDatastore(const std::filesystem::path &folder, const DatastoreSource &source, std::int32_t vocabulary, JobControl &job);

} // namespace retoscope
