// SPDX-License-Identifier: GPL-3.0-or-later
#include "pipeline/artefacts_model.h"

#include "base/job.h"

#include <QDateTime>
#include <QLocale>

#include <algorithm>

namespace retoscope {

namespace {

bool before(const ArtefactRow &a, const ArtefactRow &b)
{
    return std::pair(a.kind, a.id) < std::pair(b.kind, b.id);
}

bool sameArtefact(const ArtefactRow &a, const ArtefactRow &b)
{
    return a.id == b.id && a.name == b.name && a.state == b.state && a.bytes == b.bytes && a.finishedMs == b.finishedMs;
}

} // namespace

ArtefactsModel::ArtefactsModel(QObject *parent) : QAbstractTableModel(parent) {}

void ArtefactsModel::update(std::vector<ArtefactRow> artefacts)
{
    std::ranges::sort(artefacts, before);
    std::size_t row = 0;
    // Both lists are in the same order: walk them side by side.
    for (const auto &artefact : artefacts) {
        while (row < m_artefacts.size() && before(m_artefacts[row], artefact)) {
            beginRemoveRows({}, static_cast<int>(row), static_cast<int>(row));
            m_artefacts.erase(m_artefacts.begin() + static_cast<std::ptrdiff_t>(row));
            endRemoveRows();
        }
        if (row == m_artefacts.size() || before(artefact, m_artefacts[row])) {
            beginInsertRows({}, static_cast<int>(row), static_cast<int>(row));
            m_artefacts.insert(m_artefacts.begin() + static_cast<std::ptrdiff_t>(row), artefact);
            endInsertRows();
        } else if (!sameArtefact(m_artefacts[row], artefact)) {
            m_artefacts[row] = artefact;
            Q_EMIT dataChanged(index(static_cast<int>(row), 0), index(static_cast<int>(row), ColumnCount - 1));
        }
        ++row;
    }
    if (row < m_artefacts.size()) {
        beginRemoveRows({}, static_cast<int>(row), static_cast<int>(m_artefacts.size()) - 1);
        m_artefacts.resize(row);
        endRemoveRows();
    }
}

int ArtefactsModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_artefacts.size());
}

int ArtefactsModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant ArtefactsModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const ArtefactRow &artefact = artefactAt(index.row());
    if (role == Qt::DisplayRole) {
        switch (static_cast<Column>(index.column())) {
        case Kind: return QString::fromUtf8(toString(artefact.kind).data(), static_cast<qsizetype>(toString(artefact.kind).size()));
        case Name: return QString::fromStdString(artefact.name);
        case State:
            switch (artefact.state) {
            case ArtefactState::Building: return tr("unfinished");
            case ArtefactState::Ready: return tr("ready");
            case ArtefactState::Failed: return tr("failed");
            }
            break;
        case Size: return artefact.bytes ? QString::fromStdString(formatBytes(artefact.bytes)) : QString();
        case Finished:
            return artefact.finishedMs ? QLocale().toString(QDateTime::fromMSecsSinceEpoch(artefact.finishedMs), QLocale::ShortFormat) : QString();
        case ColumnCount: break;
        }
    }
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue(Qt::Alignment(Qt::AlignVCenter | (index.column() == Size ? Qt::AlignRight : Qt::AlignLeft)));
    if (role == Qt::ToolTipRole && !artefact.fingerprint.empty())
        return tr("fingerprint %1").arg(QString::fromStdString(artefact.fingerprint.substr(0, 16)));
    return {};
}

QVariant ArtefactsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 || section >= ColumnCount)
        return {};
    static const char *const titles[] = {QT_TR_NOOP("stage"), QT_TR_NOOP("name"), QT_TR_NOOP("state"), QT_TR_NOOP("size"), QT_TR_NOOP("finished")};
    return tr(titles[section]);
}

} // namespace retoscope
