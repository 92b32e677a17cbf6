// SPDX-License-Identifier: GPL-3.0-or-later
// The layer over SQLite and its migrations. Files are made and looked at with the C API itself where that is the point.
#include "ledger/sqlite.h"

#include "core/support/expect_error.h"

#include <sqlite3.h>

#include <QTemporaryDir>
#include <QtTest>

#include <chrono>
#include <filesystem>
#include <fstream>

using namespace retoscope;
using sqlite::Database;

namespace {

constexpr std::int32_t testId = 4711;

/// A schema with a history: names, then a column for their length that the second step fills, then an index.
std::vector<sqlite::MigrationStep> history(int length)
{
    std::vector<sqlite::MigrationStep> steps = {
        [](const Database &database) { database.execute("CREATE TABLE item(name TEXT NOT NULL) STRICT"); },
        [](const Database &database) {
            database.execute("ALTER TABLE item ADD COLUMN letters INTEGER NOT NULL DEFAULT 0; UPDATE item SET letters = length(name)");
        },
        [](const Database &database) { database.execute("CREATE INDEX item_letters ON item(letters)"); },
    };
    steps.resize(static_cast<std::size_t>(length));
    return steps;
}

} // namespace

class TestSqlite : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    int m_count = 0;

    std::filesystem::path newFile() { return m_folder.filePath(QString("file%1.sqlite").arg(m_count++)).toStdString(); }

private Q_SLOTS:
    void valuesComeBackAsTheyWereBound()
    {
        const Database database(newFile(), Database::Mode::ReadWrite, 1000);
        database.execute("CREATE TABLE t(a INTEGER, b REAL, c TEXT) STRICT");
        const std::string text("it's; DROP TABLE t; -- \xF0\x9F\x90\x98 \0 end", 36);
        database.prepare("INSERT INTO t VALUES(?, ?, ?)").bindAll(std::int64_t(-1) << 62, 0.1, text).run();
        auto query = database.prepare("SELECT a, b, c FROM t");
        QVERIFY(query.step());
        QCOMPARE(query.integer(0), std::int64_t(-1) << 62);
        QCOMPARE(query.real(1), 0.1);
        QCOMPARE(query.text(2), text);
        QVERIFY(!query.step());
    }

    void fileNamesMayHoldAnything()
    {
        const std::filesystem::path file = m_folder.filePath("100% a?b#c&d=e Straße.sqlite").toStdString();
        {
            const Database database(file, Database::Mode::ReadWrite, 1000);
            database.execute("CREATE TABLE t(a INTEGER) STRICT");
        }
        QVERIFY(std::filesystem::exists(file));
        const Database database(file, Database::Mode::ReadOnly, 1000);
        QCOMPARE(database.integer("SELECT count(*) FROM t"), 0);
    }

    void doubleQuotedTextIsAColumnOrAnError()
    {
        const Database database(newFile(), Database::Mode::ReadWrite, 1000);
        EXPECT_ERROR(database.execute("SELECT \"no_such_column\""), ErrorKind::Io, "no such column");
    }

    void strictTablesRefuseWrongTypes()
    {
        const Database database(newFile(), Database::Mode::ReadWrite, 1000);
        database.execute("CREATE TABLE t(a INTEGER) STRICT");
        EXPECT_ERROR(database.prepare("INSERT INTO t VALUES(?)").bind(std::string("seven")).run(), ErrorKind::BadInput, "cannot store TEXT value in INTEGER column");
    }

    void transactionsRollBackUnlessCommitted()
    {
        const Database database(newFile(), Database::Mode::ReadWrite, 1000);
        database.execute("CREATE TABLE t(a INTEGER) STRICT");
        {
            const sqlite::Transaction forgotten(database);
            database.execute("INSERT INTO t VALUES(1)");
        }
        {
            sqlite::Transaction kept(database);
            database.execute("INSERT INTO t VALUES(2)");
            kept.commit();
        }
        QCOMPARE(database.text("SELECT group_concat(a) FROM t"), std::string("2"));
    }

    void busyFilesAreWaitedForAndThenRefused()
    {
        const auto file = newFile();
        const Database holder(file, Database::Mode::ReadWrite, 1000);
        holder.execute("CREATE TABLE t(a INTEGER) STRICT");
        const sqlite::Transaction lock(holder);
        const Database waiting(file, Database::Mode::ReadWrite, 200);
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_ERROR(sqlite::Transaction(waiting), ErrorKind::Resource, "locked by another process", file.c_str());
        const auto waited = std::chrono::steady_clock::now() - begin;
        QVERIFY(waited >= std::chrono::milliseconds(150));
        QVERIFY(waited < std::chrono::seconds(20));
    }

    void emptyFilesAreBroughtToTheNewestVersion()
    {
        const auto file = newFile();
        std::ofstream(file).close(); // version 0: an empty file
        const Database database(file, Database::Mode::ReadWrite, 1000);
        QCOMPARE(sqlite::migrate(database, testId, history(3)), 3);
        QCOMPARE(database.integer("PRAGMA user_version"), 3);
        QCOMPARE(database.integer("PRAGMA application_id"), testId);
        QCOMPARE(sqlite::migrate(database, testId, history(3)), 0);
    }

    void oldFilesKeepTheirRows_data()
    {
        QTest::addColumn<int>("from");
        QTest::newRow("version 1") << 1;
        QTest::newRow("version 2") << 2;
    }
    void oldFilesKeepTheirRows()
    {
        QFETCH(int, from);
        const auto file = newFile();
        {
            const Database old(file, Database::Mode::ReadWrite, 1000);
            sqlite::migrate(old, testId, history(from));
            old.execute("INSERT INTO item(name) VALUES('elephant'), ('ox')");
            if (from == 2)
                old.execute("UPDATE item SET letters = length(name)");
        }
        const Database database(file, Database::Mode::ReadWrite, 1000);
        QCOMPARE(sqlite::migrate(database, testId, history(3)), 3 - from);
        QCOMPARE(database.text("SELECT group_concat(name || letters) FROM item"), std::string("elephant8,ox2"));
        QCOMPARE(database.integer("SELECT count(*) FROM sqlite_schema WHERE type = 'index'"), 1);
    }

    void aFailingStepLeavesTheOldFileWhole()
    {
        const auto file = newFile();
        const Database database(file, Database::Mode::ReadWrite, 1000);
        sqlite::migrate(database, testId, history(1));
        database.execute("INSERT INTO item(name) VALUES('elephant')");
        auto steps = history(2);
        steps.push_back([](const Database &db) { db.execute("CREATE TABLE item(twice TEXT)"); });
        EXPECT_ERROR(sqlite::migrate(database, testId, steps), ErrorKind::Io, "already exists");
        QCOMPARE(database.integer("PRAGMA user_version"), 1);
        QCOMPARE(database.integer("SELECT count(*) FROM pragma_table_info('item')"), 1);
        QCOMPARE(sqlite::migrate(database, testId, history(3)), 2);
    }

    void newerVersionsAreRefused()
    {
        const Database database(newFile(), Database::Mode::ReadWrite, 1000);
        sqlite::migrate(database, testId, history(3));
        EXPECT_ERROR(sqlite::migrate(database, testId, history(2)), ErrorKind::Mismatch, "newer Retoscope", "ledger version 3", "up to 2", "update the program");
    }

    void oldVersionsAreNotChangedWhenReadOnly()
    {
        const auto file = newFile();
        {
            const Database database(file, Database::Mode::ReadWrite, 1000);
            sqlite::migrate(database, testId, history(1));
        }
        const Database database(file, Database::Mode::ReadOnly, 1000);
        EXPECT_ERROR(sqlite::migrate(database, testId, history(3)), ErrorKind::Mismatch, "ledger version 1", "brought to 3", "right to write");
    }

    void databasesOfOtherProgramsAreRefused_data()
    {
        QTest::addColumn<QString>("sql");
        QTest::newRow("another application id") << "PRAGMA application_id = 99; CREATE TABLE t(a)";
        QTest::newRow("no application id, but tables") << "CREATE TABLE t(a)";
        QTest::newRow("no application id, but a version") << "PRAGMA user_version = 1";
    }
    void databasesOfOtherProgramsAreRefused()
    {
        QFETCH(QString, sql);
        const auto file = newFile();
        sqlite3 *raw = nullptr;
        QCOMPARE(sqlite3_open(file.c_str(), &raw), SQLITE_OK);
        QCOMPARE(sqlite3_exec(raw, qPrintable(sql), nullptr, nullptr, nullptr), SQLITE_OK);
        sqlite3_close(raw);
        const Database database(file, Database::Mode::ReadWrite, 1000);
        EXPECT_ERROR(sqlite::migrate(database, testId, history(3)), ErrorKind::BadInput, "another program");
    }
};

QTEST_GUILESS_MAIN(TestSqlite)
#include "tst_sqlite.moc"
