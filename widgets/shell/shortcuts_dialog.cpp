// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/shortcuts_dialog.h"

#include "shell/command_registry.h"

#include <QAction>
#include <QDialogButtonBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QTableView>
#include <QVBoxLayout>

namespace retoscope {

ShortcutsModel::ShortcutsModel(const CommandRegistry &commands, QObject *parent) : QAbstractTableModel(parent), m_commands(commands)
{
    connect(&commands, &CommandRegistry::changed, this, [this] {
        beginResetModel(); // a command came or went, rarely and never by itself
        endResetModel();
    });
}

int ShortcutsModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_commands.items().size());
}

int ShortcutsModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant ShortcutsModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const CommandRegistry::Item &item = m_commands.items()[static_cast<std::size_t>(index.row())];
    if (role == IdRole)
        return item.command.id;
    if (role != Qt::DisplayRole)
        return {};
    switch (static_cast<Column>(index.column())) {
    case Category: return QString(item.command.category).remove(QLatin1Char('&'));
    case Title: return item.plainTitle();
    case Shortcut: return item.action ? item.action->shortcut().toString(QKeySequence::NativeText) : QString();
    case ColumnCount: break;
    }
    return {};
}

QVariant ShortcutsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 || section >= ColumnCount)
        return {};
    static const char *const titles[] = {QT_TR_NOOP("where"), QT_TR_NOOP("command"), QT_TR_NOOP("shortcut")};
    return tr(titles[section]);
}

ShortcutsDialog::ShortcutsDialog(CommandRegistry &commands, QWidget *parent)
    : QDialog(parent), m_commands(commands), m_proxy(new QSortFilterProxyModel(this)), m_filter(new QLineEdit), m_table(new QTableView),
      m_edit(new QKeySequenceEdit), m_assign(new QPushButton(tr("&Assign"))), m_none(new QPushButton(tr("&None"))), m_reset(new QPushButton(tr("&Default"))),
      m_sentence(new QLabel)
{
    setObjectName(QStringLiteral("shortcutsDialog"));
    setWindowTitle(tr("Keyboard shortcuts"));
    m_proxy->setSourceModel(new ShortcutsModel(commands, this));
    m_proxy->setFilterKeyColumn(-1);
    m_proxy->setFilterCaseSensitivity(Qt::CaseInsensitive);
    m_filter->setObjectName(QStringLiteral("shortcutsFilter"));
    m_filter->setPlaceholderText(tr("Find a command or a shortcut …"));
    m_filter->setAccessibleName(tr("Find a command or a shortcut"));
    m_filter->setClearButtonEnabled(true);
    m_table->setObjectName(QStringLiteral("shortcutsTable"));
    m_table->setAccessibleName(tr("Commands and their shortcuts"));
    m_table->setModel(m_proxy);
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setTabKeyNavigation(false);
    m_table->setShowGrid(false);
    m_table->setAlternatingRowColors(true);
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setSectionResizeMode(ShortcutsModel::Title, QHeaderView::Stretch);
    m_table->resizeColumnsToContents();
    m_edit->setObjectName(QStringLiteral("shortcutEdit"));
    m_edit->setAccessibleName(tr("New shortcut: press the keys"));
    m_assign->setObjectName(QStringLiteral("shortcutAssign"));
    m_none->setObjectName(QStringLiteral("shortcutNone"));
    m_reset->setObjectName(QStringLiteral("shortcutReset"));
    m_sentence->setObjectName(QStringLiteral("shortcutSentence"));
    m_sentence->setWordWrap(true);
    m_sentence->setMinimumHeight(2 * fontMetrics().lineSpacing());

    auto *editing = new QHBoxLayout;
    editing->addWidget(m_edit, 1);
    editing->addWidget(m_assign);
    editing->addWidget(m_none);
    editing->addWidget(m_reset);
    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Close | QDialogButtonBox::RestoreDefaults);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::accept);
    connect(buttons->button(QDialogButtonBox::RestoreDefaults), &QPushButton::clicked, this, [this] {
        m_commands.resetAllShortcuts();
        m_sentence->setText(tr("All shortcuts are as they come."));
    });
    auto *layout = new QVBoxLayout(this);
    layout->addWidget(m_filter);
    layout->addWidget(m_table, 1);
    layout->addLayout(editing);
    layout->addWidget(m_sentence);
    layout->addWidget(buttons);
    resize(fontMetrics().averageCharWidth() * 90, fontMetrics().lineSpacing() * 32);

    connect(m_filter, &QLineEdit::textChanged, m_proxy, &QSortFilterProxyModel::setFilterFixedString);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &ShortcutsDialog::showSelected);
    connect(m_assign, &QPushButton::clicked, this, [this] { assign(m_edit->keySequence()); });
    connect(m_none, &QPushButton::clicked, this, [this] { assign({}); });
    connect(m_reset, &QPushButton::clicked, this, [this] {
        if (const auto *item = m_commands.item(selected()))
            assign(QKeySequence(item->command.shortcut));
    });
    showSelected();
}

void ShortcutsDialog::select(const QString &command)
{
    const auto found = m_proxy->match(m_proxy->index(0, 0), ShortcutsModel::IdRole, command, 1, Qt::MatchExactly);
    if (!found.isEmpty())
        m_table->selectRow(found.front().row());
}

QString ShortcutsDialog::selected() const
{
    return m_table->currentIndex().data(ShortcutsModel::IdRole).toString();
}

void ShortcutsDialog::showSelected()
{
    const auto *item = m_commands.item(selected());
    for (QWidget *widget : {static_cast<QWidget *>(m_edit), static_cast<QWidget *>(m_assign), static_cast<QWidget *>(m_none), static_cast<QWidget *>(m_reset)})
        widget->setEnabled(item != nullptr);
    m_edit->setKeySequence(item && item->action ? item->action->shortcut() : QKeySequence());
    m_sentence->setText(item ? QString() : tr("Choose a command, press the keys in the field, then Assign."));
}

void ShortcutsDialog::assign(const QKeySequence &shortcut)
{
    const QString id = selected();
    const auto *item = m_commands.item(id);
    if (!item)
        return;
    if (const auto *other = m_commands.conflict(id, shortcut)) {
        m_sentence->setText(tr("%1 already belongs to “%2”; take it away there first, or press other keys.")
                                .arg(shortcut.toString(QKeySequence::NativeText), other->plainTitle()));
        return;
    }
    const QString title = item->plainTitle();
    m_commands.setShortcut(id, shortcut); // the table is filled again
    select(id);
    m_sentence->setText(shortcut.isEmpty() ? tr("“%1” has no shortcut now.").arg(title)
                                           : tr("“%1” is %2 now.").arg(title, shortcut.toString(QKeySequence::NativeText)));
}

} // namespace retoscope
