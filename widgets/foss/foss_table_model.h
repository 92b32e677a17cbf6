// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>

#include "foss/foss_figure.h"

namespace retoscope {

/// The points of a FoSS figure as a table, for papers: one row per point, series after series, then the wall clock.
class FossTableModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { SeriesName, Foss, Perplexity, Varied, Lambda, Temperature, K, MaxKnns, Milliseconds, Pareto, Run, ColumnCount };

    explicit FossTableModel(QObject *parent = nullptr) : QAbstractTableModel(parent) {}

    void setFigure(const FossFigure &figure);

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    struct Row
    {
        QString series;
        double foss = 0;
        std::optional<double> perplexity, milliseconds;
        EvaluationSettings settings;
        bool pareto = false;
        std::int64_t run = 0;
    };
    std::vector<Row> m_rows;
};

} // namespace retoscope
