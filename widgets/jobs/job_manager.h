// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QString>
#include <QStringList>

#include "base/job.h"
#include "ledger/work.h"

#include <functional>
#include <memory>
#include <vector>

namespace retoscope {

/// What the job list shows of one job; a value.
struct JobInfo
{
    enum class State { Queued, Running, Paused, Stopping, Done, Failed, Cancelled };

    int id = 0;
    QString title; ///< "Build the datastore manual-train"
    State state = State::Queued;
    Progress progress;
    double rate = 0;              ///< units per second; 0: not known
    double remainingSeconds = -1; ///< negative: not known
    qint64 startedMs = 0, endedMs = 0; ///< UTC; 0: not yet
    QString message;              ///< the sentence of a failure, or what was made
    QStringList log;
    std::shared_ptr<const Work> work;           ///< null for a job that is no recorded work
    std::shared_ptr<const WorkOutcome> outcome; ///< null until it is done
    std::vector<PipelineStage> stages;          ///< of “Run all”; empty for others

    [[nodiscard]] bool isFinished() const { return state == State::Done || state == State::Failed || state == State::Cancelled; }
    [[nodiscard]] bool isActive() const { return state == State::Running || state == State::Paused || state == State::Stopping; }
    /// Seconds since it started, until `nowMs` or its end; 0 while it waits.
    [[nodiscard]] double elapsedSeconds(qint64 nowMs) const { return startedMs == 0 ? 0 : static_cast<double>((endedMs ? endedMs : nowMs) - startedMs) / 1000; }
};

/// How a body ended well.
struct JobResult
{
    QString message;
    std::shared_ptr<const WorkOutcome> outcome;

    JobResult(QString text = {}, std::shared_ptr<const WorkOutcome> made = {}) : message(std::move(text)), outcome(std::move(made)) {} // NOLINT: a text alone is a result
};

/// All heavy work of the desktop program: one job at a time on a thread of its own, the others wait in order. Lives in the
/// GUI thread. Every body gets a Project of its own (a ledger connection belongs to its thread).
class JobManager : public QObject
{
    Q_OBJECT

public:
    /// Runs on the worker thread. Returns what was made. May throw.
    using Body = std::function<JobResult(Project &, JobControl &)>;

    explicit JobManager(QObject *parent = nullptr);
    ~JobManager() override; ///< cancels and waits

    /// `project` is the folder whose Project the body gets. Returns the job's id.
    int enqueue(const QString &title, const std::filesystem::path &project, Body body);
    /// Work with its title and command; stages and what grows are heard in this thread.
    struct WorkOptions
    {
        EvaluationSettings liveSettings; ///< what a trace that is being recorded is replayed with
    };
    int enqueue(const Work &work, const std::filesystem::path &project, const WorkOptions &options);
    void cancel(int id); ///< a queued job goes at once, a running one at its next checkpoint
    void cancelAll();
    void setPaused(int id, bool paused);
    void move(int id, int delta); ///< among the queued
    int retry(int id);            ///< a failed or cancelled job again, at the end of the queue: it continues. 0: it cannot
    void clearFinished();

    [[nodiscard]] const std::vector<JobInfo> &jobs() const; ///< in the order of the queue
    [[nodiscard]] const JobInfo *job(int id) const;
    [[nodiscard]] bool isBusy() const; ///< one runs or waits
    [[nodiscard]] const JobInfo *running() const; ///< null: none

Q_SIGNALS:
    void jobAdded(int id);
    void jobChanged(int id); ///< state, progress or log; at most about 25 times a second per job
    void jobRemoved(int id);
    void orderChanged();
    void jobFinished(int id); ///< Done, Failed or Cancelled
    void liveProgress(std::shared_ptr<const retoscope::LiveProgress> progress); ///< of the running job; null when it has ended

private:
    int add(JobInfo info, const std::filesystem::path &project, Body body);
    void startNext();
    void finish();
    [[nodiscard]] std::shared_ptr<JobControl> makeControl(int id);
    /// Calls `change` with the job's info in this thread, from any thread.
    void later(int id, std::function<void(JobInfo &)> change);

    struct Private;
    std::unique_ptr<Private> m_private;
};

} // namespace retoscope
