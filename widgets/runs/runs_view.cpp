// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/runs_view.h"

#include "base/error.h"
#include "ledger/command_line.h"
#include "ledger/run_table.h"
#include "runs/pinned_table.h"
#include "runs/run_comparison.h"
#include "runs/runs_export.h"
#include "runs/tag_delegate.h"
#include "shell/background.h"
#include "shell/session.h"

#include <QAction>
#include <QCheckBox>
#include <QClipboard>
#include <QFileInfo>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QInputDialog>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QMessageBox>
#include <QPlainTextEdit>
#include <QSettings>
#include <QSplitter>
#include <QTableView>
#include <QTimer>
#include <QUndoStack>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int gap = 6;              // pixels
constexpr int filterDelayMs = 200;  // after the last key
constexpr int saveDelayMs = 500;    // after the last column; each saving writes a file
constexpr std::size_t mostCompared = 16;
const QString settingsGroup = QStringLiteral("runs");

/// The name of the trace that a run was made with; a renamed or rebuilt one is found by its fingerprint.
QString traceNameOf(const RunRow &run, const ProjectSnapshot &snapshot)
{
    const Json artefacts = run.config.value("artefacts", Json::object());
    const Json trace = artefacts.value("trace", Json::object());
    const std::string name = trace.value("name", ""), fingerprint = trace.value("fingerprint", "");
    const ArtefactRow *same = nullptr;
    for (const ArtefactRow &artefact : snapshot.artefacts) {
        if (artefact.kind == ArtefactKind::Trace && artefact.state == ArtefactState::Ready && artefact.fingerprint == fingerprint && (!same || artefact.name == name))
            same = &artefact;
    }
    if (!same)
        fail(ErrorKind::NotFound, "Run {} was made with the trace “{}”, which is no longer there as it was; record it again with the command of the run's trace.", run.id, name);
    return QString::fromStdString(same->name);
}

/// What to open beside the trace: the run's clusters; for a run without, the only ones there are.
QString clustersNameOf(const RunRow &run, const ProjectSnapshot &snapshot)
{
    const Json clusters = run.config.value("artefacts", Json::object()).value("clusters", Json::object());
    if (clusters.contains("name"))
        return QString::fromStdString(clusters.value("name", ""));
    const auto ready = std::ranges::count_if(snapshot.artefacts, [](const ArtefactRow &row) { return row.kind == ArtefactKind::Clusters && row.state == ArtefactState::Ready; });
    return ready <= 1 ? QString() : QStringLiteral("none");
}

bool isOpen(const TraceSession *trace, const RunRow &run, const QString &name)
{
    if (!trace || QString::fromStdString(trace->name()) != name)
        return false;
    const Json clusters = run.config.value("artefacts", Json::object()).value("clusters", Json::object());
    return !clusters.contains("fingerprint") || (trace->hasClusters() && trace->replay().clusters()->fingerprint() == clusters.value("fingerprint", ""));
}

} // namespace

RunsView::RunsView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("runs"), tr("Runs"), parent), m_model(new RunsModel(this)), m_order(new RunsOrder(m_model, this)),
      m_editor(session.undoStack()), m_comparison(new RunComparison(this))
{
    m_table = new PinnedTable;
    m_table->setObjectName(QStringLiteral("runsTable"));
    m_table->setModel(m_order);
    m_table->view()->setAccessibleName(tr("Runs"));
    m_table->pinnedView()->setAccessibleName(tr("Runs, pinned columns"));
    m_table->setItemDelegateForColumn(RunsModel::Tags, new TagDelegate(this));
    m_table->setDefaults({RunsModel::Star, RunsModel::Id}, {RunsModel::Helped, RunsModel::Hurt, RunsModel::Distances, RunsModel::SemanticsName, RunsModel::Live});
    m_table->sortBy(RunsModel::Id, Qt::DescendingOrder);

    m_splitter = new QSplitter(Qt::Horizontal);
    m_splitter->setChildrenCollapsible(false);
    m_splitter->addWidget(m_table);
    m_splitter->addWidget(buildDetail());
    m_splitter->setStretchFactor(0, 3);
    m_splitter->setStretchFactor(1, 2);
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(gap, gap, gap, 0);
    layout->setSpacing(gap);
    layout->addWidget(buildFilterBar());
    layout->addWidget(m_splitter, 1);
    buildActions();
    connectEditor();

    QSettings settings;
    settings.beginGroup(settingsGroup);
    m_table->restore(settings);
    m_savingColumns = new QTimer(this);
    m_savingColumns->setSingleShot(true);
    m_savingColumns->setInterval(saveDelayMs);
    connect(m_savingColumns, &QTimer::timeout, this, &RunsView::saveColumns);
    connect(m_table, &PinnedTable::columnsChanged, m_savingColumns, qOverload<>(&QTimer::start));
    connect(m_table, &PinnedTable::activated, this, [this](const QModelIndex &index) {
        if (index.column() != RunsModel::Star)
            openRun(m_model->runAt(m_order->mapToSource(index).row()).id);
    });
    connect(m_table, &PinnedTable::clicked, this, [this](const QModelIndex &index) {
        if (index.column() == RunsModel::Star)
            m_order->setData(index, m_order->data(index, RunsModel::SortRole).toDouble() == 0);
    });
    connect(m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this, &RunsView::showSelection);
    connect(m_model, &QAbstractItemModel::dataChanged, this, &RunsView::showSelection);

    m_question.onAnswer([this](Table table) { showTable(std::move(table)); });
    m_question.onFailure([this](const QString &sentence) { showError(sentence, tr("Try again"), [this] { refresh(); }); });
    m_question.onBusy([this](bool busy) { setBusy(busy); });
    connect(&session, &Session::projectChanged, this, &RunsView::refresh);
    connect(&session, &Session::traceChanged, this, [this] {
        const auto trace = this->session().trace();
        if (m_wish && trace && QString::fromStdString(trace->name()) == m_wish->trace) {
            const Wish wish = *std::exchange(m_wish, {});
            if (wish.comparison)
                this->session().compareWith(*wish.comparison);
        }
    });
    connect(&session, &Session::failed, this, [this] { m_wish.reset(); });
    refresh();
}

RunsView::~RunsView()
{
    if (m_savingColumns->isActive())
        saveColumns();
}

QWidget *RunsView::buildFilterBar()
{
    m_filter = new QLineEdit;
    m_filter->setObjectName(QStringLiteral("runFilter"));
    m_filter->setPlaceholderText(tr("Filter, e.g.  ppl < 20 and k = 1024   ·   method = retomaton and foss > 0.5   ·   tag = best"));
    m_filter->setAccessibleName(tr("Filter of the runs"));
    m_filter->setToolTip(tr("field operator value, joined by and, or, not, ( ).  Operators: = != < <= > >= ~ (contains).\n"
                            "Fields: ppl, nll, foss, searches, lambda, temperature, k, min_knns, max_knns, clusters, distances, semantics, method,\n"
                            "status, name, model, trace, tag, note, seconds, id, and dotted paths such as automaton.order."));
    m_filter->setClearButtonEnabled(true);
    m_archived = new QCheckBox(tr("Show archived"));
    m_count = new QLabel;
    m_count->setObjectName(QStringLiteral("runCount"));
    m_problem = new QLabel;
    m_problem->setObjectName(QStringLiteral("runProblem"));
    m_problem->setWordWrap(true);
    m_problem->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_problem->hide();

    auto *bar = new QWidget;
    auto *rows = new QVBoxLayout(bar);
    rows->setContentsMargins(0, 0, 0, 0);
    rows->setSpacing(gap / 2);
    auto *row = new QHBoxLayout;
    row->addWidget(m_filter, 1);
    row->addWidget(m_archived);
    row->addWidget(m_count);
    rows->addLayout(row);
    rows->addWidget(m_problem);

    auto *delay = new QTimer(this);
    delay->setSingleShot(true);
    delay->setInterval(filterDelayMs);
    connect(delay, &QTimer::timeout, this, &RunsView::refresh);
    connect(m_filter, &QLineEdit::textChanged, delay, qOverload<>(&QTimer::start));
    connect(m_filter, &QLineEdit::returnPressed, this, &RunsView::refresh);
    connect(m_archived, &QCheckBox::toggled, this, &RunsView::refresh);
    return bar;
}

QWidget *RunsView::buildDetail()
{
    m_detailTitle = new QLabel;
    m_detailTitle->setObjectName(QStringLiteral("runTitle"));
    m_detailTitle->setTextFormat(Qt::PlainText);
    m_detailTitle->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    QFont bold = m_detailTitle->font();
    bold.setBold(true);
    m_detailTitle->setFont(bold);
    m_onlyDifferences = new QCheckBox(tr("Only differences"));
    m_onlyDifferences->setObjectName(QStringLiteral("onlyDifferences"));
    m_onlyDifferences->setChecked(true);
    connect(m_onlyDifferences, &QCheckBox::toggled, m_comparison, &RunComparison::setOnlyDifferences);

    m_comparisonTable = new QTableView;
    m_comparisonTable->setObjectName(QStringLiteral("runComparison"));
    m_comparisonTable->setAccessibleName(tr("Settings and results of the selected runs"));
    m_comparisonTable->setModel(m_comparison);
    m_comparisonTable->setShowGrid(false);
    m_comparisonTable->setWordWrap(false);
    m_comparisonTable->setFrameShape(QFrame::NoFrame);
    m_comparisonTable->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_comparisonTable->setContextMenuPolicy(Qt::NoContextMenu);
    m_comparisonTable->verticalHeader()->hide();
    m_comparisonTable->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + gap);
    m_comparisonTable->horizontalHeader()->setHighlightSections(false);
    m_comparisonTable->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_comparisonTable->horizontalHeader()->setStretchLastSection(true);
    connect(m_comparison, &QAbstractItemModel::modelReset, m_comparisonTable, [this] { m_comparisonTable->resizeColumnsToContents(); });

    m_tags = new QLineEdit;
    m_tags->setObjectName(QStringLiteral("runTags"));
    m_tags->setPlaceholderText(tr("tags, separated by commas"));
    m_tags->setAccessibleName(tr("Tags of the run"));
    connect(m_tags, &QLineEdit::editingFinished, this, &RunsView::commitRemarks);
    m_noteText = new QPlainTextEdit;
    m_noteText->setObjectName(QStringLiteral("runNote"));
    m_noteText->setPlaceholderText(tr("a note"));
    m_noteText->setAccessibleName(tr("Note of the run"));
    m_noteText->setTabChangesFocus(true);
    m_noteText->setFixedHeight(fontMetrics().height() * 3 + 2 * gap);
    m_noteText->installEventFilter(this);
    m_remarks = new QWidget;
    auto *remarks = new QVBoxLayout(m_remarks);
    remarks->setContentsMargins(0, 0, 0, 0);
    remarks->setSpacing(gap / 2);
    remarks->addWidget(m_tags);
    remarks->addWidget(m_noteText);

    m_detail = new QWidget;
    m_detail->setObjectName(QStringLiteral("runDetail"));
    auto *layout = new QVBoxLayout(m_detail);
    layout->setContentsMargins(gap, 0, 0, gap);
    layout->setSpacing(gap);
    auto *head = new QHBoxLayout;
    head->addWidget(m_detailTitle, 1);
    head->addWidget(m_onlyDifferences);
    layout->addLayout(head);
    layout->addWidget(m_comparisonTable, 1);
    layout->addWidget(m_remarks);
    m_detail->hide();
    return m_detail;
}

void RunsView::buildActions()
{
    m_open = addViewAction(tr("Open the run"), {}, [this] {
        if (const auto runs = selectedRuns(); !runs.empty())
            openRun(runs.front()->id);
    });
    m_strip = addViewAction(tr("Compare in the second strip"), QKeySequence(QStringLiteral("Ctrl+Shift+C")), [this] { showInStrip(); });
    m_copy = addViewAction(tr("Copy the command"), QKeySequence::Copy, [this] { copyCommands(); });
    m_star = addViewAction(tr("Star"), QKeySequence(QStringLiteral("S")), [this] {
        const auto rows = selectedRows();
        const bool all = std::ranges::all_of(rows, [](const RunRow &run) { return std::ranges::find(run.tags, starTag) != run.tags.end(); });
        m_editor.setStarred(rows, !all);
    });
    m_tag = addViewAction(tr("Add a tag…"), QKeySequence(QStringLiteral("T")), [this] { askForTag(); });
    m_note = addViewAction(tr("Edit the note"), QKeySequence(QStringLiteral("N")), [this] { m_noteText->setFocus(); });
    m_archive = addViewAction(tr("Archive"), QKeySequence(QStringLiteral("A")), [this] {
        const auto rows = selectedRows();
        m_editor.setArchived(rows, std::ranges::any_of(rows, [](const RunRow &run) { return !run.archived; }));
    });
    m_delete = addViewAction(tr("Delete…"), QKeySequence::Delete, [this] { deleteSelected(); });
    addViewAction(tr("Filter the runs"), QKeySequence::Find, [this] {
        m_filter->setFocus();
        m_filter->selectAll();
    });
    addViewAction(tr("Undo"), QKeySequence::Undo, [this] { session().undoStack().undo(); });
    addViewAction(tr("Redo"), QKeySequence::Redo, [this] { session().undoStack().redo(); });
    updateActions();
}

void RunsView::connectEditor()
{
    connect(&m_editor, &RunEditor::written, &session(), &Session::refreshProject);
    connect(&m_editor, &RunEditor::failed, this, [this](const QString &sentence) {
        m_problem->setText(QStringLiteral("⚠ ") + sentence);
        m_problem->show();
    });
    connect(m_model, &RunsModel::noteEdited, this, [this](qint64 id, const QString &note) {
        if (const RunRow *run = runById(id))
            m_editor.setNote(*run, note);
    });
    connect(m_model, &RunsModel::tagsEdited, this, [this](qint64 id, const QStringList &tags) {
        if (const RunRow *run = runById(id))
            m_editor.setTags(*run, tags);
    });
    connect(m_model, &RunsModel::starToggled, this, [this](qint64 id, bool starred) {
        if (const RunRow *run = runById(id))
            m_editor.setStarred({*run}, starred);
    });
}

void RunsView::setFilter(const QString &expression)
{
    m_filter->setText(expression);
    refresh();
}

void RunsView::refresh()
{
    m_editor.setProject(session().projectFolder());
    const auto snapshot = session().project();
    if (!snapshot) {
        m_question.cancel();
        m_model->update(RunItems());
        m_snapshot.reset();
        showEmpty(session().projectFolder().empty() ? tr("No project is open. Open one to see its runs.") : tr("Reading the runs…"));
        return;
    }
    const std::string expression = m_filter->text().trimmed().toStdString();
    m_question.ask([snapshot, before = m_model->items(), expression, archived = m_archived->isChecked()](JobControl &control) {
        Table table{snapshot, makeRunItems(snapshot->runs, snapshot, before), {}, {}};
        control.checkpoint();
        RunFilter filter;
        filter.expression = expression;
        filter.includeArchived = archived;
        try {
            const Ledger ledger(snapshot->folder / ledgerFileName, Ledger::Mode::ReadOnly);
            const auto ids = ledger.runIds(filter);
            table.matching.insert(ids.begin(), ids.end());
        } catch (const Error &error) {
            if (expression.empty() || error.kind() != ErrorKind::BadInput)
                throw;
            table.filterError = QString::fromUtf8(error.what());
        }
        return table;
    });
}

void RunsView::showTable(Table table)
{
    // Freeing 10,000 configurations takes longer than a frame: the last snapshot goes on a worker thread.
    auto gone = std::pair(std::exchange(m_snapshot, std::move(table.snapshot)), m_model->items());
    m_model->update(std::move(table.items));
    backgroundPool().start([last = std::move(gone)] {});
    // A wrong filter keeps what is shown: it is usually half-written.
    m_problem->setVisible(!table.filterError.isEmpty());
    m_problem->setText(QStringLiteral("⚠ ") + table.filterError);
    if (table.filterError.isEmpty())
        m_order->setMatching(std::move(table.matching));
    showCount();
    if (m_model->items().empty()) {
        showNoRuns();
        return;
    }
    if (!std::exchange(m_shownOnce, true) && !QSettings().contains(settingsGroup + QStringLiteral("/columns/order")))
        m_table->fitColumns();
    showContent();
}

void RunsView::showNoRuns()
{
    const auto trace = session().trace();
    if (!trace) {
        showEmpty(tr("No runs yet. Build the project with “Run all”, or open a trace and record its setting."));
        return;
    }
    showEmpty(tr("No runs yet. A run is a setting with its figures and the command that repeats it."), tr("Record the present setting as a run"), [this, trace] {
        session().jobs().enqueue(tr("Record a run"), session().projectFolder(),
                                 [name = trace->name(), clusters = std::string(trace->hasClusters() ? "" : "none"), settings = session().settings()](Project &project, JobControl &job) {
                                     Request request;
                                     request.command = evaluateCommand(name, clusters, settings);
                                     const auto outcome = evaluate(project, name, clusters, settings, {}, request, job);
                                     return tr("run %1, perplexity %2").arg(outcome.run).arg(outcome.result.perplexity, 0, 'f', 2);
                                 });
    });
}

void RunsView::showCount()
{
    const QLocale locale;
    const int shown = m_order->rowCount(), all = m_model->rowCount();
    m_count->setText(shown == all ? tr("%1 runs").arg(locale.toString(all)) : tr("%1 of %2 runs").arg(locale.toString(shown), locale.toString(all)));
}

std::vector<std::shared_ptr<const RunRow>> RunsView::selectedRuns() const
{
    std::vector<std::shared_ptr<const RunRow>> runs;
    for (const QItemSelectionRange &range : m_table->selectionModel()->selection()) {
        for (int row = range.top(); row <= range.bottom(); ++row)
            runs.push_back(m_model->items()[static_cast<std::size_t>(m_order->mapToSource(m_order->index(row, 0)).row())]->run);
    }
    return runs;
}

std::vector<RunRow> RunsView::selectedRows() const
{
    std::vector<RunRow> rows;
    for (const auto &run : selectedRuns())
        rows.push_back(*run);
    return rows;
}

const RunRow *RunsView::runById(std::int64_t id) const
{
    const auto &items = m_model->items(); // newest first
    const auto found = std::ranges::lower_bound(items, id, std::greater(), [](const auto &item) { return item->run->id; });
    return found != items.end() && (*found)->run->id == id ? (*found)->run.get() : nullptr;
}

void RunsView::showSelection()
{
    auto runs = selectedRuns();
    const std::size_t selected = runs.size();
    if (runs.size() > mostCompared)
        runs.resize(mostCompared);
    m_detail->setVisible(!runs.empty());
    m_onlyDifferences->setVisible(runs.size() > 1);
    m_remarks->setVisible(runs.size() == 1);
    const std::int64_t remarked = runs.size() == 1 ? runs.front()->id : 0;
    if (remarked != m_remarked)
        commitRemarks(); // of the run that was shown
    if (runs.size() == 1) {
        const RunRow &run = *runs.front();
        const bool another = std::exchange(m_remarked, remarked) != remarked;
        m_detailTitle->setText(tr("Run %1 · %2").arg(run.id).arg(QString::fromStdString(run.name)));
        if (another || !m_tags->hasFocus()) {
            m_knownTags = visibleTags(run);
            m_tags->setText(m_knownTags.join(QStringLiteral(", ")));
        }
        if (another || !m_noteText->hasFocus()) {
            m_knownNote = QString::fromStdString(run.note);
            m_noteText->setPlainText(m_knownNote);
        }
    } else if (!runs.empty()) {
        m_detailTitle->setText(selected > runs.size() ? tr("%1 runs selected, the first %2 compared").arg(selected).arg(runs.size()) : tr("%1 runs compared").arg(selected));
    }
    m_remarked = remarked;
    m_comparison->setRuns(std::move(runs));
    updateActions();
}

void RunsView::commitRemarks()
{
    const RunRow *run = runById(m_remarked);
    if (!run)
        return;
    // Compared with what was shown or sent last, not with the ledger, which may not have it yet.
    if (const QStringList tags = tagsFromText(m_tags->text()); tags != std::exchange(m_knownTags, tags))
        m_editor.setTags(*run, tags);
    if (const QString note = m_noteText->toPlainText(); note != std::exchange(m_knownNote, note))
        m_editor.setNote(*run, note);
}

bool RunsView::eventFilter(QObject *watched, QEvent *event)
{
    if (watched == m_noteText && event->type() == QEvent::FocusOut)
        commitRemarks();
    if (watched == m_noteText && event->type() == QEvent::KeyPress) {
        const auto *key = static_cast<QKeyEvent *>(event);
        if (key->key() == Qt::Key_Return && key->modifiers() == Qt::ControlModifier) {
            commitRemarks();
            return true;
        }
    }
    return View::eventFilter(watched, event);
}

void RunsView::updateActions()
{
    const auto runs = selectedRuns();
    const bool any = !runs.empty();
    m_open->setEnabled(runs.size() == 1);
    m_strip->setEnabled(runs.size() == 1 || runs.size() == 2);
    for (QAction *action : {m_copy, m_star, m_tag, m_archive, m_delete})
        action->setEnabled(any);
    m_note->setEnabled(runs.size() == 1);
    m_archive->setText(any && std::ranges::all_of(runs, [](const auto &run) { return run->archived; }) ? tr("Bring back from the archive") : tr("Archive"));
}

void RunsView::askForTag()
{
    bool accepted = false;
    const QString tag = QInputDialog::getText(this, tr("Add a tag"), tr("Tag for %n run(s):", nullptr, static_cast<int>(selectedRuns().size())), QLineEdit::Normal, {}, &accepted);
    if (const QStringList tags = tagsFromText(tag); accepted && !tags.isEmpty())
        m_editor.addTag(selectedRows(), tags.front());
}

void RunsView::deleteSelected()
{
    const auto rows = selectedRows();
    if (rows.empty())
        return;
    const auto running = std::ranges::find(rows, RunStatus::Running, &RunRow::status);
    if (running != rows.end()) {
        QMessageBox::information(this, tr("Delete runs"), tr("Run %1 is still running; stop it first, then delete it.").arg(running->id));
        return;
    }
    const auto answer = QMessageBox::question(this, tr("Delete runs"),
                                              tr("Delete %n run(s) from the ledger? Undo brings them back while the program is open.", nullptr, static_cast<int>(rows.size())),
                                              QMessageBox::Discard | QMessageBox::Cancel, QMessageBox::Cancel);
    if (answer == QMessageBox::Discard)
        m_editor.remove(rows);
}

void RunsView::openRun(std::int64_t id)
{
    if (const RunRow *run = runById(id))
        fulfil(*run, {});
}

void RunsView::showInStrip()
{
    const auto runs = selectedRuns();
    if (runs.empty())
        return;
    try {
        if (runs.size() == 1)
            fulfil(*runs.front(), {{}, session().trace() ? std::optional(session().settings()) : std::nullopt, settingsOf(*runs.front())});
        else if (traceNameOf(*runs.front(), *m_snapshot) != traceNameOf(*runs.back(), *m_snapshot))
            fail(ErrorKind::Mismatch, "Runs {} and {} were made over different traces; compare runs over the same text.", runs.front()->id, runs.back()->id);
        else
            fulfil(*runs.front(), {{}, settingsOf(*runs.front()), settingsOf(*runs.back())});
    } catch (const Error &error) {
        Q_EMIT m_editor.failed(QString::fromUtf8(error.what()));
    }
}

/// Opens the trace of `run` when it is not open; then the setting (of the run itself when none is wished) and the comparison.
void RunsView::fulfil(const RunRow &run, Wish wish)
{
    try {
        if (!wish.setting)
            wish.setting = settingsOf(run);
        wish.trace = traceNameOf(run, *m_snapshot);
        if (!isOpen(session().trace().get(), run, wish.trace)) {
            m_wish = std::move(wish);
            session().openTrace(m_wish->trace, clustersNameOf(run, *m_snapshot), m_wish->setting);
            return;
        }
        session().setSettings(*wish.setting);
        if (wish.comparison)
            session().compareWith(*wish.comparison);
    } catch (const std::exception &error) {
        Q_EMIT m_editor.failed(QString::fromUtf8(error.what()));
    }
}

void RunsView::copyCommands()
{
    QStringList commands;
    for (const auto &run : selectedRuns())
        commands << QString::fromStdString(run->command);
    QGuiApplication::clipboard()->setText(commands.join(QLatin1Char('\n')));
}

void RunsView::saveColumns()
{
    QSettings settings;
    settings.beginGroup(settingsGroup);
    m_table->save(settings);
}

QStringList RunsView::exportSuffixes() const
{
    return {QStringLiteral("csv"), QStringLiteral("md"), QStringLiteral("tex"), QStringLiteral("pdf"), QStringLiteral("svg"), QStringLiteral("png")};
}

void RunsView::exportTo(const QString &file, const QSize &size)
{
    const QString suffix = QFileInfo(file).suffix().toLower();
    if (suffix != QLatin1String("csv") && suffix != QLatin1String("md") && suffix != QLatin1String("tex")) {
        View::exportTo(file, size);
        return;
    }
    exportTable(*m_order, file, m_table->shownColumns(), RunsModel::SortRole);
}

bool RunsView::isSettled() const
{
    // A ledger that cannot be read is answered by a sentence: there is nothing more to wait for.
    const bool answered = m_snapshot == session().project() || !showsContent();
    return View::isSettled() && !m_question.isBusy() && !m_editor.isBusy() && answered;
}

} // namespace retoscope
