// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>

#include "base/ids.h" // after Qt: moc 6.4 cannot parse <compare> first

#include <set>

namespace retoscope {

/// The one selection of the workbench; every view listens and none keeps its own. Positions are those of the current trace.
///   hover previews · click locks · Ctrl-click adds · double-click pins as a card · Esc unlocks · ←/→ move the primary token
class Selection : public QObject
{
    Q_OBJECT

public:
    explicit Selection(QObject *parent = nullptr) : QObject(parent) {}

    /// The token that detail views show: the hovered one while the mouse is over a token, else the locked one. May be invalid.
    [[nodiscard]] Position focused() const { return m_hovered.valid() ? m_hovered : m_primary; }
    [[nodiscard]] Position primary() const { return m_primary; } ///< locked by a click; invalid: none
    [[nodiscard]] Position hovered() const { return m_hovered; }
    [[nodiscard]] const std::set<Position> &tokens() const { return m_tokens; } ///< includes the primary one
    [[nodiscard]] const std::set<Position> &pinned() const { return m_pinned; }

    /// Number of positions of the current trace; clears everything.
    void setCount(std::int64_t positions);
    [[nodiscard]] std::int64_t count() const { return m_count; }

    void hover(Position position); ///< invalid: the mouse left
    void lock(Position position);  ///< click, or a key: focused until the mouse moves on
    void toggle(Position position); ///< Ctrl-click: adds to or removes from the set; the primary token follows
    void setTokens(Position primary, const std::set<Position> &tokens); ///< all at once; what lies outside is left out
    void togglePin(Position position);
    void unlock();                 ///< Esc
    void movePrimary(std::int64_t delta); ///< ←/→; stops at the ends

Q_SIGNALS:
    void focusedChanged(retoscope::Position position);
    void primaryChanged(retoscope::Position position);
    void tokensChanged();
    void pinnedChanged();

private:
    template<typename Change>
    void apply(Change change);

    std::int64_t m_count = 0;
    Position m_primary, m_hovered;
    std::set<Position> m_tokens, m_pinned;
};

} // namespace retoscope
