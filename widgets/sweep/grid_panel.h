// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTimer>
#include <QWidget>

#include "sweep/grid_runner.h"
#include "sweep/parameter.h"

class QCheckBox;
class QComboBox;
class QCustomPlot;
class QHBoxLayout;
class QLabel;
class QProgressBar;
class QPushButton;
class QSpinBox;
class QVBoxLayout;

namespace retoscope {

class CurvePlot;
class HeatMap;

/// A plot over a grid of settings with what it takes to compute it: choice of axes, compute and cancel, progress, and the
/// sentence that says when the plot belongs to an earlier setting. With "keep up to date" it computes by itself, a moment
/// after the last change, while it is on screen.
class GridPanel : public QWidget
{
    Q_OBJECT

public:
    explicit GridPanel(QWidget *parent = nullptr);

    void setTrace(std::shared_ptr<const TraceSession> trace);
    void setSettings(const EvaluationSettings &settings);
    void compute();
    void cancel();
    [[nodiscard]] bool isSettled() const;
    /// The grid as chosen, on top of settings(); what "send to runs" records.
    [[nodiscard]] virtual SweepGrid wantedGrid() const = 0;
    [[nodiscard]] virtual QCustomPlot &plot() const = 0;
    [[nodiscard]] const EvaluationSettings &settings() const { return m_settings; }
    [[nodiscard]] const GridRunner &runner() const { return m_runner; }

Q_SIGNALS:
    void chosen(const retoscope::EvaluationSettings &settings); ///< a click into the plot
    void gridSent(const retoscope::EvaluationSettings &base, const retoscope::SweepGrid &grid);
    void failed(const QString &sentence);

protected:
    [[nodiscard]] const std::vector<Parameter> &parameters() const { return m_parameters; }
    [[nodiscard]] QComboBox *addParameterChoice(const QString &label, const QString &objectName, int initial);
    [[nodiscard]] int steps() const;
    void setSteps(int steps);
    /// The subclass calls it once, at the end of its constructor.
    void finishLayout(QWidget *plotWidget);
    virtual void showPoints() = 0;
    virtual void showSettings() = 0;
    virtual void gridFinished() {}
    void wantChanged();
    void showEvent(QShowEvent *event) override;

private:
    [[nodiscard]] bool isStale() const;
    void updateState();

    std::shared_ptr<const TraceSession> m_trace;
    EvaluationSettings m_settings;
    std::vector<Parameter> m_parameters;
    GridRunner m_runner;
    QTimer m_quiet; ///< runs out when nothing has changed for a while
    QVBoxLayout *m_layout;
    QHBoxLayout *m_choices;
    QSpinBox *m_steps;
    QCheckBox *m_automatic;
    QPushButton *m_compute, *m_send;
    QProgressBar *m_progress;
    QLabel *m_state;
};

/// Perplexity over two parameters for the method of the setting.
class HeatMapPanel : public GridPanel
{
    Q_OBJECT

public:
    explicit HeatMapPanel(QWidget *parent = nullptr);

    [[nodiscard]] SweepGrid wantedGrid() const override;
    [[nodiscard]] QCustomPlot &plot() const override;
    [[nodiscard]] HeatMap &heatMap() const { return *m_map; }
    void setAxes(int x, int y); ///< indices into sweepParameters()
    /// Evaluates a fine grid over λ and T and chooses its optimum.
    void findBest();

protected:
    void showPoints() override;
    void showSettings() override;
    void gridFinished() override;

private:
    HeatMap *m_map;
    QComboBox *m_x, *m_y;
    bool m_choosesBest = false;
};

/// Perplexity of kNN-LM and of RetoMaton over one parameter.
class CurvePanel : public GridPanel
{
    Q_OBJECT

public:
    explicit CurvePanel(QWidget *parent = nullptr);

    [[nodiscard]] SweepGrid wantedGrid() const override;
    [[nodiscard]] QCustomPlot &plot() const override;
    [[nodiscard]] CurvePlot &curve() const { return *m_curve; }

protected:
    void showPoints() override;
    void showSettings() override;

private:
    CurvePlot *m_curve;
    QComboBox *m_x;
};

} // namespace retoscope
