// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/command_registry.h"

#include "shell/app_settings.h"

#include <QAction>
#include <QWidget>

#include <algorithm>

namespace retoscope {

namespace {

void assign(const CommandRegistry::Item &item, const QKeySequence &shortcut)
{
    item.action->setShortcut(shortcut);
    if (item.scope)
        return; // the tool tip of a view's action is the view's
    const QString title = item.plainTitle().remove(QStringLiteral("…"));
    item.action->setToolTip(shortcut.isEmpty() ? title : QStringLiteral("%1 (%2)").arg(title, shortcut.toString(QKeySequence::NativeText)));
}

} // namespace

CommandRegistry::CommandRegistry(AppSettings &settings, QWidget *window) : QObject(window), m_settings(settings), m_window(window) {}

CommandRegistry::~CommandRegistry() = default;

QString CommandRegistry::Item::plainTitle() const
{
    QString title = command.title;
    return title.remove(QLatin1Char('&'));
}

QAction *CommandRegistry::add(Command command)
{
    auto *action = new QAction(command.title, this);
    action->setObjectName(command.id);
    action->setCheckable(bool(command.checked));
    m_window->addAction(action);
    const QString id = command.id;
    connect(action, &QAction::triggered, this, [this, id] { run(id); });
    insert({std::move(command), action, nullptr});
    return action;
}

void CommandRegistry::adopt(const QString &id, const QString &category, QAction *action, QWidget *scope)
{
    Command command{.id = id, .title = action->text(), .category = category, .shortcut = action->shortcut(), .trigger = [action] { action->trigger(); }};
    command.enabled = [action] { return action->isEnabled(); };
    connect(action, &QObject::destroyed, this, [this] {
        std::erase_if(m_items, [](const Item &item) { return item.action.isNull(); });
        Q_EMIT changed();
    });
    insert({std::move(command), action, scope});
}

void CommandRegistry::remove(const QString &id)
{
    if (const Item *known = item(id)) {
        delete known->action.data();
        std::erase_if(m_items, [&](const Item &other) { return other.command.id == id; });
        Q_EMIT changed();
    }
}

void CommandRegistry::insert(Item item)
{
    const auto remembered = m_settings.shortcuts();
    m_items.push_back(std::move(item));
    Item &added = m_items.back();
    const QKeySequence wanted = remembered.value(added.command.id, added.command.shortcut);
    assign(added, conflict(added.command.id, wanted) ? QKeySequence() : wanted);
    Q_EMIT changed();
}

CommandRegistry::Item *CommandRegistry::find(const QString &id)
{
    const auto found = std::ranges::find(m_items, id, [](const Item &item) { return item.command.id; });
    return found == m_items.end() ? nullptr : &*found;
}

const CommandRegistry::Item *CommandRegistry::item(const QString &id) const
{
    return const_cast<CommandRegistry *>(this)->find(id);
}

QAction *CommandRegistry::action(const QString &id) const
{
    const Item *found = item(id);
    return found ? found->action : nullptr;
}

bool CommandRegistry::run(const QString &id)
{
    const Item *found = item(id);
    if (!found || (found->command.enabled && !found->command.enabled()))
        return false;
    const auto trigger = found->command.trigger; // the list may change meanwhile
    trigger();
    refresh();
    return true;
}

void CommandRegistry::refresh()
{
    for (const Item &item : m_items) {
        if (!item.action || item.action->parent() != this)
            continue; // an adopted action is kept up to date by its owner
        item.action->setEnabled(!item.command.enabled || item.command.enabled());
        if (item.command.checked)
            item.action->setChecked(item.command.checked());
    }
}

const CommandRegistry::Item *CommandRegistry::conflict(const QString &id, const QKeySequence &shortcut) const
{
    const Item *asking = item(id);
    if (!asking || shortcut.isEmpty())
        return nullptr;
    const auto found = std::ranges::find_if(m_items, [&](const Item &other) {
        const bool samePlace = !other.scope || !asking->scope || other.scope == asking->scope;
        return other.command.id != id && samePlace && other.action && other.action->shortcut() == shortcut;
    });
    return found == m_items.end() ? nullptr : &*found;
}

bool CommandRegistry::setShortcut(const QString &id, const QKeySequence &shortcut)
{
    Item *changing = find(id);
    if (!changing || !changing->action || conflict(id, shortcut))
        return false;
    assign(*changing, shortcut);
    if (shortcut == changing->command.shortcut)
        m_settings.removeShortcut(id);
    else
        m_settings.setShortcut(id, shortcut);
    Q_EMIT changed();
    return true;
}

void CommandRegistry::resetShortcut(const QString &id)
{
    if (const Item *known = item(id))
        setShortcut(id, known->command.shortcut);
}

void CommandRegistry::resetAllShortcuts()
{
    // First none has one, so that no default meets a shortcut that is itself about to be reset.
    for (const auto &[id, shortcut] : m_settings.shortcuts().asKeyValueRange())
        m_settings.removeShortcut(id);
    for (Item &item : m_items)
        item.action->setShortcut({});
    for (const Item &item : m_items)
        assign(item, conflict(item.command.id, item.command.shortcut) ? QKeySequence() : item.command.shortcut);
    Q_EMIT changed();
}

} // namespace retoscope
