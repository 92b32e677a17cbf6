// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/view.h"

#include "explore/token_cells.h"
#include "ledger/live_progress.h"
#include "shell/session.h"

namespace retoscope {

/// What a view of an evaluation draws from, whether it is a trace's or still growing. The arrays of a growing one hold the
/// LM's log-probabilities and, as targets, the positions themselves.
struct ShownEvaluation
{
    std::shared_ptr<const void> owner;
    TraceArrays arrays;
    std::shared_ptr<const EvaluationResult> result; ///< null: none yet
};

/// What the views of an open trace have in common: the empty state until a trace is open, with a button that opens the
/// newest one; the sentence when it cannot be opened; grey while a replay is under way. While a trace is being recorded and
/// none is open (or the user asks to watch), the views that can show what grows.
class ExploreView : public View
{
    Q_OBJECT

public:
    ExploreView(Session &session, const QString &id, const QString &title, QWidget *parent = nullptr);

protected:
    /// A trace is open: show what needs no evaluation. Called again for every trace.
    virtual void showTrace(const std::shared_ptr<const TraceSession> &trace) = 0;
    /// There is a new evaluation or none any more, or another one to compare with.
    virtual void showEvaluation() {}
    /// What is being recorded has grown; the view was prepared by canShowLive().
    virtual void showLive(const std::shared_ptr<const LiveProgress> &) {}
    [[nodiscard]] virtual bool canShowLive() const { return false; }
    [[nodiscard]] bool showsLive() const { return m_showsLive; }
    void watchLive(bool watch);
    /// Of the open trace, or what grows.
    [[nodiscard]] ShownEvaluation shown() const;
    /// "Open a trace to read …": what the empty view promises.
    void setInvitation(const QString &text) { m_invitation = text; }
    /// To be called at the end of the constructor of the derived view.
    void start();

    [[nodiscard]] const std::shared_ptr<const TraceSession> &trace() const { return session().trace(); }
    [[nodiscard]] const std::shared_ptr<const Evaluation> &evaluation() const { return session().evaluation(); }

private:
    void followTrace();
    void followLive();
    void invite();
    void showFailure(const QString &sentence);

    QString m_invitation;
    bool m_watchesLive = false, m_showsLive = false;
};

/// The targets of what is being recorded; the token ids are the positions.
TokenStream tokenStreamOf(const std::shared_ptr<const LiveProgress> &live);

/// "RetoMaton, λ 0.25, T 10, k 1024, min_knns 1": what tells one setting from another.
QString settingsLabel(const EvaluationSettings &settings);

} // namespace retoscope
