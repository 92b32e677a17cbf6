// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/view.h"

#include "shell/session.h"

namespace retoscope {

/// What the views of an open trace have in common: the empty state until a trace is open, with a button that opens the
/// newest one; the sentence when it cannot be opened; grey while a replay is under way.
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
    /// "Open a trace to read …": what the empty view promises.
    void setInvitation(const QString &text) { m_invitation = text; }
    /// To be called at the end of the constructor of the derived view.
    void start();

    [[nodiscard]] const std::shared_ptr<const TraceSession> &trace() const { return session().trace(); }
    [[nodiscard]] const std::shared_ptr<const Evaluation> &evaluation() const { return session().evaluation(); }

private:
    void followTrace();
    void invite();
    void showFailure(const QString &sentence);

    QString m_invitation;
};

/// "RetoMaton, λ 0.25, T 10, k 1024, min_knns 1": what tells one setting from another.
QString settingsLabel(const EvaluationSettings &settings);

} // namespace retoscope
