// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "explore/explore_view.h"

#include <array>

class QCPAxisRect;
class QCPGraph;
class QCPItemStraightLine;
class QCPRange;
class QCustomPlot;
class QHBoxLayout;
class QLabel;
class QScrollBar;
class QSpinBox;
class QToolButton;

namespace retoscope {

struct PerplexitySeries;

/// Surprisal of every token under the LM, the neighbours and their mixture, with the running perplexity and a tick for
/// every search. Drag zooms to a span, the wheel zooms, double-click shows the whole text; the cursor is the selection's.
class PerplexityView : public ExploreView
{
    Q_OBJECT

public:
    explicit PerplexityView(Session &session, QWidget *parent = nullptr);
    ~PerplexityView() override;

    [[nodiscard]] QStringList exportSuffixes() const override;
    /// A figure of the span shown, or a table of all positions.
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

    void showSpan(double first, double last);
    void showWhole();
    [[nodiscard]] QCustomPlot *plot() const { return m_plot; }

protected:
    void showTrace(const std::shared_ptr<const TraceSession> &trace) override;
    void showEvaluation() override;
    void showLive(const std::shared_ptr<const LiveProgress> &live) override;
    [[nodiscard]] bool canShowLive() const override { return true; }
    void changeEvent(QEvent *event) override;
    bool eventFilter(QObject *watched, QEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;

private:
    enum Line { LmNll, KnnNll, MixedNll, LmRunning, MixedRunning, ComparedNll, ComparedRunning, LineCount };

    void buildPlot();
    void buildControls(QHBoxLayout *row);
    void connectPlot();
    void compute();
    void showSeries(std::shared_ptr<const PerplexitySeries> series);
    void updateVisibility();
    void updateColours();
    void updateTicks();
    void updateLabels();
    void updateCursor();
    void updateReadout();
    void updateScrollBar();
    void zoom(double factor, double around);
    void limit(const QCPRange &range);
    [[nodiscard]] std::int64_t count() const;
    [[nodiscard]] Position positionAt(double pixel) const;
    [[nodiscard]] QToolButton *toggleOf(Line line) const;

    QCustomPlot *m_plot;
    QCPAxisRect *m_tickRect = nullptr;
    std::array<QCPGraph *, LineCount> m_lines{};
    QCPGraph *m_ticks = nullptr;
    QCPItemStraightLine *m_cursor = nullptr, *m_hover = nullptr;
    QToolButton *m_showLm, *m_showKnn, *m_showMixed, *m_showRunning, *m_showTicks;
    QSpinBox *m_window;
    QLabel *m_readout;
    QScrollBar *m_scroll;
    std::shared_ptr<const PerplexitySeries> m_series;
    double m_pressedAt = 0; ///< pixels
    bool m_fitsWhole = true; ///< the whole text is shown, also when it grows
    LatestOnly<std::shared_ptr<const PerplexitySeries>> m_computing;
};

} // namespace retoscope
