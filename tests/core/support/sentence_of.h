// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace retoscope::test {

/// The sentence of the error that `action` throws; empty when it throws none.
template<typename Action>
std::string sentenceOf(const Action &action)
{
    try {
        action();
    } catch (const Error &error) {
        return error.what();
    }
    return {};
}

inline bool contains(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

} // namespace retoscope::test
