// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>
#include <QString>

#include "ledger/trace_session.h"

#include <span>
#include <vector>

namespace retoscope {

/// A datastore entry with its surroundings, ready to be shown.
struct EntryLine
{
    EntryId entry;
    double weight = 0;   ///< share of p_kNN
    double distance = 0;
    QString origin;      ///< "search", "pointer", "state"; empty where it does not apply
    bool isTarget = false;
    QString left, value, right, document;
};

/// Looks up contexts of `tokens` tokens on each side. For worker threads.
EntryLine makeEntryLine(const TraceSession &trace, EntryId entry, int tokens);

/// Entries with their contexts, aligned on the value.
class EntryListModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Weight, Distance, Origin, Left, Value, Right, Document, Entry, ColumnCount };
    enum Role { SortRole = Qt::UserRole };

    explicit EntryListModel(QObject *parent = nullptr) : QAbstractTableModel(parent) {}

    void setLines(std::vector<EntryLine> lines);
    [[nodiscard]] const std::vector<EntryLine> &lines() const { return m_lines; }

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    std::vector<EntryLine> m_lines;
};

} // namespace retoscope
