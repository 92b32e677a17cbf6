// SPDX-License-Identifier: GPL-3.0-or-later
// Clusters of others; tests/data/pickles was written by Python (tests/oracle/make_pickle_fixtures.py).
#include "base/error.h"
#include "automaton/clusters_import.h"
#include "base/job.h"
#include "base/npy.h"
#include "core/support/expect_error.h"

#include <QDir>
#include <QTemporaryDir>
#include <QTest>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

const std::vector<std::int32_t> states = {0, 3, 1, 1, 4, 0, 2, 2, 2, 3, 0, 1, 4, 4, 0, 6};

fs::path pickle(const QString &name)
{
    return (QStringLiteral(RETOSCOPE_TEST_DATA "/pickles/") + name).toStdString();
}

} // namespace

class TestClustersImport : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void everyPickleGivesTheSameStates();
    void arraysOfStates();
    void wrongMembersAreRefused_data();
    void wrongMembersAreRefused();
    void artefactIsWhole();

private:
    QTemporaryDir m_folder;
};

void TestClustersImport::everyPickleGivesTheSameStates()
{
    int files = 0;
    for (const QString &name : QDir(QStringLiteral(RETOSCOPE_TEST_DATA "/pickles")).entryList({QStringLiteral("csr_*.pkl"), QStringLiteral("array_numpy*.pkl")})) {
        const StateAssignment read = readStates(pickle(name), std::int64_t(states.size()));
        QVERIFY2(read.stateOf == states, qPrintable(name));
        QCOMPARE(read.states, 7);
        ++files;
    }
    QVERIFY(files >= 30);
}

void TestClustersImport::arraysOfStates()
{
    const fs::path file = m_folder.filePath(QStringLiteral("states.npy")).toStdString();
    writeNpy<std::int64_t>(file, std::vector<std::int64_t>{0, 2, 2, 1});
    const StateAssignment read = readStates(file, 4);
    QCOMPARE(read.stateOf, (std::vector<std::int32_t>{0, 2, 2, 1}));
    QCOMPARE(read.states, 3);
    EXPECT_ERROR(readStates(file, 5), ErrorKind::Mismatch, "states.npy assigns 4 entries", "the datastore has 5");
    writeNpy<std::int64_t>(file, std::vector<std::int64_t>{0, -1});
    EXPECT_ERROR(readStates(file, 2), ErrorKind::BadInput, "entry 1 is in the state -1");
    writeNpy<std::int64_t>(file, std::vector<std::int64_t>{0, std::int64_t(1) << 40});
    EXPECT_ERROR(readStates(file, 2), ErrorKind::BadInput, "entry 1 is in the state 1099511627776");
    writeNpy<float>(file, std::vector<float>{0, 1});
    EXPECT_ERROR(readStates(file, 2), ErrorKind::BadInput, "integers are needed");
}

void TestClustersImport::wrongMembersAreRefused_data()
{
    QTest::addColumn<QString>("file");
    QTest::addColumn<int>("entries");
    QTest::addColumn<QStringList>("parts");
    const auto row = [](const char *file, int entries, const QStringList &parts) { QTest::addRow("%s over %d", file, entries) << QString::fromLatin1(file) << entries << parts; };
    row("csr_numpy1_protocol4.pkl", 17, {QStringLiteral("16 members"), QStringLiteral("17 entries"), QStringLiteral("entry 16 is in no cluster")});
    row("csr_numpy1_protocol4.pkl", 12, {QStringLiteral("up to entry 15"), QStringLiteral("12 entries")});
    row("members_twice.pkl", 16, {QStringLiteral("entry 5 is in the clusters 0 and 0")});
    row("members_missing.pkl", 16, {QStringLiteral("15 members"), QStringLiteral("entry 15 is in no cluster")});
    row("members_beyond.pkl", 16, {QStringLiteral("the member 400"), QStringLiteral("16 entries")});
    row("members_descending.pkl", 16, {QStringLiteral("do not ascend from 0 to its 16 members")});
    row("members_wide.pkl", 16, {QStringLiteral("up to entry 19"), QStringLiteral("16 entries")});
    row("members_floats.pkl", 16, {QStringLiteral("type f8"), QStringLiteral("integers")});
    row("array_fp32_numpy1.pkl", 5, {QStringLiteral("type f4"), QStringLiteral("integers")});
    row("refused_system.pkl", 16, {QStringLiteral("'posix.system'")});
    row("no_such_file.pkl", 16, {QStringLiteral("no_such_file.pkl")});
}

void TestClustersImport::wrongMembersAreRefused()
{
    QFETCH(QString, file);
    QFETCH(int, entries);
    QFETCH(QStringList, parts);
    const auto caught = retoscope::test::errorOf([&] { readStates(pickle(file), entries); });
    QVERIFY(caught);
    for (const auto &part : parts)
        QVERIFY2(caught->sentence.contains(part), qPrintable(caught->sentence));
}

void TestClustersImport::artefactIsWhole()
{
    Datastore::Parts parts;
    parts.dimension = 2;
    parts.values.assign(states.size(), 1);
    parts.keys.resize(states.size() * 8);
    const auto datastore = Datastore::fromParts(std::move(parts));
    JobControl job;
    const fs::path one = m_folder.filePath(QStringLiteral("one")).toStdString(), two = m_folder.filePath(QStringLiteral("two")).toStdString();
    importClusters(one, pickle(QStringLiteral("csr_numpy1_protocol4.pkl")), *datastore, job);
    importClusters(one, pickle(QStringLiteral("csr_numpy1_protocol4.pkl")), *datastore, job); // it is there
    importClusters(two, pickle(QStringLiteral("csr_numpy2_protocol5.pkl")), *datastore, job);
    const auto clusters = Clusters::open(one);
    QVERIFY(std::ranges::equal(clusters->stateOf(), states));
    QVERIFY(clusters->membersOf(StateId(5)).empty());
    QVERIFY(std::ranges::equal(clusters->membersOf(StateId(2)), std::vector<std::int32_t>{6, 7, 8}));
    QCOMPARE(clusters->manifest().identity.at("datastore").get<std::string>(), datastore->fingerprint());
    QVERIFY(std::ranges::equal(Clusters::open(two)->members(), clusters->members()));
    QVERIFY(Clusters::open(two)->fingerprint() != clusters->fingerprint()); // other files
}

QTEST_GUILESS_MAIN(TestClustersImport)
#include "tst_clusters_import.moc"
