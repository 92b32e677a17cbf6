// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/inspector.h"

#include "explore/token_cells.h"

#include <cmath>
#include <optional>

namespace retoscope {

namespace {

constexpr std::int32_t topTokens = 24;      // of each distribution
constexpr std::int32_t keptTopTokens = 256; // so that what one setting shows is found under the other

std::shared_ptr<const Inspection> inspectInBackground(const std::shared_ptr<const TraceSession> &trace, Position position, const EvaluationSettings &settings,
                                                      const std::optional<EvaluationSettings> &kept, const std::set<EntryId> &switchedOff)
{
    auto inspection = std::make_shared<Inspection>();
    inspection->trace = trace;
    inspection->settings = settings;
    inspection->switchedOff = switchedOff;
    const std::vector<EntryId> off(switchedOff.begin(), switchedOff.end());
    inspection->now = inspect(trace->replay(), position, settings, off, topTokens);
    if (!off.empty())
        inspection->all = std::make_shared<const PositionInspection>(inspect(trace->replay(), position, settings, {}, topTokens));
    if (kept)
        inspection->kept = std::make_shared<const PositionInspection>(inspect(trace->replay(), position, *kept, {}, keptTopTokens));
    for (const InspectedNeighbour &neighbour : inspection->now.neighbours)
        inspection->values.push_back(tokenLabel(trace->tokenText(neighbour.value), neighbour.value));
    return inspection;
}

} // namespace

double Inspection::probabilityBefore() const
{
    return std::exp(all ? all->mixedLogProb : now.mixedLogProb);
}

double Inspection::probabilityNow() const
{
    return std::exp(now.mixedLogProb);
}

Inspector &Inspector::of(Session &session)
{
    if (auto *known = session.findChild<Inspector *>(QString(), Qt::FindDirectChildrenOnly))
        return *known;
    return *new Inspector(session);
}

Inspector::Inspector(Session &session) : QObject(&session), m_session(session)
{
    m_asking.onAnswer([this](auto inspection) {
        m_inspection = std::move(inspection);
        Q_EMIT inspectionChanged();
    });
    m_asking.onFailure([this](const QString &sentence) { Q_EMIT failed(sentence); });
    m_asking.onBusy([this](bool busy) { Q_EMIT busyChanged(busy); });
    connect(&session.selection(), &Selection::focusedChanged, this, &Inspector::focus);
    connect(&session, &Session::evaluationChanged, this, &Inspector::ask);
    connect(&session, &Session::comparisonChanged, this, &Inspector::ask);
    connect(&session, &Session::traceChanged, this, &Inspector::focus);
    focus();
}

void Inspector::focus()
{
    m_position = m_session.selection().focused();
    m_switchedOff.clear();
    ask();
}

void Inspector::ask()
{
    if (!m_session.trace() || !m_position.valid()) {
        m_asking.cancel();
        if (std::exchange(m_inspection, nullptr))
            Q_EMIT inspectionChanged();
        return;
    }
    if (!m_views.empty() && m_unwanted == m_views)
        return;
    const auto &evaluation = m_session.evaluation(), &comparison = m_session.comparison();
    m_asking.ask([trace = m_session.trace(), position = m_position, off = m_switchedOff,
                  settings = evaluation ? evaluation->result.settings : m_session.settings(),
                  kept = comparison ? std::optional(comparison->result.settings) : std::nullopt](JobControl &) { return inspectInBackground(trace, position, settings, kept, off); });
}

void Inspector::setSwitchedOff(const std::vector<EntryId> &entries, bool off)
{
    for (const EntryId entry : entries) {
        if (off)
            m_switchedOff.insert(entry);
        else
            m_switchedOff.erase(entry);
    }
    ask();
}

void Inspector::switchAllOn()
{
    m_switchedOff.clear();
    ask();
}

void Inspector::setWanted(const QObject *view, bool wanted)
{
    if (m_views.insert(view).second) {
        connect(view, &QObject::destroyed, this, [this, view] {
            m_views.erase(view);
            m_unwanted.erase(view);
        });
    }
    const bool wasAsleep = m_unwanted == m_views;
    if (wanted)
        m_unwanted.erase(view);
    else
        m_unwanted.insert(view);
    if (wanted && wasAsleep)
        ask();
}

} // namespace retoscope
