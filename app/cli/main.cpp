// SPDX-License-Identifier: GPL-3.0-or-later
// retoscope-cli: argument parsing and output; the work is in core/ledger/operations.h.
#include "command_tree.h"
#include "import_commands.h"
#include "terminal.h"

#include "base/error.h"
#include "base/mapping_fault.h"
#include "base/threads.h"
#include "ledger/command_line.h"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

namespace {

using namespace retoscope;
using namespace retoscope::cli;

enum ExitCode { Done = 0, Failed = 1, WrongUsage = 2, Interrupted = 130 };

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set in a signal handler");

/// The first signal asks the job to stop at its next checkpoint; the second one ends the process at once.
extern "C" void onSignal(int number)
{
    if (interrupted.exchange(true)) {
        std::signal(number, SIG_DFL);
        std::raise(number);
    }
}

void catchSignals()
{
    struct sigaction action = {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART;
    for (const int number : {SIGINT, SIGTERM})
        ::sigaction(number, &action, nullptr);
    std::signal(SIGXFSZ, SIG_IGN); // a limit on file sizes is an error of write(2), with a sentence
    explainMappingFaults();
}

std::string_view nameOf(ErrorKind kind)
{
    switch (kind) {
    case ErrorKind::BadInput:
        return "bad_input";
    case ErrorKind::Mismatch:
        return "mismatch";
    case ErrorKind::NotFound:
        return "not_found";
    case ErrorKind::Io:
        return "io";
    case ErrorKind::Resource:
        return "resource";
    case ErrorKind::Corrupt:
        return "corrupt";
    case ErrorKind::Usage:
        return "usage";
    case ErrorKind::Cancelled:
        return "cancelled";
    }
    return "internal";
}

void printJson(const Json &json)
{
    const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

int reportFailure(std::string_view kind, const std::string &sentence, bool json, ExitCode code, Json result = Json::object())
{
    const bool colours = coloursOnStandardError();
    const std::string head = code == Interrupted ? "" : styled("error: ", Style::Red, colours);
    std::fprintf(stderr, "%s%s\n", head.c_str(), sentence.c_str());
    if (json) {
        result["error"] = {{"kind", kind}, {"message", sentence}};
        printJson(result);
    }
    return code;
}

bool asksForJson(int argc, char **argv)
{
    return std::any_of(argv + 1, argv + argc, [](const char *argument) { return std::strcmp(argument, "--json") == 0; });
}

/// CLI11's messages as sentences; it lists what it did not expect backwards.
std::string sentenceOf(const CommandTree &tree, const CLI::ParseError &error)
{
    if (const auto extras = tree.innermost().remaining(); dynamic_cast<const CLI::ExtrasError *>(&error) && !extras.empty())
        return fmt::format("There is no option or argument '{}'.", fmt::join(extras, " "));
    std::string sentence = error.what();
    return sentence.ends_with('.') ? sentence : sentence + '.';
}

int usageError(const CommandTree &tree, const std::string &sentence, bool json)
{
    std::string name = tree.innermost().get_name();
    for (const CLI::App *app = tree.innermost().get_parent(); app; app = app->get_parent())
        name = app->get_name() + " " + name;
    return reportFailure("usage", fmt::format("{} (see `{} --help`)", sentence, name), json, WrongUsage);
}

int run(const CommandTree &tree, const std::string &commandLine)
{
    const Handler *handler = tree.selected();
    const bool json = tree.general().json;
    if (json)
        explainMappingFaultsAsJson();
    if (!handler)
        return usageError(tree, "A command is missing.", json);
    if (tree.general().threads > 0)
        setThreadCount(tree.general().threads);
    Session session(tree.general(), commandLine, interrupted);
    try {
        Json result = (*handler)(session);
        session.display().finish();
        if (const auto &failure = session.failure())
            return reportFailure(nameOf(failure->kind()), failure->what(), json, Failed, std::move(result));
        if (json)
            printJson(result);
        return Done;
    } catch (const Cancelled &stopped) {
        session.display().finish();
        return reportFailure(nameOf(stopped.kind()), stopped.what(), json, Interrupted);
    } catch (const Error &error) {
        session.display().finish();
        if (error.kind() == ErrorKind::Usage)
            return usageError(tree, error.what(), json);
        return reportFailure(nameOf(error.kind()), error.what(), json, Failed);
    } catch (const std::bad_alloc &) {
        session.display().finish();
        return reportFailure("resource", "There is not enough memory; close other programs or choose smaller blocks, then run the same command again.", json, Failed);
    } catch (const std::exception &error) {
        session.display().finish();
        return reportFailure("internal", fmt::format("An unexpected error, please report it: {}", error.what()), json, Failed);
    }
}

} // namespace

int main(int argc, char **argv)
{
    initialiseTerminal();
    catchSignals();
    CommandTree tree;
    for (const auto addCommands : {addProjectCommands, addModelCommands, addCorpusCommands, addTokenizerCommands, addTrainCommand,
                                   addDatastoreCommands, addIndexCommands, addClusterCommands, addTraceCommands,
                                   addEvaluateCommands, addGenerateCommand, addRunsCommands, addRunCommand, addDoctorCommand,
                                   addImportCommands})
        addCommands(tree);
    try {
        tree.root().parse(argc, argv);
    } catch (const CLI::Success &help) { // --help, --version
        return tree.root().exit(help);
    } catch (const CLI::ParseError &error) {
        return usageError(tree, sentenceOf(tree, error), asksForJson(argc, argv));
    }
    return run(tree, shellCommand("retoscope-cli", argc - 1, argv + 1));
}
