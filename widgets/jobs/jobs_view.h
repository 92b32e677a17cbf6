// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "jobs/jobs_model.h"
#include "shell/latest_only.h"
#include "shell/view.h"

#include <vector>

class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QTableView;
class QTimer;

namespace retoscope {

class Session;

/// All work in one place: what runs, waits and is finished, of this program and of others, with the log of the chosen job.
class JobsView : public View
{
    Q_OBJECT

public:
    explicit JobsView(Session &session, QWidget *parent = nullptr);

    [[nodiscard]] JobsModel &model() const { return *m_model; }
    [[nodiscard]] QStringList exportSuffixes() const override;
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override { return View::isSettled() && !m_history.isBusy(); }

private:
    void build();
    void buildActions();
    QAction *addJobAction(const QString &name, const QString &text, const QKeySequence &shortcut, const QString &toolTip, std::function<void()> trigger);
    void readHistory();
    void showPage();
    void showSelected();
    [[nodiscard]] int currentRow() const;

    void cancelCurrent();
    void pauseCurrent();
    void continueCurrent();
    void moveCurrent(int delta);
    void openResult();

    JobsModel *m_model;
    QTableView *m_table;
    QLabel *m_title;
    QLineEdit *m_command;
    QPlainTextEdit *m_log;
    QTimer *m_clock;
    QAction *m_cancel = nullptr, *m_pause = nullptr, *m_continue = nullptr, *m_up = nullptr, *m_down = nullptr, *m_open = nullptr, *m_clear = nullptr;
    LatestOnly<std::vector<RecordedJob>> m_history;
    qint64 m_sessionBegan; ///< UTC, ms: what this process began later is shown by the job manager
};

} // namespace retoscope
