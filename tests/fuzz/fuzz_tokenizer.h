// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/error.h"
#include "text/bpe_tokenizer.h"

#include "fuzz_input.h"

#include <cstdlib>

namespace retoscope::fuzz {

/// A tokenizer that could be read must work on any text: ids within its vocabulary, spans within the text.
inline void useTokenizer(const Tokenizer &tokenizer)
{
    for (const std::string_view text : {std::string_view("Hello, world 42!\n\tdon't  stop"), std::string_view("\u00E9\u2581 \U0001F600 \xF0\x9F")}) {
        try {
            const Encoding encoding = tokenizer.encodeWithSpans(text);
            if (encoding.ids.size() != encoding.spans.size())
                std::abort();
            std::int64_t end = 0;
            for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
                const TextSpan span = encoding.spans[i];
                if (encoding.ids[i] < 0 || encoding.ids[i] >= tokenizer.vocabularySize() || span.begin != end || span.end < span.begin)
                    std::abort();
                end = span.end;
            }
            if (end > static_cast<std::int64_t>(text.size()))
                std::abort();
            (void)tokenizer.decode(encoding.ids);
        } catch (const Error &) { // a pattern that gives up, a text that is not UTF-8
        }
    }
}

} // namespace retoscope::fuzz
