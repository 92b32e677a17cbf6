// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "base/npy.h"
#include "text/windows.h"

#include "shared_data.h"

#include <QtTest>

#include <numeric>

using namespace retoscope;

namespace {

using Rows = std::vector<std::vector<std::int64_t>>;

Rows rows(const std::vector<Window> &windows)
{
    Rows result;
    for (const Window &w : windows)
        result.push_back({w.begin, w.end, w.firstTarget, w.targets, w.document});
    return result;
}

std::string print(const Rows &rows)
{
    std::string text;
    for (const auto &row : rows)
        text += fmt::format("[{}]\n", fmt::join(row, " "));
    return text;
}

} // namespace

Q_DECLARE_METATYPE(Rows)
Q_DECLARE_METATYPE(WindowScheme)

class TestWindows : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void byHand_data()
    {
        QTest::addColumn<std::vector<std::int64_t>>("offsets");
        QTest::addColumn<WindowScheme>("scheme");
        QTest::addColumn<Rows>("expected");
        using O = std::vector<std::int64_t>;
        const auto stream = WindowMode::Stream;
        const auto document = WindowMode::Document;
        QTest::newRow("stride half of block, tail kept")
            << O{0, 4, 11} << WindowScheme{4, 2, stream, WindowTail::Keep}
            << Rows{{0, 2, 1, 1, -1}, {0, 4, 2, 2, -1}, {2, 6, 4, 2, -1}, {4, 8, 6, 2, -1}, {6, 10, 8, 2, -1}, {8, 11, 10, 1, -1}};
        QTest::newRow("tail dropped: 11 tokens hold two whole blocks of 4")
            << O{0, 4, 11} << WindowScheme{4, 2, stream, WindowTail::Drop}
            << Rows{{0, 2, 1, 1, -1}, {0, 4, 2, 2, -1}, {2, 6, 4, 2, -1}, {4, 8, 6, 2, -1}};
        QTest::newRow("stride equal to block: one token of context remains")
            << O{0, 9} << WindowScheme{4, 4, stream, WindowTail::Keep}
            << Rows{{0, 3, 1, 2, -1}, {2, 6, 3, 3, -1}, {5, 9, 6, 3, -1}};
        QTest::newRow("stride 1: every target with full context")
            << O{0, 5} << WindowScheme{3, 1, stream, WindowTail::Keep}
            << Rows{{0, 2, 1, 1, -1}, {0, 3, 2, 1, -1}, {1, 4, 3, 1, -1}, {2, 5, 4, 1, -1}};
        QTest::newRow("documents: lengths 3, 1 and 5; the single token has no target")
            << O{0, 3, 4, 9} << WindowScheme{4, 2, document, WindowTail::Keep}
            << Rows{{0, 2, 1, 1, 0}, {0, 3, 2, 1, 0}, {4, 6, 5, 1, 2}, {4, 8, 6, 2, 2}, {6, 9, 8, 1, 2}};
        QTest::newRow("nothing") << O{} << WindowScheme{} << Rows{};
        QTest::newRow("no token") << O{0, 0} << WindowScheme{} << Rows{};
        QTest::newRow("one token") << O{0, 1} << WindowScheme{} << Rows{};
    }

    void byHand()
    {
        QFETCH(std::vector<std::int64_t>, offsets);
        QFETCH(WindowScheme, scheme);
        QFETCH(Rows, expected);
        QCOMPARE(print(rows(planWindows(offsets, scheme))), print(expected));
    }

    // Whatever the scheme: the targets are every token but the first, once and in order; no window is longer than block;
    // every target has its predecessor in its own window.
    void invariants()
    {
        for (std::int32_t block = 2; block <= 9; ++block)
            for (std::int32_t stride = 1; stride <= block; ++stride)
                for (std::int64_t total = 0; total <= 40; ++total) {
                    const std::int64_t offsets[] = {0, total};
                    const auto plan = planWindows(offsets, {block, stride, WindowMode::Stream, WindowTail::Keep});
                    std::int64_t next = 1;
                    for (const Window &w : plan) {
                        QCOMPARE(w.firstTarget, next);
                        QVERIFY(w.targets >= 1);
                        QVERIFY(w.begin < w.firstTarget);
                        QVERIFY(w.end - w.begin <= block);
                        next += w.targets;
                        QCOMPARE(w.end, next);
                    }
                    QCOMPARE(countTargets(plan), std::max<std::int64_t>(total - 1, 0));
                }
    }

    void golden_data()
    {
        QTest::addColumn<QString>("tokens");
        QTest::addColumn<QString>("windows");
        QTest::newRow("datastore") << "tokens_datastore.npy" << "windows_datastore.npy";
        QTest::newRow("evaluation") << "tokens_eval.npy" << "windows.npy";
    }

    void golden()
    {
        QFETCH(QString, tokens);
        QFETCH(QString, windows);
        SKIP_WITHOUT_SHARED("golden/bundle_stories260k");
        const auto folder = test::shared("golden/bundle_stories260k");
        const NpyFile stream(folder / tokens.toStdString()), table(folder / windows.toStdString());
        const std::int64_t offsets[] = {0, stream.header().count()};
        const auto plan = planWindows(offsets, {256, 128, WindowMode::Stream, WindowTail::Drop});
        const auto expected = table.integers();
        QCOMPARE(plan.size() * 4, expected.size());
        for (std::size_t i = 0; i < plan.size(); ++i) {
            QCOMPARE(plan[i].begin, expected[4 * i]);
            QCOMPARE(plan[i].end, expected[4 * i + 1]);
            QCOMPARE(plan[i].firstTarget, expected[4 * i + 2]);
            QCOMPARE(plan[i].targets, expected[4 * i + 3]);
        }
    }

    void refusals_data()
    {
        QTest::addColumn<QString>("json");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("block 1") << R"({"block":1,"stride":1})" << "at least 2 tokens";
        QTest::newRow("stride 0") << R"({"block":8,"stride":0})" << "between 1 and block (8)";
        QTest::newRow("stride > block") << R"({"block":8,"stride":9})" << "between 1 and block (8)";
        QTest::newRow("drop by document") << R"({"mode":"document","tail":"drop"})" << "needs mode 'stream'";
        QTest::newRow("unknown field") << R"({"blocks":8})" << "no field 'blocks'";
        QTest::newRow("unknown mode") << R"({"mode":"pages"})" << "not 'pages'";
        QTest::newRow("unknown tail") << R"({"tail":"cut"})" << "not 'cut'";
        QTest::newRow("wrong type") << R"({"block":"8"})" << "'block'";
    }

    void refusals()
    {
        QFETCH(QString, json);
        QFETCH(QString, sentence);
        const std::int64_t offsets[] = {0, 100};
        VERIFY_FAILS(planWindows(offsets, Json::parse(json.toStdString()).get<WindowScheme>()), ErrorKind::BadInput, sentence);
    }

    void refusesOffsetsThatDescend()
    {
        const std::int64_t offsets[] = {0, 5, 3};
        VERIFY_FAILS(planWindows(offsets, {}), ErrorKind::BadInput, "not ascending");
    }

    void jsonRoundTrip()
    {
        const WindowScheme scheme{256, 128, WindowMode::Document, WindowTail::Drop};
        QCOMPARE(Json(scheme).get<WindowScheme>(), scheme);
        QCOMPARE(Json::object().get<WindowScheme>(), WindowScheme{});
    }
};

QTEST_GUILESS_MAIN(TestWindows)
#include "tst_windows.moc"
