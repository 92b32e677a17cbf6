// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "jobs/job_manager.h"
#include "ledger/trace_session.h"
#include "shell/latest_only.h"
#include "shell/project_snapshot.h"
#include "shell/selection.h"

#include <QObject>
#include <QUndoStack>

#include <memory>
#include <optional>

namespace retoscope {

/// One answer of the replay: a setting with its figures and per-position arrays. Immutable, shared by all views.
struct Evaluation
{
    quint64 id = 0; ///< grows with every answer
    EvaluationResult result;
};

/// What the whole window works on: the open project, the open trace, the setting in force and its evaluation, an optional
/// second evaluation to compare with, the selection and the jobs. Lives in the GUI thread and never computes there. Views
/// listen to its signals and fetch the shared immutable structs.
class Session : public QObject
{
    Q_OBJECT

public:
    explicit Session(QObject *parent = nullptr);
    ~Session() override;

    // The project
    void openProject(const std::filesystem::path &folder);
    [[nodiscard]] const std::filesystem::path &projectFolder() const { return m_folder; }
    [[nodiscard]] const std::shared_ptr<const ProjectSnapshot> &project() const { return m_snapshot; } ///< null before it is read
    void refreshProject();
    /// What "Run all" runs, e.g. projects/postgresql-manual/project.json; empty: nothing is described.
    [[nodiscard]] const std::filesystem::path &description() const { return m_description; }
    void setDescription(const std::filesystem::path &projectFile);

    // The trace
    /// Opens in the background; `clusters` by name, "none", or empty for the only one there is. `settings`: those to begin
    /// with; without them the present ones stay in force.
    void openTrace(const QString &name, const QString &clusters = {}, const std::optional<EvaluationSettings> &settings = {});
    /// The clusters that the open trace was asked for with.
    [[nodiscard]] const QString &clusters() const { return m_clusters; }
    [[nodiscard]] const std::shared_ptr<const TraceSession> &trace() const { return m_trace; } ///< null: none is open
    /// For tests and for live views: installs a session that is already open.
    void setTrace(std::shared_ptr<const TraceSession> trace);

    // The setting and its evaluation
    [[nodiscard]] const EvaluationSettings &settings() const { return m_settings; }
    /// Starts a replay; an answer under way is dropped. Invalid settings arrive as failed().
    void setSettings(const EvaluationSettings &settings);
    [[nodiscard]] const std::shared_ptr<const Evaluation> &evaluation() const { return m_evaluation; } ///< null: none yet
    [[nodiscard]] const std::shared_ptr<const Evaluation> &comparison() const { return m_comparison; } ///< null: nothing is compared
    /// Keeps the present evaluation as the one to compare with, or stops comparing.
    void pinForComparison();
    void compareWith(const EvaluationSettings &settings);
    void clearComparison();

    // What grows while a job records a trace or evaluates live
    [[nodiscard]] const std::shared_ptr<const LiveProgress> &live() const { return m_live; } ///< null: nothing grows
    void setLive(std::shared_ptr<const LiveProgress> live); ///< GUI thread; at most about ten times a second

    [[nodiscard]] Selection &selection() { return m_selection; }
    [[nodiscard]] JobManager &jobs() { return m_jobs; }

    /// What the user edits can be undone: tags, notes and deletions as commands of the views, settings, clusters and selection
    /// as snapshots of the window. Emptied when another project is opened.
    [[nodiscard]] QUndoStack &undoStack() { return m_undoStack; }
    /// Asks the window to show a view by its id ("jobs", "neighbours").
    void showView(const QString &id) { Q_EMIT viewWanted(id); }

Q_SIGNALS:
    void projectChanged();
    void projectUnavailable(const QString &sentence); ///< the folder has vanished, the ledger is locked …; it is asked again each second
    void projectAvailable();                          ///< after projectUnavailable()
    void traceChanged();
    void settingsChanged();
    void evaluationChanged();
    void comparisonChanged();
    void descriptionChanged();
    void viewWanted(const QString &id);
    void liveChanged();
    void busyChanged(bool busy);           ///< a replay or an opening is under way: views grey what they show
    void failed(const QString &sentence);

private:
    void replay();
    void setSnapshot(std::shared_ptr<const ProjectSnapshot> snapshot);

    std::filesystem::path m_folder, m_description;
    QString m_clusters;
    std::shared_ptr<const ProjectSnapshot> m_snapshot;
    std::shared_ptr<const TraceSession> m_trace;
    EvaluationSettings m_settings;
    std::shared_ptr<const Evaluation> m_evaluation, m_comparison;
    std::shared_ptr<const LiveProgress> m_live;
    quint64 m_nextEvaluation = 1;
    Selection m_selection;
    JobManager m_jobs;
    QUndoStack m_undoStack;
    ProjectWatcher m_watcher;
    LatestOnly<std::shared_ptr<const TraceSession>> m_opening;
    LatestOnly<std::shared_ptr<EvaluationResult>> m_replaying, m_comparing;
};

} // namespace retoscope
