// SPDX-License-Identifier: GPL-3.0-or-later
// What the automaton, the map and the runs table cost the GUI thread. Promised: no frame longer than 50 ms; 10,000 runs and
// thousands of pointers stay smooth. What is measured in the GUI thread says so; the rest runs on workers.
#include "automaton/automaton_canvas.h"
#include "base/job.h"
#include "map/map_canvas.h"
#include "runs/runs_model.h"
#include "synthetic_trace.h"

#include <QApplication>

#include <benchmark/benchmark.h>

#include <random>

using namespace retoscope;
using retoscope::bench::syntheticTrace;

namespace {

EvaluationSettings retomaton(bool clusters)
{
    EvaluationSettings settings;
    settings.method = Method::Retomaton;
    settings.useClusters = clusters;
    return settings;
}

const std::shared_ptr<const TraceSession> &session()
{
    static const auto trace = TraceSession::fromParts(std::make_shared<const Replay>(syntheticTrace().trace, syntheticTrace().clusters), nullptr, nullptr, "synthetic");
    return trace;
}

std::shared_ptr<const AutomatonScene> sceneOf(bool clusters)
{
    JobControl job;
    return std::make_shared<const AutomatonScene>(makeAutomatonScene(*session(), Position(500), 15, retomaton(clusters), job));
}

/// Worker: 15 steps in the middle of a document of 1,000 positions.
void automatonExtraction(benchmark::State &state)
{
    session();
    for (auto _ : state) {
        const auto scene = sceneOf(state.range(0) != 0);
        state.counters["states"] = double(scene->window.nodes.size());
        state.counters["pointers"] = double(scene->window.edges.size());
        benchmark::DoNotOptimize(scene);
    }
}
BENCHMARK(automatonExtraction)->ArgName("clusters")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

/// GUI thread: a new threshold, laid out and painted.
void automatonThreshold(benchmark::State &state)
{
    AutomatonCanvas canvas;
    canvas.resize(1400, 700);
    canvas.setScene(sceneOf(state.range(0) != 0));
    QPixmap target(canvas.size());
    double threshold = 0;
    for (auto _ : state) {
        canvas.setThreshold(threshold = threshold == 0 ? 1e-9 : 0);
        canvas.render(&target);
    }
    state.counters["drawn"] = double(canvas.layoutOfStates().edges.size());
}
BENCHMARK(automatonThreshold)->ArgName("clusters")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

/// GUI thread: the primary token moves inside the window.
void automatonStepping(benchmark::State &state)
{
    AutomatonCanvas canvas;
    canvas.resize(1400, 700);
    canvas.setScene(sceneOf(true));
    QPixmap target(canvas.size());
    std::int64_t at = 500;
    for (auto _ : state) {
        canvas.setPrimary(Position(at = at == 510 ? 500 : at + 1));
        canvas.render(&target);
    }
}
BENCHMARK(automatonStepping)->Unit(benchmark::kMillisecond)->UseRealTime();

/// GUI thread: a frame of the map while it is being zoomed.
void mapFrame(benchmark::State &state)
{
    auto projection = std::make_shared<KeyProjection>();
    auto scene = std::make_shared<MapScene>();
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (std::int32_t i = 0; i < state.range(0); ++i) {
        projection->entries.push_back(i);
        projection->points.push_back({normal(random), normal(random)});
        scene->ids.push_back(i % 9);
        scene->categoryOf.push_back(static_cast<std::uint8_t>(std::min(i % 9, 6)));
    }
    scene->categories.resize(7);
    scene->projection = projection;
    MapCanvas canvas;
    canvas.resize(900, 700);
    canvas.setScene(scene);
    QPixmap target(canvas.size());
    for (auto _ : state) {
        canvas.zoom(1.0001);
        canvas.render(&target);
    }
}
BENCHMARK(mapFrame)->ArgName("points")->Arg(20'000)->Arg(50'000)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Newest first, as the ledger gives them.
std::shared_ptr<const std::vector<RunRow>> manyRuns(std::int64_t count, std::int64_t newest)
{
    auto runs = std::make_shared<std::vector<RunRow>>();
    for (std::int64_t id = newest; id > newest - count; --id) {
        RunRow run;
        run.id = id;
        run.name = "a sweep";
        run.status = RunStatus::Done;
        run.method = "retomaton";
        run.config = EvaluationSettings{};
        run.config["artefacts"] = {{"trace", {{"id", 1}, {"name", "test"}}}, {"model", {{"name", "tiny"}}}};
        run.metrics = Json{{"perplexity", 10 + double(id * 7919 % 10'007) / 100}, {"foss", 0.5}, {"searches", 12'345}};
        run.environment = Json{{"threads", 2}};
        runs->push_back(std::move(run));
    }
    return runs;
}

constexpr std::int64_t runCount = 10'000;

/// Worker: the cells of a snapshot of which one run is new.
void runItems(benchmark::State &state)
{
    const auto before = manyRuns(runCount, runCount), after = manyRuns(runCount + 1, runCount + 1);
    const RunItems known = makeRunItems(*before, before, {});
    for (auto _ : state)
        benchmark::DoNotOptimize(makeRunItems(*after, after, known));
}
BENCHMARK(runItems)->Unit(benchmark::kMillisecond)->UseRealTime();

/// GUI thread: that snapshot into the sorted table.
void runsUpdate(benchmark::State &state)
{
    const auto before = manyRuns(runCount, runCount), after = manyRuns(runCount + 1, runCount + 1);
    const RunItems few = makeRunItems(*before, before, {}), more = makeRunItems(*after, after, few);
    RunsModel model;
    RunsOrder order(&model);
    order.sort(RunsModel::Perplexity, Qt::AscendingOrder);
    model.update(few);
    bool grow = true;
    for (auto _ : state) {
        model.update(grow ? more : few);
        grow = !grow;
    }
}
BENCHMARK(runsUpdate)->Unit(benchmark::kMillisecond)->UseRealTime();

/// GUI thread: a click on another header.
void runsSort(benchmark::State &state)
{
    const auto runs = manyRuns(runCount, runCount);
    RunsModel model;
    RunsOrder order(&model);
    model.update(makeRunItems(*runs, runs, {}));
    bool perplexity = true;
    for (auto _ : state) {
        order.sort(perplexity ? RunsModel::Perplexity : RunsModel::Name, Qt::AscendingOrder);
        perplexity = !perplexity;
    }
}
BENCHMARK(runsSort)->Unit(benchmark::kMillisecond)->UseRealTime();

} // namespace

int main(int argc, char **argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen");
    const QApplication application(argc, argv);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
