// SPDX-License-Identifier: GPL-3.0-or-later
#include "pipeline/pipeline_view.h"

#include "pipeline/drop.h"
#include "pipeline/stage_card.h"
#include "pipeline/work_dialog.h"
#include "shell/session.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDragEnterEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QMimeData>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int gap = 6;
constexpr int arrowWidth = 10;
constexpr int headWidth = 13; // average characters

std::size_t indexOf(Stage stage)
{
    return static_cast<std::size_t>(std::ranges::find(allStages, stage) - allStages.begin());
}

WorkKind kindOf(Stage stage)
{
    switch (stage) {
    case Stage::Corpus: return WorkKind::AddCorpus;
    case Stage::Model: return WorkKind::AddModel;
    case Stage::Datastore: return WorkKind::BuildDatastore;
    case Stage::Index: return WorkKind::BuildIndex;
    case Stage::Clusters: return WorkKind::BuildClusters;
    case Stage::Trace: return WorkKind::RecordTrace;
    case Stage::Curves: break;
    }
    return WorkKind::Foss;
}

QLabel *makeArrow()
{
    auto *arrow = new QLabel(QStringLiteral("›"));
    arrow->setAlignment(Qt::AlignCenter);
    arrow->setFixedWidth(arrowWidth);
    arrow->setForegroundRole(QPalette::PlaceholderText);
    return arrow;
}

} // namespace

PipelineView::PipelineView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("pipeline"), tr("Pipeline"), parent), m_runAll(new QToolButton), m_pauseAll(new QToolButton), m_cancelAll(new QToolButton),
      m_summary(new QLabel)
{
    setAcceptDrops(true);
    build();
    buildActions();
    m_reading.onAnswer([this](std::vector<StageStatus> statuses) {
        m_statuses = std::move(statuses);
        showContent();
        showCards();
        if (m_chain)
            runNext();
    });
    m_reading.onFailure([this](const QString &sentence) { showError(sentence, tr("Try again"), [this] { read(); }); });
    connect(&session, &Session::projectChanged, this, &PipelineView::read);
    connect(&session.jobs(), &JobManager::jobAdded, this, &PipelineView::showCards);
    connect(&session.jobs(), &JobManager::jobChanged, this, &PipelineView::showCards);
    connect(&session.jobs(), &JobManager::jobRemoved, this, &PipelineView::showCards);
    connect(&session.jobs(), &JobManager::jobFinished, this, &PipelineView::jobEnded);
    read();
}

void PipelineView::build()
{
    m_runAll->setObjectName(QStringLiteral("runAll"));
    m_runAll->setText(tr("▶  Run all"));
    m_runAll->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_runAll->setToolTip(tr("Make what is missing, from the corpus to the FoSS curve; what is ready is not made again"));
    connect(m_runAll, &QToolButton::clicked, this, &PipelineView::runAll);
    m_pauseAll->setObjectName(QStringLiteral("pauseAll"));
    m_pauseAll->setText(QStringLiteral("❚❚"));
    m_pauseAll->setToolTip(tr("Pause or resume the running job"));
    m_pauseAll->setAccessibleName(m_pauseAll->toolTip());
    connect(m_pauseAll, &QToolButton::clicked, this, [this] {
        if (const JobInfo *job = session().jobs().running())
            session().jobs().setPaused(job->id, job->state == JobInfo::State::Running);
    });
    m_cancelAll->setObjectName(QStringLiteral("cancelAll"));
    m_cancelAll->setText(QStringLiteral("◼"));
    m_cancelAll->setToolTip(tr("Cancel all jobs at once; they continue when they are started again"));
    m_cancelAll->setAccessibleName(m_cancelAll->toolTip());
    connect(m_cancelAll, &QToolButton::clicked, this, [this] {
        m_chain = false;
        session().jobs().cancelAll();
    });
    m_summary->setObjectName(QStringLiteral("summary"));
    m_summary->setWordWrap(true);
    m_summary->setForegroundRole(QPalette::PlaceholderText);
    QFont smaller = m_summary->font();
    smaller.setPointSizeF(smaller.pointSizeF() * 0.9);
    m_summary->setFont(smaller);

    auto *head = new QVBoxLayout;
    head->setSpacing(gap / 2);
    head->addWidget(m_runAll);
    auto *controls = new QHBoxLayout;
    controls->setSpacing(gap / 2);
    controls->addWidget(m_pauseAll);
    controls->addWidget(m_cancelAll);
    controls->addStretch();
    head->addLayout(controls);
    head->addWidget(m_summary);
    head->addStretch();
    auto *headBox = new QWidget;
    headBox->setLayout(head);
    head->setContentsMargins(0, 0, 0, 0);
    headBox->setFixedWidth(fontMetrics().averageCharWidth() * headWidth);

    auto *rows = new QVBoxLayout(content()); // a tall dock leaves its room below, not inside the cards
    rows->setContentsMargins(gap, gap, gap, gap);
    auto *layout = new QHBoxLayout;
    rows->addLayout(layout);
    rows->addStretch();
    layout->setSpacing(0);
    layout->addWidget(headBox);
    layout->addSpacing(gap);
    for (const Stage stage : allStages) {
        if (!m_cards.empty())
            layout->addWidget(makeArrow());
        auto *card = new StageCard(stage);
        m_cards.push_back(card);
        layout->addWidget(card, 1);
        connect(card, &StageCard::actionRequested, this, [this, stage] { startStage(stage); });
        connect(card, &StageCard::menuAboutToShow, this, [this, stage] { fillMenu(stage); });
        connect(card, &StageCard::pauseRequested, this, [this, stage] {
            if (const JobInfo *job = jobOf(stage))
                session().jobs().setPaused(job->id, job->state == JobInfo::State::Running);
        });
        connect(card, &StageCard::cancelRequested, this, [this, stage] {
            m_chain = false;
            if (const JobInfo *job = jobOf(stage))
                session().jobs().cancel(job->id);
        });
    }
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Maximum);
}

void PipelineView::buildActions()
{
    addViewAction(tr("Run all"), Qt::CTRL | Qt::Key_R, [this] { runAll(); })->setObjectName(QStringLiteral("actionRunAll"));
    const std::pair<QString, WorkKind> dialogs[] = {{tr("Add a corpus…"), WorkKind::AddCorpus},          {tr("Import a model…"), WorkKind::AddModel},
                                                    {tr("Train a tokenizer…"), WorkKind::TrainTokenizer}, {tr("Train or fine-tune a model…"), WorkKind::TrainModel},
                                                    {tr("Build a datastore…"), WorkKind::BuildDatastore}, {tr("Build an index…"), WorkKind::BuildIndex},
                                                    {tr("Cluster the keys…"), WorkKind::BuildClusters},   {tr("Record a trace…"), WorkKind::RecordTrace},
                                                    {tr("Evaluate live…"), WorkKind::Evaluate},           {tr("Sweep a grid…"), WorkKind::Sweep},
                                                    {tr("Draw the FoSS curve…"), WorkKind::Foss}};
    for (const auto &[text, kind] : dialogs) {
        addViewAction(text, {}, [this, kind = kind] {
            const auto stage = std::ranges::find(allStages, kind, kindOf);
            Work work = stage == allStages.end() ? Work{kind} : templateOf(*stage);
            if (kind == WorkKind::Evaluate)
                work.values["live"] = true;
            configure(work);
        });
    }
}

void PipelineView::read()
{
    const auto &folder = session().projectFolder();
    if (folder != m_shownProject) {
        m_shownProject = folder;
        m_statuses.clear();
        m_choice.clear();
        m_chain = false;
    }
    if (folder.empty()) {
        m_reading.cancel();
        showEmpty(tr("No project is open. Open or make one; then drop a model folder and a text here."));
        return;
    }
    m_reading.ask([folder, choice = m_choice](JobControl &) { return stageStatus(Project::open(folder, Ledger::Mode::ReadOnly), choice); });
}

StageCard &PipelineView::card(Stage stage) const
{
    return *m_cards.at(indexOf(stage));
}

const StageStatus *PipelineView::status(Stage stage) const
{
    return m_statuses.empty() ? nullptr : &m_statuses.at(indexOf(stage));
}

/// What works on the stage; else what waits for it; else what failed last.
const JobInfo *PipelineView::jobOf(Stage stage) const
{
    const JobInfo *waiting = nullptr, *ended = nullptr;
    for (const auto &job : session().jobs().jobs()) {
        if (stageOf(job) != stage)
            continue;
        if (job.isActive())
            return &job;
        if (job.state == JobInfo::State::Queued && !waiting)
            waiting = &job;
        if (job.isFinished())
            ended = &job;
    }
    return waiting ? waiting : ended && ended->state == JobInfo::State::Failed ? ended : nullptr;
}

const JobInfo *PipelineView::pipelineJob() const
{
    const auto &jobs = session().jobs().jobs();
    const auto found = std::ranges::find_if(jobs, [](const JobInfo &job) { return job.work && job.work->kind == WorkKind::RunProject && !job.isFinished(); });
    return found == jobs.end() ? nullptr : &*found;
}

void PipelineView::showCards()
{
    for (const auto &status : m_statuses)
        card(status.stage).setContent(cardContent(status, jobOf(status.stage)));
    showRunAll();
}

void PipelineView::showRunAll()
{
    const JobInfo *running = session().jobs().running();
    const auto ready = std::ranges::count(m_statuses, StageStatus::State::Ready, &StageStatus::state);
    const bool busy = session().jobs().isBusy();
    m_runAll->setEnabled(!m_chain && !pipelineJob() && !m_statuses.empty());
    m_pauseAll->setVisible(busy);
    m_cancelAll->setVisible(busy);
    m_pauseAll->setEnabled(running && running->state != JobInfo::State::Stopping);
    m_pauseAll->setText(running && running->state == JobInfo::State::Paused ? QStringLiteral("▶") : QStringLiteral("❚❚"));
    if (const JobInfo *job = pipelineJob(); job && !job->stages.empty()) {
        const auto done = std::ranges::count_if(job->stages, [](const PipelineStage &stage) { return stage.state == PipelineStage::State::Done || stage.state == PipelineStage::State::Reused; });
        m_summary->setText(tr("step %1 of %2").arg(std::min<qsizetype>(done + 1, static_cast<qsizetype>(job->stages.size()))).arg(job->stages.size()));
    } else {
        m_summary->setText(m_statuses.empty() ? QString() : tr("%1 of %2 ready").arg(ready).arg(m_statuses.size()));
    }
}

void PipelineView::jobEnded(int id)
{
    const JobInfo *job = session().jobs().job(id);
    if (job && job->state != JobInfo::State::Done)
        m_chain = false;
    const auto made = job && job->outcome ? job->outcome->artefact : std::nullopt;
    if (made && made->kind == ArtefactKind::Trace && !session().trace())
        session().openTrace(QString::fromStdString(made->name));
    read();
}

void PipelineView::enqueue(const Work &work)
{
    session().jobs().enqueue(work, session().projectFolder(), {session().settings()});
}

void PipelineView::runAll()
{
    if (session().projectFolder().empty() || m_statuses.empty() || m_chain || pipelineJob())
        return;
    if (!session().description().empty()) {
        enqueue(Work{WorkKind::RunProject, {{"projectfile", session().description().string()}}});
        return;
    }
    m_chain = true;
    m_tried.clear();
    runNext();
}

void PipelineView::runNext()
{
    if (session().jobs().isBusy())
        return;
    for (const auto &status : m_statuses) {
        const bool startable = status.state == StageStatus::State::Stale ? !status.renewal.empty() : status.state != StageStatus::State::Ready && status.next;
        if (!startable || !m_tried.insert(status.stage).second)
            continue;
        startStage(status.stage);
        m_chain = session().jobs().isBusy(); // else a form asks for what is missing
        showRunAll();
        return;
    }
    m_chain = false; // nothing is left, or nothing that can be started without a choice
    showRunAll();
    if (std::ranges::none_of(m_statuses, [](const StageStatus &status) { return status.artefact.has_value(); }))
        configure(Work{WorkKind::AddCorpus});
}

void PipelineView::startStage(Stage stage)
{
    const StageStatus *now = status(stage);
    const JobInfo *job = jobOf(stage);
    if (!now || (job && !job->isFinished()))
        return;
    if (job) { // the one that failed
        session().jobs().retry(job->id);
        return;
    }
    if (now->state == StageStatus::State::Stale) {
        for (const auto &work : now->renewal)
            enqueue(work);
        return;
    }
    if (!now->next) {
        configure(templateOf(stage));
        return;
    }
    const auto errors = check(*now->next, session().project() ? session().project()->artefacts : std::vector<ArtefactRow>());
    if (errors.empty())
        enqueue(*now->next);
    else
        configure(*now->next);
}

void PipelineView::configure(const Work &work)
{
    if (!session().projectFolder().empty())
        WorkDialog::open(session(), work, window());
}

/// What would be made next, else what was made last, under a new name.
Work PipelineView::templateOf(Stage stage) const
{
    const StageStatus *now = status(stage);
    if (now && now->next)
        return *now->next;
    if (now && now->artefact && stage != Stage::Corpus && stage != Stage::Model) {
        if (auto work = workFromCommand(now->artefact->info.value("command", "")); work && work->kind == kindOf(stage)) {
            work->values.erase("name");
            return *work;
        }
    }
    return Work{kindOf(stage)};
}

void PipelineView::choose(Stage stage, const QString &name)
{
    for (auto later = indexOf(stage) + 1; later < allStages.size(); ++later)
        m_choice.erase(allStages[later]); // what was chosen for another datastore fits no more
    m_choice[stage] = name.toStdString();
    read();
}

void PipelineView::fillMenu(Stage stage)
{
    const StageCard &shown = card(stage);
    QMenu &menu = shown.menu();
    menu.clear();
    if (shown.content().isBusy()) {
        menu.addAction(tr("Cancel"), &shown, &StageCard::cancelRequested);
        if (shown.content().look != CardContent::Look::Waiting)
            menu.addAction(shown.content().look == CardContent::Look::Paused ? tr("Resume") : tr("Pause"), &shown, &StageCard::pauseRequested);
        menu.addSeparator();
    } else if (shown.content().action != CardContent::Action::None) {
        menu.addAction(textOf(shown.content().action), &shown, &StageCard::actionRequested);
    }
    const auto dialog = [&](const QString &text, const Work &work) { menu.addAction(text, this, [this, work] { configure(work); }); };
    switch (stage) {
    case Stage::Corpus: dialog(tr("Add a corpus…"), Work{WorkKind::AddCorpus}); break;
    case Stage::Model: {
        dialog(tr("Import a model…"), Work{WorkKind::AddModel});
        dialog(tr("Train a tokenizer…"), Work{WorkKind::TrainTokenizer});
        Work training{WorkKind::TrainModel};
        if (const StageStatus *now = status(stage); now && now->artefact)
            training.values["model"] = now->artefact->name;
        dialog(tr("Train or fine-tune a model…"), training);
        break;
    }
    case Stage::Curves: {
        dialog(tr("Draw the FoSS curve…"), templateOf(stage));
        Work other = templateOf(stage);
        other.values.erase("points");
        other.kind = WorkKind::Sweep;
        dialog(tr("Sweep a grid…"), other);
        other.kind = WorkKind::Evaluate;
        other.values["live"] = true;
        dialog(tr("Evaluate live…"), other);
        break;
    }
    default: dialog(tr("Configure…"), templateOf(stage));
    }
    const StageStatus *now = status(stage);
    if (!now)
        return;
    if (stage == Stage::Trace && now->artefact && now->state != StageStatus::State::Unfinished)
        menu.addAction(tr("Open in the views"), this, [this, name = QString::fromStdString(now->name)] { session().openTrace(name); });
    if (const std::string command = now->artefact ? now->artefact->info.value("command", "") : now->next ? commandOf(*now->next) : ""; !command.empty())
        menu.addAction(tr("Copy command"), this, [command] { QApplication::clipboard()->setText(QString::fromStdString(command)); });
    if (now->names.size() > 1) {
        QMenu *names = menu.addMenu(tr("Show"));
        for (const auto &name : now->names) {
            QAction *action = names->addAction(QString::fromStdString(name), this, [this, stage, name] { choose(stage, QString::fromStdString(name)); });
            action->setCheckable(true);
            action->setChecked(name == now->name);
        }
    }
}

void PipelineView::dragEnterEvent(QDragEnterEvent *event)
{
    if (!session().projectFolder().empty() && event->mimeData()->hasUrls() && workForDrop(event->mimeData()->urls()))
        event->acceptProposedAction();
}

void PipelineView::dropEvent(QDropEvent *event)
{
    if (offerDrop(session(), event->mimeData()->urls(), window()))
        event->acceptProposedAction();
}

} // namespace retoscope
