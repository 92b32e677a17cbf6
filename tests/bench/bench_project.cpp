// SPDX-License-Identifier: GPL-3.0-or-later
// Response times of the window on a project as it lies: opening it, each slider, clicks and hovers, through the real session,
// views and threads. Usage: bench_project PROJECT TRACE. Prints milliseconds: fastest, median and slowest of the attempts.
#include "explore/inspector.h"
#include "plot/theme.h"
#include "shell/app_settings.h"
#include "shell/main_window.h"
#include "shell/session.h"
#include "shell/view.h"
#include "shell/workspace.h"

#include "base/error.h"

#include <QApplication>
#include <QElapsedTimer>
#include <QTemporaryDir>
#include <QThread>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

using namespace retoscope;

namespace {

constexpr int attempts = 12;

double millisecondsOf(const std::function<void()> &work)
{
    QElapsedTimer timer;
    timer.start();
    work();
    return static_cast<double>(timer.nsecsElapsed()) / 1e6;
}

class Bench
{
public:
    Bench(MainWindow &window) : m_session(window.session()) {}

    void open(const std::filesystem::path &folder, MainWindow &window, const QString &trace)
    {
        print("project read", {millisecondsOf([&] {
                  window.openProject(folder);
                  wait([&] { return m_session.project() != nullptr; });
              })});
        wait([&] { return m_session.evaluation() != nullptr; }); // of the trace that the window opens by itself
        std::vector<double> shown, evaluated;
        for (int attempt = 0; attempt < attempts; ++attempt) {
            m_session.setTrace(nullptr);
            QElapsedTimer timer;
            timer.start();
            m_session.openTrace(trace);
            wait([&] { return m_session.trace() != nullptr; });
            shown.push_back(static_cast<double>(timer.nsecsElapsed()) / 1e6);
            wait([&] { return m_session.evaluation() != nullptr; });
            evaluated.push_back(static_cast<double>(timer.nsecsElapsed()) / 1e6);
        }
        print("trace open", std::move(shown));
        print("… and evaluated", std::move(evaluated));
    }

    /// `change` gets a counter, so that no setting comes twice.
    void slider(const char *name, const EvaluationSettings &start, const std::function<void(EvaluationSettings &, int)> &change)
    {
        EvaluationSettings settings = start;
        evaluate(settings);
        m_longest = 0;
        std::vector<double> times;
        for (int step = 1; step <= attempts; ++step) {
            change(settings, step);
            times.push_back(millisecondsOf([&] { evaluate(settings); }));
        }
        print(name, std::move(times));
    }

    void clicks(const char *name, const EvaluationSettings &settings)
    {
        evaluate(settings);
        Inspector &inspector = Inspector::of(m_session);
        std::vector<double> times;
        for (int step = 0; step < attempts; ++step) {
            const Position late(m_session.trace()->positions() - 1 - 37 * step);
            times.push_back(millisecondsOf([&] {
                m_session.selection().lock(late);
                wait([&] { return inspector.inspection() && inspector.inspection()->now.position == late && inspector.inspection()->settings == settings; });
            }));
        }
        print(name, std::move(times));
    }

    void hovers()
    {
        std::vector<double> times;
        for (int step = 0; step < attempts; ++step)
            times.push_back(millisecondsOf([&] {
                m_session.selection().hover(Position(100 + step));
                QCoreApplication::processEvents();
            }));
        m_session.selection().hover(Position());
        print("hover, all views open", std::move(times));
    }

private:
    template<typename Condition>
    void wait(const Condition &done)
    {
        while (!done()) {
            m_longest = std::max(m_longest, millisecondsOf([] { QCoreApplication::processEvents(); }));
            if (!done())
                QThread::usleep(200);
        }
    }

    void evaluate(const EvaluationSettings &settings)
    {
        m_session.setSettings(settings);
        wait([&] { return m_session.evaluation() && m_session.evaluation()->result.settings == settings; });
    }

    void print(const char *name, std::vector<double> times)
    {
        std::ranges::sort(times);
        std::printf("%-34s %8.1f %8.1f %8.1f ms   longest event round %6.1f ms\n", name, times.front(), times[times.size() / 2], times.back(), m_longest);
        std::fflush(stdout);
        m_longest = 0;
    }

    Session &m_session;
    double m_longest = 0; ///< milliseconds of one round of the event loop
};

} // namespace

int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    if (argc != 3) {
        std::fprintf(stderr, "usage: bench_project PROJECT TRACE\n");
        return 2;
    }
    applyTheme(application, Theme::Light);
    const QTemporaryDir settingsFolder;
    AppSettings settings(settingsFolder.filePath(QStringLiteral("settings.ini")));
    MainWindow window(settings);
    window.resize(1280, 800);
    window.QWidget::show();
    Bench bench(window);
    bench.open(argv[1], window, QString::fromLocal8Bit(argv[2]));
    EvaluationSettings knnLm = window.session().settings(), retomaton = knnLm;
    knnLm.method = Method::KnnLm;
    retomaton.method = Method::Retomaton;
    knnLm.temperature = retomaton.temperature = 10;
    bench.slider("kNN-LM, lambda", knnLm, [](auto &s, int i) { s.lambda = 0.2 + 0.01 * i; });
    bench.slider("kNN-LM, T", knnLm, [](auto &s, int i) { s.temperature = 10 + 0.1 * i; });
    bench.slider("kNN-LM, k", knnLm, [](auto &s, int i) { s.k -= i; });
    for (const std::int64_t minKnns : {4, 50, 1000}) {
        retomaton.automaton.minKnns = minKnns;
        const std::string name = "RetoMaton, min_knns " + std::to_string(minKnns);
        bench.slider((name + ", lambda").c_str(), retomaton, [](auto &s, int i) { s.lambda = 0.2 + 0.01 * i; });
        bench.slider((name + ", T").c_str(), retomaton, [](auto &s, int i) { s.temperature = 10 + 0.1 * i; });
        bench.slider((name + ", min_knns + 1").c_str(), retomaton, [](auto &s, int) { ++s.automaton.minKnns; });
        bench.slider((name + ", min_knns × 1.2").c_str(), retomaton, [](auto &s, int) { s.automaton.minKnns += 1 + s.automaton.minKnns / 5; });
        bench.slider((name + ", max_knns").c_str(), retomaton, [](auto &s, int i) { s.automaton.maxKnns -= 5 * i; });
        bench.slider((name + ", k").c_str(), retomaton, [](auto &s, int i) { s.k -= i; });
        bench.clicks((name + ", late token").c_str(), retomaton);
    }
    bench.hovers();
    std::fflush(stdout);
    std::_Exit(0); // threads of the window may still answer questions that nobody waits for
}
