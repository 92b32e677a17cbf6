// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include "sweep/parameter.h"

#include <optional>

class QCPColorMap;
class QCPColorScale;
class QCPItemText;
class QCPItemTracer;
class QCPTextElement;
class QCustomPlot;

namespace retoscope {

/// What a heat map shows: the perplexities of a grid over two parameters.
struct HeatMapData
{
    std::optional<Parameter> x, y;
    std::vector<double> xs, ys;      ///< values of the parameters, ascending
    std::vector<double> perplexity;  ///< [ys × xs]; NaN: not computed yet
    std::vector<double> foss;        ///< the same
    double basePerplexity = 0;       ///< of the LM alone; 0: not known. Cells above it all look alike
    std::optional<std::size_t> best; ///< index of the optimum
};

/// Perplexity over two parameters; the optimum is ringed and named, the present setting marked by a cross. A click, or the
/// arrow keys, choose the setting of a cell.
class HeatMap : public QWidget
{
    Q_OBJECT

public:
    explicit HeatMap(QWidget *parent = nullptr);

    void setData(const HeatMapData &data);
    [[nodiscard]] const HeatMapData &data() const { return m_data; }
    void setSettings(const EvaluationSettings &settings);
    [[nodiscard]] QCustomPlot &plot() const { return *m_plot; }
    /// Where a cell is on this widget, for tests: pixels.
    [[nodiscard]] QPoint cellCentre(std::size_t column, std::size_t row) const;

Q_SIGNALS:
    void chosen(double x, double y); ///< values of the two parameters

protected:
    void changeEvent(QEvent *event) override;
    bool event(QEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;

private:
    void rebuild();
    void recolour();
    void placeMarks();
    void choose(int column, int row);
    [[nodiscard]] std::optional<std::pair<int, int>> cellAt(const QPointF &pixel) const;
    void showToolTip(const QPoint &pixel);

    QCustomPlot *m_plot;
    QCPColorMap *m_map;
    QCPColorScale *m_scale;
    QCPItemTracer *m_best, *m_present;
    QCPItemText *m_bestText;
    HeatMapData m_data;
    EvaluationSettings m_settings;
};

} // namespace retoscope
