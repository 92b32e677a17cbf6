// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/view_history.h"

#include "shell/session.h"

#include <QUndoCommand>

#include <utility>

namespace retoscope {

namespace {

QString describe(const ViewState &before, const ViewState &after)
{
    if (before.trace != after.trace)
        return ViewHistory::tr("choice of the trace");
    if (before.clusters != after.clusters)
        return ViewHistory::tr("choice of the clusters");
    if (!(before.settings == after.settings))
        return ViewHistory::tr("change of the setting");
    return ViewHistory::tr("choice of tokens");
}

} // namespace

class ViewStateCommand : public QUndoCommand
{
public:
    ViewStateCommand(ViewHistory &history, ViewState before, ViewState after)
        : QUndoCommand(describe(before, after)), m_history(history), m_before(std::move(before)), m_after(std::move(after))
    {
    }

    void undo() override { m_history.restore(m_before); }
    void redo() override
    {
        if (!std::exchange(m_isNew, false)) // pushing calls redo(), but the state is there already
            m_history.restore(m_after);
    }

private:
    ViewHistory &m_history;
    ViewState m_before, m_after;
    bool m_isNew = true;
};

ViewHistory::ViewHistory(Session &session, QObject *parent) : QObject(parent), m_session(session)
{
    m_timer.setSingleShot(true);
    m_timer.setInterval(debounceMs);
    connect(&m_timer, &QTimer::timeout, this, &ViewHistory::flush);
    connect(&session, &Session::settingsChanged, this, &ViewHistory::noteChange);
    connect(&session.selection(), &Selection::primaryChanged, this, &ViewHistory::noteChange);
    connect(&session.selection(), &Selection::tokensChanged, this, &ViewHistory::noteChange);
    connect(&session, &Session::traceChanged, this, &ViewHistory::followTrace);
    connect(&session, &Session::failed, this, [this] { m_opening.reset(); });
}

ViewState ViewHistory::capture() const
{
    const Selection &selection = m_session.selection();
    return {m_session.trace() ? QString::fromStdString(m_session.trace()->name()) : QString(), m_session.clusters(), m_session.settings(), selection.primary(), selection.tokens()};
}

void ViewHistory::noteChange()
{
    if (m_last && !m_restoring && !m_opening)
        m_timer.start();
}

void ViewHistory::followTrace()
{
    m_timer.stop();
    if (!m_session.trace()) {
        m_last.reset();
        m_opening.reset();
    } else if (m_opening && m_opening->trace.toStdString() == m_session.trace()->name()) {
        apply(*std::exchange(m_opening, {}));
    } else if (!m_last) {
        m_last = capture();
    } else {
        m_timer.start(); // the settings that come with the trace belong to the same step
    }
}

void ViewHistory::flush()
{
    m_timer.stop();
    if (!m_last || m_restoring || m_opening)
        return;
    ViewState now = capture();
    if (now == *m_last)
        return;
    ViewState before = std::exchange(*m_last, now);
    m_session.undoStack().push(new ViewStateCommand(*this, std::move(before), std::move(now)));
}

void ViewHistory::undo()
{
    flush();
    m_session.undoStack().undo();
}

void ViewHistory::redo()
{
    flush();
    m_session.undoStack().redo();
}

bool ViewHistory::canUndo() const
{
    return m_session.undoStack().canUndo() || (m_last && !(capture() == *m_last));
}

void ViewHistory::restore(const ViewState &state)
{
    const ViewState now = capture();
    if (state.trace == now.trace && state.clusters == now.clusters) {
        apply(state);
        return;
    }
    m_opening = state;
    m_session.openTrace(state.trace, state.clusters, state.settings);
}

void ViewHistory::apply(const ViewState &state)
{
    m_restoring = true;
    m_session.setSettings(state.settings);
    m_session.selection().setTokens(state.primary, state.tokens);
    m_restoring = false;
    m_last = capture();
}

} // namespace retoscope
