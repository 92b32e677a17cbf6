// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QStyledItemDelegate>

class QPainter;

namespace retoscope {

/// Draws "a, b, c" as chips, each tag in a colour of its own; editing is by text, separated by commas.
class TagDelegate : public QStyledItemDelegate
{
    Q_OBJECT

public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const override;
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;
};

/// The colour of a tag's chip: the same tag has the same colour everywhere.
QColor tagColor(const QString &tag, const QPalette &palette);

} // namespace retoscope
