// SPDX-License-Identifier: GPL-3.0-or-later
#include "generate/continuation_text.h"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QScrollBar>

#include <algorithm>

namespace retoscope {

ContinuationText::ContinuationText(QWidget *parent) : QTextEdit(parent)
{
    setReadOnly(true);
    setUndoRedoEnabled(false);
    setAccessibleName(tr("Continuation"));
    viewport()->setMouseTracking(true);
    QFont larger = font();
    larger.setPointSizeF(larger.pointSizeF() * 1.15);
    setFont(larger);
}

void ContinuationText::begin(const QString &prompt)
{
    m_ends.clear();
    m_locked = m_hovered = -1;
    clear();
    QTextCharFormat format;
    format.setForeground(palette().color(QPalette::PlaceholderText));
    QTextCursor(document()).insertText(prompt, format);
    m_promptEnd = document()->characterCount() - 1;
    setExtraSelections({});
    Q_EMIT focusedChanged(-1);
}

void ContinuationText::append(const QString &text, Mark mark)
{
    const bool followsEnd = verticalScrollBar()->value() == verticalScrollBar()->maximum();
    QTextCharFormat format;
    format.setForeground(palette().color(QPalette::Text));
    format.setUnderlineStyle(mark == Mark::Searched ? QTextCharFormat::SingleUnderline : mark == Mark::Saved ? QTextCharFormat::DotLine : QTextCharFormat::NoUnderline);
    QTextCursor cursor(document());
    cursor.movePosition(QTextCursor::End);
    cursor.insertText(text, format);
    m_ends.push_back(document()->characterCount() - 1);
    if (followsEnd)
        verticalScrollBar()->setValue(verticalScrollBar()->maximum());
}

int ContinuationText::tokenAt(const QPoint &place) const
{
    // A cursor stands between characters: take the one whose left edge it is past.
    QTextCursor cursor = cursorForPosition(place);
    const QRect edge = cursorRect(cursor);
    if (place.y() < edge.top() || place.y() > edge.bottom())
        return -1;
    const int character = cursor.position() - (place.x() < edge.left() ? 1 : 0);
    if (character < m_promptEnd || m_ends.empty() || character >= m_ends.back())
        return -1;
    return int(std::ranges::upper_bound(m_ends, character) - m_ends.begin());
}

QPoint ContinuationText::placeOf(int token) const
{
    QTextCursor cursor(document());
    cursor.setPosition(token > 0 ? m_ends[std::size_t(token) - 1] : m_promptEnd);
    const QRect left = cursorRect(cursor);
    return QPoint(left.left() + 3, left.center().y());
}

template<typename Change>
void ContinuationText::apply(Change change)
{
    const int before = focused();
    change();
    if (focused() == before)
        return;
    highlight();
    Q_EMIT focusedChanged(focused());
}

void ContinuationText::lock(int token)
{
    apply([&] { m_locked = token < count() ? token : -1; });
    highlight();
}

void ContinuationText::hover(int token)
{
    apply([&] { m_hovered = token; });
}

void ContinuationText::highlight()
{
    QList<QTextEdit::ExtraSelection> selections;
    const auto add = [&](int token, qreal opacity) {
        if (token < 0)
            return;
        QTextEdit::ExtraSelection selection;
        selection.cursor = QTextCursor(document());
        selection.cursor.setPosition(token > 0 ? m_ends[std::size_t(token) - 1] : m_promptEnd);
        selection.cursor.setPosition(m_ends[std::size_t(token)], QTextCursor::KeepAnchor);
        QColor accent = palette().color(QPalette::Highlight);
        accent.setAlphaF(float(opacity));
        selection.format.setBackground(accent);
        selections.append(selection);
    };
    add(m_locked, 0.45);
    if (m_hovered != m_locked)
        add(m_hovered, 0.25);
    setExtraSelections(selections);
}

/// ←/→ and Esc are the text's while it has the focus, whatever else the window uses them for.
bool ContinuationText::event(QEvent *event)
{
    if (event->type() == QEvent::ShortcutOverride) {
        const int key = static_cast<QKeyEvent *>(event)->key();
        if (key == Qt::Key_Left || key == Qt::Key_Right || (key == Qt::Key_Escape && m_locked >= 0)) {
            event->accept();
            return true;
        }
    }
    return QTextEdit::event(event);
}

void ContinuationText::mousePressEvent(QMouseEvent *event)
{
    QTextEdit::mousePressEvent(event);
    if (event->button() == Qt::LeftButton)
        lock(tokenAt(event->pos()));
}

void ContinuationText::mouseMoveEvent(QMouseEvent *event)
{
    QTextEdit::mouseMoveEvent(event);
    if (event->buttons() == Qt::NoButton)
        hover(tokenAt(event->pos()));
}

void ContinuationText::leaveEvent(QEvent *event)
{
    QTextEdit::leaveEvent(event);
    hover(-1);
}

void ContinuationText::keyPressEvent(QKeyEvent *event)
{
    const int step = event->key() == Qt::Key_Right ? 1 : event->key() == Qt::Key_Left ? -1 : 0;
    if (step != 0 && event->modifiers() == Qt::NoModifier && count() > 0)
        lock(m_locked < 0 ? (step > 0 ? 0 : count() - 1) : std::clamp(m_locked + step, 0, count() - 1));
    else if (event->key() == Qt::Key_Escape && m_locked >= 0)
        lock(-1);
    else
        QTextEdit::keyPressEvent(event);
}

void ContinuationText::changeEvent(QEvent *event)
{
    QTextEdit::changeEvent(event);
    if (event->type() != QEvent::PaletteChange)
        return;
    const auto recolour = [this](int from, int to, QPalette::ColorRole role) {
        QTextCursor cursor(document());
        cursor.setPosition(from);
        cursor.setPosition(to, QTextCursor::KeepAnchor);
        QTextCharFormat format;
        format.setForeground(palette().color(role));
        cursor.mergeCharFormat(format);
    };
    recolour(0, m_promptEnd, QPalette::PlaceholderText);
    if (!m_ends.empty())
        recolour(m_promptEnd, m_ends.back(), QPalette::Text);
    highlight();
}

} // namespace retoscope
