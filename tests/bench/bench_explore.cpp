// SPDX-License-Identifier: GPL-3.0-or-later
// Response times of the views at 25,000 positions × 1,024 neighbours. Promised: a hover in 50 ms; from the click on a token
// to the filled neighbour table in 100 ms; no frame of the window longer than 50 ms.
#include "explore/neighbours_view.h"
#include "explore/perplexity_view.h"
#include "explore/text_view.h"
#include "plot/custom_plot.h"
#include "plot/theme.h"
#include "synthetic_trace.h"

#include <QApplication>
#include <QTreeView>
#include <QtTest>

#include <benchmark/benchmark.h>

using namespace retoscope;
using retoscope::bench::SyntheticTrace;
using retoscope::bench::syntheticTrace;

namespace {

std::shared_ptr<const TraceSession> openSession()
{
    static const auto session = TraceSession::fromParts(std::make_shared<Replay>(syntheticTrace().trace, syntheticTrace().clusters), nullptr, nullptr, "synthetic");
    return session;
}

void waitFor(const std::function<bool()> &done)
{
    while (!done())
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents, 1);
}

/// A position that was not asked for before.
Position freshPosition()
{
    static std::int64_t last = 0;
    return Position(last = (last + 7919) % SyntheticTrace::positions);
}

void layOutTheText(benchmark::State &state)
{
    TokenCells cells;
    cells.setStream(tokenStreamOf(openSession()));
    TokenLayout layout;
    for (auto _ : state) {
        layout.reset(&cells, QApplication::font(), 700);
        layout.advance(-1);
    }
}
BENCHMARK(layOutTheText)->Unit(benchmark::kMillisecond);

/// A slider moved: other values, painted.
void recolourTheText(benchmark::State &state)
{
    Session session;
    session.setTrace(openSession());
    TextView view(session);
    view.resize(900, 700);
    view.show();
    waitFor([&] { return session.evaluation() && view.isSettled(); });
    auto *area = view.findChild<TokenTextArea *>();
    const Measure &measure = measureById("gain");
    const auto values = std::make_shared<const std::vector<float>>(measure.compute(openSession()->trace().arrays(), session.evaluation()->result));
    for (auto _ : state) {
        area->setValues(values, ColourScale(measure, area->palette()));
        benchmark::DoNotOptimize(area->viewport()->grab());
    }
}
BENCHMARK(recolourTheText)->Unit(benchmark::kMillisecond);

void scrollTheText(benchmark::State &state)
{
    Session session;
    session.setTrace(openSession());
    TextView view(session);
    view.resize(900, 700);
    view.show();
    waitFor([&] { return session.evaluation() && view.isSettled(); });
    auto *area = view.findChild<TokenTextArea *>();
    for (auto _ : state) {
        area->showAtTop(freshPosition());
        benchmark::DoNotOptimize(area->viewport()->grab());
    }
}
BENCHMARK(scrollTheText)->Unit(benchmark::kMillisecond);

/// From the click to the rows with their contexts, on the screen.
void openAToken(benchmark::State &state)
{
    Session session;
    EvaluationSettings settings;
    settings.method = state.range(0) ? Method::Retomaton : Method::KnnLm;
    settings.temperature = 10;
    session.setSettings(settings);
    session.setTrace(openSession());
    NeighboursView view(session);
    view.resize(900, 700);
    view.show();
    waitFor([&] { return session.evaluation() && view.isSettled(); });
    Inspector &inspector = Inspector::of(session);
    auto *table = view.findChild<QTreeView *>();
    for (auto _ : state) {
        const Position position = freshPosition();
        session.selection().lock(position);
        waitFor([&] { return inspector.inspection() && inspector.inspection()->now.position == position; });
        benchmark::DoNotOptimize(table->viewport()->grab());
        waitFor([&] { return view.isSettled(); });
        benchmark::DoNotOptimize(table->viewport()->grab());
    }
    state.SetLabel(state.range(0) ? "RetoMaton" : "kNN-LM");
}
BENCHMARK(openAToken)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

/// The same near the end of a document of 25,000 tokens, which RetoMaton walks from its beginning.
void openALateToken(benchmark::State &state)
{
    static const SyntheticTrace oneDocument(SyntheticTrace::positions);
    Session session;
    EvaluationSettings settings;
    settings.method = Method::Retomaton;
    settings.temperature = 10;
    session.setSettings(settings);
    session.setTrace(TraceSession::fromParts(std::make_shared<Replay>(oneDocument.trace, oneDocument.clusters), nullptr, nullptr, "one document"));
    NeighboursView view(session);
    view.resize(900, 700);
    view.show();
    waitFor([&] { return session.evaluation() && view.isSettled(); });
    Inspector &inspector = Inspector::of(session);
    std::int64_t at = SyntheticTrace::positions;
    for (auto _ : state) {
        const Position position(at -= 37);
        session.selection().lock(position);
        waitFor([&] { return inspector.inspection() && inspector.inspection()->now.position == position && view.isSettled(); });
        benchmark::DoNotOptimize(view.grab());
    }
}
BENCHMARK(openALateToken)->Unit(benchmark::kMillisecond)->Iterations(20)->UseRealTime();

/// The cursor over the perplexity line: its layer only.
void moveTheCursor(benchmark::State &state)
{
    Session session;
    session.setTrace(openSession());
    PerplexityView view(session);
    view.resize(1200, 220);
    view.show();
    waitFor([&] { return session.evaluation() && view.isSettled(); });
    for (auto _ : state)
        session.selection().hover(freshPosition());
}
BENCHMARK(moveTheCursor)->Unit(benchmark::kMillisecond);

void redrawTheLine(benchmark::State &state)
{
    Session session;
    session.setTrace(openSession());
    PerplexityView view(session);
    view.resize(1200, 220);
    view.show();
    waitFor([&] { return session.evaluation() && view.isSettled(); });
    for (auto _ : state)
        view.plot()->replot(QCustomPlot::rpImmediateRefresh);
}
BENCHMARK(redrawTheLine)->Unit(benchmark::kMillisecond);

} // namespace

int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    applyTheme(application, Theme::Light);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
