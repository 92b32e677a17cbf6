// SPDX-License-Identifier: GPL-3.0-or-later
// Evaluations that ran elsewhere: every number type, a stop in the middle, and what the trace says of itself. The sentences
// of refusals are checked where a user meets them (tests/e2e/tst_import.cpp).
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/npy.h"
#include "core/support/expect_error.h"
#include "datastore/distance.h"
#include "trace/replay.h"
#include "trace/trace_import.h"

#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <cstring>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t entries = 400, positions = 1300;
constexpr std::int32_t dimension = 6, k = 9;

/// Multiples of 1/16, so that fp16, fp32 and fp64 hold the same numbers.
std::vector<float> numbers(std::int64_t rows, int seed)
{
    std::vector<float> values(std::size_t(rows * dimension));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = float((i * 37 + std::size_t(seed) * 101 + i * i % 29) % 64) / 16;
    return values;
}

std::shared_ptr<const Datastore> makeStore()
{
    Datastore::Parts parts;
    const auto keys = numbers(entries, 1);
    parts.keys.resize(keys.size() * sizeof(float));
    std::memcpy(parts.keys.data(), keys.data(), parts.keys.size());
    parts.dimension = dimension;
    for (std::int32_t i = 0; i < entries; ++i)
        parts.values.push_back(i % 11);
    return Datastore::fromParts(std::move(parts));
}

} // namespace

class TestTraceImport : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void arraysArriveAndNeighboursAreTrue();
    void everyFloatTypeGivesTheSame();
    void stoppedImportContinues();
    void anUnfinishedImportOfOthersIsRefused();
    void aFinishedImportIsLeftAlone();

private:
    [[nodiscard]] fs::path path(const char *name) const { return fs::path(m_folder->path().toStdString()) / name; }
    TraceSource source()
    {
        TraceSource files{path("q.npy"), path("y.npy"), path("p.npy"), path("s.npy"), {}};
        writeNpy<float>(files.queries, numbers(positions, 2), {positions, dimension});
        std::vector<std::int16_t> targets, sequences;
        for (std::int64_t i = 0; i < positions; ++i) {
            targets.push_back(std::int16_t(i % 11));
            sequences.push_back(std::int16_t(i / 100));
        }
        writeNpy<std::int16_t>(files.targets, targets);
        writeNpy<std::int16_t>(files.sequences, sequences);
        writeNpy<float>(files.lmLogProbs, std::vector<float>(positions, -2.5f));
        return files;
    }
    fs::path import(const char *name, const TraceSource &files)
    {
        importTrace(path(name), files, {.k = k, .search = {}}, m_store, *Index::exact(m_store), m_job);
        return path(name);
    }

    std::unique_ptr<QTemporaryDir> m_folder;
    std::shared_ptr<const Datastore> m_store = makeStore();
    JobControl m_job;
};

void TestTraceImport::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
}

void TestTraceImport::arraysArriveAndNeighboursAreTrue()
{
    const auto files = source();
    QCOMPARE(checkTraceSource(files, *m_store), positions);
    const auto trace = Trace::open(import("t", files), m_store);
    const TraceArrays &a = trace->arrays();
    const auto queries = numbers(positions, 2);
    QVERIFY(std::ranges::equal(a.queries, queries));
    QVERIFY(trace->indexIsExact() && a.lmEntropies.empty() && a.topCandidates == 0);
    QCOMPARE(a.documents[250], 2);
    QCOMPARE(a.windows[250], 2);
    QCOMPARE(a.tokenIndices[250], std::int64_t(250));
    Neighbours expected;
    Index::exact(m_store)->search(queries, k, {}, expected);
    QVERIFY(std::ranges::equal(a.neighbourIds, expected.ids));
    QVERIFY(std::ranges::equal(a.exactDistances, expected.distances));
    EvaluationSettings settings;
    settings.k = k;
    settings.lambda = 0;
    QVERIFY(std::fabs(Replay(trace, nullptr).evaluate(settings, {}, m_job).nll - 2.5) < 1e-6);
}

void TestTraceImport::everyFloatTypeGivesTheSame()
{
    TraceSource files = source();
    const auto expected = sha256OfFile(import("single", files) / "queries.bin");
    const auto queries = numbers(positions, 2);
    const std::vector<double> doubles(queries.begin(), queries.end());
    writeNpy(files.queries, "f8", std::vector<std::int64_t>{positions, dimension}, doubles.data(), doubles.size() * 8);
    QCOMPARE(sha256OfFile(import("double", files) / "queries.bin"), expected);
    std::vector<std::uint16_t> halves(queries.size());
    floatToHalf(queries.data(), halves.data(), std::int64_t(queries.size()));
    writeNpy(files.queries, "f2", std::vector<std::int64_t>{positions, dimension}, halves.data(), halves.size() * 2);
    QCOMPARE(sha256OfFile(import("half", files) / "queries.bin"), expected);
}

void TestTraceImport::stoppedImportContinues()
{
    const auto files = source();
    const fs::path whole = import("whole", files);
    JobControl stopping([&](const Progress &) { stopping.requestCancel(); });
    EXPECT_ERROR(importTrace(path("stopped"), files, {.k = k, .search = {}}, m_store, *Index::exact(m_store), stopping), ErrorKind::Cancelled, "Stopped");
    QVERIFY(fs::exists(path("stopped") / "queries.bin.partial") && !fs::exists(path("stopped") / "manifest.json"));
    const auto begun = fs::file_size(path("stopped") / "queries.bin.partial");
    QVERIFY(begun > 0 && begun < fs::file_size(whole / "queries.bin"));
    import("stopped", files);
    for (const auto &entry : fs::directory_iterator(whole)) {
        if (entry.path().extension() == ".bin")
            QCOMPARE(sha256OfFile(path("stopped") / entry.path().filename()), sha256OfFile(entry.path()));
    }
    QCOMPARE(Trace::open(path("stopped"), m_store)->fingerprint(), Trace::open(whole, m_store)->fingerprint());
}

void TestTraceImport::anUnfinishedImportOfOthersIsRefused()
{
    const auto files = source();
    JobControl stopping([&](const Progress &) { stopping.requestCancel(); });
    EXPECT_ERROR(importTrace(path("stopped"), files, {.k = k, .search = {}}, m_store, *Index::exact(m_store), stopping), ErrorKind::Cancelled, "Stopped");
    writeNpy<float>(files.lmLogProbs, std::vector<float>(positions, -1.5f));
    EXPECT_ERROR(import("stopped", files), ErrorKind::Mismatch, "lm_log_probs_xxh3");
}

void TestTraceImport::aFinishedImportIsLeftAlone()
{
    const auto files = source();
    const auto time = fs::last_write_time(import("t", files) / "manifest.json");
    QVERIFY(fs::last_write_time(import("t", files) / "manifest.json") == time);
}

QTEST_GUILESS_MAIN(TestTraceImport)
#include "tst_trace_import.moc"
