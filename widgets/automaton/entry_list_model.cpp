// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/entry_list_model.h"

#include "automaton/automaton_scene.h"

#include <QFont>
#include <QLocale>

namespace retoscope {

EntryLine makeEntryLine(const TraceSession &trace, EntryId entry, int tokens)
{
    const EntryContext context = trace.contextOf(entry, tokens);
    EntryLine line;
    line.entry = entry;
    line.left = tokenLabel(context.left);
    line.value = tokenLabel(context.value);
    line.right = tokenLabel(context.right);
    line.document = context.documentTitle.empty() ? EntryListModel::tr("document %1").arg(context.document.value + 1) : QString::fromStdString(context.documentTitle);
    return line;
}

void EntryListModel::setLines(std::vector<EntryLine> lines)
{
    beginResetModel(); // another state: nothing of the old list is worth keeping
    m_lines = std::move(lines);
    endResetModel();
}

int EntryListModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_lines.size());
}

int EntryListModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant EntryListModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const EntryLine &line = m_lines[static_cast<std::size_t>(index.row())];
    const QLocale locale;
    switch (role) {
    case Qt::DisplayRole:
        switch (index.column()) {
        case Weight: return tr("%1 %").arg(locale.toString(line.weight * 100, 'f', 2));
        case Distance: return locale.toString(line.distance, 'g', 5);
        case Origin: return line.origin;
        case Left: return line.left;
        case Value: return line.value;
        case Right: return line.right;
        case Document: return line.document;
        case Entry: return locale.toString(static_cast<qlonglong>(line.entry.value));
        default: return {};
        }
    case SortRole:
        if (index.column() == Weight)
            return line.weight;
        if (index.column() == Distance)
            return line.distance;
        return index.column() == Entry ? QVariant(static_cast<double>(line.entry.value)) : index.data();
    case Qt::TextAlignmentRole:
        switch (index.column()) {
        case Value: return QVariant::fromValue(Qt::Alignment(Qt::AlignCenter));
        case Origin:
        case Right:
        case Document: return QVariant::fromValue(Qt::AlignVCenter | Qt::AlignLeft);
        default: return QVariant::fromValue(Qt::AlignVCenter | Qt::AlignRight);
        }
    case Qt::FontRole: {
        QFont font;
        font.setBold(index.column() == Value);
        font.setUnderline(index.column() == Value && line.isTarget);
        return font;
    }
    case Qt::ToolTipRole: return QStringLiteral("%1%2%3\n%4").arg(line.left, line.value, line.right, line.document);
    case Qt::AccessibleTextRole: return index.column() == Value && line.isTarget ? tr("%1, the true token").arg(line.value) : QVariant();
    default: return {};
    }
}

QVariant EntryListModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    if (role == Qt::DisplayRole) {
        static constexpr const char *titles[] = {QT_TR_NOOP("weight"), QT_TR_NOOP("distance"), QT_TR_NOOP("from"), QT_TR_NOOP("left context"), QT_TR_NOOP("value"),
                                                 QT_TR_NOOP("right context"), QT_TR_NOOP("document"), QT_TR_NOOP("entry")};
        return tr(titles[section]);
    }
    if (role == Qt::TextAlignmentRole && section == Left)
        return QVariant::fromValue(Qt::AlignVCenter | Qt::AlignRight);
    return {};
}

} // namespace retoscope
