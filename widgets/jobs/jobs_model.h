// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>

#include "jobs/job_manager.h"

#include <optional>
#include <vector>

namespace retoscope {

/// A job of the ledger, read with what its command means.
struct RecordedJob
{
    explicit RecordedJob(JobRow job);

    JobRow row;
    std::optional<Work> work; ///< nothing when the command cannot be repeated from here
    QString title;
};

/// All work: what runs, what waits in its order, what is finished with the newest first, and below it what the ledger
/// remembers of other processes and earlier sessions.
class JobsModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Title, State, Elapsed, ProgressColumn, Rate, Remaining, Message, ColumnCount };
    enum Role
    {
        PermilleRole = Qt::UserRole, ///< 0 to 1000; −1: not known; invalid: no bar
        ActiveRole,                  ///< true while it runs
    };

    explicit JobsModel(JobManager &jobs, QObject *parent = nullptr);

    /// Jobs of the ledger; those of this manager must not be among them.
    void setHistory(std::vector<RecordedJob> rows);
    /// The clock: elapsed times of what runs.
    void tick();

    /// Exactly one of the two is not null.
    [[nodiscard]] const JobInfo *jobAt(int row) const;
    [[nodiscard]] const RecordedJob *recordAt(int row) const;
    [[nodiscard]] int rowOfJob(int id) const; ///< −1: none
    /// A recorded job whose process is gone or that failed, that nobody has finished since, and whose command can be
    /// repeated from here.
    [[nodiscard]] bool canContinue(int row) const;

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Key
    {
        bool recorded = false;
        std::int64_t id = 0;
        friend bool operator==(const Key &, const Key &) = default;
    };
    [[nodiscard]] std::vector<Key> wantedOrder() const;
    void synchronise();
    void changed(int row);
    [[nodiscard]] const RecordedJob *record(std::int64_t id) const;
    [[nodiscard]] QString text(const JobInfo &job, Column column) const;
    [[nodiscard]] QString text(const RecordedJob &record, Column column) const;

    JobManager &m_jobs;
    std::vector<RecordedJob> m_history; ///< newest first
    std::vector<Key> m_rows;
};

} // namespace retoscope
