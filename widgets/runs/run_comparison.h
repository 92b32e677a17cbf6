// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>
#include <QString>

#include "ledger/ledger.h"

#include <memory>
#include <vector>

namespace retoscope {

/// One line of the comparison: a metric, a setting, an artefact, a fact about the machine, in every run.
struct ComparedField
{
    QString section; ///< "Result", "Settings", "Artefacts", "Environment", "Record"
    QString name;    ///< dotted path inside the section, e.g. "automaton.min_knns"
    QStringList values;      ///< one a run; empty where a run does not have it
    QStringList fullValues;  ///< the same unabridged, for tool tips and files
    bool differs = false;
};

/// Everything that the ledger knows about these runs, side by side: the results first, then by section and name.
std::vector<ComparedField> compareRuns(const std::vector<std::shared_ptr<const RunRow>> &runs);

/// compareRuns() as a table with a heading row per section. One run: its page. Several: by default only what differs, and the
/// results in any case.
class RunComparison : public QAbstractTableModel
{
    Q_OBJECT

public:
    explicit RunComparison(QObject *parent = nullptr) : QAbstractTableModel(parent) {}

    void setRuns(std::vector<std::shared_ptr<const RunRow>> runs);
    void setOnlyDifferences(bool only);
    [[nodiscard]] bool onlyDifferences() const { return m_onlyDifferences; }
    [[nodiscard]] const std::vector<std::shared_ptr<const RunRow>> &runs() const { return m_runs; }
    [[nodiscard]] bool isHeading(int row) const { return !m_rows[static_cast<std::size_t>(row)].field; }

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    struct Row
    {
        const ComparedField *field = nullptr; ///< null: a heading
        QString section;
    };
    void rebuild();

    std::vector<std::shared_ptr<const RunRow>> m_runs;
    std::vector<ComparedField> m_fields;
    std::vector<Row> m_rows;
    bool m_onlyDifferences = true;
};

} // namespace retoscope
