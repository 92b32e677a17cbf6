// SPDX-License-Identifier: GPL-3.0-or-later
// Generation in the window, with the small language model of the tests over a small project of real artefacts.
#include <QAbstractItemModelTester>
#include <QComboBox>
#include <QFile>
#include <QLabel>
#include <QLocale>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTableView>
#include <QtTest> // Qt first: moc 6.4 cannot parse <compare>

#include "core/ledger/project_world.h"
#include "generate/continuation_text.h"
#include "generate/generate_view.h"
#include "generate/neighbours_model.h"
#include "shell/session.h"

using namespace retoscope;
using namespace retoscope::test;

namespace {

/// The parts as openForGeneration() would open them, with a model that lies on no disk.
std::shared_ptr<const GenerationParts> partsOf(ProjectWorld &world)
{
    auto parts = std::make_shared<GenerationParts>();
    parts->parts.model = std::make_shared<FakeLanguageModel>(256, 12, 1, 1 << 20); // the one that made the datastore, with a longer memory
    parts->parts.datastore = world.project.openDatastore(world.datastore);
    parts->parts.index = world.project.openIndex(world.index, parts->parts.datastore);
    parts->parts.clusters = world.project.openClusters(world.clusters);
    parts->tokens = world.project.openTokens(world.train);
    parts->tokenizer = std::make_shared<ByteTokenizer>();
    return parts;
}

struct OpenView
{
    ProjectWorld world;
    Session session;
    GenerateView view{session};
    std::shared_ptr<const GenerationParts> parts = partsOf(world);

    OpenView()
    {
        world.make(ArtefactKind::Model, "model", {}, [](const auto &) { return std::string("fake"); });
        view.generator().setParts(parts);
        EvaluationSettings settings;
        settings.lambda = 0.9; // the words of the datastore rather than the bytes of an untrained model
        session.setSettings(settings);
        session.openProject(world.project.folder());
        session.openTrace(QStringLiteral("trace"));
        view.resize(700, 800);
        view.show();
    }
    [[nodiscard]] bool wait() { return QTest::qWaitForWindowExposed(&view) && QTest::qWaitFor([this] { return session.project() && session.trace() && go()->isEnabled(); }); }
    template<typename Widget>
    [[nodiscard]] Widget *child(const char *name) const
    {
        return view.findChild<Widget *>(QString::fromLatin1(name));
    }
    [[nodiscard]] QPushButton *go() const { return child<QPushButton>("go"); }
    [[nodiscard]] ContinuationText *text() const { return view.findChild<ContinuationText *>(); }
    [[nodiscard]] QString state() const { return child<QLabel>("state")->text(); }

    void generate(Method method, int tokens)
    {
        child<QPlainTextEdit>("prompt")->setPlainText(QStringLiteral("the datastore "));
        child<QSpinBox>("maxTokens")->setValue(tokens);
        auto *combo = child<QComboBox>("method");
        combo->setCurrentIndex(combo->findData(int(method)));
        QTest::mouseClick(go(), Qt::LeftButton);
    }
    /// What the core says, for the present choices.
    [[nodiscard]] std::vector<GeneratedToken> expected(Method method, int tokens) const
    {
        JobControl job;
        GenerationConfig config;
        config.retrieval = session.settings();
        config.retrieval.method = method;
        config.maxNewTokens = tokens;
        return retoscope::generate(parts->parts, encodePrompt(*parts->tokenizer, "the datastore "), config, job);
    }
    [[nodiscard]] bool waitForEnd() { return QTest::qWaitFor([this] { return view.isSettled(); }); }
};

QString firstRow(const QAbstractItemModel &model)
{
    QStringList cells;
    for (int column = 0; column < model.columnCount(); ++column)
        cells << model.index(0, column).data().toString();
    return cells.join(QLatin1Char('|'));
}

} // namespace

class TestGenerateView : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates)); }

    void tokensAreThoseOfTheCore_data()
    {
        QTest::addColumn<int>("method");
        for (const Method method : {Method::Base, Method::KnnLm, Method::Retomaton})
            QTest::newRow(std::string(toString(method)).c_str()) << int(method);
    }

    void tokensAreThoseOfTheCore()
    {
        QFETCH(int, method);
        OpenView open;
        QVERIFY(open.wait());
        open.generate(Method(method), 30);
        QVERIFY(open.waitForEnd());
        const auto expected = open.expected(Method(method), 30);
        QCOMPARE(open.text()->count(), int(expected.size()));
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const GeneratedToken &token = open.view.transcript().pieces()[i].token;
            QCOMPARE(token.token, expected[i].token);
            QCOMPARE(token.logProb, expected[i].logProb);
            QCOMPARE(token.searched, expected[i].searched);
        }
        QVERIFY(open.text()->toPlainText().startsWith(QStringLiteral("the datastore ")));
        const auto searches = std::ranges::count_if(expected, &GeneratedToken::searched);
        if (Method(method) == Method::Base)
            QVERIFY(!open.state().contains(QStringLiteral("FoSS")));
        else
            QVERIFY2(open.state().contains(QStringLiteral("saved %1 ").arg(std::ssize(expected) - searches)), qPrintable(open.state()));
        QVERIFY(open.state().contains(QStringLiteral("as many tokens as asked for")));
    }

    void aTokenOpensDownToItsNeighbours()
    {
        OpenView open;
        QVERIFY(open.wait());
        open.generate(Method::Retomaton, 20);
        QVERIFY(open.waitForEnd());
        auto *table = open.view.findChild<QTableView *>();
        const QAbstractItemModelTester tester(table->model(), QAbstractItemModelTester::FailureReportingMode::QtTest);
        QCOMPARE(table->model()->rowCount(), 0);
        QTest::mouseClick(open.text()->viewport(), Qt::LeftButton, Qt::NoModifier, open.text()->placeOf(4));
        QCOMPARE(open.text()->focused(), 4);
        const auto expected = open.expected(Method::Retomaton, 20);
        QCOMPARE(table->model()->rowCount(), int(expected[4].neighbours.size()));
        const EntryId nearest = expected[4].neighbours[0].entry;
        QVERIFY(firstRow(*table->model()).endsWith(QString::number(nearest.value)));
        // The context is what stands before the entry in its corpus.
        const EntryContext context = contextOf(*open.parts->parts.datastore, open.parts->tokenizer.get(), open.parts->tokens.get(), nullptr, nearest, 16);
        QCOMPARE(table->model()->index(0, GeneratedNeighboursModel::Left).data().toString(), QString::fromStdString(context.left));
        QVERIFY(open.child<QLabel>("token")->text().contains(expected[4].searched ? QStringLiteral("searched") : QStringLiteral("search saved")));
        // ← → move, Esc unlocks.
        QTest::keyClick(open.text(), Qt::Key_Right);
        QCOMPARE(open.text()->focused(), 5);
        QTest::keyClick(open.text(), Qt::Key_Escape);
        QCOMPARE(open.text()->focused(), -1);
        QCOMPARE(table->model()->rowCount(), 0);
    }

    void searchedAndSavedDifferInShape()
    {
        OpenView open;
        QVERIFY(open.wait());
        open.generate(Method::Retomaton, 30);
        QVERIFY(open.waitForEnd());
        const auto expected = open.expected(Method::Retomaton, 30);
        const int prompt = int(QStringLiteral("the datastore ").size());
        QTextCursor cursor(open.text()->document());
        int saved = 0;
        for (int i = 0; i < int(expected.size()); ++i) {
            cursor.setPosition(prompt + i + 1); // the format of the character before the cursor; a token is a byte
            QCOMPARE(cursor.charFormat().underlineStyle(), expected[std::size_t(i)].searched ? QTextCharFormat::SingleUnderline : QTextCharFormat::DotLine);
            saved += expected[std::size_t(i)].searched ? 0 : 1;
        }
        QVERIFY(saved > 0);
    }

    void stopsAtOnceAndGoesOnWithAnother()
    {
        OpenView open;
        QVERIFY(open.wait());
        const QSignalSpy arrived(&open.view.generator(), &Generator::arrived);
        open.generate(Method::Retomaton, 100'000);
        QTRY_VERIFY(arrived.count() > 0);
        QVERIFY(open.view.generator().isBusy());
        QTest::mouseClick(open.go(), Qt::LeftButton); // it says Stop now
        const int count = open.text()->count();
        const auto events = arrived.count();
        QVERIFY(open.waitForEnd());
        QCOMPARE(open.text()->count(), count);
        QCOMPARE(arrived.count(), events); // nothing came after the click
        QVERIFY(open.state().contains(QStringLiteral("stopped by hand")));
        open.generate(Method::Base, 5);
        QVERIFY(open.waitForEnd());
        QCOMPARE(open.text()->count(), 5);
        QVERIFY(!open.state().contains(QStringLiteral("stopped by hand")));
    }

    void sampleFollowsItsSeedAndBeamsAppearAtTheEnd()
    {
        OpenView open;
        QVERIFY(open.wait());
        auto *decoding = open.child<QComboBox>("decoding");
        decoding->setCurrentIndex(decoding->findData(QStringLiteral("sample")));
        QVERIFY(open.child<QSpinBox>("seed")->isVisible());
        QStringList texts;
        for (const int seed : {3, 3, 4}) {
            open.child<QSpinBox>("seed")->setValue(seed);
            open.generate(Method::KnnLm, 25);
            QVERIFY(open.waitForEnd());
            texts << open.text()->toPlainText();
        }
        QCOMPARE(texts[0], texts[1]);
        QVERIFY(texts[0] != texts[2]);
        decoding->setCurrentIndex(decoding->findData(QStringLiteral("beam")));
        QVERIFY(!open.child<QSpinBox>("seed")->isVisible() && open.child<QSpinBox>("beams")->isVisible());
        open.generate(Method::Retomaton, 10);
        QVERIFY(open.waitForEnd());
        QCOMPARE(open.text()->count(), 10);
    }

    void failuresAreSentences()
    {
        OpenView open;
        QVERIFY(open.wait());
        open.generate(Method::KnnLm, 5);
        open.view.generator().stop();
        QVERIFY(open.waitForEnd());
        open.child<QPlainTextEdit>("prompt")->clear();
        QTest::mouseClick(open.go(), Qt::LeftButton);
        QVERIFY(open.waitForEnd());
        QVERIFY2(open.state().contains(QStringLiteral("The prompt is empty")), qPrintable(open.state()));
        const QString file = QString::fromStdString(open.world.path("nothing.md").string());
        QVERIFY_THROWS_EXCEPTION(Error, open.view.exportTo(file, {}));
    }

    void halfCharactersWaitForTheirOtherHalf()
    {
        Transcript transcript;
        GeneratedPiece first, second;
        first.text = "\xc3";
        second.text = "\xa9!";
        QCOMPARE(transcript.add(first), QString());
        QCOMPARE(transcript.add(second), QStringLiteral("é!"));
        QVERIFY(transcript.toJson().contains(QStringLiteral("é!")));
    }

    void transcriptIsExported_data()
    {
        QTest::addColumn<QString>("suffix");
        QTest::addColumn<QString>("contains");
        QTest::newRow("txt") << "txt" << "the datastore ";
        QTest::newRow("md") << "md" << "| token | p | LM | kNN | search |";
        QTest::newRow("json") << "json" << "\"neighbours\"";
        QTest::newRow("png") << "png" << "PNG";
    }

    void transcriptIsExported()
    {
        QFETCH(QString, suffix);
        QFETCH(QString, contains);
        OpenView open;
        QVERIFY(open.wait());
        open.generate(Method::Retomaton, 8);
        QVERIFY(open.waitForEnd());
        QFile file(QString::fromStdString(open.world.path("out.").string()) + suffix);
        open.view.exportTo(file.fileName(), QSize(600, 800));
        QVERIFY(file.open(QIODevice::ReadOnly));
        QVERIFY(file.readAll().contains(contains.toUtf8()));
    }
};

QTEST_MAIN(TestGenerateView)
#include "tst_generate_view.moc"
