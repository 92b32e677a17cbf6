// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/forecast.h"

#include "base/error.h"
#include "base/job.h"
#include "ledger/environment.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <regex>
#include <vector>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::uint64_t worthSayingBytes = 1'000'000'000;
constexpr double worthSayingSeconds = 5;
constexpr std::int64_t fewestBatchesForPilot = 50;
constexpr double longestPilot = 2.0; // seconds

/// Free bytes where `folder` is or will be; the largest number when the system does not say.
std::uint64_t freeDisk(fs::path folder)
{
    std::error_code code;
    folder = fs::absolute(folder, code);
    while (!fs::exists(folder, code) && folder.has_relative_path())
        folder = folder.parent_path();
    const auto space = fs::space(folder, code);
    return code ? ~std::uint64_t(0) : space.available;
}

/// Bytes of one stored vector of dimension D, from the last part of the factory string; fp32 when it is not known.
std::uint64_t codeBytes(const std::string &factory, std::int32_t dimension)
{
    std::smatch match;
    if (std::regex_search(factory, match, std::regex("PQ(\\d+)(?:x(\\d+))?")))
        return static_cast<std::uint64_t>(std::ceil(std::stod(match[1]) * (match[2].matched ? std::stod(match[2]) : 8.0) / 8.0));
    const auto d = static_cast<std::uint64_t>(dimension);
    std::uint64_t bytes = 4 * d;
    if (factory.find("SQ8") != std::string::npos)
        bytes = d;
    else if (factory.find("SQfp16") != std::string::npos)
        bytes = 2 * d;
    if (std::regex_search(factory, match, std::regex("HNSW(\\d+)")))
        bytes += 2 * 4 * std::stoull(match[1]) + 16;
    return bytes;
}

} // namespace

void to_json(Json &json, const Forecast &forecast)
{
    json = {{"what", forecast.what}, {"amount", forecast.amount}, {"disk", forecast.diskBytes}, {"memory", forecast.memoryBytes}, {"seconds", forecast.seconds}};
}

std::string toString(const Forecast &forecast)
{
    std::string text = "forecast for " + forecast.what + ": " + forecast.amount;
    if (forecast.diskBytes > 0)
        text += fmt::format(", {} on disk", formatBytes(forecast.diskBytes));
    if (forecast.memoryBytes > 0)
        text += fmt::format(", {} of memory", formatBytes(forecast.memoryBytes));
    if (forecast.seconds >= 0)
        text += fmt::format(", about {}", formatDuration(forecast.seconds));
    return text;
}

void admit(const Forecast &forecast, const fs::path &folder, bool force, JobControl &job)
{
    if (forecast.seconds >= worthSayingSeconds || forecast.diskBytes >= worthSayingBytes || forecast.memoryBytes >= worthSayingBytes)
        job.log(toString(forecast));
    if (force)
        return;
    if (const auto room = freeDisk(folder); forecast.diskBytes > room)
        fail(ErrorKind::Resource, "{} needs {} on disk ({}), but {} has {} left; free some space, choose a smaller setting, or give --force to try nevertheless.",
             forecast.what, formatBytes(forecast.diskBytes), forecast.amount, folder.string(), formatBytes(room));
    if (const auto memory = availableMemory(); memory > 0 && forecast.memoryBytes > memory)
        fail(ErrorKind::Resource, "{} needs about {} of memory ({}), but {} are available; close other programs, choose a smaller setting, or give --force to try nevertheless.",
             forecast.what, formatBytes(forecast.memoryBytes), forecast.amount, formatBytes(memory));
}

Forecast forecastIndex(const IndexConfig &config, std::int64_t entries, std::int32_t dimension)
{
    Forecast forecast{"the index", formatCount(entries) + " vectors"};
    if (config.factory == "exact")
        return forecast;
    const auto n = static_cast<std::uint64_t>(entries);
    const auto rowBytes = 4 * static_cast<std::uint64_t>(dimension);
    const auto sample = std::min<std::uint64_t>(n, config.trainSample > 0 ? static_cast<std::uint64_t>(config.trainSample) : 1'000'000);
    forecast.diskBytes = n * (codeBytes(config.factory, dimension) + sizeof(std::int64_t));
    forecast.memoryBytes = sample * rowBytes + 2 * forecast.diskBytes; // serialised from memory
    return forecast;
}

Forecast forecastClusters(const ClusterConfig &config, std::int64_t entries, std::int32_t dimension)
{
    Forecast forecast{"the clustering", fmt::format("{} entries into {} states", formatCount(entries), formatCount(config.states))};
    const auto n = static_cast<std::uint64_t>(entries);
    const auto rowBytes = 4 * static_cast<std::uint64_t>(dimension);
    const auto sample = config.sample > 0 ? std::min(n, static_cast<std::uint64_t>(config.sample)) : n;
    forecast.diskBytes = 2 * n * sizeof(std::int32_t);
    forecast.memoryBytes = (sample + 2 * static_cast<std::uint64_t>(config.states)) * rowBytes;
    return forecast;
}

double pilot(const LanguageModel &model, const TokenStore &tokens, const WindowScheme &scheme, const ForwardRequest &request,
             std::int64_t batchTokens, JobControl &job)
{
    const auto windows = planWindows(tokens.documentOffsets(), scheme);
    const auto count = static_cast<std::int64_t>(windows.size());
    const auto perBatch = std::max<std::int64_t>(1, batchTokens / scheme.block);
    const std::int64_t batches = (count + perBatch - 1) / perBatch;
    if (batches < fewestBatchesForPilot)
        return -1;
    const auto stream = tokens.tokens();
    ForwardOutput output;
    const auto forward = [&](std::int64_t batch) {
        std::vector<WindowInput> inputs;
        for (std::int64_t w = batch * perBatch; w < std::min(count, (batch + 1) * perBatch); ++w) {
            const Window &window = windows[static_cast<std::size_t>(w)];
            inputs.push_back({stream.subspan(static_cast<std::size_t>(window.begin), static_cast<std::size_t>(window.end - window.begin)),
                              static_cast<std::int32_t>(window.firstTarget - window.begin)});
        }
        model.forward(inputs, request, output);
    };
    forward(batches / 2); // warms caches and thread pools
    const auto begin = std::chrono::steady_clock::now();
    double elapsed = 0;
    std::int64_t done = 0;
    // Spread over the whole text, because the lengths of documents differ.
    const std::int64_t sample = std::max<std::int64_t>(2, batches / 100);
    for (std::int64_t i = 0; i < sample && elapsed < longestPilot; ++i, ++done) {
        job.checkpoint();
        forward(i * batches / sample);
        elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    return elapsed / static_cast<double>(done) * static_cast<double>(batches);
}

} // namespace retoscope
