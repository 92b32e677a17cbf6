// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QStatusBar>

class QLabel;
class QProgressBar;
class QToolButton;

namespace retoscope {

class Session;

/// The bottom line of the window: what the setting in force gives, or the last failure until it is dismissed; whether a
/// replay is under way; the running job with its progress and a Cancel.
class StatusStrip : public QStatusBar
{
    Q_OBJECT

public:
    explicit StatusStrip(Session &session, QWidget *parent = nullptr);

    void showFailure(const QString &sentence);
    void dismissFailure();
    [[nodiscard]] const QString &failure() const { return m_failure; }

Q_SIGNALS:
    void jobActivated(); ///< the job's text was clicked: show the list of jobs

private:
    void showEvaluation();
    void showMessage();
    void showJob();

    Session &m_session;
    QString m_failure, m_evaluation;
    int m_job = 0; ///< id of the job shown; 0: none
    QLabel *m_message, *m_replaying;
    QToolButton *m_dismiss, *m_jobText, *m_cancel;
    QProgressBar *m_progress;
};

} // namespace retoscope
