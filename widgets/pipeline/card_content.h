// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include "jobs/job_manager.h"
#include "ledger/stages.h"

#include <optional>

namespace retoscope {

/// What a card of the pipeline shows; a value.
struct CardContent
{
    enum class Look { Missing, Blocked /* what it needs is not there */, Unfinished, Ready, Stale, Failed, Waiting /* queued */, Running, Paused };
    enum class Action { None, Configure, Run, Continue, Renew, Retry };

    Stage stage = Stage::Corpus;
    Look look = Look::Missing;
    QString title;      ///< "Datastore"
    QString state;      ///< "ready", in words
    QString name;       ///< of the artefact
    QString detail;     ///< inputs, the reason of a state, or what is being done
    QString parameters; ///< what it was made with, or how it goes
    QString figures;    ///< what is in it and how large it is; the forecast; rate and time left
    QString toolTip;
    double progress = -1; ///< 0 to 1; negative: no bar, or not known while it runs
    Action action = Action::None; ///< of the card's button
    int job = 0;        ///< the job that runs, waits or has failed; 0: none

    friend bool operator==(const CardContent &, const CardContent &) = default;
    [[nodiscard]] bool isBusy() const { return look == Look::Running || look == Look::Paused || look == Look::Waiting; }
};

/// The stage that a job works on, or failed at; nothing for a job that is no work of the pipeline.
std::optional<Stage> stageOf(const JobInfo &job);

/// `job`: what works on this stage, waits to, or failed last; null: none.
CardContent cardContent(const StageStatus &status, const JobInfo *job);

QString titleOf(Stage stage);
QString glyphOf(CardContent::Look look); ///< a shape per look: colour never stands alone
QString textOf(CardContent::Action action);

} // namespace retoscope
