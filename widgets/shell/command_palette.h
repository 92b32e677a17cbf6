// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractListModel>
#include <QDialog>

#include <vector>

class QLineEdit;
class QListView;

namespace retoscope {

class CommandRegistry;

/// How well `query` matches `text`, for sorting; negative: not at all. Its letters must occur in order, whatever their case;
/// beginnings of words and letters in a row count more. An empty query matches everything alike.
int fuzzyScore(const QString &query, const QString &text);

/// The commands that match what was typed, the best first; disabled ones stand last and cannot be run.
class CommandListModel : public QAbstractListModel
{
    Q_OBJECT

public:
    enum Role { IdRole = Qt::UserRole, ShortcutRole };

    explicit CommandListModel(const CommandRegistry &commands, QObject *parent = nullptr);
    void setQuery(const QString &query);

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] Qt::ItemFlags flags(const QModelIndex &index) const override;

private:
    struct Row
    {
        QString id, text, shortcut;
        int score = 0;
        bool enabled = true;
    };
    const CommandRegistry &m_commands;
    std::vector<Row> m_rows;
};

/// Ctrl+K: type a few letters, Enter runs. Shows the shortcuts, so that the next time needs no palette.
class CommandPalette : public QDialog
{
    Q_OBJECT

public:
    explicit CommandPalette(CommandRegistry &commands, QWidget *window);

    /// Over the upper middle of the window, with an empty line.
    void popUp();
    [[nodiscard]] QLineEdit *line() const { return m_line; }
    [[nodiscard]] QListView *list() const { return m_list; }

protected:
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    void filter(const QString &query);
    void runCurrent();

    CommandRegistry &m_commands;
    QLineEdit *m_line;
    QListView *m_list;
    CommandListModel *m_model;
};

} // namespace retoscope
