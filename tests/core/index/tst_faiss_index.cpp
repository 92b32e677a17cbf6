// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/job.h"
#include "base/npy.h"
#include "datastore/distance.h"
#include "index/faiss_file.h"
#include "index/index.h"
#include "index/sample.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/index_io.h>

#include <QtTest>

#include <cmath>
#include <csignal>
#include <cstring>
#include <functional>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

constexpr std::int32_t dimension = 16;

std::vector<float> makeRows(std::int64_t count, unsigned seed)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> rows(std::size_t(count * dimension));
    for (std::int64_t i = 0; i < count; ++i) {
        const float centre = float(random() % 7);
        for (std::int32_t d = 0; d < dimension; ++d)
            rows[std::size_t(i * dimension + d)] = normal(random) + (d % 7 == int(centre) ? 3.0f : 0.0f);
    }
    return rows;
}

std::shared_ptr<const Datastore> makeStore(std::int64_t count, unsigned seed = 1)
{
    const std::vector<float> rows = makeRows(count, seed);
    Datastore::Parts parts;
    parts.dimension = dimension;
    parts.keyType = KeyType::Float16;
    parts.values.assign(std::size_t(count), 0);
    parts.keys.resize(rows.size() * 2);
    floatToHalf(rows.data(), reinterpret_cast<std::uint16_t *>(parts.keys.data()), std::int64_t(rows.size()));
    return Datastore::fromParts(std::move(parts));
}

IndexConfig withFactory(const char *factory)
{
    IndexConfig config;
    config.factory = factory;
    config.recallSample = 50;
    config.recallAt = 10;
    return config;
}

QString sentenceOf(const std::function<void()> &body)
{
    try {
        body();
    } catch (const Error &error) {
        return error.what();
    }
    return "no error";
}

void changeByte(const fs::path &path, std::size_t at, char value)
{
    std::string bytes = readFile(path);
    bytes[at] = value;
    writeFileAtomically(path, bytes);
}

} // namespace

class TestFaissIndex : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void factories_data()
    {
        QTest::addColumn<QString>("factory");
        QTest::addColumn<double>("recall"); // at least
        QTest::addColumn<bool>("walked");
        QTest::newRow("Flat") << "Flat" << 1.0 << true;
        QTest::newRow("IVF") << "IVF16,Flat" << 0.99 << true;
        QTest::newRow("IVFPQ") << "IVF16,PQ8" << 0.5 << true;
        QTest::newRow("IVFSQ") << "IVF16,SQ8" << 0.9 << true;
        QTest::newRow("PQ") << "PQ8" << 0.5 << true;
        QTest::newRow("SQ") << "SQ8" << 0.9 << true;
        QTest::newRow("HNSW") << "HNSW16" << 0.8 << true;
        QTest::newRow("OPQ") << "OPQ4_8,IVF16,PQ4x4" << 0.15 << true;
        QTest::newRow("PCA") << "PCA8,IVF16,Flat" << 0.2 << true;
        QTest::newRow("refined") << "IVF16,PQ4,RFlat" << 0.3 << true;
        QTest::newRow("fast scan") << "PQ8x4fs" << 0.1 << false;
    }

    void factories()
    {
        QFETCH(QString, factory);
        QFETCH(double, recall);
        QFETCH(bool, walked);
        const auto store = makeStore(6000);
        JobControl job;
        IndexConfig config = withFactory(qPrintable(factory));
        buildIndex(path("i"), config, store, job);
        const auto index = Index::open(path("i"), store);
        QCOMPARE(index->factory(), factory.toStdString());
        QVERIFY(!index->isExact());
        QCOMPARE(index->bytes(), fs::file_size(path("i") / "index.faiss"));
        const double measured = index->manifest().info.at("recall").at("value").get<double>();
        QVERIFY2(measured >= recall && measured <= 1, qPrintable(QString::number(measured)));
        QCOMPARE(measureRecall(*index, *store, 10, 50, {}, config.seed, job).value, measured);

        const std::string bytes = readFile(path("i") / "index.faiss");
        const FaissHeader header = checkFaissFile(std::as_bytes(std::span(bytes)), "index.faiss");
        QCOMPARE(header.walked, walked);
        QCOMPARE(header.entries, 6000);
        QCOMPARE(header.dimension, dimension);
        for (const auto &entry : fs::directory_iterator(path("i"))) {
            const std::string name = entry.path().filename().string();
            QVERIFY2(name == "index.faiss" || name == "manifest.json" || name == ".lock", name.c_str());
        }
    }

    void flatEqualsExact_data()
    {
        QTest::addColumn<int>("metric");
        QTest::newRow("l2") << int(Metric::L2);
        QTest::newRow("ip") << int(Metric::InnerProduct);
    }

    void flatEqualsExact()
    {
        QFETCH(int, metric);
        const auto store = makeStore(3000);
        JobControl job;
        IndexConfig config = withFactory("Flat");
        config.metric = Metric(metric);
        buildIndex(path("i"), config, store, job);
        const auto index = Index::open(path("i"), store);
        QVERIFY(index->metric() == Metric(metric));
        const std::vector<float> queries = makeRows(30, 2);
        Neighbours flat, exact;
        index->search(queries, 20, {}, flat);
        Index::exact(store, Metric(metric))->search(queries, 20, {}, exact);
        QCOMPARE(flat.ids, exact.ids);
        for (std::size_t i = 0; i < flat.distances.size(); ++i)
            QVERIFY(std::abs(flat.distances[i] - exact.distances[i]) <= 1e-4f * (1 + std::abs(exact.distances[i])));
    }

    void exactArtefact()
    {
        const auto store = makeStore(500);
        JobControl job;
        buildIndex(path("i"), withFactory("exact"), store, job);
        const auto index = Index::open(path("i"), store);
        QVERIFY(index->isExact());
        QCOMPARE(index->fingerprint(), Index::exact(store)->fingerprint());
        QCOMPARE(measureRecall(*index, *store, 10, 20, {}, 1, job).value, 1.0);
    }

    void parametersTravelWithTheCall()
    {
        const auto store = makeStore(6000);
        JobControl job;
        const std::vector<float> queries = makeRows(40, 2);
        for (const char *factory : {"IVF64,Flat", "PCA8,IVF64,Flat", "HNSW8"}) {
            buildIndex(path(factory), withFactory(factory), store, job);
            const auto index = Index::open(path(factory), store);
            const bool graph = factory[0] == 'H';
            Neighbours one, many, again;
            index->search(queries, 50, graph ? SearchParameters{0, 1} : SearchParameters{1, 0}, one);
            index->search(queries, 50, graph ? SearchParameters{0, 200} : SearchParameters{1000, 0}, many);
            index->search(queries, 50, graph ? SearchParameters{0, 1} : SearchParameters{1, 0}, again);
            QVERIFY(one.ids == again.ids);
            QVERIFY(one.ids != many.ids);
        }
    }

    void reconstruct()
    {
        const auto store = makeStore(4000);
        JobControl job;
        buildIndex(path("i"), withFactory("IVF16,PQ16"), store, job);
        const auto index = Index::open(path("i"), store);
        const std::vector<std::int32_t> ids = {0, 17, 3999};
        std::vector<float> decoded(ids.size() * dimension), stored(decoded.size());
        index->reconstruct(ids, decoded.data());
        store->gatherKeys(ids, stored.data());
        for (std::size_t i = 0; i < stored.size(); ++i)
            QVERIFY(std::abs(decoded[i] - stored[i]) < 0.7f);
        // The distance that the index reports is the one to the decoded key.
        Neighbours found;
        index->search(std::span<const float>(stored).first(dimension), 1, {16, 0}, found);
        index->reconstruct({found.ids.data(), 1}, decoded.data());
        float distance = 0;
        for (int d = 0; d < dimension; ++d)
            distance += (decoded[std::size_t(d)] - stored[std::size_t(d)]) * (decoded[std::size_t(d)] - stored[std::size_t(d)]);
        QVERIFY(std::abs(distance - found.distances[0]) < 1e-3f);
    }

    void kLargerThanN()
    {
        const auto store = makeStore(40);
        JobControl job;
        buildIndex(path("i"), withFactory("Flat"), store, job);
        Neighbours found;
        Index::open(path("i"), store)->search(makeRows(2, 2), 50, {}, found);
        QVERIFY(found.ids[39] >= 0);
        QCOMPARE(found.ids[40], -1);
        QVERIFY(std::isinf(found.distances[49]));
    }

    /// Stops at every report of a build in turn; the same call then gives the same bytes.
    void stopAndContinue()
    {
        const auto store = makeStore(70000);
        JobControl job;
        const IndexConfig config = withFactory("IVF16,PQ4");
        int reports = 0;
        JobControl counting([&](const Progress &) { ++reports; });
        buildIndex(path("whole"), config, store, counting);
        const std::string expected = bytesOf("whole");
        for (int stop = 0; stop < reports; ++stop) {
            int left = stop;
            bool stopped = false;
            JobControl *self = nullptr;
            JobControl stopping([&](const Progress &) {
                if (left-- == 0)
                    self->requestCancel();
            });
            self = &stopping;
            try {
                buildIndex(path("d"), config, store, stopping);
            } catch (const Cancelled &) {
                stopped = true;
            }
            if (stopped)
                buildIndex(path("d"), config, store, job);
            QCOMPARE(bytesOf("d"), expected);
            fs::remove_all(path("d"));
        }
    }

    void killedAndContinued()
    {
#ifdef __SANITIZE_THREAD__
        QSKIP("The thread sanitizer cannot follow the fork of a process that has threads.");
#endif
        const auto store = makeStore(70000);
        JobControl job;
        const IndexConfig config = withFactory("SQ8");
        buildIndex(path("whole"), config, store, job);
        const std::string expected = bytesOf("whole");
        std::mt19937 random(5);
        int kills = 0;
        for (int round = 0; round < 12; ++round) {
            // A process of its own: FAISS's OpenMP threads do not survive a fork.
            const pid_t child = ::fork();
            if (child == 0) {
                const std::string folder = path("killed").string();
                ::execl("/proc/self/exe", "tst_faiss_index", "--build", folder.c_str(), static_cast<char *>(nullptr));
                ::_exit(9);
            }
            ::usleep(useconds_t(20'000 + random() % 400'000));
            ::kill(child, SIGKILL);
            int status = 0;
            ::waitpid(child, &status, 0);
            kills += WIFSIGNALED(status);
            QVERIFY(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
            if (round % 3 == 2) {
                buildIndex(path("killed"), config, store, job);
                QCOMPARE(bytesOf("killed"), expected);
                fs::remove_all(path("killed"));
            }
        }
        QVERIFY(kills > 0);
    }

    void badInputs_data()
    {
        QTest::addColumn<QString>("factory");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("nonsense") << "FooBar17" << "'FooBar17' is not an index for keys of dimension 16";
        QTest::newRow("does not divide") << "PQ7" << "is not";
        QTest::newRow("too few keys") << "IVF4096,Flat" << "FAISS could not build the index";
    }

    void badInputs()
    {
        QFETCH(QString, factory);
        QFETCH(QString, sentence);
        JobControl job;
        const QString found = sentenceOf([&] { buildIndex(path("i"), withFactory(qPrintable(factory)), makeStore(300), job); });
        QVERIFY2(found.contains(sentence) || (factory == "PQ7" && found.contains("FAISS could not")), qPrintable(found));
        QVERIFY(!hasManifest(path("i")));
    }

    void wrongDatastore()
    {
        JobControl job;
        buildIndex(path("i"), withFactory("Flat"), makeStore(100), job);
        const QString found = sentenceOf([&] { Index::open(path("i"), makeStore(100, 2)); });
        QVERIFY2(found.contains("do not belong together: the datastore of the index"), qPrintable(found));
        const QString other = sentenceOf([&] { buildIndex(path("i"), withFactory("PQ8"), makeStore(100), job); });
        QVERIFY2(other.contains("'factory' of the index") || other.contains("finished already"), qPrintable(other));
    }

    void damagedFile_data()
    {
        QTest::addColumn<int>("what");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("truncated") << 0 << "index.faiss is";
        QTest::newRow("flipped") << 1 << "the checksum differs";
        QTest::newRow("missing") << 2 << "is missing";
    }

    void damagedFile()
    {
        QFETCH(int, what);
        QFETCH(QString, sentence);
        const auto store = makeStore(2000);
        JobControl job;
        buildIndex(path("i"), withFactory("IVF4,Flat"), store, job);
        const fs::path file = path("i") / "index.faiss";
        if (what == 0)
            fs::resize_file(file, fs::file_size(file) / 2);
        if (what == 1)
            changeByte(file, 5000, 0x55);
        if (what == 2)
            fs::remove(file);
        const QString found = sentenceOf([&] { Index::open(path("i"), store); });
        QVERIFY2(found.contains(sentence), qPrintable(found));
    }

    /// Files of others: every prefix and every impossible size is refused before FAISS allocates anything.
    void hostileImports()
    {
        const auto store = makeStore(2000);
        JobControl job;
        for (const char *factory : {"Flat", "IVF4,PQ4", "HNSW8", "PCA8,IVF4,PQ4", "IVF4,SQ8"}) {
            buildIndex(path(factory), withFactory(factory), store, job);
            const std::string bytes = readFile(path(factory) / "index.faiss");
            const auto check = [](const std::string &text) { checkFaissFile(std::as_bytes(std::span(text)), "hostile"); };
            check(bytes);
            for (std::size_t length = 0; length < bytes.size() - 64; length += 1 + bytes.size() / 97)
                QVERIFY2(sentenceOf([&] { check(bytes.substr(0, length)); }) != "no error", qPrintable(QString("%1 %2").arg(factory).arg(length)));
            // Terabytes promised in each of the first size fields: nothing may be allocated for them.
            std::mt19937 random(1);
            for (int i = 0; i < 300; ++i) {
                std::string changed = bytes;
                const std::size_t at = i < 200 ? std::size_t(i) : random() % (changed.size() - 8);
                const std::uint64_t huge = std::uint64_t(1) << (33 + random() % 30);
                std::memcpy(changed.data() + at, &huge, sizeof huge);
                sentenceOf([&] { check(changed); });
            }
        }
    }

    void import()
    {
        const auto store = makeStore(2000);
        JobControl job;
        buildIndex(path("i"), withFactory("IVF4,PQ8"), store, job);
        const fs::path file = path("i") / "index.faiss";
        importIndex(path("imported"), file, store, withFactory(""), job);
        const auto index = Index::open(path("imported"), store);
        Neighbours ours, theirs;
        const std::vector<float> queries = makeRows(5, 2);
        index->search(queries, 10, {}, theirs);
        Index::open(path("i"), store)->search(queries, 10, {}, ours);
        QVERIFY(ours.ids == theirs.ids);
        QVERIFY(index->manifest().info.at("recall").at("value").get<double>() > 0.3);
        const QString found = sentenceOf([&] { importIndex(path("other"), file, makeStore(1999), withFactory(""), job); });
        QVERIFY2(found.contains("the index's number of entries is 2000 here and 1999 there"), qPrintable(found));
        writeFileAtomically(path("text"), "This is no index at all, only a line of text that is long enough.");
        QVERIFY(sentenceOf([&] { importIndex(path("other"), path("text"), store, withFactory(""), job); }) != "no error");
    }

    /// knnmt stores token ids where the entries' numbers should be: neither pointers nor contexts could follow.
    void importOfOtherIds()
    {
        const auto store = makeStore(2000);
        std::vector<float> keys(2000 * std::size_t(store->dimension()));
        store->copyKeys(0, 2000, keys.data());
        const auto written = [&](std::int64_t modulus, std::int64_t shift) {
            faiss::IndexFlatL2 quantizer(store->dimension());
            faiss::IndexIVFFlat index(&quantizer, std::size_t(store->dimension()), 4);
            index.train(2000, keys.data());
            std::vector<std::int64_t> ids(2000);
            for (std::size_t i = 0; i < ids.size(); ++i)
                ids[i] = std::int64_t(i) % modulus + shift;
            index.add_with_ids(2000, keys.data(), ids.data());
            const fs::path file = path((std::to_string(modulus) + ".faiss").c_str());
            faiss::write_index(&index, file.c_str());
            return file;
        };
        JobControl job;
        const QString tokens = sentenceOf([&] { importIndex(path("a"), written(50, 0), store, withFactory(""), job); });
        QVERIFY2(tokens.contains("lacks the entry 50") && tokens.contains("0 to 1999"), qPrintable(tokens));
        const QString beyond = sentenceOf([&] { importIndex(path("b"), written(2000, 7), store, withFactory(""), job); });
        QVERIFY2(beyond.contains("holds ids beyond its number of entries"), qPrintable(beyond));
        importIndex(path("c"), written(2000, 0), store, withFactory(""), job);
        QVERIFY(Index::open(path("c"), store)->manifest().info.at("recall").at("value").get<double>() > 0.99);
    }

    void sample()
    {
        const auto some = sampleEntries(1000, 100, 7);
        QCOMPARE(some.size(), std::size_t(100));
        QVERIFY(std::ranges::is_sorted(some) && std::ranges::adjacent_find(some) == some.end());
        QVERIFY(some.front() >= 0 && some.back() < 1000);
        QVERIFY(some == sampleEntries(1000, 100, 7) && some != sampleEntries(1000, 100, 8));
        QCOMPARE(sampleEntries(5, 10, 1), (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
    }

    void configurationAsJson()
    {
        IndexConfig config = withFactory("IVF16,PQ8");
        config.metric = Metric::InnerProduct;
        QCOMPARE(Json(Json(config).get<IndexConfig>()).dump(), Json(config).dump());
        QVERIFY(sentenceOf([] { (void)Json{{"factry", "Flat"}}.get<IndexConfig>(); }).contains("no field 'factry'"));
        QVERIFY(sentenceOf([] { (void)Json{{"metric", "cosine"}}.get<IndexConfig>(); }).contains("'cosine' is not a metric"));
        QVERIFY(sentenceOf([] { (void)Json{{"seed", "x"}}.get<IndexConfig>(); }).contains("wrong type"));
        const SearchParameters parameters{8, 64};
        QVERIFY(Json(parameters).get<SearchParameters>() == parameters);
        QVERIFY(sentenceOf([] { (void)Json{{"nprobe", -1}}.get<SearchParameters>(); }).contains("must not be negative"));
    }

    void golden()
    {
        const QString bundle = qEnvironmentVariable("RETOSCOPE_SHARED") + "/golden/bundle_stories260k/";
        if (!QFileInfo::exists(bundle + "queries.npy"))
            QSKIP("The golden bundle is not beside this checkout (RETOSCOPE_SHARED).");
        const auto shared = [&](const char *name) { return fs::path((bundle + name).toStdString()); };
        Datastore::Parts parts;
        const MappedFile keys(shared("dstore_gpt2_118015_64_keys.npy"));
        parts.keys.assign(keys.bytes().begin(), keys.bytes().end());
        parts.keyType = KeyType::Float16;
        parts.dimension = 64;
        parts.values.assign(118015, 0);
        const auto store = Datastore::fromParts(std::move(parts));
        JobControl job;
        importIndex(path("golden"), shared("index_gpt2_118015_64.indexed"), store, withFactory(""), job);
        const auto index = Index::open(path("golden"), store);
        const NpyFile queries(shared("queries.npy")), positions(shared("sample/positions.npy"));
        const NpyFile ids(shared("sample/search_ivfpq_probe32_k1024_ids.npy")), distances(shared("sample/search_ivfpq_probe32_k1024_dists.npy"));
        std::vector<float> q;
        for (const std::int32_t position : positions.values<std::int32_t>()) {
            const auto row = queries.values<float>().subspan(std::size_t(position) * 64, 64);
            q.insert(q.end(), row.begin(), row.end());
        }
        Neighbours found;
        index->search(q, 1024, {32, 0}, found);
        std::size_t moved = 0;
        for (std::size_t i = 0; i < found.ids.size(); ++i) {
            const float expected = distances.values<float>()[i];
            QVERIFY(std::abs(found.distances[i] - expected) <= 2e-5f * (1 + expected));
            moved += found.ids[i] != ids.values<std::int32_t>()[i];
        }
        QVERIFY2(moved <= found.ids.size() / 500, qPrintable(QString::number(moved)));

        // decoded(i) = ivf_centroids[list_no[i]] + concat_m pq_centroids[m, codes[i, m]]
        const NpyFile coarse(shared("ivf_centroids.npy")), fine(shared("pq_centroids.npy")), codes(shared("pq_codes.npy")), lists(shared("ivf_list_no.npy"));
        std::vector<float> decoded(64);
        for (const std::int32_t id : {0, 1, 5000, 118014}) {
            index->reconstruct({&id, 1}, decoded.data());
            for (std::size_t d = 0; d < 64; ++d) {
                const std::size_t m = d / 2, code = codes.values<std::uint8_t>()[std::size_t(id) * 32 + m];
                const float expected = coarse.values<float>()[std::size_t(lists.values<std::int32_t>()[std::size_t(id)]) * 64 + d]
                                       + fine.values<float>()[(m * 256 + code) * 2 + d % 2];
                QVERIFY(std::abs(decoded[d] - expected) <= 1e-6f * (1 + std::abs(expected)));
            }
        }
    }

public:
    /// What the processes run that killedAndContinued() kills.
    static int buildForKill(const char *folder)
    {
        JobControl job;
        buildIndex(folder, withFactory("SQ8"), makeStore(70000), job);
        return 0;
    }

private:
    [[nodiscard]] fs::path path(const char *name) const { return fs::path(m_folder->path().toStdString()) / name; }
    [[nodiscard]] std::string bytesOf(const char *name) const
    {
        return readFile(path(name) / "index.faiss") + readFile(path(name) / "manifest.json");
    }
    std::unique_ptr<QTemporaryDir> m_folder;
};

int main(int argc, char **argv)
{
    if (argc == 3 && std::strcmp(argv[1], "--build") == 0)
        return TestFaissIndex::buildForKill(argv[2]);
    QCoreApplication application(argc, argv);
    TestFaissIndex test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_faiss_index.moc"
