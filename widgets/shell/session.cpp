// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/session.h"

#include "base/error.h"
#include "shell/background.h"

#include <QThreadPool>

#include <utility>

namespace retoscope {

namespace {

constexpr int mostUndoSteps = 100;
/// How long a replay may go on after the slider has moved on: what takes less follows the hand.
constexpr int graceMs = 150;

std::shared_ptr<EvaluationResult> evaluateInBackground(const TraceSession &trace, const EvaluationSettings &settings, JobControl &control)
{
    return std::make_shared<EvaluationResult>(trace.replay().evaluate(settings, ReplayDetail{.perPosition = true}, control));
}

} // namespace

Session::Session(QObject *parent) : QObject(parent)
{
    m_undoStack.setUndoLimit(mostUndoSteps);
    const auto fail = [this](const QString &sentence) { Q_EMIT failed(sentence); };
    const auto showBusy = [this](bool) { Q_EMIT busyChanged(m_opening.isBusy() || m_replaying.isBusy()); };

    connect(&m_watcher, &ProjectWatcher::snapshotReady, this, [this](const auto &snapshot) {
        setSnapshot(snapshot);
        Q_EMIT projectChanged();
    });
    connect(&m_watcher, &ProjectWatcher::failed, this, &Session::projectUnavailable);
    connect(&m_watcher, &ProjectWatcher::recovered, this, &Session::projectAvailable);
    // A snapshot follows each job, also when the last one has all of it already: some wait for the end of the jobs.
    connect(&m_jobs, &JobManager::jobFinished, this, [this] { m_watcher.open(m_folder); });

    connect(&m_jobs, &JobManager::liveProgress, this, &Session::setLive);

    m_opening.onFailure(fail);
    m_opening.onBusy(showBusy);
    m_replaying.setGrace(graceMs);
    m_replaying.onAnswer([this](const auto &result) {
        m_evaluation = std::make_shared<const Evaluation>(Evaluation{m_nextEvaluation++, std::move(*result)});
        Q_EMIT evaluationChanged();
    });
    m_replaying.onFailure(fail);
    m_replaying.onBusy(showBusy);
    m_comparing.onAnswer([this](const auto &result) {
        m_comparison = std::make_shared<const Evaluation>(Evaluation{m_nextEvaluation++, std::move(*result)});
        Q_EMIT comparisonChanged();
    });
    m_comparing.onFailure(fail);
}

Session::~Session() = default;

void Session::openProject(const std::filesystem::path &folder)
{
    m_folder = folder;
    setSnapshot(nullptr);
    m_undoStack.clear();
    m_opening.cancel();
    setTrace(nullptr);
    Q_EMIT projectChanged();
    m_watcher.open(folder);
}

void Session::setSnapshot(std::shared_ptr<const ProjectSnapshot> snapshot)
{
    // To free ten thousand runs takes longer than a frame: the old ones are let go on a worker.
    backgroundPool().start([last = std::exchange(m_snapshot, std::move(snapshot))] {});
}

void Session::refreshProject()
{
    m_watcher.refresh();
}

void Session::setDescription(const std::filesystem::path &projectFile)
{
    if (projectFile == m_description)
        return;
    m_description = projectFile;
    Q_EMIT descriptionChanged();
}

void Session::openTrace(const QString &name, const QString &clusters, const std::optional<EvaluationSettings> &settings)
{
    m_opening.onAnswer([this, clusters, settings](const auto &trace) {
        m_clusters = clusters;
        if (settings)
            m_settings = *settings;
        setTrace(trace);
        if (settings)
            Q_EMIT settingsChanged();
    });
    m_opening.ask([folder = m_folder, name = name.toStdString(), clusters = clusters.toStdString()](JobControl &) {
        return TraceSession::open(Project::open(folder, Ledger::Mode::ReadOnly), name, clusters);
    });
}

void Session::setTrace(std::shared_ptr<const TraceSession> trace)
{
    m_replaying.cancel();
    m_comparing.cancel();
    m_trace = std::move(trace);
    m_evaluation.reset();
    m_comparison.reset();
    m_selection.setCount(m_trace ? m_trace->positions() : 0);
    if (m_trace) {
        m_settings.k = std::min(m_settings.k, m_trace->trace().arrays().kMax);
        m_settings.useClusters = m_trace->hasClusters();
    }
    Q_EMIT traceChanged();
    Q_EMIT evaluationChanged();
    Q_EMIT comparisonChanged();
    replay();
}

void Session::setSettings(const EvaluationSettings &settings)
{
    if (settings == m_settings)
        return;
    m_settings = settings;
    Q_EMIT settingsChanged();
    replay();
}

void Session::replay()
{
    if (!m_trace)
        return;
    m_replaying.ask([trace = m_trace, settings = m_settings](JobControl &control) { return evaluateInBackground(*trace, settings, control); });
}

void Session::pinForComparison()
{
    m_comparing.cancel();
    m_comparison = m_evaluation;
    Q_EMIT comparisonChanged();
}

void Session::compareWith(const EvaluationSettings &settings)
{
    if (!m_trace)
        return;
    m_comparing.ask([trace = m_trace, settings](JobControl &control) { return evaluateInBackground(*trace, settings, control); });
}

void Session::setLive(std::shared_ptr<const LiveProgress> live)
{
    if (m_live == live)
        return;
    m_live = std::move(live);
    Q_EMIT liveChanged();
}

void Session::clearComparison()
{
    m_comparing.cancel();
    m_comparison.reset();
    Q_EMIT comparisonChanged();
}

} // namespace retoscope
