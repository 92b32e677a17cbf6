// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "generate/generator.h"

#include <QStringDecoder>

namespace retoscope {

/// A prompt, its continuation and how it came about.
class Transcript
{
public:
    Transcript() = default;
    explicit Transcript(const GenerationRequest &request) : m_request(request) {}

    /// The characters that the token completes: what ends inside a character waits for the next token.
    QString add(const GeneratedPiece &piece);
    void setEnd(const QString &reason) { m_end = reason; }

    [[nodiscard]] const GenerationRequest &request() const { return m_request; }
    [[nodiscard]] const std::vector<GeneratedPiece> &pieces() const { return m_pieces; }
    [[nodiscard]] const QString &end() const { return m_end; } ///< why it ended; empty while it goes on
    [[nodiscard]] QString text() const { return m_text; }      ///< the continuation
    [[nodiscard]] std::int64_t searches() const { return m_searches; }
    /// "RetoMaton, greedy: λ 0.2, T 20 …"
    [[nodiscard]] QString description() const;

    [[nodiscard]] QString toPlainText() const;
    [[nodiscard]] QString toMarkdown() const; ///< the text, and a table of its tokens
    [[nodiscard]] QString toJson() const;     ///< everything, neighbours included

private:
    GenerationRequest m_request;
    std::vector<GeneratedPiece> m_pieces;
    QStringDecoder m_decoder{QStringDecoder::Utf8};
    QString m_text, m_end;
    std::int64_t m_searches = 0;
};

/// Why the token's position was searched or not: "searched: surviving pointers 0 < min_knns 1".
QString searchReason(const GeneratedPiece &piece, const EvaluationSettings &settings);
/// A piece as one line: newlines and tabs as marks, incomplete characters as �.
QString visiblePiece(const std::string &text);

} // namespace retoscope
