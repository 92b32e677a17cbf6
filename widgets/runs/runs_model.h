// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ledger/ledger.h"

#include <QAbstractTableModel>

#include <vector>

namespace retoscope {

/// The runs of a ledger as a table. update() inserts, removes and changes rows; it never resets, so a selection survives.
class RunsModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Id, Name, MethodName, Perplexity, Foss, Searches, Lambda, Temperature, Neighbours, MinKnns, MaxKnns, Seconds, Started, ColumnCount };
    enum Role { SortRole = Qt::UserRole };

    explicit RunsModel(QObject *parent = nullptr);

    /// `runs` newest first.
    void update(const std::vector<RunRow> &runs);
    [[nodiscard]] const RunRow &runAt(int row) const { return m_runs[static_cast<std::size_t>(row)]; }

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    [[nodiscard]] QVariant value(const RunRow &run, Column column) const;
    [[nodiscard]] QString text(const RunRow &run, Column column) const;

    std::vector<RunRow> m_runs;
};

} // namespace retoscope
