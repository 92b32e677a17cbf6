// SPDX-License-Identifier: GPL-3.0-or-later
// From a slider's step to the readouts, through the real view and its threads, on 25,000 positions × 1,024 neighbours.
// Promised: λ to all readouts in 50 ms; T or k in 200 ms; min_knns to a replay of RetoMaton in 1 s; the GUI thread is never
// blocked for more than 50 ms meanwhile.
#include "shell/session.h"
#include "sweep/readouts.h"
#include "sweep/sweep_view.h"
#include "synthetic_trace.h"

#include <QApplication>
#include <QCheckBox>
#include <QElapsedTimer>

#include <benchmark/benchmark.h>

#include <algorithm>

using namespace retoscope;
using retoscope::bench::syntheticTrace;

namespace {

struct Window
{
    Session session;
    SweepView view{session};
    double longestBlocking = 0; ///< milliseconds in one round of the event loop

    Window()
    {
        const auto replay = std::make_shared<Replay>(syntheticTrace().trace, syntheticTrace().clusters);
        session.setTrace(TraceSession::fromParts(replay, nullptr, nullptr, "synthetic"));
        for (QCheckBox *automatic : view.findChildren<QCheckBox *>(QStringLiteral("automatic")))
            automatic->setChecked(false); // the plots are measured by bench_sweep
        view.resize(1200, 800);
        view.show();
        wait([this] { return view.isSettled(); });
        longestBlocking = 0;
    }

    template<typename Condition>
    void wait(Condition condition)
    {
        while (!condition()) {
            QElapsedTimer timer;
            timer.start();
            QCoreApplication::processEvents();
            longestBlocking = std::max(longestBlocking, double(timer.nsecsElapsed()) / 1e6);
            if (!condition())
                QThread::usleep(200);
        }
    }
    void waitForSession()
    {
        wait([this] { return session.evaluation() && session.evaluation()->result.settings == session.settings(); });
    }
    void waitForAll()
    {
        wait([this] { return view.isSettled(); });
    }
};

Window &window()
{
    static Window *const instance = new Window; // must not outlive the application: it is never destroyed
    return *instance;
}

enum Parameter { Lambda, Temperature, K, MinKnns, MaxKnns };

void change(EvaluationSettings &settings, Parameter parameter)
{
    static int step = 0;
    ++step; // a value that no cache has seen
    switch (parameter) {
    case Lambda: settings.lambda = 0.1 + 0.001 * (step % 800); break;
    case Temperature: settings.temperature = 10 + 1e-3 * step; break;
    case K: settings.k = 1024 - step % 500; break;
    case MinKnns: settings.automaton.minKnns = 1 + step % 1000; break;
    case MaxKnns: settings.automaton.maxKnns = 1024 - step % 500; break;
    }
}

/// Arguments: parameter, method, whether all readouts are waited for or only the method's.
void slider(benchmark::State &state)
{
    EvaluationSettings settings;
    settings.method = Method(state.range(1));
    window().session.setSettings(settings);
    window().waitForAll();
    window().longestBlocking = 0;
    for (auto _ : state) {
        change(settings, Parameter(state.range(0)));
        window().session.setSettings(settings);
        if (state.range(2) != 0)
            window().waitForAll();
        else
            window().waitForSession();
    }
    state.counters["longest_blocking_ms"] = window().longestBlocking;
}
BENCHMARK(slider)
    ->ArgNames({"parameter", "method", "all"})
    ->Args({Lambda, int(Method::KnnLm), 1})
    ->Args({Lambda, int(Method::Retomaton), 1})
    ->Args({Temperature, int(Method::KnnLm), 0})
    ->Args({K, int(Method::KnnLm), 0})
    ->Args({Temperature, int(Method::Retomaton), 0})
    ->Args({MinKnns, int(Method::Retomaton), 0})
    ->Args({MaxKnns, int(Method::Retomaton), 0})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// A slider dragged at 100 events a second for two seconds: how many answers were shown meanwhile, and how long after the
/// last event the last one came.
void drag(benchmark::State &state)
{
    EvaluationSettings settings;
    settings.method = Method(state.range(1));
    int shown = 0;
    const auto counting = QObject::connect(&window().session, &Session::evaluationChanged, [&] { ++shown; });
    double behind = 0;
    for (auto _ : state) {
        for (int event = 0; event < 200; ++event) {
            change(settings, Parameter(state.range(0)));
            window().session.setSettings(settings);
            QElapsedTimer timer;
            timer.start();
            window().wait([&] { return timer.elapsed() >= 10; });
        }
        QElapsedTimer timer;
        timer.start();
        window().waitForSession();
        behind = double(timer.elapsed());
    }
    QObject::disconnect(counting);
    state.counters["answers"] = benchmark::Counter(shown, benchmark::Counter::kAvgIterations);
    state.counters["last_after_ms"] = behind;
}
BENCHMARK(drag)
    ->ArgNames({"parameter", "method"})
    ->Args({Lambda, int(Method::KnnLm)})
    ->Args({Temperature, int(Method::KnnLm)})
    ->Args({MinKnns, int(Method::Retomaton)})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->UseRealTime();

} // namespace

int main(int argc, char **argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication application(argc, argv);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    std::_Exit(0); // the window is not torn down after the application
}
