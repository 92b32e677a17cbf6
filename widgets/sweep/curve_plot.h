// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include "sweep/parameter.h"

#include <optional>

class QCPItemStraightLine;
class QCustomPlot;

namespace retoscope {

/// What a curve over one parameter shows.
struct CurveData
{
    struct Point
    {
        double value = 0, perplexity = 0, foss = 0;
    };
    struct Line
    {
        QString name;
        bool walks = false; ///< RetoMaton: its FoSS is drawn too
        std::vector<Point> points; ///< by value ascending; those that are ready
    };
    std::optional<Parameter> x;
    std::vector<Line> lines;
    double basePerplexity = 0; ///< 0: not known
};

/// Perplexity of each method over one parameter, RetoMaton's FoSS on the right axis, the LM alone dashed, the present
/// setting as a line. A click chooses the value there.
class CurvePlot : public QWidget
{
    Q_OBJECT

public:
    explicit CurvePlot(QWidget *parent = nullptr);

    void setData(const CurveData &data);
    [[nodiscard]] const CurveData &data() const { return m_data; }
    void setSettings(const EvaluationSettings &settings);
    [[nodiscard]] QCustomPlot &plot() const { return *m_plot; }

Q_SIGNALS:
    void chosen(double value);

protected:
    void changeEvent(QEvent *event) override;

private:
    void rebuild();
    void placeMark();
    void showToolTip(const QPoint &pixel);

    QCustomPlot *m_plot;
    QCPItemStraightLine *m_present;
    CurveData m_data;
    EvaluationSettings m_settings;
};

} // namespace retoscope
