// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/ids.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

/// Bytes [begin, end) of the encoded text that a token stands for. The spans of a text tile it in order; a token that
/// stands for nothing (BOS) has begin == end.
struct TextSpan
{
    std::int64_t begin = 0;
    std::int64_t end = 0;
    friend bool operator==(const TextSpan &, const TextSpan &) = default;
};

struct Encoding
{
    std::vector<std::int32_t> ids;
    std::vector<TextSpan> spans;
};

/// Text ↔ token ids, exact with respect to the implementation that the model was trained with. Immutable and
/// thread-safe after load. encode() throws BadInput for invalid UTF-8, naming the byte.
class Tokenizer
{
public:
    virtual ~Tokenizer() = default;

    /// Opens a folder (tokenizer.json, or vocab.json + merges.txt, or tokenizer.model/spiece.model, or tok*.bin) or one of
    /// those files. Throws NotFound listing what was looked for, Corrupt or BadInput.
    static std::shared_ptr<const Tokenizer> load(const std::filesystem::path &path);

    [[nodiscard]] virtual std::string kind() const = 0; ///< "byte-level BPE", "SentencePiece unigram", "llama2.c" …
    [[nodiscard]] virtual std::int32_t vocabularySize() const = 0;
    [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text) const = 0; ///< no BOS or EOS added
    [[nodiscard]] virtual Encoding encodeWithSpans(std::string_view text) const = 0;
    [[nodiscard]] virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
    /// The bytes that the token contributes in the middle of a text (" the", "\n"; a lone byte for a byte token, which need
    /// not be valid UTF-8; empty for control tokens).
    [[nodiscard]] virtual std::string piece(TokenId id) const = 0;
    [[nodiscard]] virtual bool isSpecial(TokenId id) const = 0; ///< BOS, EOS, PAD, UNK, added special tokens
    [[nodiscard]] virtual std::optional<TokenId> bos() const = 0;
    [[nodiscard]] virtual std::optional<TokenId> eos() const = 0;
    /// SHA-256 over what determines encode() and decode(); equal for the same tokenizer read from different files only
    /// when the files are the same.
    [[nodiscard]] virtual std::string fingerprint() const = 0;
    /// The files it was read from, to be copied beside a model that is trained with it.
    [[nodiscard]] virtual std::vector<std::filesystem::path> files() const = 0;
};

} // namespace retoscope
