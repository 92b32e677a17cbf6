// SPDX-License-Identifier: GPL-3.0-or-later
// Replay of 25,000 positions × 1,024 neighbours. Promised: λ in 5 ms; T or k in 200 ms; RetoMaton with max_knns 1024 at
// 10,000 positions a second a core, and another min_knns or max_knns in 1 s.
#include "base/job.h"
#include "synthetic_trace.h"

#include <benchmark/benchmark.h>

using namespace retoscope;
using retoscope::bench::syntheticTrace;

namespace {

const Replay &replay()
{
    static const Replay instance(syntheticTrace().trace, syntheticTrace().clusters);
    return instance;
}

/// A temperature that no cache has seen.
double freshTemperature()
{
    static int asked = 0;
    return 10 + 1e-6 * ++asked;
}

void lambda(benchmark::State &state)
{
    JobControl job;
    EvaluationSettings settings;
    double value = 0.1;
    benchmark::DoNotOptimize(replay().evaluate(settings, {}, job));
    for (auto _ : state) {
        settings.lambda = value = value < 0.9 ? value + 0.001 : 0.1;
        benchmark::DoNotOptimize(replay().evaluate(settings, {}, job));
    }
}
BENCHMARK(lambda)->Unit(benchmark::kMillisecond);

void temperature(benchmark::State &state)
{
    JobControl job;
    EvaluationSettings settings;
    benchmark::DoNotOptimize(replay().evaluate(settings, {}, job));
    for (auto _ : state) {
        settings.temperature = freshTemperature();
        benchmark::DoNotOptimize(replay().evaluate(settings, {}, job));
    }
}
BENCHMARK(temperature)->Unit(benchmark::kMillisecond)->UseRealTime();

void neighbours(benchmark::State &state)
{
    JobControl job;
    EvaluationSettings settings;
    benchmark::DoNotOptimize(replay().evaluate(settings, {}, job));
    for (auto _ : state) {
        settings.temperature = freshTemperature();
        settings.k = settings.k > 512 ? settings.k - 1 : 1024;
        benchmark::DoNotOptimize(replay().evaluate(settings, {}, job));
    }
}
BENCHMARK(neighbours)->Unit(benchmark::kMillisecond)->UseRealTime();

/// A whole walk. Arguments: threads (0: all), min_knns (0: ∞), clusters.
void retomaton(benchmark::State &state)
{
    static const Replay forgetful(syntheticTrace().trace, syntheticTrace().clusters, {}, 0); // so that a new T is a new walk
    const int threads = threadCount();
    if (state.range(0) > 0)
        setThreadCount(int(state.range(0)));
    JobControl job;
    EvaluationSettings settings;
    settings.method = Method::Retomaton;
    settings.automaton.minKnns = state.range(1) > 0 ? state.range(1) : AutomatonSettings::alwaysSearch;
    settings.useClusters = state.range(2) != 0;
    benchmark::DoNotOptimize(forgetful.evaluate(settings, {}, job));
    double foss = 0, candidates = 0;
    for (auto _ : state) {
        settings.temperature = freshTemperature();
        const EvaluationResult result = forgetful.evaluate(settings, {.perPosition = true}, job);
        foss = result.foss;
        candidates = std::accumulate(result.candidates.begin(), result.candidates.end(), 0.0) / double(result.positions);
    }
    setThreadCount(threads);
    state.SetItemsProcessed(std::int64_t(state.iterations()) * bench::SyntheticTrace::positions);
    state.counters["foss"] = foss;
    state.counters["candidates"] = candidates;
}
BENCHMARK(retomaton)
    ->ArgNames({"threads", "min_knns", "clusters"})
    ->Args({1, 1, 1})
    ->Args({1, 100, 1})
    ->Args({1, 0, 1})
    ->Args({1, 1, 0})
    ->Args({0, 1, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// Another value after a walk. Arguments: parameter, min_knns.
enum Parameter { Temperature, MinKnns, MaxKnns };
void retomatonSlider(benchmark::State &state)
{
    JobControl job;
    EvaluationSettings settings;
    settings.method = Method::Retomaton;
    settings.automaton.minKnns = state.range(1);
    const Replay fresh(syntheticTrace().trace, syntheticTrace().clusters);
    benchmark::DoNotOptimize(fresh.evaluate(settings, {}, job));
    for (auto _ : state) {
        switch (Parameter(state.range(0))) {
        case Temperature: settings.temperature = freshTemperature(); break;
        case MinKnns: ++settings.automaton.minKnns; break;
        case MaxKnns: --settings.automaton.maxKnns; break;
        }
        benchmark::DoNotOptimize(fresh.evaluate(settings, {.perPosition = true}, job));
    }
}
BENCHMARK(retomatonSlider)
    ->ArgNames({"parameter", "min_knns"})
    ->ArgsProduct({{Temperature, MinKnns, MaxKnns}, {1, 100}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

} // namespace

BENCHMARK_MAIN();
