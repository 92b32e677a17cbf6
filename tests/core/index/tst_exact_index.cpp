// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "base/npy.h"
#include "datastore/distance.h"
#include "index/index.h"

#include <QtTest>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

using namespace retoscope;

namespace {

enum class Shape { Normal, Clustered, Tied, AllEqual, Shifted, Tiny, FewDistinct };

std::vector<float> makeRows(Shape shape, std::int64_t count, std::int32_t dimension, unsigned seed)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::uniform_int_distribution<int> small(-1, 1);
    std::vector<float> rows(std::size_t(count * dimension));
    std::vector<float> centres(std::size_t(20 * dimension));
    std::mt19937 centreRandom(99);
    for (float &value : centres)
        value = 3 * normal(centreRandom);
    for (std::int64_t i = 0; i < count; ++i) {
        const auto cluster = std::size_t(random() % 20) * std::size_t(dimension);
        for (std::int32_t d = 0; d < dimension; ++d) {
            float &value = rows[std::size_t(i * dimension + d)];
            switch (shape) {
            case Shape::Normal: value = normal(random); break;
            case Shape::Clustered: value = centres[cluster + std::size_t(d)] + 0.3f * normal(random); break;
            case Shape::Tied: value = float(small(random)); break; // few different distances, many exact ties
            case Shape::AllEqual: value = 0.25f * float(d); break;
            case Shape::Shifted: value = 100 + normal(random); break;
            case Shape::Tiny: value = 1e-20f * normal(random); break;
            case Shape::FewDistinct: value = centres[cluster + std::size_t(d)]; break;
            }
        }
    }
    return rows;
}

std::shared_ptr<const Datastore> makeStore(const std::vector<float> &rows, std::int32_t dimension, KeyType type)
{
    Datastore::Parts parts;
    parts.dimension = dimension;
    parts.keyType = type;
    parts.values.assign(rows.size() / std::size_t(dimension), 0);
    parts.keys.resize(rows.size() * (type == KeyType::Float16 ? 2 : 4));
    if (type == KeyType::Float16)
        floatToHalf(rows.data(), reinterpret_cast<std::uint16_t *>(parts.keys.data()), std::int64_t(rows.size()));
    else
        std::memcpy(parts.keys.data(), rows.data(), parts.keys.size());
    return Datastore::fromParts(std::move(parts));
}

/// All distances in double, sorted by (distance, id).
std::vector<std::pair<double, std::int32_t>> bruteForce(const Datastore &store, const float *query, Metric metric)
{
    const auto dimension = std::size_t(store.dimension());
    std::vector<float> key(dimension);
    std::vector<std::pair<double, std::int32_t>> all;
    for (std::int64_t i = 0; i < store.size(); ++i) {
        store.copyKeys(i, 1, key.data());
        double distance = 0;
        for (std::size_t d = 0; d < dimension; ++d) {
            const double difference = double(query[d]) - key[d];
            distance += metric == Metric::L2 ? difference * difference : -double(query[d]) * key[d];
        }
        all.emplace_back(distance, std::int32_t(i));
    }
    std::ranges::sort(all);
    return all;
}

} // namespace

class TestExactIndex : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void equalsBruteForce_data()
    {
        QTest::addColumn<int>("shape");
        QTest::addColumn<int>("entries");
        QTest::addColumn<int>("dimension");
        QTest::addColumn<bool>("half");
        QTest::addColumn<bool>("product");
        QTest::addColumn<int>("k");
        QTest::addColumn<int>("queries");
        const char *names[] = {"normal", "clustered", "tied", "all equal", "shifted", "tiny", "few distinct"};
        for (int shape = 0; shape < 7; ++shape) {
            QTest::addRow("%s, few keys", names[shape]) << shape << 700 << 16 << true << false << 10 << 9;
            QTest::addRow("%s, product fp16", names[shape]) << shape << 20011 << 24 << (shape != int(Shape::Tiny)) << false << 30 << 40;
            QTest::addRow("%s, product fp32, ip", names[shape]) << shape << 17000 << 33 << false << true << 30 << 5;
            QTest::addRow("%s, one query", names[shape]) << shape << 20011 << 16 << false << false << 50 << 1;
        }
        QTest::newRow("large k") << int(Shape::Normal) << 40000 << 16 << true << false << 3000 << 5;
        QTest::newRow("k of a third") << int(Shape::Normal) << 20000 << 16 << true << false << 7000 << 4;
        QTest::newRow("dimension 1") << int(Shape::Normal) << 20000 << 1 << true << false << 20 << 6;
        QTest::newRow("more queries than a group") << int(Shape::Clustered) << 17000 << 16 << true << false << 4 << 300;
        QTest::newRow("k larger than N") << int(Shape::Normal) << 50 << 8 << true << false << 60 << 5;
        QTest::newRow("one entry") << int(Shape::Normal) << 1 << 8 << true << false << 1 << 3;
    }

    void equalsBruteForce()
    {
        QFETCH(int, shape);
        QFETCH(int, entries);
        QFETCH(int, dimension);
        QFETCH(bool, half);
        QFETCH(bool, product);
        QFETCH(int, k);
        QFETCH(int, queries);
        const Metric metric = product ? Metric::InnerProduct : Metric::L2;
        const auto store = makeStore(makeRows(Shape(shape), entries, dimension, 1), dimension, half ? KeyType::Float16 : KeyType::Float32);
        const std::vector<float> q = makeRows(Shape(shape), queries, dimension, 2);
        const auto index = Index::exact(store, metric);
        Neighbours found;
        index->search(q, k, {}, found);
        QCOMPARE(found.queries, queries);
        QCOMPARE(found.k, k);

        const int real = std::min(k, entries);
        for (int row = 0; row < queries; ++row) {
            const auto expected = bruteForce(*store, &q[std::size_t(row * dimension)], metric);
            const double scale = 1e-5 * (std::abs(expected.front().first) + std::abs(expected.back().first)) + 1e-38;
            std::vector<bool> seen(static_cast<std::size_t>(entries));
            for (int i = 0; i < k; ++i) {
                const std::size_t at = std::size_t(row * k + i);
                if (i >= real) {
                    QCOMPARE(found.ids[at], -1);
                    QVERIFY(std::isinf(found.distances[at]));
                    continue;
                }
                const std::int32_t id = found.ids[at];
                QVERIFY(id >= 0 && id < entries && !seen[std::size_t(id)]);
                seen[std::size_t(id)] = true;
                // The i-th distance is the i-th smallest; where two differ by less than fp32 can tell, either may come first.
                QVERIFY2(std::abs(found.distances[at] - expected[std::size_t(i)].first) <= scale,
                         qPrintable(QString("row %1 rank %2: %3 instead of %4").arg(row).arg(i).arg(double(found.distances[at])).arg(expected[std::size_t(i)].first)));
                if (i > 0) {
                    QVERIFY(found.distances[at] >= found.distances[at - 1]);
                    QVERIFY(found.distances[at] > found.distances[at - 1] || found.ids[at] > found.ids[at - 1]);
                }
            }
        }
    }

    /// Where fp32 makes no rounding errors, ids must be exactly those of (distance, id) order.
    void tiesGoToTheSmallerId_data()
    {
        QTest::addColumn<int>("shape");
        QTest::newRow("tied") << int(Shape::Tied);
        QTest::newRow("all equal") << int(Shape::AllEqual);
    }

    void tiesGoToTheSmallerId()
    {
        QFETCH(int, shape);
        const int k = 100, queries = 20, dimension = 16;
        const auto store = makeStore(makeRows(Shape(shape), 60000, dimension, 1), dimension, KeyType::Float16);
        const std::vector<float> q = makeRows(Shape(shape), queries, dimension, 2);
        Neighbours found;
        Index::exact(store)->search(q, k, {}, found);
        for (int row = 0; row < queries; ++row) {
            const auto expected = bruteForce(*store, &q[std::size_t(row * dimension)], Metric::L2);
            for (int i = 0; i < k; ++i) {
                QCOMPARE(found.ids[std::size_t(row * k + i)], expected[std::size_t(i)].second);
                QCOMPARE(double(found.distances[std::size_t(row * k + i)]), expected[std::size_t(i)].first);
            }
        }
    }

    void distancesAreThoseOfTheKernel()
    {
        const auto store = makeStore(makeRows(Shape::Clustered, 20000, 32, 1), 32, KeyType::Float16);
        const std::vector<float> q = makeRows(Shape::Clustered, 20, 32, 2);
        Neighbours found;
        const auto index = Index::exact(store);
        index->search(q, 64, {}, found);
        QVERIFY(index->isExact());
        for (int row = 0; row < 20; ++row) {
            std::vector<float> distances(64);
            squaredDistances(store->keys(), &q[std::size_t(row) * 32], {&found.ids[std::size_t(row) * 64], 64}, distances.data());
            for (int i = 0; i < 64; ++i)
                QCOMPARE(found.distances[std::size_t(row * 64 + i)], distances[std::size_t(i)]);
        }
    }

    void infiniteKeysAreFarAway()
    {
        auto rows = makeRows(Shape::Normal, 20000, 16, 1);
        rows[5 * 16 + 3] = std::numeric_limits<float>::infinity();
        rows[9 * 16 + 3] = std::numeric_limits<float>::quiet_NaN();
        const auto store = makeStore(rows, 16, KeyType::Float32);
        Neighbours found;
        Index::exact(store)->search(std::span<const float>(rows).first(4 * 16), 10, {}, found);
        for (int row = 0; row < 4; ++row)
            QCOMPARE(found.ids[std::size_t(row * 10)], row);
    }

    void manyThreadsOneIndex()
    {
        const auto store = makeStore(makeRows(Shape::Clustered, 17000, 16, 1), 16, KeyType::Float16);
        const auto index = Index::exact(store);
        const std::vector<float> q = makeRows(Shape::Clustered, 40, 16, 2);
        std::vector<Neighbours> found(4);
        {
            std::vector<std::jthread> threads;
            for (Neighbours &result : found)
                threads.emplace_back([&] { index->search(q, 20, {}, result); });
        }
        for (const Neighbours &result : found)
            QVERIFY(result.ids == found[0].ids && result.distances == found[0].distances);
    }

    void badQueries_data()
    {
        QTest::addColumn<int>("k");
        QTest::addColumn<int>("numbers");
        QTest::addColumn<float>("value");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("k 0") << 0 << 8 << 1.0f << "k must be at least 1";
        QTest::newRow("dimension") << 1 << 9 << 1.0f << "not a multiple of the datastore's dimension 8";
        QTest::newRow("nan") << 1 << 8 << std::numeric_limits<float>::quiet_NaN() << "Query 0 holds nan";
    }

    void badQueries()
    {
        QFETCH(int, k);
        QFETCH(int, numbers);
        QFETCH(float, value);
        QFETCH(QString, sentence);
        const auto index = Index::exact(makeStore(makeRows(Shape::Normal, 10, 8, 1), 8, KeyType::Float32));
        Neighbours found;
        try {
            index->search(std::vector<float>(std::size_t(numbers), value), k, {}, found);
            QFAIL("not refused");
        } catch (const Error &error) {
            QVERIFY2(QString(error.what()).contains(sentence), error.what());
        }
    }

    void golden()
    {
        const QString bundle = qEnvironmentVariable("RETOSCOPE_SHARED") + "/golden/bundle_stories260k/";
        if (!QFileInfo::exists(bundle + "queries.npy"))
            QSKIP("The golden bundle is not beside this checkout (RETOSCOPE_SHARED).");
        const auto path = [&](const char *name) { return std::filesystem::path((bundle + name).toStdString()); };
        Datastore::Parts parts;
        const MappedFile keys(path("dstore_gpt2_118015_64_keys.npy"));
        parts.keys.assign(keys.bytes().begin(), keys.bytes().end());
        parts.keyType = KeyType::Float16;
        parts.dimension = 64;
        parts.values.assign(118015, 0);
        const auto index = Index::exact(Datastore::fromParts(std::move(parts)));
        const NpyFile queries(path("queries.npy")), positions(path("sample/positions.npy"));
        const NpyFile ids(path("sample/search_exact_k1024_ids.npy")), distances(path("sample/search_exact_k1024_dists.npy"));
        std::vector<float> q;
        for (const std::int32_t position : positions.values<std::int32_t>()) {
            const auto row = queries.values<float>().subspan(std::size_t(position) * 64, 64);
            q.insert(q.end(), row.begin(), row.end());
        }
        Neighbours found;
        index->search(q, 1024, {}, found);
        std::size_t moved = 0;
        for (std::size_t i = 0; i < found.ids.size(); ++i) {
            const float expected = distances.values<float>()[i];
            QVERIFY(std::abs(found.distances[i] - expected) <= 2e-5f * (1 + expected));
            moved += found.ids[i] != ids.values<std::int32_t>()[i]; // equal up to the reference's own rounding
        }
        QVERIFY2(moved <= found.ids.size() / 500, qPrintable(QString::number(moved)));
    }
};

QTEST_GUILESS_MAIN(TestExactIndex)
#include "tst_exact_index.moc"
