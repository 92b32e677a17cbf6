// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/token_text_area.h"

#include "shell/selection.h"

#include <QAccessible>
#include <QApplication>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QTextLayout>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr double sliceMs = 8;      // of layout between two events of the window
constexpr int keptLines = 400;     // shaped, several screens of them
constexpr int margin = 14;         // beside the text, pixels
constexpr double lineSpacing = 1.5;
constexpr int linesAbove = 3;      // kept in sight above a place that is jumped to
constexpr double cornerRadius = 3;

} // namespace

struct TokenTextArea::ShapedLine
{
    struct Token
    {
        std::int64_t position;
        double left, right;
    };
    QTextLayout layout;
    std::vector<Token> tokens;
};

TokenTextArea::TokenTextArea(Selection &selection, QWidget *parent) : QAbstractScrollArea(parent), m_selection(selection), m_shaped(keptLines)
{
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn); // the width must not depend on the length
    viewport()->setMouseTracking(true);
    viewport()->setBackgroundRole(QPalette::Base);
    viewport()->setCursor(Qt::ArrowCursor);
    m_layoutTimer.setSingleShot(true);
    connect(&m_layoutTimer, &QTimer::timeout, this, &TokenTextArea::continueLayout);
    const auto repaint = [this] { viewport()->update(); };
    connect(&selection, &Selection::focusedChanged, this, repaint);
    connect(&selection, &Selection::tokensChanged, this, repaint);
    connect(&selection, &Selection::pinnedChanged, this, repaint);
    connect(&selection, &Selection::primaryChanged, this, [this](Position position) {
        viewport()->update();
        if (m_followsPrimary)
            showPosition(position);
        announcePrimary();
    });
}

TokenTextArea::~TokenTextArea() = default;

void TokenTextArea::setStream(const TokenStream &stream)
{
    m_cells.setStream(stream);
    m_values.reset();
    m_underlines.clear();
    m_matches.clear();
    m_pendingScroll.reset();
    verticalScrollBar()->setValue(0);
    relayout();
}

void TokenTextArea::growStream(const TokenStream &stream)
{
    const bool atEnd = verticalScrollBar()->value() == verticalScrollBar()->maximum() && stream.size() > 0;
    m_cells.setStream(stream);
    m_layout.grow();
    m_shaped.clear();
    continueLayout();
    if (atEnd && !m_selection.primary().valid()) // the reader follows, as in a log
        verticalScrollBar()->setValue(verticalScrollBar()->maximum());
}

void TokenTextArea::setValues(std::shared_ptr<const std::vector<float>> values, const ColourScale &scale)
{
    m_values = std::move(values);
    m_scale = scale;
    viewport()->update();
}

void TokenTextArea::setScale(const ColourScale &scale)
{
    m_scale = scale;
    viewport()->update();
}

void TokenTextArea::setUnderlines(std::vector<Underline> underlines)
{
    m_underlines = std::move(underlines);
    viewport()->update();
}

void TokenTextArea::setMatches(std::vector<std::pair<std::int64_t, std::int64_t>> matches)
{
    m_matches = std::move(matches);
    viewport()->update();
}

void TokenTextArea::setMarksVisible(bool visible)
{
    m_cells.setMarks(visible);
    relayout();
}

void TokenTextArea::setZoom(int steps)
{
    m_zoom = std::clamp(steps, -6, 24);
    QFont scaled = font();
    scaled.setPointSizeF(std::max(4.0, QApplication::font().pointSizeF() + 1 + m_zoom));
    setFont(scaled); // FontChange lays out again
}

int TokenTextArea::lineHeight() const
{
    return static_cast<int>(std::ceil(fontMetrics().height() * lineSpacing));
}

int TokenTextArea::textWidth() const
{
    return std::max(viewport()->width() - 2 * margin, 40);
}

void TokenTextArea::relayout()
{
    const auto [first, end] = visiblePositions();
    if (!m_pendingScroll && first > 0)
        m_pendingScroll = PendingScroll{first, true};
    m_shaped.clear();
    m_layout.reset(&m_cells, font(), textWidth());
    verticalScrollBar()->setSingleStep(lineHeight());
    continueLayout();
}

void TokenTextArea::continueLayout()
{
    // What was the last line may have grown.
    const std::int64_t last = m_layout.lineCount() - 1;
    const bool complete = m_layout.advance(sliceMs);
    m_shaped.remove(last);
    updateScrollBar();
    applyPendingScroll();
    viewport()->update();
    if (!complete)
        m_layoutTimer.start(0);
    Q_EMIT visiblePositionsChanged();
}

void TokenTextArea::updateScrollBar()
{
    const std::int64_t height = m_layout.expectedLineCount() * lineHeight() + 2 * margin;
    verticalScrollBar()->setPageStep(viewport()->height());
    verticalScrollBar()->setRange(0, static_cast<int>(std::clamp<std::int64_t>(height - viewport()->height(), 0, std::numeric_limits<int>::max())));
}

void TokenTextArea::applyPendingScroll()
{
    if (!m_pendingScroll)
        return;
    const std::int64_t line = m_layout.lineOf(m_pendingScroll->position);
    if (line < 0)
        return; // not laid out yet
    const int top = static_cast<int>(line) * lineHeight();
    const bool toTop = std::exchange(m_pendingScroll, std::nullopt)->toTop;
    if (toTop) {
        const bool hasHeading = line > 0 && m_layout.line(line - 1).kind == TokenLayout::LineKind::Heading;
        verticalScrollBar()->setValue(margin + (hasHeading ? top - lineHeight() : top));
        return;
    }
    const int value = verticalScrollBar()->value();
    if (top < value || top + lineHeight() + margin > value + viewport()->height())
        verticalScrollBar()->setValue(margin + top - std::min(linesAbove, viewport()->height() / lineHeight() / 3) * lineHeight());
}

void TokenTextArea::showPosition(Position position)
{
    if (!position.valid())
        return;
    m_pendingScroll = PendingScroll{position.value, false};
    applyPendingScroll();
}

void TokenTextArea::showAtTop(Position position)
{
    m_pendingScroll = PendingScroll{position.value, true};
    applyPendingScroll();
}

std::pair<std::int64_t, std::int64_t> TokenTextArea::visibleLines() const
{
    const int height = lineHeight(), top = verticalScrollBar()->value() - margin;
    const std::int64_t first = std::max(0, top / height);
    return {first, std::clamp<std::int64_t>((top + viewport()->height()) / height + 1, first, m_layout.lineCount())};
}

std::pair<std::int64_t, std::int64_t> TokenTextArea::visiblePositions() const
{
    const auto [first, end] = visibleLines();
    if (first >= end)
        return {0, 0};
    return {m_layout.tokensOf(first).first, m_layout.tokensOf(end - 1).second};
}

const TokenTextArea::ShapedLine &TokenTextArea::shaped(std::int64_t index) const
{
    if (const ShapedLine *known = m_shaped.object(index))
        return *known;
    auto *line = new ShapedLine;
    const auto [first, end] = m_layout.tokensOf(index);
    QString text;
    std::vector<qsizetype> starts;
    for (std::int64_t position = first; position < end; ++position) {
        starts.push_back(text.size());
        text += m_layout.textOn(index, position);
    }
    starts.push_back(text.size());
    QList<QTextLayout::FormatRange> formats;
    QTextCharFormat faint;
    faint.setForeground(palette().color(QPalette::PlaceholderText));
    for (qsizetype i = 0; i < text.size(); ++i) {
        if (marks::isMark(text[i]))
            formats.append({static_cast<int>(i), 1, faint});
    }
    line->layout.setText(text);
    line->layout.setFont(font());
    line->layout.setFormats(formats);
    line->layout.setCacheEnabled(true);
    QTextOption option;
    option.setWrapMode(QTextOption::NoWrap);
    line->layout.setTextOption(option);
    line->layout.beginLayout();
    QTextLine shapedLine = line->layout.createLine();
    if (shapedLine.isValid())
        shapedLine.setLineWidth(textWidth());
    line->layout.endLayout();
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
        const double from = shapedLine.isValid() ? shapedLine.cursorToX(static_cast<int>(starts[i])) : 0;
        const double to = shapedLine.isValid() ? shapedLine.cursorToX(static_cast<int>(starts[i + 1])) : 0;
        line->tokens.push_back({first + static_cast<std::int64_t>(i), std::min(from, to), std::max(from, to)});
    }
    m_shaped.insert(index, line);
    return *line;
}

QRectF TokenTextArea::cellRect(std::int64_t line, double left, double right) const
{
    const double top = static_cast<double>(line * lineHeight() - verticalScrollBar()->value() + margin);
    return QRectF(margin + left, top, right - left, lineHeight());
}

QRect TokenTextArea::tokenRect(Position position) const
{
    const std::int64_t line = m_layout.lineOf(position.value);
    const auto [first, end] = visibleLines();
    if (line < first || line >= end)
        return {};
    for (const auto &token : shaped(line).tokens) {
        if (token.position == position.value)
            return cellRect(line, token.left, token.right).toAlignedRect();
    }
    return {};
}

Position TokenTextArea::positionAt(const QPoint &point) const
{
    const int y = point.y() + verticalScrollBar()->value() - margin;
    const std::int64_t line = y / lineHeight();
    if (y < 0 || line >= m_layout.lineCount() || m_layout.line(line).kind == TokenLayout::LineKind::Heading)
        return Position();
    for (const auto &token : shaped(line).tokens) {
        if (point.x() - margin >= token.left && point.x() - margin < token.right)
            return Position(token.position);
    }
    return Position();
}

void TokenTextArea::paintEvent(QPaintEvent *event)
{
    QPainter painter(viewport());
    painter.fillRect(event->rect(), palette().color(QPalette::Base));
    painter.setFont(font());
    const auto [first, end] = visibleLines();
    for (std::int64_t line = first; line < end; ++line) {
        if (!cellRect(line, 0, textWidth()).intersects(event->rect()))
            continue;
        if (m_layout.line(line).kind == TokenLayout::LineKind::Heading)
            paintHeading(painter, line);
        else
            paintLine(painter, line);
    }
}

void TokenTextArea::paintHeading(QPainter &painter, std::int64_t line) const
{
    const auto &document = m_cells.stream().documents[static_cast<std::size_t>(m_layout.line(line).document)];
    const QRectF rect = cellRect(line, 0, textWidth());
    QFont bold = font();
    bold.setBold(true);
    painter.save();
    painter.setFont(bold);
    painter.setPen(palette().color(QPalette::PlaceholderText));
    const QString title = painter.fontMetrics().elidedText(QString::fromStdString(document.title), Qt::ElideRight, static_cast<int>(rect.width() * 0.8));
    painter.drawText(rect, Qt::AlignVCenter | Qt::AlignLeft, title);
    QColor rule = palette().color(QPalette::PlaceholderText);
    rule.setAlphaF(0.35f);
    painter.setPen(rule);
    const double ruleLeft = rect.left() + painter.fontMetrics().horizontalAdvance(title) + margin;
    painter.drawLine(QPointF(ruleLeft, rect.center().y()), QPointF(rect.right(), rect.center().y()));
    painter.restore();
}

void TokenTextArea::paintLine(QPainter &painter, std::int64_t index) const
{
    const ShapedLine &line = shaped(index);
    for (const auto &token : line.tokens) {
        const auto at = static_cast<std::size_t>(token.position);
        if (m_values && at < m_values->size())
            painter.fillRect(cellRect(index, token.left, token.right).adjusted(0, 2, 0, -2), QColor::fromRgba(m_scale.colour((*m_values)[at])));
    }
    const QRectF whole = cellRect(index, 0, textWidth());
    const double textTop = whole.top() + (whole.height() - fontMetrics().height()) / 2;
    painter.setPen(palette().color(QPalette::Text));
    line.layout.draw(&painter, QPointF(whole.left(), textTop));
    for (const auto &token : line.tokens) {
        const QRectF rect = cellRect(index, token.left, token.right);
        paintUnderline(painter, token.position, rect);
        paintSelection(painter, token.position, rect);
    }
}

void TokenTextArea::paintUnderline(QPainter &painter, std::int64_t position, const QRectF &rect) const
{
    const auto at = static_cast<std::size_t>(position);
    if (at >= m_underlines.size() || m_underlines[at] == Underline::None || rect.width() < 3)
        return;
    QColor color = palette().color(QPalette::Text);
    color.setAlphaF(m_underlines[at] == Underline::Solid ? 0.4f : 0.75f);
    const double y = std::round(rect.bottom() - 4);
    if (m_underlines[at] == Underline::Solid) {
        painter.fillRect(QRectF(rect.left() + 1, y, rect.width() - 2, 1), color);
        return;
    }
    for (double x = std::round(rect.left() + 1); x < rect.right() - 1; x += 4) // a dotted pen costs ten times as much
        painter.fillRect(QRectF(x, y, 2, 1), color);
}

void TokenTextArea::paintSelection(QPainter &painter, std::int64_t position, const QRectF &rect) const
{
    const Position here(position);
    const QColor highlight = palette().color(QPalette::Highlight);
    const QRectF frame = rect.adjusted(0.5, 1.5, -0.5, -1.5);
    const auto drawFrame = [&](const QColor &color, double width, Qt::PenStyle style = Qt::SolidLine) {
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(color, width, style));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(frame, cornerRadius, cornerRadius);
        painter.restore();
    };
    if (isMatch(position)) {
        QColor fill = highlight;
        fill.setAlphaF(0.22f);
        painter.fillRect(frame, fill);
    }
    if (here == m_selection.primary())
        drawFrame(highlight, 2.2);
    else if (m_selection.tokens().contains(here))
        drawFrame(highlight, 1.2, Qt::DashLine);
    if (here == m_selection.hovered())
        drawFrame(palette().color(QPalette::Text), 1.2);
    if (m_selection.pinned().contains(here)) { // a flag at the corner
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(highlight);
        painter.drawPolygon(QPolygonF({rect.topLeft(), rect.topLeft() + QPointF(7, 0), rect.topLeft() + QPointF(0, 7)}));
        painter.restore();
    }
}

bool TokenTextArea::isMatch(std::int64_t position) const
{
    const auto after = std::upper_bound(m_matches.begin(), m_matches.end(), position, [](std::int64_t p, const auto &match) { return p < match.first; });
    return after != m_matches.begin() && position < std::prev(after)->second;
}

void TokenTextArea::resizeEvent(QResizeEvent *event)
{
    if (event->size().width() != event->oldSize().width()) {
        relayout();
    } else {
        updateScrollBar();
        Q_EMIT visiblePositionsChanged();
    }
}

void TokenTextArea::scrollContentsBy(int, int)
{
    viewport()->update();
    Q_EMIT visiblePositionsChanged();
}

void TokenTextArea::changeEvent(QEvent *event)
{
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange)
        relayout();
    else if (event->type() == QEvent::PaletteChange)
        m_shaped.clear(); // the marks carry their colour
}

bool TokenTextArea::viewportEvent(QEvent *event)
{
    if (event->type() == QEvent::Leave) {
        m_selection.hover(Position());
        Q_EMIT tokenHovered(Position());
    }
    return QAbstractScrollArea::viewportEvent(event);
}

void TokenTextArea::mouseMoveEvent(QMouseEvent *event)
{
    const Position position = positionAt(event->pos());
    m_selection.hover(position);
    Q_EMIT tokenHovered(position);
}

void TokenTextArea::mousePressEvent(QMouseEvent *event)
{
    if (event->button() != Qt::LeftButton)
        return;
    const Position position = positionAt(event->pos());
    if (!position.valid())
        return;
    if (event->modifiers() & Qt::ControlModifier)
        m_selection.toggle(position);
    else
        m_selection.lock(position);
}

void TokenTextArea::mouseDoubleClickEvent(QMouseEvent *event)
{
    if (event->button() == Qt::LeftButton)
        m_selection.togglePin(positionAt(event->pos()));
}

void TokenTextArea::keyPressEvent(QKeyEvent *event)
{
    switch (event->key()) {
    case Qt::Key_Left:
        m_selection.movePrimary(-1);
        break;
    case Qt::Key_Right:
        m_selection.movePrimary(1);
        break;
    case Qt::Key_Up:
        moveByLine(-1);
        break;
    case Qt::Key_Down:
        moveByLine(1);
        break;
    case Qt::Key_Home:
        m_selection.lock(Position(0));
        break;
    case Qt::Key_End:
        m_selection.lock(Position(m_selection.count() - 1));
        break;
    case Qt::Key_P:
        m_selection.togglePin(m_selection.primary());
        break;
    case Qt::Key_Escape:
        m_selection.unlock();
        break;
    default:
        QAbstractScrollArea::keyPressEvent(event);
    }
}

void TokenTextArea::moveByLine(int delta)
{
    const Position primary = m_selection.primary();
    std::int64_t line = m_layout.lineOf(primary.value);
    if (line < 0) {
        m_selection.lock(Position(visiblePositions().first));
        return;
    }
    const auto &tokens = shaped(line).tokens;
    const auto current = std::ranges::find(tokens, primary.value, &ShapedLine::Token::position);
    const double x = current == tokens.end() ? 0 : (current->left + current->right) / 2;
    for (line += delta; line >= 0 && line < m_layout.lineCount(); line += delta) {
        const auto &candidates = shaped(line).tokens;
        if (m_layout.line(line).kind == TokenLayout::LineKind::Heading || candidates.empty())
            continue;
        const auto nearest = std::ranges::min_element(candidates, {}, [x](const auto &token) { return std::max({token.left - x, x - token.right, 0.0}); });
        if (nearest->position == primary.value)
            continue; // a token that spans lines
        m_selection.lock(Position(nearest->position));
        return;
    }
}

void TokenTextArea::wheelEvent(QWheelEvent *event)
{
    if (event->modifiers() & Qt::ControlModifier) {
        setZoom(m_zoom + (event->angleDelta().y() > 0 ? 1 : -1));
        return;
    }
    QAbstractScrollArea::wheelEvent(event);
}

void TokenTextArea::announcePrimary()
{
    const Position primary = m_selection.primary();
    setAccessibleDescription(primary.valid() && m_describe ? m_describe(primary) : QString());
    QAccessibleEvent changed(this, QAccessible::DescriptionChanged);
    QAccessible::updateAccessibility(&changed);
}

} // namespace retoscope
