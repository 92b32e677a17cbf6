// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/command_palette.h"

#include "shell/command_registry.h"

#include <QAction>
#include <QKeyEvent>
#include <QLineEdit>
#include <QListView>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QVBoxLayout>

#include <algorithm>
#include <tuple>

namespace retoscope {

namespace {

constexpr int shownRows = 12;
constexpr int padding = 6; // pixels around a row's text

/// Title to the left, shortcut to the right.
class CommandDelegate : public QStyledItemDelegate
{
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &) const override
    {
        return {0, option.fontMetrics.height() + 2 * padding};
    }

    void paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const override
    {
        QStyledItemDelegate::paint(painter, option, index);
        const QString shortcut = index.data(CommandListModel::ShortcutRole).toString();
        if (shortcut.isEmpty())
            return;
        const bool selected = option.state & QStyle::State_Selected;
        painter->save();
        painter->setPen(option.palette.color(selected ? QPalette::HighlightedText : QPalette::PlaceholderText));
        painter->drawText(option.rect.adjusted(0, 0, -2 * padding, 0), Qt::AlignRight | Qt::AlignVCenter, shortcut);
        painter->restore();
    }
};

} // namespace

int fuzzyScore(const QString &query, const QString &text)
{
    int score = 0;
    qsizetype from = 0, previous = -2;
    for (const QChar letter : query) {
        if (letter.isSpace())
            continue;
        // The beginning of a word is preferred to the next occurrence.
        qsizetype found = -1;
        for (qsizetype i = from; i < text.size(); ++i) {
            if (text[i].toCaseFolded() != letter.toCaseFolded())
                continue;
            const bool begins = i == 0 || !text[i - 1].isLetterOrNumber();
            if (found < 0 || begins)
                found = i;
            if (begins || i == previous + 1)
                break;
        }
        if (found < 0)
            return -1;
        const bool begins = found == 0 || !text[found - 1].isLetterOrNumber();
        score += 1 + (begins ? 4 : 0) + (found == previous + 1 ? 3 : 0);
        previous = found;
        from = found + 1;
    }
    return score;
}

CommandListModel::CommandListModel(const CommandRegistry &commands, QObject *parent) : QAbstractListModel(parent), m_commands(commands) {}

void CommandListModel::setQuery(const QString &query)
{
    beginResetModel(); // a list of some dozen rows that is made anew with each letter
    m_rows.clear();
    for (const CommandRegistry::Item &item : m_commands.items()) {
        if (!item.action)
            continue;
        QString category = item.command.category;
        Row row{item.command.id, QStringLiteral("%1: %2").arg(category.remove(QLatin1Char('&')), item.plainTitle()),
                item.action->shortcut().toString(QKeySequence::NativeText), 0, item.action->isEnabled()};
        row.score = fuzzyScore(query, row.text);
        if (row.score >= 0)
            m_rows.push_back(std::move(row));
    }
    std::ranges::stable_sort(m_rows, [](const Row &a, const Row &b) { return std::tuple(!a.enabled, -a.score) < std::tuple(!b.enabled, -b.score); });
    endResetModel();
}

int CommandListModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

QVariant CommandListModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const Row &row = m_rows[static_cast<std::size_t>(index.row())];
    switch (role) {
    case Qt::DisplayRole: return row.text;
    case Qt::AccessibleTextRole: return row.shortcut.isEmpty() ? row.text : tr("%1, shortcut %2").arg(row.text, row.shortcut);
    case IdRole: return row.id;
    case ShortcutRole: return row.shortcut;
    default: return {};
    }
}

Qt::ItemFlags CommandListModel::flags(const QModelIndex &index) const
{
    if (!index.isValid())
        return Qt::NoItemFlags;
    return m_rows[static_cast<std::size_t>(index.row())].enabled ? Qt::ItemIsSelectable | Qt::ItemIsEnabled : Qt::NoItemFlags;
}

CommandPalette::CommandPalette(CommandRegistry &commands, QWidget *window)
    : QDialog(window, Qt::Popup | Qt::FramelessWindowHint), m_commands(commands), m_line(new QLineEdit), m_list(new QListView), m_model(new CommandListModel(commands, this))
{
    setObjectName(QStringLiteral("commandPalette"));
    setAccessibleName(tr("Command palette"));
    m_line->setObjectName(QStringLiteral("paletteLine"));
    m_line->setAccessibleName(tr("Command to run"));
    m_line->setPlaceholderText(tr("Type a command …"));
    m_line->installEventFilter(this);
    m_list->setObjectName(QStringLiteral("paletteList"));
    m_list->setAccessibleName(tr("Matching commands"));
    m_list->setModel(m_model);
    m_list->setItemDelegate(new CommandDelegate(m_list));
    m_list->setUniformItemSizes(true);
    m_list->setFocusPolicy(Qt::NoFocus); // the line keeps the focus; its arrow keys move the list
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setFrameShape(QFrame::NoFrame);
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(padding, padding, padding, padding);
    layout->addWidget(m_line);
    layout->addWidget(m_list, 1);
    connect(m_line, &QLineEdit::textChanged, this, &CommandPalette::filter);
    connect(m_line, &QLineEdit::returnPressed, this, &CommandPalette::runCurrent);
    connect(m_list, &QListView::clicked, this, [this](const QModelIndex &index) {
        m_list->setCurrentIndex(index);
        runCurrent();
    });
}

void CommandPalette::popUp()
{
    m_commands.refresh();
    m_line->clear();
    filter({});
    const QWidget *window = parentWidget();
    const int rowHeight = fontMetrics().height() + 2 * padding;
    const QSize wanted(fontMetrics().averageCharWidth() * 80, m_line->sizeHint().height() + shownRows * rowHeight + 4 * padding);
    resize(wanted.boundedTo(window->size() * 0.9));
    move(window->mapToGlobal(QPoint((window->width() - width()) / 2, window->height() / 8)));
    show();
    m_line->setFocus(Qt::PopupFocusReason);
}

void CommandPalette::filter(const QString &query)
{
    m_model->setQuery(query);
    m_list->setCurrentIndex(m_model->index(0));
}

void CommandPalette::runCurrent()
{
    const QModelIndex index = m_list->currentIndex();
    if (!index.isValid() || !(index.flags() & Qt::ItemIsEnabled))
        return;
    const QString id = index.data(CommandListModel::IdRole).toString();
    hide(); // first, so that the command finds the focus where it was
    m_commands.run(id);
}

bool CommandPalette::eventFilter(QObject *watched, QEvent *event)
{
    if (watched != m_line || event->type() != QEvent::KeyPress)
        return QDialog::eventFilter(watched, event);
    const int rows = m_model->rowCount();
    int step = 0;
    switch (static_cast<QKeyEvent *>(event)->key()) {
    case Qt::Key_Down: step = 1; break;
    case Qt::Key_Up: step = -1; break;
    case Qt::Key_PageDown: step = shownRows; break;
    case Qt::Key_PageUp: step = -shownRows; break;
    default: return false;
    }
    if (rows > 0)
        m_list->setCurrentIndex(m_model->index(std::clamp(m_list->currentIndex().row() + step, 0, rows - 1)));
    return true;
}

} // namespace retoscope
