// SPDX-License-Identifier: GPL-3.0-or-later
// The sweep view over a small project of real artefacts: sliders, readouts, heat map, curve, runs.
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QFile>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QPushButton>
#include <QSignalSpy>
#include <QSlider>
#include <QSpinBox>
#include <QTabWidget>
#include <QtTest> // Qt first: moc 6.4 cannot parse <compare>

#include "core/ledger/project_world.h"
#include "ledger/command_line.h"
#include "shell/session.h"
#include "sweep/curve_plot.h"
#include "sweep/grid_panel.h"
#include "sweep/heat_map.h"
#include "sweep/parameter_slider.h"
#include "sweep/readouts.h"
#include "sweep/settings_form.h"
#include "sweep/sweep_view.h"

using namespace retoscope;
using namespace retoscope::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

QString perplexityText(const EvaluationResult &result)
{
    return QLocale().toString(result.perplexity, 'f', 3);
}

QString printed(const Parameter &parameter, int count)
{
    QStringList values;
    for (const double value : parameter.scale.spread(count))
        values << parameter.text(value);
    return values.join(QLatin1Char(' '));
}

/// A view in a window over the world's trace, with its first answers.
struct OpenView
{
    ProjectWorld world;
    Session session;
    SweepView view{session};

    OpenView()
    {
        session.openProject(world.project.folder());
        session.openTrace(QStringLiteral("trace"));
        view.resize(1000, 700);
        view.show();
    }
    [[nodiscard]] bool wait()
    {
        return QTest::qWaitForWindowExposed(&view) && QTest::qWaitFor([this] { return session.trace() && session.project() && view.isSettled(); });
    }
    template<typename Widget>
    [[nodiscard]] Widget *child(const char *name) const
    {
        return view.findChild<Widget *>(QString::fromLatin1(name));
    }
    [[nodiscard]] QSlider *slider(const char *name) const { return child<ParameterSlider>(name)->findChild<QSlider *>(); }
    [[nodiscard]] Readouts *readouts() const { return view.findChild<Readouts *>(); }
    [[nodiscard]] EvaluationResult replayed(Method method) const
    {
        JobControl job;
        EvaluationSettings settings = session.settings();
        settings.method = method;
        return session.trace()->replay().evaluate(settings, {}, job);
    }
};

} // namespace

class TestSweepView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void scalesReachTheirEnds()
    {
        const auto parameters = sweepParameters(100);
        QCOMPARE(printed(parameters[0], 5), QStringLiteral("0.00 0.25 0.50 0.75 1.00"));
        QCOMPARE(printed(parameters[1], 5), QStringLiteral("0.10 1.00 10.00 100.00 1,000.00"));
        QCOMPARE(printed(parameters[2], 4), QStringLiteral("1 8 32 100"));
        QCOMPARE(printed(parameters[3], 4), QStringLiteral("1 32 362 ∞"));
        for (const Parameter &parameter : parameters) {
            for (int step = 0; step <= parameter.scale.lastStep(); ++step) {
                const double value = parameter.scale.valueAt(step);
                QCOMPARE(parameter.scale.valueAt(parameter.scale.stepOf(value)), value);
                EvaluationSettings settings;
                parameter.set(settings, value);
                QCOMPARE(parameter.get(settings), value);
            }
        }
        QVERIFY(parameters[3].json(infinity) == "inf");
        QVERIFY(parameters[2].json(23) == 23);
    }

    void sliderAndSpinBoxAgree()
    {
        ParameterSlider slider(sweepParameters(1024)[3]); // min_knns
        auto *bar = slider.findChild<QSlider *>();
        auto *box = slider.findChild<ParameterSpinBox *>();
        const QSignalSpy edited(&slider, &ParameterSlider::edited);
        slider.setValue(8);
        QCOMPARE(edited.count(), 0);
        QTest::keyClick(bar, Qt::Key_End);
        QCOMPARE(slider.value(), infinity);
        QCOMPARE(box->text(), QStringLiteral("∞"));
        QTest::keyClick(box, Qt::Key_Down);
        QCOMPARE(slider.value(), 4096.0);
        box->selectAll();
        QTest::keyClicks(box, QStringLiteral("20000\r"));
        QCOMPARE(slider.value(), 20000.0); // more than the slider shows
        QCOMPARE(bar->value(), slider.parameter().scale.lastStep() - 1);
        box->selectAll();
        QTest::keyClicks(box, QStringLiteral("inf\r"));
        QCOMPARE(slider.value(), infinity);
        QCOMPARE(edited.count(), 4);
    }

    void withoutATraceItSaysWhatToDo()
    {
        Session session;
        SweepView view(session);
        view.show();
        const auto labels = view.findChildren<QLabel *>();
        QVERIFY(std::ranges::any_of(labels, [](const QLabel *label) { return label->isVisible() && label->text().contains(QStringLiteral("No trace is open")); }));
        QVERIFY(view.isSettled());
    }

    void everythingFollowsASlider()
    {
        OpenView open;
        QVERIFY(open.wait());
        for (const char *name : {"lambda", "temperature", "k", "min_knns", "max_knns"}) {
            QTest::keyClick(open.slider(name), std::string_view(name) == "k" ? Qt::Key_Home : Qt::Key_PageUp);
            QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
            QCOMPARE(open.readouts()->text(Method::KnnLm, QStringLiteral("perplexity")), perplexityText(open.replayed(Method::KnnLm)));
            QCOMPARE(open.readouts()->text(Method::Retomaton, QStringLiteral("perplexity")), perplexityText(open.replayed(Method::Retomaton)));
            QCOMPARE(open.readouts()->text(Method::Retomaton, QStringLiteral("searches")), QLocale().toString(qlonglong(open.replayed(Method::Retomaton).searches)));
        }
        QCOMPARE(open.session.settings().k, 1);
        QCOMPARE(open.readouts()->text(Method::Base, QStringLiteral("perplexity")), QLocale().toString(basePerplexity(open.replayed(Method::KnnLm)), 'f', 3));
        QCOMPARE(open.child<QLineEdit>("command")->text(), QString::fromStdString(evaluateCommand("trace", "clusters", open.session.settings())));
    }

    /// A point of the FoSS curve's kNN-LM series: RetoMaton knows no random skipping and answers without it.
    void theOthersAnswerWithoutWhatOnlyOneMethodKnows()
    {
        OpenView open;
        QVERIFY(open.wait());
        EvaluationSettings skipping = open.session.settings();
        skipping.method = Method::KnnLm;
        skipping.skipFraction = 0.5;
        skipping.lambda = 0.6;
        open.session.setSettings(skipping);
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
        EvaluationSettings walking = skipping;
        walking.method = Method::Retomaton;
        walking.skipFraction = 0;
        JobControl job;
        const QString expected = perplexityText(open.session.trace()->replay().evaluate(walking, {}, job));
        QCOMPARE(open.readouts()->text(Method::Retomaton, QStringLiteral("perplexity")), expected);
        QVERIFY2(open.child<QLabel>("message")->isHidden(), qPrintable(open.child<QLabel>("message")->text()));
        auto *method = open.child<QComboBox>("method");
        method->setCurrentIndex(method->findData(int(Method::Retomaton)));
        Q_EMIT method->activated(method->currentIndex());
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
        QCOMPARE(perplexityText(open.session.evaluation()->result), expected);
    }

    void combosChangeTheSetting()
    {
        OpenView open;
        QVERIFY(open.wait());
        auto *form = open.view.findChild<SettingsForm *>();
        const auto choose = [&](const char *name, int index) {
            auto *combo = form->findChild<QComboBox *>(QString::fromLatin1(name));
            combo->setCurrentIndex(index);
            Q_EMIT combo->activated(index);
        };
        choose("method", 2);
        QVERIFY(open.session.settings().method == Method::Retomaton);
        QCOMPARE(form->findChild<QComboBox *>(QStringLiteral("clusters"))->currentText(), QStringLiteral("clusters"));
        choose("clusters", 0);
        QVERIFY(!open.session.settings().useClusters);
        choose("semantics", 1);
        QVERIFY(open.session.settings().reference());
        QVERIFY(!open.session.settings().automaton.deduplicate); // the rules that belong to it came along
        choose("semantics", 0);
        QVERIFY(open.session.settings().automaton.deduplicate);
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
        QCOMPARE(open.readouts()->text(Method::Retomaton, QStringLiteral("perplexity")), perplexityText(open.replayed(Method::Retomaton)));
    }

    void staleAnswersAreDropped()
    {
        OpenView open;
        QVERIFY(open.wait());
        QList<quint64> ids;
        connect(&open.session, &Session::evaluationChanged, &open.view, [&] { ids << open.session.evaluation()->id; });
        for (int i = 0; i < 60; ++i) {
            QTest::keyClick(open.slider("temperature"), Qt::Key_Right);
            QTest::keyClick(open.slider("lambda"), Qt::Key_Right);
        }
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
        QVERIFY(!ids.isEmpty() && ids.size() < 120);
        QVERIFY(std::ranges::is_sorted(ids));
        QVERIFY(open.session.evaluation()->result.settings == open.session.settings());
        QCOMPARE(open.readouts()->text(Method::KnnLm, QStringLiteral("perplexity")), perplexityText(open.replayed(Method::KnnLm)));
        QCOMPARE(open.readouts()->text(Method::Retomaton, QStringLiteral("perplexity")), perplexityText(open.replayed(Method::Retomaton)));
    }

    void replacedQuestionsMayFinishWithinTheirGrace()
    {
        LatestOnly<int> question;
        QList<int> answers;
        question.onAnswer([&](int answer) { answers << answer; });
        question.setGrace(10'000);
        for (int i = 0; i < 5; ++i)
            question.ask([i](JobControl &) { return i; });
        QTRY_COMPARE(answers, (QList<int>{0, 4})); // the first was under way, those between never began
        answers.clear();
        question.setGrace(1);
        question.ask([](JobControl &control) -> int {
            for (;;)
                control.checkpoint();
        });
        question.ask([](JobControl &) { return 7; });
        QTRY_COMPARE(answers, QList<int>{7});
        question.ask([](JobControl &) { return 8; });
        question.cancel();
        QTRY_VERIFY(!question.isBusy());
        QCOMPARE(answers, QList<int>{7});
    }

    void heatMapFindsTheOptimumAndAClickUsesIt()
    {
        OpenView open;
        QVERIFY(open.wait());
        auto *panel = open.child<HeatMapPanel>("heatMap");
        const HeatMapData &data = panel->heatMap().data();
        QCOMPARE(data.xs.size(), std::size_t(11));
        const auto best = std::ranges::min_element(data.perplexity);
        QCOMPARE(*data.best, std::size_t(best - data.perplexity.begin()));
        // The cell of the optimum, by hand.
        const QPoint centre = panel->heatMap().cellCentre(*data.best % data.xs.size(), *data.best / data.xs.size());
        QWidget *plot = panel->heatMap().childAt(centre);
        QTest::mouseClick(plot, Qt::LeftButton, Qt::NoModifier, plot->mapFrom(&panel->heatMap(), centre));
        QCOMPARE(open.session.settings().lambda, data.xs[*data.best % data.xs.size()]);
        QCOMPARE(open.session.settings().temperature, data.ys[*data.best / data.xs.size()]);
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
        QCOMPARE(open.session.evaluation()->result.perplexity, *best);
        // One cell further with the keyboard.
        const double before = open.session.settings().temperature;
        QTest::keyClick(&panel->heatMap(), before < 100 ? Qt::Key_Up : Qt::Key_Down);
        QVERIFY(open.session.settings().temperature != before);
        // What λ and T are has no influence on a map over them.
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
        QCOMPARE(*std::ranges::min_element(panel->heatMap().data().perplexity), *best);
    }

    void findTheBestChoosesIt()
    {
        OpenView open;
        QVERIFY(open.wait());
        auto *panel = open.child<HeatMapPanel>("heatMap");
        QTest::mouseClick(open.child<QPushButton>("findBest"), Qt::LeftButton);
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled() && panel->runner().best() && panel->runner().points().size() > 300; }));
        QCOMPARE(open.session.settings().lambda, panel->runner().best()->settings.lambda);
        QCOMPARE(open.session.settings().temperature, panel->runner().best()->settings.temperature);
        QVERIFY(panel->runner().best()->result.perplexity <= open.replayed(Method::KnnLm).perplexity);
    }

    void aGridStops()
    {
        OpenView open;
        QVERIFY(open.wait());
        auto *panel = open.child<HeatMapPanel>("heatMap");
        panel->setAxes(1, 3);
        panel->findChild<QSpinBox *>(QStringLiteral("steps"))->setValue(41);
        panel->compute();
        QVERIFY(panel->runner().isBusy());
        QTest::mouseClick(panel->findChild<QPushButton *>(QStringLiteral("compute")), Qt::LeftButton); // it says Cancel now
        QTRY_VERIFY(!panel->runner().isBusy());
        QVERIFY(panel->runner().readyCount() < int(panel->runner().points().size()));
        QVERIFY(!panel->runner().best());
    }

    void curveShowsBothMethods()
    {
        OpenView open;
        QVERIFY(open.wait());
        auto *panel = open.child<CurvePanel>("curve");
        open.view.findChild<QTabWidget *>()->setCurrentWidget(panel);
        panel->findChild<QComboBox *>(QStringLiteral("x"))->setCurrentIndex(3); // min_knns
        QVERIFY(QTest::qWaitFor([&] { return panel->isSettled() && panel->runner().best(); }));
        const CurveData &data = panel->curve().data();
        QCOMPARE(data.lines.size(), std::size_t(2));
        QCOMPARE(data.lines[0].points.front().perplexity, data.lines[0].points.back().perplexity); // min_knns does nothing to kNN-LM
        QCOMPARE(data.lines[1].points.back().foss, 0.0); // ∞
        QVERIFY(data.lines[1].points.front().foss > 0.1);
    }

    void aSettingBecomesARun()
    {
        OpenView open;
        QVERIFY(open.wait());
        QTest::keyClick(open.slider("lambda"), Qt::Key_PageUp);
        QVERIFY(QTest::qWaitFor([&] { return open.view.isSettled(); }));
        QTest::mouseClick(open.child<QPushButton>("copyCommand"), Qt::LeftButton);
        QTest::mouseClick(open.child<QPushButton>("saveRun"), Qt::LeftButton);
        QTRY_COMPARE(open.world.project.ledger().runCount(), std::int64_t(1));
        QTRY_VERIFY(!open.session.jobs().isBusy());
        const RunRow run = open.world.project.ledger().runs().front();
        QCOMPARE(QString::fromStdString(run.command), QApplication::clipboard()->text());
        QCOMPARE(run.metrics.at("perplexity").get<double>(), open.session.evaluation()->result.perplexity);
    }

    void aGridGoesToTheRuns()
    {
        OpenView open;
        QVERIFY(open.wait());
        auto *panel = open.child<HeatMapPanel>("heatMap");
        panel->findChild<QSpinBox *>(QStringLiteral("steps"))->setValue(3);
        QTest::mouseClick(panel->findChild<QPushButton *>(QStringLiteral("send")), Qt::LeftButton);
        QTRY_COMPARE(open.world.project.ledger().runCount(), std::int64_t(9));
        QTRY_VERIFY(!open.session.jobs().isBusy());
        QCOMPARE(open.world.project.ledger().curves().front().kind, std::string("sweep"));
    }

    void theGridIsExported()
    {
        OpenView open;
        QVERIFY(open.wait());
        const QString file = QString::fromStdString(open.world.path("grid.csv").string());
        open.view.exportTo(file, QSize(800, 600));
        QFile read(file);
        QVERIFY(read.open(QIODevice::ReadOnly));
        QCOMPARE(read.readAll().count('\n'), 1 + 11 * 11);
        const QString picture = QString::fromStdString(open.world.path("sweep.png").string());
        open.view.exportTo(picture, QSize(800, 600));
        QCOMPARE(QImage(picture).size(), QSize(1600, 1200));
    }
};

QTEST_MAIN(TestSweepView)
#include "tst_sweep_view.moc"
