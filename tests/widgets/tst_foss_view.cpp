// SPDX-License-Identifier: GPL-3.0-or-later
// The FoSS figure from what a ledger holds, and the view over a small project of real artefacts.
#include <QAbstractItemModelTester>
#include <QComboBox>
#include <QFileInfo>
#include <QLabel>
#include <QLocale>
#include <QPushButton>
#include <QSignalSpy>
#include <QToolTip>
#include <QtTest> // Qt first: moc 6.4 cannot parse <compare>

#include "core/ledger/project_world.h"
#include "foss/foss_table_model.h"
#include "foss/foss_view.h"
#include "ledger/operations.h"
#include "runs/runs_export.h"
#include "shell/session.h"
#include "plot/custom_plot.h"

using namespace retoscope;
using namespace retoscope::test;

namespace {

EvaluationSettings walking(std::int64_t minKnns)
{
    EvaluationSettings settings;
    settings.method = Method::Retomaton;
    settings.automaton.minKnns = minKnns;
    return settings;
}

EvaluationSettings skipping(double share)
{
    EvaluationSettings settings;
    settings.skipFraction = share;
    return settings;
}

constexpr std::int64_t endless = AutomatonSettings::alwaysSearch;

FossFigure makeFigure()
{
    FossFigure figure;
    figure.series = {{QStringLiteral("RetoMaton"), {{0, 16.1, true, walking(endless), 7}, {0.8, 16.6, true, walking(1), 8}}},
                     {QStringLiteral("kNN-LM"), {{0, 16.6, false, skipping(0), 0}, {1, 18.6, true, skipping(1), 0}}}};
    figure.timings = {{0.5, 12.5, walking(4), 2000, 9}};
    figure.base = FossFigure::commonPart(walking(1));
    figure.basePerplexity = 18.6;
    return figure;
}

/// As a curve of the ledger has it.
Json pointJson(const EvaluationSettings &settings, double foss, double perplexity, std::int64_t run)
{
    return {{"settings", settings}, {"foss", foss}, {"perplexity", perplexity}, {"pareto", false}, {"run", run}};
}

RunRow makeRun(std::int64_t id, std::int64_t trace, const EvaluationSettings &settings, double foss, double perplexity, bool live)
{
    RunRow run;
    run.id = id;
    run.trace = trace;
    run.status = RunStatus::Done;
    run.config = settings;
    run.config["artefacts"] = Json::object();
    run.metrics = {{"foss", foss}, {"perplexity", perplexity}, {"positions", 100}, {"live", live}};
    run.seconds = 2;
    return run;
}

ProjectSnapshot makeProject()
{
    ProjectSnapshot project;
    ArtefactRow trace;
    trace.id = 3;
    trace.kind = ArtefactKind::Trace;
    trace.name = "test";
    project.artefacts = {trace};
    CurveRow curve;
    curve.id = 5;
    curve.trace = 3;
    curve.kind = "foss";
    curve.data = {{"base_perplexity", 20.0},
                  {"series", {{{"name", "RetoMaton"}, {"points", {pointJson(walking(1), 0.9, 18, 1), pointJson(walking(endless), 0, 15, 2)}}},
                              {{"name", "kNN-LM, random skipping"}, {"points", {pointJson(skipping(0), 0, 16, 3)}}}}}};
    CurveRow other = curve;
    other.id = 6;
    other.trace = 4;
    project.fossCurves = {other, curve};
    EvaluationSettings otherLambda = walking(2);
    otherLambda.lambda = 0.9;
    project.runs = {makeRun(10, 3, walking(8), 0.5, 15.5, false), makeRun(11, 3, otherLambda, 0.6, 14, false), makeRun(12, 4, walking(9), 0.4, 1, false),
                    makeRun(13, 3, walking(8), 0.5, 15.5, true), makeRun(14, 3, walking(1), 0.9, 18, false)};
    return project;
}

QString printed(const QAbstractItemModel &model)
{
    QStringList rows;
    for (int row = 0; row < model.rowCount(); ++row) {
        QStringList cells;
        for (int column = 0; column < model.columnCount(); ++column)
            cells << model.index(row, column).data().toString();
        rows << cells.join(QLatin1Char('|'));
    }
    return rows.join(QLatin1Char('\n'));
}

struct OpenView
{
    ProjectWorld world;
    Session session;
    FossView view{session};

    OpenView()
    {
        session.openProject(world.project.folder());
        session.openTrace(QStringLiteral("trace"));
        view.resize(900, 500);
        view.show();
    }
    [[nodiscard]] bool wait()
    {
        return QTest::qWaitForWindowExposed(&view) && QTest::qWaitFor([this] { return session.trace() && session.project() && view.isSettled(); });
    }
    [[nodiscard]] QCustomPlot *plot() const { return view.findChild<QCustomPlot *>(); }
    void compute()
    {
        for (QAction *action : view.viewActions()) {
            if (action->text().startsWith(QStringLiteral("Curve for")))
                action->trigger();
        }
    }
    [[nodiscard]] bool waitForCurve()
    {
        return QTest::qWaitFor([this] { return !view.figure().isEmpty() && view.isSettled(); }, 20'000);
    }
};

} // namespace

class TestFossView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void figureTakesTheCurveOfItsTrace()
    {
        const FossFigure figure = FossFigure::fromProject(makeProject(), "test");
        QCOMPARE(figure.curve, std::int64_t(5));
        QCOMPARE(figure.series.size(), std::size_t(2));
        // Run 10 was added; run 11 has another λ, run 12 another trace, run 14 is there already.
        QCOMPARE(figure.series[0].points.size(), std::size_t(3));
        QCOMPARE(figure.series[0].points[1].run, std::int64_t(10));
        QCOMPARE(figure.series[0].points[1].perplexity, 15.5);
        // One front over all: kNN-LM without skipping is beaten by RetoMaton that always searches.
        QVERIFY(figure.series[0].points[0].pareto && figure.series[0].points[1].pareto && figure.series[0].points[2].pareto);
        QVERIFY(!figure.series[1].points[0].pareto);
        QCOMPARE(figure.timings.size(), std::size_t(1));
        QCOMPARE(figure.timings[0].perToken, 20.0); // 2 s over 100 tokens
        QVERIFY(FossFigure::fromProject(makeProject(), "another").isEmpty());
        QCOMPARE(FossFigure::fromProject(makeProject(), {}).curve, std::int64_t(6)); // the newest of any
    }

    void brokenCurveIsASentence()
    {
        ProjectSnapshot project = makeProject();
        project.fossCurves[1].data["series"][0]["points"][0].erase("foss");
        QVERIFY_THROWS_EXCEPTION(Error, FossFigure::fromProject(project, "test"));
    }

    void newPointsFillTheWidestGap()
    {
        FossFigure figure = makeFigure();
        figure.series[0].points = {{0, 16, true, walking(endless), 0}, {0.1, 16.1, true, walking(100), 0}, {0.7, 16.5, true, walking(4), 0}, {0.8, 16.6, true, walking(3), 0}};
        const auto wanted = figure.settingsBetween(2);
        QCOMPARE(wanted.size(), std::size_t(2)); // none for kNN-LM, and none between 3 and 4
        QCOMPARE(wanted[0].automaton.minKnns, std::int64_t(20)); // √(4 · 100)
        QCOMPARE(wanted[1].automaton.minKnns, std::int64_t(200)); // beyond 100
    }

    void tableIsWrittenForPapers()
    {
        FossTableModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setFigure(makeFigure());
        QCOMPARE(printed(model), QStringLiteral("RetoMaton|0.0 %|16.10|min_knns ∞|0.25|1|1024|1024||*|7\n"
                                                "RetoMaton|80.0 %|16.60|min_knns 1|0.25|1|1024|1024||*|8\n"
                                                "kNN-LM|0.0 %|16.60|0 % of the positions skipped|0.25|1|1024||||\n"
                                                "kNN-LM|100.0 %|18.60|100 % of the positions skipped|0.25|1|1024|||*|\n"
                                                "RetoMaton, live|50.0 %||min_knns 4|0.25|1|1024|1024|12.50||9"));
        QVERIFY(tableText(model, QStringLiteral("tex")).contains(QStringLiteral("80.0 \\%")));
        model.setFigure({});
        QCOMPARE(model.rowCount(), 0);
    }

    void figureIsWritten_data()
    {
        QTest::addColumn<QString>("suffix");
        for (const char *suffix : {"pdf", "svg", "png", "csv", "md", "tex"})
            QTest::newRow(suffix) << QString::fromLatin1(suffix);
    }

    void figureIsWritten()
    {
        QFETCH(QString, suffix);
        const QTemporaryDir folder;
        Session session;
        FossView view(session);
        const QString file = folder.filePath(QStringLiteral("foss.") + suffix);
        QVERIFY_THROWS_EXCEPTION(Error, view.exportTo(file, QSize(400, 300)));
        view.setFigure(makeFigure());
        view.exportTo(file, QSize(400, 300));
        QVERIFY(QFileInfo(file).size() > 200);
        QVERIFY_THROWS_EXCEPTION(Error, view.exportTo(folder.filePath(QStringLiteral("foss.doc")), QSize(400, 300)));
    }

    void publishedCurvesAreLaidUnderneath()
    {
        Session session;
        FossView view(session);
        view.setFigure(makeFigure());
        auto *plot = view.findChild<QCustomPlot *>();
        const int before = plot->graphCount();
        auto *published = view.findChild<QComboBox *>(QStringLiteral("published"));
        published->setCurrentIndex(1);
        QCOMPARE(plot->graphCount(), before + 4); // figure 3: kNN-LM, AdaptRet, RetoMaton with and without clusters
        published->setCurrentIndex(0);
        QCOMPARE(plot->graphCount(), before);
    }

    void aMissingCurveIsComputed()
    {
        OpenView open;
        QVERIFY(open.wait());
        QVERIFY(open.view.figure().isEmpty());
        const auto buttons = open.view.findChildren<QPushButton *>();
        const auto compute = std::ranges::find_if(buttons, [](const QPushButton *button) { return button->isVisible() && button->text() == QStringLiteral("Compute it"); });
        QVERIFY(compute != buttons.end());
        QTest::mouseClick(*compute, Qt::LeftButton);
        QVERIFY(open.waitForCurve());
        QCOMPARE(open.view.figure().series.size(), std::size_t(3));
        QCOMPARE(open.world.project.ledger().curves().size(), std::size_t(1));
    }

    void aClickUsesThePoint()
    {
        OpenView open;
        QVERIFY(open.wait());
        open.compute();
        QVERIFY(open.waitForCurve());
        const auto &point = open.view.figure().series[0].points.back(); // RetoMaton, most searches saved
        QVERIFY(point.foss > 0.1);
        QCustomPlot *plot = open.plot();
        plot->replot();
        const QPoint place = QPointF(plot->xAxis->coordToPixel(point.foss * 100), plot->yAxis->coordToPixel(point.perplexity)).toPoint();
        QTest::mouseClick(plot, Qt::LeftButton, Qt::NoModifier, place);
        QVERIFY(open.session.settings().method == Method::Retomaton);
        QVERIFY(FossFigure::commonPart(open.session.settings()) == open.view.figure().base);
        QTRY_VERIFY(open.session.evaluation() && open.session.evaluation()->result.settings == open.session.settings());
        QCOMPARE(open.session.evaluation()->result.perplexity, point.perplexity);
    }

    void adaptiveRetrievalIsACurveOfItsOwn()
    {
        OpenView open;
        open.world.makeTrace("other", open.world.train);
        QVERIFY(open.wait());
        EvaluationSettings settings = open.session.settings();
        settings.gate.trace = "other";
        settings.gate.training.epochs = 2;
        open.session.setSettings(settings);
        open.compute();
        QVERIFY(open.waitForCurve());
        QCOMPARE(open.view.figure().series.size(), std::size_t(4));
        const auto &series = open.view.figure().series[3];
        QCOMPARE(series.name, QStringLiteral("AdaptRet"));
        QCustomPlot *plot = open.plot();
        QVERIFY(plot->legend->itemWithPlottable(plot->graph(4))); // after the Pareto front and the three others
        QCOMPARE(plot->graph(4)->name(), QStringLiteral("AdaptRet"));

        const auto point = std::ranges::find_if(series.points, [](const auto &p) { return p.foss > 0.2 && p.foss < 0.9; });
        QVERIFY(point != series.points.end());
        plot->replot();
        const QPoint place = QPointF(plot->xAxis->coordToPixel(point->foss * 100), plot->yAxis->coordToPixel(point->perplexity)).toPoint();
        QTest::mouseMove(plot, place);
        QTRY_VERIFY2(QToolTip::text().contains(QStringLiteral("skipped by the gate, λ learned")), qPrintable(QToolTip::text()));
        QVERIFY2(QToolTip::text().contains(QStringLiteral("gate learned from other")), qPrintable(QToolTip::text()));
        // The click replays it for all views: the same gate, the same numbers.
        QTest::mouseClick(plot, Qt::LeftButton, Qt::NoModifier, place);
        QVERIFY(open.session.settings().method == Method::Adaptive);
        QTRY_VERIFY(open.session.evaluation() && open.session.evaluation()->result.settings == open.session.settings());
        QCOMPARE(open.session.evaluation()->result.perplexity, point->perplexity);
        QCOMPARE(open.session.evaluation()->result.lambdas.size(), open.session.evaluation()->result.logProbs.size());
    }

    void withoutAnotherTraceAdaptRetIsLeftOut()
    {
        OpenView open;
        QVERIFY(open.wait());
        open.compute();
        QVERIFY(open.waitForCurve());
        QCOMPARE(open.view.figure().series.size(), std::size_t(3));
        const QString state = open.view.findChild<QLabel *>(QStringLiteral("state"))->text();
        QVERIFY2(state.contains(QStringLiteral("AdaptRet is left out")), qPrintable(state));
    }

    void pointsAreAdded()
    {
        OpenView open;
        QVERIFY(open.wait());
        EvaluationSettings base = open.session.settings();
        base.method = Method::Retomaton;
        foss(open.world.project, "trace", "clusters", base, 3, {}, open.world.job);
        open.session.refreshProject();
        QVERIFY(open.waitForCurve());
        const auto wanted = open.view.figure().settingsBetween(4);
        QVERIFY(!wanted.empty());
        std::size_t before = 0, after = 0;
        for (const auto &series : open.view.figure().series)
            before += series.points.size();
        for (QAction *action : open.view.viewActions()) {
            if (action->text().startsWith(QStringLiteral("Add points")))
                action->trigger();
        }
        QVERIFY(QTest::qWaitFor([&] {
            after = 0;
            for (const auto &series : open.view.figure().series)
                after += series.points.size();
            return after == before + wanted.size() && open.view.isSettled();
        }, 20'000));
    }
};

QTEST_MAIN(TestFossView)
#include "tst_foss_view.moc"
