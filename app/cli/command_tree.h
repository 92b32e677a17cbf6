// SPDX-License-Identifier: GPL-3.0-or-later
// How a command is declared. Every command is a leaf of the tree with the same general options and a handler that returns
// the one JSON object of --json; what a person reads is printed through the session.
#pragma once

#include "session.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace retoscope::cli {

using Handler = std::function<Json(Session &)>;

class CommandTree
{
public:
    CommandTree();

    CLI::App &root() { return m_root; }
    /// A command that only holds others, e.g. "datastore".
    CLI::App *group(const std::string &name, const std::string &description);
    /// `parent` null: at the top. `example` follows the help, without the program's name.
    CLI::App *command(CLI::App *parent, const std::string &name, const std::string &description, const std::string &example);
    /// What the command does; declared after its options.
    void onRun(CLI::App *command, Handler handler) { m_handlers[command] = std::move(handler); }

    /// The handler of the command that was parsed; null when only a group was named.
    [[nodiscard]] const Handler *selected() const;
    /// The innermost command that was named, for its help.
    [[nodiscard]] const CLI::App &innermost() const;
    [[nodiscard]] const GeneralOptions &general() const { return m_general; }

private:
    CLI::App m_root;
    GeneralOptions m_general;
    std::map<const CLI::App *, Handler> m_handlers;
};

void addProjectCommands(CommandTree &tree);
void addModelCommands(CommandTree &tree);
void addCorpusCommands(CommandTree &tree);
void addTokenizerCommands(CommandTree &tree);
void addTrainCommand(CommandTree &tree);
void addDatastoreCommands(CommandTree &tree);
void addIndexCommands(CommandTree &tree);
void addClusterCommands(CommandTree &tree);
void addTraceCommands(CommandTree &tree);
void addEvaluateCommands(CommandTree &tree);
void addGenerateCommand(CommandTree &tree);
void addRunsCommands(CommandTree &tree);
void addRunCommand(CommandTree &tree);
void addDoctorCommand(CommandTree &tree);

} // namespace retoscope::cli
