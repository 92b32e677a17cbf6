// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractScrollArea>
#include <QCache>
#include <QTimer>

#include "explore/colour_scale.h"
#include "explore/token_cells.h"
#include "explore/token_layout.h"

#include <optional>

class QTextLayout;

namespace retoscope {

class Selection;

/// How a token is underlined: colour never stands alone.
enum class Underline : std::uint8_t
{
    None,
    Solid,  ///< searched
    Dotted, ///< saved by pointers
};

/// The text as it reads, painted line by line: only what is visible is shaped. Hover previews, click locks, Ctrl-click
/// adds, double-click pins, Esc unlocks, ←/→/↑/↓ move the primary token, P pins; all of it through the selection.
class TokenTextArea : public QAbstractScrollArea
{
    Q_OBJECT

public:
    explicit TokenTextArea(Selection &selection, QWidget *parent = nullptr);
    ~TokenTextArea() override;

    void setStream(const TokenStream &stream);
    /// The same text with more tokens at its end; what is laid out stays.
    void growStream(const TokenStream &stream);
    [[nodiscard]] const TokenStream &stream() const { return m_cells.stream(); }

    /// A value per position (fewer: the rest has no colour); null: no colours.
    void setValues(std::shared_ptr<const std::vector<float>> values, const ColourScale &scale);
    void setScale(const ColourScale &scale);
    void setUnderlines(std::vector<Underline> underlines);
    /// Positions [first, end) found, ascending; framed.
    void setMatches(std::vector<std::pair<std::int64_t, std::int64_t>> matches);
    void setMarksVisible(bool visible);
    /// Whether it scrolls to the primary token; a strip that scrolls with another one does not.
    void setFollowsPrimary(bool follows) { m_followsPrimary = follows; }
    /// What a screen reader says about a token.
    void setDescription(std::function<QString(Position)> describe) { m_describe = std::move(describe); }

    /// Scrolls there, now or as soon as it is laid out; stays put when it is on screen.
    void showPosition(Position position);
    /// Scrolls so that the position's line is the first.
    void showAtTop(Position position);
    /// Positions [first, end) on screen.
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> visiblePositions() const;
    /// In the viewport; empty when it is not on screen.
    [[nodiscard]] QRect tokenRect(Position position) const;
    [[nodiscard]] Position positionAt(const QPoint &point) const; ///< invalid between and beside the tokens
    [[nodiscard]] bool isLaidOut() const { return m_layout.isComplete(); }
    [[nodiscard]] const TokenLayout &layoutOfLines() const { return m_layout; }

    void setZoom(int steps); ///< points added to the font
    [[nodiscard]] int zoom() const { return m_zoom; }

Q_SIGNALS:
    void visiblePositionsChanged();
    void tokenHovered(retoscope::Position position); ///< by the mouse; invalid: it left

protected:
    void paintEvent(QPaintEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;
    void scrollContentsBy(int dx, int dy) override;
    void changeEvent(QEvent *event) override;
    bool viewportEvent(QEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseDoubleClickEvent(QMouseEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    void wheelEvent(QWheelEvent *event) override;

private:
    struct ShapedLine;
    void relayout();
    void continueLayout();
    void updateScrollBar();
    void applyPendingScroll();
    void moveByLine(int delta);
    void announcePrimary();
    [[nodiscard]] int lineHeight() const;
    [[nodiscard]] int textWidth() const;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> visibleLines() const;
    [[nodiscard]] const ShapedLine &shaped(std::int64_t line) const;
    [[nodiscard]] QRectF cellRect(std::int64_t line, double left, double right) const;
    void paintHeading(QPainter &painter, std::int64_t line) const;
    void paintLine(QPainter &painter, std::int64_t line) const;
    void paintSelection(QPainter &painter, std::int64_t position, const QRectF &rect) const;
    void paintUnderline(QPainter &painter, std::int64_t position, const QRectF &rect) const;
    [[nodiscard]] bool isMatch(std::int64_t position) const;

    Selection &m_selection;
    TokenCells m_cells;
    TokenLayout m_layout;
    mutable QCache<qint64, ShapedLine> m_shaped;
    std::shared_ptr<const std::vector<float>> m_values;
    ColourScale m_scale;
    std::vector<Underline> m_underlines;
    std::vector<std::pair<std::int64_t, std::int64_t>> m_matches;
    std::function<QString(Position)> m_describe;
    QTimer m_layoutTimer;
    int m_zoom = 0;
    bool m_followsPrimary = true;
    struct PendingScroll
    {
        std::int64_t position = -1;
        bool toTop = false;
    };
    std::optional<PendingScroll> m_pendingScroll;
};

} // namespace retoscope
