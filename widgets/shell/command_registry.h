// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QHash>
#include <QKeySequence>
#include <QObject>
#include <QPointer>
#include <QString>

#include <functional>
#include <memory>
#include <vector>

class QAction;
class QWidget;

namespace retoscope {

class AppSettings;

/// One thing that the program can do, as data. The menus, the command palette and the list of shortcuts are made from these.
struct Command
{
    QString id;       ///< "project.open"; shortcuts are remembered under it
    QString title;    ///< as in a menu, with its mnemonic: "&Open…"
    QString category; ///< the menu it stands in: "Project"
    QKeySequence shortcut = {}; ///< as it comes
    std::function<void()> trigger;
    std::function<bool()> enabled = {}; ///< empty: always
    std::function<bool()> checked = {}; ///< empty: cannot be checked
    int group = 0;                      ///< menus draw a line between groups
};

/// All commands of a window, in the order of their menus. Lives in the GUI thread.
class CommandRegistry : public QObject
{
    Q_OBJECT

public:
    /// The actions are added to `window`, so that their shortcuts work in all of it.
    CommandRegistry(AppSettings &settings, QWidget *window);
    ~CommandRegistry() override;

    QAction *add(Command command);
    /// A command whose action belongs to somebody else: `scope` is where its shortcut works. A shortcut that is taken
    /// window-wide is withdrawn from the newcomer. It leaves the registry when the action is deleted.
    void adopt(const QString &id, const QString &category, QAction *action, QWidget *scope);

    struct Item
    {
        Command command;
        QPointer<QAction> action;
        QPointer<QWidget> scope; ///< null: the whole window
        [[nodiscard]] QString plainTitle() const; ///< without mnemonic
    };
    [[nodiscard]] const std::vector<Item> &items() const { return m_items; }
    [[nodiscard]] const Item *item(const QString &id) const;
    [[nodiscard]] QAction *action(const QString &id) const;

    void remove(const QString &id); ///< of add(); its action is deleted

    /// Runs it if it is enabled now; false when it is not, or not known.
    bool run(const QString &id);
    /// Asks every predicate again: before a menu or the palette opens, and when the state of the window has changed.
    void refresh();

    // Shortcuts
    /// The command that already answers to `shortcut` where `id` would; null: none.
    [[nodiscard]] const Item *conflict(const QString &id, const QKeySequence &shortcut) const;
    /// Remembers it. Refused (false) when conflict() names another command.
    bool setShortcut(const QString &id, const QKeySequence &shortcut);
    void resetShortcut(const QString &id);
    void resetAllShortcuts();

Q_SIGNALS:
    void changed(); ///< a command came or went, or a shortcut changed

private:
    void insert(Item item);
    [[nodiscard]] Item *find(const QString &id);

    AppSettings &m_settings;
    QWidget *m_window;
    std::vector<Item> m_items;
};

} // namespace retoscope
