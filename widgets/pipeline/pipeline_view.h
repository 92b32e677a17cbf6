// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "pipeline/card_content.h"
#include "shell/latest_only.h"
#include "shell/view.h"

#include <set>
#include <vector>

class QLabel;
class QProgressBar;
class QToolButton;

namespace retoscope {

class StageCard;

/// The strip of stages from the corpus to the FoSS curve: what each was made from, whether it still fits, what it would
/// cost, and what is being made now.
class PipelineView : public View
{
    Q_OBJECT

public:
    explicit PipelineView(Session &session, QWidget *parent = nullptr);

    [[nodiscard]] StageCard &card(Stage stage) const;
    [[nodiscard]] bool isSettled() const override { return View::isSettled() && !m_reading.isBusy() && !m_statuses.empty(); }
    /// The description of the session when it has one; else every stage that is missing, unfinished or stale, one after
    /// the other, until one fails.
    void runAll();

protected:
    void dragEnterEvent(QDragEnterEvent *event) override;
    void dropEvent(QDropEvent *event) override;

private:
    void build();
    void buildActions();
    void read();
    void showCards();
    void showRunAll();
    void jobEnded(int id);
    void runNext();

    [[nodiscard]] const StageStatus *status(Stage stage) const;
    [[nodiscard]] const JobInfo *jobOf(Stage stage) const;
    [[nodiscard]] const JobInfo *pipelineJob() const; ///< “Run all” of a description, under way or waiting
    void enqueue(const Work &work);
    void startStage(Stage stage);
    void configure(const Work &work);
    [[nodiscard]] Work templateOf(Stage stage) const;
    void fillMenu(Stage stage);
    void choose(Stage stage, const QString &name);

    std::vector<StageCard *> m_cards;
    QToolButton *m_runAll, *m_pauseAll, *m_cancelAll;
    QLabel *m_summary;
    std::vector<StageStatus> m_statuses; ///< empty until the project has been read
    StageChoice m_choice;
    bool m_chain = false; ///< “Run all” without a description goes on after each job
    std::set<Stage> m_tried; ///< by this “Run all”: each once
    std::filesystem::path m_shownProject;
    LatestOnly<std::vector<StageStatus>> m_reading;
};

} // namespace retoscope
