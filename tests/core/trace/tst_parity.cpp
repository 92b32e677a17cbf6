// SPDX-License-Identifier: GPL-3.0-or-later
// Parity with the released code of kNN-LM and RetoMaton (knn-transformers): a golden bundle holds its inputs and outputs
// for a grid of settings on a real model and real text. RETOSCOPE_BUNDLE checks another bundle of the same kind.
#include "base/error.h"
#include "base/job.h"
#include "core/trace/golden_bundle.h"
#include "datastore/distance.h"
#include "index/index.h"
#include "predict/knn_distribution.h"
#include "trace/replay.h"

#include <faiss/IndexIVF.h>
#include <faiss/index_io.h>

#include <QTest>

#include <algorithm>
#include <cmath>
#include <map>

using namespace retoscope;
using namespace retoscope::test;

namespace {

/// What the bundle's README promises of an independent implementation.
constexpr double allowedMean = 1e-5;
constexpr double allowedPerToken = 2e-5;
constexpr double allowedShareBeyond = 1e-3;

struct Recording
{
    std::vector<std::int32_t> ids;
    std::vector<float> indexDistances, exactDistances; ///< the second empty for an exact index
};

void measureExactly(const Bundle &bundle, Recording &recording)
{
    const std::int32_t kMax = bundle.kMax;
    recording.exactDistances.resize(recording.ids.size(), std::numeric_limits<float>::infinity());
    std::vector<std::int32_t> ids;
    for (std::int64_t t = 0; t < bundle.positions; ++t) {
        const auto row = std::span(recording.ids).subspan(std::size_t(t) * kMax, kMax);
        ids.assign(row.begin(), std::find(row.begin(), row.end(), -1));
        squaredDistances(bundle.datastore->keys(), bundle.queries.data() + t * bundle.dimension, ids, recording.exactDistances.data() + t * kMax);
    }
}

Recording searchFaiss(const Bundle &bundle, int nprobe)
{
    const std::unique_ptr<faiss::Index> index(faiss::read_index(fileLike(bundle.folder, "index_", ".indexed").c_str()));
    if (auto *lists = dynamic_cast<faiss::IndexIVF *>(index.get()))
        lists->nprobe = std::size_t(nprobe);
    const std::int32_t kMax = bundle.kMax;
    Recording recording;
    recording.ids.resize(std::size_t(bundle.positions) * kMax);
    recording.indexDistances.resize(recording.ids.size());
    std::vector<faiss::Index::idx_t> found;
    for (std::int64_t begin = 0, end = 0; begin < bundle.positions; begin = end) { // a call per row, like the reference
        while (end < bundle.positions && bundle.rows[std::size_t(end)] == bundle.rows[std::size_t(begin)])
            ++end;
        found.resize(std::size_t(end - begin) * kMax);
        index->search(end - begin, bundle.queries.data() + begin * bundle.dimension, kMax, recording.indexDistances.data() + begin * kMax,
                      found.data());
        std::copy(found.begin(), found.end(), recording.ids.begin() + begin * kMax);
    }
    for (std::size_t j = 0; j < recording.ids.size(); ++j) {
        if (recording.ids[j] < 0)
            recording.indexDistances[j] = std::numeric_limits<float>::infinity(); // as our index room pads
    }
    measureExactly(bundle, recording);
    return recording;
}

Recording searchExactly(const Bundle &bundle)
{
    Neighbours neighbours;
    Index::exact(bundle.datastore)->search(bundle.queries, bundle.kMax, {}, neighbours);
    return {std::move(neighbours.ids), std::move(neighbours.distances), {}};
}

} // namespace

class ParityTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void setting_data();
    void setting();
    void recordedWalk_data();
    void recordedWalk();
    void cleanupTestCase();

private:
    /// The trace that a setting is answered from: by index and by number of positions.
    const Replay &replayFor(const Json &entry);

    struct Worst
    {
        int settings = 0;
        double mean = 0, perToken = 0, shareBeyond = 0;
        std::int64_t searches = 0;
        double lookupsSaved = 0;
        std::int64_t decisions = 0;
    };
    std::unique_ptr<Bundle> m_bundle;
    std::map<std::string, Recording> m_recordings;
    std::map<std::pair<std::string, std::int64_t>, std::unique_ptr<Replay>> m_replays;
    std::map<std::string, Worst> m_worst;
};

void ParityTest::initTestCase()
{
    const fs::path folder = goldenBundleFolder();
    if (folder.empty())
        QSKIP(noGoldenBundle);
    m_bundle = std::make_unique<Bundle>(folder);
}

const Replay &ParityTest::replayFor(const Json &entry)
{
    const Bundle &b = *m_bundle;
    const std::string name = entry.value("exact", false) ? "exact" : "nprobe " + std::to_string(b.probeOf(entry));
    if (!m_recordings.contains(name))
        m_recordings[name] = name == "exact" ? searchExactly(b) : searchFaiss(b, b.probeOf(entry));
    const std::int64_t n = entry.at("metrics").at("n");
    std::unique_ptr<Replay> &replay = m_replays[{name, n}];
    if (replay)
        return *replay;
    const Recording &recording = m_recordings[name];
    const std::size_t count = std::size_t(n);
    TraceArrays a;
    a.positions = n;
    const std::size_t kMax = std::size_t(b.kMax);
    a.kMax = b.kMax;
    a.dimension = b.dimension;
    a.targets = std::span(b.labels).first(count);
    a.tokenIndices = std::span(b.tokenIndices).first(count);
    a.documents = std::span(b.documents).first(count);
    a.windows = std::span(b.rows).first(count);
    a.lmLogProbs = std::span(b.lmLogProbs).first(count);
    a.queries = std::span(b.queries).first(count * std::size_t(b.dimension));
    a.neighbourIds = std::span(recording.ids).first(count * kMax);
    a.indexDistances = std::span(recording.indexDistances).first(count * kMax);
    if (!recording.exactDistances.empty())
        a.exactDistances = std::span(recording.exactDistances).first(count * kMax);
    const auto reconstruct = [&b](std::span<const std::int32_t> ids, float *out) {
        const std::size_t d = std::size_t(b.dimension);
        for (std::size_t j = 0; j < ids.size(); ++j)
            std::copy_n(b.decoded.begin() + std::ptrdiff_t(std::size_t(ids[j]) * d), d, out + j * d);
    };
    replay = std::make_unique<Replay>(Trace::fromArrays(a, nullptr, b.datastore), b.clusters, reconstruct);
    return *replay;
}

void ParityTest::setting_data()
{
    QTest::addColumn<int>("index");
    if (!m_bundle)
        return;
    const Json &settings = m_bundle->settings();
    for (std::size_t i = 0; i < settings.size(); ++i)
        QTest::newRow(settings[i].at("id").get<std::string>().c_str()) << int(i);
}

void ParityTest::setting()
{
    QFETCH(int, index);
    const Json &entry = m_bundle->settings().at(std::size_t(index));
    const std::string id = entry.at("id");
    const Json &metrics = entry.at("metrics");
    const Replay &replay = replayFor(entry);
    JobControl job;
    const EvaluationResult result = replay.evaluate(settingsOf(entry), {.perPosition = true}, job);
    QCOMPARE(result.positions, metrics.at("n").get<std::int64_t>());

    const fs::path perToken = m_bundle->folder / "per_token";
    const std::vector<float> expected = npy<float>(perToken / (id + ".lp.npy"));
    QCOMPARE(result.logProbs.size(), expected.size());
    double worstToken = 0;
    std::size_t beyond = 0;
    for (std::size_t t = 0; t < expected.size(); ++t) {
        const double difference = std::fabs(double(result.logProbs[t]) - double(expected[t]));
        worstToken = std::max(worstToken, difference);
        beyond += difference > allowedPerToken;
    }
    const double shareBeyond = double(beyond) / double(expected.size());
    const double mean = std::fabs(result.nll - metrics.at("nll").get<double>());

    std::int64_t decisions = 0;
    const auto compareDecisions = [&](const char *name, const auto &ours) {
        const fs::path path = perToken / (id + "." + name + ".npy");
        if (!fs::exists(path))
            return;
        using T = typename std::decay_t<decltype(ours)>::value_type;
        const std::vector<T> theirs = npy<T>(path);
        decisions += theirs.size() == ours.size() ? 0 : std::int64_t(theirs.size());
        for (std::size_t t = 0; t < std::min(ours.size(), theirs.size()); ++t)
            decisions += ours[t] != theirs[t];
    };
    compareDecisions("searched", result.searched);
    compareDecisions("ncand", result.candidates);
    compareDecisions("ncur", result.survivors);
    double knnWorst = 0;
    if (const fs::path path = perToken / (id + ".knn_lp.npy"); fs::exists(path)) {
        const std::vector<float> theirs = npy<float>(path);
        for (std::size_t t = 0; t < theirs.size(); ++t) {
            const bool unseen = theirs[t] == float(referenceLogZero), ourUnseen = result.knnLogProbs[t] == float(referenceLogZero);
            decisions += unseen != ourUnseen;
            if (!unseen && !ourUnseen)
                knnWorst = std::max(knnWorst, std::fabs(std::exp(double(theirs[t])) - std::exp(double(result.knnLogProbs[t]))));
        }
    }
    const std::int64_t searches = metrics.value("searches", result.searches) - result.searches;
    double lookupsSaved = 0;
    if (metrics.contains("ref_lookups_saved") && !metrics["ref_lookups_saved"].is_null())
        lookupsSaved = std::fabs(metrics["ref_lookups_saved"].get<double>() - result.fossReference);

    const std::string kind = entry.at("kind").get<std::string>()
                             + (entry.value("exact", false) ? ", exact index" : entry.value("recompute", false) ? ", recomputed distances" : "");
    Worst &worst = m_worst[kind];
    ++worst.settings;
    worst.mean = std::max(worst.mean, mean);
    worst.perToken = std::max(worst.perToken, worstToken);
    worst.shareBeyond = std::max(worst.shareBeyond, shareBeyond);
    worst.searches = std::max(worst.searches, std::abs(searches));
    worst.lookupsSaved = std::max(worst.lookupsSaved, lookupsSaved);
    worst.decisions = std::max(worst.decisions, decisions);

    const auto sentence = fmt::format("mean {:.2e}, per token {:.2e}, beyond the limit {:.3f} %, searches {:+}, lookups_saved {:.1e}, decisions {}, p_kNN {:.1e}",
                                      mean, worstToken, 100 * shareBeyond, searches, lookupsSaved, decisions, knnWorst);
    QVERIFY2(mean <= allowedMean, sentence.c_str());
    QVERIFY2(shareBeyond <= allowedShareBeyond, sentence.c_str());
    QVERIFY2(searches == 0, sentence.c_str());
    QVERIFY2(lookupsSaved <= 1e-6, sentence.c_str()); // recorded in fp32
    QVERIFY2(decisions == 0, sentence.c_str());
    QVERIFY2(knnWorst <= allowedPerToken, sentence.c_str());
}

void ParityTest::recordedWalk_data()
{
    QTest::addColumn<QString>("trace");
    QTest::addColumn<QString>("id");
    if (!m_bundle)
        return;
    bool found = false;
    // trace_members_min1.cand_ids.npy: the setting with clusters, this min_knns and the released code's defaults
    for (const Json &setting : m_bundle->settings()) {
        if (setting.at("kind") != "reto")
            continue;
        const auto name = fmt::format("trace_{}_min{}", setting.at("members").get<bool>() ? "members" : "nomembers", setting.at("min_knns").get<std::int64_t>());
        const std::string id = setting.at("id");
        const bool plain = !setting.value("exact", false) && !setting.value("recompute", false) && id == fmt::format("ivfpq_reto_k1024_T1_l0.25_norecomp_{}_max1024", name.substr(6));
        const bool walk = plain && fs::exists(m_bundle->folder / "trace" / (name + ".cand_ids.npy"));
        if (walk)
            QTest::newRow(name.c_str()) << QString::fromStdString(name) << QString::fromStdString(id);
        found = found || walk;
    }
    if (!found)
        QTest::newRow("none") << QString() << QString();
}

/// Candidates, distances, pointers and decisions, position by position. FAISS itself swaps neighbours whose distances differ
/// in the last bits, depending on how many queries share a call, so the candidates of a search are compared as a set, and at
/// rank k one may be another.
void ParityTest::recordedWalk()
{
    QFETCH(QString, trace);
    QFETCH(QString, id);
    if (trace.isEmpty())
        QSKIP("This bundle has no recorded walk of one of its settings.");
    const fs::path folder = m_bundle->folder / "trace";
    const auto path = [&](const char *what) { return folder / (trace.toStdString() + "." + what + ".npy"); };
    const auto offsets = npy<std::int64_t>(path("cand_offsets")), pointerOffsets = npy<std::int64_t>(path("ptr_offsets"));
    const auto ids = npy<std::int32_t>(path("cand_ids")), pointers = npy<std::int32_t>(path("ptr_ids"));
    const auto negatedDistances = npy<float>(path("cand_negdist"));
    const auto searched = npy<std::uint8_t>(path("searched"));
    const Json &settings = m_bundle->settings();
    const auto entry = std::find_if(settings.begin(), settings.end(), [&](const Json &s) { return s.at("id") == id.toStdString(); });
    QVERIFY(entry != settings.end());
    const Replay &replay = replayFor(*entry);
    int replaced = 0;
    for (std::size_t t = 0; t + 1 < offsets.size(); ++t) {
        const auto ours = replay.candidatesAt(Position(std::int64_t(t)), settingsOf(*entry));
        QCOMPARE(ours.plan.search, searched[t] != 0);
        const auto theirPointers = std::span(pointers).subspan(std::size_t(pointerOffsets[t]), std::size_t(pointerOffsets[t + 1] - pointerOffsets[t]));
        QVERIFY2(std::ranges::equal(ours.plan.pointers, theirPointers), qPrintable(QString("pointers of position %1").arg(t)));
        const std::size_t count = std::size_t(offsets[t + 1] - offsets[t]);
        QCOMPARE(ours.ids.size(), count);
        std::vector<std::int32_t> ourIds = ours.ids, theirIds(ids.begin() + offsets[t], ids.begin() + offsets[t + 1]), missing;
        std::ranges::sort(ourIds);
        std::ranges::sort(theirIds);
        std::ranges::set_difference(theirIds, ourIds, std::back_inserter(missing));
        replaced += int(missing.size());
        for (std::size_t j = 0; j < count; ++j) {
            const double theirDistance = -double(negatedDistances[std::size_t(offsets[t]) + j]);
            QVERIFY(std::fabs(ours.distances[j] - theirDistance) <= 1e-4 * std::max(1.0, theirDistance));
        }
    }
    QVERIFY2(replaced <= 3, qPrintable(QString("%1 candidates differ").arg(replaced)));
}

void ParityTest::cleanupTestCase()
{
    if (m_worst.empty())
        return;
    std::string table = "| settings | number | mean nll | per token | beyond 2e-5 | searches | lookups_saved | decisions |\n|---|---|---|---|---|---|---|---|\n";
    for (const auto &[kind, worst] : m_worst)
        table += fmt::format("| {} | {} | {:.1e} | {:.1e} | {:.3f} % | {} | {:.1e} | {} |\n", kind, worst.settings, worst.mean, worst.perToken,
                             100 * worst.shareBeyond, worst.searches, worst.lookupsSaved, worst.decisions);
    qInfo("Largest differences from the released code:\n%s", table.c_str());
}

QTEST_GUILESS_MAIN(ParityTest)
#include "tst_parity.moc"
