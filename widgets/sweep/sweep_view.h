// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/view.h"

#include "shell/latest_only.h"
#include "trace/sweep.h"

#include <optional>
#include <vector>

class QLabel;
class QLineEdit;
class QPushButton;
class QSplitter;
class QTabWidget;

namespace retoscope {

class CurvePanel;
class GridPanel;
class HeatMapPanel;
class Readouts;
class SettingsForm;

/// Hyperparameters by hand: sliders whose values the whole window follows, the figures of LM, kNN-LM and RetoMaton, a heat map
/// of two parameters and a curve over one. A setting becomes a run with its exact command.
class SweepView : public View
{
    Q_OBJECT

public:
    explicit SweepView(Session &session, QWidget *parent = nullptr);
    ~SweepView() override;

    [[nodiscard]] QStringList exportSuffixes() const override;
    /// csv: the points of the grid on screen.
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

protected:
    void resizeEvent(QResizeEvent *event) override;
    void showEvent(QShowEvent *event) override;

private:
    QWidget *buildControls();
    QWidget *buildPlots();
    void buildActions();
    void followSession();
    void showTrace();
    void showClusters();
    void showSettings();
    void showEvaluation();
    void askOthers();
    [[nodiscard]] GridPanel &currentPanel() const;
    void showMessage(const QString &sentence, bool error);
    void saveAsRun();
    void sendGrid(const EvaluationSettings &settings, const SweepGrid &grid);
    void copyCommand();

    SettingsForm *m_form;
    Readouts *m_readouts;
    QLineEdit *m_command;
    QPushButton *m_save, *m_best;
    QLabel *m_message;
    QTabWidget *m_tabs;
    HeatMapPanel *m_heatMap;
    CurvePanel *m_curve;
    QSplitter *m_splitter;
    std::optional<EvaluationSettings> m_asked; ///< the session's when m_others was asked last
    LatestOnly<std::vector<EvaluationResult>> m_others; ///< of the methods that the session does not evaluate
};

} // namespace retoscope
