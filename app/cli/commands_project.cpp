// SPDX-License-Identifier: GPL-3.0-or-later
#include "command_tree.h"
#include "terminal.h"
#include "text_table.h"

#include <chrono>
#include <ctime>

namespace retoscope::cli {

namespace {

std::string dateText(std::int64_t ms)
{
    if (ms == 0)
        return "–";
    const std::time_t seconds = ms / 1000;
    std::tm local = {};
    ::localtime_r(&seconds, &local);
    char text[32];
    return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local));
}

Json showProject(Session &session)
{
    const Project project = session.openProject(Ledger::Mode::ReadOnly);
    Json artefacts = Json::array();
    TextTable table({"kind", "name", "state", "size", "made"});
    for (const auto &row : project.ledger().artefacts()) {
        const bool ready = row.state == ArtefactState::Ready;
        const std::string state = ready ? "ready" : row.state == ArtefactState::Building ? "unfinished" : "failed";
        table.addRow({std::string(toString(row.kind)), row.name, state, ready ? formatBytes(row.bytes) : "–", dateText(row.finishedMs)});
        artefacts.push_back(artefactJson(row));
        artefacts.back()["state"] = state;
    }
    const auto runs = project.ledger().runCount();
    session.print(fmt::format("{} in {}\n\n", styled(project.name(), Style::Bold, coloursOnStandardOutput()), project.folder().string()));
    session.print(table.empty() ? "Nothing here yet: begin with `corpus add` and `model add`, or with `run PROJECTFILE`.\n" : table.toString());
    session.print(fmt::format("\n{} runs (see `runs list`)\n", formatCount(runs)));
    return {{"name", project.name()}, {"folder", project.folder().string()}, {"artefacts", artefacts}, {"runs", runs}};
}

} // namespace

void addProjectCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("project", "Make a project, or show what is in one");

    CLI::App *create = tree.command(group, "new", "Make a project: a folder that holds artefacts and the ledger", "project new demo");
    auto folder = std::make_shared<std::string>();
    auto name = std::make_shared<std::string>();
    create->add_option("folder", *folder, "Folder to make")->type_name("DIR")->required();
    create->add_option("--name", *name, "Name of the project (default: the folder's)");
    tree.onRun(create, [folder, name](Session &session) -> Json {
        const Project project = Project::create(*folder, *name);
        session.print(fmt::format("Project {} in {}\n", styled(project.name(), Style::Bold, coloursOnStandardOutput()), project.folder().string()));
        return {{"name", project.name()}, {"folder", project.folder().string()}};
    });

    CLI::App *show = tree.command(group, "show", "List the artefacts of the project", "project show --project demo");
    tree.onRun(show, showProject);

    CLI::App *remove = tree.command(group, "remove", "Delete an artefact and its files; a model that lies outside the project is only forgotten",
                                    "project remove datastore manual-gpt2");
    auto kind = std::make_shared<std::string>();
    auto artefact = std::make_shared<std::string>();
    remove->add_option("kind", *kind, "corpus, tokenizer, model, tokens, datastore, index, clusters or trace")->type_name("KIND")->required();
    remove->add_option("artefact", *artefact, "Its name")->type_name("NAME")->required();
    tree.onRun(remove, [kind, artefact](Session &session) -> Json {
        Project project = session.openProject();
        const auto row = project.ledger().findArtefact(artefactKindFromString(*kind), *artefact);
        project.deleteArtefact(row);
        session.print(fmt::format("{} {} removed\n", toString(row.kind), row.name));
        return {{"kind", toString(row.kind)}, {"name", row.name}};
    });
}

} // namespace retoscope::cli
