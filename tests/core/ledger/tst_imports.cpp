// SPDX-License-Identifier: GPL-3.0-or-later
// What a session shows of imported artefacts: token ids without a tokenizer, text with one; and what the ledger knows.
#include "base/error.h"
#include "base/job.h"
#include "base/npy.h"
#include "core/support/expect_error.h"
#include "ledger/imports.h"
#include "ledger/trace_session.h"

#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <filesystem>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t entries = 60, positions = 20;
constexpr std::int32_t dimension = 4;

std::vector<float> rows(std::int64_t count)
{
    std::vector<float> values(std::size_t(count * dimension));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = std::cos(float(i));
    return values;
}

std::vector<std::int32_t> tokens(std::int64_t count)
{
    std::vector<std::int32_t> values;
    for (std::int64_t i = 0; i < count; ++i)
        values.push_back(std::int32_t(65 + i % 26));
    return values;
}

} // namespace

class TestImports : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void contextsAreTokenIds();
    void contextsAreTextWithATokenizer();
    void theTokenizerMustFit();
    void inputsAreRecorded();
    void sameContentsAreTheSameRequest();

private:
    [[nodiscard]] fs::path path(const char *name) const { return fs::path(m_folder.path().toStdString()) / name; }
    [[nodiscard]] DatastoreSource source() const
    {
        DatastoreSource files;
        files.keys = path("k.npy");
        files.values = path("v.npy");
        files.documents = path("d.npy");
        return files;
    }
    static Request named(const std::string &name)
    {
        Request request;
        request.name = name;
        return request;
    }
    ArtefactRow makeTrace(const std::string &datastore, const std::string &tokenizer)
    {
        const auto row = addDatastore(*m_project, source(), tokenizer, named(datastore), m_job);
        const TraceSource files{path("q.npy"), path("y.npy"), path("p.npy"), {}, {}};
        return addTrace(*m_project, files, {.k = 5, .search = {}}, row, std::nullopt, named(datastore + "-trace"), m_job);
    }

    QTemporaryDir m_folder;
    JobControl m_job;
    std::optional<Project> m_project;
};

void TestImports::initTestCase()
{
    m_project.emplace(Project::create(path("project")));
    writeNpy<float>(path("k.npy"), rows(entries), {entries, dimension});
    writeNpy<std::int32_t>(path("v.npy"), tokens(entries));
    writeNpy<std::int64_t>(path("d.npy"), std::vector<std::int64_t>{0, 30, entries});
    writeNpy<float>(path("q.npy"), rows(positions), {positions, dimension});
    writeNpy<std::int32_t>(path("y.npy"), tokens(positions));
    writeNpy<float>(path("p.npy"), std::vector<float>(positions, -1.0f));
    // A llama2.c tokenizer with a piece per byte.
    std::string file(4, '\0');
    file[0] = 16;
    for (int id = 0; id < 300; ++id) {
        const float score = 0;
        file.append(reinterpret_cast<const char *>(&score), 4);
        const std::string piece = id == 1 ? "\n<s>\n" : id == 2 ? "\n</s>\n" : id >= 3 && id < 259 ? fmt::format("<0x{:02X}>", id - 3) : fmt::format("w{}", id);
        const auto length = std::int32_t(piece.size());
        file.append(reinterpret_cast<const char *>(&length), 4);
        file += piece;
    }
    makeFolder(path("tokenizer"));
    writeFileAtomically(path("tokenizer") / "tokenizer.bin", file);
}

void TestImports::contextsAreTokenIds()
{
    makeTrace("plain", "");
    const auto session = TraceSession::open(*m_project, "plain-trace", "");
    QCOMPARE(session->positions(), positions);
    QCOMPARE(session->targetText(Position(2)), std::string("[67]"));
    const EntryContext context = session->contextOf(EntryId(31), 3);
    QCOMPARE(context.left, std::string("[69]")); // entry 30 begins its document
    QCOMPARE(context.value, std::string("[70]"));
    QCOMPARE(context.right, std::string("[71][72][73]"));
    QCOMPARE(context.document.value, 1);
    QCOMPARE(session->documents().size(), std::size_t(1));
}

void TestImports::contextsAreTextWithATokenizer()
{
    makeTrace("texts", path("tokenizer").string());
    const auto session = TraceSession::open(*m_project, "texts-trace", "");
    QCOMPARE(session->targetText(Position(3)), std::string("A")); // token 68 is the byte 65
    QCOMPARE(session->contextOf(EntryId(4), 1).value, std::string("B"));
    const auto tokenizers = m_project->ledger().artefacts(ArtefactKind::Tokenizer);
    QCOMPARE(tokenizers.size(), std::size_t(1));
    QCOMPARE(makeTrace("again", tokenizers.front().name).name, std::string("texts-trace")); // by the name that it has now: nothing is made twice
    QCOMPARE(m_project->ledger().artefacts(ArtefactKind::Tokenizer).size(), std::size_t(1));
}

void TestImports::theTokenizerMustFit()
{
    auto values = tokens(entries);
    values[7] = 300;
    writeNpy<std::int32_t>(path("v300.npy"), values);
    DatastoreSource files = source();
    files.values = path("v300.npy");
    EXPECT_ERROR(addDatastore(*m_project, files, path("tokenizer").string(), named("no"), m_job), ErrorKind::Mismatch, "entry 7 is 300", "the tokenizer has 300 tokens");
    EXPECT_ERROR(addDatastore(*m_project, source(), "nobody", named("no"), m_job), ErrorKind::NotFound, "'nobody' is neither");
    EXPECT_ERROR(m_project->ledger().findArtefact(ArtefactKind::Datastore, "no"), ErrorKind::NotFound, "no");
}

void TestImports::inputsAreRecorded()
{
    const auto trace = m_project->ledger().findArtefact(ArtefactKind::Trace, "texts-trace");
    const auto datastore = m_project->inputOf(trace, "datastore");
    QCOMPARE(datastore.name, std::string("texts"));
    QVERIFY(m_project->staleness(trace).empty());
    QVERIFY(std::abs(trace.info.at("base_perplexity").get<double>() - std::exp(1.0)) < 1e-6);
    QCOMPARE(m_project->inputOf(datastore, "tokenizer").kind == ArtefactKind::Tokenizer, true);
    QCOMPARE(m_project->openDatastore(datastore)->fingerprint(), datastore.fingerprint);
}

void TestImports::sameContentsAreTheSameRequest()
{
    fs::copy_file(path("k.npy"), path("elsewhere.npy"));
    DatastoreSource files = source();
    files.keys = path("elsewhere.npy");
    const auto again = addDatastore(*m_project, files, "", {}, m_job);
    QCOMPARE(again.id, m_project->ledger().findArtefact(ArtefactKind::Datastore, "plain").id);
}

QTEST_GUILESS_MAIN(TestImports)
#include "tst_imports.moc"
