// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/session.h"

#include "trace/inspection.h"

#include <set>

namespace retoscope {

/// The focused token, opened: what the neighbour table and the distributions show. Immutable, shared by both.
struct Inspection
{
    std::shared_ptr<const TraceSession> trace;
    EvaluationSettings settings;
    std::set<EntryId> switchedOff;
    std::vector<QString> values; ///< of the neighbours, as tokenLabel() gives them
    PositionInspection now;                        ///< without the neighbours that are switched off
    std::shared_ptr<const PositionInspection> all; ///< with every neighbour; null when none is switched off
    std::shared_ptr<const PositionInspection> kept; ///< under the setting that is compared with; null: nothing is compared

    /// Of the position's own token under the mixture, before and after the switching off.
    [[nodiscard]] double probabilityBefore() const;
    [[nodiscard]] double probabilityNow() const;
};

/// One per session: asks for the focused token in the background, for all views at once; only the latest question counts.
class Inspector : public QObject
{
    Q_OBJECT

public:
    /// Made at the first use; belongs to the session.
    static Inspector &of(Session &session);

    [[nodiscard]] const std::shared_ptr<const Inspection> &inspection() const { return m_inspection; } ///< null: nothing is focused
    [[nodiscard]] bool isBusy() const { return m_asking.isBusy(); }
    [[nodiscard]] Position position() const { return m_position; } ///< that was asked for

    void setSwitchedOff(const std::vector<EntryId> &entries, bool off);
    void switchAllOn();

    /// A hidden view wants no answers; while no view wants any, nothing is asked.
    void setWanted(const QObject *view, bool wanted);

Q_SIGNALS:
    void inspectionChanged();
    void busyChanged(bool busy);
    void failed(const QString &sentence);

private:
    explicit Inspector(Session &session);
    void focus();
    void ask();

    Session &m_session;
    Position m_position;
    std::set<EntryId> m_switchedOff;
    std::set<const QObject *> m_unwanted, m_views;
    std::shared_ptr<const Inspection> m_inspection;
    LatestOnly<std::shared_ptr<const Inspection>> m_asking;
};

} // namespace retoscope
