// SPDX-License-Identifier: GPL-3.0-or-later
// How tokens look as text: spaces and newlines as marks, a character that several tokens share drawn once.
#pragma once

#include "base/ids.h"
#include "ledger/trace_session.h"

#include <QHash>
#include <QString>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

/// A text as tokens, wherever they live: of a trace, or of one that is still being recorded. A value; `owner` keeps the
/// spans alive.
struct TokenStream
{
    std::shared_ptr<const void> owner;
    std::span<const std::int32_t> tokens;             ///< [positions]
    std::vector<DocumentRange> documents;             ///< in order, covering all positions
    std::function<std::string(TokenId)> piece;        ///< the bytes of a token; thread-safe

    [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
    [[nodiscard]] std::string pieceAt(std::int64_t position) const { return piece(TokenId(tokens[static_cast<std::size_t>(position)])); }
};

/// The targets of a trace.
TokenStream tokenStreamOf(const std::shared_ptr<const TraceSession> &trace);

/// What is drawn for one token.
struct TokenCell
{
    QString text;               ///< may hold '\n', each of which ends a line after it
    bool breaksBefore = false;  ///< a line may be broken in front of it
    bool breaksAfter = false;
};

/// Signs that stand for what cannot be seen.
namespace marks {
inline constexpr QChar space = u'·';
inline constexpr QChar noBreakSpace = u'⍽'; ///< U+00A0 and its narrow kin
inline constexpr QChar newline = u'↵';
inline constexpr QChar tab = u'⇥';
inline constexpr QChar continuation = u'‥'; ///< its bytes belong to the character that an earlier token began
[[nodiscard]] bool isMark(QChar character);
} // namespace marks

/// Cells of a stream. Tokens that are whole characters are kept by id; those broken inside a character are looked up with
/// their surroundings: the character stands at the token that begins it. Bytes that are no UTF-8 appear as ⟨E4⟩.
class TokenCells
{
public:
    void setStream(const TokenStream &stream); ///< keeps what is known when the pieces are the same function's
    void setMarks(bool visible);
    [[nodiscard]] bool marksVisible() const { return m_marks; }
    [[nodiscard]] const TokenStream &stream() const { return m_stream; }

    [[nodiscard]] TokenCell at(std::int64_t position) const;

private:
    struct Piece
    {
        TokenCell cell;
        bool whole = true; ///< neither begins nor ends inside a character
    };
    const Piece &pieceOf(std::int32_t token) const;
    [[nodiscard]] QString brokenText(std::int64_t position) const;

    TokenStream m_stream;
    bool m_marks = true;
    mutable QHash<std::int32_t, Piece> m_pieces;
};

/// The same for text in one line: newlines and tabs as marks, bytes that are no UTF-8 as ⟨E4⟩; spaces stay spaces.
QString singleLine(std::string_view bytes);
/// A token's text for tables and cards: singleLine(), with a leading or trailing space and every no-break space as a mark, ⟨id⟩ for an empty one.
QString tokenLabel(std::string_view bytes, TokenId token);

} // namespace retoscope
