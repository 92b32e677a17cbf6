// SPDX-License-Identifier: GPL-3.0-or-later
#include "command_tree.h"
#include "terminal.h"
#include "text_table.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "ledger/run_table.h"

#include <algorithm>

namespace retoscope::cli {

namespace {

struct ListOptions
{
    RunFilter filter;
    std::string format = "csv", output;

    void addTo(CLI::App *command)
    {
        command->add_option("--filter", filter.expression, "Only runs for which this holds, e.g. 'ppl < 20 and k = 1024'")->type_name("EXPRESSION");
        command->add_option("--order-by", filter.orderBy, "Field that sorts the runs")->capture_default_str();
        command->add_flag("--descending", filter.descending, "Largest first");
        command->add_option("--limit", filter.limit, "At most so many; 0: all")->capture_default_str();
        command->add_flag("--archived", filter.includeArchived, "Also the archived ones");
    }
};

RunRow findRun(const Ledger &ledger, std::int64_t id)
{
    auto run = ledger.run(id);
    if (!run)
        fail(ErrorKind::NotFound, "There is no run {}; see `retoscope-cli runs list`.", id);
    return *run;
}

Json listRuns(Session &session, const ListOptions &options)
{
    const Project project = session.openProject(Ledger::Mode::ReadOnly);
    const auto runs = project.ledger().runs(options.filter);
    // A terminal has room for what distinguishes runs; the export has every column.
    const std::vector<std::string> shown = {"id", "method", "perplexity", "foss", "lambda", "temperature", "k", "min_knns", "max_knns", "clusters", "trace", "status", "tags"};
    std::vector<std::string> headings;
    for (const auto &column : runColumns()) {
        if (std::find(shown.begin(), shown.end(), column.name) != shown.end())
            headings.push_back(column.heading);
    }
    TextTable table(headings);
    Json list = Json::array();
    for (const auto &run : runs) {
        std::vector<std::string> cells;
        for (const auto &column : runColumns()) {
            if (std::find(shown.begin(), shown.end(), column.name) != shown.end())
                cells.push_back(runText(run, column.name));
        }
        table.addRow(std::move(cells));
        list.push_back(toJson(run));
    }
    const auto total = project.ledger().runCount(options.filter);
    session.print(runs.empty() ? (options.filter.expression.empty() ? "No runs yet: begin with `evaluate`, `sweep` or `foss`.\n" : "No run fits the filter.\n") : table.toString());
    if (total > static_cast<std::int64_t>(runs.size()))
        session.print(fmt::format("\n{} of {} runs\n", formatCount(static_cast<std::int64_t>(runs.size())), formatCount(total)));
    return {{"runs", list}, {"total", total}};
}

Json showRun(Session &session, std::int64_t id)
{
    const Project project = session.openProject(Ledger::Mode::ReadOnly);
    const RunRow run = findRun(project.ledger(), id);
    const bool colours = coloursOnStandardOutput();
    std::string text = fmt::format("{}  {}\n\n", styled(fmt::format("Run {}", run.id), Style::Bold, colours), run.name);
    for (const auto &column : runColumns()) {
        if (column.name != "id" && column.name != "name")
            text += fmt::format("  {:<14}{}\n", column.name, runText(run, column.name));
    }
    if (!run.message.empty())
        text += fmt::format("  {:<14}{}\n", "message", run.message);
    if (!run.note.empty())
        text += fmt::format("  {:<14}{}\n", "note", run.note);
    text += fmt::format("\nCommand\n  {}\n\nConfiguration\n{}\n\nEnvironment\n{}\n", run.command, run.config.dump(2), run.environment.dump(2));
    session.print(text);
    return toJson(run);
}

Json compareRuns(Session &session, const std::vector<std::int64_t> &ids)
{
    const Project project = session.openProject(Ledger::Mode::ReadOnly);
    std::vector<RunRow> runs;
    for (const auto id : ids)
        runs.push_back(findRun(project.ledger(), id));
    std::vector<std::string> headings = {""};
    for (const auto &run : runs)
        headings.push_back(fmt::format("run {}", run.id));
    headings.emplace_back("");
    TextTable table(headings);
    Json differences = Json::object();
    for (const auto &column : runColumns()) {
        if (column.name == "id")
            continue;
        std::vector<std::string> cells = {column.name};
        Json values = Json::array();
        for (const auto &run : runs) {
            cells.push_back(runText(run, column.name));
            values.push_back(runValue(run, column.name));
        }
        const bool looksDifferent = std::any_of(cells.begin() + 1, cells.end(), [&](const std::string &cell) { return cell != cells[1]; });
        cells.emplace_back(looksDifferent ? "differs" : "");
        if (std::any_of(values.begin(), values.end(), [&](const Json &value) { return value != values.front(); }))
            differences[column.name] = values;
        table.addRow(std::move(cells));
    }
    session.print(table.toString());
    Json list = Json::array();
    for (const auto &run : runs)
        list.push_back(toJson(run));
    return {{"runs", list}, {"differences", differences}};
}

Json writeRuns(Session &session, const ListOptions &options)
{
    const TableFormat format = tableFormatFromString(options.format);
    const Project project = session.openProject(Ledger::Mode::ReadOnly);
    const auto runs = project.ledger().runs(options.filter);
    const std::string text = exportRuns(runs, format);
    Json result = {{"format", options.format}, {"count", runs.size()}};
    if (options.output.empty()) {
        session.print(text);
        result["text"] = text;
    } else {
        writeFileAtomically(options.output, text);
        session.print(fmt::format("{} runs written to {}\n", formatCount(static_cast<std::int64_t>(runs.size())), options.output));
        result["file"] = options.output;
    }
    return result;
}

} // namespace

void addRunsCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("runs", "What was evaluated, with every setting");

    CLI::App *list = tree.command(group, "list", "List runs", "runs list --filter 'method = retomaton and foss > 0.5' --order-by perplexity");
    auto listing = std::make_shared<ListOptions>();
    listing->addTo(list);
    tree.onRun(list, [listing](Session &session) { return listRuns(session, *listing); });

    CLI::App *show = tree.command(group, "show", "Everything about one run", "runs show 12");
    auto shown = std::make_shared<std::int64_t>(0);
    show->add_option("run", *shown, "Number of the run")->required();
    tree.onRun(show, [shown](Session &session) { return showRun(session, *shown); });

    CLI::App *compare = tree.command(group, "compare", "Runs side by side, with what differs", "runs compare 12 15");
    auto compared = std::make_shared<std::vector<std::int64_t>>();
    compare->add_option("runs", *compared, "Numbers of the runs")->required()->expected(2, 64);
    tree.onRun(compare, [compared](Session &session) { return compareRuns(session, *compared); });

    CLI::App *write = tree.command(group, "export", "Runs as CSV, Markdown, LaTeX or JSON", "runs export --format latex --filter 'ppl < 20' --output table.tex");
    auto writing = std::make_shared<ListOptions>();
    writing->addTo(write);
    write->add_option("--format", writing->format, "csv, markdown, latex or json")->check(CLI::IsMember({"csv", "markdown", "latex", "json"}))->capture_default_str();
    write->add_option("--output", writing->output, "File to write (default: standard output)")->type_name("FILE");
    tree.onRun(write, [writing](Session &session) { return writeRuns(session, *writing); });
}

} // namespace retoscope::cli
