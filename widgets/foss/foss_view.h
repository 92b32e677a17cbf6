// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foss/foss_figure.h"

#include <QWidget>

class QCPItemText;
class QCustomPlot;

namespace retoscope {

/// Perplexity over the fraction of saved searches (Alon et al. 2022, figure 3): one line per series, the Pareto front
/// ringed, the language model alone as a dashed line. A tool tip names the setting of the point under the mouse.
class FossView : public QWidget
{
    Q_OBJECT

public:
    explicit FossView(QWidget *parent = nullptr);

    void setFigure(const FossFigure &figure);

    /// Writes the figure by the file's suffix: .pdf, .svg or .png (two pixels per unit of `size`). Throws Error with a
    /// sentence for another suffix or a file that cannot be written.
    void exportFigure(const QString &file, const QSize &size);

protected:
    void changeEvent(QEvent *event) override;

private:
    void rebuild();
    void addSeries(int index);
    void addParetoFront();
    void addBaseLine();
    void showToolTip(const QPoint &position);

    QCustomPlot *m_plot;
    FossFigure m_figure;
};

} // namespace retoscope
