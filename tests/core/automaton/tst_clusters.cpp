// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/atomic_file.h"
#include "base/error.h"
#include "automaton/clusters.h"
#include "base/job.h"
#include "base/npy.h"

#include <QTemporaryDir>
#include <QTest>

#include <random>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

constexpr std::int32_t dimension = 8, blobs = 20, perBlob = 60;

/// Well separated clouds, in an order that mixes them.
std::shared_ptr<const Datastore> clouds()
{
    std::mt19937 random(1);
    std::normal_distribution<float> noise(0, 0.05f);
    Datastore::Parts parts;
    parts.dimension = dimension;
    std::vector<float> keys;
    for (std::int32_t i = 0; i < blobs * perBlob; ++i) {
        for (std::int32_t d = 0; d < dimension; ++d)
            keys.push_back(float((i % blobs * (d + 3) * 7) % 23) + noise(random));
        parts.values.push_back(i % 5);
    }
    parts.keys.resize(keys.size() * sizeof(float));
    std::memcpy(parts.keys.data(), keys.data(), parts.keys.size());
    return Datastore::fromParts(std::move(parts));
}

ClusterConfig config()
{
    ClusterConfig result;
    result.states = blobs;
    result.iterations = 6;
    return result;
}

} // namespace

class ClustersTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void membersAreTheInverse();
    void badAssignmentsAreRefused();
    void entriesGoToTheirNearestCentroid();
    void killedAndContinued();
    void cancelledAtOnce();
    void badConfigurationsAreRefused_data();
    void badConfigurationsAreRefused();
    void otherConfigurationIsRefused();
    void damagedFilesAreRefused();
};

void ClustersTest::membersAreTheInverse()
{
    const auto clusters = Clusters::fromAssignment({2, 0, 2, 2, 0}, 4);
    const auto members = [&](int state) {
        const auto span = clusters->membersOf(StateId(state));
        return std::vector<std::int32_t>(span.begin(), span.end());
    };
    QCOMPARE(members(0), (std::vector<std::int32_t>{1, 4}));
    QCOMPARE(members(1), (std::vector<std::int32_t>{}));
    QCOMPARE(members(2), (std::vector<std::int32_t>{0, 2, 3}));
    QCOMPARE(members(3), (std::vector<std::int32_t>{}));
    QCOMPARE(clusters->states(), 4);
    QCOMPARE(clusters->entries(), std::int64_t(5));
}

void ClustersTest::badAssignmentsAreRefused()
{
    QVERIFY_EXCEPTION_THROWN(Clusters::fromAssignment({0, 3}, 3), Error);
    QVERIFY_EXCEPTION_THROWN(Clusters::fromAssignment({0, -1}, 3), Error);
    QVERIFY_EXCEPTION_THROWN(Clusters::fromAssignment({}, 0), Error);
}

void ClustersTest::entriesGoToTheirNearestCentroid()
{
    QTemporaryDir folder;
    JobControl job;
    const auto datastore = clouds();
    buildClusters(folder.path().toStdString(), config(), *datastore, job);
    const auto clusters = Clusters::open(folder.path().toStdString());
    QCOMPARE(clusters->entries(), datastore->size());
    const auto objective = clusters->manifest().info.at("objective").get<std::vector<double>>();
    QCOMPARE(objective.size(), std::size_t(6));
    QVERIFY(std::is_sorted(objective.rbegin(), objective.rend())); // Lloyd's algorithm never gets worse
    // A cloud may share a state with another one after few iterations, but no cloud is torn apart by noise this small
    // unless a centroid lies inside it; either way every entry is nearest to the mean of its own state.
    std::vector<double> means(std::size_t(blobs * dimension), 0);
    std::vector<float> keys(std::size_t(datastore->size() * dimension));
    datastore->copyKeys(0, datastore->size(), keys.data());
    for (std::int32_t s = 0; s < blobs; ++s) {
        for (const std::int32_t i : clusters->membersOf(StateId(s))) {
            for (std::int32_t d = 0; d < dimension; ++d)
                means[std::size_t(s * dimension + d)] += keys[std::size_t(i * dimension + d)] / double(clusters->membersOf(StateId(s)).size());
        }
    }
    int elsewhere = 0;
    for (std::int32_t i = 0; i < datastore->size(); ++i) {
        const auto distance = [&](std::int32_t s) {
            double sum = 0;
            for (std::int32_t d = 0; d < dimension; ++d)
                sum += std::pow(keys[std::size_t(i * dimension + d)] - means[std::size_t(s * dimension + d)], 2);
            return sum;
        };
        const std::int32_t own = clusters->stateOf()[std::size_t(i)];
        for (std::int32_t s = 0; s < blobs; ++s)
            elsewhere += !clusters->membersOf(StateId(s)).empty() && distance(s) < distance(own) - 1e-3;
    }
    QVERIFY2(elsewhere < datastore->size() / 50, qPrintable(QString::number(elsewhere)));
}

/// A stop after each progress report, then the same call: the files are those of an uninterrupted build.
void ClustersTest::killedAndContinued()
{
    QTemporaryDir whole, resumed;
    const auto datastore = clouds();
    JobControl job;
    buildClusters(whole.path().toStdString(), config(), *datastore, job);
    const fs::path folder = resumed.path().toStdString();
    int stops = 0;
    for (;; ++stops) {
        JobControl *current = nullptr;
        int reports = 0;
        JobControl stopping([&](const Progress &) {
            if (++reports == 1)
                current->requestCancel();
        });
        current = &stopping;
        try {
            buildClusters(folder, config(), *datastore, stopping);
            break;
        } catch (const Cancelled &) {
            QVERIFY(!fs::exists(folder / "manifest.json"));
            QVERIFY(stops < 20);
        }
    }
    QVERIFY(stops >= 5);
    for (const char *name : {"assignment.bin", "offsets.bin", "members.bin", "manifest.json"})
        QCOMPARE(readFile(folder / name), readFile(fs::path(whole.path().toStdString()) / name));
    QVERIFY(!fs::exists(folder / "journal.json"));
}

void ClustersTest::cancelledAtOnce()
{
    QTemporaryDir folder;
    JobControl job;
    job.requestCancel();
    QVERIFY_EXCEPTION_THROWN(buildClusters(folder.path().toStdString(), config(), *clouds(), job), Cancelled);
}

void ClustersTest::badConfigurationsAreRefused_data()
{
    QTest::addColumn<int>("states");
    QTest::addColumn<int>("sample");
    QTest::newRow("no state") << 0 << 0;
    QTest::newRow("more states than entries") << blobs * perBlob + 1 << 0;
    QTest::newRow("sample below the states") << 20 << 19;
}

void ClustersTest::badConfigurationsAreRefused()
{
    QFETCH(int, states);
    QFETCH(int, sample);
    QTemporaryDir folder;
    ClusterConfig bad = config();
    bad.states = states;
    bad.sample = sample;
    JobControl job;
    try {
        buildClusters(folder.path().toStdString(), bad, *clouds(), job);
        QFAIL("accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::BadInput);
        QVERIFY2(QString(error.what()).contains(QString::number(sample > 0 ? sample : states)), error.what());
    }
}

void ClustersTest::otherConfigurationIsRefused()
{
    QTemporaryDir folder;
    JobControl job;
    buildClusters(folder.path().toStdString(), config(), *clouds(), job);
    buildClusters(folder.path().toStdString(), config(), *clouds(), job); // finished already
    ClusterConfig other = config();
    other.seed = 2;
    try {
        buildClusters(folder.path().toStdString(), other, *clouds(), job);
        QFAIL("accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::Mismatch);
        QVERIFY2(QString(error.what()).contains("config"), error.what());
    }
}

void ClustersTest::damagedFilesAreRefused()
{
    QTemporaryDir folder;
    const fs::path path = folder.path().toStdString();
    const std::vector<std::int32_t> states{0, 1, 1, 0};
    Clusters::write(path, states, 2, Json::object(), Json::object());
    QCOMPARE(Clusters::open(path)->members()[1], 3);
    std::string members = readFile(path / "members.bin");
    members[0] = 7; // beyond the datastore
    writeFileAtomically(path / "members.bin", members);
    try {
        Clusters::open(path);
        QFAIL("accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::Corrupt);
    }
}

QTEST_GUILESS_MAIN(ClustersTest)
#include "tst_clusters.moc"
