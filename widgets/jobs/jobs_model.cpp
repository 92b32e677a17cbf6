// SPDX-License-Identifier: GPL-3.0-or-later
#include "jobs/jobs_model.h"

#include "ledger/work.h"

#include <QDateTime>
#include <QLocale>

#include <algorithm>

namespace retoscope {

namespace {

constexpr qsizetype longestToolTip = 600;

/// Running before waiting before finished.
int rank(const JobInfo &job)
{
    return job.isActive() ? 0 : job.state == JobInfo::State::Queued ? 1 : 2;
}

std::int64_t idOf(const RecordedJob &record)
{
    return record.row.id;
}

QString durationText(double seconds)
{
    return QString::fromStdString(formatDuration(seconds));
}

} // namespace

RecordedJob::RecordedJob(JobRow job)
    : row(std::move(job)), work(workFromCommand(row.command)), title(QString::fromStdString(work ? titleOf(*work) : row.kind))
{
}

JobsModel::JobsModel(JobManager &jobs, QObject *parent) : QAbstractTableModel(parent), m_jobs(jobs)
{
    connect(&m_jobs, &JobManager::jobAdded, this, &JobsModel::synchronise);
    connect(&m_jobs, &JobManager::jobRemoved, this, &JobsModel::synchronise);
    connect(&m_jobs, &JobManager::orderChanged, this, &JobsModel::synchronise);
    connect(&m_jobs, &JobManager::jobChanged, this, [this](int id) {
        synchronise();
        changed(rowOfJob(id));
    });
    synchronise();
}

void JobsModel::setHistory(std::vector<RecordedJob> rows)
{
    std::ranges::sort(rows, std::greater(), idOf);
    m_history = std::move(rows);
    synchronise();
    for (int row = 0; row < rowCount(); ++row) {
        if (m_rows[static_cast<std::size_t>(row)].recorded)
            changed(row);
    }
}

void JobsModel::tick()
{
    for (int row = 0; row < rowCount(); ++row) {
        if (const JobInfo *job = jobAt(row); job && job->isActive())
            changed(row);
    }
}

std::vector<JobsModel::Key> JobsModel::wantedOrder() const
{
    std::vector<const JobInfo *> jobs;
    for (const auto &job : m_jobs.jobs())
        jobs.push_back(&job);
    std::ranges::stable_sort(jobs, [](const JobInfo *a, const JobInfo *b) {
        if (rank(*a) != rank(*b))
            return rank(*a) < rank(*b);
        return a->isFinished() && a->id > b->id;
    });
    std::vector<Key> order;
    for (const JobInfo *job : jobs)
        order.push_back({false, job->id});
    for (const auto &record : m_history)
        order.push_back({true, idOf(record)});
    return order;
}

/// Brings the rows into the wanted order by removals, insertions and, for what is left, one change of layout.
void JobsModel::synchronise()
{
    const auto wanted = wantedOrder();
    for (std::size_t row = m_rows.size(); row-- > 0;) {
        if (std::ranges::find(wanted, m_rows[row]) != wanted.end())
            continue;
        beginRemoveRows({}, static_cast<int>(row), static_cast<int>(row));
        m_rows.erase(m_rows.begin() + static_cast<std::ptrdiff_t>(row));
        endRemoveRows();
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (std::ranges::find(m_rows, wanted[i]) != m_rows.end())
            continue;
        const auto row = std::min(i, m_rows.size());
        beginInsertRows({}, static_cast<int>(row), static_cast<int>(row));
        m_rows.insert(m_rows.begin() + static_cast<std::ptrdiff_t>(row), wanted[i]);
        endInsertRows();
    }
    if (m_rows == wanted)
        return;
    Q_EMIT layoutAboutToBeChanged();
    const auto before = m_rows;
    m_rows = wanted;
    for (const QModelIndex &old : persistentIndexList()) {
        const auto row = std::ranges::find(m_rows, before[static_cast<std::size_t>(old.row())]) - m_rows.begin();
        changePersistentIndex(old, index(static_cast<int>(row), old.column()));
    }
    Q_EMIT layoutChanged();
}

void JobsModel::changed(int row)
{
    if (row >= 0)
        Q_EMIT dataChanged(index(row, 0), index(row, ColumnCount - 1));
}

const JobInfo *JobsModel::jobAt(int row) const
{
    const Key &key = m_rows.at(static_cast<std::size_t>(row));
    return key.recorded ? nullptr : m_jobs.job(static_cast<int>(key.id));
}

const RecordedJob *JobsModel::record(std::int64_t id) const
{
    const auto found = std::ranges::find(m_history, id, idOf);
    return found == m_history.end() ? nullptr : &*found;
}

const RecordedJob *JobsModel::recordAt(int row) const
{
    const Key &key = m_rows.at(static_cast<std::size_t>(row));
    return key.recorded ? record(key.id) : nullptr;
}

int JobsModel::rowOfJob(int id) const
{
    const auto found = std::ranges::find(m_rows, Key{false, id});
    return found == m_rows.end() ? -1 : static_cast<int>(found - m_rows.begin());
}

bool JobsModel::canContinue(int row) const
{
    const RecordedJob *job = recordAt(row);
    if (!job || !job->work || job->row.state == JobState::Running || job->row.state == JobState::Done)
        return false;
    const bool taken = std::ranges::any_of(m_history, [&](const RecordedJob &other) {
        return other.row.id > job->row.id && other.row.command == job->row.command && (other.row.state == JobState::Done || other.row.state == JobState::Running);
    });
    return !taken && std::ranges::none_of(m_jobs.jobs(), [&](const JobInfo &own) {
        return own.work && *own.work == *job->work && (own.state == JobInfo::State::Done || !own.isFinished());
    });
}

int JobsModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int JobsModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QString JobsModel::text(const JobInfo &job, Column column) const
{
    const QLocale locale;
    switch (column) {
    case Title: return job.title;
    case State:
        switch (job.state) {
        case JobInfo::State::Queued: return tr("○ waiting");
        case JobInfo::State::Running: return tr("▶ running");
        case JobInfo::State::Paused: return tr("❚❚ paused");
        case JobInfo::State::Stopping: return tr("◼ stopping");
        case JobInfo::State::Done: return tr("✓ done");
        case JobInfo::State::Failed: return tr("✕ failed");
        case JobInfo::State::Cancelled: return tr("◻ cancelled");
        }
        break;
    case ProgressColumn:
        if (job.isActive())
            return QString::fromStdString(job.progress.stage);
        break;
    case Rate:
        if (job.isActive() && job.rate > 0)
            return tr("%1 %2/s").arg(locale.toString(job.rate, 'f', job.rate < 10 ? 1 : 0), QString::fromStdString(job.progress.unit));
        break;
    case Remaining:
        if (job.isActive() && job.remainingSeconds >= 0)
            return durationText(job.remainingSeconds);
        break;
    case Elapsed:
        if (job.startedMs)
            return durationText(job.elapsedSeconds(nowMs()));
        break;
    case Message: return job.isActive() ? QString::fromStdString(job.progress.detail) : job.message;
    case ColumnCount: break;
    }
    return {};
}

QString JobsModel::text(const RecordedJob &record, Column column) const
{
    const JobRow &job = record.row;
    switch (column) {
    case Title: return record.title;
    case State:
        switch (job.state) {
        case JobState::Running: return tr("▷ running elsewhere");
        case JobState::Done: return tr("✓ done");
        case JobState::Failed: return tr("✕ failed");
        case JobState::Cancelled: return tr("◻ cancelled");
        case JobState::Interrupted: return tr("⚠ interrupted");
        }
        break;
    case Elapsed:
        if (job.endedMs > job.startedMs)
            return durationText(static_cast<double>(job.endedMs - job.startedMs) / 1000);
        break;
    case Message:
        if (!job.message.empty())
            return QString::fromStdString(job.message);
        return job.state == JobState::Interrupted ? tr("Its process was killed; the same command continues.")
                                                  : QLocale().toString(QDateTime::fromMSecsSinceEpoch(job.startedMs), QLocale::ShortFormat);
    case ProgressColumn:
    case Rate:
    case Remaining:
    case ColumnCount: break;
    }
    return {};
}

QVariant JobsModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const JobInfo *job = jobAt(index.row());
    const RecordedJob *record = recordAt(index.row());
    const auto column = static_cast<Column>(index.column());
    switch (role) {
    case Qt::DisplayRole:
    case Qt::AccessibleTextRole: return job ? text(*job, column) : record ? text(*record, column) : QString();
    case Qt::ToolTipRole:
        if (column == Message || column == Title)
            return job ? (job->message.isEmpty() ? job->title : job->message) : record ? QString::fromStdString(record->row.command).left(longestToolTip) : QString();
        break;
    case Qt::TextAlignmentRole: {
        const bool right = column == Rate || column == Remaining || column == Elapsed;
        return QVariant::fromValue(Qt::Alignment(Qt::AlignVCenter | (right ? Qt::AlignRight : Qt::AlignLeft)));
    }
    case PermilleRole:
        if (job && job->isActive() && column == ProgressColumn)
            return job->progress.total > 0 ? static_cast<int>(job->progress.done * 1000 / job->progress.total) : -1;
        break;
    case ActiveRole: return job && job->isActive();
    default: break;
    }
    return {};
}

QVariant JobsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    switch (static_cast<Column>(section)) {
    case Title: return tr("Job");
    case State: return tr("State");
    case ProgressColumn: return tr("Progress");
    case Rate: return tr("Rate");
    case Remaining: return tr("Left");
    case Elapsed: return tr("Elapsed");
    case Message: return tr("Message");
    case ColumnCount: break;
    }
    return {};
}

} // namespace retoscope
