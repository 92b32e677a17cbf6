// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/utf8.h"

#include "base/error.h"

#include <cstdint>
#include <cstring>

namespace retoscope {

namespace {

/// Length of the well-formed code point at `at`, 0 if there is none.
std::size_t wellFormedLength(std::string_view text, std::size_t at)
{
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto within = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
    const unsigned lead = byte(at);
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return within(at + 1, 0x80, 0xBF) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const unsigned low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
        return within(at + 1, low, high) && within(at + 2, 0x80, 0xBF) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const unsigned low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
        return within(at + 1, low, high) && within(at + 2, 0x80, 0xBF) && within(at + 3, 0x80, 0xBF) ? 4 : 0;
    }
    return 0;
}

} // namespace

std::size_t findInvalidUtf8(std::string_view text)
{
    std::size_t at = 0;
    while (at < text.size()) {
        std::uint64_t word = 0;
        if (at + sizeof word <= text.size()) { // eight ASCII bytes at once
            std::memcpy(&word, text.data() + at, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                at += sizeof word;
                continue;
            }
        }
        const std::size_t length = wellFormedLength(text, at);
        if (length == 0)
            return at;
        at += length;
    }
    return std::string_view::npos;
}

void requireUtf8(std::string_view text)
{
    if (const std::size_t at = findInvalidUtf8(text); at != std::string_view::npos)
        fail(ErrorKind::BadInput, "The text is not valid UTF-8 at byte {} (0x{:02X}); convert it to UTF-8 first.", at,
             static_cast<unsigned char>(text[at]));
}

std::size_t utf8Boundary(std::string_view text, std::size_t at)
{
    if (at >= text.size())
        return text.size();
    while (at > 0 && isUtf8Continuation(text[at]))
        --at;
    return at;
}

} // namespace retoscope
