// SPDX-License-Identifier: GPL-3.0-or-later
// Texts that break careless tokenizers, and the two properties that every lossless tokenizer has on them.
#pragma once

#include "text/tokenizer.h"
#include "text/utf8.h"

#include <QtTest>

#include <random>
#include <string>
#include <vector>

namespace retoscope::test {

inline std::vector<std::string> awkwardTexts()
{
    using namespace std::string_literals;
    std::vector<std::string> texts{
        "", " ", "  ", "\n", "\r\n", "\r", "\t", "a", " a", "a ", "  a  b  ", "\n\n    indented\n\tby tab\r\n",
        "\0"s, "a\0b"s, "\x01\x7F\x1B[0m", "Hello, world! It's 3.14159 o'clock; we'll see.", "'S 'T 'RE they'LL",
        "e\u0301 = \u00E9, A\u030A = \u212B", "\u2581 \u2581x\u2585", "<s></s><unk><0x0A>", "\uFEFFbom", "\u200B\u00AD\u2060",
        "\u4F60\u597D\uFF0C\u4E16\u754C\u3002\u3053\u3093\u306B\u3061\u306F \uC548\uB155", "\u05E9\u05DC\u05D5\u05DD \u0645\u0631\u062D\u0628\u0627",
        "\U0001F469\u200D\U0001F469\u200D\U0001F467 \U0001F1E9\U0001F1EA \U0001F44D\U0001F3FD", "\u0928\u092E\u0938\u094D\u0924\u0947",
        "\u00A0\u2003\u3000\u180E\u0085x", "\uFB01 \u00BD \u2460 \u217B", "\uD7FF\uE000\uFFFD\uFFFF\U0010FFFF", "a\u0300\u0301\u0302\u0303",
    };
    texts.push_back(std::string(100000, 'a'));
    texts.push_back(std::string(20000, ' ') + "x" + std::string(5000, '\n'));
    std::mt19937 random(7);
    for (int n = 0; n < 200; ++n) { // random code points, short ones more often
        std::string text;
        for (int i = 0; i < 40; ++i) {
            const unsigned bits = 5 + random() % 17;
            unsigned c = random() & ((1u << bits) - 1);
            if ((c >= 0xD800 && c < 0xE000) || c > 0x10FFFF)
                c = ' ';
            if (c < 0x80) {
                text += static_cast<char>(c);
            } else if (c < 0x800) {
                text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
            } else if (c < 0x10000) {
                text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
            } else {
                text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)), static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
            }
        }
        texts.push_back(text);
    }
    return texts;
}

/// The spans tile the text, and encode() gives the same ids.
inline void checkSpans(const Tokenizer &tokenizer, const std::string &text)
{
    const Encoding encoding = tokenizer.encodeWithSpans(text);
    const std::string shown = text.size() < 200 ? text : text.substr(0, 20) + "…";
    QVERIFY2(encoding.ids == tokenizer.encode(text), shown.c_str());
    QVERIFY2(encoding.ids.size() == encoding.spans.size(), shown.c_str());
    std::int64_t at = 0;
    for (const TextSpan &span : encoding.spans) {
        QVERIFY2(span.begin == at && span.end >= at, shown.c_str());
        at = span.end;
    }
    QVERIFY2(at == static_cast<std::int64_t>(text.size()) || encoding.ids.empty(), shown.c_str());
}

/// decode(encode(x)) == x for every text in awkwardTexts(), and each piece is the bytes of its span.
inline void checkLossless(const Tokenizer &tokenizer)
{
    for (const std::string &text : awkwardTexts()) {
        checkSpans(tokenizer, text);
        if (QTest::currentTestFailed())
            return;
        const Encoding encoding = tokenizer.encodeWithSpans(text);
        const std::string decoded = tokenizer.decode(encoding.ids);
        QVERIFY2(decoded == text, qPrintable(QString::fromStdString(text.substr(0, 60) + " -> " + decoded.substr(0, 60))));
        for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
            const auto [begin, end] = encoding.spans[i];
            QCOMPARE(tokenizer.piece(TokenId(encoding.ids[i])), text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
        }
    }
    bool refused = false;
    try {
        (void)tokenizer.encode("ok\xC3(");
    } catch (const std::exception &error) {
        refused = QString::fromUtf8(error.what()).contains("not valid UTF-8 at byte 2 (0xC3)");
    }
    QVERIFY(refused);
}

} // namespace retoscope::test
