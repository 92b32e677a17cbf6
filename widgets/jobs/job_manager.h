// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/job.h"
#include "ledger/project.h"

#include <QObject>
#include <QString>
#include <QStringList>

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
    double elapsedSeconds = 0;
    QString message;              ///< the sentence of a failure, or what was made
    QStringList log;

    [[nodiscard]] bool isFinished() const { return state == State::Done || state == State::Failed || state == State::Cancelled; }
};

/// All heavy work of the desktop program: one job at a time on a thread of its own, the others wait in order. Lives in the
/// GUI thread. Every body gets a Project of its own (a ledger connection belongs to its thread).
class JobManager : public QObject
{
    Q_OBJECT

public:
    /// Runs on the worker thread. Returns what was made, for the job's message. May throw.
    using Body = std::function<QString(Project &, JobControl &)>;

    explicit JobManager(QObject *parent = nullptr);
    ~JobManager() override; ///< cancels and waits

    /// `project` is the folder whose Project the body gets. Returns the job's id.
    int enqueue(const QString &title, const std::filesystem::path &project, Body body);
    void cancel(int id); ///< a queued job goes at once, a running one at its next checkpoint
    void cancelAll();
    void setPaused(int id, bool paused);
    void move(int id, int delta); ///< among the queued
    void retry(int id);           ///< a failed or cancelled job again, at the end of the queue: it continues
    void clearFinished();

    [[nodiscard]] const std::vector<JobInfo> &jobs() const; ///< in the order of the queue
    [[nodiscard]] const JobInfo *job(int id) const;
    [[nodiscard]] bool isBusy() const; ///< one runs or waits

Q_SIGNALS:
    void jobAdded(int id);
    void jobChanged(int id); ///< state, progress or log; at most about 25 times a second per job
    void jobRemoved(int id);
    void orderChanged();
    void jobFinished(int id); ///< Done, Failed or Cancelled

private:
    void startNext();
    [[nodiscard]] std::shared_ptr<JobControl> makeControl(int id);

    struct Private;
    std::unique_ptr<Private> m_private;
};

} // namespace retoscope
