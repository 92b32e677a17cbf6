// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTableView>
#include <QWidget>

class QAbstractItemDelegate;
class QMenu;
class QSettings;

namespace retoscope {

/// A table whose columns can be hidden, moved and pinned at the left edge, and that remembers it. Two views share one model
/// and one selection: the left one shows the pinned columns, the right one scrolls.
class PinnedTable : public QWidget
{
    Q_OBJECT

public:
    explicit PinnedTable(QWidget *parent = nullptr);

    void setModel(QAbstractItemModel *model);
    [[nodiscard]] QItemSelectionModel *selectionModel() const { return m_right->selectionModel(); }
    [[nodiscard]] QTableView *view() const { return m_right; }       ///< of the columns that scroll
    [[nodiscard]] QTableView *pinnedView() const { return m_left; }
    void setItemDelegateForColumn(int column, QAbstractItemDelegate *delegate);

    void setColumnShown(int column, bool shown);
    [[nodiscard]] bool isColumnShown(int column) const { return !m_hidden.contains(column); }
    void setColumnPinned(int column, bool pinned);
    [[nodiscard]] bool isColumnPinned(int column) const { return m_pinned.contains(column); }
    [[nodiscard]] QList<int> shownColumns() const; ///< pinned ones first, as they stand from left to right
    void sortBy(int column, Qt::SortOrder order);
    /// Widths from the contents of the first rows.
    void fitColumns();

    void setDefaults(const QList<int> &pinned, const QList<int> &hidden); ///< also goes there
    void resetColumns();
    /// Reads "columns/…" of the settings' present group; columns are stored by their titles, so that new ones do no harm.
    void restore(const QSettings &settings);
    void save(QSettings &settings) const;

    /// What the header's context menu offers for a column.
    void fillHeaderMenu(QMenu &menu, int column);

Q_SIGNALS:
    void columnsChanged();
    void activated(const QModelIndex &index); ///< Enter or double-click
    void clicked(const QModelIndex &index);

protected:
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    void setUp(QTableView &view);
    void applyColumns();
    void fitLeft();

    QTableView *m_left, *m_right;
    QWidget *m_underLeft; ///< as high as the right view's scroll bar, so that the rows stay in line
    QList<int> m_pinned, m_hidden, m_defaultPinned, m_defaultHidden;
};

} // namespace retoscope
