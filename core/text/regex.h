// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace retoscope {

/// A pre-tokenizer's regular expression, compiled by PCRE2 (UTF, Unicode properties, JIT). tokenizer.json files are
/// written for Oniguruma; where the two read a pattern differently it is translated (\s is Unicode's White_Space) or
/// refused with a sentence (\w, \b, ^, $). Thread-safe.
class Regex
{
public:
    explicit Regex(std::string_view pattern);

    /// Bytes [first, second) of the first match at or after `from`. `text` is valid UTF-8 and `from` begins a code point.
    /// Throws BadInput when the pattern backtracks beyond reason.
    [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find(std::string_view text, std::size_t from) const;

private:
    struct Code;
    std::shared_ptr<const Code> m_code;
    std::string m_pattern;
};

/// Length in bytes of the White_Space character that begins at `at`, 0 if another character does.
std::size_t whiteSpaceLength(std::string_view text, std::size_t at);

} // namespace retoscope
