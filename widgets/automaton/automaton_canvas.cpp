// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/automaton_canvas.h"

#include "plot/theme.h"

#include <QEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QLocale>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr double margin = 8;              // pixels
constexpr double roomPerState = 11;       // pixels of height: more states than have room are folded
constexpr int mostStates = 48, fewestStates = 6;
constexpr double labelHeight = 0.95;      // a bar this many lines high is labelled
constexpr double narrowestLabelled = 70;  // pixels of a column

QColor faded(QColor color, double alpha)
{
    color.setAlphaF(static_cast<float>(alpha));
    return color;
}

QString percent(double share)
{
    return AutomatonCanvas::tr("%1 %").arg(QLocale().toString(share * 100, 'f', share < 0.1 ? 2 : 1));
}

QString joined(QStringList parts)
{
    parts.removeAll(QString());
    return parts.join(QLatin1Char(' '));
}

QString count(std::int64_t number)
{
    return QLocale().toString(static_cast<qlonglong>(number));
}

} // namespace

AutomatonCanvas::AutomatonCanvas(QWidget *parent) : QWidget(parent)
{
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Steps of the automaton"));
    setObjectName(QStringLiteral("automatonCanvas"));
}

QSize AutomatonCanvas::sizeHint() const
{
    return {900, 420};
}

QSize AutomatonCanvas::minimumSizeHint() const
{
    return {360, fontMetrics().height() * 9};
}

void AutomatonCanvas::setScene(std::shared_ptr<const AutomatonScene> scene)
{
    const int selected = selectedNode();
    const auto keyOf = [this](int state) { return m_layout.states[static_cast<std::size_t>(state)].key; };
    const std::optional<std::pair<Position, std::int64_t>> kept = selected < 0 ? std::nullopt
        : std::optional(std::pair(m_scene->window.steps[static_cast<std::size_t>(m_layout.states[static_cast<std::size_t>(*m_selected)].column)].position, keyOf(*m_selected)));
    m_scene = std::move(scene);
    m_selected.reset();
    m_hovered.reset();
    relayout(true);
    for (std::size_t state = 0; kept && state < m_layout.states.size(); ++state) {
        const PlacedState &placed = m_layout.states[state];
        if (!placed.isRest() && placed.key == kept->second && m_layout.columns[static_cast<std::size_t>(placed.column)].position == kept->first)
            m_selected = static_cast<int>(state);
    }
}

void AutomatonCanvas::setThreshold(double share)
{
    if (share == m_threshold)
        return;
    m_threshold = share;
    const int selected = selectedNode();
    relayout(true);
    selectNode(selected);
}

void AutomatonCanvas::setPrimary(Position position)
{
    if (position == m_primary)
        return;
    m_primary = position;
    update();
}

void AutomatonCanvas::selectNode(int node)
{
    m_selected.reset();
    for (std::size_t state = 0; node >= 0 && state < m_layout.states.size(); ++state) {
        if (m_layout.states[state].node == node)
            m_selected = static_cast<int>(state);
    }
    update();
}

void AutomatonCanvas::relayout(bool keepOrder)
{
    m_cache = QPixmap();
    if (!m_scene) {
        m_layout = {};
    } else {
        AutomatonLayoutOptions options;
        const double height = std::max(1.0, stage().height());
        options.threshold = m_threshold;
        options.statesPerColumn = std::clamp(static_cast<int>(height / roomPerState), fewestStates, mostStates);
        options.gap = 2 / height;
        options.smallest = 3 / height;
        m_layout = layOutAutomaton(m_scene->window, options, keepOrder ? &m_layout : nullptr);
    }
    m_hovered.reset();
    update();
    Q_EMIT layoutChanged();
}

QRectF AutomatonCanvas::stage() const
{
    const double line = fontMetrics().height();
    return QRectF(rect()).adjusted(margin, 3 * line + 2 * margin, -margin, -line - margin);
}

double AutomatonCanvas::columnWidth() const
{
    return stage().width() / static_cast<double>(std::max<std::size_t>(1, m_layout.columns.size()));
}

double AutomatonCanvas::barWidth() const
{
    return std::clamp(columnWidth() * 0.14, 6.0, 18.0);
}

QRectF AutomatonCanvas::headerRect(int column) const
{
    return {stage().left() + column * columnWidth(), margin / 2, columnWidth(), stage().top() - margin};
}

QRectF AutomatonCanvas::stateRect(int state) const
{
    const PlacedState &placed = m_layout.states[static_cast<std::size_t>(state)];
    const QRectF area = stage();
    return {area.left() + (placed.column + 0.5) * columnWidth() - barWidth() / 2, area.top() + placed.top * area.height(), barWidth(),
            std::max(1.0, placed.height * area.height())};
}

void AutomatonCanvas::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    // A file gets vectors, and a picture of another resolution its own strokes.
    const bool onScreen = painter.paintEngine()->type() == QPaintEngine::Raster
        && painter.paintEngine()->paintDevice()->devicePixelRatioF() == devicePixelRatioF();
    if (!onScreen) {
        painter.fillRect(rect(), palette().color(QPalette::Base));
        draw(painter);
        drawHighlights(painter);
        return;
    }
    if (m_cache.isNull() || m_cache.deviceIndependentSize().toSize() != size()) {
        m_cache = QPixmap(size() * devicePixelRatioF());
        m_cache.setDevicePixelRatio(devicePixelRatioF());
        m_cache.fill(palette().color(QPalette::Base));
        QPainter caching(&m_cache);
        caching.setFont(font());
        draw(caching);
    }
    painter.drawPixmap(0, 0, m_cache);
    drawHighlights(painter);
}

void AutomatonCanvas::draw(QPainter &painter) const
{
    if (!m_scene)
        return;
    painter.setRenderHint(QPainter::Antialiasing);
    drawColumns(painter);
    drawEdges(painter);
    drawStates(painter);
    drawLegend(painter);
}

void AutomatonCanvas::drawColumns(QPainter &painter) const
{
    const QRectF area = stage();
    for (int column = 0; column < static_cast<int>(m_layout.columns.size()); ++column) {
        const AutomatonStep &step = m_scene->window.steps[static_cast<std::size_t>(column)];
        if (step.searched) { // where the automaton begins anew
            painter.setPen(QPen(faded(palette().color(QPalette::Text), 0.35), 1, Qt::DashLine));
            const double x = area.left() + column * columnWidth();
            painter.drawLine(QPointF(x, area.top() - margin), QPointF(x, area.bottom()));
        }
        drawHeader(painter, column);
    }
}

void AutomatonCanvas::drawHeader(QPainter &painter, int column) const
{
    const AutomatonStep &step = m_scene->window.steps[static_cast<std::size_t>(column)];
    const QRectF header = headerRect(column).adjusted(2, 0, -2, 0);
    const double line = fontMetrics().height();
    painter.save();
    painter.setClipRect(header);
    // The grammar of the text view: a solid line under a searched token, a dotted one under a saved one.
    QFont bold(painter.font());
    bold.setBold(true);
    painter.setFont(bold);
    painter.setPen(palette().color(QPalette::Text));
    const QString token = QFontMetricsF(bold).elidedText(m_scene->tokens[static_cast<std::size_t>(column)], Qt::ElideRight, header.width());
    const QRectF tokenRect(header.left(), header.top(), header.width(), line);
    painter.drawText(tokenRect, Qt::AlignCenter, token);
    const double width = std::min(header.width(), QFontMetricsF(bold).horizontalAdvance(token));
    painter.setPen(QPen(palette().color(QPalette::Text), 1.5, step.searched ? Qt::SolidLine : Qt::DotLine));
    painter.drawLine(QPointF(tokenRect.center().x() - width / 2, tokenRect.bottom()), QPointF(tokenRect.center().x() + width / 2, tokenRect.bottom()));
    painter.setFont(font());
    painter.setPen(palette().color(QPalette::PlaceholderText));
    const QFontMetricsF metrics(font());
    const QString decision = step.searched ? tr("search") : tr("saved");
    // The longest wording that fits: narrow columns say less, and the tool tip all of it.
    const auto drawLine = [&](int row, std::initializer_list<QString> wordings) {
        const auto fitting = std::ranges::find_if(wordings, [&](const QString &text) { return metrics.horizontalAdvance(text) <= header.width(); });
        painter.drawText(QRectF(header.left(), header.top() + row * line, header.width(), line), Qt::AlignCenter,
                         fitting == wordings.end() ? metrics.elidedText(*std::prev(wordings.end()), Qt::ElideRight, header.width()) : *fitting);
    };
    drawLine(1, {tr("%1, %2 survive").arg(decision, count(step.survivors)), decision});
    const QString found = step.found > 0 ? count(step.found) : QString(), direct = step.direct > 0 ? tr("%1 →").arg(count(step.direct)) : QString(),
                  members = step.members > 0 ? tr("+%1").arg(count(step.members)) : QString();
    drawLine(2, {joined({found.isEmpty() ? found : tr("%1 found").arg(found), direct, members}), joined({found, direct, members}),
                 tr("%1 in all").arg(count(step.candidates())), count(step.candidates())});
    painter.restore();
}

void AutomatonCanvas::drawEdges(QPainter &painter) const
{
    // Levels of detail: what is thinner than a pixel is drawn as plain straight lines in one call, without antialiasing.
    const double height = stage().height();
    const QColor color = seriesColor(0, palette());
    QList<QLineF> thin;
    for (const PlacedEdge &edge : m_layout.edges) {
        if (edge.weight * height >= 1)
            continue;
        const QRectF area = stage();
        const QRectF from = stateRect(edge.from), to = stateRect(edge.to);
        thin << QLineF(from.right(), area.top() + edge.fromY * height, to.left(), area.top() + edge.toY * height);
    }
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, thin.size() < 500);
    painter.setPen(QPen(faded(color, 0.35), 1));
    painter.drawLines(thin);
    painter.restore();
    for (const PlacedEdge &edge : m_layout.edges) {
        if (edge.weight * height >= 1)
            drawEdge(painter, edge, faded(color, 0.4), 1);
    }
}

/// A band as wide as its weight, at both ends within the bars that it joins.
void AutomatonCanvas::drawEdge(QPainter &painter, const PlacedEdge &edge, const QColor &color, double thinnest) const
{
    const QRectF area = stage(), from = stateRect(edge.from), to = stateRect(edge.to);
    const double width = edge.weight * area.height();
    const double half = std::clamp(std::min({width, from.height(), to.height()}), thinnest, 40.0) / 2;
    const QPointF a(from.right(), area.top() + edge.fromY * area.height()), b(to.left(), area.top() + edge.toY * area.height());
    const double bend = (b.x() - a.x()) / 2;
    QPainterPath path(a - QPointF(0, half));
    path.cubicTo(a + QPointF(bend, -half), b + QPointF(-bend, -half), b - QPointF(0, half));
    path.lineTo(b + QPointF(0, half));
    path.cubicTo(b + QPointF(-bend, half), a + QPointF(bend, half), a + QPointF(0, half));
    path.closeSubpath();
    painter.fillPath(path, color);
}

void AutomatonCanvas::drawStates(QPainter &painter) const
{
    for (int state = 0; state < static_cast<int>(m_layout.states.size()); ++state)
        drawState(painter, state);
}

void AutomatonCanvas::drawState(QPainter &painter, int state) const
{
    const PlacedState &placed = m_layout.states[static_cast<std::size_t>(state)];
    const QRectF bar = stateRect(state);
    const QColor text = palette().color(QPalette::Text);
    if (placed.isRest()) {
        painter.fillRect(bar, palette().color(QPalette::Base));
        painter.fillRect(bar, QBrush(faded(text, 0.35), Qt::BDiagPattern));
        painter.setPen(QPen(faded(text, 0.35), 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(bar.adjusted(0.5, 0.5, -0.5, -0.5));
    } else {
        // Opaque on the base, so that bands do not shine through.
        painter.fillRect(bar, palette().color(QPalette::Base));
        painter.fillRect(bar, faded(text, 0.3));
    }
    if (placed.targetWeight > 0) {
        QRectF right = bar;
        right.setHeight(std::max(1.5, bar.height() * placed.targetWeight / std::max(placed.weight, placed.targetWeight)));
        painter.fillRect(right, seriesColor(1, palette()));
    }
    if (bar.height() < labelHeight * fontMetrics().height() || columnWidth() < narrowestLabelled)
        return;
    const QFontMetricsF metrics(font());
    const double room = columnWidth() - barWidth() - 2 * margin;
    const QString label = metrics.elidedText(labelOf(placed), Qt::ElideRight, room);
    QRectF box(bar.right() + 3, bar.center().y() - metrics.height() / 2, metrics.horizontalAdvance(label) + 4, metrics.height());
    painter.setPen(Qt::NoPen);
    painter.setBrush(faded(palette().color(QPalette::Base), 0.7));
    painter.drawRoundedRect(box, 3, 3);
    painter.setPen(text);
    painter.drawText(box, Qt::AlignCenter, label);
}

QString AutomatonCanvas::labelOf(const PlacedState &state) const
{
    if (state.isRest())
        return m_scene->window.clustered ? tr("%1 more states").arg(count(state.states)) : tr("%1 more").arg(count(state.states));
    const AutomatonNode &node = m_scene->window.nodes[static_cast<std::size_t>(state.node)];
    const QString &value = m_scene->values[static_cast<std::size_t>(state.node)];
    return node.entryCount > 1 ? tr("%1 ×%2").arg(value, count(node.entryCount)) : value;
}

void AutomatonCanvas::drawLegend(QPainter &painter) const
{
    const QFontMetricsF metrics(font());
    double x = margin;
    const double y = height() - margin / 2 - metrics.height();
    const auto swatch = [&](const QColor &color) {
        painter.fillRect(QRectF(x, y + metrics.height() * 0.2, metrics.height() * 0.6, metrics.height() * 0.6), color);
        x += metrics.height() * 0.6 + 4;
    };
    const auto words = [&](const QString &text) {
        painter.setPen(palette().color(QPalette::PlaceholderText));
        const double width = metrics.horizontalAdvance(text);
        painter.drawText(QRectF(x, y, width + 1, metrics.height()), Qt::AlignLeft | Qt::AlignVCenter, text);
        x += width + 3 * margin;
    };
    swatch(seriesColor(1, palette()));
    words(tr("weight on the true token"));
    swatch(faded(palette().color(QPalette::Text), 0.3));
    words(tr("on other tokens"));
    swatch(faded(seriesColor(0, palette()), 0.5));
    words(tr("pointers followed"));
    if (m_layout.hiddenEdges > 0)
        words(tr("%1 lighter ones hidden").arg(count(m_layout.hiddenEdges)));
}

/// The primary column, and what the hovered or selected state is connected with.
void AutomatonCanvas::drawHighlights(QPainter &painter) const
{
    if (!m_scene)
        return;
    painter.setRenderHint(QPainter::Antialiasing);
    if (const int column = m_scene->stepAt(m_primary); column >= 0) {
        const QRectF band(headerRect(column).left(), 1, columnWidth(), stage().bottom() + 2);
        painter.setBrush(faded(palette().color(QPalette::Highlight), 0.09));
        painter.setPen(QPen(palette().color(QPalette::Highlight), 1.5));
        painter.drawRoundedRect(band.adjusted(1, 0.5, -1, -0.5), 4, 4);
    }
    const std::optional<int> centre = m_hovered ? m_hovered : m_selected;
    if (centre) {
        const auto chain = chainOf(*centre);
        const QColor color = seriesColor(3, palette());
        for (const PlacedEdge &edge : m_layout.edges) {
            if (chain[static_cast<std::size_t>(edge.from)] && chain[static_cast<std::size_t>(edge.to)])
                drawEdge(painter, edge, faded(color, 0.75), 1.5);
        }
        painter.setBrush(Qt::NoBrush);
        for (std::size_t state = 0; state < chain.size(); ++state) {
            if (!chain[state])
                continue;
            painter.setPen(QPen(color, static_cast<int>(state) == *centre ? 2.5 : 1.2));
            painter.drawRect(stateRect(static_cast<int>(state)));
        }
    }
    if (hasFocus()) {
        painter.setPen(QPen(palette().color(QPalette::Highlight), 1, Qt::DotLine));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(rect().adjusted(0, 0, -1, -1));
    }
}

/// States that lead to this one and states that it leads to: 1 for each of m_layout.states.
std::vector<std::uint8_t> AutomatonCanvas::chainOf(int state) const
{
    std::vector<std::uint8_t> leads(m_layout.states.size()), follows(m_layout.states.size());
    leads[static_cast<std::size_t>(state)] = follows[static_cast<std::size_t>(state)] = 1;
    for (std::size_t column = 1; column < m_layout.columns.size(); ++column) { // one more column a pass: edges lie in any order
        for (const PlacedEdge &edge : m_layout.edges) {
            const auto from = static_cast<std::size_t>(edge.from), to = static_cast<std::size_t>(edge.to);
            if (m_layout.states[to].column == static_cast<std::int32_t>(column) && follows[from])
                follows[to] = 1;
            if (m_layout.states[from].column == static_cast<std::int32_t>(m_layout.columns.size() - 1 - column) && leads[to])
                leads[from] = 1;
        }
    }
    for (std::size_t i = 0; i < leads.size(); ++i)
        leads[i] |= follows[i];
    return leads;
}

std::optional<int> AutomatonCanvas::stateAt(const QPointF &point) const
{
    if (!m_scene || m_layout.columns.empty() || !stage().adjusted(0, -2, 0, 2).contains(point))
        return {};
    const int column = static_cast<int>((point.x() - stage().left()) / columnWidth());
    if (column < 0 || column >= static_cast<int>(m_layout.columns.size()))
        return {};
    const auto &c = m_layout.columns[static_cast<std::size_t>(column)];
    for (int state = c.first; state < c.first + c.count; ++state) {
        const QRectF bar = stateRect(state);
        if (point.y() <= bar.bottom() + 1 && point.y() >= bar.top() - 1)
            return point.x() >= bar.left() - margin && point.x() <= bar.right() + margin ? std::optional(state) : std::nullopt;
    }
    return {};
}

std::optional<int> AutomatonCanvas::headerAt(const QPointF &point) const
{
    if (!m_scene || m_layout.columns.empty() || point.y() >= stage().top() || point.x() < stage().left() || point.x() >= stage().right())
        return {};
    return static_cast<int>((point.x() - stage().left()) / columnWidth());
}

void AutomatonCanvas::mouseMoveEvent(QMouseEvent *event)
{
    const auto state = stateAt(event->position());
    if (state != m_hovered) {
        m_hovered = state;
        update();
    }
    const auto header = headerAt(event->position());
    setCursor(state || header ? Qt::PointingHandCursor : Qt::ArrowCursor);
    Q_EMIT positionHovered(header ? m_layout.columns[static_cast<std::size_t>(*header)].position : Position());
}

void AutomatonCanvas::leaveEvent(QEvent *event)
{
    QWidget::leaveEvent(event);
    m_hovered.reset();
    update();
    Q_EMIT positionHovered(Position());
}

void AutomatonCanvas::mousePressEvent(QMouseEvent *event)
{
    if (event->button() != Qt::LeftButton) {
        QWidget::mousePressEvent(event);
        return;
    }
    if (const auto header = headerAt(event->position())) {
        Q_EMIT positionClicked(m_layout.columns[static_cast<std::size_t>(*header)].position, event->modifiers() & Qt::ControlModifier);
        return;
    }
    m_selected = stateAt(event->position());
    update();
    Q_EMIT stateClicked(m_selected.value_or(-1));
}

/// Up and down walk over the states of the primary column.
void AutomatonCanvas::keyPressEvent(QKeyEvent *event)
{
    const int column = m_scene ? m_scene->stepAt(m_primary) : -1;
    const int delta = event->key() == Qt::Key_Up ? -1 : event->key() == Qt::Key_Down ? 1 : 0;
    if (column < 0 || delta == 0 || m_layout.columns[static_cast<std::size_t>(column)].count == 0) {
        QWidget::keyPressEvent(event);
        return;
    }
    const auto &c = m_layout.columns[static_cast<std::size_t>(column)];
    const bool inside = m_selected && *m_selected >= c.first && *m_selected < c.first + c.count;
    m_selected = inside ? std::clamp(*m_selected + delta, c.first, c.first + c.count - 1) : c.first;
    update();
    Q_EMIT stateClicked(*m_selected);
}

QString AutomatonCanvas::tipOf(int state) const
{
    const PlacedState &placed = m_layout.states[static_cast<std::size_t>(state)];
    if (placed.isRest())
        return tr("%1 lighter states together: %2 of the weight, %3 on the true token").arg(count(placed.states), percent(placed.weight), percent(placed.targetWeight));
    const AutomatonNode &node = m_scene->window.nodes[static_cast<std::size_t>(placed.node)];
    const AutomatonEntry &first = m_scene->window.entries[static_cast<std::size_t>(node.firstEntry)];
    const QString name = m_scene->window.clustered ? tr("State %1").arg(count(node.state.value)) : tr("Entry %1").arg(count(first.entry.value));
    return tr("%1, mostly “%2”\n%3 candidates, %4 of them go on\n%5 of the weight, %6 on the true token\nA click lists the entries.")
        .arg(name, m_scene->values[static_cast<std::size_t>(placed.node)], count(node.entryCount), count(node.continuing), percent(node.weight), percent(node.targetWeight));
}

bool AutomatonCanvas::event(QEvent *event)
{
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    const auto *help = static_cast<QHelpEvent *>(event);
    if (const auto state = stateAt(help->pos()))
        QToolTip::showText(help->globalPos(), tipOf(*state), this);
    else if (const auto header = headerAt(help->pos()))
        QToolTip::showText(help->globalPos(), m_scene->reasons[static_cast<std::size_t>(*header)], this);
    else
        QToolTip::hideText();
    return true;
}

void AutomatonCanvas::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    const int selected = selectedNode();
    relayout(true);
    selectNode(selected);
}

void AutomatonCanvas::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange)
        relayout(true);
}

} // namespace retoscope
