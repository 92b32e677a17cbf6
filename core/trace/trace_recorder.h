// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "index/index.h"
#include "model/language_model.h"
#include "text/token_store.h"
#include "text/windows.h"
#include "trace/trace.h"

#include <functional>

namespace retoscope {

class JobControl;

struct TraceConfig
{
    std::int32_t k = 1024;             ///< k_max
    WindowScheme windows;
    SearchParameters search;
    std::int32_t topCandidates = 20;
    std::int64_t maxPositions = 0;     ///< 0: all; else the first so many positions (recorded in the identity)
};
void to_json(Json &json, const TraceConfig &config);
void from_json(const Json &json, TraceConfig &config);

/// Positions [begin, end) have just become final; for live views. Called on the recording thread.
using TraceListener = std::function<void(const TraceArrays &soFar, std::int64_t begin, std::int64_t end)>;

/// Runs model and index over the tokens and writes the artefact. The tap is the datastore's. Resumable like the datastore
/// builder (byte-identical after a kill). Refuses parts that do not belong together: model or tokenizer fingerprints of
/// the datastore and of the evaluation tokens must agree (the sentence names the field and both values).
void recordTrace(const std::filesystem::path &folder, const TraceConfig &config, const LanguageModel &model,
                 const TokenStore &tokens, std::shared_ptr<const Datastore> datastore, const Index &index,
                 JobControl &job, const TraceListener &listener = {});

struct TraceForecast
{
    std::int64_t positions = 0;
    std::uint64_t diskBytes = 0;
    std::uint64_t memoryBytes = 0;
};
TraceForecast forecastTrace(const TraceConfig &config, const TokenStore &tokens, const Datastore &datastore);

} // namespace retoscope
