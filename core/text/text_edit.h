// SPDX-License-Identifier: GPL-3.0-or-later
// Normalizers: changes of the text before it is split, with the way back to the bytes of the original.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

/// A changed text and, for each of its byte offsets 0 … size, the offset in the original that it came from (ascending).
struct AlignedText
{
    std::string text;
    std::vector<std::int64_t> origin;

    /// `text` unchanged, standing at `offset` in the original.
    AlignedText(std::string_view original, std::int64_t offset);
    /// Replaces bytes [begin, end) by `replacement`, whose inside stands for nothing but the begin of what it replaces.
    struct Change
    {
        std::size_t begin, end;
        std::string replacement;
    };
    /// The changes are in order and do not overlap.
    void apply(const std::vector<Change> &changes);
};

enum class UnicodeForm { Nfc, Nfd, Nfkc, Nfkd };

/// One step, e.g. "replace ' ' by '▁'". Does nothing to an empty text.
using TextEdit = std::function<void(AlignedText &)>;

TextEdit prependEdit(std::string prefix);
/// Prepends unless the text begins with the prefix already; with `onlyAtStart` only where the original text begins.
TextEdit prependUnlessThereEdit(std::string prefix, bool onlyAtStart);
TextEdit replaceEdit(std::string pattern, std::string replacement);
TextEdit unicodeEdit(UnicodeForm form);

} // namespace retoscope
