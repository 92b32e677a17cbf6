// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "datastore/datastore.h"
#include "model/language_model.h"
#include "text/token_store.h"
#include "text/windows.h"

namespace retoscope {

class JobControl;

struct DatastoreConfig
{
    KeyTap tap;
    WindowScheme windows;
    KeyType keyType = KeyType::Float16;
    std::int32_t batchTokens = 4096; ///< tokens per forward pass (does not change the result's identity)
};

void to_json(Json &json, const DatastoreConfig &config);
void from_json(const Json &json, DatastoreConfig &config);

/// Runs the model over the token store and writes `folder`. Resumable: after a kill at any moment the same call
/// continues, and the result is byte-identical to an uninterrupted build (blocks of windows are fixed by the plan; a
/// journal says how many are whole). A journal of other inputs is refused with the field that differs. Constant memory.
void buildDatastore(const std::filesystem::path &folder, const DatastoreConfig &config, const LanguageModel &model,
                    const TokenStore &tokens, JobControl &job);

/// Entries, bytes on disk and the identity that buildDatastore() would write, without running the model.
struct DatastoreForecast
{
    std::int64_t entries = 0;
    std::uint64_t diskBytes = 0;
    std::uint64_t memoryBytes = 0;
};
DatastoreForecast forecastDatastore(const DatastoreConfig &config, const LanguageModel &model, const TokenStore &tokens);

} // namespace retoscope
