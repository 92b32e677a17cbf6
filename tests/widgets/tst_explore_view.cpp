// SPDX-License-Identifier: GPL-3.0-or-later
// The views of a trace: text, neighbours, distributions, perplexity. Driven with the mouse and the keyboard.
#include "base/error.h"
#include "explore/corpus_reader.h"
#include "explore/distributions_view.h"
#include "explore/histogram_legend.h"
#include "explore/neighbours_view.h"
#include "explore/perplexity_series.h"
#include "explore/perplexity_view.h"
#include "explore/text_view.h"
#include "plot/custom_plot.h"
#include "plot/theme.h"
#include "shell/view_registry.h"
#include "widgets/explore_world.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QComboBox>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QToolButton>
#include <QTreeView>
#include <QtTest>

#include <algorithm>
#include <limits>

using namespace retoscope;
using retoscope::test::ExploreText;
using retoscope::test::makeSession;
using retoscope::test::smallText;

namespace {

/// A session with the trace open and evaluated, and a view of it on the screen.
template<typename ViewType>
struct Shown
{
    Session session;
    ViewType view{session};

    explicit Shown(const ExploreText &text, QSize size = QSize(700, 500))
    {
        EvaluationSettings settings;
        settings.k = text.kMax;
        session.setSettings(settings);
        session.setTrace(makeSession(text));
        view.resize(size);
        view.show();
    }
    [[nodiscard]] bool settle() { return QTest::qWaitFor([this] { return session.evaluation() && view.isSettled(); }, 10'000); }
    template<typename Child>
    [[nodiscard]] Child *child(const QString &accessibleName) const
    {
        for (Child *candidate : view.template findChildren<Child *>()) {
            if (candidate->accessibleName() == accessibleName || candidate->objectName() == accessibleName)
                return candidate;
        }
        return nullptr;
    }
    [[nodiscard]] TokenTextArea &area() const { return *child<TokenTextArea>(QStringLiteral("Evaluation text")); }
    [[nodiscard]] QTreeView &neighbours() const { return *child<QTreeView>(QStringLiteral("neighbourTable")); }
};

/// Lines of a layout as text, for comparison.
QStringList printed(const TokenLayout &layout)
{
    QStringList lines;
    for (std::int64_t i = 0; i < layout.lineCount(); ++i) {
        QString line;
        const auto [first, end] = layout.tokensOf(i);
        for (std::int64_t position = first; position < end; ++position)
            line += layout.textOn(i, position);
        lines << (layout.line(i).kind == TokenLayout::LineKind::Heading ? QStringLiteral("# %1").arg(layout.line(i).document) : line);
    }
    return lines;
}

/// The columns of a model's rows, groups with their members indented.
QStringList printed(const QAbstractItemModel &model, const QList<int> &columns, const QModelIndex &parent = {})
{
    QStringList rows;
    for (int row = 0; row < model.rowCount(parent); ++row) {
        QStringList cells;
        for (const int column : columns)
            cells << model.index(row, column, parent).data().toString();
        rows << (parent.isValid() ? QStringLiteral("  ") : QString()) + cells.join(QStringLiteral(" | "));
        rows << printed(model, columns, model.index(row, 0, parent));
    }
    return rows;
}

TokenStream streamOf(std::vector<std::string> pieces, std::vector<std::int32_t> tokens)
{
    struct Storage
    {
        std::vector<std::string> pieces;
        std::vector<std::int32_t> tokens;
    };
    const auto storage = std::make_shared<Storage>(Storage{std::move(pieces), std::move(tokens)});
    const auto count = static_cast<std::int64_t>(storage->tokens.size());
    return {storage, storage->tokens, {{DocumentId(0), "one", 0, count}}, [storage](TokenId token) { return storage->pieces[static_cast<std::size_t>(token.value)]; }};
}

QString cellsOf(const std::vector<std::string> &pieces)
{
    std::vector<std::int32_t> tokens(pieces.size());
    std::iota(tokens.begin(), tokens.end(), 0);
    TokenCells cells;
    cells.setStream(streamOf(pieces, tokens));
    QStringList texts;
    for (std::size_t i = 0; i < pieces.size(); ++i)
        texts << cells.at(static_cast<std::int64_t>(i)).text;
    return texts.join(QLatin1Char('|'));
}

} // namespace

class TestExploreView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
        applyTheme(*qApp, Theme::Light);
    }

    void cellsShowWhatCannotBeSeen_data()
    {
        QTest::addColumn<QStringList>("hex");
        QTest::addColumn<QString>("cells");
        const auto row = [](const char *name, const QStringList &hex, const QString &cells) { QTest::newRow(name) << hex << cells; };
        row("a leading space", {QStringLiteral("20746865")}, QStringLiteral("·the"));
        row("newline", {QStringLiteral("0a")}, QStringLiteral("↵\n"));
        row("a character of two tokens", {QStringLiteral("e4"), QStringLiteral("b8ad")}, QStringLiteral("中|‥"));
        row("a character of three byte tokens", {QStringLiteral("61"), QStringLiteral("e4"), QStringLiteral("b8"), QStringLiteral("ad"), QStringLiteral("62")}, QStringLiteral("a|中|‥|‥|b"));
        row("one token ends a character and begins another", {QStringLiteral("e4b8"), QStringLiteral("ade6"), QStringLiteral("9687")}, QStringLiteral("中|文|‥"));
        row("a lone byte", {QStringLiteral("61ff")}, QStringLiteral("a⟨FF⟩"));
        row("a continuation of nothing", {QStringLiteral("61"), QStringLiteral("ad")}, QStringLiteral("a|⟨AD⟩"));
        row("a character that never ends", {QStringLiteral("e4b8"), QStringLiteral("61")}, QStringLiteral("⟨E4⟩⟨B8⟩|a"));
        row("a control token", {QString()}, QStringLiteral("⟨0⟩"));
        row("what would turn the line around", {QStringLiteral("e280ae")}, QStringLiteral("⟨U+202E⟩"));
    }

    void cellsShowWhatCannotBeSeen()
    {
        QFETCH(QStringList, hex);
        QFETCH(QString, cells);
        std::vector<std::string> pieces;
        for (const QString &bytes : hex)
            pieces.push_back(QByteArray::fromHex(bytes.toLatin1()).toStdString());
        QCOMPARE(cellsOf(pieces), cells);
    }

    void linesBreakAtWords()
    {
        TokenCells cells;
        cells.setMarks(false);
        cells.setStream(streamOf({"The", " cat", " s", "at", "\n", " abcdefghijklmnop"}, {0, 1, 2, 3, 4, 0, 5, 1}));
        QFont font(QStringLiteral("DejaVu Sans Mono"), 10);
        const double letter = QFontMetricsF(font).horizontalAdvance(QLatin1Char('x'));
        TokenLayout layout;
        layout.reset(&cells, font, letter * 10.5);
        QVERIFY(layout.advance(-1));
        // "sat" is two tokens and stays together; the newline ends a line; the long word is cut where it must be.
        QCOMPARE(printed(layout), (QStringList{QStringLiteral("The cat"), QStringLiteral(" sat "), QStringLiteral("The"), QStringLiteral(" abcdefghi"), QStringLiteral("jklmnop"), QStringLiteral(" cat")}));
        QCOMPARE(layout.lineOf(3), 1);
        QCOMPARE(layout.lineOf(6), 3);
        QCOMPARE(layout.lineOf(7), 5);
        QCOMPARE(layout.lineOf(8), -1);
    }

    void aTextGrowsAtItsEnd()
    {
        const std::vector<std::string> pieces = {"one", " two", "\xE4", "\xB8\xAD", "\n"};
        TokenCells cells;
        cells.setStream(streamOf(pieces, {0, 1, 4, 1, 2}));
        TokenLayout layout, whole;
        layout.reset(&cells, QFont(), 200);
        layout.advance(-1);
        QVERIFY(printed(layout).last().endsWith(QStringLiteral("⟨E4⟩")));
        cells.setStream(streamOf(pieces, {0, 1, 4, 1, 2, 3, 0}));
        layout.grow();
        layout.advance(-1);
        whole.reset(&cells, QFont(), 200);
        whole.advance(-1);
        QCOMPARE(printed(layout), printed(whole));
        QVERIFY(printed(layout).last().contains(QStringLiteral("中‥one")));
    }

    void extremeTextsNeitherFreezeNorCrash_data()
    {
        QTest::addColumn<QStringList>("pieces");
        QTest::addColumn<int>("tokens");
        QTest::newRow("a million tokens") << QStringList{QStringLiteral("The"), QStringLiteral(" cat"), QStringLiteral(" sat"), QStringLiteral(" where"), QStringLiteral(" it"), QStringLiteral(" was")} << 1'000'000;
        QTest::newRow("tokens of 400 bytes") << QStringList{QString(400, QLatin1Char('x')), QStringLiteral(" ") + QString(399, QLatin1Char('='))} << 300;
        QTest::newRow("right to left") << QStringList{QStringLiteral("שלום"), QStringLiteral(" עולם"), QStringLiteral(" مرحبا"), QStringLiteral("بالعالم"), QStringLiteral(" abc")} << 3000;
        QTest::newRow("CJK") << QStringList{QStringLiteral("検索"), QStringLiteral("拡張"), QStringLiteral("言語"), QStringLiteral("모델"), QStringLiteral("。")} << 20'000;
        QTest::newRow("nothing but newlines") << QStringList{QStringLiteral("\n"), QStringLiteral("\n\n\n")} << 50'000;
        QTest::newRow("nothing but empty tokens") << QStringList{QString(), QString()} << 5000;
    }

    void extremeTextsNeitherFreezeNorCrash()
    {
        QFETCH(QStringList, pieces);
        QFETCH(int, tokens);
        Selection selection;
        selection.setCount(tokens);
        std::vector<std::string> bytes;
        for (const QString &piece : pieces)
            bytes.push_back(piece.toStdString());
        std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens));
        for (int i = 0; i < tokens; ++i)
            ids[static_cast<std::size_t>(i)] = i % static_cast<int>(pieces.size());
        TokenTextArea area(selection);
        area.resize(600, 400);
        area.show();
        area.setStream(streamOf(std::move(bytes), std::move(ids)));
        selection.lock(Position(tokens - 1)); // scrolls there as soon as it is laid out
        // The longest time between two events is what the window would stand still.
        QElapsedTimer clock;
        qint64 longest = 0;
        while (!area.isLaidOut() || area.tokenRect(Position(tokens - 1)).isNull()) {
            clock.start();
            QCoreApplication::processEvents(QEventLoop::AllEvents, 1);
            longest = std::max(longest, clock.elapsed());
            QVERIFY2(longest < 1000, "the window stood still for more than a second");
        }
        area.grab();
        QVERIFY(area.layoutOfLines().lineCount() > 1);
        selection.lock(Position(0));
        QTRY_VERIFY(!area.tokenRect(Position(0)).isNull());
        QTest::keyClick(&area, Qt::Key_Down);
        QVERIFY(selection.primary().value > 0);
    }

    void hoverPreviewsClickLocks()
    {
        Shown<TextView> shown(smallText(2000));
        QVERIFY(shown.settle());
        TokenTextArea &area = shown.area();
        Selection &selection = shown.session.selection();
        const auto centre = [&](std::int64_t position) { return area.tokenRect(Position(position)).center(); };
        auto *card = shown.child<QFrame>(QStringLiteral("hoverCard"));
        QTest::mouseMove(area.viewport(), centre(3));
        QTRY_COMPARE(selection.hovered(), Position(3));
        QVERIFY(card->isVisible());
        QTest::mouseClick(area.viewport(), Qt::LeftButton, {}, centre(3));
        QCOMPARE(selection.primary(), Position(3));
        QCOMPARE(area.verticalScrollBar()->value(), 0); // what is on screen stays where it is
        QVERIFY(area.accessibleDescription().startsWith(QStringLiteral("at; surprisal 3.50 nats under the LM")));
        QTest::mouseClick(area.viewport(), Qt::LeftButton, Qt::ControlModifier, centre(5));
        QCOMPARE(selection.tokens().size(), std::size_t(2));
        QTest::mouseDClick(area.viewport(), Qt::LeftButton, {}, centre(6));
        QVERIFY(selection.pinned().contains(Position(6)));
        QCOMPARE(shown.view.findChildren<PinnedCard *>().size(), 1);
        QTest::keyClick(&area, Qt::Key_Right);
        const Position moved = selection.primary();
        QTest::keyClick(&area, Qt::Key_Left);
        QCOMPARE(selection.primary().value, moved.value - 1);
        QTest::keyClick(&area, Qt::Key_P);
        QVERIFY(selection.pinned().contains(selection.primary()) != selection.pinned().empty());
        QTest::keyClick(&area, Qt::Key_Escape);
        QVERIFY(!selection.primary().valid());
        QEvent leave(QEvent::Leave);
        QCoreApplication::sendEvent(area.viewport(), &leave);
        QVERIFY(!selection.hovered().valid() && !card->isVisible());
    }

    void coloursAndUnderlinesFollowTheEvaluation()
    {
        Shown<TextView> shown(smallText());
        QVERIFY(shown.settle());
        TokenTextArea &area = shown.area();
        const auto backgroundOf = [&](std::int64_t position) {
            const QRect rect = area.tokenRect(Position(position));
            return area.viewport()->grab().toImage().pixelColor(rect.center().x(), rect.top() + 3);
        };
        const Measure &gain = measureById("gain");
        const auto values = gain.compute(shown.session.trace()->trace().arrays(), shown.session.evaluation()->result);
        const auto best = std::ranges::max_element(values) - values.begin(), worst = std::ranges::min_element(values) - values.begin();
        QVERIFY(backgroundOf(best).blue() > backgroundOf(best).red());   // helped: blue
        QVERIFY(backgroundOf(worst).red() > backgroundOf(worst).blue()); // hurt: orange
        const QColor before = backgroundOf(best);
        shown.view.setMeasure(QStringLiteral("lm_surprisal"));
        QTRY_VERIFY(shown.view.isSettled());
        QVERIFY(backgroundOf(best) != before);
        // Dark: the same text on other colours.
        applyTheme(*qApp, Theme::Dark);
        QTRY_VERIFY(backgroundOf(best).lightness() < 140);
        applyTheme(*qApp, Theme::Light);
    }

    void theLegendIsAHistogramWithBounds()
    {
        HistogramLegend legend;
        legend.resize(400, legend.sizeHint().height());
        ColourScale scale(measureById("surprisal"), legend.palette());
        scale.setBounds(0, 10);
        legend.setMeasure(measureById("surprisal"), scale);
        const std::vector<float> values = {1, 2, 2, 9, std::numeric_limits<float>::quiet_NaN(), 100};
        legend.setValues(values);
        legend.show();
        QSignalSpy bounds(&legend, &HistogramLegend::boundsChanged), reset(&legend, &HistogramLegend::resetRequested);
        const int y = legend.height() / 2;
        // The axis reaches to 13; its upper bound stands at 10/13 of it.
        const int handle = 9 + static_cast<int>((400 - 18) * 10 / 13.0);
        QTest::mousePress(&legend, Qt::LeftButton, {}, QPoint(handle, y));
        QTest::mouseMove(&legend, QPoint(9 + (400 - 18) / 2, y));
        QTest::mouseRelease(&legend, Qt::LeftButton, {}, QPoint(9 + (400 - 18) / 2, y));
        QVERIFY(!bounds.isEmpty());
        QVERIFY(std::abs(bounds.last().at(1).toDouble() - 6.5) < 0.1);
        QTest::keyClick(&legend, Qt::Key_Right);
        QVERIFY(bounds.last().at(1).toDouble() > 6.6);
        QTest::mouseDClick(&legend, Qt::LeftButton, {}, QPoint(100, y));
        QCOMPARE(reset.count(), 1);
    }

    void scalesAreNeutralWhereNothingIsKnown()
    {
        ColourScale scale(measureById("gain"), QPalette());
        scale.setBounds(-2, 1);
        QCOMPARE(qAlpha(scale.colour(std::numeric_limits<float>::quiet_NaN())), 0);
        QCOMPARE(QColor::fromRgba(scale.colour(0)), QPalette().color(QPalette::Base));
        QCOMPARE(scale.colour(1), scale.colour(50)); // beyond the bound
        QVERIFY(scale.colour(-1) != scale.colour(-2));
        const std::vector<float> values = {-3, 1, 2, std::numeric_limits<float>::infinity()};
        QCOMPARE(ColourScale::boundsFor(MeasureScale::Diverging, values), (std::pair<double, double>(-2, 2)));
        QCOMPARE(ColourScale::boundsFor(MeasureScale::Sequential, {}), (std::pair<double, double>(0, 1)));
    }

    void jumpsToWhatIsWorthReading()
    {
        Shown<TextView> shown(smallText(2000));
        QVERIFY(shown.settle());
        const auto expected = landmarks(Landmark::MostHelped, shown.session.trace()->trace().arrays(), shown.session.evaluation()->result, 3);
        auto *next = shown.child<QToolButton>(QStringLiteral("Next place"));
        for (const std::int64_t position : expected) {
            QTest::mouseClick(next, Qt::LeftButton);
            QCOMPARE(shown.session.selection().primary(), Position(position));
            QVERIFY(!shown.area().tokenRect(Position(position)).isNull());
        }
        // Every position is searched: there is no saved run to go to, and the view says so.
        auto *kinds = shown.child<QComboBox>(QStringLiteral("Jump to"));
        QTest::keyClick(kinds, Qt::Key_Down);
        QTest::keyClick(kinds, Qt::Key_Down);
        QTRY_VERIFY(shown.view.isSettled() && !next->isEnabled());
    }

    void findsTextAcrossTokens()
    {
        Shown<TextView> shown(smallText());
        QVERIFY(shown.settle());
        QTest::keyClick(&shown.area(), Qt::Key_F, Qt::ControlModifier);
        auto *needle = shown.child<QLineEdit>(QStringLiteral("Find in the text"));
        QVERIFY(needle->isVisible());
        QTest::keyClicks(needle, QStringLiteral("T SAT o"));
        QTRY_COMPARE(shown.session.selection().primary(), Position(1)); // "ca·t sat o·n": from the token " cat"
        QTest::keyClick(needle, Qt::Key_F3);
        QCOMPARE(shown.session.selection().primary(), Position(10));
        QTest::keyClick(needle, Qt::Key_F3, Qt::ShiftModifier);
        QCOMPARE(shown.session.selection().primary(), Position(1));
        needle->setText(QStringLiteral("dog"));
        QTRY_VERIFY(shown.view.isSettled());
        QTest::keyClick(needle, Qt::Key_Escape);
        QVERIFY(!needle->isVisible());
    }

    void documentsAreChosen()
    {
        Shown<TextView> shown(smallText(4000));
        QVERIFY(shown.settle());
        auto *documents = shown.child<QComboBox>(QStringLiteral("Document"));
        QCOMPARE(documents->count(), 2);
        Q_EMIT documents->activated(1);
        QTRY_VERIFY(!shown.area().tokenRect(Position(2000)).isNull());
        QCOMPARE(documents->currentIndex(), 1);
    }

    void twoSettingsAreCompared()
    {
        Shown<TextView> shown(smallText());
        QVERIFY(shown.settle());
        auto *second = shown.child<TokenTextArea>(QStringLiteral("Compared with the kept setting"));
        QVERIFY(!second->isVisible());
        QTest::keyClick(&shown.area(), Qt::Key_C);
        QVERIFY(second->isVisible());
        EvaluationSettings other = shown.session.settings();
        other.lambda = 0.9;
        const quint64 before = shown.session.evaluation()->id;
        shown.session.setSettings(other);
        QTRY_VERIFY(shown.session.evaluation()->id != before && shown.view.isSettled());
        QCOMPARE(second->verticalScrollBar()->value(), shown.area().verticalScrollBar()->value());
        const QRect rect = second->tokenRect(Position(0));
        QVERIFY(!rect.isNull());
        QVERIFY(second->viewport()->grab().toImage().pixelColor(rect.center().x(), rect.top() + 3) != second->palette().color(QPalette::Base));
        QTest::keyClick(&shown.area(), Qt::Key_C);
        QTRY_VERIFY(!second->isVisible());
    }

    void neighboursStandInRows()
    {
        Session session;
        session.setTrace(makeSession(smallText()));
        Inspector &inspector = Inspector::of(session);
        QCOMPARE(&Inspector::of(session), &inspector);
        NeighboursModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QTRY_VERIFY(session.evaluation());
        session.selection().lock(Position(2)); // neighbours are the entries 2 … 7; the target is " s"
        QTRY_VERIFY(inspector.inspection());
        model.setInspection(inspector.inspection());
        model.fetchAllContexts();
        using Column = NeighboursModel::Column;
        QCOMPARE(printed(model, {Column::Rank, Column::Distance, Column::Value}),
                 (QStringList{QStringLiteral("1 | 0 | ·s ✓"), QStringLiteral("2 | 1 | at"), QStringLiteral("3 | 4 | ·on"), QStringLiteral("4 | 9 | ·the"), QStringLiteral("5 | 16 | ·mat"), QStringLiteral("6 | 25 | .")}));
        QCOMPARE(model.index(0, Column::Context).data().toString(), QStringLiteral("The cat[ s]at on the mat.↵The cat sat on the mat.↵Th").left(13) + model.index(0, Column::Context).data().toString().mid(13));
        model.sort(Column::Weight, Qt::AscendingOrder);
        QCOMPARE(model.index(0, Column::Rank).data().toString(), QStringLiteral("6"));
        model.setFilter(QStringLiteral("MAT"));
        QVERIFY(model.shownCount() > 0 && model.shownCount() <= 6);
        model.setFilter({});
        model.setGrouping(NeighboursModel::Grouping::Document);
        QCOMPARE(model.rowCount(), 1);
        QCOMPARE(model.rowCount(model.index(0, 0)), 6);
        model.setGrouping(NeighboursModel::Grouping::Value);
        QCOMPARE(model.rowCount(), 6);
        model.setInspection(nullptr);
        QCOMPARE(model.rowCount(), 0);
    }

    void neighboursOfTheKeptSettingStandBeside()
    {
        Shown<NeighboursView> shown(smallText());
        QVERIFY(shown.settle());
        shown.session.selection().lock(Position(2)); // squared distances 0, 1, 4, 9, 16, 25
        QTRY_COMPARE(shown.neighbours().model()->rowCount(), 6);
        QTreeView &table = shown.neighbours();
        QVERIFY(table.isColumnHidden(NeighboursModel::KeptWeight));
        EvaluationSettings kept = shown.session.settings();
        kept.k = 2;
        kept.temperature = 10;
        shown.session.compareWith(kept);
        QTRY_VERIFY(!table.isColumnHidden(NeighboursModel::KeptWeight) && shown.view.isSettled());
        table.model()->sort(NeighboursModel::Distance, Qt::AscendingOrder);
        QStringList weights;
        for (int row = 0; row < 6; ++row)
            weights << table.model()->index(row, NeighboursModel::KeptWeight).data().toString();
        // 1 / (1 + exp(−0.1)) and the rest of it
        QCOMPARE(weights, (QStringList{QStringLiteral("52.5 %"), QStringLiteral("47.5 %"), QStringLiteral("–"), QStringLiteral("–"), QStringLiteral("–"), QStringLiteral("–")}));
        DistributionsModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const auto inspection = Inspector::of(shown.session).inspection();
        model.setInspection(inspection);
        const QVariant same = model.index(model.targetRow(), DistributionsModel::Mixed).data(DistributionsModel::KeptRole);
        QVERIFY(same.isValid());
        QCOMPARE(same.toDouble(), std::exp(inspection->kept->mixedLogProb));
        QVERIFY(same.toDouble() != model.index(model.targetRow(), DistributionsModel::Mixed).data(DistributionsModel::MixedRole).toDouble());
        shown.session.clearComparison();
        QTRY_VERIFY(table.isColumnHidden(NeighboursModel::KeptWeight));
        model.setInspection(Inspector::of(shown.session).inspection());
        QVERIFY(!model.index(0, DistributionsModel::Mixed).data(DistributionsModel::KeptRole).isValid());
    }

    void aNeighbourIsSwitchedOff()
    {
        Shown<NeighboursView> shown(smallText());
        QVERIFY(shown.settle());
        shown.session.selection().lock(Position(2));
        QTRY_COMPARE(shown.neighbours().model()->rowCount(), 6);
        QTRY_VERIFY(shown.view.isSettled());
        Inspector &inspector = Inspector::of(shown.session);
        const double before = inspector.inspection()->probabilityNow();
        // The box of the first row, as the mouse finds it.
        QTreeView &table = shown.neighbours();
        QVERIFY(table.model()->setData(table.model()->index(0, 0), Qt::Unchecked, Qt::CheckStateRole));
        QTRY_VERIFY(inspector.inspection()->all);
        QVERIFY(inspector.inspection()->probabilityNow() < before); // it was the one that had the token
        QCOMPARE(inspector.inspection()->probabilityBefore(), before);
        QCOMPARE(table.model()->index(0, NeighboursModel::Weight).data().toString(), QStringLiteral("off"));
        bool said = false;
        for (const QLabel *label : shown.view.findChildren<QLabel *>())
            said = said || label->text().contains(QStringLiteral("without 1 neighbour"));
        QVERIFY(said);
        shown.session.selection().lock(Position(3)); // another token: all are on again
        QTRY_VERIFY(inspector.inspection()->now.position == Position(3) && inspector.inspection()->switchedOff.empty());
    }

    void aPlaceIsReadAndItsPointerFollowed()
    {
        Shown<NeighboursView> shown(smallText());
        QVERIFY(shown.settle());
        shown.session.selection().lock(Position(18)); // the entries 18 … 23; entry 19 ends a document
        QTRY_COMPARE(shown.neighbours().model()->rowCount(), 6);
        QTreeView &table = shown.neighbours();
        table.setCurrentIndex(table.model()->index(0, 0));
        table.setFocus();
        QTest::keyClick(&table, Qt::Key_Return);
        auto *reader = shown.view.findChild<CorpusReader *>();
        QVERIFY(reader);
        QTRY_VERIFY(reader->isSettled() && reader->isVisible());
        QCOMPARE(reader->entry(), EntryId(18));
        const auto *text = reader->findChild<QPlainTextEdit *>();
        QVERIFY(text->toPlainText().startsWith(QStringLiteral("The cat sat on the mat.")));
        const auto buttons = reader->findChildren<QPushButton *>();
        const auto follow = std::ranges::find_if(buttons, [](const QPushButton *button) { return button->text().startsWith(QStringLiteral("Follow")); });
        QVERIFY(follow != buttons.end() && (*follow)->isEnabled());
        QTest::mouseClick(*follow, Qt::LeftButton);
        QTRY_VERIFY(reader->isSettled() && !(*follow)->isEnabled()); // entry 19 has no pointer
        QCOMPARE(reader->entry(), EntryId(19));
    }

    void distributionsSayWhatIsNotRecorded()
    {
        Session session;
        session.setTrace(makeSession(smallText()));
        QTRY_VERIFY(session.evaluation());
        session.selection().lock(Position(2));
        QTRY_VERIFY(Inspector::of(session).inspection());
        DistributionsModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QCOMPARE(model.targetRow(), -1);
        model.setInspection(Inspector::of(session).inspection());
        QVERIFY(model.targetRow() >= 0);
        QVERIFY(model.index(model.targetRow(), DistributionsModel::Token).data().toString().startsWith(QStringLiteral("✓")));
        // A neighbour's value that is no recorded candidate of the LM.
        int unknown = 0;
        for (int row = 0; row < model.rowCount(); ++row) {
            const QModelIndex lm = model.index(row, DistributionsModel::Lm);
            if (std::isnan(lm.data(DistributionsModel::LmRole).toDouble())) {
                QCOMPARE(lm.data().toString(), QStringLiteral("not recorded"));
                ++unknown;
            }
        }
        QVERIFY(unknown > 0);
        QCOMPARE(BarsDelegate::length(std::nan(""), true), 0.0);
        QCOMPARE(BarsDelegate::length(1e-3, true), 0.5);
        QCOMPARE(BarsDelegate::length(0.25, false), 0.25);
    }

    void theLineFollowsTheText()
    {
        Shown<PerplexityView> shown(smallText(600));
        QVERIFY(shown.settle());
        QCustomPlot *plot = shown.view.plot();
        QTRY_VERIFY(plot->xAxis->range().upper > 500);
        const auto pixel = [&](double position) { return QPoint(static_cast<int>(plot->xAxis->coordToPixel(position)), plot->xAxis->axisRect()->center().y()); };
        QTest::mouseMove(plot, pixel(100));
        QTRY_VERIFY(std::abs(shown.session.selection().hovered().value - 100) <= 2);
        QTest::mouseClick(plot, Qt::LeftButton, {}, pixel(200));
        QVERIFY(std::abs(shown.session.selection().primary().value - 200) <= 2);
        // A drag marks the span to zoom to; a double click shows the whole again.
        QTest::mousePress(plot, Qt::LeftButton, {}, pixel(300));
        QTest::mouseMove(plot, pixel(350));
        QTest::mouseMove(plot, pixel(400));
        QTest::mouseRelease(plot, Qt::LeftButton, {}, pixel(400));
        QVERIFY(std::abs(plot->xAxis->range().lower - 300) < 4 && std::abs(plot->xAxis->range().upper - 400) < 4);
        shown.session.selection().lock(Position(10)); // out of sight: the span follows
        QVERIFY(plot->xAxis->range().contains(10));
        shown.view.showWhole();
        QVERIFY(plot->xAxis->range().upper > 590);
        shown.session.pinForComparison();
        QTRY_VERIFY(shown.view.isSettled());
    }

    void seriesKeepGapsAndCountSearches()
    {
        EvaluationResult result;
        result.logProbs = {-1, -2, -3, -4};
        result.knnLogProbs = {-1, -std::numeric_limits<float>::infinity(), -1, -1};
        result.candidates = {2, 2, 0, 2};
        result.searched = {1, 0, 0, 1};
        const std::vector<float> lm = {-2, -2, -2, -2};
        JobControl job;
        const auto series = PerplexitySeries::make(lm, result, nullptr, 1, job);
        QCOMPARE(series->size(), 4);
        QVERIFY(std::isnan(series->knnNll->at(1)->value) && std::isnan(series->knnNll->at(2)->value));
        QCOMPARE(series->mixedNll->at(3)->value, 4.0);
        QVERIFY(!series->comparedNll);
        QCOMPARE(series->searchedShare(0, 4), 0.5);
        QCOMPARE(series->searchedShare(1, 3), 0.0);
        QCOMPARE(series->searchedShare(3, 9), 1.0);
    }

    void viewsInviteAndSayWhatIsWrong_data()
    {
        QTest::addColumn<QString>("id");
        for (const char *id : {"text", "neighbours", "distributions", "perplexity"})
            QTest::newRow(id) << QString::fromLatin1(id);
    }

    void viewsInviteAndSayWhatIsWrong()
    {
        QFETCH(QString, id);
        const ViewEntry &entry = viewById(id);
        QVERIFY(entry.openAtFirst);
        Session session;
        const std::unique_ptr<View> view(entry.make(session));
        view->resize(500, 400);
        view->show();
        const auto says = [&](const QString &text) {
            return std::ranges::any_of(view->findChildren<QLabel *>(), [&](const QLabel *label) { return label->isVisible() && label->text().contains(text); });
        };
        QVERIFY(says(QStringLiteral("no trace yet")));
        Q_EMIT session.failed(QStringLiteral("The trace is gone."));
        QVERIFY(says(QStringLiteral("The trace is gone.")));
        const QTemporaryDir folder;
        if (id != QLatin1String("text"))
            QVERIFY_THROWS_EXCEPTION(Error, view->exportTo(folder.filePath(QStringLiteral("x.csv")), QSize(400, 300)));
        session.setTrace(makeSession(smallText()));
        QTRY_VERIFY(session.evaluation());
        QVERIFY(!says(QStringLiteral("The trace is gone.")));
    }

    void everythingIsWritten()
    {
        const QTemporaryDir folder;
        const auto write = [&](View &view) {
            for (const QString &suffix : view.exportSuffixes()) {
                const QString file = folder.filePath(view.id() + QLatin1Char('.') + suffix);
                view.exportTo(file, QSize(640, 400));
                QVERIFY2(QFileInfo(file).size() > 100, qPrintable(file));
            }
        };
        Shown<TextView> text(smallText());
        Shown<NeighboursView> neighbours(smallText());
        Shown<DistributionsView> distributions(smallText());
        Shown<PerplexityView> perplexity(smallText());
        QVERIFY(text.settle() && neighbours.settle() && distributions.settle() && perplexity.settle());
        neighbours.session.selection().lock(Position(4));
        distributions.session.selection().lock(Position(4));
        QTRY_VERIFY(Inspector::of(neighbours.session).inspection() && Inspector::of(distributions.session).inspection());
        for (View *view : {static_cast<View *>(&text.view), static_cast<View *>(&neighbours.view), static_cast<View *>(&distributions.view), static_cast<View *>(&perplexity.view)})
            write(*view);
        QFile table(folder.filePath(QStringLiteral("neighbours.csv")));
        QVERIFY(table.open(QIODevice::ReadOnly));
        QCOMPARE(table.readAll().count('\n'), 7);
    }

    void whatIsRecordedGrowsOnTheScreen()
    {
        const auto progress = [](std::int64_t positions) {
            auto live = std::make_shared<LiveProgress>();
            live->name = "growing";
            live->total = 400;
            for (std::int64_t i = 0; i < positions; ++i) {
                live->text += i % 10 == 9 ? ".\n" : " word";
                live->textEnds.push_back(static_cast<std::int64_t>(live->text.size()));
                live->documents.push_back(static_cast<std::int32_t>(i / 300));
                live->lmLogProbs.push_back(-2);
                live->result.logProbs.push_back(-1);
                live->result.knnLogProbs.push_back(-1);
                live->result.searched.push_back(1);
                live->result.candidates.push_back(4);
                live->result.survivors.push_back(1);
            }
            live->result.perplexity = 2.72;
            return live;
        };
        Session session;
        TextView text(session);
        PerplexityView line(session);
        for (View *view : {static_cast<View *>(&text), static_cast<View *>(&line)}) {
            view->resize(600, 400);
            view->show();
        }
        const auto *area = text.findChild<TokenTextArea *>(QStringLiteral("Evaluation text"));
        const auto *note = text.findChild<QLabel *>(QStringLiteral("note"));
        session.setLive(progress(100));
        QVERIFY(area->isVisible());
        QCOMPARE(area->stream().size(), 100);
        QVERIFY(note->text().contains(QStringLiteral("100 of 400 positions")));
        QTRY_COMPARE(line.plot()->xAxis->range().upper, 99.0);
        session.setLive(progress(400));
        QTRY_VERIFY(text.isSettled() && line.plot()->xAxis->range().upper == 399.0);
        QCOMPARE(area->stream().documents.size(), std::size_t(2));
        QCOMPARE(area->layoutOfLines().tokensOf(area->layoutOfLines().lineCount() - 1).second, 400);
        session.setLive(nullptr);
        QVERIFY(!area->isVisible());
        // With a trace open it is offered, not forced upon the reader.
        session.setTrace(makeSession(smallText()));
        session.setLive(progress(200));
        QCOMPARE(area->stream().size(), 60);
        Q_EMIT const_cast<QLabel *>(note)->linkActivated(QStringLiteral("#"));
        QCOMPARE(area->stream().size(), 200);
        session.setLive(nullptr);
        QCOMPARE(area->stream().size(), 60);
    }

    void tracesWithoutATokenizerShowIds()
    {
        ExploreText text = smallText();
        text.tokenizer = false;
        Shown<TextView> shown(text);
        QVERIFY(shown.settle());
        const TokenLayout &layout = shown.area().layoutOfLines();
        QVERIFY(printed(layout).filter(QStringLiteral("[0][1][2]")).size() > 0);
        QVERIFY(shown.view.findChild<QLabel *>(QStringLiteral("note"))->isVisible());
    }
};

QTEST_MAIN(TestExploreView)
#include "tst_explore_view.moc"
