// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/main_window.h"

#include "base/error.h"
#include "foss/foss_view.h"
#include "ledger/project.h"
#include "pipeline/artefacts_model.h"
#include "pipeline/pipeline_bar.h"
#include "runs/runs_export.h"
#include "runs/runs_model.h"

#include <QAction>
#include <QCloseEvent>
#include <QFileDialog>
#include <QHeaderView>
#include <QLabel>
#include <QMenuBar>
#include <QMessageBox>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QSplitter>
#include <QStackedWidget>
#include <QStatusBar>
#include <QTableView>
#include <QVBoxLayout>

namespace retoscope {

namespace {

constexpr int gap = 8; // the grid of the whole program, pixels

QTableView *makeTable(QAbstractItemModel *model, const QString &accessibleName)
{
    auto *table = new QTableView;
    table->setModel(model);
    table->setAccessibleName(accessibleName);
    table->setSelectionBehavior(QAbstractItemView::SelectRows);
    table->setAlternatingRowColors(true);
    table->setShowGrid(false);
    table->setWordWrap(false);
    table->verticalHeader()->hide();
    table->verticalHeader()->setDefaultSectionSize(table->fontMetrics().height() + gap);
    table->horizontalHeader()->setHighlightSections(false);
    table->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    return table;
}

QLabel *makeHeading(const QString &text)
{
    auto *label = new QLabel(text);
    QFont font = label->font();
    font.setBold(true);
    label->setFont(font);
    return label;
}

QWidget *makePanel(const QString &heading, QWidget *content)
{
    auto *panel = new QWidget;
    auto *layout = new QVBoxLayout(panel);
    layout->setContentsMargins(gap, gap, gap, gap);
    layout->setSpacing(gap / 2);
    layout->addWidget(makeHeading(heading));
    layout->addWidget(content, 1);
    return panel;
}

} // namespace

MainWindow::MainWindow(QWidget *parent)
    : QMainWindow(parent), m_session(new Session(this)), m_artefacts(new ArtefactsModel(this)), m_runs(new RunsModel(this)),
      m_sortedRuns(new QSortFilterProxyModel(this))
{
    setObjectName(QStringLiteral("MainWindow"));
    m_sortedRuns->setSourceModel(m_runs);
    m_sortedRuns->setSortRole(RunsModel::SortRole);

    m_pages = new QStackedWidget;
    m_pages->addWidget(buildEmptyState());
    m_pages->addWidget(buildContent());
    setCentralWidget(m_pages);
    buildActions();
    setWindowTitle(tr("Retoscope"));
    resize(1280, 800);

    connect(m_session, &Session::projectChanged, this, &MainWindow::showProject);
    connect(m_session, &Session::failed, this, &MainWindow::showError);
}

MainWindow::~MainWindow() = default;

void MainWindow::buildActions()
{
    QMenu *file = menuBar()->addMenu(tr("&Project"));
    QAction *open = file->addAction(tr("&Open…"), QKeySequence::Open, this, &MainWindow::chooseProject);
    addAction(open);
    file->addAction(tr("Export &runs…"), this, &MainWindow::exportRuns);
    file->addAction(tr("Export &FoSS curve…"), this, &MainWindow::exportFigure);
    file->addSeparator();
    file->addAction(tr("&Quit"), QKeySequence::Quit, this, &QWidget::close);
    QMenu *view = menuBar()->addMenu(tr("&View"));
    view->addAction(tr("&Refresh"), QKeySequence::Refresh, m_session, &Session::refreshProject);
}

QWidget *MainWindow::buildEmptyState()
{
    auto *page = new QWidget;
    auto *layout = new QVBoxLayout(page);
    auto *text = new QLabel(tr("No project is open.\nOpen one, or make one with “retoscope-cli project new FOLDER”."));
    text->setAlignment(Qt::AlignCenter);
    auto *button = new QPushButton(tr("Open a project…"));
    connect(button, &QPushButton::clicked, this, &MainWindow::chooseProject);
    layout->addStretch();
    layout->addWidget(text);
    layout->addWidget(button, 0, Qt::AlignHCenter);
    layout->addStretch();
    return page;
}

QWidget *MainWindow::buildContent()
{
    m_title = new QLabel;
    QFont font = m_title->font();
    font.setPointSizeF(font.pointSizeF() * 1.4);
    font.setBold(true);
    m_title->setFont(font);
    m_title->setTextInteractionFlags(Qt::TextSelectableByMouse);

    m_error = new QLabel;
    m_error->setWordWrap(true);
    m_error->setFrameShape(QFrame::StyledPanel);
    m_error->setMargin(gap);
    m_error->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_error->hide();

    m_pipeline = new PipelineBar(m_session->jobs());

    m_artefactTable = makeTable(m_artefacts, tr("Artefacts"));
    m_artefactTable->horizontalHeader()->setSectionResizeMode(ArtefactsModel::Name, QHeaderView::Stretch);
    m_runTable = makeTable(m_sortedRuns, tr("Runs"));
    m_runTable->setSortingEnabled(true);
    m_runTable->sortByColumn(RunsModel::Id, Qt::DescendingOrder);
    m_runTable->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_foss = new FossView;

    auto *upper = new QSplitter(Qt::Horizontal);
    upper->setChildrenCollapsible(false);
    upper->addWidget(makePanel(tr("Artefacts"), m_artefactTable));
    upper->addWidget(makePanel(tr("Perplexity over saved searches"), m_foss));
    upper->setStretchFactor(0, 4);
    upper->setStretchFactor(1, 5);
    auto *whole = new QSplitter(Qt::Vertical);
    whole->setChildrenCollapsible(false);
    whole->addWidget(upper);
    whole->addWidget(makePanel(tr("Runs"), m_runTable));
    whole->setStretchFactor(0, 3);
    whole->setStretchFactor(1, 2);

    auto *page = new QWidget;
    auto *layout = new QVBoxLayout(page);
    layout->setContentsMargins(gap, gap, gap, 0);
    layout->setSpacing(gap);
    auto *head = new QHBoxLayout;
    head->setContentsMargins(gap, 0, gap, 0);
    head->addWidget(m_title);
    head->addSpacing(3 * gap);
    head->addWidget(m_pipeline, 1);
    layout->addLayout(head);
    layout->addWidget(m_error);
    layout->addWidget(whole, 1);
    return page;
}

void MainWindow::openProject(const std::filesystem::path &folder)
{
    m_pages->setCurrentIndex(1);
    m_title->setText(QString::fromStdString(folder.filename().string()));
    m_pipeline->setProject(folder, m_description);
    m_session->openProject(folder);
}

void MainWindow::setDescription(const std::filesystem::path &projectFile)
{
    m_description = projectFile;
    m_pipeline->setProject(m_session->projectFolder(), m_description);
}

void MainWindow::showProject()
{
    if (!m_session->project())
        return;
    const ProjectSnapshot &snapshot = *m_session->project();
    m_error->hide();
    m_title->setText(snapshot.name);
    setWindowTitle(tr("%1 — Retoscope").arg(snapshot.name));
    const bool first = m_artefacts->rowCount() == 0 && m_runs->rowCount() == 0;
    m_artefacts->update(snapshot.artefacts);
    m_runs->update(snapshot.runs);
    if (first) {
        m_runTable->resizeColumnsToContents();
        for (const int column : {ArtefactsModel::Kind, ArtefactsModel::State, ArtefactsModel::Size, ArtefactsModel::Finished})
            m_artefactTable->resizeColumnToContents(column);
    }
    try {
        m_foss->setFigure(snapshot.fossCurves.empty() ? FossFigure() : FossFigure::fromCurve(snapshot.fossCurves.front()));
    } catch (const Error &error) {
        showError(QString::fromUtf8(error.what()));
    }
    statusBar()->showMessage(tr("%n artefact(s)", nullptr, m_artefacts->rowCount()) + QStringLiteral(" · ") + tr("%n run(s)", nullptr, m_runs->rowCount())
                             + QStringLiteral(" · ") + QString::fromStdString(snapshot.folder.string()));
}

void MainWindow::showError(const QString &sentence)
{
    m_error->setText(sentence);
    m_error->show();
}

void MainWindow::chooseProject()
{
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Open a project"), QString::fromStdString(m_session->projectFolder().string()));
    if (!folder.isEmpty())
        openProject(folder.toStdString());
}

void MainWindow::exportRuns()
{
    const QString file = QFileDialog::getSaveFileName(this, tr("Export the runs"), QStringLiteral("runs.csv"), tr("CSV (*.csv);;Markdown (*.md);;LaTeX (*.tex)"));
    if (file.isEmpty())
        return;
    try {
        exportTable(*m_sortedRuns, file);
    } catch (const Error &error) {
        QMessageBox::warning(this, tr("Retoscope"), QString::fromUtf8(error.what()));
    }
}

void MainWindow::exportFigure()
{
    const QString file = QFileDialog::getSaveFileName(this, tr("Export the FoSS curve"), QStringLiteral("foss.pdf"), tr("PDF (*.pdf);;SVG (*.svg);;PNG (*.png)"));
    if (file.isEmpty())
        return;
    try {
        m_foss->exportFigure(file, QSize(720, 480));
    } catch (const Error &error) {
        QMessageBox::warning(this, tr("Retoscope"), QString::fromUtf8(error.what()));
    }
}

void MainWindow::closeEvent(QCloseEvent *event)
{
    if (m_pipeline->isRunning()) {
        const auto answer = QMessageBox::question(this, tr("Retoscope"), tr("A job is still running. Stop it and close? It continues where it stopped when you run it again."),
                                                  QMessageBox::Close | QMessageBox::Cancel, QMessageBox::Cancel);
        if (answer != QMessageBox::Close) {
            event->ignore();
            return;
        }
        m_pipeline->cancel();
    }
    event->accept();
}

} // namespace retoscope
