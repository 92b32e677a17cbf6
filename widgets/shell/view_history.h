// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QString>
#include <QTimer>

#include "base/ids.h" // after Qt: moc 6.4 cannot parse <compare> first
#include "trace/evaluation_settings.h"

#include <optional>
#include <set>

namespace retoscope {

class Session;

/// What a person has set up to look at: small enough to be kept whole.
struct ViewState
{
    QString trace, clusters; ///< as the session was asked for them
    EvaluationSettings settings;
    Position primary;
    std::set<Position> tokens;

    friend bool operator==(const ViewState &, const ViewState &) = default;
};

/// Undo of what is looked at: when the hand has rested for a moment, the state before and the state after become one step
/// on the session's undo stack, between the edits of the views. Lives in the GUI thread.
class ViewHistory : public QObject
{
    Q_OBJECT

public:
    static constexpr int debounceMs = 600; ///< a slider that is dragged is one step

    explicit ViewHistory(Session &session, QObject *parent = nullptr);

    /// What has changed and is still waiting becomes a step at once.
    void flush();
    void undo();
    void redo();
    [[nodiscard]] bool canUndo() const; ///< also when only a change that still waits could be undone

private:
    friend class ViewStateCommand;
    [[nodiscard]] ViewState capture() const;
    void noteChange();
    void followTrace();
    void restore(const ViewState &state);
    void apply(const ViewState &state);

    Session &m_session;
    QTimer m_timer;
    std::optional<ViewState> m_last;    ///< as recorded; none: no trace is open
    std::optional<ViewState> m_opening; ///< to be applied when its trace is open
    bool m_restoring = false;
};

} // namespace retoscope
