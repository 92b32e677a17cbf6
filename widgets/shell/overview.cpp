// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/overview.h"

#include "base/error.h"
#include "foss/foss_view.h"
#include "pipeline/artefacts_model.h"
#include "pipeline/pipeline_bar.h"
#include "runs/runs_model.h"
#include "shell/session.h"

#include <QHeaderView>
#include <QSortFilterProxyModel>
#include <QSplitter>
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

} // namespace

Overview::Overview(Session &session, QWidget *parent)
    : QWidget(parent), m_session(session), m_artefacts(new ArtefactsModel(this)), m_runs(new RunsModel(this)), m_sortedRuns(new QSortFilterProxyModel(this)),
      m_artefactTable(makeTable(m_artefacts, tr("Artefacts"))), m_runTable(makeTable(m_sortedRuns, tr("Runs"))), m_foss(new FossView),
      m_pipeline(new PipelineBar(session.jobs()))
{
    m_sortedRuns->setSourceModel(m_runs);
    m_sortedRuns->setSortRole(RunsModel::SortRole);
    m_artefactTable->horizontalHeader()->setSectionResizeMode(ArtefactsModel::Name, QHeaderView::Stretch);
    m_runTable->setSortingEnabled(true);
    m_runTable->sortByColumn(RunsModel::Id, Qt::DescendingOrder);
    m_runTable->setSelectionMode(QAbstractItemView::ExtendedSelection);

    auto *upper = new QSplitter(Qt::Horizontal);
    upper->addWidget(m_artefactTable);
    upper->addWidget(m_foss);
    auto *whole = new QSplitter(Qt::Vertical);
    whole->addWidget(upper);
    whole->addWidget(m_runTable);
    auto *layout = new QVBoxLayout(this);
    layout->addWidget(m_pipeline);
    layout->addWidget(whole, 1);
    connect(&m_session, &Session::projectChanged, this, &Overview::showProject);
}

void Overview::setDescription(const std::filesystem::path &projectFile)
{
    m_description = projectFile;
    m_pipeline->setProject(m_session.projectFolder(), m_description);
}

void Overview::showProject()
{
    m_pipeline->setProject(m_session.projectFolder(), m_description);
    if (!m_session.project())
        return;
    const ProjectSnapshot &snapshot = *m_session.project();
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
        Q_EMIT m_session.failed(QString::fromUtf8(error.what()));
    }
}

} // namespace retoscope
