// SPDX-License-Identifier: GPL-3.0-or-later
#include "session.h"

#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace fs = std::filesystem;

namespace retoscope::cli {

Session::Session(GeneralOptions options, std::string commandLine, const std::atomic<bool> &interrupted)
    : m_options(std::move(options)), m_commandLine(std::move(commandLine)),
      m_job([this](const Progress &progress) { m_display.update(progress); },
            [this](const std::string &line) { m_display.line(line); })
{
    m_job.watch(&interrupted);
}

fs::path Session::namedProjectFolder() const
{
    if (!m_options.project.empty())
        return m_options.project;
    const char *variable = std::getenv("RETOSCOPE_PROJECT");
    return variable ? variable : "";
}

fs::path Session::projectFolder() const
{
    if (auto named = namedProjectFolder(); !named.empty())
        return named;
    const fs::path here = fs::current_path();
    for (fs::path folder = here;; folder = folder.parent_path()) {
        if (Project::isProject(folder))
            return folder;
        if (folder == folder.root_path())
            break;
    }
    fail(ErrorKind::NotFound,
         "There is no project in {} or above it; make one with `retoscope-cli project new DIR`, or name one with --project DIR.",
         here.string());
}

Project Session::openProject(Ledger::Mode mode) const
{
    return Project::open(projectFolder(), mode);
}

Request Session::request(std::string name, bool force) const
{
    Request request;
    request.name = std::move(name);
    request.command = m_commandLine;
    request.force = force;
    return request;
}

void Session::print(std::string_view text)
{
    if (m_options.json)
        return;
    m_display.finish();
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

Json artefactJson(const ArtefactRow &row)
{
    return Json{{"id", row.id},         {"kind", toString(row.kind)}, {"name", row.name}, {"folder", row.folder},
                {"bytes", row.bytes},   {"fingerprint", row.fingerprint}, {"config", row.config}, {"info", row.info}};
}

} // namespace retoscope::cli
