// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizer that all BPE formats are read into; the readers only fill in what makes them differ.
#pragma once

#include "text/bpe.h"
#include "text/regex.h"
#include "text/text_edit.h"
#include "text/tokenizer.h"

#include <array>

namespace retoscope {

/// A token that is cut out of the text before it is split into words.
struct AddedToken
{
    std::string content;
    std::int32_t id = -1;
    bool special = false;
    bool stripLeft = false; ///< takes the white space before it along
    bool stripRight = false;
};

/// Finds added tokens: at each place the longest, from left to right.
class AddedTokens
{
public:
    void add(AddedToken token);
    [[nodiscard]] bool empty() const { return m_tokens.empty(); }
    /// The first at or after `from` with its range; null at the end.
    [[nodiscard]] const AddedToken *find(std::string_view text, std::size_t from, std::size_t &begin, std::size_t &end) const;

private:
    std::vector<AddedToken> m_tokens;
    std::array<std::vector<std::size_t>, 256> m_byFirstByte; ///< longest first
};

/// Data of a BPE tokenizer, immutable once the tokenizer is made.
struct BpeSpec
{
    std::string kind;
    std::vector<std::string> pieces;       ///< bytes of each token; empty for control tokens
    std::vector<bool> special;             ///< [pieces]
    std::vector<bool> byteTokens;          ///< [pieces]: a lone byte that other tokens' characters do not contain
    StringMap<std::int32_t> vocabulary;    ///< tokens that words are made of, by their bytes
    BpeMerges merges;
    bool byteUnits = false;                ///< words start as bytes (GPT-2) or as code points
    std::array<std::int32_t, 256> byteFallback{}; ///< token of a byte of an unknown code point, −1 without fallback
    std::int32_t unknown = -1;             ///< −1: an unknown unit is refused
    bool fuseUnknown = false;
    bool wholeWords = false;               ///< a word in the vocabulary is one token whatever the merges say

    AddedTokens addedRaw;                  ///< looked for in the text as it is
    std::vector<TextEdit> normalizers;     ///< then every part between them is normalized
    AddedTokens addedNormalized;           ///< looked for in what comes out
    std::vector<TextEdit> edits;           ///< then the pre-tokenizer's own changes of each part
    std::vector<Regex> splitters;          ///< each splits what the one before left; matches and gaps are words
    std::string wordMark;                  ///< words also begin at this mark, see BpeTokenizer::splitAtMarks()
    bool splitEveryMark = false;           ///< … at each one, as the format says; else only where it cannot matter
    bool stripsFirstSpace = false;         ///< decode() removes the space that encode() put in front

    std::optional<TokenId> bos, eos;
    std::vector<std::filesystem::path> files;
    std::string fingerprint;
};

std::shared_ptr<const Tokenizer> makeBpeTokenizer(BpeSpec spec);

/// Hugging Face tokenizer.json of a BPE model. What it holds that cannot be done exactly is refused, naming the component.
std::shared_ptr<const Tokenizer> loadTokenizerJson(const std::filesystem::path &file);
/// GPT-2's vocab.json and merges.txt.
std::shared_ptr<const Tokenizer> loadVocabularyAndMerges(const std::filesystem::path &vocabulary, const std::filesystem::path &merges);
/// llama2.c's tokenizer file, with the encoding rules of its run.c.
std::shared_ptr<const Tokenizer> loadLlama2c(const std::filesystem::path &file);

} // namespace retoscope
