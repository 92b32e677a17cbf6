// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <filesystem>

class QLabel;
class QProgressBar;
class QPushButton;

namespace retoscope {

class JobManager;
struct JobInfo;

/// “Run all” of a project description: stage, progress, rate and remaining time in one line, and a Cancel that works at
/// once; the same button continues later.
class PipelineBar : public QWidget
{
    Q_OBJECT

public:
    explicit PipelineBar(JobManager &jobs, QWidget *parent = nullptr);

    /// `description` empty: there is nothing to run, the bar hides its button.
    void setProject(const std::filesystem::path &folder, const std::filesystem::path &description);
    void run();
    void cancel();
    [[nodiscard]] bool isRunning() const { return m_job != 0; }

private:
    void show(const JobInfo &job);

    JobManager &m_jobs;
    std::filesystem::path m_folder, m_description;
    int m_job = 0; ///< id of the job under way; 0: none
    QLabel *m_text;
    QProgressBar *m_progress;
    QPushButton *m_button;
};

} // namespace retoscope
