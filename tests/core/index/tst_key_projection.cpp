// SPDX-License-Identifier: GPL-3.0-or-later
// Principal components against a case worked by hand and against Jacobi's method on the covariance in double precision.
#include "base/error.h"
#include "base/job.h"
#include "index/key_projection.h"

#include <QtTest>

#include <cmath>
#include <cstring>
#include <random>

using namespace retoscope;

namespace {

std::shared_ptr<const Datastore> storeOf(const std::vector<float> &keys, std::int32_t dimension)
{
    Datastore::Parts parts;
    parts.keys.resize(keys.size() * sizeof(float));
    std::memcpy(parts.keys.data(), keys.data(), parts.keys.size());
    parts.dimension = dimension;
    parts.values.resize(keys.size() / std::size_t(dimension));
    return Datastore::fromParts(std::move(parts));
}

KeyProjection projectionOf(const Datastore &datastore, std::int64_t sample = 1'000'000, std::uint64_t seed = 1)
{
    JobControl job;
    return projectKeys(datastore, {sample, seed}, job);
}

/// Eigenvalues (descending) and eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, section 8.5).
struct Jacobi
{
    std::size_t n;
    std::vector<double> a, v;

    Jacobi(std::size_t size, std::vector<double> matrix) : n(size), a(std::move(matrix)), v(n * n)
    {
        for (std::size_t i = 0; i < n; ++i)
            v[i * n + i] = 1;
        for (int sweep = 0; sweep < 60; ++sweep) {
            for (std::size_t p = 0; p < n; ++p) {
                for (std::size_t q = p + 1; q < n; ++q)
                    rotate(p, q);
            }
        }
    }
    void rotate(std::size_t p, std::size_t q)
    {
        if (std::abs(a[p * n + q]) < 1e-300)
            return;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1)), c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (std::size_t k = 0; k < n; ++k) {
            const double x = a[k * n + p], y = a[k * n + q];
            a[k * n + p] = c * x - s * y;
            a[k * n + q] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
            const double x = a[p * n + k], y = a[q * n + k];
            a[p * n + k] = c * x - s * y;
            a[q * n + k] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
            const double x = v[k * n + p], y = v[k * n + q];
            v[k * n + p] = c * x - s * y;
            v[k * n + q] = s * x + c * y;
        }
    }
    [[nodiscard]] std::vector<std::size_t> order() const
    {
        std::vector<std::size_t> indices(n);
        for (std::size_t i = 0; i < n; ++i)
            indices[i] = i;
        std::sort(indices.begin(), indices.end(), [&](std::size_t x, std::size_t y) { return a[x * n + x] > a[y * n + y]; });
        return indices;
    }
};

} // namespace

class TestKeyProjection : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void fourPointsByHand()
    {
        // A cross around (10, 20, 5): ±3 along (0, 1, 0), ±1 along (0.6, 0, 0.8). Variance 18 and 2 of 20.
        const auto store = storeOf({10, 23, 5, 10, 17, 5, 10.6f, 20, 5.8f, 9.4f, 20, 4.2f}, 3);
        const KeyProjection projection = projectionOf(*store);
        QVERIFY(std::abs(projection.explained[0] - 0.9) < 1e-6 && std::abs(projection.explained[1] - 0.1) < 1e-6);
        const std::vector<std::array<float, 2>> expected = {{3, 0}, {-3, 0}, {0, 1}, {0, -1}};
        for (std::size_t i = 0; i < 4; ++i) {
            for (std::size_t axis = 0; axis < 2; ++axis)
                QVERIFY2(std::abs(projection.points[i][axis] - expected[i][axis]) < 1e-5f, qPrintable(QStringLiteral("point %1").arg(i)));
        }
        const std::vector<float> query = {10, 20, 5 + 5};
        const auto point = projection.project(query); // 5 · 0.8 along the second axis
        QVERIFY(std::abs(point[0]) < 1e-5f && std::abs(point[1] - 4) < 1e-5f);
    }

    void agreesWithJacobi_data()
    {
        QTest::addColumn<int>("keys");
        QTest::newRow("more keys than dimensions") << 400;
        QTest::newRow("fewer keys than dimensions") << 7;
    }

    void agreesWithJacobi()
    {
        QFETCH(int, keys);
        constexpr std::size_t d = 12;
        std::mt19937 random(3);
        std::normal_distribution<float> normal;
        std::vector<float> data;
        for (int i = 0; i < keys; ++i) {
            for (std::size_t c = 0; c < d; ++c)
                data.push_back(30 + normal(random) * float(d - c) + (c > 0 ? 0.5f * data.back() : 0));
        }
        std::vector<double> mean(d), covariance(d * d);
        for (std::size_t i = 0; i < data.size(); ++i)
            mean[i % d] += double(data[i]) / keys;
        for (int i = 0; i < keys; ++i) {
            for (std::size_t p = 0; p < d; ++p) {
                for (std::size_t q = 0; q < d; ++q)
                    covariance[p * d + q] += (double(data[std::size_t(i) * d + p]) - mean[p]) * (double(data[std::size_t(i) * d + q]) - mean[q]);
            }
        }
        const Jacobi jacobi(d, covariance);
        const auto order = jacobi.order();
        double total = 0;
        for (std::size_t i = 0; i < d; ++i)
            total += jacobi.a[i * d + i];

        const auto store = storeOf(data, int(d));
        const KeyProjection projection = projectionOf(*store);
        for (std::size_t axis = 0; axis < 2; ++axis) {
            QVERIFY(std::abs(projection.explained[axis] - jacobi.a[order[axis] * d + order[axis]] / total) < 1e-4);
            double cosine = 0;
            float largest = 0;
            for (std::size_t c = 0; c < d; ++c) {
                cosine += double(projection.axes[axis * d + c]) * jacobi.v[c * d + order[axis]];
                if (std::abs(projection.axes[axis * d + c]) > std::abs(largest))
                    largest = projection.axes[axis * d + c];
            }
            QVERIFY2(std::abs(std::abs(cosine) - 1) < 1e-4, qPrintable(QString::number(cosine)));
            QVERIFY(largest > 0);
        }
        const auto again = projectEntries(*store, projection, projection.entries);
        for (std::size_t i = 0; i < again.size(); ++i)
            QVERIFY(std::abs(again[i][0] - projection.points[i][0]) < 1e-2f && std::abs(again[i][1] - projection.points[i][1]) < 1e-2f);
    }

    void theSampleIsTheSeeds()
    {
        std::mt19937 random(5);
        std::normal_distribution<float> normal;
        std::vector<float> data(3000 * 4);
        for (float &x : data)
            x = normal(random);
        const auto store = storeOf(data, 4);
        const KeyProjection first = projectionOf(*store, 500, 1), second = projectionOf(*store, 500, 1), other = projectionOf(*store, 500, 2);
        QCOMPARE(first.entries.size(), std::size_t(500));
        QVERIFY(std::is_sorted(first.entries.begin(), first.entries.end()));
        QCOMPARE(first.entries, second.entries);
        QVERIFY(first.points == second.points);
        QVERIFY(first.entries != other.entries);
    }

    void impossibleOnesAreRefused()
    {
        QVERIFY_THROWS_EXCEPTION(Error, projectionOf(*storeOf({1, 2, 3, 4}, 2)));
        QVERIFY_THROWS_EXCEPTION(Error, projectionOf(*storeOf({1, 2, 3, 4, 5}, 1)));
        QVERIFY_THROWS_EXCEPTION(Error, projectionOf(*storeOf({1, 2, 3, 4, NAN, 6}, 2)));
        const KeyProjection equal = projectionOf(*storeOf({1, 2, 1, 2, 1, 2}, 2)); // all the same key
        QVERIFY(equal.explained[0] == 0 && equal.points[2][0] == 0);
    }
};

QTEST_APPLESS_MAIN(TestKeyProjection)
#include "tst_key_projection.moc"
