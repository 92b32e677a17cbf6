// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/runs_model.h"

#include <QDateTime>
#include <QLocale>

#include <algorithm>

namespace retoscope {

namespace {

QVariant number(const Json &object, const char *key)
{
    const auto found = object.find(key);
    if (found == object.end())
        return {};
    if (found->is_number_integer())
        return QVariant::fromValue<qlonglong>(found->get<std::int64_t>());
    if (found->is_number())
        return found->get<double>();
    if (found->is_string())
        return QString::fromStdString(found->get<std::string>());
    return {};
}

/// A run's configuration holds its EvaluationSettings, the automaton's in an object of their own.
QVariant setting(const RunRow &run, const char *key)
{
    if (auto found = number(run.config, key); found.isValid())
        return found;
    const auto automaton = run.config.find("automaton");
    return automaton != run.config.end() && automaton->is_object() ? number(*automaton, key) : QVariant();
}

bool sameRun(const RunRow &a, const RunRow &b)
{
    return a.id == b.id && a.name == b.name && a.status == b.status && a.metrics == b.metrics && a.seconds == b.seconds
        && a.note == b.note && a.archived == b.archived && a.tags == b.tags;
}

} // namespace

RunsModel::RunsModel(QObject *parent) : QAbstractTableModel(parent) {}

void RunsModel::update(const std::vector<RunRow> &runs)
{
    // Rows that are gone.
    for (int row = static_cast<int>(m_runs.size()) - 1; row >= 0; --row) {
        const auto id = m_runs[static_cast<std::size_t>(row)].id;
        if (std::ranges::none_of(runs, [id](const RunRow &run) { return run.id == id; })) {
            beginRemoveRows({}, row, row);
            m_runs.erase(m_runs.begin() + row);
            endRemoveRows();
        }
    }
    // Rows that are new (runs arrive newest first), and rows that changed.
    std::size_t at = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        if (at < m_runs.size() && m_runs[at].id == runs[i].id) {
            if (!sameRun(m_runs[at], runs[i])) {
                m_runs[at] = runs[i];
                Q_EMIT dataChanged(index(static_cast<int>(at), 0), index(static_cast<int>(at), ColumnCount - 1));
            }
            ++at;
            continue;
        }
        std::size_t end = i;
        const std::int64_t nextKnown = at < m_runs.size() ? m_runs[at].id : -1;
        while (end < runs.size() && runs[end].id != nextKnown)
            ++end;
        beginInsertRows({}, static_cast<int>(at), static_cast<int>(at + end - i - 1));
        m_runs.insert(m_runs.begin() + static_cast<std::ptrdiff_t>(at), runs.begin() + static_cast<std::ptrdiff_t>(i), runs.begin() + static_cast<std::ptrdiff_t>(end));
        endInsertRows();
        at += end - i;
        i = end - 1;
    }
}

int RunsModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_runs.size());
}

int RunsModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant RunsModel::value(const RunRow &run, Column column) const
{
    switch (column) {
    case Id: return QVariant::fromValue<qlonglong>(run.id);
    case Name: return QString::fromStdString(run.name);
    case MethodName: return QString::fromStdString(run.method);
    case Perplexity: return number(run.metrics, "perplexity");
    case Foss: return number(run.metrics, "foss");
    case Searches: return number(run.metrics, "searches");
    case Lambda: return setting(run, "lambda");
    case Temperature: return setting(run, "temperature");
    case Neighbours: return setting(run, "k");
    case MinKnns: return run.method == "retomaton" ? setting(run, "min_knns") : QVariant();
    case MaxKnns: return run.method == "retomaton" ? setting(run, "max_knns") : QVariant();
    case Seconds: return run.seconds;
    case Started: return QDateTime::fromMSecsSinceEpoch(run.startedMs);
    case ColumnCount: break;
    }
    return {};
}

QString RunsModel::text(const RunRow &run, Column column) const
{
    const QVariant content = value(run, column);
    if (!content.isValid())
        return {};
    const QLocale locale;
    switch (column) {
    case Perplexity:
        if (run.status != RunStatus::Done)
            return run.status == RunStatus::Running ? tr("running…") : tr("failed");
        return locale.toString(content.toDouble(), 'f', 2);
    case Foss: return locale.toString(content.toDouble() * 100, 'f', 1) + QStringLiteral(" %");
    case Searches: return locale.toString(content.toLongLong());
    case Lambda:
    case Temperature: return locale.toString(content.toDouble(), 'g', 4);
    case Seconds: return locale.toString(content.toDouble(), 'f', 2);
    case Started: return locale.toString(content.toDateTime(), QLocale::ShortFormat);
    default: return content.toString();
    }
}

QVariant RunsModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const RunRow &run = runAt(index.row());
    const auto column = static_cast<Column>(index.column());
    switch (role) {
    case Qt::DisplayRole: return text(run, column);
    case SortRole: return value(run, column);
    case Qt::TextAlignmentRole: {
        const bool words = column == Name || column == MethodName || column == Started;
        return QVariant::fromValue(Qt::Alignment(Qt::AlignVCenter | (words ? Qt::AlignLeft : Qt::AlignRight)));
    }
    case Qt::ToolTipRole: return QString::fromStdString(run.status == RunStatus::Failed ? run.message : run.command);
    default: return {};
    }
}

QVariant RunsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    if (role == Qt::DisplayRole) {
        static const char *const titles[] = {QT_TR_NOOP("run"), QT_TR_NOOP("name"), QT_TR_NOOP("method"), QT_TR_NOOP("perplexity"), QT_TR_NOOP("FoSS"),
                                             QT_TR_NOOP("searches"), QT_TR_NOOP("λ"), QT_TR_NOOP("T"), QT_TR_NOOP("k"), QT_TR_NOOP("min_knns"),
                                             QT_TR_NOOP("max_knns"), QT_TR_NOOP("seconds"), QT_TR_NOOP("started")};
        return tr(titles[section]);
    }
    if (role == Qt::InitialSortOrderRole)
        return QVariant::fromValue(section == Perplexity || section == Name ? Qt::AscendingOrder : Qt::DescendingOrder);
    return {};
}

} // namespace retoscope
