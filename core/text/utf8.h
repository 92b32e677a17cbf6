// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <string_view>

namespace retoscope {

/// Length in bytes of the code point that begins with `lead` in valid UTF-8.
constexpr std::size_t utf8Length(char lead)
{
    const auto byte = static_cast<unsigned char>(lead);
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// True for the second and later bytes of a code point.
constexpr bool isUtf8Continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// Offset of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7: no overlong forms, no
/// surrogates, nothing above U+10FFFF); npos when all is well.
std::size_t findInvalidUtf8(std::string_view text);

/// Throws BadInput "the text is not valid UTF-8 at byte N …" for text that is handed to a tokenizer.
void requireUtf8(std::string_view text);

/// The largest offset ≤ `at` that begins a code point.
std::size_t utf8Boundary(std::string_view text, std::size_t at);

} // namespace retoscope
