// SPDX-License-Identifier: GPL-3.0-or-later
// run PROJECTFILE: the whole pipeline, with a line per stage.
#include "command_tree.h"
#include "terminal.h"
#include "text_table.h"

#include "base/error.h"
#include "ledger/pipeline.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope::cli {

namespace {

constexpr int curveHeight = 20;
constexpr int widestCurve = 100;

Project openOrCreate(const Session &session, const ProjectDescription &description)
{
    const fs::path folder = session.namedProjectFolder();
    if (folder.empty() || Project::isProject(folder))
        return session.openProject();
    return Project::create(folder, description.name);
}

class StageReporter
{
public:
    explicit StageReporter(Session &session) : m_session(session) {}

    void operator()(const std::vector<PipelineStage> &stages, std::size_t changed)
    {
        const auto &stage = stages[changed];
        const std::string head = fmt::format("[{}/{}] {}", changed + 1, stages.size(), stage.name);
        const bool colours = coloursOnStandardError();
        switch (stage.state) {
        case PipelineStage::State::Running:
            m_session.display().finish();
            m_session.note(styled(head, Style::Bold, colours));
            break;
        case PipelineStage::State::Done:
            m_session.display().finish();
            m_session.note(fmt::format("      {}  {}", stage.summary, styled("(" + formatDuration(stage.seconds) + ")", Style::Dim, colours)));
            break;
        case PipelineStage::State::Reused:
            m_session.display().finish();
            m_session.note(fmt::format("      {}  {}", stage.summary, styled("(was there)", Style::Dim, colours)));
            break;
        case PipelineStage::State::Failed:
        case PipelineStage::State::Waiting:
            m_session.display().finish();
            break;
        }
    }

private:
    Session &m_session;
};

std::string tableText(const std::vector<PipelineResult> &results)
{
    const auto cells = tableCells(results);
    TextTable table(cells.front());
    for (std::size_t i = 1; i < cells.size(); ++i)
        table.addRow(cells[i]);
    return table.toString();
}

Json runPipelineCommand(Session &session, const std::string &file, bool force)
{
    const auto description = readProjectDescription(file);
    requireInputs(description);
    Project project = openOrCreate(session, description);
    session.note(fmt::format("{} in {}", description.title.empty() ? description.name : description.title, project.folder().string()));
    StageReporter reporter(session);
    std::vector<PipelineStage> stages;
    const auto outcome = runPipeline(project, description, session.request({}, force), session.job(), [&](const auto &all, std::size_t changed) {
        stages = all;
        reporter(all, changed);
    });
    const bool colours = coloursOnStandardOutput();
    session.print(fmt::format("\n{}\n\n{}", styled(fmt::format("Perplexity on the {} split (settings chosen on {})", toString(description.testSplit), toString(description.tuneSplit)), Style::Bold, colours),
                              tableText(outcome.table)));
    session.print(fmt::format("\n{}\n\n{}\n", styled("Perplexity over the fraction of saved searches (FoSS)", Style::Bold, colours),
                              drawFossCurve(outcome.curve, outcome.basePerplexity, std::min(terminalWidth(), widestCurve), curveHeight)));
    Json files = Json::array();
    for (const auto &path : outcome.files)
        files.push_back(path.string());
    session.print(fmt::format("\nWritten to {}; total time {}\n", (project.folder() / "results").string(), formatDuration(outcome.seconds)));
    Json stageList = Json::array();
    for (const auto &stage : stages)
        stageList.push_back({{"name", stage.name}, {"state", toString(stage.state)}, {"seconds", stage.seconds}, {"summary", stage.summary}});
    return {{"project", project.folder().string()}, {"stages", stageList}, {"table", toJson(outcome.table).at("rows")}, {"curve", toJson(outcome.curve)},
            {"base_perplexity", outcome.basePerplexity}, {"files", files}, {"seconds", outcome.seconds}};
}

} // namespace

void addRunCommand(CommandTree &tree)
{
    CLI::App *command = tree.command(nullptr, "run", "Run the whole pipeline of a project description: corpus, datastore, index, clusters, traces, table, FoSS curve",
                                     "run projects/postgresql-manual/project.json --project demo");
    struct Options
    {
        std::string file;
        bool force = false;
    };
    auto options = std::make_shared<Options>();
    command->add_option("projectfile", options->file, "Description of the project")->type_name("PROJECTFILE")->required();
    command->add_flag("--force", options->force, "Go on although a forecast says that disk or memory cannot hold it");
    tree.onRun(command, [options](Session &session) { return runPipelineCommand(session, options->file, options->force); });
}

} // namespace retoscope::cli
