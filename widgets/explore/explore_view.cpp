// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/explore_view.h"

#include <QLocale>

#include <algorithm>

namespace retoscope {

namespace {

/// The newest trace that is ready, or an empty name.
QString newestTrace(const ProjectSnapshot &project)
{
    const auto found = std::find_if(project.artefacts.rbegin(), project.artefacts.rend(),
                                    [](const ArtefactRow &row) { return row.kind == ArtefactKind::Trace && row.state == ArtefactState::Ready; });
    return found == project.artefacts.rend() ? QString() : QString::fromStdString(found->name);
}

} // namespace

ExploreView::ExploreView(Session &session, const QString &id, const QString &title, QWidget *parent) : View(session, id, title, parent)
{
}

void ExploreView::start()
{
    connect(&session(), &Session::traceChanged, this, &ExploreView::followTrace);
    connect(&session(), &Session::evaluationChanged, this, [this] { showEvaluation(); });
    connect(&session(), &Session::comparisonChanged, this, [this] { showEvaluation(); });
    connect(&session(), &Session::projectChanged, this, [this] {
        if (!trace())
            invite();
    });
    connect(&session(), &Session::busyChanged, this, [this](bool busy) { setBusy(busy); });
    connect(&session(), &Session::failed, this, &ExploreView::showFailure);
    followTrace();
    showEvaluation();
}

void ExploreView::followTrace()
{
    if (!trace()) {
        invite();
        return;
    }
    showContent();
    showTrace(trace());
}

void ExploreView::invite()
{
    const QString name = session().project() ? newestTrace(*session().project()) : QString();
    if (!name.isEmpty())
        showEmpty(m_invitation, tr("Open the trace %1").arg(name), [this, name] { session().openTrace(name); });
    else
        showEmpty(tr("%1\n\nThere is no trace yet: run the pipeline up to “Trace”, and it appears here.").arg(m_invitation), tr("Show the pipeline"), [this] { session().showView(QStringLiteral("pipeline")); });
}

void ExploreView::showFailure(const QString &sentence)
{
    if (!trace()) {
        const QString name = session().project() ? newestTrace(*session().project()) : QString();
        showError(sentence, name.isEmpty() ? QString() : tr("Open the trace %1").arg(name), [this, name] { session().openTrace(name); });
    } else if (!evaluation()) {
        showError(sentence, tr("Back to the usual setting"), [this] {
            showContent();
            EvaluationSettings usual;
            usual.k = std::min(usual.k, trace()->trace().arrays().kMax);
            usual.useClusters = trace()->hasClusters();
            session().setSettings(usual);
        });
    }
}

QString settingsLabel(const EvaluationSettings &settings)
{
    if (settings.method == Method::Base)
        return QObject::tr("LM alone");
    const QLocale locale;
    QStringList parts{settings.method == Method::Retomaton ? QStringLiteral("RetoMaton") : QStringLiteral("kNN-LM")};
    parts << QObject::tr("λ %1").arg(locale.toString(settings.lambda, 'g', 4)) << QObject::tr("T %1").arg(locale.toString(settings.temperature, 'g', 4))
          << QObject::tr("k %1").arg(settings.k);
    if (settings.method == Method::Retomaton) {
        const auto minKnns = settings.automaton.minKnns;
        parts << QObject::tr("min_knns %1").arg(minKnns == AutomatonSettings::alwaysSearch ? QStringLiteral("∞") : QString::number(minKnns));
        if (!settings.useClusters)
            parts << QObject::tr("pointers only");
    } else if (settings.skipFraction > 0) {
        parts << QObject::tr("%1 % skipped").arg(locale.toString(settings.skipFraction * 100, 'f', 0));
    }
    return parts.join(QStringLiteral(", "));
}

} // namespace retoscope
