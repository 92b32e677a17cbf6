// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/text_edit.h"

#include "base/error.h"

#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>

#include <numeric>

namespace retoscope {

AlignedText::AlignedText(std::string_view original, std::int64_t offset) : text(original), origin(original.size() + 1)
{
    std::iota(origin.begin(), origin.end(), offset);
}

void AlignedText::apply(const std::vector<Change> &changes)
{
    if (changes.empty())
        return;
    std::string newText;
    std::vector<std::int64_t> newOrigin;
    newText.reserve(text.size());
    newOrigin.reserve(origin.size());
    std::size_t at = 0;
    const auto keep = [&](std::size_t end) {
        newText.append(text, at, end - at);
        newOrigin.insert(newOrigin.end(), origin.begin() + static_cast<std::ptrdiff_t>(at), origin.begin() + static_cast<std::ptrdiff_t>(end));
    };
    for (const Change &change : changes) {
        keep(change.begin);
        newText += change.replacement;
        newOrigin.insert(newOrigin.end(), change.replacement.size(), origin[change.begin]);
        at = change.end;
    }
    keep(text.size());
    newOrigin.push_back(origin.back());
    text = std::move(newText);
    origin = std::move(newOrigin);
}

TextEdit prependEdit(std::string prefix)
{
    return [prefix = std::move(prefix)](AlignedText &text) {
        if (!text.text.empty())
            text.apply({{0, 0, prefix}});
    };
}

TextEdit prependUnlessThereEdit(std::string prefix, bool onlyAtStart)
{
    return [prefix = std::move(prefix), onlyAtStart](AlignedText &text) {
        if (!text.text.empty() && !text.text.starts_with(prefix) && (!onlyAtStart || text.origin.front() == 0))
            text.apply({{0, 0, prefix}});
    };
}

TextEdit replaceEdit(std::string pattern, std::string replacement)
{
    return [pattern = std::move(pattern), replacement = std::move(replacement)](AlignedText &text) {
        std::vector<AlignedText::Change> changes;
        for (std::size_t at = text.text.find(pattern); at != std::string::npos; at = text.text.find(pattern, at + pattern.size()))
            changes.push_back({at, at + pattern.size(), replacement});
        text.apply(changes);
    };
}

TextEdit unicodeEdit(UnicodeForm form)
{
    UErrorCode status = U_ZERO_ERROR;
    const bool compatible = form == UnicodeForm::Nfkc || form == UnicodeForm::Nfkd;
    const bool compose = form == UnicodeForm::Nfc || form == UnicodeForm::Nfkc;
    const icu::Normalizer2 *normalizer = icu::Normalizer2::getInstance(nullptr, compatible ? "nfkc" : "nfc", compose ? UNORM2_COMPOSE : UNORM2_DECOMPOSE, status);
    if (U_FAILURE(status))
        fail(ErrorKind::Resource, "ICU cannot load its Unicode normalization data: {}; reinstall ICU.", u_errorName(status));
    return [normalizer](AlignedText &text) {
        UErrorCode code = U_ZERO_ERROR;
        const icu::StringPiece source(text.text.data(), static_cast<std::int32_t>(text.text.size()));
        if (normalizer->isNormalizedUTF8(source, code) && U_SUCCESS(code))
            return;
        code = U_ZERO_ERROR;
        std::string result;
        icu::StringByteSink<std::string> sink(&result);
        icu::Edits edits;
        normalizer->normalizeUTF8(0, source, sink, &edits, code);
        std::vector<AlignedText::Change> changes;
        for (auto change = edits.getCoarseChangesIterator(); change.next(code);)
            changes.push_back({static_cast<std::size_t>(change.sourceIndex()), static_cast<std::size_t>(change.sourceIndex() + change.oldLength()),
                               result.substr(static_cast<std::size_t>(change.destinationIndex()), static_cast<std::size_t>(change.newLength()))});
        if (U_FAILURE(code))
            fail(ErrorKind::BadInput, "ICU cannot normalize this text: {}.", u_errorName(code));
        text.apply(changes);
    };
}

} // namespace retoscope
