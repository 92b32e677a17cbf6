// SPDX-License-Identifier: GPL-3.0-or-later
#include "pipeline/card_content.h"

#include <QCoreApplication>
#include <QLocale>

namespace retoscope {

namespace {

using Look = CardContent::Look;
using Action = CardContent::Action;

QString tr(const char *text)
{
    return QCoreApplication::translate("Pipeline", text);
}

QString fromUtf8(const std::string &text)
{
    return QString::fromStdString(text);
}

QString joined(const QStringList &parts, const QString &separator = QStringLiteral(" · "))
{
    QStringList filled;
    for (const auto &part : parts) {
        if (!part.isEmpty())
            filled << part;
    }
    return filled.join(separator);
}

QString forecastText(const Forecast &forecast)
{
    QStringList parts;
    if (forecast.seconds >= 0)
        parts << QStringLiteral("≈ ") + fromUtf8(formatDuration(forecast.seconds));
    if (forecast.diskBytes > 0)
        parts << tr("%1 disk").arg(fromUtf8(formatBytes(forecast.diskBytes)));
    if (forecast.memoryBytes > 0)
        parts << tr("%1 memory").arg(fromUtf8(formatBytes(forecast.memoryBytes)));
    return parts.join(QStringLiteral(" · "));
}

QString progressText(const JobInfo &job)
{
    const QLocale locale;
    QStringList parts;
    if (job.progress.total > 0)
        parts << locale.toString(job.progress.done * 100 / job.progress.total) + QStringLiteral(" %");
    if (job.rate > 0)
        parts << QStringLiteral("%1 %2/s").arg(locale.toString(job.rate, 'f', job.rate < 10 ? 1 : 0), fromUtf8(job.progress.unit));
    if (job.remainingSeconds >= 0)
        parts << tr("%1 left").arg(fromUtf8(formatDuration(job.remainingSeconds)));
    return parts.join(QStringLiteral(" · "));
}

/// Stage of the pipeline's own stage names (planPipeline()).
Stage stageOfName(const std::string &name)
{
    if (name == "corpus")
        return Stage::Corpus;
    if (name == "model" || name == "tokens")
        return Stage::Model;
    if (name == "datastore")
        return Stage::Datastore;
    if (name == "index")
        return Stage::Index;
    if (name == "clusters")
        return Stage::Clusters;
    return name.starts_with("trace") ? Stage::Trace : Stage::Curves;
}

void showFailure(CardContent &card, const JobInfo &job)
{
    card.job = job.id;
    card.look = Look::Failed;
    card.state = tr("failed");
    card.detail = card.toolTip = job.message;
    card.action = Action::Retry;
}

void showJob(CardContent &card, const JobInfo &job)
{
    if (job.isFinished()) {
        showFailure(card, job);
        return;
    }
    card.job = job.id;
    card.action = Action::None;
    switch (job.state) {
    case JobInfo::State::Queued:
        card.look = Look::Waiting;
        card.state = tr("waiting");
        return;
    case JobInfo::State::Paused:
        card.look = Look::Paused;
        card.state = tr("paused");
        break;
    case JobInfo::State::Stopping:
        card.look = Look::Running;
        card.state = tr("stopping");
        break;
    default:
        card.look = Look::Running;
        card.state = tr("running");
    }
    card.detail = fromUtf8(job.progress.stage);
    card.parameters = fromUtf8(job.progress.detail);
    card.figures = progressText(job);
    card.progress = job.progress.total > 0 ? static_cast<double>(job.progress.done) / static_cast<double>(job.progress.total) : -1;
    card.toolTip = job.log.isEmpty() ? job.title : job.log.last();
}

} // namespace

QString titleOf(Stage stage)
{
    switch (stage) {
    case Stage::Corpus: return tr("Corpus");
    case Stage::Model: return tr("Model");
    case Stage::Datastore: return tr("Datastore");
    case Stage::Index: return tr("Index");
    case Stage::Clusters: return tr("Clusters");
    case Stage::Trace: return tr("Trace");
    case Stage::Curves: return tr("Sweep · FoSS");
    }
    return {};
}

QString glyphOf(Look look)
{
    switch (look) {
    case Look::Missing: return QStringLiteral("○");
    case Look::Blocked: return QStringLiteral("◌");
    case Look::Unfinished: return QStringLiteral("◐");
    case Look::Ready: return QStringLiteral("●");
    case Look::Stale: return QStringLiteral("▲");
    case Look::Failed: return QStringLiteral("✕");
    case Look::Waiting: return QStringLiteral("⋯");
    case Look::Running: return QStringLiteral("▶");
    case Look::Paused: return QStringLiteral("❚❚");
    }
    return {};
}

QString textOf(Action action)
{
    switch (action) {
    case Action::None: return {};
    case Action::Configure: return tr("Add…");
    case Action::Run: return tr("Run");
    case Action::Continue: return tr("Continue");
    case Action::Renew: return tr("Renew");
    case Action::Retry: return tr("Try again");
    }
    return {};
}

std::optional<Stage> stageOf(const JobInfo &job)
{
    if (!job.work)
        return std::nullopt;
    switch (job.work->kind) {
    case WorkKind::AddCorpus: return Stage::Corpus;
    case WorkKind::AddModel:
    case WorkKind::TrainTokenizer:
    case WorkKind::TrainModel: return Stage::Model;
    case WorkKind::BuildDatastore: return Stage::Datastore;
    case WorkKind::BuildIndex: return Stage::Index;
    case WorkKind::BuildClusters: return Stage::Clusters;
    case WorkKind::RecordTrace: return Stage::Trace;
    case WorkKind::Evaluate:
    case WorkKind::Sweep:
    case WorkKind::Foss: return Stage::Curves;
    case WorkKind::RunProject: break;
    }
    const auto wanted = job.isFinished() ? PipelineStage::State::Failed : PipelineStage::State::Running;
    for (const auto &stage : job.stages) {
        if (stage.state == wanted)
            return stageOfName(stage.name);
    }
    return std::nullopt;
}

CardContent cardContent(const StageStatus &status, const JobInfo *job)
{
    CardContent card;
    card.stage = status.stage;
    card.title = titleOf(status.stage);
    card.name = fromUtf8(status.name);
    card.state = fromUtf8(std::string(toString(status.state)));
    const QString reason = status.reasons.empty() ? QString() : fromUtf8(status.reasons.front());
    card.detail = fromUtf8(status.inputs);
    card.parameters = fromUtf8(status.parameters);
    card.figures = joined({fromUtf8(status.figures), status.bytes ? fromUtf8(formatBytes(status.bytes)) : QString()});
    card.toolTip = joined({card.name, fromUtf8(status.inputs), fromUtf8(status.parameters), card.figures}, QStringLiteral("\n"));
    switch (status.state) {
    case StageStatus::State::Missing: {
        const bool first = status.stage == Stage::Corpus || status.stage == Stage::Model;
        card.look = status.next || first ? Look::Missing : Look::Blocked;
        if (card.look == Look::Blocked)
            card.state = tr("waiting for input");
        QStringList needs;
        for (const auto &one : status.reasons)
            needs << fromUtf8(one);
        if (!needs.isEmpty())
            card.detail = needs.join(QStringLiteral(", "));
        if (status.forecast)
            card.figures = forecastText(*status.forecast);
        card.action = status.next ? Action::Run : first ? Action::Configure : Action::None;
        if (card.detail.isEmpty() && first)
            card.detail = status.stage == Stage::Corpus ? tr("drop a text here, or add one") : tr("drop a model folder here");
        break;
    }
    case StageStatus::State::Unfinished:
        card.look = Look::Unfinished;
        card.action = status.next ? Action::Continue : Action::None;
        card.detail = tr("stopped; it continues where it was");
        if (status.forecast)
            card.figures = tr("all of it: ") + forecastText(*status.forecast);
        break;
    case StageStatus::State::Ready:
        card.look = Look::Ready;
        break;
    case StageStatus::State::Stale:
        card.look = Look::Stale;
        card.state = tr("stale: the input changed");
        card.action = status.renewal.empty() ? Action::None : Action::Renew;
        card.toolTip = joined({card.toolTip, reason}, QStringLiteral("\n"));
        card.detail = reason;
        break;
    case StageStatus::State::Failed:
        card.look = Look::Failed;
        card.action = status.next ? Action::Retry : Action::None;
        card.toolTip = reason;
        card.detail = reason;
        break;
    }
    if (job)
        showJob(card, *job);
    return card;
}

} // namespace retoscope
