// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace retoscope::cli {

/// Aligned text for a terminal: a heading, a rule, rows. Columns of numbers are aligned to the right.
class TextTable
{
public:
    explicit TextTable(std::vector<std::string> headings);
    /// As many cells as there are headings.
    void addRow(std::vector<std::string> cells);
    [[nodiscard]] bool empty() const { return m_rows.empty(); }
    /// Ends with a newline.
    [[nodiscard]] std::string toString() const;

private:
    std::vector<std::string> m_headings;
    std::vector<std::vector<std::string>> m_rows;
};

} // namespace retoscope::cli
