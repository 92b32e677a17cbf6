// SPDX-License-Identifier: GPL-3.0-or-later
// Promised: a FoSS curve of 12 points and a 10 × 10 grid of λ and T on 25,000 × 1,024 in under 15 seconds altogether.
#include "base/job.h"
#include "synthetic_trace.h"
#include "trace/sweep.h"

#include <benchmark/benchmark.h>

using namespace retoscope;
using retoscope::bench::syntheticTrace;

namespace {

void fossCurveOf12Points(benchmark::State &state)
{
    JobControl job;
    for (auto _ : state) {
        const Replay replay(syntheticTrace().trace, syntheticTrace().clusters); // nothing cached
        benchmark::DoNotOptimize(fossCurve(replay, {}, 12, job));
    }
}
BENCHMARK(fossCurveOf12Points)->Unit(benchmark::kSecond)->UseRealTime()->Iterations(1);

void gridOf10By10(benchmark::State &state)
{
    JobControl job;
    const SweepGrid grid = SweepGrid::parse("lambda=0.05:0.95:0.1;temperature=1,2,3,5,8,10,15,20,30,50");
    for (auto _ : state) {
        const Replay replay(syntheticTrace().trace, syntheticTrace().clusters);
        benchmark::DoNotOptimize(runSweep(replay, {}, grid, job));
    }
    state.counters["points"] = double(grid.size());
}
BENCHMARK(gridOf10By10)->Unit(benchmark::kSecond)->UseRealTime()->Iterations(1);

} // namespace

BENCHMARK_MAIN();
