// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "predict/knn_distribution.h"

#include <QTest>

#include <cmath>
#include <numeric>
#include <random>

using namespace retoscope;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

} // namespace

class KnnDistributionTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void agreesWithLongDouble_data();
    void agreesWithLongDouble();
    void unseenTokens();
    void farMatchesDoNotUnderflow();
    void equalDistancesCount();
    void interpolation();
    void distribution();
    void padding();
};

void KnnDistributionTest::agreesWithLongDouble_data()
{
    QTest::addColumn<int>("count");
    QTest::addColumn<double>("temperature");
    for (const int count : {1, 7, 8, 9, 64, 1000, 1024})
        for (const double temperature : {0.05, 1.0, 13.0, 1000.0})
            QTest::newRow(qPrintable(QString("%1 candidates, T %2").arg(count).arg(temperature))) << count << temperature;
}

void KnnDistributionTest::agreesWithLongDouble()
{
    QFETCH(int, count);
    QFETCH(double, temperature);
    std::mt19937 random(static_cast<unsigned>(count));
    std::vector<float> distances;
    std::vector<std::uint8_t> matches;
    for (int j = 0; j < count; ++j) {
        distances.push_back(3 + std::exponential_distribution<float>(0.05f)(random));
        matches.push_back(j == 0 || random() % 5 == 0);
    }
    long double all = 0, matched = 0;
    const float nearest = *std::min_element(distances.begin(), distances.end());
    for (int j = 0; j < count; ++j) {
        const long double weight = std::exp((static_cast<long double>(nearest) - distances[std::size_t(j)]) / temperature);
        all += weight;
        matched += matches[std::size_t(j)] ? weight : 0;
    }
    const double expected = double(std::log(matched / all));
    QVERIFY(std::fabs(logKnnProbability(distances, matches, temperature) - expected) <= 1e-12 * std::max(1.0, std::fabs(expected)));
}

void KnnDistributionTest::unseenTokens()
{
    const std::vector<float> distances{1, 2, 3};
    QCOMPARE(logKnnProbability(distances, std::vector<std::uint8_t>{0, 0, 0}, 1), -infinity);
    QCOMPARE(logKnnProbability({}, {}, 1), -infinity);
    QCOMPARE(logKnnProbability(distances, std::vector<std::uint8_t>{1, 1, 1}, 1), 0.0);
}

void KnnDistributionTest::farMatchesDoNotUnderflow()
{
    // e^-2000 is 0 in double precision; its logarithm is not.
    const double logProb = logKnnProbability(std::vector<float>{0, 2000, 2000}, std::vector<std::uint8_t>{0, 1, 1}, 1);
    QVERIFY(std::fabs(logProb - (-2000 + std::log(2.0))) < 1e-9);
}

void KnnDistributionTest::equalDistancesCount()
{
    const std::vector<float> distances(10, 7.5f);
    std::vector<std::uint8_t> matches(10, 0);
    matches[3] = matches[8] = 1;
    QVERIFY(std::fabs(logKnnProbability(distances, matches, 0.1) - std::log(0.2)) < 1e-14);
}

void KnnDistributionTest::interpolation()
{
    QCOMPARE(interpolate(-1.2345678, -3, 0, true), -1.2345678); // bit for bit
    QCOMPARE(interpolate(-1.2345678, -3, 1, true), -3.0);
    QCOMPARE(interpolate(-1.2345678, -3, 1, false), -1.2345678);
    QCOMPARE(interpolate(-2, -infinity, 1, true), -infinity);
    QVERIFY(std::fabs(interpolate(-2, -infinity, 0.25, true) - (-2 + std::log(0.75))) < 1e-15);
    QVERIFY(std::fabs(interpolate(std::log(0.2), std::log(0.6), 0.25, true) - std::log(0.75 * 0.2 + 0.25 * 0.6)) < 1e-15);
    QVERIFY(std::fabs(interpolate(-2000, -infinity, 0.5, true) - (-2000 + std::log(0.5))) < 1e-12); // where e^-2000 is 0
}

void KnnDistributionTest::distribution()
{
    const std::vector<std::int32_t> values{5, 9, 5, 2};
    const auto tokens = knnDistribution(std::vector<std::int32_t>{3, 0, 1, 2}, std::vector<float>{2, 1, 1, 1}, values, 1);
    const double sum = 3 * std::exp(-1.) + std::exp(-2.);
    QCOMPARE(tokens.size(), std::size_t(3));
    QCOMPARE(tokens[0].token, TokenId(5));
    QVERIFY(std::fabs(tokens[0].probability - 2 * std::exp(-1.) / sum) < 1e-15);
    QCOMPARE(tokens[1].token, TokenId(9));
    QCOMPARE(tokens[2].token, TokenId(2));
    const double total = std::accumulate(tokens.begin(), tokens.end(), 0.0, [](double s, const auto &t) { return s + t.probability; });
    QVERIFY(std::fabs(total - 1) < 1e-12);
    const auto tied = knnDistribution(std::vector<std::int32_t>{1, 0}, std::vector<float>{4, 4}, values, 1);
    QCOMPARE(tied[0].token, TokenId(5)); // ties: smaller id
}

void KnnDistributionTest::padding()
{
    const std::vector<std::int32_t> ids{-1, 0, -1};
    const std::vector<float> distances{0, 5, 1};
    QCOMPARE(knnWeights(ids, distances, 1), (std::vector<double>{0, 1, 0}));
    QCOMPARE(knnDistribution(ids, distances, std::vector<std::int32_t>{8}, 1).size(), std::size_t(1));
    QVERIFY(knnDistribution(std::vector<std::int32_t>{-1}, std::vector<float>{0}, {}, 1).empty());
}

QTEST_GUILESS_MAIN(KnnDistributionTest)
#include "tst_knn_distribution.moc"
