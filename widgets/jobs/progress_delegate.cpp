// SPDX-License-Identifier: GPL-3.0-or-later
#include "jobs/progress_delegate.h"

#include "jobs/jobs_model.h"
#include "plot/theme.h"

#include <QLocale>
#include <QPainter>

namespace retoscope {

namespace {

constexpr int barHeight = 4;
constexpr int margin = 4;

} // namespace

void ProgressDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    QStyledItemDelegate::paint(painter, option, index);
    const QVariant permille = index.data(JobsModel::PermilleRole);
    if (!permille.isValid())
        return;
    const QRect cell = option.rect.adjusted(margin, 0, -margin, 0);
    const QRectF groove(cell.left(), cell.bottom() - barHeight, cell.width(), barHeight - 1);
    const bool selected = option.state & QStyle::State_Selected;
    const QColor accent = selected ? option.palette.color(QPalette::HighlightedText) : seriesColor(0, option.palette);
    QColor ground = option.palette.color(selected ? QPalette::HighlightedText : QPalette::Text);
    ground.setAlphaF(0.15f);
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setPen(Qt::NoPen);
    painter->setBrush(ground);
    painter->drawRoundedRect(groove, 1.5, 1.5);
    painter->setBrush(accent);
    if (permille.toInt() >= 0) {
        painter->drawRoundedRect(QRectF(groove.topLeft(), QSizeF(groove.width() * permille.toInt() / 1000, groove.height())), 1.5, 1.5);
        painter->setPen(option.palette.color(selected ? QPalette::HighlightedText : QPalette::Text));
        painter->drawText(cell.adjusted(0, 0, 0, -barHeight), Qt::AlignRight | Qt::AlignVCenter, QLocale().toString(permille.toInt() / 10) + QLatin1Char('%'));
    } else {
        painter->setOpacity(0.4); // how much there is to do is not known
        painter->drawRoundedRect(groove, 1.5, 1.5);
    }
    painter->restore();
}

} // namespace retoscope
