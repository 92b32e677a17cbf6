// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/sentencepiece_tokenizer.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "text/sentencepiece_library.h"
#include "text/utf8.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::string_view spaceMark = "\u2581"; // SentencePiece writes spaces as U+2581 LOWER ONE EIGHTH BLOCK
constexpr std::uint64_t maximalModelSize = 256u << 20;

std::string withSpaces(std::string_view piece)
{
    std::string text;
    for (std::size_t at = 0; at < piece.size();) {
        if (piece.substr(at, spaceMark.size()) == spaceMark) {
            text += ' ';
            at += spaceMark.size();
        } else {
            text += piece[at++];
        }
    }
    return text;
}

class SentencePieceTokenizer final : public Tokenizer
{
public:
    explicit SentencePieceTokenizer(const fs::path &file) : m_file(file)
    {
        const std::string model = readFile(file, maximalModelSize);
        m_fingerprint = sha256("sentencepiece\n" + sha256(model));
        m_model = model.empty() ? nullptr : sentencePieceLibrary().load(model);
        if (!m_model)
            fail(ErrorKind::Corrupt, "{} is not a SentencePiece model or is damaged; fetch it again.", file.string());
        findByteTokens();
        m_lossless = probeLossless();
    }

    std::string kind() const override { return "SentencePiece"; }
    std::int32_t vocabularySize() const override { return m_model->size(); }

    std::vector<std::int32_t> encode(std::string_view text) const override
    {
        requireUtf8(text);
        std::vector<std::int32_t> ids;
        eachPart(text, [&](std::string_view part, std::int64_t, bool literal) {
            const std::vector<int> encoded = literal ? bytesOf(part) : encodePart(part);
            ids.insert(ids.end(), encoded.begin(), encoded.end());
        });
        return ids;
    }

    Encoding encodeWithSpans(std::string_view text) const override
    {
        requireUtf8(text);
        Encoding encoding;
        eachPart(text, [&](std::string_view part, std::int64_t offset, bool literal) {
            if (literal)
                appendBytes(part, offset, encoding);
            else
                appendPieces(part, offset, encoding);
        });
        if (!encoding.spans.empty())
            encoding.spans.back().end = static_cast<std::int64_t>(text.size()); // spaces that the normalizer removed
        return encoding;
    }

    std::string decode(std::span<const std::int32_t> ids) const override
    {
        for (const std::int32_t id : ids)
            requireToken(id);
        std::string text;
        const std::string problem = m_model->decode(std::vector<int>(ids.begin(), ids.end()), text);
        if (!problem.empty())
            fail(ErrorKind::BadInput, "SentencePiece cannot decode these tokens: {}.", problem);
        return text;
    }

    std::string piece(TokenId id) const override
    {
        requireToken(id.value);
        if (m_model->isControl(id.value) || m_model->isUnknown(id.value))
            return {};
        if (m_model->isByte(id.value)) {
            const auto byte = std::find(m_byteTokens.begin(), m_byteTokens.end(), id.value) - m_byteTokens.begin();
            return std::string(1, static_cast<char>(byte));
        }
        return withSpaces(m_model->piece(id.value));
    }

    bool isSpecial(TokenId id) const override
    {
        requireToken(id.value);
        return m_model->isControl(id.value) || m_model->isUnknown(id.value);
    }

    std::optional<TokenId> bos() const override { return control(m_model->bos()); }
    std::optional<TokenId> eos() const override { return control(m_model->eos()); }
    std::string fingerprint() const override { return m_fingerprint; }
    std::vector<fs::path> files() const override { return {m_file}; }

private:
    static std::optional<TokenId> control(int id)
    {
        return id >= 0 ? std::optional(TokenId(id)) : std::nullopt;
    }

    void requireToken(std::int32_t id) const
    {
        if (id < 0 || id >= vocabularySize())
            fail(ErrorKind::BadInput, "Token {} is outside the vocabulary of {} (0 to {}).", id, m_file.string(), vocabularySize() - 1);
    }

    void findByteTokens()
    {
        m_byteTokens.assign(256, -1);
        for (int byte = 0; byte < 256; ++byte) {
            const int id = m_model->idOf(fmt::format("<0x{:02X}>", byte));
            if (id >= 0 && id < vocabularySize() && m_model->isByte(id))
                m_byteTokens[static_cast<std::size_t>(byte)] = id;
        }
    }

    /// Models without normalization, dummy prefix or removal of spaces (ours are) return every text unchanged but for
    /// one: a U+2581 in the text, which the library takes for a space. Those we encode as bytes.
    bool probeLossless() const
    {
        if (std::find(m_byteTokens.begin(), m_byteTokens.end(), -1) != m_byteTokens.end())
            return false;
        std::vector<std::string> pieces;
        std::string joined;
        if (!m_model->encode("a  \uFB01 ", pieces).empty())
            return false;
        for (const std::string &piece : pieces)
            joined += withSpaces(piece);
        std::string decoded;
        return m_model->decode(pieces, decoded).empty() && decoded == "a  \uFB01 " && joined.front() == 'a';
    }

    /// Calls visit(part, offset, literal) for the text between literal U+2581 and for these themselves.
    template<typename Visit>
    void eachPart(std::string_view text, const Visit &visit) const
    {
        std::size_t at = 0;
        while (at < text.size()) {
            const std::size_t mark = m_lossless ? text.find(spaceMark, at) : std::string_view::npos;
            const std::size_t end = std::min(mark, text.size());
            if (end > at)
                visit(text.substr(at, end - at), static_cast<std::int64_t>(at), false);
            if (end < text.size())
                visit(text.substr(end, spaceMark.size()), static_cast<std::int64_t>(end), true);
            at = end < text.size() ? end + spaceMark.size() : end;
        }
    }

    std::vector<int> bytesOf(std::string_view text) const
    {
        std::vector<int> ids;
        for (const char byte : text)
            ids.push_back(m_byteTokens[static_cast<unsigned char>(byte)]);
        return ids;
    }

    std::vector<int> encodePart(std::string_view part) const
    {
        std::vector<int> ids;
        const std::string problem = m_model->encode(part, ids);
        if (!problem.empty())
            fail(ErrorKind::BadInput, "SentencePiece cannot encode this text: {}.", problem);
        return ids;
    }

    void appendBytes(std::string_view text, std::int64_t offset, Encoding &encoding) const
    {
        for (const int id : bytesOf(text)) {
            encoding.ids.push_back(id);
            encoding.spans.push_back({offset, offset + 1});
            ++offset;
        }
    }

    /// The library gives the whole character to the last of its byte tokens and leaves gaps where its normalizer removed
    /// text. Here every byte token stands for its own byte, and a gap belongs to the token after it.
    void appendPieces(std::string_view part, std::int64_t offset, Encoding &encoding) const
    {
        std::int64_t covered = 0;
        std::size_t pendingBytes = 0;
        for (const auto &piece : m_model->encodeWithEnds(part)) {
            const auto end = std::max<std::int64_t>(covered, piece.end);
            encoding.ids.push_back(piece.id);
            encoding.spans.push_back({offset + covered, offset + end});
            if (m_model->isByte(piece.id) && end == covered) {
                ++pendingBytes;
            } else {
                if (pendingBytes > 0 && end - covered == static_cast<std::int64_t>(pendingBytes) + 1)
                    spreadOverBytes(encoding.spans, pendingBytes + 1, offset + covered);
                pendingBytes = 0;
            }
            covered = end;
        }
    }

    static void spreadOverBytes(std::vector<TextSpan> &spans, std::size_t count, std::int64_t begin)
    {
        for (auto span = spans.end() - static_cast<std::ptrdiff_t>(count); span != spans.end(); ++span, ++begin)
            *span = {begin, begin + 1};
    }

    fs::path m_file;
    std::unique_ptr<SentencePieceModel> m_model;
    std::string m_fingerprint;
    std::vector<int> m_byteTokens; ///< [256], −1 where the model has none
    bool m_lossless = false;
};

} // namespace

std::shared_ptr<const Tokenizer> loadSentencePiece(const fs::path &file)
{
    return std::make_shared<SentencePieceTokenizer>(file);
}

} // namespace retoscope
