// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/session.h"

#include <QMainWindow>

class QLabel;
class QSortFilterProxyModel;
class QStackedWidget;
class QTableView;

namespace retoscope {

class ArtefactsModel;
class FossView;
class PipelineBar;
class RunsModel;

/// One project: its artefacts, its runs and its newest FoSS curve; they follow the ledger live.
class MainWindow : public QMainWindow
{
    Q_OBJECT

public:
    explicit MainWindow(QWidget *parent = nullptr);
    ~MainWindow() override;

    void openProject(const std::filesystem::path &folder);
    /// What "Run all" runs, e.g. projects/postgresql-manual/project.json.
    void setDescription(const std::filesystem::path &projectFile);

protected:
    void closeEvent(QCloseEvent *event) override;

private:
    void buildActions();
    QWidget *buildEmptyState();
    QWidget *buildContent();
    void showProject();
    void showError(const QString &sentence);
    void chooseProject();
    void exportRuns();
    void exportFigure();

    std::filesystem::path m_description;
    Session *m_session;
    ArtefactsModel *m_artefacts;
    RunsModel *m_runs;
    QSortFilterProxyModel *m_sortedRuns;
    QTableView *m_artefactTable = nullptr;
    QTableView *m_runTable = nullptr;
    FossView *m_foss = nullptr;
    PipelineBar *m_pipeline = nullptr;
    QLabel *m_title = nullptr;
    QLabel *m_error = nullptr;
    QStackedWidget *m_pages = nullptr;
};

} // namespace retoscope
