// SPDX-License-Identifier: GPL-3.0-or-later
// How evaluation and datastore building walk a token stream (retrieval.md section 3): window j covers
// [max(j·stride + stride − block, 0), min(j·stride + stride, total)) and scores the targets that no earlier window scored.
#pragma once

#include "base/manifest.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace retoscope {

enum class WindowMode
{
    Stream,   ///< documents concatenated, as knn-transformers and fairseq do; the first token of the stream is not scored
    Document, ///< windows never cross a document; its first token (BOS where the store has one) is not scored
};

enum class WindowTail
{
    Keep, ///< the last window may be shorter
    Drop, ///< parity with knn-transformers: tokens after the last whole block are dropped
};

struct WindowScheme
{
    std::int32_t block = 512;  ///< longest context plus targets, tokens
    std::int32_t stride = 256; ///< new targets per window, tokens; 1 ≤ stride ≤ block
    WindowMode mode = WindowMode::Stream;
    WindowTail tail = WindowTail::Keep;
    friend bool operator==(const WindowScheme &, const WindowScheme &) = default;
};

void to_json(Json &json, const WindowScheme &scheme);
/// Strict: unknown fields and values are refused with a sentence.
void from_json(const Json &json, WindowScheme &scheme);

/// One forward pass: tokens [begin, end) of the stream go in; the targets firstTarget … firstTarget+targets−1 (stream
/// indices) are scored, each from the hidden state one token earlier.
struct Window
{
    std::int64_t begin = 0;
    std::int64_t end = 0;
    std::int64_t firstTarget = 0;
    std::int32_t targets = 0;
    std::int32_t document = -1; ///< Document mode: which; Stream mode: −1
    friend bool operator==(const Window &, const Window &) = default;
};

/// `documentOffsets`: starts of the documents in the stream plus its total, ascending (retrieval.md; TokenStore). Windows
/// without a target are left out. Throws BadInput for an impossible scheme.
std::vector<Window> planWindows(std::span<const std::int64_t> documentOffsets, const WindowScheme &scheme);

/// Number of scored targets of a plan (N of a datastore built with it).
std::int64_t countTargets(std::span<const Window> windows);

} // namespace retoscope
