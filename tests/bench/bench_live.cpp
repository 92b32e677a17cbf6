// SPDX-License-Identifier: GPL-3.0-or-later
// Live evaluation: what RetoMaton saves of kNN-LM's wall-clock, with the shares of model, search and walk. 200,000 entries
// of 64 dimensions, k = max_knns = 1024, exact search, 32 documents side by side.
#include "core/support/small_world.h"
#include "trace/live.h"

#include <benchmark/benchmark.h>

using namespace retoscope;
using namespace retoscope::test;

namespace {

struct World
{
    QTemporaryDir folder;
    std::shared_ptr<const FakeLanguageModel> model = std::make_shared<FakeLanguageModel>(256, 64);
    WindowScheme windows{.block = 128, .stride = 64, .mode = WindowMode::Document};
    std::shared_ptr<const TokenStore> evalTokens = phraseText(std::vector<std::int64_t>(32, 129), 256, 2);
    std::shared_ptr<const Datastore> datastore = build();
    std::shared_ptr<const Index> index = Index::exact(datastore);
    std::shared_ptr<const Clusters> clusters = nearestOf(*datastore, 500);

private:
    std::shared_ptr<const Datastore> build()
    {
        DatastoreConfig config;
        config.windows = windows;
        JobControl job;
        const std::string path = folder.path().toStdString() + "/datastore";
        buildDatastore(path, config, *model, *phraseText(std::vector<std::int64_t>(20, 10'001), 256, 1), job);
        return Datastore::open(path);
    }
};

void live(benchmark::State &state, Method method, std::int64_t minKnns)
{
    static const World world;
    EvaluationSettings settings;
    settings.method = method;
    settings.automaton.minKnns = minKnns;
    JobControl job;
    EvaluationResult result;
    for (auto _ : state) {
        result = evaluateLive({.model = world.model, .datastore = world.datastore, .index = world.index, .clusters = world.clusters, .search = {}},
                              *world.evalTokens, world.windows, settings, 0, job);
    }
    state.counters["tokens/s"] = double(result.positions) / result.seconds;
    state.counters["foss"] = result.foss;
    state.counters["model"] = result.modelSeconds / result.seconds;
    state.counters["search"] = result.searchSeconds / result.seconds;
    state.counters["walk"] = result.walkSeconds / result.seconds;
}

BENCHMARK_CAPTURE(live, base, Method::Base, 1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(live, knn_lm, Method::KnnLm, 1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(live, retomaton_always, Method::Retomaton, AutomatonSettings::alwaysSearch)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(live, retomaton_min_100, Method::Retomaton, 100)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(live, retomaton_min_1, Method::Retomaton, 1)->Unit(benchmark::kMillisecond)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
