// SPDX-License-Identifier: GPL-3.0-or-later
#include "generate/neighbours_model.h"

#include "generate/transcript.h"

#include <QFont>
#include <QLocale>

namespace retoscope {

namespace {

/// One line of a context.
QString lineOf(const std::string &text)
{
    QString line = QString::fromUtf8(text);
    line.replace(QLatin1Char('\n'), QStringLiteral("⏎")).replace(QLatin1Char('\t'), QLatin1Char(' '));
    return line;
}

} // namespace

void GeneratedNeighboursModel::setPiece(const std::optional<GeneratedPiece> &piece)
{
    beginResetModel();
    m_piece = piece;
    endResetModel();
}

int GeneratedNeighboursModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() || !m_piece ? 0 : int(m_piece->token.neighbours.size());
}

int GeneratedNeighboursModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

QVariant GeneratedNeighboursModel::data(const QModelIndex &index, int role) const
{
    if (!index.isValid() || !m_piece)
        return {};
    const auto &neighbour = m_piece->token.neighbours[std::size_t(index.row())];
    const EntryContext &context = m_piece->contexts[std::size_t(index.row())];
    const bool agrees = context.value == m_piece->text;
    switch (role) {
    case Qt::DisplayRole:
        switch (index.column()) {
        case Weight: return QLocale().toString(neighbour.weight * 100, 'f', 1) + QStringLiteral(" %");
        case Distance: return QLocale().toString(neighbour.distance, 'f', 3);
        case Left: return lineOf(context.left);
        case Value: return visiblePiece(context.value);
        case Right: return lineOf(context.right);
        case Entry: return QString::number(neighbour.entry.value);
        }
        return {};
    case Qt::TextAlignmentRole: return int((index.column() == Value || index.column() == Right ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    case Qt::FontRole:
        if (index.column() == Value) {
            QFont font;
            font.setBold(agrees);
            return font;
        }
        return {};
    case Qt::ToolTipRole:
        return tr("%1\nentry %2, distance %3\n%4")
            .arg(agrees ? tr("This neighbour has the token that was chosen") : tr("This neighbour has another token"))
            .arg(neighbour.entry.value)
            .arg(QLocale().toString(neighbour.distance, 'f', 3), QString::fromUtf8(context.left + context.value + context.right));
    default: return {};
    }
}

QVariant GeneratedNeighboursModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Weight: return tr("weight");
    case Distance: return tr("distance");
    case Left: return tr("before");
    case Value: return tr("value");
    case Right: return tr("after");
    case Entry: return tr("entry");
    }
    return {};
}

} // namespace retoscope
