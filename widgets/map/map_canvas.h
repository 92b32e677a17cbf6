// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QImage>
#include <QPolygonF>
#include <QWidget>

#include "map/map_scene.h"

#include <memory>
#include <optional>
#include <vector>

namespace retoscope {

/// Draws a MapScene. Points go straight into an image (50,000 of them in a few milliseconds), neighbours, query and lasso over
/// it; into a file everything is drawn as vectors. Wheel zooms, dragging pans, Shift-dragging draws a lasso.
class MapCanvas : public QWidget
{
    Q_OBJECT

public:
    explicit MapCanvas(QWidget *parent = nullptr);

    /// Keeps the view while the projection stays the same.
    void setScene(std::shared_ptr<const MapScene> scene);
    void setNeighbours(std::shared_ptr<const MapNeighbours> neighbours);
    /// Only these points (indices in the scene); nothing: all.
    void isolate(std::optional<std::vector<std::int32_t>> points);
    [[nodiscard]] std::int64_t shownCount() const;
    void setLassoMode(bool on); ///< dragging draws without Shift
    void fit();                 ///< everything in sight
    void zoom(double factor);   ///< about the middle

    [[nodiscard]] QPointF toPixel(const std::array<float, 2> &point) const;
    [[nodiscard]] std::array<double, 2> toMap(const QPointF &pixel) const;

    [[nodiscard]] QSize sizeHint() const override { return {420, 420}; }
    [[nodiscard]] QSize minimumSizeHint() const override { return {160, 160}; }

Q_SIGNALS:
    void entryHovered(std::int64_t entry); ///< −1: none
    void entryClicked(std::int64_t entry);
    void lassoed(const std::vector<std::int32_t> &points); ///< indices in the scene, of those that are shown

protected:
    void paintEvent(QPaintEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;
    void changeEvent(QEvent *event) override;
    void wheelEvent(QWheelEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void mouseReleaseEvent(QMouseEvent *event) override;
    void mouseDoubleClickEvent(QMouseEvent *event) override;
    void leaveEvent(QEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;

private:
    [[nodiscard]] QColor colorOf(std::size_t category) const;
    [[nodiscard]] bool isShown(std::size_t point) const { return m_isolated.empty() || m_isolated[point]; }
    void renderPoints();
    void drawPointsAsVectors(QPainter &painter) const;
    void drawOverlay(QPainter &painter) const;
    void zoomAbout(const QPointF &pixel, double factor);
    void sortIntoGrid();
    [[nodiscard]] std::int64_t entryAt(const QPointF &pixel) const;
    void invalidate();

    std::shared_ptr<const MapScene> m_scene;
    std::shared_ptr<const MapNeighbours> m_neighbours;
    std::vector<std::uint8_t> m_isolated; ///< [points]; empty: all are shown
    QImage m_image;
    QPointF m_centre;       ///< of the view, in map coordinates
    double m_scale = 1;     ///< pixels per unit of the map; the same along both axes, y upwards
    bool m_fitted = true;   ///< nobody has moved the map: it follows the size of the window
    bool m_lassoMode = false;
    QPolygonF m_lasso;      ///< pixels
    std::optional<QPointF> m_pressed, m_dragged;
    /// Points by cells of a square grid over the sample, for finding the one under the mouse.
    struct Grid
    {
        double left = 0, top = 0, cell = 1;
        int side = 1;
        std::vector<std::int32_t> offsets, points;
    } m_grid;
};

} // namespace retoscope
