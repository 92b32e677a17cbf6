// SPDX-License-Identifier: GPL-3.0-or-later
#include "foss/foss_table_model.h"

#include <QLocale>

namespace retoscope {

void FossTableModel::setFigure(const FossFigure &figure)
{
    beginResetModel();
    m_rows.clear();
    for (const auto &series : figure.series) {
        for (const auto &point : series.points)
            m_rows.push_back({series.name, point.foss, point.perplexity, {}, point.settings, point.pareto, point.run});
    }
    for (const auto &timing : figure.timings)
        m_rows.push_back({tr("%1, live").arg(QString::fromUtf8(displayName(timing.settings.method))), timing.foss, {}, timing.perToken, timing.settings, false, timing.run});
    endResetModel();
}

int FossTableModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(m_rows.size());
}

int FossTableModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

QVariant FossTableModel::data(const QModelIndex &index, int role) const
{
    if (role == Qt::TextAlignmentRole)
        return int((index.column() == SeriesName || index.column() == Varied ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    if (role != Qt::DisplayRole || !index.isValid())
        return {};
    const Row &row = m_rows[std::size_t(index.row())];
    const QLocale locale;
    const auto number = [&](double value, int decimals) { return locale.toString(value, 'f', decimals); };
    switch (index.column()) {
    case SeriesName: return row.series;
    case Foss: return number(row.foss * 100, 1) + QStringLiteral(" %");
    case Perplexity: return row.perplexity ? number(*row.perplexity, 2) : QString();
    case Varied: return variedSetting(row.settings);
    case Lambda: return row.settings.method == Method::Adaptive && row.settings.gate.learnedWeight ? tr("learned") : locale.toString(row.settings.lambda, 'g', 4);
    case Temperature: return locale.toString(row.settings.temperature, 'g', 4);
    case K: return QString::number(row.settings.k);
    case MaxKnns: return row.settings.method == Method::Retomaton ? QString::number(row.settings.automaton.maxKnns) : QString();
    case Milliseconds: return row.milliseconds ? number(*row.milliseconds, 2) : QString();
    case Pareto: return row.pareto ? QStringLiteral("*") : QString();
    case Run: return row.run > 0 ? QString::number(row.run) : QString();
    }
    return {};
}

QVariant FossTableModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    switch (section) {
    case SeriesName: return tr("series");
    case Foss: return tr("FoSS");
    case Perplexity: return tr("perplexity");
    case Varied: return tr("setting");
    case Lambda: return QStringLiteral("λ");
    case Temperature: return QStringLiteral("T");
    case K: return QStringLiteral("k");
    case MaxKnns: return QStringLiteral("max_knns");
    case Milliseconds: return tr("ms/token");
    case Pareto: return tr("Pareto");
    case Run: return tr("run");
    }
    return {};
}

} // namespace retoscope
