// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/regex.h"

#include "base/error.h"
#include "text/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>

namespace retoscope {

namespace {

// Unicode's property White_Space; PCRE2's \s also takes U+180E.
constexpr std::string_view whiteSpaceClass = R"(\x09-\x0D\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::uint32_t matchLimit = 10'000'000;

std::string translate(std::string_view pattern)
{
    std::string result;
    bool inClass = false;
    const auto refuse = [&](std::string_view what) {
        fail(ErrorKind::BadInput, "The pre-tokenizer's pattern '{}' uses {}, which cannot be reproduced exactly here.", pattern, what);
    };
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        const char c = pattern[at];
        if (c == '\\' && at + 1 < pattern.size()) {
            const char next = pattern[++at];
            if (next == 's')
                result += inClass ? std::string(whiteSpaceClass) : fmt::format("[{}]", whiteSpaceClass);
            else if (next == 'S' && !inClass)
                result += fmt::format("[^{}]", whiteSpaceClass);
            else if (std::string_view("SwWbBhHRXKGQEcC").find(next) != std::string_view::npos)
                refuse(fmt::format("\\{}", next));
            else
                result += {c, next};
            continue;
        }
        if (c == '[') {
            if (inClass)
                refuse("a class inside a class");
            inClass = true;
        } else if (c == ']') {
            inClass = false;
        } else if (!inClass && (c == '^' || c == '$')) {
            refuse("an anchor");
        }
        result += c;
        if (inClass && c == '[' && at + 1 < pattern.size() && pattern[at + 1] == '^')
            result += pattern[++at];
    }
    return result;
}

/// Working memory of matching, one a thread.
struct Scratch
{
    pcre2_match_data *data = pcre2_match_data_create(1, nullptr);
    pcre2_match_context *context = pcre2_match_context_create(nullptr);
    pcre2_jit_stack *stack = pcre2_jit_stack_create(32 * 1024, 4 * 1024 * 1024, nullptr);

    Scratch()
    {
        pcre2_set_match_limit(context, matchLimit);
        pcre2_jit_stack_assign(context, nullptr, stack);
    }
    ~Scratch()
    {
        pcre2_jit_stack_free(stack);
        pcre2_match_context_free(context);
        pcre2_match_data_free(data);
    }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
};

std::string messageOf(int code)
{
    std::array<PCRE2_UCHAR, 256> buffer{};
    pcre2_get_error_message(code, buffer.data(), buffer.size());
    return reinterpret_cast<const char *>(buffer.data());
}

} // namespace

struct Regex::Code
{
    pcre2_code *code = nullptr;
    ~Code() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view pattern) : m_pattern(pattern)
{
    const std::string translated = translate(pattern);
    int error = 0;
    PCRE2_SIZE at = 0;
    auto code = std::make_shared<Code>();
    code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                               PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
    if (!code->code)
        fail(ErrorKind::BadInput, "The pre-tokenizer's pattern '{}' is not a valid regular expression: {}.", pattern, messageOf(error));
    pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE); // without JIT support matching is slower, not different
    m_code = std::move(code);
}

std::optional<std::pair<std::size_t, std::size_t>> Regex::find(std::string_view text, std::size_t from) const
{
    thread_local Scratch scratch;
    const int found = pcre2_match(m_code->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
    if (found == PCRE2_ERROR_NOMATCH)
        return std::nullopt;
    if (found < 0)
        fail(ErrorKind::BadInput, "The pre-tokenizer's pattern '{}' fails on this text at byte {}: {}.", m_pattern, from, messageOf(found));
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(scratch.data);
    return std::pair(range[0], range[1]);
}

std::size_t whiteSpaceLength(std::string_view text, std::size_t at)
{
    if (at >= text.size())
        return 0;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80)
        return byte == ' ' || (byte >= 9 && byte <= 13) ? 1 : 0;
    const std::string_view c = text.substr(at, utf8Length(text[at]));
    static constexpr std::array<std::string_view, 8> single{"\u0085", "\u00A0", "\u1680", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};
    const bool space = std::find(single.begin(), single.end(), c) != single.end() || (c >= "\u2000" && c <= "\u200A");
    return space ? c.size() : 0;
}

} // namespace retoscope
