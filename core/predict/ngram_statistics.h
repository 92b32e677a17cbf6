// SPDX-License-Identifier: GPL-3.0-or-later
// What the training text knows of a context: how often its last n tokens occur, and how many distinct tokens follow them.
// Features of adaptive retrieval (He, Neubig and Berg-Kirkpatrick 2021, section 4.1: frequency and fertility).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace retoscope {

class JobControl;

inline constexpr std::int32_t longestNgram = 4;

/// Index n − 1 is for the last n tokens; 0 where the context is shorter than that.
struct ContextStatistics
{
    std::array<std::int64_t, longestNgram> frequency{}; ///< occurrences in the training text
    std::array<std::int64_t, longestNgram> followers{}; ///< distinct tokens after them, within a document
    friend bool operator==(const ContextStatistics &, const ContextStatistics &) = default;
};

/// The training text is `text`, whose documents begin at `documentStarts` (first token of each, then the total; n-grams do
/// not cross). Context t is made of the `lengths[t]` tokens before `tokens[t]`, nearest last; more than longestNgram do not
/// matter. Exact counts. One pass over the text; memory for the contexts' n-grams and their followers only. [tokens]
std::vector<ContextStatistics> contextStatistics(std::span<const std::int32_t> text, std::span<const std::int64_t> documentStarts,
                                                 std::span<const std::int32_t> tokens, std::span<const std::int32_t> lengths, JobControl &job);

} // namespace retoscope
