// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foss/foss_figure.h"
#include "shell/latest_only.h"
#include "shell/view.h"

class QCPGraph;
class QComboBox;
class QCustomPlot;
class QLabel;
class QProgressBar;
class QPushButton;

namespace retoscope {

class FossTableModel;
class JobControl;
class Project;

/// Perplexity over the fraction of saved searches (Alon et al. 2022, figure 3): one line per series, the Pareto front in the
/// accent colour, the language model alone as a dashed line, the present setting as a star, published curves as dashed
/// references, and the wall clock of live runs on the right axis. A tool tip names the setting of the point under the mouse,
/// a click uses it.
class FossView : public View
{
    Q_OBJECT

public:
    explicit FossView(Session &session, QWidget *parent = nullptr);
    ~FossView() override;

    /// What the view finds by itself in the session's project; for programs without an event loop and for tests.
    void setFigure(const FossFigure &figure);
    [[nodiscard]] const FossFigure &figure() const { return m_figure; }

    /// Figures pdf, svg, png of the plot alone; tables csv, md, tex of its points.
    [[nodiscard]] QStringList exportSuffixes() const override;
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

protected:
    void changeEvent(QEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    struct Hit
    {
        const FossFigure::Series *series = nullptr;
        const FossFigure::Point *point = nullptr;
        const FossFigure::Timing *timing = nullptr;
        QString published; ///< the sentence of a published point
        explicit operator bool() const { return point || timing || !published.isEmpty(); }
    };

    QWidget *buildToolBar();
    void buildPlot();
    void follow();
    void showProject();
    void rebuild();
    void arrangeLegend();
    void addSeries(int index);
    void addParetoFront();
    void addTimings();
    void addPublished();
    void addBaseLine();
    void placePresent();
    void describeState();
    [[nodiscard]] Hit hitAt(const QPointF &pixel) const;
    void showToolTip(const QPoint &pixel);
    void use(const Hit &hit);
    void computeCurve();
    void addPoints();
    void measureWallClock();
    void startJob(const QString &title, std::function<QString(Project &, JobControl &)> body);
    void showJob();

    QCustomPlot *m_plot;
    QCPGraph *m_present = nullptr; ///< of one point, on a layer of its own; made by rebuild()
    QLabel *m_state;
    QComboBox *m_published;
    QPushButton *m_compute, *m_cancel;
    QProgressBar *m_progress;
    FossTableModel *m_table;
    FossFigure m_figure;
    LatestOnly<FossFigure> m_reading; ///< of what the project has: thousands of runs are looked through
    int m_job = 0; ///< of this view, running or queued; 0: none
    QPoint m_pressed; ///< where the mouse button went down, to tell a click from a drag
    QString m_note;   ///< what the last job or click has to say
};

} // namespace retoscope
