// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"

#include "terminal.h"

#include "base/error.h"

namespace retoscope::cli {

void NameOptions::addTo(CLI::App *command)
{
    command->add_option("--name", name, "Name of what is made (default: chosen from its inputs)");
}

void NameOptions::addForceTo(CLI::App *command)
{
    addTo(command);
    command->add_flag("--force", force, "Go on although the forecast says that disk or memory cannot hold it");
}

void ComputeOptions::addTo(CLI::App *command)
{
    command->add_option("--compute", compute, "Precision of the computation: fp32 or bf16")->check(CLI::IsMember({"fp32", "bf16"}))->capture_default_str();
    command->add_option("--device", device, "cpu, cuda or cuda:N")->capture_default_str();
}

LoadOptions ComputeOptions::load() const
{
    return {computeTypeFromString(compute), device};
}

void WindowOptions::addTo(CLI::App *command)
{
    const auto group = "Windows";
    command->add_option("--block", block, "Longest window, tokens")->capture_default_str()->group(group);
    command->add_option("--stride", stride, "New tokens per window, 1 to --block")->capture_default_str()->group(group);
    command->add_option("--window-mode", mode, "stream (documents run on) or document (windows never cross a document)")
        ->check(CLI::IsMember({"stream", "document"}))
        ->capture_default_str()
        ->group(group);
    command->add_option("--window-tail", tail, "keep or drop a last window that is not whole")->check(CLI::IsMember({"keep", "drop"}))->capture_default_str()->group(group);
    command->add_option("--document-start", documentStart, "What stands before each document: auto, bos or none")
        ->check(CLI::IsMember({"auto", "bos", "none"}))
        ->capture_default_str()
        ->group(group);
}

WindowScheme WindowOptions::scheme() const
{
    if (stride < 1 || stride > block)
        fail(ErrorKind::Usage, "--stride is {} and --block {}; the stride must be between 1 and the block.", stride, block);
    WindowScheme scheme;
    scheme.block = block;
    scheme.stride = stride;
    scheme.mode = mode == "document" ? WindowMode::Document : WindowMode::Stream;
    scheme.tail = tail == "drop" ? WindowTail::Drop : WindowTail::Keep;
    return scheme;
}

CorpusSplit corpusSplitFromString(const std::string &text, Split standard)
{
    const auto colon = text.rfind(':');
    if (colon == std::string::npos)
        return {text, standard};
    try {
        return {text.substr(0, colon), splitFromString(text.substr(colon + 1))};
    } catch (const Error &error) {
        throw Error(ErrorKind::Usage, error.what());
    }
}

Json reportArtefact(Session &session, const Project &project, const ArtefactRow &row, const std::string &summary)
{
    const bool colours = coloursOnStandardOutput();
    session.print(fmt::format("{} {}: {}\n{}\n", toString(row.kind), styled(row.name, Style::Bold, colours), summary,
                              styled(project.folderOf(row).string(), Style::Dim, colours)));
    return artefactJson(row);
}

} // namespace retoscope::cli
