// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPixmap>
#include <QWidget>

#include "automaton/automaton_layout.h"
#include "automaton/automaton_scene.h"

#include <memory>
#include <optional>

namespace retoscope {

/// Draws an AutomatonScene: a column per step with its token, what was decided there, and its states as bars; pointers run
/// between the columns. On screen it paints from a pixmap that is made once per scene, size and threshold, and highlights over
/// it; into a file it paints vectors.
class AutomatonCanvas : public QWidget
{
    Q_OBJECT

public:
    explicit AutomatonCanvas(QWidget *parent = nullptr);

    void setScene(std::shared_ptr<const AutomatonScene> scene); ///< null: nothing
    [[nodiscard]] const std::shared_ptr<const AutomatonScene> &scene() const { return m_scene; }
    void setThreshold(double share); ///< of the later step's weight; lighter pointers are hidden
    void setPrimary(Position position);
    /// Index in the scene's nodes; −1: none.
    void selectNode(int node);
    [[nodiscard]] int selectedNode() const { return m_selected ? m_layout.states[static_cast<std::size_t>(*m_selected)].node : -1; }
    [[nodiscard]] const AutomatonLayout &layoutOfStates() const { return m_layout; }

    /// Where things are, for tests and tool tips.
    [[nodiscard]] QRectF headerRect(int column) const;
    [[nodiscard]] QRectF stateRect(int state) const; ///< index in layoutOfStates().states

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

Q_SIGNALS:
    void positionClicked(retoscope::Position position, bool add);
    void positionHovered(retoscope::Position position); ///< invalid: none
    void stateClicked(int state); ///< index in layoutOfStates().states
    void layoutChanged();

protected:
    void paintEvent(QPaintEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;
    void changeEvent(QEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void leaveEvent(QEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    bool event(QEvent *event) override;

private:
    void relayout(bool keepOrder);
    void draw(QPainter &painter) const;
    void drawColumns(QPainter &painter) const;
    void drawHeader(QPainter &painter, int column) const;
    void drawEdges(QPainter &painter) const;
    void drawEdge(QPainter &painter, const PlacedEdge &edge, const QColor &color, double thinnest) const;
    void drawStates(QPainter &painter) const;
    void drawState(QPainter &painter, int state) const;
    void drawLegend(QPainter &painter) const;
    void drawHighlights(QPainter &painter) const;
    [[nodiscard]] std::vector<std::uint8_t> chainOf(int state) const;
    [[nodiscard]] double columnWidth() const;
    [[nodiscard]] double barWidth() const;
    [[nodiscard]] QRectF stage() const; ///< where the bars stand
    [[nodiscard]] std::optional<int> stateAt(const QPointF &point) const;
    [[nodiscard]] std::optional<int> headerAt(const QPointF &point) const;
    [[nodiscard]] QString tipOf(int state) const;
    [[nodiscard]] QString labelOf(const PlacedState &state) const;

    std::shared_ptr<const AutomatonScene> m_scene;
    AutomatonLayout m_layout;
    double m_threshold = 0;
    Position m_primary;
    std::optional<int> m_selected, m_hovered; ///< in m_layout.states
    QPixmap m_cache;
};

} // namespace retoscope
