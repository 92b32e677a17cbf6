// SPDX-License-Identifier: GPL-3.0-or-later
// Runs as a table: what the command line lists and what people paste into papers and spreadsheets.
#pragma once

#include "ledger/ledger.h"
#include "trace/evaluation_settings.h"

#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

/// One column of the table, as text for people (`text`) and for other programs (`value`, null when it does not apply).
struct RunColumn
{
    std::string name;    ///< e.g. "min_knns"
    std::string heading; ///< e.g. "min_knns", "λ"
    bool numeric = true;
};
const std::vector<RunColumn> &runColumns();
Json runValue(const RunRow &run, const std::string &column);
std::string runText(const RunRow &run, const std::string &column);

/// The setting that made the run, without the artefacts beside it. Throws BadInput naming the field that is not known.
EvaluationSettings settingsOf(const RunRow &run);

/// Everything that the ledger knows about a run.
Json toJson(const RunRow &run);

enum class TableFormat { Csv, Markdown, Latex, JsonText };
TableFormat tableFormatFromString(std::string_view text); ///< throws Usage
std::string exportRuns(const std::vector<RunRow> &runs, TableFormat format);

/// Building blocks, also for other tables. The first row holds the headings.
using TableCells = std::vector<std::vector<std::string>>;
std::string toCsv(const TableCells &cells); ///< RFC 4180
std::string toMarkdown(const TableCells &cells, const std::vector<bool> &rightAligned);
std::string toLatex(const TableCells &cells, const std::vector<bool> &rightAligned); ///< booktabs

} // namespace retoscope
