// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/project.h"

#include "base/atomic_file.h"
#include "base/error.h"

#include <algorithm>
#include <set>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr const char *projectFile = "retoscope.json";
constexpr const char *artefactFolder = "artefacts";
constexpr std::string_view format = "retoscope-project-folder";
constexpr int version = 1;
constexpr std::uint64_t maximalProjectFile = 1u << 20;

/// Enough of a fingerprint to tell two apart and to find it in a listing.
std::string brief(const std::string &fingerprint)
{
    return fingerprint.empty() ? "none" : fingerprint.substr(0, 12);
}

std::string commandOf(const ArtefactRow &row)
{
    return row.info.value("command", std::string());
}

/// "; make it again with: …", when the command is known.
std::string advice(const ArtefactRow &row, std::string_view verb)
{
    const std::string command = commandOf(row);
    return command.empty() ? fmt::format("{} it with the command that made it", verb) : fmt::format("{} it with: {}", verb, command);
}

std::string readName(const fs::path &folder)
{
    const fs::path file = folder / projectFile;
    const Json json = Json::parse(readFile(file, maximalProjectFile), nullptr, false);
    const bool whole = json.is_object() && json.contains("format") && json["format"] == format && json.contains("version")
        && json["version"].is_number_integer() && json.contains("name") && json["name"].is_string();
    if (!whole)
        fail(ErrorKind::Corrupt, "{} is damaged; write {{\"format\": \"{}\", \"version\": {}, \"name\": \"…\"}} into it, the ledger has all the rest.",
             file.string(), format, version);
    if (json["version"] > version)
        fail(ErrorKind::Mismatch, "{} was written by a newer Retoscope (project version {}, this program knows up to {}); update the program.",
             file.string(), json["version"].dump(), version);
    return json["name"];
}

/// What an interrupted create() may have left: the next one continues.
bool isLeftByCreate(const std::string &name)
{
    return name == artefactFolder || name.starts_with(ledgerFileName) || name.starts_with(std::string(projectFile) + ".partial");
}

/// A name as a folder: what could leave the project or surprise a shell is replaced, and the id keeps two such names apart.
std::string folderName(const ArtefactRow &row)
{
    std::string safe = row.name;
    for (char &c : safe) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80 && !std::isalnum(byte) && c != '.' && c != '-' && c != '_' && c != '+')
            c = '_';
    }
    if (safe.starts_with('.'))
        safe[0] = '_';
    constexpr std::size_t longest = 200; // file systems allow 255 bytes, and temporary names need some
    safe.resize(std::min(safe.size(), longest));
    return safe == row.name ? safe : fmt::format("{}-{}", safe, row.id);
}

} // namespace

Project::Project(fs::path folder, std::string name, Ledger ledger) : m_folder(std::move(folder)), m_name(std::move(name)), m_ledger(std::move(ledger)) {}

Project Project::create(const fs::path &folder, const std::string &name)
{
    const fs::path place = fs::absolute(folder).lexically_normal();
    if (isProject(place))
        fail(ErrorKind::BadInput, "{} is a project already; use it with --project, or choose another folder.", place.string());
    std::error_code code;
    if (fs::exists(place, code) && !fs::is_directory(place, code))
        fail(ErrorKind::BadInput, "{} is a file; choose a folder for the project.", place.string());
    for (const auto &entry : fs::directory_iterator(place, code)) {
        if (!isLeftByCreate(entry.path().filename().string()))
            fail(ErrorKind::BadInput, "{} holds other files ({}); choose an empty or a new folder.", place.string(), entry.path().filename().string());
    }
    makeFolder(place / artefactFolder);
    Ledger ledger(place / ledgerFileName);
    const fs::path last = place.has_filename() ? place.filename() : place.parent_path().filename();
    const std::string title = name.empty() ? last.string() : name;
    const Json json{{"format", format}, {"version", version}, {"name", title}};
    // Written last: it is what makes the folder a project.
    writeFileAtomically(place / projectFile, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return Project(place, title, std::move(ledger));
}

Project Project::open(const fs::path &folder, Ledger::Mode mode)
{
    const fs::path place = fs::absolute(folder).lexically_normal();
    if (!isProject(place))
        fail(ErrorKind::NotFound, "{} is no project (it has no {}); make one with: retoscope-cli project new {}", place.string(), projectFile, place.string());
    std::string name = readName(place);
    std::error_code code;
    if (!fs::exists(place / ledgerFileName, code))
        fail(ErrorKind::Corrupt, "{} is gone, so nobody knows what the project's artefacts are; restore it from a backup, or make a new project.",
             (place / ledgerFileName).string());
    Ledger ledger(place / ledgerFileName, mode);
    if (mode == Ledger::Mode::ReadWrite)
        ledger.markInterruptedJobs(); // of killed processes: nobody shall wait for them
    return Project(place, std::move(name), std::move(ledger));
}

bool Project::isProject(const fs::path &folder)
{
    std::error_code code;
    return fs::is_regular_file(folder / projectFile, code);
}

fs::path Project::folderOf(const ArtefactRow &row) const
{
    if (!row.folder.empty())
        return m_folder / row.folder; // an absolute path replaces the project's
    return m_folder / artefactFolder / toString(row.kind) / folderName(row);
}

// ------------------------------------------------------------------------------------------------------------- opening

void Project::requireOpenable(const ArtefactRow &row, ArtefactKind kind) const
{
    if (row.kind != kind)
        fail(ErrorKind::BadInput, "'{}' is a {}, but a {} is needed here.", row.name, toString(row.kind), toString(kind));
    if (row.state == ArtefactState::Building)
        fail(ErrorKind::NotFound, "The {} '{}' is not finished; {}.", toString(kind), row.name, advice(row, "continue"));
    if (row.state == ArtefactState::Failed)
        fail(ErrorKind::NotFound, "The {} '{}' could not be made ({}); {}.", toString(kind), row.name, row.info.value("error", std::string("no reason given")),
             advice(row, "try"));
    std::error_code code;
    if (!fs::exists(folderOf(row), code))
        fail(ErrorKind::NotFound, "The files of the {} '{}' are gone ({}); {}.", toString(kind), row.name, folderOf(row).string(), advice(row, "make"));
}

namespace {

template<typename Artefact>
std::shared_ptr<const Artefact> unchanged(std::shared_ptr<const Artefact> artefact, const ArtefactRow &row, const fs::path &folder)
{
    if (artefact->fingerprint() != row.fingerprint)
        fail(ErrorKind::Mismatch, "{} is not the {} '{}' that the ledger knows: the fingerprint is {} in the ledger and {} in the files; restore the files, or {}.",
             folder.string(), toString(row.kind), row.name, brief(row.fingerprint), brief(artefact->fingerprint()), advice(row, "make"));
    return artefact;
}

} // namespace

void Project::requireInput(const ArtefactRow &row, const std::string &role, ArtefactKind kind, const std::string &fingerprint) const
{
    const auto input = std::find_if(row.inputs.begin(), row.inputs.end(), [&](const ArtefactInput &i) { return i.role == role; });
    if (input == row.inputs.end() || input->fingerprint == fingerprint)
        return;
    const auto own = m_ledger.artefact(input->artefact);
    const auto fit = own && own->state == ArtefactState::Ready && own->fingerprint == input->fingerprint ? own : withFingerprint(kind, input->fingerprint);
    std::string fitting = fit ? fmt::format("the {} '{}' (#{}) would fit", toString(kind), fit->name, fit->id) : fmt::format("no {} here would fit", toString(kind));
    // Or the other way round: another artefact of the row's kind that was made from what was given.
    for (const ArtefactRow &other : m_ledger.artefacts(row.kind)) {
        const bool madeFromIt = std::any_of(other.inputs.begin(), other.inputs.end(), [&](const ArtefactInput &i) { return i.role == role && i.fingerprint == fingerprint; });
        if (other.state == ArtefactState::Ready && madeFromIt) {
            fitting += fmt::format(", and so would the {} '{}' (#{}) with the one given", toString(row.kind), other.name, other.id);
            break;
        }
    }
    fail(ErrorKind::Mismatch, "The {} '{}' does not belong to this {}: the fingerprint of its {} is {}, that of the one given is {}; {}.", toString(row.kind), row.name,
         role, role, brief(input->fingerprint), brief(fingerprint), fitting);
}

std::shared_ptr<const Corpus> Project::openCorpus(const ArtefactRow &row) const
{
    requireOpenable(row, ArtefactKind::Corpus);
    return unchanged(Corpus::open(folderOf(row)), row, folderOf(row));
}

std::shared_ptr<const Tokenizer> Project::openTokenizer(const ArtefactRow &row) const
{
    if (row.kind != ArtefactKind::Model) {
        requireOpenable(row, ArtefactKind::Tokenizer);
        return unchanged(Tokenizer::load(folderOf(row)), row, folderOf(row));
    }
    requireOpenable(row, ArtefactKind::Model);
    std::error_code code;
    const fs::path model = folderOf(row);
    // A llama2.c model is one file and its tokenizer another, which is named when the model is added or lies beside it.
    fs::path place = fs::is_directory(model, code) ? model : model.parent_path();
    if (const auto named = row.config.find("tokenizer"); named != row.config.end() && named->is_string())
        place = m_folder / named->get<std::string>();
    auto tokenizer = Tokenizer::load(place);
    const std::string recorded = row.info.contains("tokenizer") && row.info["tokenizer"].is_object() ? row.info["tokenizer"].value("fingerprint", std::string()) : "";
    if (!recorded.empty() && tokenizer->fingerprint() != recorded)
        fail(ErrorKind::Mismatch, "The tokenizer of the model '{}' was changed: its fingerprint was {} and is {} now ({}); restore the file, or add the model again under another name.",
             row.name, brief(recorded), brief(tokenizer->fingerprint()), place.string());
    return tokenizer;
}

std::shared_ptr<const LanguageModel> Project::openModel(const ArtefactRow &row, const LoadOptions &options) const
{
    requireOpenable(row, ArtefactKind::Model);
    return unchanged(LanguageModel::load(folderOf(row), options), row, folderOf(row));
}

std::shared_ptr<const TokenStore> Project::openTokens(const ArtefactRow &row) const
{
    requireOpenable(row, ArtefactKind::Tokens);
    return unchanged(TokenStore::open(folderOf(row)), row, folderOf(row));
}

std::shared_ptr<const Datastore> Project::openDatastore(const ArtefactRow &row) const
{
    requireOpenable(row, ArtefactKind::Datastore);
    return unchanged(Datastore::open(folderOf(row)), row, folderOf(row));
}

std::shared_ptr<const Index> Project::openIndex(const ArtefactRow &row, std::shared_ptr<const Datastore> datastore) const
{
    requireOpenable(row, ArtefactKind::Index);
    requireInput(row, "datastore", ArtefactKind::Datastore, datastore->fingerprint());
    return unchanged(Index::open(folderOf(row), std::move(datastore)), row, folderOf(row));
}

std::shared_ptr<const Clusters> Project::openClusters(const ArtefactRow &row) const
{
    requireOpenable(row, ArtefactKind::Clusters);
    return unchanged(Clusters::open(folderOf(row)), row, folderOf(row));
}

std::shared_ptr<const Trace> Project::openTrace(const ArtefactRow &row, std::shared_ptr<const Datastore> datastore) const
{
    requireOpenable(row, ArtefactKind::Trace);
    requireInput(row, "datastore", ArtefactKind::Datastore, datastore->fingerprint());
    return unchanged(Trace::open(folderOf(row), std::move(datastore)), row, folderOf(row));
}

// ----------------------------------------------------------------------------------------------------------- staleness

std::optional<ArtefactRow> Project::withFingerprint(ArtefactKind kind, const std::string &fingerprint) const
{
    if (fingerprint.empty())
        return std::nullopt;
    const auto rows = m_ledger.artefacts(kind);
    const auto fit = std::find_if(rows.begin(), rows.end(), [&](const ArtefactRow &row) {
        return row.state == ArtefactState::Ready && row.fingerprint == fingerprint;
    });
    return fit == rows.end() ? std::nullopt : std::optional(*fit);
}

namespace {

/// What an input has become: the artefact that can stand for it, or why there is none.
struct InputState
{
    std::optional<ArtefactRow> artefact;
    std::string problem;
};

InputState resolveInput(const Project &project, const ArtefactRow &row, const ArtefactInput &input)
{
    const auto recorded = project.ledger().artefact(input.artefact, true);
    if (!recorded)
        return {{}, fmt::format("The {} '{}' was made from the {} #{}, which the ledger does not know any more", toString(row.kind), row.name, input.role, input.artefact)};
    const bool present = recorded->deletedMs == 0 && recorded->state == ArtefactState::Ready;
    if (present && recorded->fingerprint == input.fingerprint)
        return {recorded, {}};
    if (auto fit = project.withFingerprint(recorded->kind, input.fingerprint))
        return {std::move(fit), {}};
    if (recorded->deletedMs != 0)
        return {{}, fmt::format("The {} '{}' was made from the {} '{}', which has been deleted (fingerprint {})", toString(row.kind), row.name, input.role,
                                recorded->name, brief(input.fingerprint))};
    if (!present)
        return {{}, fmt::format("The {} '{}' was made from the {} '{}', which is not ready", toString(row.kind), row.name, input.role, recorded->name)};
    return {{}, fmt::format("The {} '{}' is stale: its {} '{}' had the fingerprint {} and has {} now", toString(row.kind), row.name, input.role, recorded->name,
                            brief(input.fingerprint), brief(recorded->fingerprint))};
}

/// Visits `row` and everything that it was made from, inputs first, each once.
class Ancestry
{
public:
    explicit Ancestry(const Project &project) : m_project(project) {}

    /// True when the row or something before it is stale.
    bool visit(const ArtefactRow &row)
    {
        if (!m_seen.insert(row.id).second)
            return m_stale.contains(row.id);
        bool stale = false;
        std::vector<std::string> own;
        for (const ArtefactInput &input : row.inputs) {
            const InputState state = resolveInput(m_project, row, input);
            if (state.artefact) {
                stale = visit(*state.artefact) || stale;
            } else {
                own.push_back(state.problem + ".");
                stale = true;
            }
        }
        sentences.insert(sentences.end(), own.begin(), own.end());
        if (stale) {
            m_stale.insert(row.id);
            if (const std::string command = commandOf(row); !command.empty())
                commands.push_back(command);
        }
        return stale;
    }

    std::vector<std::string> sentences, commands;

private:
    const Project &m_project;
    std::set<std::int64_t> m_seen, m_stale;
};

} // namespace

ArtefactRow Project::inputOf(const ArtefactRow &row, const std::string &role) const
{
    const auto input = std::find_if(row.inputs.begin(), row.inputs.end(), [&](const ArtefactInput &i) { return i.role == role; });
    if (input == row.inputs.end())
        fail(ErrorKind::NotFound, "The {} '{}' was not made from a {}; it cannot be used where one is needed.", toString(row.kind), row.name, role);
    InputState state = resolveInput(*this, row, *input);
    if (!state.artefact)
        fail(ErrorKind::Mismatch, "{}; {}.", state.problem, advice(row, "renew"));
    return *std::move(state.artefact);
}

std::vector<std::string> Project::staleness(const ArtefactRow &row) const
{
    Ancestry ancestry(*this);
    ancestry.visit(row);
    return ancestry.sentences;
}

std::vector<std::string> Project::renewal(const ArtefactRow &row) const
{
    Ancestry ancestry(*this);
    ancestry.visit(row);
    return ancestry.commands;
}

void Project::deleteArtefact(const ArtefactRow &row)
{
    for (const ArtefactRow &other : m_ledger.artefacts()) {
        const bool needs = std::any_of(other.inputs.begin(), other.inputs.end(), [&](const ArtefactInput &input) { return input.artefact == row.id; });
        if (needs)
            fail(ErrorKind::BadInput, "The {} '{}' is needed by the {} '{}'; delete that first.", toString(row.kind), row.name, toString(other.kind), other.name);
    }
    supersedeArtefact(row);
}

void Project::supersedeArtefact(const ArtefactRow &row)
{
    const fs::path folder = folderOf(row);
    const fs::path inside = folder.lexically_relative(m_folder / artefactFolder);
    std::error_code code;
    if (inside.empty() || *inside.begin() == ".." || !fs::is_directory(folder, code)) {
        m_ledger.deleteArtefact(row.id); // a model that lies elsewhere is the user's
        return;
    }
    // Renamed first: its name is free for another artefact at once, even when this process is killed before the end.
    fs::path grave = folder;
    grave += fmt::format(".deleted-{}", row.id);
    {
        const FolderLock lock(folder);
        renameDurably(folder, grave);
        m_ledger.deleteArtefact(row.id);
    }
    fs::remove_all(grave, code);
}

} // namespace retoscope
