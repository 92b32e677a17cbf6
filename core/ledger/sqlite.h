// SPDX-License-Identifier: GPL-3.0-or-later
// A small RAII layer over SQLite's C API, internal to this room. Values are always bound, never pasted into SQL; every
// error of SQLite becomes a sentence that names the file.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace retoscope::sqlite {

using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

/// One prepared statement. Columns are 0-based, parameters are bound in order.
class Statement
{
public:
    Statement(sqlite3 *database, std::string_view sql, std::string file);
    ~Statement();
    Statement(Statement &&other) noexcept;
    Statement &operator=(Statement &&) = delete;

    Statement &bind(const Value &value); ///< the next parameter
    template<typename... Values>
    Statement &bindAll(Values &&...values)
    {
        (bind(Value(std::forward<Values>(values))), ...);
        return *this;
    }
    /// True while there is a row.
    bool step();
    /// For statements without rows: step, then ready to be bound again.
    void run();
    void reset();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] double real(int column) const;
    [[nodiscard]] std::string text(int column) const;

private:
    sqlite3 *m_database = nullptr;
    sqlite3_stmt *m_statement = nullptr;
    std::string m_file;
    int m_bound = 0;
};

/// One connection, for one thread (NOMUTEX).
class Database
{
public:
    enum class Mode { ReadWrite, ReadOnly };
    Database(const std::filesystem::path &file, Mode mode, int busyTimeoutMs);
    ~Database();
    Database(const Database &) = delete;
    Database &operator=(const Database &) = delete;

    [[nodiscard]] Statement prepare(std::string_view sql) const;
    /// One or several statements without parameters and rows.
    void execute(const std::string &sql) const;
    /// First column of the first row, as an integer or text; 0 or "" when there is no row.
    [[nodiscard]] std::int64_t integer(std::string_view sql) const;
    [[nodiscard]] std::string text(std::string_view sql) const;
    [[nodiscard]] std::int64_t lastInsertId() const;
    [[nodiscard]] std::int64_t changes() const; ///< rows changed by the last statement
    [[nodiscard]] bool readOnly() const;
    [[nodiscard]] const std::filesystem::path &file() const { return m_file; }

private:
    static int waitForLock(void *self, int attempts);

    std::filesystem::path m_file;
    sqlite3 *m_database = nullptr;
    std::chrono::milliseconds m_busyTimeout;
    std::chrono::steady_clock::time_point m_busySince{};
};

/// BEGIN IMMEDIATE … COMMIT; rolled back by the destructor unless committed.
class Transaction
{
public:
    explicit Transaction(const Database &database);
    ~Transaction();
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;
    void commit();

private:
    const Database &m_database;
    bool m_open = true;
};

/// A step takes the schema from version i to i + 1 (its place in the list); it runs inside one transaction with the
/// others that are due.
using MigrationStep = std::function<void(const Database &)>;

/// Brings the file to `steps.size()`. A file of this `applicationId`, or an empty one, is taken; a foreign one, a newer
/// version and (in read-only mode) an older one are refused with a sentence. Returns how many steps ran.
int migrate(const Database &database, std::int32_t applicationId, const std::vector<MigrationStep> &steps);

} // namespace retoscope::sqlite
