// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/neighbour_delegates.h"

#include "explore/neighbours_model.h"
#include "plot/theme.h"

#include <QApplication>
#include <QPainter>

#include <algorithm>

namespace retoscope {

namespace {

constexpr double valueAt = 0.52; ///< share of the column that the left context gets
constexpr int space = 4;
constexpr int rowAir = 7; ///< pixels, of a row beyond its text

/// The row's background and focus, without text.
void paintBackground(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index)
{
    QStyleOptionViewItem empty = option;
    empty.text.clear();
    empty.index = index;
    const QWidget *widget = option.widget;
    (widget ? widget->style() : QApplication::style())->drawControl(QStyle::CE_ItemViewItem, &empty, painter, widget);
}

QColor textColour(const QStyleOptionViewItem &option, const QModelIndex &index)
{
    if (index.data(NeighboursModel::IsOffRole).toBool())
        return option.palette.color(QPalette::PlaceholderText);
    return option.palette.color(option.state & QStyle::State_Selected ? QPalette::HighlightedText : QPalette::Text);
}

} // namespace

void ContextDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    if (index.data(NeighboursModel::IsGroupRole).toBool()) {
        QStyledItemDelegate::paint(painter, option, index);
        return;
    }
    paintBackground(painter, option, index);
    const QString value = index.data(NeighboursModel::ValueRole).toString();
    const QRect rect = option.rect.adjusted(space, 0, -space, 0);
    QFont bold = option.font;
    bold.setBold(true);
    bold.setStrikeOut(index.data(NeighboursModel::IsOffRole).toBool());
    const QFontMetrics boldMetrics(bold);
    const int middle = rect.left() + static_cast<int>(rect.width() * valueAt);
    const int valueWidth = std::min(boldMetrics.horizontalAdvance(value) + space, rect.right() - middle);

    painter->save();
    const QColor text = textColour(option, index);
    QColor faint = text;
    faint.setAlphaF(0.78f);
    painter->setPen(faint);
    painter->setFont(option.font);
    const QRect left(rect.left(), rect.top(), middle - rect.left() - space, rect.height());
    painter->drawText(left, Qt::AlignRight | Qt::AlignVCenter | Qt::TextSingleLine, option.fontMetrics.elidedText(index.data(NeighboursModel::LeftRole).toString(), Qt::ElideLeft, left.width()));
    const QRect right(middle + valueWidth + space, rect.top(), rect.right() - middle - valueWidth - space, rect.height());
    if (right.width() > 0)
        painter->drawText(right, Qt::AlignLeft | Qt::AlignVCenter | Qt::TextSingleLine, option.fontMetrics.elidedText(index.data(NeighboursModel::RightRole).toString(), Qt::ElideRight, right.width()));
    const QRect box(middle, rect.top(), valueWidth, rect.height());
    if (index.data(NeighboursModel::IsTargetRole).toBool()) {
        QColor frame = option.state & QStyle::State_Selected ? text : seriesColor(2, option.palette);
        painter->setRenderHint(QPainter::Antialiasing);
        painter->setPen(QPen(frame, 1.2));
        painter->drawRoundedRect(QRectF(box).adjusted(-2.5, 1.5, 2.5, -1.5), 3, 3);
    }
    painter->setFont(bold);
    painter->setPen(text);
    painter->drawText(box, Qt::AlignLeft | Qt::AlignVCenter | Qt::TextSingleLine, boldMetrics.elidedText(value, Qt::ElideRight, valueWidth));
    painter->restore();
}

QSize ContextDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    return {QStyledItemDelegate::sizeHint(option, index).width(), option.fontMetrics.height() + rowAir};
}

void WeightDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    paintBackground(painter, option, index);
    const double largest = std::max(index.data(NeighboursModel::LargestWeightRole).toDouble(), 1e-12);
    const double share = std::clamp(index.data(NeighboursModel::WeightRole).toDouble() / largest, 0.0, 1.0);
    const QRectF room = QRectF(option.rect).adjusted(space, 3, -space, -3);
    QColor bar = seriesColor(index.data(NeighboursModel::IsTargetRole).toBool() ? 2 : 5, option.palette);
    bar.setAlphaF(0.45f);
    const double width = room.width() * share;
    painter->fillRect(QRectF(room.right() - width, room.top(), width, room.height()), bar);
    painter->save();
    painter->setPen(textColour(option, index));
    painter->drawText(QRectF(option.rect).adjusted(space, 0, -space, 0), Qt::AlignRight | Qt::AlignVCenter, index.data(Qt::DisplayRole).toString());
    painter->restore();
}

} // namespace retoscope
