// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "base/job.h"
#include "small_world.h"
#include "trace/sweep.h"

#include <QTest>

#include <cmath>

using namespace retoscope;
using retoscope::test::SmallWorld;

namespace {

EvaluationSettings base()
{
    EvaluationSettings settings;
    settings.k = SmallWorld::kMax;
    return settings;
}

SweepPoint point(double foss, double perplexity)
{
    SweepPoint result;
    result.result.foss = foss;
    result.result.perplexity = perplexity;
    return result;
}

} // namespace

class SweepTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void grids();
    void badGrids_data();
    void badGrids();
    void pointsAreTheirSettings();
    void paretoFront();
    void best();
    void curve();
    void drawing();
    void tables();
    void published();

private:
    SmallWorld m_world;
    Replay m_replay = m_world.replay();
    JobControl m_job;
};

void SweepTest::grids()
{
    const SweepGrid grid = SweepGrid::parse("lambda=0.1:0.9:0.1; temperature = 1,10 ;min_knns=1,inf");
    QCOMPARE(grid.size(), std::size_t(9 * 2 * 2));
    QVERIFY(grid.axes[0].second[2] == 0.3); // not 0.30000000000000004
    QVERIFY(grid.axes[0].second.back() == 0.9);
    const EvaluationSettings first = grid.at(0, base()), second = grid.at(1, base()), last = grid.at(35, base());
    QCOMPARE(first.lambda, 0.1);
    QCOMPARE(first.automaton.minKnns, std::int64_t(1));
    QCOMPARE(second.automaton.minKnns, AutomatonSettings::alwaysSearch); // the last axis varies fastest
    QCOMPARE(second.temperature, 1.0);
    QCOMPARE(last.lambda, 0.9);
    QCOMPARE(last.temperature, 10.0);
    QVERIFY(SweepGrid::parse("k=1:7:3").axes[0].second == std::vector<Json>({1, 4, 7}));
    const SweepGrid fromJson = SweepGrid::fromJson(Json::parse(R"({"clusters": ["on", "none"], "semantics": ["corrected", "reference"], "k": 3})"));
    QCOMPARE(fromJson.size(), std::size_t(4));
    bool clustered = false, reference = false;
    for (std::size_t i = 0; i < 4; ++i) {
        const EvaluationSettings settings = fromJson.at(i, base());
        clustered = clustered || settings.useClusters;
        reference = reference || settings.reference();
        QCOMPARE(settings.automaton.deduplicate, !settings.reference()); // the semantics bring their own rules
        QCOMPARE(settings.k, 3);
    }
    QVERIFY(clustered && reference);
}

void SweepTest::badGrids_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("named");
    QTest::newRow("empty") << "" << "empty";
    QTest::newRow("unknown") << "lamda=0.1" << "lamda";
    QTest::newRow("no values") << "lambda=" << "lambda";
    QTest::newRow("no equals sign") << "lambda" << "lambda";
    QTest::newRow("backwards") << "lambda=0.9:0.1:0.1" << "0.9:0.1:0.1";
    QTest::newRow("standing still") << "lambda=0.1:0.9:0" << "step above 0";
    QTest::newRow("two numbers") << "lambda=0.1:0.9" << "begin:end:step";
    QTest::newRow("twice") << "k=1;k=2" << "twice";
    QTest::newRow("too many") << "lambda=0:1:0.0000001" << "at most";
    QTest::newRow("out of range") << "lambda=0.5,1.5" << "1.5";
    QTest::newRow("word") << "temperature=hot" << "hot";
    QTest::newRow("clusters") << "clusters=maybe" << "maybe";
}

void SweepTest::badGrids()
{
    QFETCH(QString, text);
    QFETCH(QString, named);
    try {
        runSweep(m_replay, base(), SweepGrid::parse(text.toStdString()), m_job);
        QFAIL("accepted");
    } catch (const Error &error) {
        QCOMPARE(error.kind(), ErrorKind::BadInput);
        QVERIFY2(QString(error.what()).contains(named), error.what());
    }
}

void SweepTest::pointsAreTheirSettings()
{
    const SweepGrid grid = SweepGrid::parse("method=base,knnlm,retomaton;lambda=0.2,0.8;temperature=1,5");
    std::vector<bool> reported(grid.size());
    const auto points = runSweep(m_replay, base(), grid, m_job, [&](std::size_t i, const SweepPoint &) { reported[i] = true; });
    QCOMPARE(points.size(), std::size_t(12));
    const Replay alone = m_world.replay();
    for (std::size_t i = 0; i < points.size(); ++i) {
        QVERIFY(reported[i]);
        QCOMPARE(points[i].settings, grid.at(i, base()));
        QCOMPARE(points[i].result.nll, alone.evaluate(points[i].settings, {}, m_job).nll);
    }
}

void SweepTest::paretoFront()
{
    std::vector<SweepPoint> points{point(0, 10), point(0.5, 11), point(0.4, 11), point(0.5, 12), point(1, 20), point(0.5, 11), point(0, 11)};
    markParetoFront(points);
    std::vector<bool> front;
    for (const SweepPoint &p : points)
        front.push_back(p.pareto);
    QCOMPARE(front, (std::vector<bool>{true, true, false, false, true, true, false}));
}

void SweepTest::best()
{
    QCOMPARE(bestPoint({point(0, 10), point(1, 9), point(0.5, 9.5)}), std::size_t(1));
    QVERIFY_EXCEPTION_THROWN(bestPoint({}), Error);
}

void SweepTest::curve()
{
    const auto curve = fossCurve(m_replay, base(), 6, m_job);
    QCOMPARE(curve.size(), std::size_t(3));
    const double baseNll = m_replay.evaluate(base(), {}, m_job).baseNll;
    for (const FossSeries &series : curve) {
        QCOMPARE(series.points.size(), std::size_t(6));
        QCOMPARE(series.points.front().result.foss, 0.0);
        for (std::size_t i = 1; i < series.points.size(); ++i)
            QVERIFY(series.points[i].result.foss >= series.points[i - 1].result.foss);
        QVERIFY(series.points.back().result.foss > 0.1);
    }
    QCOMPARE(curve[2].points.back().result.foss, 1.0); // kNN-LM that never searches is the model
    QCOMPARE(curve[2].points.back().result.nll, baseNll);
    const bool noClusters = std::all_of(curve[1].points.begin(), curve[1].points.end(), [](const SweepPoint &p) { return !p.settings.useClusters; });
    QVERIFY(noClusters);
    QCOMPARE(fossCurve(Replay(m_world.trace, nullptr), base(), 4, m_job).size(), std::size_t(2));
    QVERIFY_EXCEPTION_THROWN(fossCurve(m_replay, base(), 1, m_job), Error);
}

void SweepTest::drawing()
{
    const std::vector<FossSeries> curve{{"RetoMaton", {point(0, 10), point(1, 20)}}, {"kNN-LM, random skipping", {point(0, 11), point(1, 30)}}};
    const QStringList lines = QString::fromStdString(drawFossCurve(curve, 30, 60, 20)).split('\n', Qt::SkipEmptyParts);
    QVERIFY(lines.first().startsWith("perplexity (lower is better)"));
    QVERIFY(lines[lines.size() - 2].contains("searches saved (FoSS, %)"));
    QVERIFY(lines.last().contains("● RetoMaton") && lines.last().contains("○ kNN-LM, random skipping") && lines.last().contains("30.00"));
    QVERIFY(lines[lines.size() - 3].contains("100"));
    QCOMPARE(lines.filter("●").size(), 3); // two points and the legend
    int plotted = 0;
    for (const QString &line : lines) {
        if (line.contains(QString("│")) || line.contains(QString("┤"))) {
            QCOMPARE(line.size(), 60);
            ++plotted;
        }
    }
    QCOMPARE(plotted, 15);
    // Low perplexities are drawn below high ones, few saved searches left of many.
    const qsizetype low = lines.indexOf(lines.filter("●").at(1)), high = lines.indexOf(lines.filter("●").at(0));
    QVERIFY(low > high);
    QVERIFY(lines[low].indexOf("●") < lines[high].indexOf("●"));
}

void SweepTest::tables()
{
    const auto curve = fossCurve(m_replay, base(), 3, m_job);
    const QStringList csv = QString::fromStdString(toCsv(curve)).split('\n', Qt::SkipEmptyParts);
    QCOMPARE(csv.size(), 10);
    QCOMPARE(csv.first(), "series,foss,foss_reference,perplexity,nll,searches,positions,lambda,temperature,k,min_knns,max_knns,clusters,distances,semantics,pareto");
    QVERIFY(csv[1].startsWith("RetoMaton,0,0,"));
    QVERIFY(csv[1].contains(",inf,1024,on,exact,corrected,"));
    QVERIFY(csv.last().startsWith("\"kNN-LM, random skipping\",1,"));
    const Json json = toJson(curve);
    QCOMPARE(json.size(), std::size_t(3));
    QVERIFY(json[0]["points"][0]["foss"] == 0.0);
    QVERIFY(json[0]["points"][0]["configuration"]["automaton"]["min_knns"] == "inf");
    const SweepGrid grid = SweepGrid::parse("lambda=0.1,0.2");
    QCOMPARE(QString::fromStdString(toCsv(runSweep(m_replay, base(), grid, m_job))).count('\n'), 3);
}

void SweepTest::published()
{
    QVERIFY(!publishedCurves().empty());
    for (const PublishedCurve &curve : publishedCurves()) {
        QVERIFY(!curve.source.empty() && !curve.dataset.empty() && !curve.points.empty());
        // Every published curve rises: fewer searches cost perplexity.
        QVERIFY(std::is_sorted(curve.points.begin(), curve.points.end()));
        QVERIFY(std::is_sorted(curve.points.begin(), curve.points.end(), [](const auto &a, const auto &b) { return a.second < b.second; }));
    }
}

QTEST_GUILESS_MAIN(SweepTest)
#include "tst_sweep.moc"
