// SPDX-License-Identifier: GPL-3.0-or-later
#include "jobs/jobs_view.h"

#include "jobs/progress_delegate.h"
#include "runs/runs_export.h"
#include "shell/session.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDateTime>
#include <QDesktopServices>
#include <QFileInfo>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QPlainTextEdit>
#include <QSplitter>
#include <QTableView>
#include <QTimer>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

namespace retoscope {

namespace {

constexpr int clockIntervalMs = 1000;
constexpr std::size_t longestHistory = 200; // rows of the ledger that are shown
constexpr int gap = 6;

/// Ledger rows that this process does not show already. Marks those whose process is gone.
std::vector<RecordedJob> readJobs(const std::filesystem::path &folder, qint64 sessionBegan)
{
    Project project = Project::open(folder);
    project.ledger().markInterruptedJobs();
    auto rows = project.ledger().jobs();
    const auto isOwn = [&](const JobRow &row) { return row.pid == QCoreApplication::applicationPid() && row.startedMs >= sessionBegan; };
    std::erase_if(rows, isOwn);
    std::ranges::sort(rows, std::greater(), &JobRow::id);
    if (rows.size() > longestHistory)
        rows.resize(longestHistory);
    return {std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end())};
}

} // namespace

JobsView::JobsView(Session &session, QWidget *parent)
    : View(session, QStringLiteral("jobs"), tr("Jobs"), parent), m_model(new JobsModel(session.jobs(), this)), m_table(new QTableView), m_title(new QLabel),
      m_command(new QLineEdit), m_log(new QPlainTextEdit), m_clock(new QTimer(this)), m_sessionBegan(nowMs())
{
    // What this session's manager shows already is not shown again from the ledger.
    for (const auto &job : session.jobs().jobs()) {
        if (job.startedMs)
            m_sessionBegan = std::min(m_sessionBegan, job.startedMs);
    }
    build();
    buildActions();
    m_clock->setInterval(clockIntervalMs);
    connect(m_clock, &QTimer::timeout, m_model, &JobsModel::tick);
    m_history.onAnswer([this](std::vector<RecordedJob> rows) {
        m_model->setHistory(std::move(rows));
        showPage();
    });
    m_history.onFailure([this](const QString &sentence) {
        if (m_model->rowCount() == 0)
            showError(sentence, tr("Read again"), [this] { readHistory(); });
    });
    connect(&session, &Session::projectChanged, this, &JobsView::readHistory);
    connect(&session.jobs(), &JobManager::jobAdded, this, &JobsView::showPage);
    connect(&session.jobs(), &JobManager::jobRemoved, this, &JobsView::showPage);
    connect(&session.jobs(), &JobManager::jobChanged, this, [this](int id) {
        const JobInfo *running = this->session().jobs().running();
        if (running && !m_clock->isActive())
            m_clock->start();
        else if (!running)
            m_clock->stop();
        if (currentRow() >= 0 && m_model->rowOfJob(id) == currentRow())
            showSelected();
    });
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &JobsView::showSelected);
    connect(m_model, &QAbstractItemModel::layoutChanged, this, &JobsView::showSelected);
    readHistory();
    showPage();
    showSelected();
}

void JobsView::build()
{
    m_table->setObjectName(QStringLiteral("jobsTable"));
    m_table->setAccessibleName(tr("Jobs"));
    m_table->setModel(m_model);
    m_table->setItemDelegateForColumn(JobsModel::ProgressColumn, new ProgressDelegate(this));
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setShowGrid(false);
    m_table->setWordWrap(false);
    m_table->setAlternatingRowColors(true);
    m_table->setTabKeyNavigation(false); // Tab leaves the table
    m_table->setContextMenuPolicy(Qt::ActionsContextMenu);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 10);
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    const int unit = fontMetrics().averageCharWidth();
    const std::pair<JobsModel::Column, int> widths[] = {{JobsModel::Title, 36}, {JobsModel::State, 13}, {JobsModel::ProgressColumn, 24},
                                                        {JobsModel::Rate, 15},  {JobsModel::Remaining, 12}, {JobsModel::Elapsed, 12}};
    for (const auto &[column, width] : widths)
        m_table->setColumnWidth(column, width * unit);
    connect(m_table, &QTableView::doubleClicked, this, &JobsView::openResult);

    m_title->setObjectName(QStringLiteral("jobTitle"));
    m_title->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred); // a long title must not widen the window
    QFont bold = m_title->font();
    bold.setBold(true);
    m_title->setFont(bold);
    m_title->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_command->setObjectName(QStringLiteral("jobCommand"));
    m_command->setAccessibleName(tr("Command that repeats the job"));
    m_command->setReadOnly(true);
    m_command->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_log->setObjectName(QStringLiteral("jobLog"));
    m_log->setAccessibleName(tr("Log of the job"));
    m_log->setReadOnly(true);
    m_log->setLineWrapMode(QPlainTextEdit::WidgetWidth);
    m_log->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_log->setMaximumBlockCount(2000);

    auto *detail = new QWidget;
    auto *detailLayout = new QVBoxLayout(detail);
    detailLayout->setContentsMargins(gap, 0, 0, 0);
    detailLayout->setSpacing(gap);
    detailLayout->addWidget(m_title);
    detailLayout->addWidget(m_command);
    detailLayout->addWidget(m_log, 1);

    auto *splitter = new QSplitter(Qt::Horizontal);
    splitter->setObjectName(QStringLiteral("jobsSplitter"));
    splitter->addWidget(m_table);
    splitter->addWidget(detail);
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    splitter->setChildrenCollapsible(false);
    splitter->setSizes({unit * 150, unit * 52});
    auto *layout = new QVBoxLayout(content());
    layout->setContentsMargins(gap, gap, gap, gap);
    layout->setSpacing(gap);
    layout->addWidget(splitter, 1);
}

QAction *JobsView::addJobAction(const QString &name, const QString &text, const QKeySequence &shortcut, const QString &toolTip, std::function<void()> trigger)
{
    QAction *action = addViewAction(text, shortcut, std::move(trigger));
    action->setObjectName(name);
    action->setToolTip(shortcut.isEmpty() ? toolTip : QStringLiteral("%1 (%2)").arg(toolTip, shortcut.toString(QKeySequence::NativeText)));
    m_table->addAction(action);
    return action;
}

void JobsView::buildActions()
{
    m_cancel = addJobAction(QStringLiteral("jobCancel"), tr("Cancel"), Qt::Key_Delete, tr("Stop the job at once; it can be continued"), [this] { cancelCurrent(); });
    m_pause = addJobAction(QStringLiteral("jobPause"), tr("Pause"), Qt::Key_Space, tr("Hold the job, or let it go on"), [this] { pauseCurrent(); });
    m_continue = addJobAction(QStringLiteral("jobContinue"), tr("Continue"), Qt::Key_F5, tr("Run the same job again; it goes on where it stopped"), [this] { continueCurrent(); });
    m_up = addJobAction(QStringLiteral("jobUp"), tr("Earlier"), Qt::CTRL | Qt::Key_Up, tr("Move the waiting job forward"), [this] { moveCurrent(-1); });
    m_down = addJobAction(QStringLiteral("jobDown"), tr("Later"), Qt::CTRL | Qt::Key_Down, tr("Move the waiting job back"), [this] { moveCurrent(1); });
    m_open = addJobAction(QStringLiteral("jobOpen"), tr("Open result"), Qt::Key_Return, tr("Show what the job made"), [this] { openResult(); });
    m_clear = addJobAction(QStringLiteral("jobClear"), tr("Clear finished"), {}, tr("Take finished jobs of this session off the list; nothing that they made is touched"),
                           [this] { session().jobs().clearFinished(); });
    auto *copy = addJobAction(QStringLiteral("jobCopy"), tr("Copy command"), QKeySequence::Copy, tr("Copy the command line that repeats the job"),
                              [this] { QApplication::clipboard()->setText(m_command->text()); });

    auto *bar = new QHBoxLayout;
    bar->setSpacing(gap / 2);
    for (QAction *action : {m_cancel, m_pause, m_continue, m_up, m_down, m_open, copy, m_clear}) {
        auto *button = new QToolButton;
        button->setDefaultAction(action);
        button->setAutoRaise(true);
        button->setFocusPolicy(Qt::TabFocus);
        bar->addWidget(button);
        if (action == m_continue || action == m_down)
            bar->addSpacing(gap * 2);
    }
    bar->addStretch();
    static_cast<QVBoxLayout *>(content()->layout())->insertLayout(0, bar);
}

void JobsView::readHistory()
{
    if (session().projectFolder().empty()) {
        m_history.cancel();
        m_model->setHistory({});
        return;
    }
    m_history.ask([folder = session().projectFolder(), began = m_sessionBegan](JobControl &) { return readJobs(folder, began); });
}

void JobsView::showPage()
{
    if (m_model->rowCount() == 0) {
        showEmpty(tr("No job has run yet. Jobs start from the cards of the pipeline: add a corpus and a model, or run all of it."));
        return;
    }
    showContent();
    if (currentRow() < 0)
        m_table->selectRow(0);
}

int JobsView::currentRow() const
{
    return m_table->currentIndex().isValid() ? m_table->currentIndex().row() : -1;
}

void JobsView::showSelected()
{
    const int row = currentRow();
    const JobInfo *job = row < 0 ? nullptr : m_model->jobAt(row);
    const RecordedJob *recorded = row < 0 ? nullptr : m_model->recordAt(row);
    const JobRow *record = recorded ? &recorded->row : nullptr;
    const bool queued = job && job->state == JobInfo::State::Queued;
    m_cancel->setEnabled(queued || (job && job->isActive() && job->state != JobInfo::State::Stopping));
    m_pause->setEnabled(job && (job->state == JobInfo::State::Running || job->state == JobInfo::State::Paused));
    m_pause->setText(job && job->state == JobInfo::State::Paused ? tr("Resume") : tr("Pause"));
    m_continue->setEnabled((job && (job->state == JobInfo::State::Failed || job->state == JobInfo::State::Cancelled)) || (record && m_model->canContinue(row)));
    m_up->setEnabled(queued);
    m_down->setEnabled(queued);
    m_open->setEnabled(job && job->outcome);
    m_title->setText(row < 0 ? QString() : m_model->index(row, JobsModel::Title).data().toString());
    QString command, log;
    if (job) {
        command = job->work ? QString::fromStdString(commandOf(*job->work, session().projectFolder())) : QString();
        log = job->log.join(QLatin1Char('\n'));
    } else if (record) {
        command = QString::fromStdString(record->command);
        const auto time = [](std::int64_t ms) { return QLocale().toString(QDateTime::fromMSecsSinceEpoch(ms), QLocale::ShortFormat); };
        log = tr("%1, process %2\nstarted %3").arg(QString::fromStdString(record->kind)).arg(record->pid).arg(time(record->startedMs));
        if (record->endedMs)
            log += tr("\nended %1").arg(time(record->endedMs));
        if (!record->message.empty())
            log += QLatin1Char('\n') + QString::fromStdString(record->message);
        if (m_model->canContinue(row))
            log += tr("\n“Continue” runs the same command here; what is on disk is not done again.");
    }
    if (m_command->text() != command) {
        m_command->setText(command);
        m_command->setCursorPosition(0);
    }
    if (m_log->toPlainText() != log) {
        m_log->setPlainText(log);
        m_log->moveCursor(QTextCursor::End);
    }
}

void JobsView::cancelCurrent()
{
    if (const JobInfo *job = currentRow() < 0 ? nullptr : m_model->jobAt(currentRow()))
        session().jobs().cancel(job->id);
    showSelected();
}

void JobsView::pauseCurrent()
{
    if (const JobInfo *job = currentRow() < 0 ? nullptr : m_model->jobAt(currentRow()))
        session().jobs().setPaused(job->id, job->state == JobInfo::State::Running);
}

void JobsView::continueCurrent()
{
    const int row = currentRow();
    if (row < 0)
        return;
    int id = 0;
    if (const JobInfo *job = m_model->jobAt(row)) {
        id = session().jobs().retry(job->id);
    } else if (m_model->canContinue(row)) {
        id = session().jobs().enqueue(Work(*m_model->recordAt(row)->work), session().projectFolder(), {session().settings()});
    }
    if (id)
        m_table->selectRow(m_model->rowOfJob(id));
}

void JobsView::moveCurrent(int delta)
{
    if (const JobInfo *job = currentRow() < 0 ? nullptr : m_model->jobAt(currentRow()))
        session().jobs().move(job->id, delta);
}

void JobsView::openResult()
{
    const JobInfo *job = currentRow() < 0 ? nullptr : m_model->jobAt(currentRow());
    if (!job || !job->outcome)
        return;
    const WorkOutcome &outcome = *job->outcome;
    if (outcome.artefact && outcome.artefact->kind == ArtefactKind::Trace) {
        session().openTrace(QString::fromStdString(outcome.artefact->name));
    } else if (job->work && !job->work->text("trace").empty()) {
        session().openTrace(QString::fromStdString(job->work->text("trace")), QString::fromStdString(job->work->text("clusters")));
    } else if (outcome.artefact) {
        const auto folder = session().projectFolder() / outcome.artefact->folder; // an absolute folder stays as it is
        QDesktopServices::openUrl(QUrl::fromLocalFile(QString::fromStdString(folder.string())));
    }
}

QStringList JobsView::exportSuffixes() const
{
    return View::exportSuffixes() + QStringList{QStringLiteral("csv"), QStringLiteral("md"), QStringLiteral("tex")};
}

void JobsView::exportTo(const QString &file, const QSize &size)
{
    if (View::exportSuffixes().contains(QFileInfo(file).suffix().toLower()))
        View::exportTo(file, size);
    else
        exportTable(*m_model, file);
}

} // namespace retoscope
