// SPDX-License-Identifier: GPL-3.0-or-later
#include "jobs/job_manager.h"

#include "base/error.h"

#include <QFutureWatcher>
#include <QThreadPool>
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
    QString message;
};

Outcome runBody(const JobManager::Body &body, const std::filesystem::path &folder, JobControl &control)
{
    try {
        Project project = Project::open(folder);
        return {JobInfo::State::Done, body(project, control)};
    } catch (const Cancelled &error) {
        return {JobInfo::State::Cancelled, QString::fromUtf8(error.what())};
    } catch (const std::exception &error) {
        return {JobInfo::State::Failed, QString::fromUtf8(error.what())};
    }
}

} // namespace

struct JobManager::Private
{
    struct Entry
    {
        std::filesystem::path project;
        Body body;
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
    connect(&m_private->watcher, &QFutureWatcherBase::finished, this, [this] {
        const int id = std::exchange(m_private->runningId, 0);
        const Outcome outcome = m_private->watcher.result();
        if (JobInfo *info = m_private->find(id)) {
            info->state = outcome.state;
            info->message = outcome.message;
            info->remainingSeconds = -1;
        }
        Q_EMIT jobChanged(id);
        Q_EMIT jobFinished(id);
        startNext();
    });
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
    info.id = m_private->nextId++;
    info.title = title;
    m_private->entries[info.id] = {project, std::move(body), {}};
    m_private->infos.push_back(info);
    Q_EMIT jobAdded(info.id);
    startNext();
    return info.id;
}

void JobManager::startNext()
{
    const auto next = m_private->firstQueued();
    if (m_private->runningId != 0 || next == m_private->infos.end())
        return;
    const int id = m_private->runningId = next->id;
    next->state = JobInfo::State::Running;
    const auto &entry = m_private->entries.at(id);
    m_private->control = makeControl(id);
    m_private->watcher.setFuture(QtConcurrent::run(&m_private->pool, [body = entry.body, folder = entry.project, control = m_private->control] {
        return runBody(body, folder, *control);
    }));
    Q_EMIT jobChanged(id);
}

/// Progress and log lines come on the worker thread; queued calls bring them into the GUI thread.
std::shared_ptr<JobControl> JobManager::makeControl(int id)
{
    const auto showProgress = [this, id](const Progress &progress) {
        JobInfo *info = m_private->find(id);
        if (!info)
            return;
        RateEstimator &rate = m_private->entries.at(id).rate;
        rate.update(progress);
        info->progress = progress;
        info->rate = rate.rate();
        info->remainingSeconds = rate.remainingSeconds();
        info->elapsedSeconds = rate.elapsedSeconds();
        Q_EMIT jobChanged(id);
    };
    const auto showLine = [this, id](const QString &line) {
        JobInfo *info = m_private->find(id);
        if (!info)
            return;
        info->log.append(line);
        if (info->log.size() > longestLog)
            info->log.removeFirst();
        Q_EMIT jobChanged(id);
    };
    return std::make_shared<JobControl>(
        [this, showProgress](const Progress &progress) {
            QMetaObject::invokeMethod(this, [showProgress, progress] { showProgress(progress); }, Qt::QueuedConnection);
        },
        [this, showLine](const std::string &line) {
            QMetaObject::invokeMethod(this, [showLine, text = QString::fromStdString(line)] { showLine(text); }, Qt::QueuedConnection);
        });
}

void JobManager::cancel(int id)
{
    JobInfo *info = m_private->find(id);
    if (!info)
        return;
    if (info->state == JobInfo::State::Queued) {
        info->state = JobInfo::State::Cancelled;
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

void JobManager::retry(int id)
{
    const JobInfo *info = m_private->find(id);
    if (!info || (info->state != JobInfo::State::Failed && info->state != JobInfo::State::Cancelled))
        return;
    const auto entry = m_private->entries.at(id);
    enqueue(QString(info->title), entry.project, entry.body);
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

bool JobManager::isBusy() const
{
    return m_private->runningId != 0 || m_private->firstQueued() != m_private->infos.end();
}

} // namespace retoscope
