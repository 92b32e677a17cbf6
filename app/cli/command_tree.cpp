// SPDX-License-Identifier: GPL-3.0-or-later
#include "command_tree.h"

#include "help_formatter.h"

#include "base/error.h"
#include "ledger/environment.h"

namespace retoscope::cli {

namespace {

constexpr auto description =
    "Retoscope: a workbench for retrieval-augmented language models (kNN-LM, RetoMaton).\n"
    "From a pile of text to a curve of saved searches: corpus, datastore, index, clusters, trace, evaluation.";

constexpr auto footer = "Examples:\n"
                        "  retoscope-cli project new demo\n"
                        "  retoscope-cli run projects/postgresql-manual/project.json --project demo\n"
                        "  retoscope-cli evaluate --help\n\n"
                        "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (the same command continues).";

std::string versionText()
{
    const Json environment = describeEnvironment();
    return fmt::format("retoscope-cli {} ({}; LibTorch {}, FAISS {}, SQLite {})", environment.at("program").get<std::string>(),
                       environment.at("commit").get<std::string>(), environment.at("libtorch").get<std::string>(),
                       environment.at("faiss").get<std::string>(), environment.at("sqlite").get<std::string>());
}

} // namespace

CommandTree::CommandTree() : m_root(description, "retoscope-cli")
{
    m_root.formatter(std::make_shared<HelpFormatter>());
    m_root.set_version_flag("--version", versionText, "Print the version and exit");
    m_root.footer(footer);
    m_root.require_subcommand(0, 1);
}

CLI::App *CommandTree::group(const std::string &name, const std::string &text)
{
    CLI::App *app = m_root.add_subcommand(name, text);
    app->require_subcommand(0, 1);
    return app;
}

CLI::App *CommandTree::command(CLI::App *parent, const std::string &name, const std::string &text, const std::string &example)
{
    CLI::App *app = (parent ? parent : &m_root)->add_subcommand(name, text);
    app->footer("Example:\n  retoscope-cli " + example);
    const auto general = "General options";
    app->add_option("--project", m_general.project,
                    "Project folder (default: $RETOSCOPE_PROJECT, else the nearest project from here upwards)")
        ->type_name("DIR")
        ->group(general);
    app->add_flag("--json", m_general.json, "Print one JSON object on standard output and nothing else")->group(general);
    app->add_option("--threads", m_general.threads, "Threads for numeric work (default: all cores)")
        ->type_name("N")
        ->check(CLI::Range(1, 4096))
        ->group(general);
    return app;
}

const CLI::App &CommandTree::innermost() const
{
    const CLI::App *app = &m_root;
    for (auto chosen = app->get_subcommands(); !chosen.empty(); chosen = app->get_subcommands())
        app = chosen.front();
    return *app;
}

const Handler *CommandTree::selected() const
{
    const auto found = m_handlers.find(&innermost());
    return found == m_handlers.end() ? nullptr : &found->second;
}

} // namespace retoscope::cli
