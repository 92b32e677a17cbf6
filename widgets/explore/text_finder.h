// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "explore/token_cells.h"

#include <cstddef>

namespace retoscope {

class JobControl;

/// The whole text of a stream with the character at which each token begins: finds words across token borders. Immutable;
/// made and asked on a worker thread.
class TextFinder
{
public:
    TextFinder(const TokenStream &stream, JobControl &job);

    using Match = std::pair<std::int64_t, std::int64_t>; ///< positions [first, end)
    /// Ignores case; ascending, without overlap, at most `limit`. An empty needle is found nowhere.
    [[nodiscard]] std::vector<Match> find(const QString &needle, std::size_t limit, JobControl &job) const;

private:
    QString m_text;
    std::vector<qsizetype> m_starts; ///< [positions + 1]
};

} // namespace retoscope
