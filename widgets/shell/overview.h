// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <filesystem>

class QSortFilterProxyModel;
class QTableView;

namespace retoscope {

class ArtefactsModel;
class FossView;
class PipelineBar;
class RunsModel;
class Session;

/// Artefacts, newest FoSS curve and runs of a project in one page: what stands in the reading area as long as no view is
/// registered for it.
class Overview : public QWidget
{
    Q_OBJECT

public:
    explicit Overview(Session &session, QWidget *parent = nullptr);
    void setDescription(const std::filesystem::path &projectFile);

private:
    void showProject();

    Session &m_session;
    std::filesystem::path m_description;
    ArtefactsModel *m_artefacts;
    RunsModel *m_runs;
    QSortFilterProxyModel *m_sortedRuns;
    QTableView *m_artefactTable, *m_runTable;
    FossView *m_foss;
    PipelineBar *m_pipeline;
};

} // namespace retoscope
