// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "explore/token_cells.h"

#include <QElapsedTimer>
#include <QFont>
#include <QHash>

#include <vector>

namespace retoscope {

/// Where the lines of a text break: greedy, at word borders, from the first token on and in slices, so that a document of a
/// million tokens never stops the window. Widths are those of single tokens, kept by their text; the lines themselves are
/// shaped when they are painted.
class TokenLayout
{
public:
    enum class LineKind : std::uint8_t { Text, Heading };
    struct Line
    {
        std::int64_t first = 0;     ///< position of the first token (of the document, for a heading)
        std::int32_t offset = 0;    ///< first character of it, above 0 for a token that spans lines
        LineKind kind = LineKind::Text;
        std::int32_t document = -1; ///< index in the stream's documents, for a heading
    };

    /// Starts afresh. `cells` must outlive the layout. Headings stand above the documents when there are several.
    void reset(const TokenCells *cells, const QFont &font, double width);
    /// Tokens were added at the end of the stream.
    void grow();
    /// Lays out for at most `milliseconds` (negative: to the end). True when all is laid out.
    bool advance(double milliseconds);
    [[nodiscard]] bool isComplete() const { return m_next >= size(); }

    [[nodiscard]] std::int64_t lineCount() const { return static_cast<std::int64_t>(m_lines.size()); }
    /// Estimated while it is not complete.
    [[nodiscard]] std::int64_t expectedLineCount() const;
    [[nodiscard]] const Line &line(std::int64_t index) const { return m_lines[static_cast<std::size_t>(index)]; }
    /// Positions [first, end) of a line; a token that spans lines belongs to each of them.
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> tokensOf(std::int64_t line) const;
    /// Line on which a token begins; negative while it is not laid out.
    [[nodiscard]] std::int64_t lineOf(std::int64_t position) const;
    /// The characters of a token that stand on a line.
    [[nodiscard]] QString textOn(std::int64_t line, std::int64_t position) const;

private:
    [[nodiscard]] std::int64_t size() const { return m_cells ? m_cells->stream().size() : 0; }
    [[nodiscard]] double widthOf(const QString &text);
    void beginDocuments();
    void place(std::int64_t position);
    void placeAcrossLines(std::int64_t position, const QString &text, qsizetype from);
    void newLine(std::int64_t first, std::int32_t offset = 0);

    const TokenCells *m_cells = nullptr;
    QFont m_font;
    double m_width = 0;
    std::vector<Line> m_lines;
    QHash<QString, double> m_widths;
    std::int64_t m_next = 0;          ///< first token that is not laid out
    std::size_t m_nextDocument = 0;
    double m_x = 0;                   ///< right end of the last line
    std::int64_t m_breakAt = -1;      ///< last token of the line in front of which it may break
    double m_breakX = 0;              ///< where that token begins
    bool m_lastBreaksAfter = false;
    bool m_lineIsClosed = true;       ///< the next token begins a line
};

} // namespace retoscope
