// SPDX-License-Identifier: GPL-3.0-or-later
#include "pipeline/pipeline_bar.h"

#include "jobs/job_manager.h"
#include "ledger/pipeline.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QProgressBar>
#include <QPushButton>

namespace retoscope {

namespace {

constexpr int progressSteps = 1000;

QString runWholePipeline(Project &project, const std::filesystem::path &description, JobControl &control)
{
    const Request request{.name = {}, .command = "retoscope-cli run " + description.string() + " --project " + project.folder().string()};
    const auto outcome = runPipeline(project, readProjectDescription(description), request, control, [&](const auto &stages, std::size_t changed) {
        const PipelineStage &stage = stages[changed];
        control.log(stage.name + ": " + std::string(toString(stage.state)) + (stage.summary.empty() ? "" : ", " + stage.summary));
    });
    return QObject::tr("The pipeline is done in %1.").arg(QString::fromStdString(formatDuration(outcome.seconds)));
}

} // namespace

PipelineBar::PipelineBar(JobManager &jobs, QWidget *parent)
    : QWidget(parent), m_jobs(jobs), m_text(new QLabel), m_progress(new QProgressBar), m_button(new QPushButton)
{
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_text, 1);
    layout->addWidget(m_progress);
    layout->addWidget(m_button);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_progress->setRange(0, progressSteps);
    m_progress->setFixedWidth(fontMetrics().averageCharWidth() * 24);
    m_progress->hide();
    connect(m_button, &QPushButton::clicked, this, [this] { isRunning() ? cancel() : run(); });
    connect(&m_jobs, &JobManager::jobChanged, this, [this](int id) {
        if (const JobInfo *job = m_jobs.job(id); job && id == m_job)
            show(*job);
    });
    connect(&m_jobs, &JobManager::jobFinished, this, [this](int id) {
        if (id != m_job)
            return;
        m_job = 0;
        m_progress->hide();
        if (const JobInfo *job = m_jobs.job(id))
            m_text->setText(job->message);
        setProject(m_folder, m_description);
    });
    setProject({}, {});
}

void PipelineBar::setProject(const std::filesystem::path &folder, const std::filesystem::path &description)
{
    m_folder = folder;
    m_description = description;
    m_button->setText(isRunning() ? tr("Cancel") : tr("Run all"));
    m_button->setToolTip(tr("Build what is missing, from the corpus to the FoSS curve; what is ready is only read again"));
    m_button->setVisible(isRunning() || (!m_folder.empty() && !m_description.empty()));
}

void PipelineBar::run()
{
    if (isRunning() || m_folder.empty() || m_description.empty())
        return;
    m_progress->setValue(0);
    m_progress->show();
    m_job = m_jobs.enqueue(tr("Run the whole pipeline"), m_folder, [description = m_description](Project &project, JobControl &control) {
        return runWholePipeline(project, description, control);
    });
    setProject(m_folder, m_description);
}

void PipelineBar::cancel()
{
    if (isRunning())
        m_jobs.cancel(m_job);
}

void PipelineBar::show(const JobInfo &job)
{
    const QLocale locale;
    QString text = QString::fromStdString(job.progress.stage);
    if (job.rate > 0)
        text += QStringLiteral(" · %1 %2/s").arg(locale.toString(job.rate, 'f', job.rate < 10 ? 1 : 0), QString::fromStdString(job.progress.unit));
    if (job.remainingSeconds >= 0)
        text += tr(" · %1 left").arg(QString::fromStdString(formatDuration(job.remainingSeconds)));
    m_text->setText(text);
    m_text->setToolTip(job.log.isEmpty() ? QString() : job.log.last());
    if (job.progress.total > 0) {
        m_progress->setRange(0, progressSteps);
        m_progress->setValue(static_cast<int>(job.progress.done * progressSteps / job.progress.total));
    } else {
        m_progress->setRange(0, 0);
    }
}

} // namespace retoscope
