// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/token_cells.h"

#include "text/utf8.h"

#include <algorithm>

namespace retoscope {

namespace {

constexpr std::size_t longestCharacter = 4; // bytes of UTF-8

QString hexByte(char byte)
{
    return QStringLiteral("⟨%1⟩").arg(static_cast<uint>(static_cast<unsigned char>(byte)), 2, 16, QLatin1Char('0')).toUpper();
}

/// Characters that would turn the line around or hide it (bidi controls, zero-width, C0 and C1 controls).
bool isInvisible(char32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

bool isNoBreakSpace(char32_t c)
{
    return c == 0xA0 || c == 0x202F;
}

QString shown(char32_t c)
{
    if (c == U'\u200D' || c == U'\u200C') // joiners: scripts and emoji need them
        return QString::fromUcs4(&c, 1);
    if (isInvisible(c))
        return QStringLiteral("⟨U+%1⟩").arg(static_cast<uint>(c), 4, 16, QLatin1Char('0')).toUpper();
    return QString::fromUcs4(&c, 1);
}

enum class Whitespace { Plain, Marked, OneLine };

/// Whole characters as they are drawn. `bytes` is valid UTF-8.
QString rendered(std::string_view bytes, Whitespace whitespace)
{
    const QString text = QString::fromUtf8(bytes.data(), static_cast<qsizetype>(bytes.size()));
    QString result;
    result.reserve(text.size());
    for (const char32_t c : text.toUcs4()) {
        if (c == U'\n')
            result += whitespace == Whitespace::Plain ? QStringLiteral(" \n") : whitespace == Whitespace::Marked ? QString(marks::newline) + QLatin1Char('\n') : QString(marks::newline);
        else if (c == U'\r')
            result += whitespace == Whitespace::Marked ? QStringLiteral("␍") : QString();
        else if (c == U'\t')
            result += whitespace == Whitespace::Plain ? QStringLiteral("    ") : QString(marks::tab) + QStringLiteral("  ");
        else if (c == U' ')
            result += whitespace == Whitespace::Marked ? QString(marks::space) : QStringLiteral(" ");
        else if (isNoBreakSpace(c))
            result += whitespace == Whitespace::Marked ? marks::noBreakSpace : QChar(QChar::Nbsp);
        else
            result += shown(c);
    }
    return result;
}

/// Bytes at the end of `bytes` that begin a character which does not end in it.
std::size_t openTail(std::string_view bytes)
{
    for (std::size_t back = 1; back <= std::min(longestCharacter - 1, bytes.size()); ++back) {
        const char byte = bytes[bytes.size() - back];
        if (isUtf8Continuation(byte))
            continue;
        return utf8Length(byte) > back ? back : 0;
    }
    return 0;
}

std::size_t leadingContinuations(std::string_view bytes)
{
    const auto lead = std::ranges::find_if_not(bytes, isUtf8Continuation);
    return static_cast<std::size_t>(lead - bytes.begin());
}

/// The middle of a token: characters, and ⟨hex⟩ for bytes that are none.
QString renderedWithBadBytes(std::string_view bytes, Whitespace whitespace)
{
    QString result;
    while (!bytes.empty()) {
        const std::size_t good = std::min(findInvalidUtf8(bytes), bytes.size());
        result += rendered(bytes.substr(0, good), whitespace);
        bytes.remove_prefix(good);
        if (!bytes.empty()) {
            result += hexByte(bytes.front());
            bytes.remove_prefix(1);
        }
    }
    return result;
}

bool isWide(char32_t c) ///< scripts that break between any two characters
{
    return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x20000 && c <= 0x3FFFF);
}

TokenCell cellOf(QString text)
{
    TokenCell cell{std::move(text)};
    const auto characters = cell.text.toUcs4();
    if (characters.isEmpty())
        return cell;
    const auto opens = [](char32_t c) { return c == U' ' || c == marks::space.unicode() || c == marks::tab.unicode() || isWide(c); };
    cell.breaksBefore = opens(characters.first());
    const char32_t last = characters.last();
    cell.breaksAfter = opens(last) || last == U'-' || last == U'/' || last == U']' || last == U'⟩';
    return cell;
}

} // namespace

TokenStream tokenStreamOf(const std::shared_ptr<const TraceSession> &trace)
{
    return {trace, trace->trace().arrays().targets, trace->documents(), [trace](TokenId token) { return trace->tokenText(token); }};
}

bool marks::isMark(QChar character)
{
    return character == space || character == noBreakSpace || character == newline || character == tab || character == continuation;
}

void TokenCells::setStream(const TokenStream &stream)
{
    if (stream.owner != m_stream.owner || stream.size() < m_stream.size())
        m_pieces.clear();
    m_stream = stream;
}

void TokenCells::setMarks(bool visible)
{
    if (visible != m_marks)
        m_pieces.clear();
    m_marks = visible;
}

const TokenCells::Piece &TokenCells::pieceOf(std::int32_t token) const
{
    const auto known = m_pieces.constFind(token);
    if (known != m_pieces.cend())
        return *known;
    const std::string bytes = m_stream.piece(TokenId(token));
    Piece piece;
    if (bytes.empty())
        piece.cell = cellOf(QStringLiteral("⟨%1⟩").arg(token)); // a control token
    else if (findInvalidUtf8(bytes) == std::string_view::npos)
        piece.cell = cellOf(rendered(bytes, m_marks ? Whitespace::Marked : Whitespace::Plain));
    else
        piece.whole = false;
    return *m_pieces.insert(token, piece);
}

TokenCell TokenCells::at(std::int64_t position) const
{
    const Piece &piece = pieceOf(m_stream.tokens[static_cast<std::size_t>(position)]);
    return piece.whole ? piece.cell : cellOf(brokenText(position));
}

QString TokenCells::brokenText(std::int64_t position) const
{
    const Whitespace whitespace = m_marks ? Whitespace::Marked : Whitespace::Plain;
    const std::string own = m_stream.pieceAt(position);
    std::string_view rest = own;
    // Bytes that continue a character: three bytes before them are enough to find where it began.
    std::string before;
    for (std::int64_t i = position - 1; i >= 0 && before.size() < longestCharacter - 1; --i)
        before.insert(0, m_stream.pieceAt(i));
    const std::size_t continued = std::min(leadingContinuations(rest), longestCharacter - 1), open = openTail(before);
    QString result;
    if (continued > 0) {
        std::string character = before.substr(before.size() - open) + std::string(rest.substr(0, continued));
        for (std::int64_t i = position + 1; i < m_stream.size() && open > 0 && continued == rest.size() && character.size() < longestCharacter; ++i)
            character += m_stream.pieceAt(i);
        const std::size_t length = open > 0 ? utf8Length(character.front()) : 0;
        if (open == 0 || character.size() < length || findInvalidUtf8(std::string_view(character).substr(0, length)) != std::string_view::npos) {
            for (const char byte : rest.substr(0, continued))
                result += hexByte(byte);
            rest.remove_prefix(continued);
        } else {
            rest.remove_prefix(std::min(continued, length - open));
        }
    }
    // A character that begins here and ends in the following tokens.
    const std::size_t tail = openTail(rest);
    result += renderedWithBadBytes(rest.substr(0, rest.size() - tail), whitespace);
    if (tail > 0) {
        std::string character(rest.substr(rest.size() - tail));
        const std::size_t length = utf8Length(character.front());
        for (std::int64_t i = position + 1; i < m_stream.size() && character.size() < length; ++i)
            character += m_stream.pieceAt(i);
        const std::string_view whole = std::string_view(character).substr(0, length);
        result += whole.size() == length && findInvalidUtf8(whole) == std::string_view::npos ? rendered(whole, whitespace)
                                                                                            : renderedWithBadBytes(rest.substr(rest.size() - tail), whitespace);
    }
    return result.isEmpty() ? QString(marks::continuation) : result;
}

QString singleLine(std::string_view bytes)
{
    return renderedWithBadBytes(bytes, Whitespace::OneLine);
}

QString tokenLabel(std::string_view bytes, TokenId token)
{
    if (bytes.empty())
        return QStringLiteral("⟨%1⟩").arg(token.value);
    QString label = singleLine(bytes);
    for (qsizetype i = 0; i < label.size() && label[i] == QLatin1Char(' '); ++i)
        label[i] = marks::space;
    for (qsizetype i = label.size() - 1; i >= 0 && label[i] == QLatin1Char(' '); --i)
        label[i] = marks::space;
    return label.replace(QChar(QChar::Nbsp), marks::noBreakSpace);
}

} // namespace retoscope
