// SPDX-License-Identifier: GPL-3.0-or-later
#include "map/map_canvas.h"

#include "plot/theme.h"

#include <QEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace retoscope {

namespace {

constexpr double fitMargin = 0.06;      // share of the sample's extent left free on each side
constexpr double hoverRadius = 7;       // pixels
constexpr double clickSlack = 3;        // pixels the mouse may move in a click
constexpr double pointAlpha = 0.6;      // so that dense regions look dense
constexpr int gridSide = 128;
constexpr double wheelFactor = 1.0015;  // per eighth of a degree

QRectF boundsOf(std::span<const std::array<float, 2>> points)
{
    if (points.empty())
        return {-1, -1, 2, 2};
    double left = points[0][0], right = left, bottom = points[0][1], top = bottom;
    for (const auto &[x, y] : points) {
        left = std::min(left, static_cast<double>(x));
        right = std::max(right, static_cast<double>(x));
        bottom = std::min(bottom, static_cast<double>(y));
        top = std::max(top, static_cast<double>(y));
    }
    return {left, bottom, std::max(right - left, 1e-6), std::max(top - bottom, 1e-6)};
}

/// One channel of source over destination, opacity in 256ths.
inline int blend(int below, int above, int opacity)
{
    return below + ((above - below) * opacity >> 8);
}

} // namespace

MapCanvas::MapCanvas(QWidget *parent) : QWidget(parent)
{
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Map of the datastore's keys"));
    setObjectName(QStringLiteral("mapCanvas"));
}

void MapCanvas::setScene(std::shared_ptr<const MapScene> scene)
{
    const bool sameMap = m_scene && scene && m_scene->projection == scene->projection;
    m_scene = std::move(scene);
    if (!sameMap) {
        m_isolated.clear();
        m_neighbours.reset();
        sortIntoGrid();
        fit();
    }
    invalidate();
}

void MapCanvas::setNeighbours(std::shared_ptr<const MapNeighbours> neighbours)
{
    m_neighbours = std::move(neighbours);
    update();
}

void MapCanvas::isolate(std::optional<std::vector<std::int32_t>> points)
{
    m_isolated.clear();
    if (points && m_scene) {
        m_isolated.resize(m_scene->size());
        for (const std::int32_t point : *points)
            m_isolated[static_cast<std::size_t>(point)] = 1;
    }
    invalidate();
}

std::int64_t MapCanvas::shownCount() const
{
    if (!m_scene)
        return 0;
    return m_isolated.empty() ? static_cast<std::int64_t>(m_scene->size()) : std::accumulate(m_isolated.begin(), m_isolated.end(), std::int64_t(0));
}

void MapCanvas::setLassoMode(bool on)
{
    m_lassoMode = on;
    setCursor(on ? Qt::CrossCursor : Qt::ArrowCursor);
}

void MapCanvas::fit()
{
    if (!m_scene)
        return;
    const QRectF bounds = boundsOf(m_scene->projection->points);
    m_centre = bounds.center();
    m_scale = std::min(width() / bounds.width(), height() / bounds.height()) / (1 + 2 * fitMargin);
    m_fitted = true;
    invalidate();
}

void MapCanvas::zoom(double factor)
{
    zoomAbout(QRectF(rect()).center(), factor);
}

void MapCanvas::zoomAbout(const QPointF &pixel, double factor)
{
    const auto before = toMap(pixel);
    m_fitted = false;
    m_scale = std::clamp(m_scale * factor, 1e-9, 1e12);
    const auto after = toMap(pixel);
    m_centre += QPointF(before[0] - after[0], before[1] - after[1]);
    invalidate();
}

QPointF MapCanvas::toPixel(const std::array<float, 2> &point) const
{
    return {width() / 2.0 + (static_cast<double>(point[0]) - m_centre.x()) * m_scale, height() / 2.0 - (static_cast<double>(point[1]) - m_centre.y()) * m_scale};
}

std::array<double, 2> MapCanvas::toMap(const QPointF &pixel) const
{
    return {m_centre.x() + (pixel.x() - width() / 2.0) / m_scale, m_centre.y() - (pixel.y() - height() / 2.0) / m_scale};
}

QColor MapCanvas::colorOf(std::size_t category) const
{
    const bool others = !m_scene || category + 1 == m_scene->categories.size();
    return others ? QColor(palette().color(QPalette::Disabled, QPalette::Text)) : seriesColor(static_cast<int>(category), palette());
}

void MapCanvas::invalidate()
{
    m_image = QImage();
    update();
}

/// Squares of device pixels blended by hand: a QPainter call per point costs ten times as much.
void MapCanvas::renderPoints()
{
    const double ratio = devicePixelRatioF();
    m_image = QImage((QSizeF(size()) * ratio).toSize(), QImage::Format_RGB32);
    m_image.fill(palette().color(QPalette::Base));
    m_image.setDevicePixelRatio(ratio);
    if (!m_scene)
        return;
    std::vector<QRgb> colors;
    for (std::size_t category = 0; category < m_scene->categories.size(); ++category)
        colors.push_back(colorOf(category).rgb());
    const int side = std::max(2, static_cast<int>(std::lround(2.4 * ratio)));
    const int opacity = static_cast<int>(pointAlpha * 256);
    const int w = m_image.width(), h = m_image.height();
    const auto &points = m_scene->projection->points;
    // The others first, then the coloured ones, so that those are on top.
    const std::size_t others = m_scene->categories.size() - 1;
    for (const bool onTop : {false, true}) {
        for (std::size_t i = 0; i < points.size(); ++i) {
            const std::size_t category = m_scene->categoryOf[i];
            if ((category != others) != onTop || !isShown(i))
                continue;
            const QPointF at = toPixel(points[i]) * ratio;
            if (!(at.x() > -side && at.y() > -side && at.x() < w + side && at.y() < h + side))
                continue;
            const int x0 = static_cast<int>(at.x()) - side / 2, y0 = static_cast<int>(at.y()) - side / 2;
            const QRgb color = colors[category];
            for (int y = std::max(0, y0); y < std::min(h, y0 + side); ++y) {
                auto *line = reinterpret_cast<QRgb *>(m_image.scanLine(y));
                for (int x = std::max(0, x0); x < std::min(w, x0 + side); ++x)
                    line[x] = qRgb(blend(qRed(line[x]), qRed(color), opacity), blend(qGreen(line[x]), qGreen(color), opacity), blend(qBlue(line[x]), qBlue(color), opacity));
            }
        }
    }
}

void MapCanvas::drawPointsAsVectors(QPainter &painter) const
{
    for (std::size_t at = 0; at < m_scene->categories.size(); ++at) {
        const std::size_t category = (at + m_scene->categories.size() - 1) % m_scene->categories.size(); // the others first
        QColor color = colorOf(category);
        color.setAlphaF(static_cast<float>(pointAlpha));
        QPolygonF points;
        for (std::size_t i = 0; i < m_scene->size(); ++i) {
            if (const QPointF pixel = toPixel(m_scene->projection->points[i]); m_scene->categoryOf[i] == category && isShown(i) && rect().contains(pixel.toPoint()))
                points << pixel;
        }
        painter.setPen(QPen(color, 2.4, Qt::SolidLine, Qt::RoundCap));
        painter.drawPoints(points);
    }
}

void MapCanvas::drawOverlay(QPainter &painter) const
{
    painter.setRenderHint(QPainter::Antialiasing);
    const QColor text = palette().color(QPalette::Text);
    if (m_neighbours && m_scene) {
        const double heaviest = m_neighbours->neighbours.empty() ? 1 : std::max(1e-12, m_neighbours->neighbours.back().weight);
        const QPointF query = toPixel(m_neighbours->query);
        for (const auto &neighbour : m_neighbours->neighbours) {
            const QPointF at = toPixel(neighbour.point);
            const double share = std::sqrt(neighbour.weight / heaviest), radius = 2.5 + 5 * share;
            QColor color = neighbour.isTarget ? seriesColor(1, palette()) : text;
            color.setAlphaF(static_cast<float>(0.3 + 0.7 * share));
            painter.setPen(QPen(color, neighbour.isTarget ? 2 : 1));
            painter.setBrush(Qt::NoBrush);
            if (neighbour.isTarget) // a shape as well as a colour
                painter.drawRect(QRectF(at.x() - radius, at.y() - radius, 2 * radius, 2 * radius));
            else
                painter.drawEllipse(at, radius, radius);
        }
        QPainterPath cross;
        for (const QPointF arm : {QPointF(9, 0), QPointF(0, 9)}) {
            cross.moveTo(query - arm);
            cross.lineTo(query + arm);
        }
        painter.setPen(QPen(palette().color(QPalette::Base), 5));
        painter.drawPath(cross);
        painter.setPen(QPen(palette().color(QPalette::Highlight), 2.5));
        painter.drawPath(cross);
    }
    if (!m_lasso.isEmpty()) {
        QColor fill = palette().color(QPalette::Highlight);
        fill.setAlphaF(0.15f);
        painter.setPen(QPen(palette().color(QPalette::Highlight), 1.5, Qt::DashLine));
        painter.setBrush(fill);
        painter.drawPolygon(m_lasso);
    }
    if (hasFocus()) {
        painter.setPen(QPen(palette().color(QPalette::Highlight), 1, Qt::DotLine));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(rect().adjusted(0, 0, -1, -1));
    }
}

void MapCanvas::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    const bool onScreen = painter.paintEngine()->type() == QPaintEngine::Raster
        && painter.paintEngine()->paintDevice()->devicePixelRatioF() == devicePixelRatioF();
    if (!onScreen) { // a file gets vectors, and a picture of another resolution its own points
        painter.fillRect(rect(), palette().color(QPalette::Base));
        painter.setClipRect(rect());
        if (m_scene)
            drawPointsAsVectors(painter);
    } else {
        if (m_image.isNull())
            renderPoints();
        painter.drawImage(QPointF(), m_image);
    }
    drawOverlay(painter);
}

void MapCanvas::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    if (m_fitted)
        fit();
    invalidate();
}

void MapCanvas::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        invalidate();
}

void MapCanvas::wheelEvent(QWheelEvent *event)
{
    zoomAbout(event->position(), std::pow(wheelFactor, event->angleDelta().y()));
    event->accept();
}

void MapCanvas::mousePressEvent(QMouseEvent *event)
{
    if (event->button() != Qt::LeftButton) {
        QWidget::mousePressEvent(event);
        return;
    }
    m_pressed = m_dragged = event->position();
    if (m_lassoMode || (event->modifiers() & Qt::ShiftModifier))
        m_lasso = QPolygonF{event->position()};
}

void MapCanvas::mouseMoveEvent(QMouseEvent *event)
{
    if (!m_pressed) {
        const std::int64_t entry = entryAt(event->position());
        if (!m_lassoMode)
            setCursor(entry >= 0 ? Qt::PointingHandCursor : Qt::ArrowCursor);
        Q_EMIT entryHovered(entry);
        return;
    }
    if (!m_lasso.isEmpty()) {
        m_lasso << event->position();
        update();
        return;
    }
    const QPointF moved = event->position() - *m_dragged;
    m_dragged = event->position();
    m_fitted = false;
    m_centre -= QPointF(moved.x() / m_scale, -moved.y() / m_scale);
    invalidate();
}

void MapCanvas::mouseReleaseEvent(QMouseEvent *event)
{
    if (!m_pressed || event->button() != Qt::LeftButton)
        return;
    const bool clicked = (event->position() - *m_pressed).manhattanLength() <= clickSlack;
    m_pressed.reset();
    if (m_lasso.size() > 2 && m_scene) {
        std::vector<std::array<double, 2>> polygon;
        for (const QPointF &corner : std::as_const(m_lasso))
            polygon.push_back(toMap(corner));
        auto inside = pointsInside(m_scene->projection->points, polygon);
        std::erase_if(inside, [this](std::int32_t point) { return !isShown(static_cast<std::size_t>(point)); });
        Q_EMIT lassoed(inside);
    } else if (clicked) {
        if (const std::int64_t entry = entryAt(event->position()); entry >= 0)
            Q_EMIT entryClicked(entry);
    }
    m_lasso.clear();
    update();
}

void MapCanvas::mouseDoubleClickEvent(QMouseEvent *)
{
    fit();
}

void MapCanvas::leaveEvent(QEvent *event)
{
    QWidget::leaveEvent(event);
    Q_EMIT entryHovered(-1);
}

void MapCanvas::keyPressEvent(QKeyEvent *event)
{
    constexpr double step = 40; // pixels
    QPointF move;
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal: zoom(1.25); return;
    case Qt::Key_Minus: zoom(0.8); return;
    case Qt::Key_Up: move = {0, step}; break;
    case Qt::Key_Down: move = {0, -step}; break;
    default: QWidget::keyPressEvent(event); return; // left and right move the primary token
    }
    m_fitted = false;
    m_centre += move / m_scale;
    invalidate();
}

void MapCanvas::sortIntoGrid()
{
    m_grid = {};
    if (!m_scene)
        return;
    const auto &points = m_scene->projection->points;
    const QRectF bounds = boundsOf(points);
    m_grid.side = gridSide;
    m_grid.left = bounds.left();
    m_grid.top = bounds.top();
    m_grid.cell = std::max(bounds.width(), bounds.height()) / (gridSide - 1);
    const auto cellOf = [&](const std::array<float, 2> &point) {
        const int x = static_cast<int>((static_cast<double>(point[0]) - m_grid.left) / m_grid.cell), y = static_cast<int>((static_cast<double>(point[1]) - m_grid.top) / m_grid.cell);
        return static_cast<std::size_t>(y * gridSide + x);
    };
    m_grid.offsets.assign(static_cast<std::size_t>(gridSide * gridSide) + 1, 0);
    for (const auto &point : points)
        ++m_grid.offsets[cellOf(point) + 1];
    std::partial_sum(m_grid.offsets.begin(), m_grid.offsets.end(), m_grid.offsets.begin());
    m_grid.points.resize(points.size());
    std::vector<std::int32_t> next(m_grid.offsets.begin(), m_grid.offsets.end() - 1);
    for (std::size_t i = 0; i < points.size(); ++i)
        m_grid.points[static_cast<std::size_t>(next[cellOf(points[i])]++)] = static_cast<std::int32_t>(i);
}

/// The nearest shown point or neighbour within the hover radius; neighbours first.
std::int64_t MapCanvas::entryAt(const QPointF &pixel) const
{
    if (!m_scene)
        return -1;
    double best = hoverRadius * hoverRadius;
    std::int64_t entry = -1;
    const auto offer = [&](const std::array<float, 2> &point, std::int64_t candidate) {
        const QPointF offset = toPixel(point) - pixel;
        const double distance = QPointF::dotProduct(offset, offset);
        if (distance < best) {
            best = distance;
            entry = candidate;
        }
    };
    if (m_neighbours) {
        for (const auto &neighbour : m_neighbours->neighbours)
            offer(neighbour.point, neighbour.entry.value);
    }
    if (entry >= 0)
        return entry;
    const auto low = toMap(pixel + QPointF(-hoverRadius, hoverRadius)), high = toMap(pixel + QPointF(hoverRadius, -hoverRadius));
    const auto clampCell = [&](double coordinate, double origin) { return std::clamp(static_cast<int>(std::floor((coordinate - origin) / m_grid.cell)), 0, m_grid.side - 1); };
    for (int y = clampCell(low[1], m_grid.top); y <= clampCell(high[1], m_grid.top); ++y) {
        for (int x = clampCell(low[0], m_grid.left); x <= clampCell(high[0], m_grid.left); ++x) {
            const auto cell = static_cast<std::size_t>(y * m_grid.side + x);
            for (std::int32_t i = m_grid.offsets[cell]; i < m_grid.offsets[cell + 1]; ++i) {
                const auto point = static_cast<std::size_t>(m_grid.points[static_cast<std::size_t>(i)]);
                if (isShown(point))
                    offer(m_scene->projection->points[point], m_scene->projection->entries[point]);
            }
        }
    }
    return entry;
}

} // namespace retoscope
