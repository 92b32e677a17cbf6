// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractItemModel>
#include <QCache>
#include <QTimer>

#include "explore/inspector.h"

#include <vector>

namespace retoscope {

/// The neighbours of one position, flat or as groups with their members. Contexts are fetched in the background for the
/// rows that are looked at. Sorts and filters itself: at most some thousand rows.
class NeighboursModel : public QAbstractItemModel
{
    Q_OBJECT

public:
    enum Column { Rank, Weight, KeptWeight, Distance, Value, Context, DocumentTitle, Place, Origin, ColumnCount };
    enum Role {
        EntryRole = Qt::UserRole, ///< qint64; −1 for a group
        WeightRole,               ///< double, [0, 1]
        LargestWeightRole,        ///< double, of all rows: the full length of a bar
        LeftRole, ValueRole, RightRole, ///< QString; of the context
        IsTargetRole,             ///< the value is the true next token
        IsOffRole,
        IsGroupRole,
    };
    enum class Grouping { None, Value, Document };

    explicit NeighboursModel(QObject *parent = nullptr);
    ~NeighboursModel() override;

    /// Null: no rows. Other weights of the same neighbours keep rows and order.
    void setInspection(std::shared_ptr<const Inspection> inspection);
    void setGrouping(Grouping grouping);
    [[nodiscard]] Grouping grouping() const { return m_grouping; }
    /// Keeps the rows whose value, context or document contains the text, whatever its case.
    void setFilter(const QString &text);
    /// Fetches every context at once, blocking: for export.
    void fetchAllContexts();
    [[nodiscard]] bool isFetching() const { return m_fetching.isBusy() || m_fetchTimer.isActive(); }
    [[nodiscard]] int neighbourCount() const { return static_cast<int>(m_rows.size()); }
    [[nodiscard]] int shownCount() const; ///< of neighbours, after the filter
    [[nodiscard]] EntryId entryAt(const QModelIndex &index) const; ///< invalid for a group
    /// The entries of a row: one, or those of a group.
    [[nodiscard]] std::vector<EntryId> entriesAt(const QModelIndex &index) const;

    QModelIndex index(int row, int column, const QModelIndex &parent = {}) const override;
    QModelIndex parent(const QModelIndex &child) const override;
    int rowCount(const QModelIndex &parent = {}) const override;
    int columnCount(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    bool setData(const QModelIndex &index, const QVariant &value, int role) override;
    Qt::ItemFlags flags(const QModelIndex &index) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;
    void sort(int column, Qt::SortOrder order) override;

Q_SIGNALS:
    /// A switch was touched; the new weights come with the next inspection.
    void switchRequested(const std::vector<retoscope::EntryId> &entries, bool off);
    void contextsArrived();

private:
    struct ContextText
    {
        QString left, value, right, title;
    };
    struct Row
    {
        InspectedNeighbour neighbour;
        double keptWeight = 0; ///< under the setting that is compared with; 0: it is no candidate there
        QString value;
        DocumentId document;
        std::int64_t tokenIndex = 0;
    };
    struct Group
    {
        QString title;
        std::vector<int> rows; ///< indices into m_rows, in the order of the sort
        double weight = 0, keptWeight = 0, distance = 0;
    };
    using Contexts = std::vector<std::pair<EntryId, ContextText>>;

    static ContextText contextText(const TraceSession &trace, EntryId entry);
    [[nodiscard]] const ContextText *contextOf(EntryId entry) const;
    void want(EntryId entry) const;
    void fetch();
    void weigh(); ///< takes weights and ranks of the rows from the inspection
    void arrange();
    [[nodiscard]] bool passes(const Row &row) const;
    [[nodiscard]] bool less(int left, int right) const;
    [[nodiscard]] const Row *rowAt(const QModelIndex &index) const;
    [[nodiscard]] const Group *groupAt(const QModelIndex &index) const;
    [[nodiscard]] QVariant neighbourData(const Row &row, int column, int role) const;
    [[nodiscard]] QVariant groupData(const Group &group, int column, int role) const;
    [[nodiscard]] bool isOff(EntryId entry) const;
    void announceAll(const QList<int> &roles);

    std::shared_ptr<const Inspection> m_inspection;
    std::vector<Row> m_rows;  ///< by rank
    std::vector<int> m_order; ///< of the rows that are shown, without grouping
    std::vector<Group> m_groups;
    Grouping m_grouping = Grouping::None;
    QString m_filter;
    int m_sortColumn = Rank; ///< equal rows stay in the order of their ranks
    Qt::SortOrder m_sortOrder = Qt::AscendingOrder;
    double m_largestWeight = 0;
    QCache<qint64, ContextText> m_contexts;
    mutable std::set<EntryId> m_wanted;
    mutable QTimer m_fetchTimer;
    LatestOnly<Contexts> m_fetching;
};

} // namespace retoscope
