// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/text_finder.h"

#include "base/job.h"

#include <QStringDecoder>

#include <algorithm>

namespace retoscope {

namespace {

constexpr std::int64_t tokensPerCheck = 8192;

} // namespace

TextFinder::TextFinder(const TokenStream &stream, JobControl &job)
{
    QStringDecoder decoder(QStringDecoder::Utf8); // keeps the bytes of a character that the next token completes
    m_starts.reserve(stream.tokens.size() + 1);
    for (std::int64_t position = 0; position < stream.size(); ++position) {
        if (position % tokensPerCheck == 0)
            job.checkpoint();
        m_starts.push_back(m_text.size());
        const std::string piece = stream.pieceAt(position);
        m_text += decoder.decode(QByteArrayView(piece.data(), static_cast<qsizetype>(piece.size())));
    }
    m_starts.push_back(m_text.size());
}

std::vector<TextFinder::Match> TextFinder::find(const QString &needle, std::size_t limit, JobControl &job) const
{
    std::vector<Match> matches;
    if (needle.isEmpty())
        return matches;
    const QStringMatcher matcher(needle, Qt::CaseInsensitive);
    const auto tokenAt = [this](qsizetype character) { return std::upper_bound(m_starts.begin(), m_starts.end() - 1, character) - m_starts.begin() - 1; };
    for (qsizetype at = matcher.indexIn(m_text); at >= 0 && matches.size() < limit; at = matcher.indexIn(m_text, at + needle.size())) {
        if (matches.size() % tokensPerCheck == 0)
            job.checkpoint();
        const Match match(tokenAt(at), tokenAt(at + needle.size() - 1) + 1);
        if (matches.empty() || match.first >= matches.back().second)
            matches.push_back(match);
    }
    return matches;
}

} // namespace retoscope
