// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/sqlite.h"

#include "base/error.h"

#include <sqlite3.h>

#include <unistd.h>

#include <thread>
#include <utility>

namespace retoscope::sqlite {

namespace {

/// The sentence for what SQLite reported, by its primary result code.
[[noreturn]] void failWith(sqlite3 *database, int code, const std::string &file)
{
    const std::string reason = database ? sqlite3_errmsg(database) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        fail(ErrorKind::Resource, "{} has been locked by another process for longer than this program waits; let that process finish, then run the same command again.", file);
    case SQLITE_NOTADB:
        fail(ErrorKind::BadInput, "{} is not a ledger of Retoscope (no SQLite database); give a project folder, or restore the file from a backup.", file);
    case SQLITE_CORRUPT:
        fail(ErrorKind::Corrupt, "{} is damaged ({}); restore it from a backup, or make a new project: artefact folders can be taken over as they are.", file, reason);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        fail(ErrorKind::Io, "{} cannot be written ({}); make the project folder writable for you.", file, reason);
    case SQLITE_CANTOPEN:
        fail(ErrorKind::Io, "{} cannot be opened ({}); check that its folder exists and that you may read and write it.", file, reason);
    case SQLITE_FULL:
        fail(ErrorKind::Io, "{} cannot grow: the disk is full; free some space, then run the same command again.", file);
    case SQLITE_IOERR:
        fail(ErrorKind::Io, "{} cannot be read or written ({}); check the disk and that the file is still there.", file, reason);
    case SQLITE_CONSTRAINT:
        fail(ErrorKind::BadInput, "{} refuses this row ({}).", file, reason);
    default:
        fail(ErrorKind::Io, "{}: SQLite reports: {}.", file, reason);
    }
}

/// Even readers of a WAL database write a shared-memory file beside it; where they may not, and nobody is writing, it is
/// read as a file that does not change.
bool liesOnReadOnlyMedia(const std::filesystem::path &file)
{
    const auto folder = std::filesystem::absolute(file).parent_path();
    std::error_code code;
    return access(folder.c_str(), W_OK) != 0 && !std::filesystem::exists(file.string() + "-wal", code);
}

std::string uriOf(const std::filesystem::path &file, bool immutable)
{
    std::string uri = "file:";
    for (const char c : std::filesystem::absolute(file).string()) {
        if (c == '?' || c == '#' || c == '%')
            uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        else
            uri += c;
    }
    return immutable ? uri + "?immutable=1" : uri;
}

} // namespace

Statement::Statement(sqlite3 *database, std::string_view sql, std::string file) : m_database(database), m_file(std::move(file))
{
    const int code = sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &m_statement, nullptr);
    if (code != SQLITE_OK)
        failWith(database, code, m_file);
}

Statement::~Statement()
{
    sqlite3_finalize(m_statement);
}

Statement::Statement(Statement &&other) noexcept
    : m_database(other.m_database), m_statement(std::exchange(other.m_statement, nullptr)), m_file(std::move(other.m_file)), m_bound(other.m_bound)
{
}

Statement &Statement::bind(const Value &value)
{
    const int at = ++m_bound;
    int code = SQLITE_OK;
    if (const auto *number = std::get_if<std::int64_t>(&value))
        code = sqlite3_bind_int64(m_statement, at, *number);
    else if (const auto *real = std::get_if<double>(&value))
        code = sqlite3_bind_double(m_statement, at, *real);
    else if (const auto *text = std::get_if<std::string>(&value))
        code = sqlite3_bind_text64(m_statement, at, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    else
        code = sqlite3_bind_null(m_statement, at);
    if (code != SQLITE_OK)
        failWith(m_database, code, m_file);
    return *this;
}

bool Statement::step()
{
    const int code = sqlite3_step(m_statement);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        failWith(m_database, sqlite3_extended_errcode(m_database), m_file);
    return false;
}

void Statement::run()
{
    step();
    reset();
}

void Statement::reset()
{
    sqlite3_reset(m_statement);
    sqlite3_clear_bindings(m_statement);
    m_bound = 0;
}

std::int64_t Statement::integer(int column) const
{
    return sqlite3_column_int64(m_statement, column);
}

double Statement::real(int column) const
{
    return sqlite3_column_double(m_statement, column);
}

std::string Statement::text(int column) const
{
    const auto *text = reinterpret_cast<const char *>(sqlite3_column_text(m_statement, column));
    return text ? std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(m_statement, column))) : std::string();
}

Database::Database(const std::filesystem::path &file, Mode mode, int busyTimeoutMs) : m_file(file), m_busyTimeout(busyTimeoutMs)
{
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI
        | (mode == Mode::ReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    const bool immutable = mode == Mode::ReadOnly && liesOnReadOnlyMedia(file);
    const int code = sqlite3_open_v2(uriOf(file, immutable).c_str(), &m_database, flags, nullptr);
    if (code != SQLITE_OK) {
        // The handle must be closed even when opening failed, but its message is needed first.
        const std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)> handle(std::exchange(m_database, nullptr), &sqlite3_close_v2);
        failWith(handle.get(), code, m_file.string());
    }
    sqlite3_busy_handler(m_database, &Database::waitForLock, this);
    // "x" is a column or an error, never silently a string.
    sqlite3_db_config(m_database, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(m_database, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    sqlite3_db_config(m_database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
}

/// SQLite's own handler soon sleeps 100 ms at a time, which lets one busy writer starve another: two processes of 200
/// commits each took 2.8 s with it and 1.2 s with short sleeps.
int Database::waitForLock(void *self, int attempts)
{
    auto &database = *static_cast<Database *>(self);
    const auto now = std::chrono::steady_clock::now();
    if (attempts == 0)
        database.m_busySince = now;
    if (now - database.m_busySince > database.m_busyTimeout)
        return 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(attempts < 100 ? 1 : 10));
    return 1;
}

Database::~Database()
{
    sqlite3_close_v2(m_database);
}

Statement Database::prepare(std::string_view sql) const
{
    return Statement(m_database, sql, m_file.string());
}

void Database::execute(const std::string &sql) const
{
    const int code = sqlite3_exec(m_database, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK)
        failWith(m_database, sqlite3_extended_errcode(m_database), m_file.string());
}

std::int64_t Database::integer(std::string_view sql) const
{
    Statement statement = prepare(sql);
    return statement.step() ? statement.integer(0) : 0;
}

std::string Database::text(std::string_view sql) const
{
    Statement statement = prepare(sql);
    return statement.step() ? statement.text(0) : std::string();
}

std::int64_t Database::lastInsertId() const
{
    return sqlite3_last_insert_rowid(m_database);
}

std::int64_t Database::changes() const
{
    return sqlite3_changes64(m_database);
}

bool Database::readOnly() const
{
    return sqlite3_db_readonly(m_database, "main") == 1;
}

Transaction::Transaction(const Database &database) : m_database(database)
{
    m_database.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction()
{
    if (!m_open)
        return;
    try {
        m_database.execute("ROLLBACK");
    } catch (const Error &) {
        // SQLite has already rolled back by itself (disk full, I/O error).
    }
}

void Transaction::commit()
{
    m_database.execute("COMMIT");
    m_open = false;
}

namespace {

/// The version of the file after checking that it is ours (0: empty).
int readVersion(const Database &database, std::int32_t applicationId, int newest)
{
    const auto id = database.integer("PRAGMA application_id");
    const auto version = database.integer("PRAGMA user_version");
    const auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
    if (id != applicationId && (id != 0 || version != 0 || tables != 0))
        fail(ErrorKind::BadInput, "{} is a database of another program (application id {}, a ledger has {}); give the folder of a project.",
             database.file().string(), id, applicationId);
    if (version > newest)
        fail(ErrorKind::Mismatch, "{} was written by a newer Retoscope (ledger version {}, this program knows up to {}); update the program.",
             database.file().string(), version, newest);
    if (version < 0)
        fail(ErrorKind::Corrupt, "{} has the impossible ledger version {}; restore it from a backup.", database.file().string(), version);
    return static_cast<int>(version);
}

} // namespace

int migrate(const Database &database, std::int32_t applicationId, const std::vector<MigrationStep> &steps)
{
    const int newest = static_cast<int>(steps.size());
    int version = readVersion(database, applicationId, newest);
    if (version == newest)
        return 0;
    if (database.readOnly())
        fail(ErrorKind::Mismatch, "{} has ledger version {} and must be brought to {} first; open the project once with the right to write.",
             database.file().string(), version, newest);
    Transaction transaction(database);
    version = readVersion(database, applicationId, newest); // another process may have been faster
    const int ran = newest - version;
    for (; version < newest; ++version)
        steps[static_cast<std::size_t>(version)](database);
    database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", applicationId, newest));
    transaction.commit();
    return ran;
}

} // namespace retoscope::sqlite
