// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/token_layout.h"

#include <QFontMetricsF>
#include <QTextBoundaryFinder>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int tokensPerClockReading = 256;
constexpr double tokensPerLineGuess = 12; // before anything is laid out

} // namespace

void TokenLayout::reset(const TokenCells *cells, const QFont &font, double width)
{
    if (font != m_font)
        m_widths.clear();
    m_cells = cells;
    m_font = font;
    m_width = std::max(width, 1.0);
    m_lines.clear();
    m_next = 0;
    m_nextDocument = 0;
    m_lineIsClosed = true;
}

void TokenLayout::grow()
{
    // A character may have been completed by the new tokens: the last line is laid out again.
    if (m_lines.empty())
        return;
    while (!m_lines.empty() && (m_lines.back().kind == LineKind::Heading || m_lines.back().offset > 0)) {
        if (m_lines.back().kind == LineKind::Heading)
            m_nextDocument = static_cast<std::size_t>(m_lines.back().document);
        m_lines.pop_back();
    }
    if (!m_lines.empty()) {
        m_next = m_lines.back().first;
        m_lines.pop_back();
    }
    m_lineIsClosed = true;
}

bool TokenLayout::advance(double milliseconds)
{
    QElapsedTimer clock;
    clock.start();
    const std::int64_t end = size();
    while (m_next < end) {
        const std::int64_t until = std::min(end, m_next + tokensPerClockReading);
        while (m_next < until) {
            beginDocuments();
            place(m_next);
            ++m_next;
        }
        if (milliseconds >= 0 && static_cast<double>(clock.nsecsElapsed()) > milliseconds * 1e6)
            break;
    }
    return isComplete();
}

std::int64_t TokenLayout::expectedLineCount() const
{
    if (isComplete())
        return lineCount();
    const double perLine = m_next > 0 ? static_cast<double>(m_next) / static_cast<double>(std::max<std::int64_t>(lineCount(), 1)) : tokensPerLineGuess;
    return std::max(lineCount() + 1, static_cast<std::int64_t>(static_cast<double>(size()) / perLine));
}

std::pair<std::int64_t, std::int64_t> TokenLayout::tokensOf(std::int64_t index) const
{
    const Line &current = line(index);
    if (current.kind == LineKind::Heading)
        return {current.first, current.first};
    if (index + 1 == lineCount())
        return {current.first, m_next};
    const Line &following = line(index + 1);
    return {current.first, following.first + (following.offset > 0 ? 1 : 0)};
}

std::int64_t TokenLayout::lineOf(std::int64_t position) const
{
    if (position >= m_next || position < 0)
        return -1;
    // The last line that begins before the token or with it.
    const auto after = std::upper_bound(m_lines.begin(), m_lines.end(), position, [](std::int64_t p, const Line &l) { return p < l.first || (p == l.first && l.offset > 0); });
    return after - m_lines.begin() - 1;
}

QString TokenLayout::textOn(std::int64_t index, std::int64_t position) const
{
    QString text = m_cells->at(position).text;
    const Line &current = line(index);
    if (index + 1 < lineCount()) {
        const Line &following = line(index + 1);
        if (following.first == position && following.offset > 0)
            text.truncate(following.offset);
    }
    if (current.first == position)
        text.remove(0, current.offset);
    text.remove(QLatin1Char('\n'));
    return text;
}

double TokenLayout::widthOf(const QString &text)
{
    const auto known = m_widths.constFind(text);
    if (known != m_widths.cend())
        return *known;
    return *m_widths.insert(text, QFontMetricsF(m_font).horizontalAdvance(text));
}

void TokenLayout::beginDocuments()
{
    const auto &documents = m_cells->stream().documents;
    while (m_nextDocument < documents.size() && documents[m_nextDocument].first <= m_next) {
        if (documents.size() > 1)
            m_lines.push_back({m_next, 0, LineKind::Heading, static_cast<std::int32_t>(m_nextDocument)});
        m_lineIsClosed = true;
        ++m_nextDocument;
    }
}

void TokenLayout::newLine(std::int64_t first, std::int32_t offset)
{
    m_lines.push_back({first, offset});
    m_x = 0;
    m_breakAt = -1;
    m_lastBreaksAfter = false;
    m_lineIsClosed = false;
}

void TokenLayout::place(std::int64_t position)
{
    const TokenCell cell = m_cells->at(position);
    if (m_lineIsClosed)
        newLine(position);
    if ((cell.breaksBefore || m_lastBreaksAfter) && position != m_lines.back().first) {
        m_breakAt = position;
        m_breakX = m_x;
    }
    m_lastBreaksAfter = cell.breaksAfter;
    if (cell.text.contains(QLatin1Char('\n'))) {
        placeAcrossLines(position, cell.text, 0);
        return;
    }
    const double width = widthOf(cell.text);
    if (m_x + width <= m_width) {
        m_x += width;
        return;
    }
    if (width > m_width) {
        if (m_x > 0)
            newLine(position);
        placeAcrossLines(position, cell.text, 0);
        return;
    }
    // Break at the last word border, or in front of this token when the word is longer than the line.
    const double moved = m_breakAt >= 0 && m_breakAt < position ? m_x - m_breakX : 0;
    const bool wordFits = moved > 0 && moved + width <= m_width;
    const std::int64_t first = wordFits ? m_breakAt : position;
    newLine(first);
    m_x = (wordFits ? moved : 0) + width;
    m_lastBreaksAfter = cell.breaksAfter;
}

void TokenLayout::placeAcrossLines(std::int64_t position, const QString &text, qsizetype from)
{
    QTextBoundaryFinder graphemes(QTextBoundaryFinder::Grapheme, text);
    while (from < text.size()) {
        graphemes.setPosition(from);
        qsizetype next = graphemes.toNextBoundary();
        next = next <= from ? text.size() : next;
        if (text[from] == QLatin1Char('\n')) {
            if (next < text.size())
                newLine(position, static_cast<std::int32_t>(next));
            else
                m_lineIsClosed = true;
            from = next;
            continue;
        }
        const double width = widthOf(text.mid(from, next - from));
        if (m_x > 0 && m_x + width > m_width && from > 0 && text[from] != marks::newline)
            newLine(position, static_cast<std::int32_t>(from));
        m_x += width;
        from = next;
    }
}

} // namespace retoscope
