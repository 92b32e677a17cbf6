// SPDX-License-Identifier: GPL-3.0-or-later
// How long the window stands still while jobs run: a project description is run from the start in a new folder with every
// view open, and a heartbeat in the GUI thread measures its longest silence in each stage. Promised: no frame longer than
// 50 ms while any job runs. Usage: bench_jobs PROJECTFILE NEWFOLDER
#include "plot/theme.h"
#include "shell/app_settings.h"
#include "shell/main_window.h"
#include "shell/session.h"
#include "shell/view.h"
#include "shell/view_registry.h"
#include "shell/workspace.h"

#include "base/error.h"

#include <QApplication>
#include <QElapsedTimer>
#include <QTemporaryDir>
#include <QTimer>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <vector>

using namespace retoscope;

namespace {

constexpr int beatMs = 1;

struct Silences
{
    std::vector<double> all; ///< ms between beats
    void print(const std::string &stage)
    {
        std::ranges::sort(all);
        const auto at = [&](double share) { return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))]; };
        std::printf("%-28s %8zu beats   median %6.1f ms   99 %% %6.1f ms   longest %6.1f ms   over 50 ms: %td\n", stage.c_str(), all.size(), at(0.5), at(0.99), all.back(),
                    std::ranges::count_if(all, [](double ms) { return ms > 50; }));
    }
};

} // namespace

int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    if (argc != 3) {
        std::fprintf(stderr, "usage: bench_jobs PROJECTFILE NEWFOLDER\n");
        return 2;
    }
    applyTheme(application, Theme::Light);
    const std::filesystem::path description = argv[1], folder = argv[2];
    const QTemporaryDir settingsFolder;
    try {
        Project::create(folder, "bench");
        AppSettings settings(settingsFolder.filePath(QStringLiteral("settings.ini")));
        MainWindow window(settings);
        window.session().setDescription(description);
        window.openProject(folder);
        window.resize(1280, 800);
        window.QWidget::show();
        for (const auto &view : viewRegistry())
            window.workspace().showView(view.id);
        Session &session = window.session();
        std::map<std::string, Silences> silences;
        std::vector<std::string> order;
        QElapsedTimer clock;
        clock.start();
        QTimer beat;
        beat.setTimerType(Qt::PreciseTimer);
        QObject::connect(&beat, &QTimer::timeout, [&] {
            const double ms = static_cast<double>(clock.nsecsElapsed()) / 1e6;
            clock.restart();
            const JobInfo *job = session.jobs().running();
            const std::string stage = job ? job->progress.stage : "idle";
            if (!silences.contains(stage))
                order.push_back(stage);
            silences[stage].all.push_back(ms);
            if (ms > 50) { // on the clock of `perf record -k CLOCK_MONOTONIC`, which tells what the thread did
                const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
                std::printf("%.3f s: %.1f ms while %s\n", now.count(), ms, stage.c_str());
            }
        });
        beat.start(beatMs);
        QObject::connect(&session.jobs(), &JobManager::jobFinished, &application, [&](int id) {
            std::printf("%s\n", session.jobs().job(id)->message.toUtf8().constData());
            QTimer::singleShot(3000, &application, &QApplication::quit); // views settle on what was made
        });
        session.jobs().enqueue(Work{WorkKind::RunProject, {{"projectfile", description.string()}}}, folder, {session.settings()});
        QApplication::exec();
        for (const auto &stage : order)
            silences[stage].print(stage.empty() ? "starting" : stage);
        return 0;
    } catch (const Error &error) {
        std::fprintf(stderr, "bench_jobs: %s\n", error.what());
        return 1;
    }
}
