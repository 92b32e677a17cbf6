// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/sweep_view.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "ledger/command_line.h"
#include "plot/figure_export.h"
#include "shell/session.h"
#include "shell/trace_choice.h"
#include "sweep/grid_panel.h"
#include "sweep/readouts.h"
#include "sweep/settings_form.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QFileInfo>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QSplitter>
#include <QTabWidget>
#include <QVBoxLayout>

namespace retoscope {

namespace {

constexpr int gap = 8;
constexpr int graceMs = 150;

/// Names of the clusters that a trace can be replayed with.
QStringList clustersFor(const ProjectSnapshot &project, const std::string &trace)
{
    QStringList names;
    for (const ArtefactRow &row : readyTraces(project)) {
        if (row.name != trace)
            continue;
        for (const ArtefactRow &clusters : readyClusters(project, row))
            names << QString::fromStdString(clusters.name);
    }
    return names;
}

} // namespace

SweepView::SweepView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("sweep"), tr("Sweep"), parent), m_form(new SettingsForm), m_readouts(new Readouts), m_command(new QLineEdit),
      m_save(new QPushButton(tr("&Save as run"))), m_best(new QPushButton(tr("Find the &best"))), m_message(new QLabel), m_tabs(new QTabWidget),
      m_heatMap(new HeatMapPanel), m_curve(new CurvePanel), m_splitter(new QSplitter(Qt::Vertical))
{
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(0, 0, 0, 0);
    auto *scroll = new QScrollArea; // a low dock scrolls instead of squeezing the plots
    scroll->setWidget(m_splitter);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    layout->addWidget(scroll);
    m_splitter->setChildrenCollapsible(false);
    m_splitter->addWidget(buildControls());
    m_splitter->addWidget(buildPlots());
    m_splitter->setStretchFactor(0, 0);
    m_splitter->setStretchFactor(1, 1);
    buildActions();

    m_others.setGrace(graceMs);
    m_others.onAnswer([this](const std::vector<EvaluationResult> &results) {
        for (const EvaluationResult &result : results) {
            const EvaluationSettings settings = withMethod(this->session().settings(), result.settings.method);
            m_readouts->show(result);
            m_readouts->setStale(settings.method, !(result.settings == settings));
        }
    });
    m_others.onFailure([this](const QString &sentence) { showMessage(sentence, true); });
    followSession();
    showTrace();
}

SweepView::~SweepView() = default;

QWidget *SweepView::buildControls()
{
    m_command->setObjectName(QStringLiteral("command"));
    m_command->setReadOnly(true);
    m_command->setAccessibleName(tr("Command that repeats this setting"));
    m_command->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_message->setObjectName(QStringLiteral("message"));
    m_message->setWordWrap(true);
    m_message->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_message->hide();
    m_save->setObjectName(QStringLiteral("saveRun"));
    m_save->setToolTip(tr("Evaluate this setting and keep it in the table of runs"));
    m_best->setObjectName(QStringLiteral("findBest"));
    m_best->setToolTip(tr("Try a grid over λ and T for the present method and take its optimum"));
    auto *copy = new QPushButton(tr("&Copy"));
    copy->setObjectName(QStringLiteral("copyCommand"));
    copy->setToolTip(tr("Copy the command"));
    connect(copy, &QPushButton::clicked, this, &SweepView::copyCommand);
    connect(m_save, &QPushButton::clicked, this, &SweepView::saveAsRun);
    connect(m_best, &QPushButton::clicked, this, [this] {
        m_tabs->setCurrentWidget(m_heatMap);
        m_heatMap->findBest();
    });

    auto *commandRow = new QHBoxLayout;
    commandRow->addWidget(m_command, 1);
    commandRow->addWidget(copy);
    auto *buttons = new QHBoxLayout;
    buttons->addWidget(m_best);
    buttons->addStretch();
    buttons->addWidget(m_save);
    auto *controls = new QWidget;
    auto *layout = new QVBoxLayout(controls);
    layout->setContentsMargins(gap, gap, gap, gap);
    layout->setSpacing(gap);
    layout->addWidget(m_form);
    layout->addWidget(m_readouts);
    layout->addLayout(commandRow);
    layout->addLayout(buttons);
    layout->addWidget(m_message);
    layout->addStretch();
    return controls;
}

QWidget *SweepView::buildPlots()
{
    m_tabs->setDocumentMode(true);
    m_tabs->addTab(m_heatMap, tr("&Heat map"));
    m_tabs->addTab(m_curve, tr("C&urve"));
    for (GridPanel *panel : {static_cast<GridPanel *>(m_heatMap), static_cast<GridPanel *>(m_curve)}) {
        connect(panel, &GridPanel::chosen, this, [this](const EvaluationSettings &settings) { session().setSettings(settings); });
        connect(panel, &GridPanel::gridSent, this, &SweepView::sendGrid);
        connect(panel, &GridPanel::failed, this, [this](const QString &sentence) { showMessage(sentence, true); });
    }
    return m_tabs;
}

void SweepView::buildActions()
{
    addViewAction(tr("Save the setting as a run"), QKeySequence(Qt::CTRL | Qt::Key_Return), [this] { saveAsRun(); });
    addViewAction(tr("Find the best λ and T"), QKeySequence(Qt::CTRL | Qt::Key_B), [this] { m_best->click(); });
    addViewAction(tr("Send the grid to the runs"), {}, [this] { sendGrid(session().settings(), currentPanel().wantedGrid()); });
    addViewAction(tr("Copy the command of the setting"), {}, [this] { copyCommand(); });
}

void SweepView::followSession()
{
    connect(&session(), &Session::traceChanged, this, &SweepView::showTrace);
    connect(&session(), &Session::projectChanged, this, &SweepView::showClusters);
    connect(&session(), &Session::settingsChanged, this, &SweepView::showSettings);
    connect(&session(), &Session::evaluationChanged, this, &SweepView::showEvaluation);
    connect(&session(), &Session::failed, this, [this](const QString &sentence) { showMessage(sentence, true); });
    connect(m_form, &SettingsForm::edited, this, [this](const EvaluationSettings &settings) { session().setSettings(settings); });
    connect(m_form, &SettingsForm::clustersChosen, this, [this](const QString &name) { session().openTrace(QString::fromStdString(session().trace()->name()), name); });
}

// ---- what is shown ----------------------------------------------------------------------------------------------------

void SweepView::showTrace()
{
    const auto trace = session().trace();
    m_others.cancel();
    m_asked.reset();
    m_readouts->clear();
    m_message->hide();
    if (!trace) {
        m_heatMap->setTrace(nullptr);
        m_curve->setTrace(nullptr);
        showEmpty(tr("No trace is open. A trace is recorded once; after that every setting is answered from it without the model.\nRun the pipeline, or open a trace."));
        return;
    }
    showContent();
    m_form->setLargestK(trace->trace().arrays().kMax);
    m_form->setIndexDistances(!trace->trace().indexIsExact());
    showClusters();
    showSettings();
    m_heatMap->setTrace(trace);
    m_curve->setTrace(trace);
    showEvaluation();
}

void SweepView::showClusters()
{
    const auto trace = session().trace();
    if (!trace)
        return;
    m_form->setClusters(session().project() ? clustersFor(*session().project(), trace->name()) : QStringList(), QString::fromStdString(trace->clustersName()));
}

void SweepView::showSettings()
{
    const EvaluationSettings &settings = session().settings();
    m_form->setSettings(settings);
    m_readouts->setCurrent(settings.method);
    EvaluationSettings plain = settings; // the plots set the methods side by side; random skipping belongs to one of them
    plain.skipFraction = 0;
    m_heatMap->setSettings(plain);
    m_curve->setSettings(plain);
    const auto trace = session().trace();
    if (!trace)
        return;
    m_command->setText(QString::fromStdString(evaluateCommand(trace->name(), trace->clustersName(), settings)));
    m_command->setCursorPosition(0);
    m_command->setToolTip(m_command->text());
    m_message->hide();
    for (const Method method : {Method::KnnLm, Method::Retomaton, Method::Adaptive})
        m_readouts->setStale(method, true);
    // The walk of RetoMaton takes seconds and waits until the session has its answer; kNN-LM takes no time beside it.
    if (settings.method == Method::Retomaton) {
        askOthers();
    } else {
        m_others.cancel();
        m_asked.reset();
    }
}

void SweepView::showEvaluation()
{
    const auto evaluation = session().evaluation();
    if (!evaluation)
        return;
    m_readouts->show(evaluation->result);
    m_readouts->setStale(evaluation->result.settings.method, !(evaluation->result.settings == session().settings()));
    askOthers();
}

void SweepView::askOthers()
{
    const EvaluationSettings &settings = session().settings();
    if (!session().trace() || !isVisible() || m_asked == settings)
        return;
    m_asked = settings;
    m_others.ask([trace = session().trace(), settings](JobControl &control) {
        std::vector<EvaluationResult> results;
        for (const Method method : {Method::KnnLm, Method::Retomaton}) {
            if (method != settings.method)
                results.push_back(trace->replay().evaluate(withMethod(settings, method), {}, control));
        }
        return results;
    });
}

void SweepView::showEvent(QShowEvent *event)
{
    View::showEvent(event);
    showEvaluation();
}

void SweepView::resizeEvent(QResizeEvent *event)
{
    View::resizeEvent(event);
    const Qt::Orientation orientation = width() > height() ? Qt::Horizontal : Qt::Vertical;
    if (orientation != m_splitter->orientation())
        m_splitter->setOrientation(orientation);
}

bool SweepView::isSettled() const
{
    const auto evaluation = session().evaluation();
    const bool evaluated = !session().trace() || (evaluation && evaluation->result.settings == session().settings());
    return View::isSettled() && evaluated && !m_others.isBusy() && m_heatMap->isSettled() && m_curve->isSettled();
}

void SweepView::showMessage(const QString &sentence, bool error)
{
    m_message->setText(error ? QStringLiteral("⚠ ") + sentence : sentence);
    m_message->show();
}

// ---- what it does -----------------------------------------------------------------------------------------------------

void SweepView::saveAsRun()
{
    const auto trace = session().trace();
    if (!trace)
        return;
    const EvaluationSettings settings = session().settings();
    const std::string command = evaluateCommand(trace->name(), trace->clustersName(), settings);
    session().jobs().enqueue(tr("Evaluate %1").arg(QString::fromStdString(describe(settings))), session().projectFolder(),
                             [name = trace->name(), clusters = trace->clustersName(), settings, command](Project &project, JobControl &control) {
                                 const auto outcome = evaluate(project, name, clusters, settings, {}, Request{.name = {}, .command = command}, control);
                                 return tr("Run %1: perplexity %2").arg(outcome.run).arg(outcome.result.perplexity, 0, 'f', 3);
                             });
    showMessage(tr("The setting goes into the table of runs."), false);
}

void SweepView::sendGrid(const EvaluationSettings &settings, const SweepGrid &grid)
{
    const auto trace = session().trace();
    if (!trace)
        return;
    // The grid names the methods; only this one's command says all the rest.
    const EvaluationSettings base = withMethod(settings, Method::Retomaton);
    const std::string command = sweepCommand(trace->name(), trace->clustersName(), base, grid);
    session().jobs().enqueue(tr("Sweep over %L1 settings").arg(grid.size()), session().projectFolder(),
                             [name = trace->name(), clusters = trace->clustersName(), base, grid, command](Project &project, JobControl &control) {
                                 const auto outcome = sweep(project, name, clusters, base, grid, Request{.name = {}, .command = command}, control);
                                 const auto &best = outcome.points[outcome.best];
                                 return tr("%L1 runs, the best with perplexity %2: %3")
                                     .arg(outcome.runs.size())
                                     .arg(best.result.perplexity, 0, 'f', 3)
                                     .arg(QString::fromStdString(describe(best.settings)));
                             });
    showMessage(tr("%L1 settings go into the table of runs.").arg(grid.size()), false);
}

void SweepView::copyCommand()
{
    QApplication::clipboard()->setText(m_command->text());
    showMessage(tr("The command is copied."), false);
}

GridPanel &SweepView::currentPanel() const
{
    return *static_cast<GridPanel *>(m_tabs->currentWidget());
}

QStringList SweepView::exportSuffixes() const
{
    return View::exportSuffixes() << QStringLiteral("csv");
}

void SweepView::exportTo(const QString &file, const QSize &size)
{
    if (QFileInfo(file).suffix().toLower() != QLatin1String("csv")) {
        View::exportTo(file, size);
        return;
    }
    std::vector<SweepPoint> points;
    for (const auto &point : currentPanel().runner().points()) {
        if (point)
            points.push_back(*point);
    }
    if (points.empty())
        fail(ErrorKind::NotFound, "No grid has been computed yet; compute the heat map or the curve first.");
    markParetoFront(points);
    writeFileAtomically(file.toStdString(), toCsv(points));
}

} // namespace retoscope
