// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/support/expect_error.h"
#include "ledger/project_description.h"

#include <QTemporaryDir>
#include <QtTest>

#include <fstream>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

const Json &whole()
{
    static const Json json = Json::parse(R"({
        "format": "retoscope-project", "version": 1, "name": "manual", "title": "The manual",
        "corpus": {"paths": ["text/?.html"], "package": "some-doc",
                   "options": {"kind": "html", "validationPaths": ["held/v?.html"], "testPaths": ["/abs/test.html"]}},
        "model": {"path": "../model/", "compute": "bf16"},
        "splits": {"datastore": "train", "tune": "valid", "test": "test"},
        "datastore": {"windows": {"block": 256, "stride": 128}},
        "index": {"factory": "IVF64,PQ8"},
        "clusters": {"states": 500},
        "trace": {"k": 512},
        "tune_positions": 5000,
        "settings": {"k": 512, "temperature": 5},
        "sweep": {"lambda": [0.1, 0.2], "temperature": [1, 10]},
        "foss": {"points": 9}})");
    return json;
}

} // namespace

class TestProjectDescription : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void everyFieldArrives()
    {
        QTemporaryDir folder;
        const fs::path place = folder.path().toStdString();
        for (const char *sub : {"projects/manual/text", "projects/manual/held", "projects/model"})
            fs::create_directories(place / sub);
        for (const char *file : {"text/b.html", "text/a.html", "text/c.txt", "held/v1.html"})
            std::ofstream(place / "projects/manual" / file) << "x";
        const fs::path file = place / "projects/manual/project.json";
        std::ofstream(file) << whole().dump();

        const auto description = readProjectDescription(file);
        QCOMPARE(description.file, file);
        QCOMPARE(description.name, std::string("manual"));
        QCOMPARE(description.title, std::string("The manual"));
        QCOMPARE(description.corpus.name, std::string("manual"));
        QVERIFY((description.corpus.paths == std::vector<fs::path>{place / "projects/manual/text/a.html", place / "projects/manual/text/b.html"}));
        QVERIFY((description.corpus.options.validationPaths == std::vector<std::string>{(place / "projects/manual/held/v1.html").string()}));
        QVERIFY((description.corpus.options.testPaths == std::vector<std::string>{"/abs/test.html"}));
        QVERIFY(description.corpus.options.kind == CorpusKind::Html);
        QCOMPARE(description.model.path, place / "projects/model");
        QCOMPARE(description.model.name, std::string("model"));
        QVERIFY(description.model.compute == ComputeType::BFloat16);
        QVERIFY(description.tuneSplit == Split::Validation && description.testSplit == Split::Test && description.datastoreSplit == Split::Train);
        QCOMPARE(description.datastore.windows.block, 256);
        QCOMPARE(description.index.factory, std::string("IVF64,PQ8"));
        QCOMPARE(description.clusters.states, 500);
        QCOMPARE(description.trace.k, 512);
        QCOMPARE(description.tunePositions, 5000);
        QCOMPARE(description.settings.temperature, 5.0);
        QCOMPARE(description.grid.size(), std::size_t(4));
        QCOMPARE(description.fossPoints, 9);

        EXPECT_ERROR(requireInputs(description), ErrorKind::NotFound, "/abs/test.html is not there", "sudo apt install some-doc");
    }

    void whatIsAbsentHasADefault()
    {
        const auto description = parseProjectDescription(
            Json::parse(R"({"format": "retoscope-project", "version": 1, "name": "x", "corpus": {"paths": ["t.txt"]}, "model": {"path": "m.bin"}})"), "/base", "x.json");
        QCOMPARE(description.corpus.paths.at(0), fs::path("/base/t.txt"));
        QCOMPARE(description.model.name, std::string("m"));
        QCOMPARE(description.clusters.states, 0);
        QVERIFY(description.settings == EvaluationSettings());
        EXPECT_ERROR(requireInputs(description), ErrorKind::NotFound, "/base/t.txt is not there", "check the paths");
    }

    void mistakes_data()
    {
        QTest::addColumn<QString>("pointer");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("sentence");
        const auto row = [](const char *name, const char *pointer, const char *value, const char *sentence) { QTest::newRow(name) << pointer << value << sentence; };
        row("another format", "/format", "\"x\"", "d.json is not the description of a project");
        row("newer version", "/version", "2", "description version 2");
        row("version zero", "/version", "0", "\"version\" is missing");
        row("no name", "/name", "\"\"", "'name' is missing or empty");
        row("unknown field", "/modle", "1", "no field 'modle'");
        row("unknown field in the corpus", "/corpus/path", "1", "d.json, \"corpus\": there is no field 'path'");
        row("unknown field in a section", "/datastore/tpa", "1", "d.json, \"datastore\": ");
        row("no texts", "/corpus/paths", "[]", "'paths' names no text");
        row("texts of the wrong type", "/corpus/paths", "[1]", "a list of texts");
        row("no path", "/model/path", "\"\"", "'path' is missing");
        row("unknown compute", "/model/compute", "\"fp8\"", "fp8");
        row("unknown split", "/splits/test", "\"exam\"", "exam");
        row("tuned on the test split", "/splits/tune", "\"test\"", "chosen on the split they are reported on (test)");
        row("tested on the datastore", "/splits/datastore", "\"test\"", "the datastore would hold the text it is tested on (test)");
        row("wrong type in a section", "/index/factory", "3", "d.json, \"index\": ");
        row("section of the wrong type", "/trace", "[]", "d.json, \"trace\": ");
        row("k above the trace", "/settings/k", "1024", "k is 1024, but the trace keeps 512");
        row("grid above the trace", "/sweep/k", "[64, 2048]", "k is 2048, but the trace keeps 512");
        row("grid out of range", "/sweep/lambda", "[0.5, 1.5]", "1.5");
        row("unknown axis", "/sweep/lamda", "[0.5]", "lamda");
        row("too few points", "/foss/points", "1", "points is 1");
        row("negative positions", "/tune_positions", "-1", "tune_positions");
    }
    void mistakes()
    {
        QFETCH(QString, pointer);
        QFETCH(QString, value);
        QFETCH(QString, sentence);
        Json json = whole();
        json[Json::json_pointer(pointer.toStdString())] = Json::parse(value.toStdString());
        const auto caught = test::errorOf([&] { parseProjectDescription(json, "/base", "d.json"); });
        QVERIFY(caught);
        QVERIFY2(caught->sentence.contains(sentence), qPrintable(caught->sentence));
        QVERIFY2(caught->sentence.contains("d.json"), qPrintable(caught->sentence));
    }

    void missingSections_data()
    {
        QTest::addColumn<QString>("section");
        QTest::newRow("corpus") << "corpus";
        QTest::newRow("model") << "model";
    }
    void missingSections()
    {
        QFETCH(QString, section);
        Json json = whole();
        json.erase(section.toStdString());
        EXPECT_ERROR(parseProjectDescription(json, "/base", "d.json"), ErrorKind::BadInput, "the section '", qPrintable(section));
        EXPECT_ERROR(parseProjectDescription(Json::array(), "/base", "d.json"), ErrorKind::BadInput, "must be a JSON object");
    }

    void filesThatAreNoJsonAreRefused()
    {
        QTemporaryDir folder;
        const fs::path file = folder.filePath("p.json").toStdString();
        EXPECT_ERROR(readProjectDescription(file), ErrorKind::NotFound, "p.json");
        std::ofstream(file) << "{\"format\": ";
        EXPECT_ERROR(readProjectDescription(file), ErrorKind::BadInput, "not valid JSON");
    }
};

QTEST_GUILESS_MAIN(TestProjectDescription)
#include "tst_project_description.moc"
