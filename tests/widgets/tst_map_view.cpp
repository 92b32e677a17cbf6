// SPDX-License-Identifier: GPL-3.0-or-later
#include "map/map_canvas.h"
#include "map/map_view.h"
#include "shell/session.h"

#include "base/error.h"
#include "core/trace/small_world.h"

#include <QAbstractItemModelTester>
#include <QComboBox>
#include <QFileInfo>
#include <QLabel>
#include <QLineEdit>
#include <QSignalSpy>
#include <QTableView>
#include <QTemporaryDir>
#include <QToolButton>
#include <QWheelEvent>
#include <QtTest>

using namespace retoscope;

namespace {

struct Workplace
{
    test::SmallWorld world;
    std::shared_ptr<const TraceSession> trace;
    Session session;
    MapView view{session};

    explicit Workplace(bool clusters = true)
    {
        trace = TraceSession::fromParts(std::make_shared<const Replay>(world.trace, clusters ? world.clusters : nullptr), nullptr, nullptr, "small");
        view.resize(500, 700);
        view.show();
        session.setTrace(trace);
    }
    [[nodiscard]] QString label(const char *name) { return view.findChild<QLabel *>(QString::fromLatin1(name))->text(); }
    [[nodiscard]] bool ready() { return view.isSettled() && view.canvas().shownCount() > 0; }
    /// Drags along a rectangle with Shift held.
    void lasso(const QRect &area)
    {
        MapCanvas &canvas = view.canvas();
        QTest::mousePress(&canvas, Qt::LeftButton, Qt::ShiftModifier, area.topLeft());
        for (const QPoint corner : {area.topRight(), area.bottomRight(), area.bottomLeft()})
            drag(corner);
        QTest::mouseRelease(&canvas, Qt::LeftButton, Qt::ShiftModifier, area.bottomLeft());
    }
    void drag(const QPoint &to)
    {
        QMouseEvent move(QEvent::MouseMove, to, view.canvas().mapToGlobal(to), Qt::NoButton, Qt::LeftButton, Qt::ShiftModifier);
        QApplication::sendEvent(&view.canvas(), &move);
    }
};

} // namespace

class TestMapView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void polygonHoldsPoints()
    {
        const std::vector<std::array<float, 2>> points = {{0, 0}, {1, 1}, {2.5f, 0.5f}, {1, -3}};
        const std::vector<std::array<double, 2>> triangle = {{-1, -1}, {3, -1}, {1, 2}};
        QCOMPARE(pointsInside(points, triangle), (std::vector<std::int32_t>{0, 1}));
        QVERIFY(pointsInside(points, {}).empty());
    }

    void categoriesAreTheMostFrequentOnes()
    {
        const test::SmallWorld world;
        const auto trace = TraceSession::fromParts(std::make_shared<const Replay>(world.trace, world.clusters), nullptr, nullptr, "small");
        JobControl job;
        const auto projection = std::make_shared<const KeyProjection>(projectKeys(*world.datastore, {200, 1}, job));
        const MapScene scene = makeMapScene(*trace, projection, MapColouring::State);
        QCOMPARE(scene.size(), std::size_t(200));
        QCOMPARE(scene.categories.size(), MapScene::coloured + 1);
        std::int64_t total = 0;
        for (std::size_t c = 0; c < scene.categories.size(); ++c) {
            QCOMPARE(std::ranges::count(scene.categoryOf, static_cast<std::uint8_t>(c)), scene.categories[c].count);
            if (c > 0 && c < MapScene::coloured)
                QVERIFY(scene.categories[c].count <= scene.categories[c - 1].count);
            total += scene.categories[c].count;
        }
        QCOMPARE(total, std::int64_t(200));
        for (std::size_t i = 0; i < scene.size(); ++i)
            QCOMPARE(scene.ids[i], world.stateOf[static_cast<std::size_t>(projection->entries[i])]);
    }

    void statesThatDistanceIsNotDistance()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        QVERIFY2(place.label("mapStatement").startsWith(QStringLiteral("Projected distance is not distance: the two axes hold ")), qPrintable(place.label("mapStatement")));
        QVERIFY(place.label("mapStatement").contains(QStringLiteral("300 of 300 keys")));
        QVERIFY(place.label("mapLegend").contains(QStringLiteral("[3]"))); // values without a tokenizer are their ids
        place.session.setTrace(nullptr);
        QCOMPARE(place.view.canvas().shownCount(), std::int64_t(0));
    }

    void neighboursOfThePrimaryToken()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        place.session.selection().lock(Position(52));
        QTRY_VERIFY(place.label("mapStatement").contains(QStringLiteral("✚ query before")));
        QVERIFY(place.label("mapStatement").contains(QStringLiteral("16 candidates")));
        const QImage with = place.view.canvas().grab().toImage();
        place.session.selection().unlock();
        QTRY_VERIFY(!place.label("mapStatement").contains(QStringLiteral("✚")));
        QVERIFY(with != place.view.canvas().grab().toImage());
    }

    void colouredByState()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        auto *colouring = place.view.findChild<QComboBox *>(QStringLiteral("mapColouring"));
        colouring->setCurrentIndex(1);
        QTRY_VERIFY(place.label("mapLegend").contains(QStringLiteral("state")));
        // Without clusters a sentence says so.
        Workplace without(false);
        QTRY_VERIFY(without.ready());
        without.view.findChild<QComboBox *>(QStringLiteral("mapColouring"))->setCurrentIndex(1);
        const auto labels = without.view.findChildren<QLabel *>();
        QTRY_VERIFY(std::ranges::any_of(labels, [](const QLabel *label) { return label->isVisible() && label->text().contains(QStringLiteral("without clusters")); }));
    }

    void isolates()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        auto *field = place.view.findChild<QLineEdit *>(QStringLiteral("mapIsolate"));
        QTest::keyClicks(field, QStringLiteral("[2]"));
        QTest::keyClick(field, Qt::Key_Return);
        QCOMPARE(place.view.canvas().shownCount(), std::int64_t(std::ranges::count(place.world.values, 2)));
        QVERIFY(place.label("mapStatement").contains(QStringLiteral("Only “[2]”")));
        field->clear();
        QCOMPARE(place.view.canvas().shownCount(), std::int64_t(300));
        auto *legend = place.view.findChild<QLabel *>(QStringLiteral("mapLegend"));
        Q_EMIT legend->linkActivated(QStringLiteral("0"));
        QVERIFY(place.view.canvas().shownCount() < 300);
        place.view.canvas().setFocus();
        QTest::keyClick(&place.view.canvas(), Qt::Key_R);
        QCOMPARE(place.view.canvas().shownCount(), std::int64_t(300));
    }

    void lassoListsWhatIsInside()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        const QAbstractItemModelTester tester(&place.view.entries(), QAbstractItemModelTester::FailureReportingMode::QtTest);
        MapCanvas &canvas = place.view.canvas();
        const QSignalSpy lassoed(&canvas, &MapCanvas::lassoed);
        const QRect left(2, 2, canvas.width() / 2, canvas.height() - 4);
        place.lasso(left);
        QCOMPARE(lassoed.count(), 1);
        QTRY_VERIFY(place.view.entries().rowCount() > 0);
        const int inside = place.view.entries().rowCount();
        QVERIFY(inside < 300);
        place.lasso(canvas.rect().adjusted(1, 1, -1, -1));
        QTRY_COMPARE(place.view.entries().rowCount(), 300);
        place.lasso(left);
        QTRY_COMPARE(place.view.entries().rowCount(), inside);
        for (auto *button : place.view.findChildren<QToolButton *>()) {
            if (button->text() == QStringLiteral("Isolate"))
                QTest::mouseClick(button, Qt::LeftButton);
        }
        QCOMPARE(canvas.shownCount(), std::int64_t(inside));
    }

    void wheelZoomsAboutTheMouse()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        MapCanvas &canvas = place.view.canvas();
        const QPointF at(canvas.width() * 0.3, canvas.height() * 0.6);
        const auto before = canvas.toMap(at), corner = canvas.toMap({0, 0});
        QWheelEvent wheel(at, canvas.mapToGlobal(at), {}, {0, 240}, Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
        QApplication::sendEvent(&canvas, &wheel);
        const auto after = canvas.toMap(at);
        QVERIFY(std::abs(before[0] - after[0]) < 1e-9 && std::abs(before[1] - after[1]) < 1e-9);
        QVERIFY(canvas.toMap({0, 0})[0] > corner[0]); // nearer
        canvas.setFocus();
        QTest::keyClick(&canvas, Qt::Key_F);
        QVERIFY(std::abs(canvas.toMap({0, 0})[0] - corner[0]) < 1e-6);
    }

    void hoverTellsTheContext()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        place.session.selection().lock(Position(50));
        QTRY_VERIFY(place.label("mapStatement").contains(QStringLiteral("✚")));
        MapCanvas &canvas = place.view.canvas();
        JobControl job;
        const KeyProjection projection = projectKeys(*place.world.datastore, {}, job);
        QTest::mouseMove(&canvas, canvas.toPixel(projection.points[7]).toPoint());
        QTRY_VERIFY2(place.label("mapHovered").startsWith(QStringLiteral("entry ")), qPrintable(place.label("mapHovered")));
    }

    void fiftyThousandPointsAreDrawnQuickly()
    {
        MapCanvas canvas;
        canvas.resize(900, 700);
        auto projection = std::make_shared<KeyProjection>();
        auto scene = std::make_shared<MapScene>();
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (int i = 0; i < 50'000; ++i) {
            projection->entries.push_back(i);
            projection->points.push_back({normal(random), normal(random)});
            scene->ids.push_back(i % 9);
            scene->categoryOf.push_back(static_cast<std::uint8_t>(std::min(i % 9, 6)));
        }
        scene->categories.resize(7);
        scene->projection = projection;
        canvas.setScene(scene);
        canvas.grab();
        QElapsedTimer clock;
        clock.start();
        constexpr int frames = 20;
        for (int i = 0; i < frames; ++i) {
            canvas.zoom(1.01); // renders everything anew
            canvas.grab();
        }
        const double ms = static_cast<double>(clock.elapsed()) / frames;
        qInfo("50,000 points: %.1f ms a frame", ms);
        QVERIFY2(ms < 200, "far above what is smooth"); // loose: tests run on loaded machines
    }

    void isWritten()
    {
        Workplace place;
        QTRY_VERIFY(place.ready());
        const QTemporaryDir folder;
        for (const char *suffix : {"pdf", "svg", "png"}) {
            const QString file = folder.filePath(QStringLiteral("map.") + QString::fromLatin1(suffix));
            place.view.exportTo(file, QSize(600, 600));
            QVERIFY(QFileInfo(file).size() > 3000);
        }
        QVERIFY_THROWS_EXCEPTION(Error, place.view.exportTo(folder.filePath(QStringLiteral("map.doc")), QSize(600, 600)));
    }
};

QTEST_MAIN(TestMapView)
#include "tst_map_view.moc"
