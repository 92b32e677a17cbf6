// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/run_table.h"

#include "base/error.h"

#include <algorithm>
#include <array>

namespace retoscope {

namespace {

/// The value at "a.b.c", null when it is not there.
Json valueAt(const Json &json, std::string_view path)
{
    const Json *at = &json;
    while (!path.empty()) {
        const auto dot = std::min(path.find('.'), path.size());
        const auto found = at->find(std::string(path.substr(0, dot)));
        if (!at->is_object() || found == at->end())
            return nullptr;
        at = &*found;
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return *at;
}

struct Source
{
    std::string_view column;
    bool knn = false;       ///< does not apply to the LM alone
    bool automaton = false; ///< applies to RetoMaton only
    std::string_view path;  ///< in config, or in metrics when it begins with "metrics."
};

constexpr std::array sources = {
    Source{"perplexity", false, false, "metrics.perplexity"},
    Source{"nll", false, false, "metrics.nll"},
    Source{"foss", false, false, "metrics.foss"},
    Source{"foss_reference", false, false, "metrics.foss_reference"},
    Source{"searches", false, false, "metrics.searches"},
    Source{"positions", false, false, "metrics.positions"},
    Source{"lambda", true, false, "lambda"},
    Source{"temperature", true, false, "temperature"},
    Source{"k", true, false, "k"},
    Source{"min_knns", false, true, "automaton.min_knns"},
    Source{"max_knns", false, true, "automaton.max_knns"},
    Source{"distances", true, false, "distances"},
    Source{"semantics", true, false, "automaton.semantics"},
    Source{"trace", false, false, "artefacts.trace.name"},
    Source{"model", false, false, "artefacts.model.name"},
    Source{"helped", true, false, "metrics.helped"},
    Source{"hurt", true, false, "metrics.hurt"},
};

std::string escapedForCsv(const std::string &cell)
{
    if (cell.find_first_of(",\"\r\n") == std::string::npos)
        return cell;
    std::string quoted = "\"";
    for (const char c : cell)
        quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

std::string escapedForMarkdown(const std::string &cell)
{
    std::string escaped;
    for (const char c : cell)
        escaped += c == '|' ? std::string("\\|") : c == '\n' ? std::string(" ") : std::string(1, c);
    return escaped;
}

std::string escapedForLatex(const std::string &cell)
{
    if (cell == "∞")
        return "$\\infty$";
    if (cell == "λ")
        return "$\\lambda$";
    if (cell == "–")
        return "--";
    std::string escaped;
    for (const char c : cell) {
        switch (c) {
        case '\\':
            escaped += "\\textbackslash{}";
            break;
        case '~':
            escaped += "\\textasciitilde{}";
            break;
        case '^':
            escaped += "\\textasciicircum{}";
            break;
        default:
            if (std::string_view("&%$#_{}").find(c) != std::string_view::npos)
                escaped += '\\';
            escaped += c;
        }
    }
    return escaped;
}

std::string plainText(const Json &value)
{
    if (value.is_null())
        return "";
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<bool> alignments()
{
    std::vector<bool> right;
    for (const auto &column : runColumns())
        right.push_back(column.numeric);
    return right;
}

/// For other programs: full precision, plain names, empty where it does not apply.
TableCells machineCells(const std::vector<RunRow> &runs)
{
    TableCells cells(1);
    for (const auto &column : runColumns())
        cells.front().push_back(column.name);
    for (const auto &run : runs) {
        auto &row = cells.emplace_back();
        for (const auto &column : runColumns())
            row.push_back(plainText(runValue(run, column.name)));
    }
    return cells;
}

TableCells peopleCells(const std::vector<RunRow> &runs)
{
    TableCells cells(1);
    for (const auto &column : runColumns())
        cells.front().push_back(column.heading);
    for (const auto &run : runs) {
        auto &row = cells.emplace_back();
        for (const auto &column : runColumns())
            row.push_back(runText(run, column.name));
    }
    return cells;
}

} // namespace

const std::vector<RunColumn> &runColumns()
{
    static const std::vector<RunColumn> columns = {
        {"id", "run", true},
        {"method", "method", false},
        {"perplexity", "perplexity", true},
        {"nll", "nll", true},
        {"foss", "FoSS", true},
        {"searches", "searches", true},
        {"positions", "positions", true},
        {"lambda", "λ", true},
        {"temperature", "T", true},
        {"k", "k", true},
        {"min_knns", "min_knns", true},
        {"max_knns", "max_knns", true},
        {"clusters", "clusters", false},
        {"distances", "distances", false},
        {"semantics", "semantics", false},
        {"live", "live", false},
        {"trace", "trace", false},
        {"seconds", "seconds", true},
        {"status", "status", false},
        {"name", "name", false},
        {"tags", "tags", false},
    };
    return columns;
}

Json runValue(const RunRow &run, const std::string &column)
{
    const bool base = run.method == "base";
    if (column == "id")
        return run.id;
    if (column == "method")
        return run.method;
    if (column == "seconds")
        return run.seconds;
    if (column == "status")
        return toString(run.status);
    if (column == "name")
        return run.name;
    if (column == "live")
        return valueAt(run.metrics, "live") == true;
    if (column == "tags")
        return fmt::format("{}", fmt::join(run.tags, " "));
    if (column == "clusters") {
        if (run.method != "retomaton")
            return nullptr;
        const Json name = valueAt(run.config, "artefacts.clusters.name");
        return name.is_null() ? Json("none") : name;
    }
    if (column == "lambda" && run.method == "adaptret" && valueAt(run.config, "gate.learned_weight") == true)
        return nullptr;
    const auto source = std::find_if(sources.begin(), sources.end(), [&](const Source &one) { return one.column == column; });
    if (source == sources.end() || (source->knn && base) || (source->automaton && run.method != "retomaton"))
        return nullptr;
    constexpr std::string_view metrics = "metrics.";
    return source->path.starts_with(metrics) ? valueAt(run.metrics, source->path.substr(metrics.size())) : valueAt(run.config, source->path);
}

std::string runText(const RunRow &run, const std::string &column)
{
    const Json value = runValue(run, column);
    if (value.is_null())
        return "–";
    if (value.is_string())
        return value == "inf" ? "∞" : value.get<std::string>();
    if (value.is_boolean())
        return value.get<bool>() ? "yes" : "no";
    if (column == "perplexity" || column == "nll")
        return fmt::format("{:.4f}", value.get<double>());
    if (column == "foss" || column == "foss_reference")
        return fmt::format("{:.4f}", value.get<double>());
    if (column == "seconds")
        return fmt::format("{:.2f}", value.get<double>());
    if (value.is_number_float())
        return fmt::format("{:.4g}", value.get<double>());
    return value.dump();
}

EvaluationSettings settingsOf(const RunRow &run)
{
    Json config = run.config;
    if (config.is_object())
        config.erase("artefacts");
    return config.get<EvaluationSettings>();
}

Json toJson(const RunRow &run)
{
    return {{"id", run.id},
            {"name", run.name},
            {"status", toString(run.status)},
            {"method", run.method},
            {"trace", run.trace},
            {"group", run.group},
            {"config", run.config},
            {"metrics", run.metrics},
            {"environment", run.environment},
            {"command", run.command},
            {"started_ms", run.startedMs},
            {"seconds", run.seconds},
            {"note", run.note},
            {"message", run.message},
            {"archived", run.archived},
            {"tags", run.tags}};
}

TableFormat tableFormatFromString(std::string_view text)
{
    constexpr std::array names = {std::pair{"csv", TableFormat::Csv}, std::pair{"markdown", TableFormat::Markdown},
                                  std::pair{"latex", TableFormat::Latex}, std::pair{"json", TableFormat::JsonText}};
    const auto found = std::find_if(names.begin(), names.end(), [&](const auto &one) { return one.first == text; });
    if (found == names.end())
        fail(ErrorKind::Usage, "There is no table format '{}'; choose csv, markdown, latex or json.", text);
    return found->second;
}

std::string exportRuns(const std::vector<RunRow> &runs, TableFormat format)
{
    switch (format) {
    case TableFormat::Csv:
        return toCsv(machineCells(runs));
    case TableFormat::Markdown:
        return toMarkdown(peopleCells(runs), alignments());
    case TableFormat::Latex:
        return toLatex(peopleCells(runs), alignments());
    case TableFormat::JsonText:
        break;
    }
    Json all = Json::array();
    for (const auto &run : runs)
        all.push_back(toJson(run));
    return Json{{"runs", all}}.dump(2) + "\n";
}

std::string toCsv(const TableCells &cells)
{
    std::string text;
    for (const auto &row : cells) {
        for (std::size_t c = 0; c < row.size(); ++c)
            text += (c > 0 ? "," : "") + escapedForCsv(row[c]);
        text += "\n";
    }
    return text;
}

std::string toMarkdown(const TableCells &cells, const std::vector<bool> &rightAligned)
{
    std::string text;
    for (std::size_t r = 0; r < cells.size(); ++r) {
        for (const auto &cell : cells[r])
            text += "| " + escapedForMarkdown(cell) + " ";
        text += "|\n";
        if (r == 0) {
            for (const bool right : rightAligned)
                text += right ? "|---:" : "|---";
            text += "|\n";
        }
    }
    return text;
}

std::string toLatex(const TableCells &cells, const std::vector<bool> &rightAligned)
{
    std::string columns;
    for (const bool right : rightAligned)
        columns += right ? 'r' : 'l';
    std::string text = fmt::format("\\begin{{tabular}}{{{}}}\n\\toprule\n", columns);
    for (std::size_t r = 0; r < cells.size(); ++r) {
        for (std::size_t c = 0; c < cells[r].size(); ++c)
            text += (c > 0 ? " & " : "") + escapedForLatex(cells[r][c]);
        text += r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n";
    }
    return text + "\\bottomrule\n\\end{tabular}\n";
}

} // namespace retoscope
