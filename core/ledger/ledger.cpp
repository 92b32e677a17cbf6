// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/ledger.h"

#include "base/error.h"
#include "ledger/run_filter.h"
#include "ledger/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <csignal>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::int32_t applicationId = 0x5265746F; // "Reto"
constexpr std::chrono::milliseconds writerPatience{30'000};
constexpr std::chrono::milliseconds readerPatience{3'000}; // writers do not block readers: one that is blocked meets a lock that will stay

// ------------------------------------------------------------------------------------------------ names of enum values

template<typename Enum, std::size_t count>
struct Names
{
    const char *what;
    std::array<std::string_view, count> names; // in the order of the enum

    [[nodiscard]] std::string_view of(Enum value) const { return names.at(static_cast<std::size_t>(value)); }
    [[nodiscard]] Enum parse(std::string_view text) const
    {
        const auto found = std::find(names.begin(), names.end(), text);
        if (found == names.end())
            fail(ErrorKind::BadInput, "'{}' is no {}; there are {}.", text, what, fmt::join(names, ", "));
        return static_cast<Enum>(found - names.begin());
    }
};

constexpr Names<ArtefactKind, 8> artefactKinds{"kind of artefact", {"corpus", "tokenizer", "model", "tokens", "datastore", "index", "clusters", "trace"}};
constexpr Names<ArtefactState, 3> artefactStates{"state of an artefact", {"building", "ready", "failed"}};
constexpr Names<JobState, 5> jobStates{"state of a job", {"running", "done", "failed", "cancelled", "interrupted"}};
constexpr Names<RunStatus, 3> runStatuses{"status of a run", {"running", "done", "failed"}};

// ------------------------------------------------------------------------------------------------------------- schema

/// Version 1. Timestamps are integer milliseconds UTC; deleted artefacts stay as rows because runs point at them.
void createSchema(const sqlite::Database &database)
{
    database.execute(R"sql(
CREATE TABLE artefact(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK(kind IN ('corpus', 'tokenizer', 'model', 'tokens', 'datastore', 'index', 'clusters', 'trace')),
    name TEXT NOT NULL CHECK(length(name) > 0),
    folder TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'building' CHECK(state IN ('building', 'ready', 'failed')),
    fingerprint TEXT NOT NULL DEFAULT '' CHECK(state <> 'ready' OR length(fingerprint) > 0),
    request_hash TEXT NOT NULL DEFAULT '',
    config TEXT NOT NULL CHECK(json_valid(config)),
    info TEXT NOT NULL DEFAULT '{}' CHECK(json_valid(info)),
    bytes INTEGER NOT NULL DEFAULT 0 CHECK(bytes >= 0),
    created_ms INTEGER NOT NULL,
    finished_ms INTEGER NOT NULL DEFAULT 0,
    deleted_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX artefact_name ON artefact(kind, name) WHERE deleted_ms = 0;
CREATE UNIQUE INDEX artefact_request ON artefact(kind, request_hash) WHERE deleted_ms = 0 AND request_hash <> '';

CREATE TABLE artefact_input(
    artefact INTEGER NOT NULL REFERENCES artefact(id),
    role TEXT NOT NULL,
    input INTEGER NOT NULL REFERENCES artefact(id),
    fingerprint TEXT NOT NULL,
    PRIMARY KEY(artefact, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE job(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    command TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'running' CHECK(state IN ('running', 'done', 'failed', 'cancelled', 'interrupted')),
    process TEXT NOT NULL CHECK(json_valid(process)),
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX job_running ON job(state) WHERE state = 'running';

CREATE TABLE curve(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK(length(kind) > 0),
    name TEXT NOT NULL,
    trace INTEGER REFERENCES artefact(id),
    config TEXT NOT NULL CHECK(json_valid(config)),
    data TEXT NOT NULL CHECK(json_valid(data)),
    command TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE run(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK(status IN ('running', 'done', 'failed')),
    method TEXT NOT NULL CHECK(length(method) > 0),
    trace INTEGER REFERENCES artefact(id),
    series INTEGER REFERENCES curve(id),
    config TEXT NOT NULL CHECK(json_valid(config)),
    metrics TEXT NOT NULL CHECK(json_valid(metrics)),
    environment TEXT NOT NULL CHECK(json_valid(environment)),
    command TEXT NOT NULL,
    process TEXT NOT NULL CHECK(json_valid(process)),
    started_ms INTEGER NOT NULL,
    seconds REAL NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    archived INTEGER NOT NULL DEFAULT 0 CHECK(archived IN (0, 1))
) STRICT;
CREATE INDEX run_series ON run(series);
CREATE INDEX run_running ON run(status) WHERE status = 'running';

CREATE TABLE run_tag(
    run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    tag TEXT NOT NULL CHECK(length(tag) > 0),
    PRIMARY KEY(run, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE change(only INTEGER PRIMARY KEY CHECK(only = 1), counter INTEGER NOT NULL) STRICT;
INSERT INTO change VALUES(1, 0);
)sql");
}

const std::vector<sqlite::MigrationStep> &migrations()
{
    static const std::vector<sqlite::MigrationStep> steps = {&createSchema};
    return steps;
}

// ------------------------------------------------------------------------------------------------------------- journal

/// Magic numbers of statfs(2) whose file systems cannot share the memory map that WAL needs (sqlite.org/wal.html).
bool isNetworkFileSystem(const fs::path &folder)
{
    constexpr std::array<std::uint32_t, 10> magic = {
        0x6969,     // NFS
        0x517B,     // SMB
        0xFF534D42, // CIFS
        0xFE534D42, // SMB2
        0x01021997, // 9P
        0x5346414F, // AFS
        0x00C36400, // Ceph
        0x0BD00BD0, // Lustre
        0x47504653, // GPFS
        0x65735546, // FUSE (sshfs and the like)
    };
    struct statfs info{};
    return statfs(folder.c_str(), &info) == 0 && std::find(magic.begin(), magic.end(), static_cast<std::uint32_t>(info.f_type)) != magic.end();
}

/// Asks for a journal mode and says which one it became. Changing it needs the file alone and SQLite gives up at once when
/// another process is just opening it, so this waits.
std::string setJournalMode(const sqlite::Database &database, const std::string &mode, std::chrono::milliseconds patience)
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        try {
            return database.text("PRAGMA journal_mode = " + mode);
        } catch (const Error &error) {
            if (error.kind() != ErrorKind::Resource || std::chrono::steady_clock::now() > deadline)
                throw;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- process

/// Start of a process in clock ticks after boot: with the pid it names a process for good, however often pids are reused.
std::int64_t processStart(std::int64_t pid)
{
    std::ifstream stream(fmt::format("/proc/{}/stat", pid));
    std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const auto close = text.rfind(')'); // the name before it may hold anything
    if (close == std::string::npos)
        return 0;
    std::istringstream fields(text.substr(close + 1));
    std::string field;
    for (int i = 0; i < 20 && fields >> field; ++i) {
    }
    std::int64_t ticks = 0;
    std::from_chars(field.data(), field.data() + field.size(), ticks);
    return ticks;
}

std::string hostName()
{
    char name[256] = {};
    return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

/// What names a boot of this machine: a process of an earlier boot is gone.
std::string bootId()
{
    std::ifstream stream("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(stream, id);
    return id;
}

Json thisProcess()
{
    return {{"pid", getpid()}, {"start", processStart(getpid())}, {"host", hostName()}, {"boot", bootId()}};
}

/// False only when it is certain: a process of another machine may well be alive.
bool mayBeAlive(const Json &process)
{
    if (process.value("host", std::string()) != hostName())
        return true;
    if (process.value("boot", std::string()) != bootId())
        return false;
    const auto pid = process.value("pid", std::int64_t(0));
    if (kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)
        return false;
    return processStart(pid) == process.value("start", std::int64_t(0));
}

// ---------------------------------------------------------------------------------------------------------------- rows

std::string dump(const Json &json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace); // a command line may hold any bytes
}

Json parseStored(const std::string &text)
{
    Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded())
        fail(ErrorKind::Corrupt, "A row of the ledger holds text that is not JSON; restore the ledger from a backup.");
    if (json.is_null())
        json = Json::object(); // what nothing was said about
    return json;
}

/// 0 in a row struct is NULL in the table.
sqlite::Value reference(std::int64_t id)
{
    return id == 0 ? sqlite::Value(nullptr) : sqlite::Value(id);
}

constexpr std::string_view artefactColumns = R"sql(
SELECT artefact.id, kind, name, folder, state, artefact.fingerprint, request_hash, config, info, bytes, created_ms, finished_ms, deleted_ms,
    (SELECT json_group_array(json_object('role', role, 'artefact', input, 'fingerprint', fingerprint))
     FROM (SELECT * FROM artefact_input WHERE artefact_input.artefact = artefact.id ORDER BY role))
FROM artefact )sql";

ArtefactRow artefactOf(const sqlite::Statement &row)
{
    ArtefactRow artefact;
    artefact.id = row.integer(0);
    artefact.kind = artefactKinds.parse(row.text(1));
    artefact.name = row.text(2);
    artefact.folder = row.text(3);
    artefact.state = artefactStates.parse(row.text(4));
    artefact.fingerprint = row.text(5);
    artefact.requestHash = row.text(6);
    artefact.config = parseStored(row.text(7));
    artefact.info = parseStored(row.text(8));
    artefact.bytes = static_cast<std::uint64_t>(row.integer(9));
    artefact.createdMs = row.integer(10);
    artefact.finishedMs = row.integer(11);
    artefact.deletedMs = row.integer(12);
    for (const Json &input : parseStored(row.text(13)))
        artefact.inputs.push_back({input.at("role"), input.at("artefact"), input.at("fingerprint")});
    return artefact;
}

constexpr std::string_view jobColumns = "SELECT id, kind, command, state, process, started_ms, ended_ms, message FROM job ";

JobRow jobOf(const sqlite::Statement &row)
{
    JobRow job;
    job.id = row.integer(0);
    job.kind = row.text(1);
    job.command = row.text(2);
    job.state = jobStates.parse(row.text(3));
    job.pid = parseStored(row.text(4)).value("pid", std::int64_t(0));
    job.startedMs = row.integer(5);
    job.endedMs = row.integer(6);
    job.message = row.text(7);
    return job;
}

constexpr std::string_view runColumns = R"sql(
SELECT run.id, name, status, method, trace, series, config, metrics, environment, command, started_ms, seconds, note, message, archived,
    (SELECT json_group_array(tag) FROM (SELECT tag FROM run_tag WHERE run_tag.run = run.id ORDER BY tag))
FROM run )sql";

RunRow runOf(const sqlite::Statement &row)
{
    RunRow run;
    run.id = row.integer(0);
    run.name = row.text(1);
    run.status = runStatuses.parse(row.text(2));
    run.method = row.text(3);
    run.trace = row.integer(4);
    run.group = row.integer(5);
    run.config = parseStored(row.text(6));
    run.metrics = parseStored(row.text(7));
    run.environment = parseStored(row.text(8));
    run.command = row.text(9);
    run.startedMs = row.integer(10);
    run.seconds = row.real(11);
    run.note = row.text(12);
    run.message = row.text(13);
    run.archived = row.integer(14) != 0;
    run.tags = parseStored(row.text(15)).get<std::vector<std::string>>();
    return run;
}

constexpr std::string_view curveColumns = "SELECT id, kind, name, trace, config, data, command, created_ms FROM curve ";

CurveRow curveOf(const sqlite::Statement &row)
{
    CurveRow curve;
    curve.id = row.integer(0);
    curve.kind = row.text(1);
    curve.name = row.text(2);
    curve.trace = row.integer(3);
    curve.config = parseStored(row.text(4));
    curve.data = parseStored(row.text(5));
    curve.command = row.text(6);
    curve.createdMs = row.integer(7);
    return curve;
}

template<typename Convert>
auto collect(sqlite::Statement &statement, Convert convert)
{
    std::vector<decltype(convert(statement))> rows;
    while (statement.step())
        rows.push_back(convert(statement));
    return rows;
}

template<typename Convert>
auto first(sqlite::Statement &statement, Convert convert)
{
    return statement.step() ? std::optional(convert(statement)) : std::nullopt;
}

/// " WHERE … ORDER BY … LIMIT …" of a filter, and its parameters.
SqlFragment clausesOf(const RunFilter &filter, bool ordered)
{
    SqlFragment clauses = compileRunFilter(filter.expression);
    clauses.sql = "WHERE " + clauses.sql;
    if (!filter.includeArchived)
        clauses.sql += " AND run.archived = 0";
    if (filter.group) {
        clauses.sql += " AND run.series IS ?";
        clauses.parameters.push_back(reference(*filter.group));
    }
    if (!ordered)
        return clauses;
    const SqlFragment order = compileRunField(filter.orderBy);
    const char *direction = filter.descending ? "DESC" : "ASC";
    clauses.sql += fmt::format(" ORDER BY {} {} NULLS LAST, run.id {}", order.sql, direction, direction);
    clauses.parameters.insert(clauses.parameters.end(), order.parameters.begin(), order.parameters.end());
    if (filter.limit > 0 || filter.offset > 0) {
        clauses.sql += " LIMIT ? OFFSET ?";
        clauses.parameters.emplace_back(filter.limit > 0 ? filter.limit : std::int64_t(-1));
        clauses.parameters.emplace_back(std::max<std::int64_t>(filter.offset, 0));
    }
    return clauses;
}

sqlite::Statement prepare(const sqlite::Database &database, std::string_view columns, const SqlFragment &clauses)
{
    sqlite::Statement statement = database.prepare(fmt::format("{}{}", columns, clauses.sql));
    for (const auto &parameter : clauses.parameters)
        statement.bind(parameter);
    return statement;
}

} // namespace

// --------------------------------------------------------------------------------------------------------------- names

std::string_view toString(ArtefactKind kind)
{
    return artefactKinds.of(kind);
}

ArtefactKind artefactKindFromString(std::string_view text)
{
    return artefactKinds.parse(text);
}

std::string_view toString(ArtefactState state)
{
    return artefactStates.of(state);
}

std::string_view toString(JobState state)
{
    return jobStates.of(state);
}

std::string_view toString(RunStatus status)
{
    return runStatuses.of(status);
}

std::int64_t nowMs()
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string sqliteVersion()
{
    return sqlite3_libversion();
}

// -------------------------------------------------------------------------------------------------------------- ledger

struct Ledger::Impl
{
    sqlite::Database database;
    std::string journalNote;

    Impl(const fs::path &file, Mode mode, std::chrono::milliseconds patience)
        : database(existing(file, mode), mode == Mode::ReadOnly ? sqlite::Database::Mode::ReadOnly : sqlite::Database::Mode::ReadWrite,
                   static_cast<int>(patience.count()))
    {
        database.execute("PRAGMA foreign_keys = ON");
        checkStructure();
        if (mode == Mode::ReadWrite)
            chooseJournal(patience);
        sqlite::migrate(database, applicationId, migrations());
    }

    ~Impl()
    {
        if (database.readOnly())
            return;
        try {
            database.execute("PRAGMA optimize");
        } catch (const Error &) {
            // Only statistics for the query planner; another process holding the file is no reason to complain.
        }
    }

    static const fs::path &existing(const fs::path &file, Mode mode)
    {
        std::error_code code;
        if (mode == Mode::ReadOnly && !fs::exists(file, code))
            fail(ErrorKind::NotFound, "There is no ledger {}; make a project with `retoscope-cli project new`.", file.string());
        return file;
    }

    /// A damaged ledger is refused when it is opened, not when somebody reads the damaged row. Ledgers are small.
    void checkStructure() const
    {
        constexpr std::int64_t pagesWorthChecking = 1 << 14;
        if (database.integer("PRAGMA page_count") > pagesWorthChecking)
            return;
        if (const std::string result = database.text("PRAGMA quick_check(1)"); result != "ok")
            fail(ErrorKind::Corrupt, "{} is damaged ({}); restore it from a backup, or make a new project: artefact folders can be taken over as they are.",
                 database.file().string(), result);
    }

    /// FULL: a commit is on disk when it returns, also after a power cut. Artefacts take minutes to hours; one fsync is cheap.
    void chooseJournal(std::chrono::milliseconds patience)
    {
        database.execute("PRAGMA synchronous = FULL");
        const bool network = isNetworkFileSystem(fs::absolute(database.file()).parent_path());
        const std::string wanted = network ? "delete" : "wal";
        const std::string mode = setJournalMode(database, wanted, patience);
        if (mode != "wal")
            journalNote = fmt::format("{} uses a rollback journal instead of WAL because its file system {}; readers wait for writers.",
                                      database.file().string(), network ? "is shared over a network" : "does not support it");
    }

    /// Runs `body` in one IMMEDIATE transaction and counts the change.
    template<typename Body>
    auto write(Body body)
    {
        sqlite::Transaction transaction(database);
        if constexpr (std::is_void_v<decltype(body())>) {
            body();
            countChange();
            transaction.commit();
        } else {
            auto result = body();
            countChange();
            transaction.commit();
            return result;
        }
    }
    void countChange() { database.execute("UPDATE change SET counter = counter + 1"); }

    /// For statements that must touch exactly one row.
    template<typename... Values>
    void changeOne(std::string_view what, std::int64_t id, std::string_view sql, Values &&...values)
    {
        write([&] {
            database.prepare(sql).bindAll(std::forward<Values>(values)..., id).run();
            if (database.changes() != 1)
                failNoRow(what, id);
        });
    }
    [[noreturn]] static void failNoRow(std::string_view what, std::int64_t id)
    {
        fail(ErrorKind::NotFound, "The ledger has no {} #{}; it may have been deleted by another program.", what, id);
    }

    [[nodiscard]] std::optional<ArtefactRow> artefact(std::int64_t id) const
    {
        auto statement = database.prepare(fmt::format("{}WHERE artefact.id = ?", artefactColumns));
        statement.bind(id);
        return first(statement, artefactOf);
    }

    [[nodiscard]] std::string freeName(ArtefactKind kind, const std::string &name) const
    {
        auto taken = database.prepare("SELECT 1 FROM artefact WHERE kind = ? AND name = ? AND deleted_ms = 0");
        std::string candidate = name;
        for (int suffix = 2; taken.bindAll(std::string(toString(kind)), candidate).step(); ++suffix) {
            candidate = fmt::format("{}-{}", name, suffix);
            taken.reset();
        }
        return candidate;
    }

    std::vector<std::int64_t> insertRuns(const std::vector<RunRow> &runs)
    {
        const std::string process = dump(thisProcess());
        auto insert = database.prepare(
            "INSERT INTO run(name, status, method, trace, series, config, metrics, environment, command, process, started_ms, seconds, note, message, archived) "
            "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        auto insertTag = database.prepare("INSERT OR IGNORE INTO run_tag(run, tag) VALUES(?, ?)");
        std::vector<std::int64_t> ids;
        ids.reserve(runs.size());
        for (const RunRow &run : runs)
            ids.push_back(insertRun(insert, insertTag, run, process));
        return ids;
    }

    std::int64_t insertCurve(const CurveRow &curve)
    {
        database.prepare("INSERT INTO curve(kind, name, trace, config, data, command, created_ms) VALUES(?, ?, ?, ?, ?, ?, ?)")
            .bindAll(curve.kind, curve.name, reference(curve.trace), dump(curve.config), dump(curve.data), curve.command,
                     curve.createdMs != 0 ? curve.createdMs : nowMs()).run();
        return database.lastInsertId();
    }

    std::int64_t insertRun(sqlite::Statement &insert, sqlite::Statement &insertTag, const RunRow &run, const std::string &process)
    {
        insert.bindAll(run.name, std::string(toString(run.status)), run.method, reference(run.trace), reference(run.group), dump(run.config), dump(run.metrics),
                       dump(run.environment), run.command, process, run.startedMs != 0 ? run.startedMs : nowMs(), run.seconds, run.note, run.message,
                       std::int64_t(run.archived)).run();
        const auto id = database.lastInsertId();
        for (const std::string &tag : run.tags)
            insertTag.bindAll(id, tag).run();
        return id;
    }
};

Ledger::Ledger(const fs::path &file, Mode mode, std::optional<std::chrono::milliseconds> patience)
    : m_impl(std::make_unique<Impl>(file, mode, patience.value_or(mode == Mode::ReadOnly ? readerPatience : writerPatience)))
{
}
Ledger::~Ledger() = default;
Ledger::Ledger(Ledger &&) noexcept = default;
Ledger &Ledger::operator=(Ledger &&) noexcept = default;

// ----------------------------------------------------------------------------------------------------------- artefacts

ArtefactRow Ledger::beginArtefact(ArtefactKind kind, const std::string &name, const std::string &requestHash, const Json &config,
                                  const std::vector<ArtefactInput> &inputs, const std::string &command)
{
    if (name.empty())
        fail(ErrorKind::BadInput, "An artefact needs a name; give one with --name.");
    const auto &database = m_impl->database;
    const std::string info = dump(command.empty() ? Json::object() : Json{{"command", command}});
    return m_impl->write([&] {
        auto find = database.prepare(fmt::format("{}WHERE kind = ? AND request_hash = ? AND request_hash <> '' AND deleted_ms = 0", artefactColumns));
        find.bindAll(std::string(toString(kind)), requestHash);
        if (const auto row = first(find, artefactOf)) {
            if (row->state != ArtefactState::Failed)
                return *row;
            database.prepare("UPDATE artefact SET state = 'building', info = ? WHERE id = ?").bindAll(info, row->id).run();
            return *m_impl->artefact(row->id);
        }
        database.prepare("INSERT INTO artefact(kind, name, request_hash, config, info, created_ms) VALUES(?, ?, ?, ?, ?, ?)")
            .bindAll(std::string(toString(kind)), m_impl->freeName(kind, name), requestHash, dump(config), info, nowMs()).run();
        const auto id = database.lastInsertId();
        auto insert = database.prepare("INSERT INTO artefact_input(artefact, role, input, fingerprint) VALUES(?, ?, ?, ?)");
        for (const ArtefactInput &input : inputs)
            insert.bindAll(id, input.role, input.artefact, input.fingerprint).run();
        return *m_impl->artefact(id);
    });
}

void Ledger::finishArtefact(std::int64_t id, const std::string &folder, const std::string &fingerprint, std::uint64_t bytes, const Json &info)
{
    m_impl->write([&] {
        const auto row = artefact(id);
        if (!row)
            Impl::failNoRow("artefact", id);
        Json complete = info;
        if (row->info.contains("command") && !complete.contains("command"))
            complete["command"] = row->info["command"];
        m_impl->database.prepare("UPDATE artefact SET state = 'ready', folder = ?, fingerprint = ?, bytes = ?, info = ?, finished_ms = ? WHERE id = ?")
            .bindAll(folder, fingerprint, static_cast<std::int64_t>(bytes), dump(complete), nowMs(), id).run();
    });
}

void Ledger::failArtefact(std::int64_t id, const std::string &sentence)
{
    m_impl->changeOne("artefact", id,
                      "UPDATE artefact SET state = iif(state = 'ready', state, 'failed'), info = iif(state = 'ready', info, json_set(info, '$.error', ?)), "
                      "finished_ms = iif(state = 'ready', finished_ms, ?) WHERE deleted_ms = 0 AND id = ?",
                      sentence, nowMs());
}

void Ledger::setForecast(std::int64_t id, const Json &forecast)
{
    m_impl->changeOne("artefact", id, "UPDATE artefact SET info = json_set(info, '$.forecast', json(?)) WHERE deleted_ms = 0 AND id = ?", dump(forecast));
}

void Ledger::setArtefactFolder(std::int64_t id, const std::string &folder)
{
    m_impl->changeOne("artefact", id, "UPDATE artefact SET folder = ? WHERE deleted_ms = 0 AND id = ?", folder);
}

void Ledger::deleteArtefact(std::int64_t id)
{
    m_impl->changeOne("artefact", id, "UPDATE artefact SET deleted_ms = ? WHERE deleted_ms = 0 AND id = ?", nowMs());
}

std::vector<ArtefactRow> Ledger::artefacts(std::optional<ArtefactKind> kind) const
{
    auto statement = m_impl->database.prepare(fmt::format("{}WHERE deleted_ms = 0 {}ORDER BY artefact.id", artefactColumns, kind ? "AND kind = ? " : ""));
    if (kind)
        statement.bind(std::string(toString(*kind)));
    return collect(statement, artefactOf);
}

std::optional<ArtefactRow> Ledger::artefact(std::int64_t id, bool evenDeleted) const
{
    auto row = m_impl->artefact(id);
    if (row && row->deletedMs != 0 && !evenDeleted)
        row.reset();
    return row;
}

ArtefactRow Ledger::findArtefact(ArtefactKind kind, const std::string &nameOrId) const
{
    const auto rows = artefacts(kind);
    const auto byName = std::find_if(rows.begin(), rows.end(), [&](const ArtefactRow &row) { return row.name == nameOrId; });
    if (byName != rows.end())
        return *byName;
    const std::string digits = nameOrId.substr(nameOrId.starts_with('#') ? 1 : 0);
    const auto byId = std::find_if(rows.begin(), rows.end(), [&](const ArtefactRow &row) { return std::to_string(row.id) == digits; });
    if (byId != rows.end())
        return *byId;
    if (rows.empty())
        fail(ErrorKind::NotFound, "There is no {} '{}', and no other {} in this project.", toString(kind), nameOrId, toString(kind));
    std::vector<std::string> names;
    for (const ArtefactRow &row : rows)
        names.push_back(fmt::format("{} (#{})", row.name, row.id));
    fail(ErrorKind::NotFound, "There is no {} '{}'; there is {}.", toString(kind), nameOrId, fmt::join(names, ", "));
}

// ---------------------------------------------------------------------------------------------------------------- jobs

std::int64_t Ledger::beginJob(const std::string &kind, const std::string &command)
{
    return m_impl->write([&] {
        m_impl->database.prepare("INSERT INTO job(kind, command, process, started_ms) VALUES(?, ?, ?, ?)").bindAll(kind, command, dump(thisProcess()), nowMs()).run();
        return m_impl->database.lastInsertId();
    });
}

void Ledger::endJob(std::int64_t id, JobState state, const std::string &message)
{
    m_impl->changeOne("job", id, "UPDATE job SET state = ?, message = ?, ended_ms = ? WHERE id = ?", std::string(toString(state)), message, nowMs());
}

std::vector<JobRow> Ledger::markInterruptedJobs()
{
    const auto &database = m_impl->database;
    const auto gone = [&](std::string_view sql) {
        auto statement = database.prepare(sql);
        std::vector<std::int64_t> ids;
        while (statement.step()) {
            if (!mayBeAlive(parseStored(statement.text(1))))
                ids.push_back(statement.integer(0));
        }
        return ids;
    };
    constexpr std::string_view runningJobs = "SELECT id, process FROM job WHERE state = 'running'";
    constexpr std::string_view runningRuns = "SELECT id, process FROM run WHERE status = 'running'";
    if (gone(runningJobs).empty() && gone(runningRuns).empty())
        return {}; // the usual case writes nothing
    return m_impl->write([&] {
        for (const auto id : gone(runningRuns))
            database.prepare("UPDATE run SET status = 'failed', message = 'Its process ended before the run did; run the same command again.' WHERE id = ?").bind(id).run();
        std::vector<JobRow> jobs;
        for (const auto id : gone(runningJobs)) {
            database.prepare("UPDATE job SET state = 'interrupted', ended_ms = ?, message = 'Its process ended before the job did; the same command continues it.' WHERE id = ?")
                .bindAll(nowMs(), id).run();
            auto statement = database.prepare(fmt::format("{}WHERE id = ?", jobColumns));
            statement.bind(id);
            jobs.push_back(*first(statement, jobOf));
        }
        return jobs;
    });
}

std::vector<JobRow> Ledger::jobs() const
{
    auto statement = m_impl->database.prepare(fmt::format("{}ORDER BY id", jobColumns));
    return collect(statement, jobOf);
}

// ----------------------------------------------------------------------------------------------------- runs and curves

std::int64_t Ledger::addRun(const RunRow &run)
{
    return addRuns({run}).front();
}

std::vector<std::int64_t> Ledger::addRuns(const std::vector<RunRow> &runs)
{
    if (runs.empty())
        return {};
    return m_impl->write([&] { return m_impl->insertRuns(runs); });
}

void Ledger::updateRun(const RunRow &run)
{
    m_impl->changeOne("run", run.id, "UPDATE run SET status = ?, metrics = ?, environment = ?, seconds = ?, message = ?, name = ?, note = ? WHERE id = ?",
                      std::string(toString(run.status)), dump(run.metrics), dump(run.environment), run.seconds, run.message, run.name, run.note);
}

void Ledger::setRunNote(std::int64_t id, const std::string &note)
{
    m_impl->changeOne("run", id, "UPDATE run SET note = ? WHERE id = ?", note);
}

void Ledger::setRunArchived(std::int64_t id, bool archived)
{
    m_impl->changeOne("run", id, "UPDATE run SET archived = ? WHERE id = ?", std::int64_t(archived));
}

void Ledger::deleteRun(std::int64_t id)
{
    m_impl->write([&] {
        const auto row = run(id);
        if (!row)
            Impl::failNoRow("run", id);
        if (row->status == RunStatus::Running)
            fail(ErrorKind::BadInput, "Run #{} is still running; stop it first, then delete it.", id);
        m_impl->database.prepare("DELETE FROM run WHERE id = ?").bind(id).run();
    });
}

void Ledger::restoreRun(const RunRow &run)
{
    m_impl->write([&] {
        if (this->run(run.id))
            fail(ErrorKind::BadInput, "Run #{} is in the ledger already; there is nothing to restore.", run.id);
        m_impl->database
            .prepare("INSERT INTO run(id, name, status, method, trace, series, config, metrics, environment, command, process, started_ms, seconds, note, message, archived) "
                     "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bindAll(run.id, run.name, std::string(toString(run.status)), run.method, reference(run.trace), reference(run.group), dump(run.config),
                     dump(run.metrics), dump(run.environment), run.command, dump(thisProcess()), run.startedMs, run.seconds, run.note, run.message,
                     std::int64_t(run.archived)).run();
        for (const std::string &tag : run.tags)
            m_impl->database.prepare("INSERT INTO run_tag(run, tag) VALUES(?, ?)").bindAll(run.id, tag).run();
    });
}

void Ledger::addTag(std::int64_t run, const std::string &tag)
{
    if (tag.empty())
        fail(ErrorKind::BadInput, "A tag needs at least one character.");
    m_impl->write([&] {
        if (!this->run(run))
            Impl::failNoRow("run", run);
        m_impl->database.prepare("INSERT OR IGNORE INTO run_tag(run, tag) VALUES(?, ?)").bindAll(run, tag).run();
    });
}

void Ledger::removeTag(std::int64_t run, const std::string &tag)
{
    m_impl->write([&] { m_impl->database.prepare("DELETE FROM run_tag WHERE run = ? AND tag = ?").bindAll(run, tag).run(); });
}

std::vector<RunRow> Ledger::runs(const RunFilter &filter) const
{
    auto statement = prepare(m_impl->database, runColumns, clausesOf(filter, true));
    return collect(statement, runOf);
}

std::vector<std::int64_t> Ledger::runIds(const RunFilter &filter) const
{
    auto statement = prepare(m_impl->database, "SELECT run.id FROM run ", clausesOf(filter, true));
    return collect(statement, [](const sqlite::Statement &row) { return row.integer(0); });
}

std::int64_t Ledger::runCount(const RunFilter &filter) const
{
    auto statement = prepare(m_impl->database, "SELECT count(*) FROM run ", clausesOf(filter, false));
    statement.step();
    return statement.integer(0);
}

std::optional<RunRow> Ledger::run(std::int64_t id) const
{
    auto statement = m_impl->database.prepare(fmt::format("{}WHERE run.id = ?", runColumns));
    statement.bind(id);
    return first(statement, runOf);
}

std::int64_t Ledger::addCurve(const CurveRow &curve)
{
    return m_impl->write([&] { return m_impl->insertCurve(curve); });
}

Ledger::CurveWithRuns Ledger::addCurve(CurveRow curve, std::vector<RunRow> runs,
                                       const std::function<void(CurveRow &curve, const std::vector<std::int64_t> &runs)> &complete)
{
    return m_impl->write([&] {
        CurveWithRuns added;
        added.curve = curve.id = m_impl->insertCurve(curve);
        for (RunRow &run : runs)
            run.group = curve.id;
        added.runs = m_impl->insertRuns(runs);
        complete(curve, added.runs);
        m_impl->database.prepare("UPDATE curve SET data = ? WHERE id = ?").bindAll(dump(curve.data), curve.id).run();
        return added;
    });
}

void Ledger::updateCurve(const CurveRow &curve)
{
    m_impl->changeOne("curve", curve.id, "UPDATE curve SET data = ? WHERE id = ?", dump(curve.data));
}

std::vector<CurveRow> Ledger::curves() const
{
    auto statement = m_impl->database.prepare(fmt::format("{}ORDER BY id", curveColumns));
    return collect(statement, curveOf);
}

std::optional<CurveRow> Ledger::curve(std::int64_t id) const
{
    auto statement = m_impl->database.prepare(fmt::format("{}WHERE id = ?", curveColumns));
    statement.bind(id);
    return first(statement, curveOf);
}

// --------------------------------------------------------------------------------------------------------------- state

const std::string &Ledger::journalNote() const
{
    return m_impl->journalNote;
}

std::int64_t Ledger::changeCounter() const
{
    return m_impl->database.integer("SELECT counter FROM change");
}

std::vector<std::string> Ledger::check() const
{
    std::vector<std::string> problems;
    auto integrity = m_impl->database.prepare("PRAGMA integrity_check");
    while (integrity.step()) {
        if (const std::string line = integrity.text(0); line != "ok")
            problems.push_back(fmt::format("{}: {}.", m_impl->database.file().string(), line));
    }
    auto foreign = m_impl->database.prepare("PRAGMA foreign_key_check");
    while (foreign.step())
        problems.push_back(fmt::format("{}: row {} of table {} points at a row of {} that is not there.", m_impl->database.file().string(), foreign.integer(1),
                                       foreign.text(0), foreign.text(2)));
    return problems;
}

} // namespace retoscope
