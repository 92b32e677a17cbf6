// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/explore_view.h"

#include <QLocale>

#include <algorithm>
#include <numeric>

namespace retoscope {

namespace {

/// The newest trace that is ready, or an empty name.
QString newestTrace(const ProjectSnapshot &project)
{
    const auto found = std::find_if(project.artefacts.rbegin(), project.artefacts.rend(),
                                    [](const ArtefactRow &row) { return row.kind == ArtefactKind::Trace && row.state == ArtefactState::Ready; });
    return found == project.artefacts.rend() ? QString() : QString::fromStdString(found->name);
}

/// What is being recorded, with the positions as token ids.
struct GrowingText
{
    std::shared_ptr<const LiveProgress> live;
    std::vector<std::int32_t> ids;
};

std::shared_ptr<const GrowingText> growingText(const std::shared_ptr<const LiveProgress> &live)
{
    auto text = std::make_shared<GrowingText>(GrowingText{live, std::vector<std::int32_t>(static_cast<std::size_t>(live->positions()))});
    std::iota(text->ids.begin(), text->ids.end(), 0);
    return text;
}

} // namespace

TokenStream tokenStreamOf(const std::shared_ptr<const LiveProgress> &live)
{
    const auto text = growingText(live);
    TokenStream stream{text, text->ids, {}, [live](TokenId token) { return std::string(live->targetText(token.value)); }};
    for (std::int64_t i = 0; i < live->positions(); ++i) {
        const DocumentId document(live->documents[static_cast<std::size_t>(i)]);
        if (stream.documents.empty() || stream.documents.back().document != document)
            stream.documents.push_back({document, fmt::format("document {}", document.value + 1), i, 0});
        ++stream.documents.back().count;
    }
    return stream;
}

ExploreView::ExploreView(Session &session, const QString &id, const QString &title, QWidget *parent) : View(session, id, title, parent)
{
}

void ExploreView::start()
{
    connect(&session(), &Session::traceChanged, this, &ExploreView::followTrace);
    connect(&session(), &Session::liveChanged, this, &ExploreView::followLive);
    connect(&session(), &Session::evaluationChanged, this, [this] { showEvaluation(); });
    connect(&session(), &Session::comparisonChanged, this, [this] { showEvaluation(); });
    connect(&session(), &Session::projectChanged, this, [this] {
        if (!trace() && !m_showsLive)
            invite();
    });
    connect(&session(), &Session::busyChanged, this, [this](bool busy) { setBusy(busy); });
    connect(&session(), &Session::failed, this, &ExploreView::showFailure);
    followTrace();
    showEvaluation();
    followLive();
}

void ExploreView::followTrace()
{
    if (!trace()) {
        invite();
        return;
    }
    m_showsLive = false;
    showContent();
    showTrace(trace());
}

void ExploreView::followLive()
{
    const auto live = session().live();
    const bool shows = live && canShowLive() && (m_watchesLive || !trace());
    if (shows) {
        m_showsLive = true;
        showContent();
        showLive(live);
    } else if (std::exchange(m_showsLive, false)) { // it has ended
        m_watchesLive = false;
        followTrace();
        showEvaluation();
    }
}

void ExploreView::watchLive(bool watch)
{
    m_watchesLive = watch;
    followLive();
}

ShownEvaluation ExploreView::shown() const
{
    if (m_showsLive && session().live()) {
        const auto live = session().live();
        const auto text = growingText(live);
        TraceArrays arrays;
        arrays.positions = live->positions();
        arrays.targets = text->ids;
        arrays.documents = live->documents;
        arrays.lmLogProbs = live->lmLogProbs;
        return {text, arrays, std::shared_ptr<const EvaluationResult>(live, &live->result)};
    }
    if (!trace())
        return {};
    return {trace(), trace()->trace().arrays(), evaluation() ? std::shared_ptr<const EvaluationResult>(evaluation(), &evaluation()->result) : nullptr};
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
    QStringList parts{QString::fromUtf8(displayName(settings.method))};
    const bool learned = settings.method == Method::Adaptive && settings.gate.learnedWeight;
    parts << QObject::tr("λ %1").arg(learned ? QObject::tr("learned") : locale.toString(settings.lambda, 'g', 4)) << QObject::tr("T %1").arg(locale.toString(settings.temperature, 'g', 4))
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
