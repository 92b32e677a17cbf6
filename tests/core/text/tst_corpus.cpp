// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/job.h"
#include "text/corpus.h"
#include "text/html_text.h"

#include "shared_data.h"

#include <zlib.h>

#include <set>

using namespace retoscope;
using test::Folder;

namespace {

std::vector<Document> read(const std::vector<std::filesystem::path> &paths, const CorpusOptions &options = {})
{
    std::vector<Document> documents;
    JobControl job;
    readDocuments(paths, options, [&](Document &&document) { documents.push_back(std::move(document)); }, job);
    return documents;
}

QString print(const std::vector<Document> &documents)
{
    QString text;
    for (const Document &document : documents)
        text += QString("<%1>%2\n").arg(document.title.c_str(), QString::fromStdString(document.text).replace('\n', "|"));
    return text;
}

std::string gzip(const std::string &bytes)
{
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string packed(deflateBound(&stream, bytes.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef *>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

} // namespace

class TestCorpus : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void kinds_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("kind");
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("expected");
        QTest::newRow("text") << "a.txt" << "auto" << QByteArray("one\r\n\n two\n") << "<a.txt>one\r|| two|\n";
        QTest::newRow("byte order mark") << "a.txt" << "auto" << QByteArray("\xEF\xBB\xBFone") << "<a.txt>one\n";
        QTest::newRow("blank lines") << "a.txt" << "blank-lines" << QByteArray("\n\none\ntwo\n \t\n\nthree") << "<>one|two|\n<>three\n";
        QTest::newRow("WikiText") << "wiki.raw" << "wikitext"
                                  << QByteArray(" \n = A B = \n \n x = y \n \n = = Part = = \n \n text \n = no heading = \n more \n \n = C = \n \n z \n")
                                  << "<A B> = A B = | | x = y | | = = Part = = | | text | = no heading = | more | |\n<C> = C = | | z |\n";
        QTest::newRow("JSONL") << "a.jsonl" << "auto" << QByteArray("{\"text\":\"one\\ntwo\",\"title\":\"T\"}\n\n{\"text\":\"  \"}\n{\"text\":\"caf\xC3\xA9\",\"title\":7}")
                               << QString::fromUtf8("<T>one|two\n<>café\n");
        QTest::newRow("HTML") << "a.html" << "auto"
                              << QByteArray("<html><head><title>A &amp; B</title><style>p{}</style></head><body><div class='navheader'>Prev</div>"
                                            "<h1>Head</h1><p>one  two\n three</p><pre>  keep\n    this</pre><ul><li>x</li><li>y<br>z</li></ul>"
                                            "<script>no()</script><table><tr><td>1</td><td>2</td></tr></table><nav>no</nav>"
                                            "<div class='foot navfooter'>Next</div></body></html>")
                              << "<A & B>Head||one two three||  keep|    this||x|y|z||1 2|\n";
    }

    void kinds()
    {
        QFETCH(QString, name);
        QFETCH(QString, kind);
        QFETCH(QByteArray, bytes);
        QFETCH(QString, expected);
        const Folder folder;
        const CorpusOptions options{.kind = corpusKindFromString(kind.toStdString())};
        QCOMPARE(print(read({folder.write(name.toStdString(), bytes.toStdString())}, options)), expected);
        // The same, compressed.
        const QString packed = print(read({folder.write(name.toStdString() + ".gz", gzip(bytes.toStdString()))}, options));
        QCOMPARE(packed, expected.replace("<a.txt>", "<a.txt.gz>"));
    }

    void refusals_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("invalid UTF-8") << "a.txt" << QByteArray("ab\nc\xE9 d\n") << "byte 4 (line 2) is 0xE9";
        QTest::newRow("invalid UTF-8 in JSONL") << "a.jsonl" << QByteArray("{\"text\":\"x\"}\n{\"text\":\"\xC0\xAF\"}\n") << "byte 22 (line 2) is 0xC0";
        QTest::newRow("UTF-8 cut at the end") << "a.txt" << QByteArray("ab\xE2\x82") << "byte 2 (line 1) is 0xE2";
        QTest::newRow("empty file") << "a.txt" << QByteArray("") << "is empty";
        QTest::newRow("only blanks") << "a.txt" << QByteArray(" \n\n") << "no document with text";
        QTest::newRow("missing field") << "a.jsonl" << QByteArray("{\"text\":\"x\"}\n{\"body\":\"x\"}\n") << "a.jsonl:2: there is no field 'text'";
        QTest::newRow("field of another type") << "a.jsonl" << QByteArray("{\"text\":[1]}\n") << "a.jsonl:1: the field 'text' is not a string but array";
        QTest::newRow("no JSON") << "a.jsonl" << QByteArray("{\"text\":\"x\"}\n{\"text\":\n") << "a.jsonl:2: the line is not a JSON object";
    }

    void refusals()
    {
        QFETCH(QString, name);
        QFETCH(QByteArray, bytes);
        QFETCH(QString, sentence);
        const Folder folder;
        VERIFY_FAILS(read({folder.write(name.toStdString(), bytes.toStdString())}), ErrorKind::BadInput, sentence);
    }

    void refusesWhatIsNotThere()
    {
        const Folder folder;
        VERIFY_FAILS(read({folder.path() / "none.txt"}), ErrorKind::NotFound, "does not exist");
        VERIFY_FAILS(read({folder.path()}), ErrorKind::BadInput, "holds no file of the kind 'auto'");
        VERIFY_FAILS(corpusKindFromString("pdf"), ErrorKind::BadInput, "auto, text, blank-lines, wikitext, jsonl, html");
        VERIFY_FAILS(splitFromString("all"), ErrorKind::BadInput, "train, validation");
    }

    void refusesDamagedGzip()
    {
        const Folder folder;
        const std::string packed = gzip(std::string(100000, 'a') + "end");
        VERIFY_FAILS(read({folder.write("cut.txt.gz", packed.substr(0, packed.size() - 20))}), ErrorKind::Corrupt, "cut short");
        std::string bad = packed;
        bad[packed.size() - 6] ^= 0x55;
        VERIFY_FAILS(read({folder.write("bad.txt.gz", bad)}), ErrorKind::Corrupt, "damaged");
    }

    void longLinesCrossBuffers()
    {
        const Folder folder;
        std::string text;
        for (int line = 0; line < 40; ++line)
            text += std::string(static_cast<std::size_t>(line) * 20001, static_cast<char>('a' + line % 26)) + "\n\n";
        const auto documents = read({folder.write("long.txt", text)}, {.kind = CorpusKind::BlankLines});
        QCOMPARE(documents.size(), std::size_t(39)); // line 0 is blank itself
        for (int line = 1; line < 40; ++line) {
            QCOMPARE(documents[static_cast<std::size_t>(line) - 1].text, std::string(static_cast<std::size_t>(line) * 20001, static_cast<char>('a' + line % 26)) + "\n");
            QCOMPARE(documents[static_cast<std::size_t>(line) - 1].source, (folder.path() / "long.txt").string() + ":" + std::to_string(2 * line + 1));
        }
    }

    void foldersAreReadInByteOrder()
    {
        const Folder folder;
        folder.write("b/2.txt", "two");
        folder.write("b/1.txt", "one");
        folder.write("a.html", "<p>zero");
        folder.write("c.png", "\xFF\xFE");
        folder.write(".hidden.txt", "no");
        QCOMPARE(print(read({folder.path(), folder.path() / "b" / "1.txt"})), QString("<>zero|\n<1.txt>one\n<2.txt>two\n"));
    }

    void deeplyNestedHtml()
    {
        std::string html;
        for (int depth = 0; depth < 4000; ++depth)
            html += "<div>";
        QCOMPARE(extractHtmlText(html + "deep").text, std::string("deep\n"));
    }

    void artefact()
    {
        const Folder folder;
        folder.write("in/a.jsonl", "{\"text\":\"first\",\"title\":\"One\"}\n{\"text\":\"second\"}\n");
        folder.write("in/b.txt", "third");
        JobControl job;
        buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, {}, job);
        const auto corpus = Corpus::open(folder.path() / "corpus");
        QCOMPARE(corpus->documentCount(), 3);
        QCOMPARE(corpus->text(DocumentId(1)), std::string_view("second"));
        QCOMPARE(corpus->title(DocumentId(0)), std::string_view("One"));
        QCOMPARE(corpus->source(DocumentId(1)), std::string_view((folder.path() / "in/a.jsonl:2").native()));
        QVERIFY(corpus->split(DocumentId(2)) == Split::Train);
        VERIFY_FAILS(corpus->text(DocumentId(3)), ErrorKind::BadInput, "Document 3 does not exist");
        VERIFY_FAILS(buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, {}, job), ErrorKind::BadInput, "exists already");
        buildCorpus(folder.path() / "again", {folder.path() / "in"}, {}, job);
        QCOMPARE(Corpus::open(folder.path() / "again")->fingerprint(), corpus->fingerprint());
        folder.write("in/b.txt", "Third");
        buildCorpus(folder.path() / "changed", {folder.path() / "in"}, {}, job);
        QVERIFY(Corpus::open(folder.path() / "changed")->fingerprint() != corpus->fingerprint());
    }

    void aFailedBuildLeavesNothing()
    {
        const Folder folder;
        folder.write("in/a.txt", "good");
        folder.write("in/b.txt", "bad \xFF");
        JobControl job;
        VERIFY_FAILS(buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, {}, job), ErrorKind::BadInput, "0xFF");
        QCOMPARE(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1); // only "in"
    }

    void whatAKilledBuildLeftIsReplaced()
    {
        const Folder folder;
        folder.write("in/a.txt", "good");
        folder.write("corpus/.lock", "1");
        folder.write("corpus/text.bin", "half");
        folder.write("corpus/labels.bin.partial-1", "half");
        JobControl job;
        buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, {}, job);
        buildCorpus(folder.path() / "whole", {folder.path() / "in"}, {}, job);
        const auto names = [](const std::filesystem::path &of) {
            std::set<std::string> found;
            for (const auto &entry : std::filesystem::directory_iterator(of))
                found.insert(entry.path().filename().string());
            return found;
        };
        QVERIFY(names(folder.path() / "corpus") == names(folder.path() / "whole"));
        QCOMPARE(Corpus::open(folder.path() / "corpus")->text(DocumentId(0)), std::string_view("good"));
        // Without our lock, files are somebody else's.
        folder.write("mine/notes.txt", "not ours");
        VERIFY_FAILS(buildCorpus(folder.path() / "mine", {folder.path() / "in"}, {}, job), ErrorKind::BadInput, "not empty");
        QVERIFY(std::filesystem::exists(folder.path() / "mine/notes.txt"));
    }

    void onlyOneProcessBuilds()
    {
        const Folder folder;
        folder.write("in/a.txt", "good");
        const FolderLock other(folder.path() / "corpus");
        JobControl job;
        VERIFY_FAILS(buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, {}, job), ErrorKind::Resource, "another process");
    }

    void fractions_data()
    {
        QTest::addColumn<int>("documents");
        QTest::addColumn<double>("validation");
        QTest::addColumn<double>("test");
        QTest::addColumn<QList<int>>("expected");
        QTest::newRow("rounded") << 100 << 0.1 << 0.25 << QList<int>{65, 10, 25};
        QTest::newRow("at least one each") << 3 << 0.01 << 0.01 << QList<int>{1, 1, 1};
        QTest::newRow("train comes first") << 1 << 0.1 << 0.1 << QList<int>{1, 0, 0};
        QTest::newRow("no train") << 5 << 0.4 << 0.6 << QList<int>{0, 2, 3};
    }

    void fractions()
    {
        QFETCH(int, documents);
        QFETCH(double, validation);
        QFETCH(double, test);
        QFETCH(QList<int>, expected);
        const Folder folder;
        std::string text;
        for (int i = 0; i < documents; ++i)
            text += "line\n\n";
        folder.write("in.txt", text);
        CorpusOptions options{.kind = CorpusKind::BlankLines, .trainFraction = 1 - validation - test, .validationFraction = validation, .testFraction = test};
        if (options.trainFraction < 1e-9)
            options.trainFraction = 0;
        JobControl job;
        buildCorpus(folder.path() / "corpus", {folder.path() / "in.txt"}, options, job);
        const auto corpus = Corpus::open(folder.path() / "corpus");
        QCOMPARE((QList<int>{int(corpus->documentCount(Split::Train)), int(corpus->documentCount(Split::Validation)), int(corpus->documentCount(Split::Test))}), expected);
    }

    void theSeedDecidesTheSplit()
    {
        const Folder folder;
        std::string text;
        for (int i = 0; i < 200; ++i)
            text += std::to_string(i) + "\n\n";
        const std::vector<std::filesystem::path> in{folder.write("in.txt", text)};
        CorpusOptions options{.kind = CorpusKind::BlankLines, .trainFraction = 0.5, .validationFraction = 0.25, .testFraction = 0.25};
        JobControl job;
        std::vector<std::string> fingerprints;
        for (const std::uint64_t seed : {1, 1, 2}) {
            options.seed = seed;
            const auto place = folder.path() / ("corpus" + std::to_string(fingerprints.size()));
            buildCorpus(place, in, options, job);
            fingerprints.push_back(Corpus::open(place)->fingerprint());
        }
        QCOMPARE(fingerprints[0], fingerprints[1]);
        QVERIFY(fingerprints[0] != fingerprints[2]);
    }

    void givenFiles()
    {
        const Folder folder;
        for (const char *name : {"a", "b", "c", "d"})
            folder.write(std::string("in/") + name + ".txt", name);
        CorpusOptions options{.validationPaths = {(folder.path() / "in/b.txt").string()}, .testPaths = {(folder.path() / "in/../in/d.txt").string()}};
        JobControl job;
        buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, options, job);
        const auto corpus = Corpus::open(folder.path() / "corpus");
        QString splits;
        for (std::int32_t d = 0; d < corpus->documentCount(); ++d)
            splits += QString::fromStdString(fmt::format("{}:{} ", corpus->text(DocumentId(d)), toString(corpus->split(DocumentId(d)))));
        QCOMPARE(splits, QString("a:train c:train b:validation d:test "));
        options.testPaths = options.validationPaths;
        VERIFY_FAILS(buildCorpus(folder.path() / "twice", {folder.path() / "in"}, options, job), ErrorKind::BadInput, "for validation and for test");
    }

    void optionsAreStrict()
    {
        const CorpusOptions options{.kind = CorpusKind::Html, .field = "body", .trainFraction = 0.5, .testFraction = 0.5, .seed = 7, .testPaths = {"x"}};
        QCOMPARE(Json(Json(options).get<CorpusOptions>()).dump(), Json(options).dump());
        VERIFY_FAILS(Json::parse(R"({"Kind":"html"})").get<CorpusOptions>(), ErrorKind::BadInput, "no field 'Kind'");
        VERIFY_FAILS(Json::parse(R"({"testFraction":0.5})").get<CorpusOptions>(), ErrorKind::BadInput, "sum to 1.5");
        VERIFY_FAILS(Json::parse(R"({"seed":"x"})").get<CorpusOptions>(), ErrorKind::BadInput, "'seed'");
    }

    void cancelled()
    {
        const Folder folder;
        folder.write("in/a.txt", "text");
        JobControl job;
        job.requestCancel();
        VERIFY_FAILS(buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, {}, job), ErrorKind::Cancelled, "Stopped");
    }

    void postgresManual()
    {
        const std::filesystem::path manual = "/usr/share/doc/postgresql-doc-15/html";
        if (!std::filesystem::exists(manual / "arrays.html"))
            QSKIP("The package postgresql-doc-15 is not installed.");
        const auto documents = read({manual / "arrays.html"});
        QCOMPARE(documents.size(), std::size_t(1));
        QCOMPARE(documents[0].title, std::string("8.15. Arrays"));
        QVERIFY(documents[0].text.starts_with("8.15. Arrays\n"));
        QVERIFY(documents[0].text.find("Prev") == std::string::npos);
        QVERIFY(documents[0].text.find("Chapter 8. Data Types") == std::string::npos);
        QVERIFY(documents[0].text.find("\nCREATE TABLE sal_emp (\n    name            text,\n") != std::string::npos);
    }

    void wikitext2()
    {
        SKIP_WITHOUT_SHARED("data/wikitext2/wiki.test.raw");
        const auto documents = read({test::shared("data/wikitext2/wiki.test.raw")}, {.kind = CorpusKind::WikiText});
        QCOMPARE(documents.size(), std::size_t(60)); // articles of the test set, Merity et al. 2016, table 1
        QCOMPARE(documents.front().title, std::string("Robert Boulter"));
    }
};

QTEST_GUILESS_MAIN(TestCorpus)
#include "tst_corpus.moc"
