// SPDX-License-Identifier: GPL-3.0-or-later
#include "jobs/job_manager.h"

#include "base/error.h"
#include "shell/background.h"

#include <QFutureWatcher>
#include <QThreadPool>
#include <QTime>
#include <QtConcurrent>

#include <algorithm>
#include <map>
#include <utility>

namespace retoscope {

namespace {

constexpr qsizetype longestLog = 2000; // lines kept per job

/// How a body ended, as a value: no exception may leave a QtConcurrent body.
struct Outcome
{
    JobInfo::State state = JobInfo::State::Done;
    JobResult result;
};

Outcome runBody(const JobManager::Body &body, const std::filesystem::path &folder, JobControl &control)
{
    try {
        Project project = Project::open(folder);
        return {JobInfo::State::Done, body(project, control)};
    } catch (const Cancelled &error) {
        return {JobInfo::State::Cancelled, JobResult(QString::fromUtf8(error.what()))};
    } catch (const std::exception &error) {
        return {JobInfo::State::Failed, JobResult(QString::fromUtf8(error.what()))};
    }
}

QString timeStamped(const QString &line)
{
    return QTime::currentTime().toString(QStringLiteral("HH:mm:ss")) + QStringLiteral("  ") + line;
}

void appendLine(JobInfo &info, const QString &line)
{
    info.log.append(timeStamped(line));
    if (info.log.size() > longestLog)
        info.log.removeFirst();
}

} // namespace

struct JobManager::Private
{
    struct Entry
    {
        std::filesystem::path project;
        Body body;
        WorkOptions options;
        RateEstimator rate;
    };

    std::vector<JobInfo> infos;
    std::map<int, Entry> entries;
    int nextId = 1;
    int runningId = 0; ///< 0: none
    std::shared_ptr<JobControl> control; ///< of the running job
    QThreadPool pool;
    QFutureWatcher<Outcome> watcher;

    JobInfo *find(int id)
    {
        const auto found = std::ranges::find(infos, id, &JobInfo::id);
        return found == infos.end() ? nullptr : &*found;
    }
    auto firstQueued() { return std::ranges::find(infos, JobInfo::State::Queued, &JobInfo::state); }
};

JobManager::JobManager(QObject *parent) : QObject(parent), m_private(std::make_unique<Private>())
{
    m_private->pool.setMaxThreadCount(1);
    connect(&m_private->watcher, &QFutureWatcherBase::finished, this, &JobManager::finish);
}

void JobManager::finish()
{
    const int id = std::exchange(m_private->runningId, 0);
    const Outcome outcome = m_private->watcher.result();
    if (JobInfo *info = m_private->find(id)) {
        info->state = outcome.state;
        info->message = outcome.result.message;
        info->outcome = outcome.result.outcome;
        info->remainingSeconds = -1;
        info->endedMs = nowMs();
        if (!info->message.isEmpty())
            appendLine(*info, info->message);
    }
    Q_EMIT liveProgress(nullptr);
    Q_EMIT jobChanged(id);
    Q_EMIT jobFinished(id);
    startNext();
}

JobManager::~JobManager()
{
    m_private->watcher.disconnect();
    if (m_private->control)
        m_private->control->requestCancel();
    m_private->pool.waitForDone();
}

int JobManager::enqueue(const QString &title, const std::filesystem::path &project, Body body)
{
    JobInfo info;
    info.title = title;
    return add(std::move(info), project, std::move(body));
}

int JobManager::enqueue(const Work &work, const std::filesystem::path &project, const WorkOptions &options)
{
    JobInfo info;
    info.title = QString::fromStdString(titleOf(work));
    info.work = std::make_shared<const Work>(work);
    const int id = m_private->nextId;
    WorkListeners listeners;
    listeners.liveSettings = options.liveSettings;
    listeners.stages = [this, id](const std::vector<PipelineStage> &stages, std::size_t) {
        later(id, [stages](JobInfo &job) { job.stages = stages; });
    };
    listeners.live = [this](std::shared_ptr<const LiveProgress> progress) {
        QMetaObject::invokeMethod(this, [this, progress] {
            if (m_private->runningId != 0)
                Q_EMIT liveProgress(progress);
        }, Qt::QueuedConnection);
    };
    m_private->entries[id].options = options;
    return add(std::move(info), project, [work, listeners](Project &opened, JobControl &control) {
        auto outcome = std::make_shared<const WorkOutcome>(perform(opened, work, listeners, control));
        return JobResult(QString::fromStdString(outcome->message), outcome);
    });
}

int JobManager::add(JobInfo info, const std::filesystem::path &project, Body body)
{
    const int id = info.id = m_private->nextId++;
    auto &entry = m_private->entries[id];
    entry.project = project;
    entry.body = std::move(body);
    m_private->infos.push_back(std::move(info));
    Q_EMIT jobAdded(id);
    startNext();
    return id;
}

void JobManager::startNext()
{
    const auto next = m_private->firstQueued();
    if (m_private->runningId != 0 || next == m_private->infos.end())
        return;
    const int id = m_private->runningId = next->id;
    next->state = JobInfo::State::Running;
    next->startedMs = nowMs();
    const auto &entry = m_private->entries.at(id);
    m_private->control = makeControl(id);
    m_private->watcher.setFuture(QtConcurrent::run(&m_private->pool, [body = entry.body, folder = entry.project, control = m_private->control] {
        yieldToTheWindow();
        return runBody(body, folder, *control);
    }));
    Q_EMIT jobChanged(id);
}

void JobManager::later(int id, std::function<void(JobInfo &)> change)
{
    QMetaObject::invokeMethod(this, [this, id, change = std::move(change)] {
        JobInfo *info = m_private->find(id);
        if (!info)
            return;
        change(*info);
        Q_EMIT jobChanged(id);
    }, Qt::QueuedConnection);
}

std::shared_ptr<JobControl> JobManager::makeControl(int id)
{
    const auto showProgress = [this, id](const Progress &progress) {
        later(id, [this, id, progress](JobInfo &info) {
            RateEstimator &rate = m_private->entries.at(id).rate;
            rate.update(progress);
            if (info.progress.stage != progress.stage)
                appendLine(info, QString::fromStdString(progress.stage));
            info.progress = progress;
            info.rate = rate.rate();
            info.remainingSeconds = rate.remainingSeconds();
        });
    };
    const auto showLine = [this, id](const std::string &line) {
        later(id, [text = QString::fromStdString(line)](JobInfo &info) { appendLine(info, text); });
    };
    return std::make_shared<JobControl>(showProgress, showLine);
}

void JobManager::cancel(int id)
{
    JobInfo *info = m_private->find(id);
    if (!info)
        return;
    if (info->state == JobInfo::State::Queued) {
        info->state = JobInfo::State::Cancelled;
        info->message = tr("Taken out of the queue before it began.");
        Q_EMIT jobChanged(id);
        Q_EMIT jobFinished(id);
    } else if (id == m_private->runningId) {
        info->state = JobInfo::State::Stopping;
        m_private->control->requestCancel();
        Q_EMIT jobChanged(id);
    }
}

void JobManager::cancelAll()
{
    for (const auto &info : std::vector(m_private->infos))
        cancel(info.id);
}

void JobManager::setPaused(int id, bool paused)
{
    JobInfo *info = m_private->find(id);
    if (!info || id != m_private->runningId || info->state == JobInfo::State::Stopping)
        return;
    info->state = paused ? JobInfo::State::Paused : JobInfo::State::Running;
    m_private->control->requestPause(paused);
    Q_EMIT jobChanged(id);
}

void JobManager::move(int id, int delta)
{
    auto &infos = m_private->infos;
    const auto from = std::ranges::find(infos, id, &JobInfo::id);
    if (from == infos.end() || from->state != JobInfo::State::Queued)
        return;
    const auto to = from + std::clamp<std::ptrdiff_t>(delta, infos.begin() - from, infos.end() - 1 - from);
    if (to->state != JobInfo::State::Queued || to == from)
        return;
    if (to < from)
        std::rotate(to, from, from + 1);
    else
        std::rotate(from, from + 1, to + 1);
    Q_EMIT orderChanged();
}

int JobManager::retry(int id)
{
    const JobInfo *info = m_private->find(id);
    if (!info || (info->state != JobInfo::State::Failed && info->state != JobInfo::State::Cancelled))
        return 0;
    const auto entry = m_private->entries.at(id);
    if (info->work)
        return enqueue(Work(*info->work), entry.project, entry.options);
    return enqueue(QString(info->title), entry.project, entry.body);
}

void JobManager::clearFinished()
{
    for (const auto &info : std::vector(m_private->infos)) {
        if (!info.isFinished())
            continue;
        std::erase_if(m_private->infos, [&](const JobInfo &other) { return other.id == info.id; });
        m_private->entries.erase(info.id);
        Q_EMIT jobRemoved(info.id);
    }
}

const std::vector<JobInfo> &JobManager::jobs() const
{
    return m_private->infos;
}

const JobInfo *JobManager::job(int id) const
{
    return m_private->find(id);
}

const JobInfo *JobManager::running() const
{
    return m_private->find(m_private->runningId);
}

bool JobManager::isBusy() const
{
    return m_private->runningId != 0 || m_private->firstQueued() != m_private->infos.end();
}

} // namespace retoscope
