// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/tag_delegate.h"

#include "plot/theme.h"
#include "runs/runs_model.h"

#include <QApplication>
#include <QPainter>

namespace retoscope {

namespace {

constexpr int chipPadding = 6; // pixels left and right of the text
constexpr int chipGap = 4;
constexpr int seriesColors = 6;

/// Independent of Qt's seeded qHash, so that a tag keeps its colour from start to start.
unsigned stableHash(const QString &text)
{
    unsigned hash = 2166136261u; // FNV-1a
    for (const QChar c : text)
        hash = (hash ^ c.unicode()) * 16777619u;
    return hash;
}

} // namespace

QColor tagColor(const QString &tag, const QPalette &palette)
{
    return seriesColor(static_cast<int>(stableHash(tag) % seriesColors), palette);
}

void TagDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    QStyleOptionViewItem background(option);
    initStyleOption(&background, index);
    background.text.clear();
    const QStyle *style = option.widget ? option.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &background, painter, option.widget);

    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setClipRect(option.rect);
    const bool selected = option.state & QStyle::State_Selected;
    const int height = option.fontMetrics.height() + 2;
    QRect chip(option.rect.left() + chipGap, option.rect.center().y() - height / 2, 0, height);
    for (const QString &tag : tagsFromText(index.data().toString())) {
        chip.setWidth(option.fontMetrics.horizontalAdvance(tag) + 2 * chipPadding);
        const QColor color = tagColor(tag, option.palette);
        QColor fill = color;
        fill.setAlphaF(selected ? 0.9f : 0.18f);
        painter->setPen(QPen(color, 1));
        painter->setBrush(selected ? option.palette.color(QPalette::Base) : fill);
        painter->drawRoundedRect(QRectF(chip).adjusted(0.5, 0.5, -0.5, -0.5), height / 2.0, height / 2.0);
        painter->setPen(option.palette.color(QPalette::Text));
        painter->drawText(chip, Qt::AlignCenter, tag);
        chip.moveLeft(chip.right() + chipGap);
    }
    painter->restore();
}

QSize TagDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    int width = chipGap;
    for (const QString &tag : tagsFromText(index.data().toString()))
        width += option.fontMetrics.horizontalAdvance(tag) + 2 * chipPadding + chipGap;
    return {width, QStyledItemDelegate::sizeHint(option, index).height()};
}

} // namespace retoscope
