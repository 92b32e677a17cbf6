// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/forecast.h"

#include "base/error.h"
#include "base/job.h"
#include "ledger/environment.h"

#include <algorithm>
#include <chrono>
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

} // namespace

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
