// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/automaton_canvas.h"
#include "automaton/automaton_layout.h"
#include "automaton/automaton_view.h"
#include "shell/session.h"

#include "base/error.h"
#include "core/trace/small_world.h"

#include <QAbstractItemModelTester>
#include <QFileInfo>
#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>
#include <QSlider>
#include <QSpinBox>
#include <QTableView>
#include <QTemporaryDir>
#include <QtTest>

#include <map>
#include <set>

using namespace retoscope;

namespace {

/// A world with a session on it. The world outlives the session.
struct Workplace
{
    test::SmallWorld world;
    std::shared_ptr<const TraceSession> trace;
    Session session;
    AutomatonView view{session};

    explicit Workplace(bool retomaton = true)
    {
        trace = TraceSession::fromParts(std::make_shared<const Replay>(world.trace, world.clusters), nullptr, nullptr, "small");
        view.resize(1000, 500);
        view.show();
        session.setTrace(trace);
        if (retomaton) {
            EvaluationSettings settings;
            settings.method = Method::Retomaton;
            settings.k = 8;
            settings.automaton.maxKnns = 40;
            session.setSettings(settings);
        }
    }
    [[nodiscard]] bool ready() { return view.isSettled() && session.evaluation() && session.evaluation()->result.settings == session.settings(); }
    [[nodiscard]] Position primary() { return session.selection().primary(); }
    [[nodiscard]] bool searched(std::int64_t t) { return session.evaluation()->result.searched[static_cast<std::size_t>(t)] != 0; }
    [[nodiscard]] QLabel *caption() { return view.findChild<QLabel *>(QStringLiteral("automatonCaption")); }
};

AutomatonNode node(int step, int state, double weight)
{
    AutomatonNode made;
    made.step = step;
    made.state = StateId(state);
    made.weight = weight;
    made.entryCount = 1;
    return made;
}

AutomatonStep stepOf(std::int64_t position, int first, int count)
{
    AutomatonStep made;
    made.position = Position(position);
    made.firstNode = first;
    made.nodeCount = count;
    return made;
}

/// "1 2 rest": the states of a column from top to bottom.
QString printed(const AutomatonLayout &layout, int column)
{
    QStringList names;
    for (const PlacedState &state : layout.statesOf(column))
        names << (state.isRest() ? QStringLiteral("rest×%1").arg(state.states) : QString::number(state.key));
    return names.join(QLatin1Char(' '));
}

} // namespace

class TestAutomatonView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void layoutUncrossesPointers()
    {
        // 1 → 21 and 2 → 20, where 20 is heavier and would stand above 21.
        AutomatonWindow window;
        window.clustered = true;
        window.steps = {stepOf(5, 0, 2), stepOf(6, 2, 3)};
        window.nodes = {node(0, 1, 0.6), node(0, 2, 0.4), node(1, 20, 0.5), node(1, 21, 0.3), node(1, 22, 0.2)};
        window.edges = {{0, 3, 1, 0.3}, {1, 2, 1, 0.5}};
        const AutomatonLayout layout = layOutAutomaton(window, {}, nullptr);
        QCOMPARE(printed(layout, 0), QStringLiteral("1 2"));
        QCOMPARE(printed(layout, 1), QStringLiteral("21 20 22"));
        for (int column = 0; column < 2; ++column) { // bars fill the height, do not overlap, and are as high as they are heavy
            const auto states = layout.statesOf(column);
            QCOMPARE(states.front().top, 0.0);
            QVERIFY(std::abs(states.back().top + states.back().height - 1) < 1e-9);
            for (std::size_t i = 1; i < states.size(); ++i)
                QVERIFY(states[i].top > states[i - 1].top + states[i - 1].height);
        }
        for (const PlacedEdge &edge : layout.edges) { // ends lie inside their bars
            const PlacedState &from = layout.states[static_cast<std::size_t>(edge.from)], &to = layout.states[static_cast<std::size_t>(edge.to)];
            QVERIFY(edge.fromY > from.top && edge.fromY < from.top + from.height);
            QVERIFY(edge.toY > to.top && edge.toY < to.top + to.height);
        }

        // The next window begins one step later and has a new column: what stays keeps its order.
        AutomatonWindow later;
        later.clustered = true;
        later.steps = {stepOf(6, 0, 3), stepOf(7, 3, 2)};
        later.nodes = {node(0, 20, 0.5), node(0, 21, 0.3), node(0, 22, 0.2), node(1, 30, 0.7), node(1, 31, 0.3)};
        later.edges = {{1, 4, 1, 0.3}, {0, 3, 1, 0.7}};
        const AutomatonLayout next = layOutAutomaton(later, {}, &layout);
        QCOMPARE(printed(next, 0), QStringLiteral("21 20 22"));
        QCOMPARE(printed(next, 1), QStringLiteral("31 30"));
    }

    void lightOnesAreFolded()
    {
        AutomatonWindow window;
        window.clustered = true;
        window.steps = {stepOf(0, 0, 4), stepOf(1, 4, 1)};
        window.nodes = {node(0, 1, 0.5), node(0, 2, 0.3), node(0, 3, 0.15), node(0, 4, 0.05), node(1, 9, 1)};
        window.edges = {{3, 4, 7, 0.6}, {1, 4, 2, 0.3}, {2, 4, 1, 0.001}};
        AutomatonLayoutOptions options;
        options.statesPerColumn = 2;
        const AutomatonLayout layout = layOutAutomaton(window, options, nullptr);
        // State 4 is the lightest, but its pointers are the heaviest: it stays, beside 1; the others become the rest.
        QCOMPARE(printed(layout, 0), QStringLiteral("1 4 rest×2"));
        QCOMPARE(layout.edges.size(), std::size_t(2)); // those of 2 and 3 run together
        QVERIFY(std::abs(layout.edges.front().weight - 0.301) < 1e-12);
        QCOMPARE(layout.edges.front().pointers, 3);
        options.threshold = 0.01;
        QCOMPARE(layOutAutomaton(window, options, nullptr).hiddenEdges, std::int64_t(1));
    }

    void saysWhatToDoFirst()
    {
        Workplace place(false);
        QTRY_VERIFY(place.view.isSettled());
        auto *button = place.view.findChild<QPushButton *>();
        QTRY_COMPARE(button->text(), QStringLiteral("Switch to RetoMaton")); // kNN-LM is in force
        QTest::mouseClick(button, Qt::LeftButton);
        QVERIFY(place.session.settings().method == Method::Retomaton);
        QTRY_COMPARE(button->text(), QStringLiteral("Begin at the first token"));
        QTest::mouseClick(button, Qt::LeftButton);
        QTRY_VERIFY(place.ready());
        QVERIFY(place.caption()->text().startsWith(QStringLiteral("Position 0 ")));
        QVERIFY(place.caption()->text().contains(QStringLiteral("first position of a document")));
        place.session.setTrace(nullptr);
        QVERIFY(!place.view.canvas().scene());
    }

    void keysWalk()
    {
        Workplace place;
        place.session.selection().lock(Position(20));
        QTRY_VERIFY(place.ready());
        AutomatonCanvas &canvas = place.view.canvas();
        canvas.setFocus();
        QTest::keyClick(&canvas, Qt::Key_Period);
        QCOMPARE(place.primary(), Position(21));
        QTest::keyClick(&canvas, Qt::Key_Comma);
        QTest::keyClick(&canvas, Qt::Key_Comma);
        QCOMPARE(place.primary(), Position(19));
        QTest::keyClick(&canvas, Qt::Key_N);
        std::int64_t next = 20;
        while (!place.searched(next))
            ++next;
        QCOMPARE(place.primary(), Position(next));
        QTest::keyClick(&canvas, Qt::Key_End);
        QVERIFY(place.primary().value > next || place.searched(next + 1));
        QVERIFY(place.searched(place.primary().value + 1)); // the run ends where the next search begins
        QTest::keyClick(&canvas, Qt::Key_N, Qt::ShiftModifier);
        QVERIFY(place.searched(place.primary().value));
        // The scene follows, and what the caption says is the reason of that step.
        QTRY_VERIFY(place.ready());
        const auto scene = canvas.scene();
        const int at = scene->stepAt(place.primary());
        QVERIFY(at >= 0);
        QVERIFY(place.caption()->text().contains(scene->reasons[static_cast<std::size_t>(at)]));
        QVERIFY(scene->reasons[static_cast<std::size_t>(at)].startsWith(QStringLiteral("searched: ")));
    }

    void plays()
    {
        Workplace place;
        place.session.selection().lock(Position(50));
        QTRY_VERIFY(place.ready());
        place.view.canvas().setFocus();
        QTest::keyClick(&place.view.canvas(), Qt::Key_Space);
        QVERIFY(place.view.isPlaying());
        QTRY_VERIFY(place.primary().value >= 52);
        QTest::keyClick(&place.view.canvas(), Qt::Key_Space);
        QVERIFY(!place.view.isPlaying());
        place.session.selection().lock(Position(place.session.selection().count() - 1));
        place.view.setPlaying(true);
        QTRY_VERIFY(!place.view.isPlaying()); // stops at the end of the text
    }

    void layoutIsStableWhileStepping()
    {
        Workplace place;
        place.session.selection().lock(Position(60));
        QTRY_VERIFY(place.ready());
        std::map<std::int64_t, QString> orders;
        for (int i = 0; i < 25; ++i) {
            const AutomatonLayout &layout = place.view.canvas().layoutOfStates();
            for (int column = 0; column < static_cast<int>(layout.columns.size()); ++column) {
                const auto [known, first] = orders.try_emplace(layout.columns[static_cast<std::size_t>(column)].position.value, printed(layout, column));
                if (!first && column > 0 && column + 1 < static_cast<int>(layout.columns.size()))
                    QCOMPARE(printed(layout, column), known->second);
            }
            place.view.step(1);
            QTRY_VERIFY(place.ready());
            QVERIFY(place.view.canvas().scene()->stepAt(place.primary()) >= 0);
        }
    }

    void mouseChooses()
    {
        Workplace place;
        place.session.selection().lock(Position(100));
        QTRY_VERIFY(place.ready());
        AutomatonCanvas &canvas = place.view.canvas();
        const Position second = canvas.layoutOfStates().columns[1].position;
        QTest::mouseMove(&canvas, canvas.headerRect(2).center().toPoint());
        QTRY_COMPARE(place.session.selection().hovered(), canvas.layoutOfStates().columns[2].position);
        QTest::mouseClick(&canvas, Qt::LeftButton, {}, canvas.headerRect(1).center().toPoint());
        QCOMPARE(place.primary(), second);
        QTRY_VERIFY(place.ready());

        const QAbstractItemModelTester tester(&place.view.entries(), QAbstractItemModelTester::FailureReportingMode::QtTest);
        const AutomatonLayout &layout = canvas.layoutOfStates();
        const int state = layout.columns[3].first;
        QTest::mouseClick(&canvas, Qt::LeftButton, {}, canvas.stateRect(state).center().toPoint());
        QTRY_VERIFY(place.ready() && place.view.entries().rowCount() > 0);
        const AutomatonNode &chosen = canvas.scene()->window.nodes[static_cast<std::size_t>(layout.states[static_cast<std::size_t>(state)].node)];
        QCOMPARE(place.view.entries().rowCount(), chosen.entryCount);
        double weight = 0;
        for (const EntryLine &line : place.view.entries().lines()) {
            weight += line.weight;
            QCOMPARE(place.world.stateOf[static_cast<std::size_t>(line.entry.value)], chosen.state.value);
            QCOMPARE(line.value, QStringLiteral("[%1]").arg(place.world.values[static_cast<std::size_t>(line.entry.value)]));
        }
        QVERIFY(std::abs(weight - chosen.weight) < 1e-5);
        QVERIFY(place.view.findChild<QLabel *>(QStringLiteral("entryTitle"))->text().startsWith(QStringLiteral("State %1 ").arg(chosen.state.value)));
        // Up and down walk in the primary column.
        canvas.setFocus();
        QTest::keyClick(&canvas, Qt::Key_Down);
        QVERIFY(canvas.selectedNode() >= 0);
        QCOMPARE(canvas.scene()->window.steps[static_cast<std::size_t>(canvas.scene()->window.nodes[static_cast<std::size_t>(canvas.selectedNode())].step)].position, place.primary());
    }

    void thresholdHides()
    {
        Workplace place;
        place.session.selection().lock(Position(100));
        QTRY_VERIFY(place.ready());
        auto *slider = place.view.findChild<QSlider *>(QStringLiteral("threshold"));
        slider->setValue(0);
        const auto all = place.view.canvas().layoutOfStates();
        QCOMPARE(all.hiddenEdges, std::int64_t(0));
        QVERIFY(!all.edges.empty());
        slider->setValue(slider->maximum());
        const auto few = place.view.canvas().layoutOfStates();
        QVERIFY(few.hiddenEdges > 0 && few.edges.size() < all.edges.size());
    }

    void withoutClustersEntriesStand()
    {
        Workplace place;
        EvaluationSettings settings = place.session.settings();
        settings.useClusters = false;
        place.session.setSettings(settings);
        place.session.selection().lock(Position(100));
        QTRY_VERIFY(place.ready() && place.view.canvas().scene() && !place.view.canvas().scene()->window.clustered);
        for (const AutomatonNode &one : place.view.canvas().scene()->window.nodes)
            QVERIFY(!one.state.valid() && one.entryCount >= 1);
    }

    void isWritten_data()
    {
        QTest::addColumn<QString>("suffix");
        for (const char *suffix : {"pdf", "svg", "png"})
            QTest::newRow(suffix) << QString::fromLatin1(suffix);
    }

    void isWritten()
    {
        QFETCH(QString, suffix);
        Workplace place;
        place.session.selection().lock(Position(100));
        QTRY_VERIFY(place.ready());
        const QTemporaryDir folder;
        const QString file = folder.filePath(QStringLiteral("automaton.") + suffix);
        place.view.exportTo(file, QSize(900, 500));
        QVERIFY(QFileInfo(file).size() > 5000);
        if (suffix == QLatin1String("svg")) { // vectors and words, not a picture of them
            QFile reading(file);
            QVERIFY(reading.open(QIODevice::ReadOnly));
            const QByteArray text = reading.readAll();
            QVERIFY(text.contains("<path") && text.contains("pointers followed") && !text.contains("<image"));
        }
        QVERIFY(place.view.findChild<QSlider *>(QStringLiteral("threshold"))->isVisible()); // back again
        QVERIFY_THROWS_EXCEPTION(Error, place.view.exportTo(folder.filePath(QStringLiteral("a.doc")), QSize(900, 500)));
    }
};

QTEST_MAIN(TestAutomatonView)
#include "tst_automaton_view.moc"
