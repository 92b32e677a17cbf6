// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>
#include <QDialog>

class QKeySequenceEdit;
class QLabel;
class QLineEdit;
class QPushButton;
class QSortFilterProxyModel;
class QTableView;

namespace retoscope {

class CommandRegistry;

/// All commands with their shortcuts.
class ShortcutsModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Category, Title, Shortcut, ColumnCount };
    enum Role { IdRole = Qt::UserRole };

    explicit ShortcutsModel(const CommandRegistry &commands, QObject *parent = nullptr);
    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    const CommandRegistry &m_commands;
};

/// Edits the shortcuts; each change holds at once and is remembered. A shortcut that is taken is refused with a sentence.
class ShortcutsDialog : public QDialog
{
    Q_OBJECT

public:
    explicit ShortcutsDialog(CommandRegistry &commands, QWidget *parent = nullptr);
    void select(const QString &command);

private:
    [[nodiscard]] QString selected() const;
    void showSelected();
    void assign(const QKeySequence &shortcut);

    CommandRegistry &m_commands;
    QSortFilterProxyModel *m_proxy;
    QLineEdit *m_filter;
    QTableView *m_table;
    QKeySequenceEdit *m_edit;
    QPushButton *m_assign, *m_none, *m_reset;
    QLabel *m_sentence;
};

} // namespace retoscope
