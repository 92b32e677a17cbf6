// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/selection.h"

#include <algorithm>
#include <iterator>

namespace retoscope {

/// Makes a change and emits exactly the signals of what differs afterwards.
template<typename Change>
void Selection::apply(Change change)
{
    const Position oldFocused = focused(), oldPrimary = m_primary;
    const auto oldTokens = m_tokens;
    change();
    if (oldPrimary != m_primary)
        Q_EMIT primaryChanged(m_primary);
    if (oldFocused != focused())
        Q_EMIT focusedChanged(focused());
    if (oldTokens != m_tokens)
        Q_EMIT tokensChanged();
}

void Selection::setCount(std::int64_t positions)
{
    const bool hadPins = !m_pinned.empty();
    apply([&] {
        m_count = positions;
        m_primary = m_hovered = Position();
        m_tokens.clear();
        m_pinned.clear();
    });
    if (hadPins)
        Q_EMIT pinnedChanged();
}

void Selection::hover(Position position)
{
    if (position.value >= m_count)
        return;
    apply([&] { m_hovered = position; });
}

void Selection::lock(Position position)
{
    if (position.value >= m_count)
        return;
    apply([&] {
        m_primary = position;
        m_hovered = Position(); // what is chosen is shown, also by keys while the mouse rests on another token
        m_tokens.clear();
        if (position.valid())
            m_tokens.insert(position);
    });
}

void Selection::toggle(Position position)
{
    if (!position.valid() || position.value >= m_count)
        return;
    apply([&] {
        if (m_tokens.erase(position) > 0) {
            if (m_primary == position)
                m_primary = m_tokens.empty() ? Position() : *m_tokens.rbegin();
        } else {
            m_tokens.insert(position);
            m_primary = position;
        }
    });
}

void Selection::setTokens(Position primary, const std::set<Position> &tokens)
{
    apply([&] {
        m_primary = primary.value < m_count ? primary : Position();
        m_tokens.clear();
        std::ranges::copy_if(tokens, std::inserter(m_tokens, m_tokens.end()), [&](Position token) { return token.valid() && token.value < m_count; });
        if (m_primary.valid())
            m_tokens.insert(m_primary);
    });
}

void Selection::togglePin(Position position)
{
    if (!position.valid() || position.value >= m_count)
        return;
    if (m_pinned.erase(position) == 0)
        m_pinned.insert(position);
    Q_EMIT pinnedChanged();
}

void Selection::unlock()
{
    apply([&] {
        m_primary = m_hovered = Position();
        m_tokens.clear();
    });
}

void Selection::movePrimary(std::int64_t delta)
{
    if (m_count == 0)
        return;
    const std::int64_t from = m_primary.valid() ? m_primary.value : (delta > 0 ? -1 : m_count);
    lock(Position(std::clamp<std::int64_t>(from + delta, 0, m_count - 1)));
}

} // namespace retoscope
