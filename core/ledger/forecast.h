// SPDX-License-Identifier: GPL-3.0-or-later
// What a long job will need, said before it starts (retrieval.md section 8).
#pragma once

#include "automaton/clusters.h"
#include "index/index.h"
#include "model/language_model.h"
#include "text/token_store.h"
#include "text/windows.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace retoscope {

class JobControl;

struct Forecast
{
    std::string what;              ///< e.g. "the datastore"
    std::string amount;            ///< e.g. "500,000 entries"
    std::uint64_t diskBytes = 0;
    std::uint64_t memoryBytes = 0; ///< peak, beyond what is already used
    double seconds = -1;           ///< negative: not known
};

void to_json(Json &json, const Forecast &forecast);

/// One line for people: "forecast for the datastore: 500,000 entries, 256.0 MB on disk, …, about 4 min 10 s".
std::string toString(const Forecast &forecast);

/// Logs it when it is worth saying and throws Resource with the numbers when disk (of `folder`) or memory cannot hold it,
/// unless `force`.
void admit(const Forecast &forecast, const std::filesystem::path &folder, bool force, JobControl &job);

/// Of an index over, and of clusters of, so many keys of this dimension. Time is not known.
Forecast forecastIndex(const IndexConfig &config, std::int64_t entries, std::int32_t dimension);
Forecast forecastClusters(const ClusterConfig &config, std::int64_t entries, std::int32_t dimension);

/// Seconds that the model needs for these windows: measured on about 1 % of them in batches of `batchTokens`, for at most
/// about two seconds; negative when there are too few to be worth it.
double pilot(const LanguageModel &model, const TokenStore &tokens, const WindowScheme &windows, const ForwardRequest &request,
             std::int64_t batchTokens, JobControl &job);

} // namespace retoscope
