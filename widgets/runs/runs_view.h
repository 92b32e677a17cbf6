// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "runs/run_editor.h"
#include "runs/runs_model.h"
#include "shell/latest_only.h"
#include "shell/view.h"

#include "trace/evaluation_settings.h"

#include <optional>
#include <unordered_set>

class QCheckBox;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QSplitter;
class QTableView;
class QTimer;

namespace retoscope {

class PinnedTable;
class RunComparison;
struct ProjectSnapshot;

/// The runs of the ledger: filter, sort, choose columns; star, tag, annotate, archive, delete (with undo); open one, compare
/// several, show them in the strip. Follows what other processes write.
class RunsView : public View
{
    Q_OBJECT

public:
    explicit RunsView(Session &session, QWidget *parent = nullptr);
    ~RunsView() override;

    [[nodiscard]] QStringList exportSuffixes() const override;
    /// The table as shown: these rows, this order, these columns. CSV holds numbers in full precision.
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

    [[nodiscard]] RunEditor &editor() { return m_editor; }

    void setFilter(const QString &expression);
    /// Opens the run's trace with its setting.
    void openRun(std::int64_t id);
    /// The second of two selected runs in the second strip, the first as the setting in force; or one run beside the present one.
    void showInStrip();
    void copyCommands();

protected:
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    /// What a worker makes of a snapshot.
    struct Table
    {
        std::shared_ptr<const ProjectSnapshot> snapshot;
        RunItems items;
        std::unordered_set<std::int64_t> matching;
        QString filterError;
    };
    /// What waits for a trace to be open.
    struct Wish
    {
        QString trace;
        std::optional<EvaluationSettings> setting, comparison;
    };

    [[nodiscard]] QWidget *buildFilterBar();
    [[nodiscard]] QWidget *buildDetail();
    void buildActions();
    void connectEditor();
    void refresh();
    void showTable(Table table);
    void showCount();
    void showSelection();
    void updateActions();
    [[nodiscard]] std::vector<std::shared_ptr<const RunRow>> selectedRuns() const;
    [[nodiscard]] std::vector<RunRow> selectedRows() const; ///< copies, for the editor
    [[nodiscard]] const RunRow *runById(std::int64_t id) const;
    void askForTag();
    void deleteSelected();
    void fulfil(const RunRow &run, Wish wish);
    void saveColumns();
    void commitRemarks();
    void showNoRuns();

    RunsModel *m_model;
    RunsOrder *m_order;
    RunEditor m_editor;
    LatestOnly<Table> m_question;
    std::shared_ptr<const ProjectSnapshot> m_snapshot; ///< the one that is shown
    std::optional<Wish> m_wish;
    bool m_shownOnce = false;

    PinnedTable *m_table = nullptr;
    QLineEdit *m_filter = nullptr;
    QCheckBox *m_archived = nullptr;
    QLabel *m_problem = nullptr, *m_count = nullptr;
    QTimer *m_savingColumns = nullptr;
    QSplitter *m_splitter = nullptr;
    QWidget *m_detail = nullptr;
    QLabel *m_detailTitle = nullptr;
    QCheckBox *m_onlyDifferences = nullptr;
    QTableView *m_comparisonTable = nullptr;
    QWidget *m_remarks = nullptr;    ///< tags and note of one run …
    std::int64_t m_remarked = 0;     ///< … of this one; 0: none
    QStringList m_knownTags;         ///< as shown, or as sent to the ledger, last
    QString m_knownNote;
    QLineEdit *m_tags = nullptr;
    QPlainTextEdit *m_noteText = nullptr;
    RunComparison *m_comparison;
    QAction *m_open = nullptr, *m_strip = nullptr, *m_copy = nullptr, *m_star = nullptr, *m_tag = nullptr, *m_note = nullptr, *m_archive = nullptr,
            *m_delete = nullptr;
};

} // namespace retoscope
