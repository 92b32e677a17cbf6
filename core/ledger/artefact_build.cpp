// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/artefact_build.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"

#include <algorithm>
#include <limits>
#include <regex>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

/// Inputs by role and name, whatever their contents.
std::vector<std::pair<std::string, std::string>> namesOf(const Ledger &ledger, const std::vector<ArtefactInput> &inputs)
{
    std::vector<std::pair<std::string, std::string>> names;
    for (const ArtefactInput &input : inputs) {
        const auto row = ledger.artefact(input.artefact, true);
        names.emplace_back(input.role, row ? row->name : std::string());
    }
    std::ranges::sort(names);
    return names;
}

/// The command as it would be in any folder: a project may have been moved or named otherwise.
std::string withoutProject(const std::string &command)
{
    return std::regex_replace(command, std::regex(" --project(=| )('[^']*'|[^ ]+)"), "");
}

/// True when `row` is what the same request made before its inputs changed: then it is renewed under its name.
bool isRenewedBy(const Project &project, const ArtefactRow &row, const ArtefactPlan &plan, const Request &request)
{
    if (row.config != plan.config || namesOf(project.ledger(), row.inputs) != namesOf(project.ledger(), plan.inputs))
        return false;
    const std::string made = withoutProject(row.info.value("command", std::string()));
    return (!made.empty() && made == withoutProject(request.command)) || !project.staleness(row).empty();
}

/// Frees the name for a request that no artefact answers yet: what failed gives way, and so does what is renewed. Another
/// artefact of a name that was asked for is a clash; names that the program chooses are made unique.
void claimName(Project &project, const ArtefactPlan &plan, const Request &request, const std::string &requestHash)
{
    const bool chosen = request.name.empty() || request.nameMayVary;
    const std::string &name = request.name.empty() ? plan.name : request.name;
    for (const auto &row : project.ledger().artefacts(plan.kind)) {
        if (row.name != name || row.requestHash == requestHash)
            continue;
        if (isRenewedBy(project, row, plan, request))
            project.supersedeArtefact(row);
        else if (!chosen && row.state == ArtefactState::Failed)
            project.deleteArtefact(row);
        else if (!chosen)
            fail(ErrorKind::BadInput, "There is already a {} called '{}', made from other inputs or with other settings; choose another --name.",
                 toString(plan.kind), name);
    }
}

/// Why the files of a ready artefact are not those that the ledger knows; empty when they are, as far as sizes tell. Models
/// have no manifest; LanguageModel::load() checks their weights.
std::string damageOf(const ArtefactRow &row, const fs::path &folder)
{
    if (row.kind == ArtefactKind::Model)
        return {};
    try {
        const Manifest manifest = readManifest(folder, {}, std::numeric_limits<int>::max()); // of whatever format
        const bool known = row.kind == ArtefactKind::Tokenizer || manifest.fingerprint() == row.fingerprint; // a tokenizer's is its own
        return known ? std::string() : fmt::format("{} holds another artefact than the ledger says.", folder.string());
    } catch (const Error &error) {
        return error.what();
    }
}

/// The files are moved away and removed, under the lock of builders.
void discardFiles(const fs::path &folder)
{
    const FolderLock lock(folder);
    fs::path grave = folder;
    grave += ".damaged";
    std::error_code code;
    fs::remove_all(grave, code);
    renameDurably(folder, grave);
    fs::remove_all(grave, code);
}

std::uint64_t bytesUnder(const fs::path &path)
{
    std::error_code code;
    if (fs::is_regular_file(path, code))
        return fs::file_size(path, code);
    std::uint64_t total = 0;
    for (const auto &entry : fs::recursive_directory_iterator(path, code)) {
        if (entry.is_regular_file(code))
            total += entry.file_size(code);
    }
    return total;
}

/// True when there is nothing in it that a later call could continue, and no other process is at it.
bool isAbandoned(const fs::path &folder)
{
    std::error_code code;
    if (!fs::exists(folder, code))
        return true;
    try {
        const FolderLock lock(folder);
        const fs::directory_iterator entries(folder);
        return std::all_of(begin(entries), end(entries), [](const fs::directory_entry &entry) { return entry.path().filename() == ".lock"; });
    } catch (const std::exception &) {
        return false;
    }
}

} // namespace

void requireKind(const ArtefactRow &row, ArtefactKind kind)
{
    if (row.kind != kind)
        fail(ErrorKind::BadInput, "'{}' is a {}, but a {} is needed here.", row.name, toString(row.kind), toString(kind));
}

std::string requestHashOf(const ArtefactPlan &plan)
{
    Json inputs = Json::array();
    for (const auto &input : plan.inputs)
        inputs.push_back({{"role", input.role}, {"fingerprint", input.fingerprint}});
    return sha256(Json{{"kind", toString(plan.kind)}, {"config", plan.config}, {"inputs", inputs}, {"identity", plan.identity}}.dump());
}

void admitBuild(Project &project, const fs::path &folder, const Forecast &forecast, const Request &request, JobControl &job)
{
    Ledger &ledger = project.ledger();
    for (const ArtefactRow &row : ledger.artefacts()) {
        if (row.state == ArtefactState::Building && project.folderOf(row) == folder)
            ledger.setForecast(row.id, forecast);
    }
    admit(forecast, folder, request.force, job);
}

ArtefactInput inputFrom(const std::string &role, const ArtefactRow &row)
{
    return {role, row.id, row.fingerprint};
}

ArtefactRow makeArtefact(Project &project, const ArtefactPlan &plan, const Request &request,
                         const std::function<Built(const fs::path &folder)> &build)
{
    Ledger &ledger = project.ledger();
    const std::string hash = requestHashOf(plan);
    claimName(project, plan, request, hash);
    const std::string &name = request.name.empty() ? plan.name : request.name;
    const ArtefactRow row = ledger.beginArtefact(plan.kind, name, hash, plan.config, plan.inputs, request.command);
    const fs::path folder = project.folderOf(row);
    std::error_code code;
    if (row.state == ArtefactState::Ready && fs::exists(folder, code)) {
        const std::string damage = damageOf(row, folder);
        if (damage.empty())
            return row;
        discardFiles(folder);
    }
    recordedJob(project, plan.job, request, [&] {
        try {
            const Built built = build(folder);
            const fs::path place = built.folder.empty() ? fs::relative(folder, project.folder()) : built.folder;
            ledger.finishArtefact(row.id, place.string(), built.fingerprint, bytesUnder(built.folder.empty() ? folder : built.folder), built.info);
        } catch (const Cancelled &) {
            throw;
        } catch (const std::exception &error) {
            if (isAbandoned(folder)) {
                ledger.deleteArtefact(row.id);
                if (!fs::path(row.folder).is_absolute()) // a model outside the project is the user's
                    fs::remove_all(folder, code);
            } else if (const auto *known = dynamic_cast<const Error *>(&error); !known || known->kind() != ErrorKind::Resource) {
                ledger.failArtefact(row.id, error.what()); // Resource: nothing was started, or another process is at it
            }
            throw;
        }
        return true;
    });
    return *ledger.artefact(row.id);
}

} // namespace retoscope
