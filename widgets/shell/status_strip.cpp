// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/status_strip.h"

#include "shell/session.h"

#include <QLabel>
#include <QLocale>
#include <QProgressBar>
#include <QToolButton>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr int progressSteps = 1000;

QToolButton *makeButton(const QString &name, const QString &text, const QString &help)
{
    auto *button = new QToolButton;
    button->setObjectName(name);
    button->setAutoRaise(true);
    button->setText(text);
    button->setAccessibleName(help);
    button->setToolTip(help);
    button->hide();
    return button;
}

bool isLearned(const EvaluationSettings &settings)
{
    return settings.method == Method::Adaptive && settings.gate.learnedWeight;
}

QString describe(const EvaluationResult &result)
{
    const QLocale locale;
    QString text = QString::fromUtf8(displayName(result.settings.method));
    if (result.settings.method != Method::Base)
        text += StatusStrip::tr(" · λ %1 · T %2 · k %3").arg(isLearned(result.settings) ? StatusStrip::tr("learned") : locale.toString(result.settings.lambda, 'g', 3), locale.toString(result.settings.temperature, 'g', 3), locale.toString(result.settings.k));
    text += StatusStrip::tr("   perplexity %1 (LM alone %2)").arg(locale.toString(result.perplexity, 'f', 2), locale.toString(std::exp(result.baseNll), 'f', 2));
    if (result.settings.method != Method::Base)
        text += StatusStrip::tr(" · %1 % of the searches saved").arg(locale.toString(result.foss * 100, 'f', 1));
    return text;
}

QString describe(const JobInfo &job)
{
    const QLocale locale;
    QString text = job.title;
    if (job.state == JobInfo::State::Paused)
        return text + StatusStrip::tr(" · paused");
    if (job.state == JobInfo::State::Stopping)
        return text + StatusStrip::tr(" · stopping …");
    if (!job.progress.stage.empty())
        text += QStringLiteral(" · ") + QString::fromStdString(job.progress.stage);
    if (job.rate > 0)
        text += QStringLiteral(" · %1 %2/s").arg(locale.toString(job.rate, 'f', job.rate < 10 ? 1 : 0), QString::fromStdString(job.progress.unit));
    if (job.remainingSeconds >= 0)
        text += StatusStrip::tr(" · %1 left").arg(QString::fromStdString(formatDuration(job.remainingSeconds)));
    return text;
}

bool isUnderWay(const JobInfo &job)
{
    return job.state == JobInfo::State::Running || job.state == JobInfo::State::Paused || job.state == JobInfo::State::Stopping;
}

} // namespace

StatusStrip::StatusStrip(Session &session, QWidget *parent)
    : QStatusBar(parent), m_session(session), m_message(new QLabel), m_replaying(new QLabel(tr("replaying …"))),
      m_dismiss(makeButton(QStringLiteral("dismissFailure"), QStringLiteral("✕"), tr("Dismiss this message"))),
      m_jobText(makeButton(QStringLiteral("statusJob"), {}, tr("Show the list of jobs"))),
      m_cancel(makeButton(QStringLiteral("statusCancel"), tr("Cancel"), tr("Stop this job; it continues where it stopped when it is run again"))), m_progress(new QProgressBar)
{
    setObjectName(QStringLiteral("statusStrip"));
    m_message->setObjectName(QStringLiteral("statusMessage"));
    m_message->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_message->setMinimumWidth(1); // a long sentence must not widen the window; the tool tip has all of it
    m_replaying->setObjectName(QStringLiteral("statusReplaying"));
    m_replaying->setForegroundRole(QPalette::PlaceholderText);
    m_replaying->hide();
    m_progress->setFixedWidth(fontMetrics().averageCharWidth() * 16);
    m_progress->setMaximumHeight(fontMetrics().height());
    m_progress->setTextVisible(false);
    m_progress->setAccessibleName(tr("Progress of the running job"));
    m_progress->hide();
    addWidget(m_dismiss);
    addWidget(m_message, 1);
    addPermanentWidget(m_replaying);
    addPermanentWidget(m_jobText);
    addPermanentWidget(m_progress);
    addPermanentWidget(m_cancel);

    connect(m_dismiss, &QToolButton::clicked, this, &StatusStrip::dismissFailure);
    connect(m_jobText, &QToolButton::clicked, this, &StatusStrip::jobActivated);
    connect(m_cancel, &QToolButton::clicked, this, [this] { m_session.jobs().cancel(m_job); });
    connect(&m_session, &Session::failed, this, &StatusStrip::showFailure);
    connect(&m_session, &Session::evaluationChanged, this, &StatusStrip::showEvaluation);
    connect(&m_session, &Session::projectChanged, this, &StatusStrip::showEvaluation);
    connect(&m_session, &Session::busyChanged, m_replaying, &QWidget::setVisible);
    connect(&m_session.jobs(), &JobManager::jobChanged, this, &StatusStrip::showJob);
    connect(&m_session.jobs(), &JobManager::jobFinished, this, [this](int id) {
        const JobInfo *job = m_session.jobs().job(id);
        if (job && job->state == JobInfo::State::Failed)
            showFailure(tr("%1: %2").arg(job->title, job->message));
        showJob();
    });
    showEvaluation();
}

void StatusStrip::showFailure(const QString &sentence)
{
    m_failure = sentence;
    showMessage();
}

void StatusStrip::dismissFailure()
{
    m_failure.clear();
    showMessage();
}

void StatusStrip::showEvaluation()
{
    if (const auto &evaluation = m_session.evaluation())
        m_evaluation = describe(evaluation->result);
    else if (const auto &project = m_session.project())
        m_evaluation = tr("%n artefact(s)", nullptr, static_cast<int>(project->artefacts.size())) + QStringLiteral(" · ") + tr("%n run(s)", nullptr, static_cast<int>(project->runs.size()));
    else
        m_evaluation.clear();
    showMessage();
}

void StatusStrip::showMessage()
{
    m_dismiss->setVisible(!m_failure.isEmpty());
    m_message->setText(m_failure.isEmpty() ? m_evaluation : QStringLiteral("⚠ ") + m_failure);
    m_message->setToolTip(m_message->text());
}

void StatusStrip::showJob()
{
    const auto &jobs = m_session.jobs().jobs();
    const auto running = std::ranges::find_if(jobs, isUnderWay);
    const bool any = running != jobs.end();
    m_job = any ? running->id : 0;
    m_jobText->setVisible(any);
    m_progress->setVisible(any);
    m_cancel->setVisible(any);
    if (!any)
        return;
    const auto waiting = std::ranges::count(jobs, JobInfo::State::Queued, &JobInfo::state);
    m_jobText->setText(describe(*running) + (waiting > 0 ? tr(" · %n waiting", nullptr, static_cast<int>(waiting)) : QString()));
    m_cancel->setEnabled(running->state != JobInfo::State::Stopping);
    const auto &progress = running->progress;
    m_progress->setRange(0, progress.total > 0 ? progressSteps : 0);
    m_progress->setValue(progress.total > 0 ? static_cast<int>(progress.done * progressSteps / progress.total) : 0);
}

} // namespace retoscope
