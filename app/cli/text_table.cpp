// SPDX-License-Identifier: GPL-3.0-or-later
#include "text_table.h"

#include "terminal.h"

#include <algorithm>
#include <cctype>

namespace retoscope::cli {

namespace {

constexpr std::string_view gap = "  ";

bool looksLikeNumber(const std::string &cell)
{
    const auto isNumeric = [](unsigned char c) { return std::isdigit(c) || c == '.' || c == ',' || c == '-' || c == '+' || c == '%' || c == ' '; };
    return cell.empty() || cell == "∞" || cell == "–" || (std::all_of(cell.begin(), cell.end(), isNumeric));
}

void append(std::string &out, const std::string &cell, int width, bool right)
{
    const std::string padding(static_cast<std::size_t>(std::max(0, width - displayWidth(cell))), ' ');
    out += right ? padding + cell : cell + padding;
}

} // namespace

TextTable::TextTable(std::vector<std::string> headings) : m_headings(std::move(headings)) {}

void TextTable::addRow(std::vector<std::string> cells)
{
    cells.resize(m_headings.size());
    m_rows.push_back(std::move(cells));
}

std::string TextTable::toString() const
{
    const auto columns = m_headings.size();
    std::vector<int> widths(columns);
    std::vector<bool> right(columns, true);
    for (std::size_t c = 0; c < columns; ++c) {
        widths[c] = displayWidth(m_headings[c]);
        for (const auto &row : m_rows) {
            widths[c] = std::max(widths[c], displayWidth(row[c]));
            right[c] = right[c] && looksLikeNumber(row[c]);
        }
    }
    std::string out;
    const auto addLine = [&](const std::vector<std::string> &cells) {
        std::string line;
        for (std::size_t c = 0; c < columns; ++c) {
            if (c > 0)
                line += gap;
            append(line, cells[c], widths[c], right[c]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    };
    addLine(m_headings);
    const std::string dash = terminalIsUtf8() ? "─" : "-";
    for (std::size_t c = 0; c < columns; ++c) {
        if (c > 0)
            out += gap;
        for (int i = 0; i < widths[c]; ++i)
            out += dash;
    }
    out += "\n";
    for (const auto &row : m_rows)
        addLine(row);
    return out;
}

} // namespace retoscope::cli
