// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/windows.h"

#include "base/error.h"
#include "text/strict_json.h"

#include <algorithm>

namespace retoscope {

namespace {

constexpr std::string_view schemeName = "window scheme";

/// Plans the windows of one run of tokens [first, last) that no window may leave.
void planRun(std::int64_t first, std::int64_t last, const WindowScheme &scheme, std::int32_t document, std::vector<Window> &plan)
{
    // A target needs one token of context inside its own window; with stride = block the first target would have none.
    const std::int64_t stride = std::min(scheme.stride, scheme.block - 1);
    for (std::int64_t scored = first + 1, end = first + stride; scored < last; end += stride) {
        const std::int64_t windowEnd = std::min(end, last);
        if (windowEnd <= scored)
            continue; // stride 1: the first window holds only the token that is not scored
        plan.push_back({.begin = std::max(end - scheme.block, first),
                        .end = windowEnd,
                        .firstTarget = scored,
                        .targets = static_cast<std::int32_t>(windowEnd - scored),
                        .document = document});
        scored = windowEnd;
    }
}

void check(std::span<const std::int64_t> offsets, const WindowScheme &scheme)
{
    if (scheme.block < 2)
        fail(ErrorKind::BadInput, "block is {}; a window needs at least 2 tokens, one of context and one to predict.", scheme.block);
    if (scheme.stride < 1 || scheme.stride > scheme.block)
        fail(ErrorKind::BadInput, "stride is {}; it must lie between 1 and block ({}).", scheme.stride, scheme.block);
    if (scheme.mode == WindowMode::Document && scheme.tail == WindowTail::Drop)
        fail(ErrorKind::BadInput, "tail 'drop' cuts the stream as a whole and needs mode 'stream'; use tail 'keep' with mode 'document'.");
    if (!offsets.empty() && offsets.front() != 0)
        fail(ErrorKind::BadInput, "The document offsets begin at {}, not at 0.", offsets.front());
    if (!std::is_sorted(offsets.begin(), offsets.end()))
        fail(ErrorKind::BadInput, "The document offsets are not ascending.");
}

} // namespace

void to_json(Json &json, const WindowScheme &scheme)
{
    json = {{"block", scheme.block},
            {"stride", scheme.stride},
            {"mode", scheme.mode == WindowMode::Stream ? "stream" : "document"},
            {"tail", scheme.tail == WindowTail::Keep ? "keep" : "drop"}};
}

void from_json(const Json &json, WindowScheme &scheme)
{
    requireKnownFields(json, schemeName, {"block", "stride", "mode", "tail"});
    scheme = {};
    std::string mode = "stream", tail = "keep";
    readField(json, schemeName, "block", scheme.block);
    readField(json, schemeName, "stride", scheme.stride);
    readField(json, schemeName, "mode", mode);
    readField(json, schemeName, "tail", tail);
    if (mode != "stream" && mode != "document")
        fail(ErrorKind::BadInput, "The mode of a window scheme is 'stream' or 'document', not '{}'.", mode);
    if (tail != "keep" && tail != "drop")
        fail(ErrorKind::BadInput, "The tail of a window scheme is 'keep' or 'drop', not '{}'.", tail);
    scheme.mode = mode == "stream" ? WindowMode::Stream : WindowMode::Document;
    scheme.tail = tail == "keep" ? WindowTail::Keep : WindowTail::Drop;
}

std::vector<Window> planWindows(std::span<const std::int64_t> documentOffsets, const WindowScheme &scheme)
{
    check(documentOffsets, scheme);
    std::vector<Window> plan;
    if (documentOffsets.empty())
        return plan;
    if (scheme.mode == WindowMode::Document) {
        for (std::size_t d = 0; d + 1 < documentOffsets.size(); ++d)
            planRun(documentOffsets[d], documentOffsets[d + 1], scheme, static_cast<std::int32_t>(d), plan);
        return plan;
    }
    std::int64_t total = documentOffsets.back();
    if (scheme.tail == WindowTail::Drop)
        total -= total % scheme.block;
    planRun(0, total, scheme, -1, plan);
    return plan;
}

std::int64_t countTargets(std::span<const Window> windows)
{
    std::int64_t count = 0;
    for (const Window &window : windows)
        count += window.targets;
    return count;
}

} // namespace retoscope
