// SPDX-License-Identifier: GPL-3.0-or-later
// What every command needs: the project, progress and cancelling, and where output goes.
#pragma once

#include "progress_display.h"

#include "base/error.h"
#include "ledger/operations.h"

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

namespace retoscope::cli {

struct GeneralOptions
{
    std::string project;
    bool json = false;
    int threads = 0;
};

class Session
{
public:
    /// `commandLine` is what repeats this call; `interrupted` is the signal handler's flag.
    Session(GeneralOptions options, std::string commandLine, const std::atomic<bool> &interrupted);

    /// --project, else $RETOSCOPE_PROJECT, else the nearest project from the working folder upwards. Throws NotFound.
    [[nodiscard]] Project openProject(Ledger::Mode mode = Ledger::Mode::ReadWrite) const;
    [[nodiscard]] std::filesystem::path projectFolder() const;
    /// The folder of --project or of $RETOSCOPE_PROJECT; empty when neither is given.
    [[nodiscard]] std::filesystem::path namedProjectFolder() const;

    [[nodiscard]] bool json() const { return m_options.json; }
    [[nodiscard]] JobControl &job() { return m_job; }
    [[nodiscard]] ProgressDisplay &display() { return m_display; }
    [[nodiscard]] Request request(std::string name = {}, bool force = false) const;

    /// For people, on standard output; silent with --json.
    void print(std::string_view text);
    /// The command ends with a result and as failed; the sentence goes where all errors go.
    void markFailed(ErrorKind kind, const std::string &sentence) { m_failure.emplace(kind, sentence); }
    [[nodiscard]] const std::optional<Error> &failure() const { return m_failure; }

    /// For people, on standard error: never part of the result.
    void note(const std::string &line) { m_display.line(line); }

private:
    GeneralOptions m_options;
    std::string m_commandLine;
    ProgressDisplay m_display;
    JobControl m_job;
    std::optional<Error> m_failure;
};

/// An artefact as every command prints it.
Json artefactJson(const ArtefactRow &row);

} // namespace retoscope::cli
