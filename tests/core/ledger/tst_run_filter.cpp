// SPDX-License-Identifier: GPL-3.0-or-later
// The filter language over a table of eight runs, written out below; expected ids are worked out by hand.
#include "ledger/ledger.h"

#include "core/support/expect_error.h"

#include <QTemporaryDir>
#include <QtTest>

using namespace retoscope;

namespace {

struct Row
{
    const char *name, *method;
    double perplexity, foss;
    int k;
    const char *minKnns; ///< JSON
    const char *clusters;
    RunStatus status;
    const char *note;
    std::vector<std::string> tags;
};

// id  name          method       ppl    foss   k     min_knns  clusters  status
const std::vector<Row> table = {
    /*1*/ {"base", "base", 30.5, 0, 0, "null", nullptr, RunStatus::Done, "", {}},
    /*2*/ {"knn 64", "knnlm", 20.25, 0, 64, "null", nullptr, RunStatus::Done, "first try", {"paper"}},
    /*3*/ {"knn 1024", "knnlm", 18, 0, 1024, "null", nullptr, RunStatus::Done, "100% sure", {"paper", "best"}},
    /*4*/ {"reto", "retomaton", 18.5, 0.81, 1024, "1", "km-500", RunStatus::Done, "it's \"good\"", {"best"}},
    /*5*/ {"reto inf", "retomaton", 18.0625, 0, 1024, "\"inf\"", "km-500", RunStatus::Done, "", {}},
    /*6*/ {"reto 8", "retomaton", 19, 0.5, 1024, "8", "km-90", RunStatus::Done, "", {}},
    /*7*/ {"cut off", "retomaton", 0, 0, 1024, "8", "km-90", RunStatus::Failed, "", {}},
    /*8*/ {"Straße", "knnlm", 25, 0, 16, "null", nullptr, RunStatus::Done, "", {}},
};

RunRow runOf(const Row &row, std::int64_t trace)
{
    RunRow run;
    run.name = row.name;
    run.method = row.method;
    run.status = row.status;
    run.trace = trace;
    run.note = row.note;
    run.tags = row.tags;
    run.seconds = 1.5;
    run.config = {{"lambda", 0.25}, {"temperature", 10}, {"distances", "exact"}, {"use_clusters", row.clusters != nullptr}, {"odd.key", 1}};
    if (row.k > 0)
        run.config["k"] = row.k;
    run.config["automaton"] = {{"semantics", "corrected"}, {"max_knns", 1024}};
    if (const Json minKnns = Json::parse(row.minKnns); !minKnns.is_null())
        run.config["automaton"]["min_knns"] = minKnns;
    run.config["artefacts"] = {{"model", {{"name", "gpt2"}}}};
    if (row.clusters)
        run.config["artefacts"]["clusters"] = {{"name", row.clusters}};
    if (row.status == RunStatus::Done)
        run.metrics = {{"perplexity", row.perplexity}, {"nll", std::log(row.perplexity)}, {"foss", row.foss}, {"helped", 100 * row.k}, {"live", row.k == 64}};
    return run;
}

} // namespace

class TestRunFilter : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    std::unique_ptr<Ledger> m_ledger;

    [[nodiscard]] QString idsOf(const RunFilter &filter) const
    {
        QStringList ids;
        for (const RunRow &run : m_ledger->runs(filter))
            ids << QString::number(run.id);
        return ids.join(' ');
    }

private Q_SLOTS:
    void initTestCase()
    {
        m_ledger = std::make_unique<Ledger>(m_folder.filePath("ledger.sqlite").toStdString());
        const auto trace = m_ledger->beginArtefact(ArtefactKind::Trace, "pg-test", "h", {}, {}).id;
        for (const Row &row : table)
            m_ledger->addRun(runOf(row, trace));
    }

    void select_data()
    {
        QTest::addColumn<QString>("expression");
        QTest::addColumn<QString>("ids");
        const auto row = [](const char *expression, const char *ids) { QTest::newRow(expression) << QString::fromUtf8(expression) << ids; };
        row("", "1 2 3 4 5 6 7 8");
        row("   ", "1 2 3 4 5 6 7 8");
        row("ppl < 20 and k = 1024", "3 4 5 6");
        row("perplexity<20 AND k=1024", "3 4 5 6");
        row("ppl <= 18", "3");
        row("ppl >= 20.25", "1 2 8");
        row("ppl > 2.025e1", "1 8");
        row("id = 3 or id = 5", "3 5");
        row("method = knnlm or method = base and ppl > 40", "2 3 8"); // and binds tighter than or
        row("(method = knnlm or method = base) and ppl > 25", "1");
        row("not method = retomaton", "1 2 3 8");
        row("not (ppl < 20)", "1 2 7 8"); // 7 has no perplexity: the comparison is false, its negation true
        row("not not id = 1", "1");
        row("k != 1024", "1 2 8"); // 1 has no k
        row("status = failed", "7");
        row("status != done", "7");
        row("name = 'knn 64'", "2");
        row("name = \"knn 64\"", "2");
        row("name ~ KNN", "2 3");
        row("name ~ 'Straße'", "8");
        row("name = Straße", "8");
        row("note ~ '%'", "3"); // contains, not a pattern
        row("note = 'it''s \"good\"'", "4");
        row("note = \"it's \"\"good\"\"\"", "4");
        row("note ~ \"'; DROP TABLE run; --\"", "");
        row("name > base and name < knn 2", nullptr);
        row("foss > 0.5", "4");
        row("foss >= 0.5", "4 6");
        row("min_knns = inf", "5");
        row("min_knns > 1000000", "5"); // infinity is larger than every number
        row("min_knns < 8", "4");
        row("min_knns != 8", "1 2 3 4 5 8");
        row("tag = paper", "2 3");
        row("tag = paper and tag = best", "3");
        row("tag != paper", "1 4 5 6 7 8");
        row("tag ~ es", "3 4");
        row("trace = pg-test and id < 3", "1 2");
        row("trace = other", "");
        row("model = gpt2 and id = 1", "1");
        row("clusters = none", "1 2 3 8");
        row("clusters ~ km", "4 5 6 7");
        row("semantics = corrected and distances = exact and id = 2", "2");
        row("lambda = 0.25 and temperature = 10.0 and max_knns = 1024 and id = 4", "4");
        row("metrics.helped > 6400", "3 4 5 6");
        row("config.artefacts.clusters.name = km-90", "6 7");
        row("automaton.min_knns = 1", "4"); // looked for in config, then in metrics
        row("metrics.live = true", "2");
        row("config.name > 5", "");          // text and absent values are no numbers
        row("config.distances > 5", "");
        row("config.distances = exact and id = 1", "1");
        row("metrics.foss = \"0.81\"", ""); // quoted: text, and 0.81 is a number
        row("k = \"1024\" and id = 3", "3"); // a column of numbers takes quoted numbers
        row("seconds = 1.5 and archived = 0 and id = 8", "8");
        row("note = ''", "1 5 6 7 8");
    }
    void select()
    {
        QFETCH(QString, expression);
        QFETCH(QString, ids);
        if (ids.isNull()) {
            EXPECT_ERROR(m_ledger->runs({.expression = expression.toStdString()}), ErrorKind::BadInput, "character 28", "found '2'");
            return;
        }
        const RunFilter filter{.expression = expression.toStdString()};
        QCOMPARE(idsOf(filter), ids);
        QCOMPARE(m_ledger->runCount(filter), ids.isEmpty() ? 0 : ids.count(' ') + 1);
    }

    void mistakes_data()
    {
        QTest::addColumn<QString>("expression");
        QTest::addColumn<QString>("sentence");
        const auto row = [](const char *expression, const char *sentence) { QTest::newRow(expression) << QString::fromUtf8(expression) << QString::fromUtf8(sentence); };
        row("ppl <", "at character 6: expected a value after '<'");
        row("k = 1 and (", "at character 12: expected a field, found the end");
        row("foo = 1", "at character 1: there is no field 'foo'; there are id, name, status");
        row("k = 1 and foo = 1", "at character 11: there is no field 'foo'");
        row("note = 'äöü' and foo = 1", "at character 18: there is no field 'foo'"); // characters, not bytes
        row("ppl 20", "at character 5: expected an operator (= != < <= > >= ~) after 'ppl', found '20'");
        row("ppl", "at character 4: expected an operator");
        row("ppl < 20 k = 3", "at character 10: expected 'and', 'or' or the end, found 'k'");
        row("(ppl < 20", "at character 10: expected ')' for the '(' at character 1, found the end");
        row("ppl < 20)", "at character 9: expected 'and', 'or' or the end, found ')'");
        row("ppl < abc", "at character 7: 'abc' is not a number, but ppl is one");
        row("ppl < ''", "at character 7: '' is not a number");
        row("name = 'abc", "at character 8: the quote ' is not closed");
        row("ppl ! 3", "at character 5: expected '=' after '!'");
        row("ppl == 3", "at character 6: expected a value after '='");
        row("= 3", "at character 1: expected a field, found '='");
        row("and", "at character 1: there is no field 'and'");
        row(".x = 3", "at character 1: there is no field '.x'");
        row("config. = 3", "at character 1: there is no field 'config.'");
        row("a..b = 3", "at character 1: there is no field 'a..b'");
    }
    void mistakes()
    {
        QFETCH(QString, expression);
        QFETCH(QString, sentence);
        EXPECT_ERROR(m_ledger->runs({.expression = expression.toStdString()}), ErrorKind::BadInput, "Run filter", sentence.toUtf8().constData());
    }

    void endlessExpressionsAreRefused()
    {
        const std::string deep(100'000, '(');
        EXPECT_ERROR(m_ledger->runs({.expression = deep}), ErrorKind::BadInput, "nested more than 15 deep");
        std::string nots;
        for (int i = 0; i < 100'000; ++i)
            nots += "not ";
        EXPECT_ERROR(m_ledger->runs({.expression = nots + "id = 1"}), ErrorKind::BadInput, "nested more than 15 deep");
        std::string many = "id = 1";
        for (int i = 0; i < 199; ++i)
            many += i % 2 ? " or id = 2" : " and id = 2";
        QCOMPARE(idsOf({.expression = many}), QString("2"));
        EXPECT_ERROR(m_ledger->runs({.expression = many + " or id = 3"}), ErrorKind::BadInput, "more than 200 comparisons");

        std::string deepest; // as much as SQLite's parser ever has to remember at the same time
        for (int i = 0; i < 13; ++i)
            deepest += "id = 9 or tag != best and (";
        deepest += "config.x != 3 or tag = paper and not tag ~ es" + std::string(13, ')');
        QCOMPARE(idsOf({.expression = deepest}), QString("1 2 5 6 7 8"));
        EXPECT_ERROR(m_ledger->runs({.expression = "(" + deepest + ")"}), ErrorKind::BadInput, "nested more than 15 deep");
    }

    void order_data()
    {
        QTest::addColumn<QString>("field");
        QTest::addColumn<bool>("descending");
        QTest::addColumn<QString>("ids");
        QTest::newRow("perplexity, absent last") << "ppl" << false << "3 5 4 6 2 8 1 7";
        QTest::newRow("descending, absent last too") << "ppl" << true << "1 8 2 6 4 5 3 7";
        QTest::newRow("name") << "name" << false << "8 1 7 3 2 4 6 5";
        QTest::newRow("a path") << "metrics.helped" << true << "6 5 4 3 2 8 1 7";
    }
    void order()
    {
        QFETCH(QString, field);
        QFETCH(bool, descending);
        QFETCH(QString, ids);
        QCOMPARE(idsOf({.orderBy = field.toStdString(), .descending = descending}), ids);
    }

    void pages()
    {
        QCOMPARE(idsOf({.limit = 3}), QString("1 2 3"));
        QCOMPARE(idsOf({.limit = 3, .offset = 6}), QString("7 8"));
        QCOMPARE(idsOf({.offset = 6}), QString("7 8"));
        QCOMPARE(m_ledger->runCount({.limit = 3}), 8);
        EXPECT_ERROR(m_ledger->runs({.orderBy = "id; DROP TABLE run"}), ErrorKind::BadInput, "cannot be ordered by 'id; DROP TABLE run'", "perplexity");
    }
};

QTEST_GUILESS_MAIN(TestRunFilter)
#include "tst_run_filter.moc"
