// SPDX-License-Identifier: GPL-3.0-or-later
#include "command_tree.h"
#include "terminal.h"

#include "base/error.h"
#include "ledger/doctor.h"

#include <unistd.h>

#include <algorithm>

namespace retoscope::cli {

namespace {

std::string marked(const Finding &finding, bool colours)
{
    const bool utf8 = terminalIsUtf8();
    switch (finding.severity) {
    case Severity::Ok:
        return styled(utf8 ? "✓" : "ok  ", Style::Green, colours);
    case Severity::Note:
        return styled(utf8 ? "·" : "note", Style::Dim, colours);
    case Severity::Warning:
        return styled(utf8 ? "!" : "warn", Style::Bold, colours);
    case Severity::Error:
        return styled(utf8 ? "✗" : "BAD ", Style::Red, colours);
    }
    return {};
}

Json examine(Session &session, const std::string &folder, const DoctorOptions &options)
{
    std::vector<Finding> findings;
    Json result = Json::object();
    std::filesystem::path place = folder;
    try {
        if (place.empty())
            place = session.projectFolder();
    } catch (const Error &) { // outside a project there is still the machine to look at
        session.note("No project here: only the machine is examined.");
    }
    if (place.empty()) {
        findings = examineEnvironment(std::filesystem::current_path());
    } else {
        const bool writable = ::access(place.c_str(), W_OK) == 0; // else jobs of killed processes stay marked as running
        Project project = Project::open(place, writable ? Ledger::Mode::ReadWrite : Ledger::Mode::ReadOnly);
        result["project"] = project.folder().string();
        findings = examineProject(project, options, session.job());
    }
    const bool colours = coloursOnStandardOutput();
    for (const auto &finding : findings) {
        session.print(fmt::format("{} {}: {}\n", marked(finding, colours), styled(finding.subject, Style::Bold, colours), finding.sentence));
        if (!finding.remedy.empty())
            session.print(fmt::format("    {}\n", finding.remedy));
    }
    const auto count = [&](Severity severity) { return std::count_if(findings.begin(), findings.end(), [&](const Finding &f) { return f.severity == severity; }); };
    const auto errors = count(Severity::Error);
    session.print(fmt::format("\n{} checks, {} warnings, {} errors\n", findings.size(), count(Severity::Warning), errors));
    if (errors > 0)
        session.markFailed(ErrorKind::Corrupt, fmt::format("The doctor found {} error{}; see the lines above.", errors, errors == 1 ? "" : "s"));
    result["findings"] = findings;
    result["worst"] = toString(worst(findings));
    return result;
}

} // namespace

void addDoctorCommand(CommandTree &tree)
{
    CLI::App *command = tree.command(nullptr, "doctor", "Examine the machine and a project, and say in plain words what is wrong", "doctor demo");
    struct Options : DoctorOptions
    {
        std::string folder;
        bool quick = false;
    };
    auto options = std::make_shared<Options>();
    command->add_option("folder", options->folder, "Project (default: as for every command)")->type_name("PROJECT");
    command->add_flag("--quick", options->quick, "Do not read every file for its checksum");
    tree.onRun(command, [options](Session &session) {
        DoctorOptions wished = *options;
        wished.checksums = !options->quick;
        return examine(session, options->folder, wished);
    });
}

} // namespace retoscope::cli
