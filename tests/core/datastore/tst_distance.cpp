// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "datastore/distance.h"

#include <QtTest>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using namespace retoscope;

namespace {

/// The value of an fp16 from the definition (IEEE 754-2008, 3.6), in double: the second source for the conversions.
double valueOfHalf(std::uint16_t half)
{
    const int exponent = half >> 10 & 31;
    const int fraction = half & 1023;
    const double sign = half & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31)
        return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
    return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

struct Rows
{
    std::vector<std::byte> bytes;
    std::vector<double> values;
    KeyView view;
};

Rows randomRows(KeyType type, std::int64_t count, std::int32_t dimension, std::mt19937 &random)
{
    std::normal_distribution<float> normal;
    Rows rows;
    std::vector<float> keys(std::size_t(count * dimension));
    for (float &key : keys)
        key = normal(random);
    rows.bytes.resize(keys.size() * (type == KeyType::Float16 ? 2 : 4));
    if (type == KeyType::Float16) {
        auto *halves = reinterpret_cast<std::uint16_t *>(rows.bytes.data());
        floatToHalf(keys.data(), halves, std::int64_t(keys.size()));
        for (std::size_t i = 0; i < keys.size(); ++i)
            rows.values.push_back(valueOfHalf(halves[i]));
    } else {
        std::memcpy(rows.bytes.data(), keys.data(), rows.bytes.size());
        rows.values.assign(keys.begin(), keys.end());
    }
    rows.view = {rows.bytes.data(), type, count, dimension};
    return rows;
}

} // namespace

class TestDistance : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void everyHalfWidensExactly()
    {
        std::vector<std::uint16_t> halves(65536);
        std::iota(halves.begin(), halves.end(), std::uint16_t(0));
        std::vector<float> vectorised(halves.size());
        halfToFloat(halves.data(), vectorised.data(), std::int64_t(halves.size()));
        for (std::size_t i = 0; i < halves.size(); ++i) {
            float alone = 0; // one value at a time goes the portable way
            halfToFloat(&halves[i], &alone, 1);
            const double expected = valueOfHalf(halves[i]);
            if (std::isnan(expected))
                QVERIFY(std::isnan(vectorised[i]) && std::isnan(alone));
            else
                QVERIFY2(vectorised[i] == expected && alone == expected, qPrintable(QString::number(i)));
            QCOMPARE(std::signbit(alone), i >= 32768);
        }
    }

    /// Every midpoint between neighbouring halves goes to the even one, and a hair beside it to the nearer one.
    void narrowingRoundsToNearestEven()
    {
        for (std::uint32_t low = 0; low < 0x7c00; ++low) {
            const double below = valueOfHalf(std::uint16_t(low));
            const double above = low == 0x7bff ? 65536.0 : valueOfHalf(std::uint16_t(low + 1));
            const float middle = float((below + above) / 2);
            const float inputs[8] = {float(below), std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 1e9f),
                                     -float(below), -std::nextafter(middle, 0.0f), -middle, -std::nextafter(middle, 1e9f)};
            const std::uint16_t even = std::uint16_t(low % 2 == 0 ? low : low + 1), up = std::uint16_t(low + 1);
            const std::uint16_t expected[4] = {std::uint16_t(low), std::uint16_t(low), even, up};
            std::uint16_t vectorised[8];
            floatToHalf(inputs, vectorised, 8);
            for (int i = 0; i < 8; ++i) {
                std::uint16_t alone = 0;
                floatToHalf(&inputs[i], &alone, 1);
                const std::uint16_t wanted = std::uint16_t(expected[i % 4] | (i >= 4 ? 0x8000 : 0));
                QVERIFY2(vectorised[i] == wanted && alone == wanted, qPrintable(QString("%1 %2").arg(low).arg(i)));
            }
        }
    }

    void distances_data()
    {
        QTest::addColumn<bool>("half");
        QTest::addColumn<int>("dimension");
        for (const int dimension : {1, 7, 8, 15, 16, 31, 64, 65, 100, 256, 771}) {
            QTest::addRow("fp16 D=%d", dimension) << true << dimension;
            QTest::addRow("fp32 D=%d", dimension) << false << dimension;
        }
    }

    void distances()
    {
        QFETCH(bool, half);
        QFETCH(int, dimension);
        std::mt19937 random(7);
        const std::int64_t count = 300;
        const Rows rows = randomRows(half ? KeyType::Float16 : KeyType::Float32, count, dimension, random);
        const Rows query = randomRows(KeyType::Float32, 1, dimension, random);
        std::vector<std::int32_t> ids(500);
        std::uniform_int_distribution<std::int32_t> pick(0, count - 1);
        for (auto &id : ids)
            id = pick(random);

        std::vector<float> l2(ids.size()), product(ids.size());
        const auto *q = reinterpret_cast<const float *>(query.bytes.data());
        squaredDistances(rows.view, q, ids, l2.data());
        negatedInnerProducts(rows.view, q, ids, product.data());
        for (std::size_t j = 0; j < ids.size(); ++j) {
            double expectedL2 = 0, expectedProduct = 0, scale = 0;
            for (int d = 0; d < dimension; ++d) {
                const double key = rows.values[std::size_t(ids[j]) * dimension + d];
                expectedL2 += (query.values[d] - key) * (query.values[d] - key);
                expectedProduct -= query.values[d] * key;
                scale += std::abs(query.values[d] * key);
            }
            QVERIFY(std::abs(l2[j] - expectedL2) <= 1e-6 * (1 + expectedL2) * std::sqrt(dimension));
            QVERIFY(std::abs(product[j] - expectedProduct) <= 1e-6 * (1 + scale) * std::sqrt(dimension));
        }
    }

    void noRowsNoWork()
    {
        std::vector<float> nothing;
        const float query[4] = {};
        squaredDistances({nullptr, KeyType::Float16, 0, 4}, query, {}, nothing.data());
        QVERIFY(nothing.empty());
    }
};

QTEST_GUILESS_MAIN(TestDistance)
#include "tst_distance.moc"
