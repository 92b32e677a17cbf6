// SPDX-License-Identifier: GPL-3.0-or-later
// How much of the bare forward pass's rate (up to the tap) is left when its keys are converted and written to disk, and
// the distance kernel over scattered rows.
//
//   bench_datastore MODEL [--tokens=200000] [--vocabulary=0]
#include "base/job.h"
#include "base/threads.h"
#include "datastore/datastore_builder.h"
#include "datastore/distance.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <string>

using namespace retoscope;

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin)
{
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// 1,024 rows of dimension 256 scattered over 256 MB of fp16 keys: what one step of the automaton measures.
void measureKernel()
{
    constexpr std::int64_t n = 500'000;
    constexpr std::int32_t dimension = 256, rows = 1024;
    std::vector<std::uint16_t> keys(std::size_t(n * dimension), 0x3c00);
    const KeyView view{keys.data(), KeyType::Float16, n, dimension};
    const std::vector<float> query(dimension, 0.5f);
    std::mt19937 random(1);
    std::vector<std::int32_t> ids(rows);
    std::vector<float> out(rows);
    double best = 1e30;
    for (int repetition = 0; repetition < 200; ++repetition) {
        for (auto &id : ids)
            id = std::int32_t(random() % n);
        const auto begin = Clock::now();
        squaredDistances(view, query.data(), ids, out.data());
        best = std::min(best, since(begin));
    }
    fmt::print("squaredDistances of {} scattered fp16 keys of dimension {}: {:.1f} us\n", rows, dimension, 1e6 * best);
}

} // namespace

int main(int argc, char **argv)
{
    measureKernel();
    if (argc < 2)
        return 0;
    const auto model = LanguageModel::load(argv[1]);
    const std::int64_t count = argc > 2 ? std::stoll(std::string(argv[2]).substr(std::string("--tokens=").size())) : 200'000;
    std::mt19937 random(1);
    std::vector<std::int32_t> stream(static_cast<std::size_t>(count));
    for (auto &token : stream)
        token = std::int32_t(random() % std::uint32_t(model->config().vocabularySize));
    const auto tokens = TokenStore::fromTokens(stream, {0, count});
    DatastoreConfig config;
    config.windows.block = std::min(512, model->config().contextLength);
    config.windows.stride = config.windows.block / 2;

    const auto windows = planWindows(tokens->documentOffsets(), config.windows);
    ForwardRequest request;
    request.tap = config.tap;
    ForwardOutput output;
    std::vector<WindowInput> batch;
    double bare = 1e30, built = 1e30;
    const auto folder = std::filesystem::temp_directory_path() / fmt::format("bench-datastore-{}", Clock::now().time_since_epoch().count());
    for (int repetition = 0; repetition < 3; ++repetition) { // taking turns, so that both see the same load
        auto begin = Clock::now();
        for (std::size_t w = 0; w < windows.size();) {
            batch.clear();
            const std::int64_t length = windows[w].end - windows[w].begin;
            while (w < windows.size() && windows[w].end - windows[w].begin == length && std::int64_t(batch.size() + 1) * length <= config.batchTokens) {
                const auto input = tokens->tokens().subspan(std::size_t(windows[w].begin), std::size_t(length));
                batch.push_back({input, std::int32_t(windows[w].firstTarget - windows[w].begin)});
                ++w;
            }
            model->forward(batch, request, output);
        }
        bare = std::min(bare, since(begin));
        begin = Clock::now();
        JobControl job;
        buildDatastore(folder, config, *model, *tokens, job);
        built = std::min(built, since(begin));
        std::filesystem::remove_all(folder);
    }
    fmt::print("bare forward pass {:9.0f} entries/s\ndatastore build   {:9.0f} entries/s\nratio {:.3f} (wanted: at least 0.8)\n", double(count) / bare,
               double(count) / built, bare / built);
    return bare / built >= 0.8 ? 0 : 1;
}
