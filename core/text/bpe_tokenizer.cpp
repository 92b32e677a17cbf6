// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/bpe_tokenizer.h"

#include "base/error.h"
#include "base/hash.h"
#include "text/utf8.h"

#include <algorithm>
#include <atomic>
#include <unordered_set>

namespace retoscope {

void AddedTokens::add(AddedToken token)
{
    if (token.content.empty())
        return;
    auto &candidates = m_byFirstByte[static_cast<unsigned char>(token.content.front())];
    const auto longer = [&](std::size_t a) { return m_tokens[a].content.size() >= token.content.size(); };
    candidates.insert(std::partition_point(candidates.begin(), candidates.end(), longer), m_tokens.size());
    m_tokens.push_back(std::move(token));
}

const AddedToken *AddedTokens::find(std::string_view text, std::size_t from, std::size_t &begin, std::size_t &end) const
{
    for (std::size_t at = from; !m_tokens.empty() && at < text.size(); ++at)
        for (const std::size_t candidate : m_byFirstByte[static_cast<unsigned char>(text[at])]) {
            const AddedToken &token = m_tokens[candidate];
            if (!text.substr(at).starts_with(token.content))
                continue;
            begin = at;
            end = at + token.content.size();
            while (token.stripRight && whiteSpaceLength(text, end) > 0)
                end += whiteSpaceLength(text, end);
            while (token.stripLeft && begin > from) {
                const std::size_t before = utf8Boundary(text, begin - 1);
                if (before < from || whiteSpaceLength(text, before) == 0)
                    break;
                begin = before;
            }
            return &token;
        }
    return nullptr;
}

namespace {

/// Part of the text on its way through the pipeline; `origin` is null while nothing has been changed.
struct Part
{
    std::string_view text;
    std::int64_t base = 0; ///< of text[0]: in the original, or in `origin`
    const std::vector<std::int64_t> *origin = nullptr;

    [[nodiscard]] Part sub(std::size_t begin, std::size_t end) const
    {
        return {text.substr(begin, end - begin), base + static_cast<std::int64_t>(begin), origin};
    }
    [[nodiscard]] std::int64_t originalOffset(std::int64_t at) const
    {
        return origin ? (*origin)[static_cast<std::size_t>(base + at)] : base + at;
    }
};

/// Working memory of encoding, one a thread; the cache belongs to the tokenizer that used it last.
struct Scratch
{
    std::uint64_t owner = 0;
    WordCache cache;
    BpeMerger merger;
    std::vector<BpeSymbol> symbols;
};

/// Where the tokens go.
struct Output
{
    std::vector<std::int32_t> &ids;
    std::vector<TextSpan> *spans; ///< may be null

    void add(std::int32_t id, const Part &part, std::int64_t begin, std::int64_t end) const
    {
        ids.push_back(id);
        if (spans)
            spans->push_back({part.originalOffset(begin), part.originalOffset(end)});
    }
};

class BpeTokenizer final : public Tokenizer
{
public:
    explicit BpeTokenizer(BpeSpec spec) : m_spec(std::move(spec))
    {
        static std::atomic<std::uint64_t> count{0};
        m_serial = ++count;
        findGlue();
    }

    std::string kind() const override { return m_spec.kind; }
    std::int32_t vocabularySize() const override { return static_cast<std::int32_t>(m_spec.pieces.size()); }
    bool isSpecial(TokenId id) const override { return m_spec.special[row(id.value)]; }
    std::string piece(TokenId id) const override { return m_spec.pieces[row(id.value)]; }
    std::optional<TokenId> bos() const override { return m_spec.bos; }
    std::optional<TokenId> eos() const override { return m_spec.eos; }
    std::string fingerprint() const override { return m_spec.fingerprint; }
    std::vector<std::filesystem::path> files() const override { return m_spec.files; }

    std::vector<std::int32_t> encode(std::string_view text) const override
    {
        std::vector<std::int32_t> ids;
        encodeText(text, {ids, nullptr});
        return ids;
    }

    Encoding encodeWithSpans(std::string_view text) const override
    {
        Encoding encoding;
        encodeText(text, {encoding.ids, &encoding.spans});
        tile(encoding.spans, text);
        return encoding;
    }

    std::string decode(std::span<const std::int32_t> ids) const override
    {
        std::string text;
        bool first = m_spec.stripsFirstSpace;
        for (const std::int32_t id : ids) {
            std::string_view bytes = m_spec.pieces[row(id)];
            if (first && !m_spec.special[row(id)]) {
                if (bytes.starts_with(' ') && !m_spec.byteTokens[row(id)])
                    bytes.remove_prefix(1);
                first = false;
            }
            text += bytes;
        }
        return text;
    }

private:
    std::size_t row(std::int32_t id) const
    {
        if (id < 0 || id >= vocabularySize())
            fail(ErrorKind::BadInput, "Token {} is outside the vocabulary (0 to {}).", id, vocabularySize() - 1);
        return static_cast<std::size_t>(id);
    }

    /// Text that a normalizer or an added token removed belongs to the token after it, at the end to the last.
    static void tile(std::vector<TextSpan> &spans, std::string_view text)
    {
        std::int64_t covered = 0;
        for (TextSpan &span : spans) {
            span = {covered, std::max(covered, span.end)};
            covered = span.end;
        }
        if (!spans.empty())
            spans.back().end = static_cast<std::int64_t>(text.size());
    }

    void encodeText(std::string_view text, const Output &output) const
    {
        requireUtf8(text);
        thread_local Scratch scratch;
        if (scratch.owner != m_serial) {
            scratch.cache = WordCache();
            scratch.owner = m_serial;
        }
        eachBetween(m_spec.addedRaw, {text}, output, [&](const Part &part) { normalize(part, scratch, output); });
    }

    /// Puts out the added tokens in `part` and calls visit(rest) for what lies between them.
    template<typename Visit>
    void eachBetween(const AddedTokens &added, const Part &part, const Output &output, const Visit &visit) const
    {
        std::size_t at = 0, begin = 0, end = 0;
        while (const AddedToken *token = added.find(part.text, at, begin, end)) {
            if (begin > at)
                visit(part.sub(at, begin));
            output.add(token->id, part, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
            at = end;
        }
        if (at < part.text.size())
            visit(part.sub(at, part.text.size()));
    }

    /// Calls visit(part) for the part after the edits.
    template<typename Visit>
    static void edited(const std::vector<TextEdit> &edits, const Part &part, const Visit &visit)
    {
        if (edits.empty())
            return visit(part);
        AlignedText text(part.text, 0);
        for (std::int64_t &offset : text.origin)
            offset = part.originalOffset(offset);
        for (const TextEdit &edit : edits)
            edit(text);
        visit(Part{text.text, 0, &text.origin});
    }

    void normalize(const Part &part, Scratch &scratch, const Output &output) const
    {
        edited(m_spec.normalizers, part, [&](const Part &normalized) {
            eachBetween(m_spec.addedNormalized, normalized, output, [&](const Part &between) {
                edited(m_spec.edits, between, [&](const Part &ready) { split(ready, 0, scratch, output); });
            });
        });
    }

    void split(const Part &part, std::size_t stage, Scratch &scratch, const Output &output) const
    {
        if (stage == m_spec.splitters.size())
            return splitAtMarks(part, scratch, output);
        const Regex &regex = m_spec.splitters[stage];
        std::size_t at = 0, from = 0;
        while (from < part.text.size()) {
            const auto match = regex.find(part.text, from);
            if (!match)
                break;
            if (match->second == match->first) { // an empty match splits nothing off
                from = match->first + (match->first < part.text.size() ? utf8Length(part.text[match->first]) : 1);
                continue;
            }
            if (match->first > at)
                split(part.sub(at, match->first), stage + 1, scratch, output);
            split(part.sub(match->first, match->second), stage + 1, scratch, output);
            at = from = match->second;
        }
        if (at < part.text.size())
            split(part.sub(at, part.text.size()), stage + 1, scratch, output);
    }

    /// A tokenizer without pre-tokenizer merges over a whole text as if it were one word. But where no token of the
    /// vocabulary holds a character followed by the mark ("▁"), no merge can reach across that place, and the text on both
    /// sides may as well be encoded on its own: as words, which the cache knows.
    void splitAtMarks(const Part &part, Scratch &scratch, const Output &output) const
    {
        const std::string &mark = m_spec.wordMark;
        std::size_t at = 0;
        if (!mark.empty() && (m_spec.splitEveryMark || m_marksSplit))
            for (std::size_t next = part.text.find(mark, 1); next != std::string_view::npos; next = part.text.find(mark, next + mark.size())) {
                const std::size_t before = utf8Boundary(part.text, next - 1);
                if (!m_spec.splitEveryMark && m_glued.contains(std::string(part.text.substr(before, next - before))))
                    continue;
                encodeWord(part.sub(at, next), scratch, output);
                at = next;
            }
        encodeWord(part.sub(at, part.text.size()), scratch, output);
    }

    void findGlue()
    {
        const std::string &mark = m_spec.wordMark;
        m_marksSplit = !mark.empty() && m_spec.vocabulary.contains(mark);
        if (!m_marksSplit)
            return;
        for (const auto &[token, id] : m_spec.vocabulary)
            for (std::size_t at = token.find(mark, 1); at != std::string::npos; at = token.find(mark, at + 1)) {
                const std::size_t before = utf8Boundary(token, at - 1);
                m_glued.insert(token.substr(before, at - before));
            }
    }

    void encodeWord(const Part &word, Scratch &scratch, const Output &output) const
    {
        const std::uint64_t hash = xxh3(word.text.data(), word.text.size());
        const std::vector<BpeSymbol> *symbols = scratch.cache.find(word.text, hash);
        if (!symbols) {
            symbolsOf(word.text, scratch);
            scratch.cache.insert(word.text, hash, scratch.symbols);
            symbols = &scratch.symbols;
        }
        std::int64_t at = 0;
        for (const BpeSymbol &symbol : *symbols) {
            output.add(symbol.id, word, at, at + symbol.bytes);
            at += symbol.bytes;
        }
    }

    void symbolsOf(std::string_view word, Scratch &scratch) const
    {
        scratch.symbols.clear();
        if (m_spec.wholeWords)
            if (const auto whole = m_spec.vocabulary.find(word); whole != m_spec.vocabulary.end()) {
                scratch.symbols.push_back({whole->second, static_cast<std::int32_t>(word.size())});
                return;
            }
        for (std::size_t at = 0; at < word.size();) {
            const std::size_t length = m_spec.byteUnits ? 1 : utf8Length(word[at]);
            addUnit(word.substr(at, length), scratch.symbols);
            at += length;
        }
        scratch.merger.merge(scratch.symbols, m_spec.merges);
    }

    void addUnit(std::string_view unit, std::vector<BpeSymbol> &symbols) const
    {
        if (const auto token = m_spec.vocabulary.find(unit); token != m_spec.vocabulary.end()) {
            symbols.push_back({token->second, static_cast<std::int32_t>(unit.size())});
            return;
        }
        const auto byteToken = [&](char byte) { return m_spec.byteFallback[static_cast<unsigned char>(byte)]; };
        if (std::all_of(unit.begin(), unit.end(), [&](char byte) { return byteToken(byte) >= 0; })) {
            for (const char byte : unit)
                symbols.push_back({byteToken(byte), 1});
            return;
        }
        if (m_spec.unknown < 0)
            fail(ErrorKind::BadInput, "The tokenizer has no token for the byte 0x{:02X} of this text; use another tokenizer.", static_cast<unsigned char>(unit.front()));
        if (m_spec.fuseUnknown && !symbols.empty() && symbols.back().id == m_spec.unknown)
            symbols.back().bytes += static_cast<std::int32_t>(unit.size());
        else
            symbols.push_back({m_spec.unknown, static_cast<std::int32_t>(unit.size())});
    }

    BpeSpec m_spec;
    std::uint64_t m_serial = 0;
    bool m_marksSplit = false;
    std::unordered_set<std::string> m_glued; ///< characters after which the mark may be merged
};

} // namespace

std::shared_ptr<const Tokenizer> makeBpeTokenizer(BpeSpec spec)
{
    return std::make_shared<BpeTokenizer>(std::move(spec));
}

} // namespace retoscope
