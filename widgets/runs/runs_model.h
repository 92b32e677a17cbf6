// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>
#include <QSortFilterProxyModel>
#include <QString>

#include "ledger/ledger.h"

#include <array>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

namespace retoscope {

/// The columns of the runs table, in the order of a first start: results and settings before what most runs share.
struct RunColumns
{
    enum Column {
        Star, Status, Id, Name, MethodName, Perplexity, Foss, Lambda, Temperature, Neighbours, MinKnns, MaxKnns, Searches, ClustersName,
        TraceName, Model, Helped, Hurt, Distances, SemanticsName, Live, Seconds, Started, Tags, Note, ColumnCount
    };
};

/// One run with its cells made ready for showing and sorting, so that the GUI thread never parses a configuration. Immutable.
struct RunItem
{
    struct Cell
    {
        QString text;
        double number = 0;       ///< what numeric columns sort by
        bool isNumber = false;   ///< false: sorts by the text; an empty text sorts last
    };
    std::shared_ptr<const RunRow> run;
    quint64 version = 0;         ///< grows when the run changed
    std::array<Cell, RunColumns::ColumnCount> cells;

    [[nodiscard]] const Cell &cell(int column) const { return cells[static_cast<std::size_t>(column)]; }
    [[nodiscard]] bool isStarred() const;
};
using RunItems = std::vector<std::shared_ptr<const RunItem>>;

/// The tag behind the star column; never shown among the tags.
inline const std::string starTag = "starred";

/// For a worker thread. `runs` newest first, kept alive by `owner`; unchanged runs keep the version that they had in `before`.
RunItems makeRunItems(const std::vector<RunRow> &runs, const std::shared_ptr<const void> &owner, const RunItems &before);

/// The runs of a ledger as a table. update() inserts, removes and changes rows; it never resets, so a selection survives.
class RunsModel : public QAbstractTableModel, public RunColumns
{
    Q_OBJECT

public:
    /// SortRole: the number behind the text where there is one (full precision, for files too), else the text.
    enum Role { SortRole = Qt::UserRole };

    explicit RunsModel(QObject *parent = nullptr);

    /// `items` newest first.
    void update(RunItems items);
    void update(const std::vector<RunRow> &runs); ///< the same, making the items here: for few runs
    [[nodiscard]] const RunItems &items() const { return m_items; }
    [[nodiscard]] const RunRow &runAt(int row) const { return *m_items[static_cast<std::size_t>(row)]->run; }

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;
    [[nodiscard]] Qt::ItemFlags flags(const QModelIndex &index) const override;
    /// Notes, tags (separated by commas) and the star are edited here; the model asks, whoever owns the ledger writes.
    bool setData(const QModelIndex &index, const QVariant &value, int role = Qt::EditRole) override;

Q_SIGNALS:
    void noteEdited(qint64 run, const QString &note);
    void tagsEdited(qint64 run, const QStringList &tags);
    void starToggled(qint64 run, bool starred);

private:
    RunItems m_items;
};

/// The runs that fit the filter, in the order of one column; runs without a value there come last either way.
class RunsOrder : public QSortFilterProxyModel
{
    Q_OBJECT

public:
    explicit RunsOrder(RunsModel *model, QObject *parent = nullptr);

    /// Ids that fit; nothing: all.
    void setMatching(std::optional<std::unordered_set<std::int64_t>> ids);

protected:
    [[nodiscard]] bool filterAcceptsRow(int sourceRow, const QModelIndex &sourceParent) const override;
    [[nodiscard]] bool lessThan(const QModelIndex &left, const QModelIndex &right) const override;

private:
    RunsModel *m_model;
    std::optional<std::unordered_set<std::int64_t>> m_matching;
};

/// The tags of a run without the star.
QStringList visibleTags(const RunRow &run);
/// "a, b" → {"a", "b"}: trimmed, without empties and repetitions.
QStringList tagsFromText(const QString &text);

} // namespace retoscope
