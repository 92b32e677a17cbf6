// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/atomic_file.h"
#include "project_world.h"

#include "core/support/expect_error.h"

#include <QtTest>

using namespace retoscope;
namespace fs = std::filesystem;

class TestProject : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    int m_count = 0;

    fs::path newFolder() { return m_folder.filePath(QString("folder%1").arg(m_count++)).toStdString(); }

private Q_SLOTS:
    // ------------------------------------------------------------------------------------------------ create and open

    void createdProjectsOpen()
    {
        const auto folder = newFolder();
        QVERIFY(!Project::isProject(folder));
        {
            Project project = Project::create(folder / "deeper", "My project");
            project.ledger().beginJob("x", "y");
        }
        QVERIFY(Project::isProject(folder / "deeper"));
        const Project project = Project::open(folder / "deeper", Ledger::Mode::ReadOnly);
        QCOMPARE(project.name(), std::string("My project"));
        QCOMPARE(project.ledger().jobs().size(), std::size_t(1));
        QCOMPARE(Project::create(folder / "named by its folder" / "").name(), std::string("named by its folder"));
    }

    void foldersThatAreTakenAreRefused()
    {
        const auto folder = newFolder();
        { const auto project = Project::create(folder); }
        EXPECT_ERROR(Project::create(folder), ErrorKind::BadInput, "is a project already", "--project");
        const auto other = newFolder();
        fs::create_directory(other);
        std::ofstream(other / "thesis.tex") << "x";
        EXPECT_ERROR(Project::create(other), ErrorKind::BadInput, "holds other files (thesis.tex)");
        EXPECT_ERROR(Project::create(other / "thesis.tex"), ErrorKind::BadInput, "is a file");
        QCOMPARE(std::distance(fs::directory_iterator(other), {}), 1);
    }

    void anInterruptedCreateIsContinued()
    {
        const auto folder = newFolder();
        { const auto project = Project::create(folder); }
        fs::remove(folder / "retoscope.json"); // written last
        std::ofstream(folder / "retoscope.json.partial-1234") << "{";
        QVERIFY(!Project::isProject(folder));
        { const auto project = Project::create(folder, "again"); }
        QCOMPARE(Project::open(folder).name(), std::string("again"));
    }

    void whatIsNoProjectIsRefused()
    {
        const auto folder = newFolder();
        EXPECT_ERROR(Project::open(folder), ErrorKind::NotFound, "is no project", "retoscope-cli project new");
        { const auto project = Project::create(folder); }
        const auto rewrite = [&](const char *text) { std::ofstream(folder / "retoscope.json") << text; };
        for (const char *damaged : {"", "[]", "{}", "{\"format\": \"retoscope-project-folder\", \"version\": \"1\", \"name\": \"x\"}", "\xFF\xFE"}) {
            rewrite(damaged);
            EXPECT_ERROR(Project::open(folder), ErrorKind::Corrupt, "retoscope.json is damaged");
        }
        rewrite("{\"format\": \"retoscope-project-folder\", \"version\": 7, \"name\": \"x\"}");
        EXPECT_ERROR(Project::open(folder), ErrorKind::Mismatch, "newer Retoscope", "version 7");
        rewrite("{\"format\": \"retoscope-project-folder\", \"version\": 1, \"name\": \"x\"}");
        fs::remove(folder / "ledger.sqlite");
        EXPECT_ERROR(Project::open(folder), ErrorKind::Corrupt, "ledger.sqlite is gone", "backup");
        QVERIFY(!fs::exists(folder / "ledger.sqlite")); // no empty one in its place
    }

    void artefactFoldersStayInside_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("folder");
        QTest::newRow("plain") << "pg-train_v1.0+x" << "pg-train_v1.0+x";
        QTest::newRow("letters of others") << "Straße" << "Straße";
        QTest::newRow("upwards") << "../../../etc" << "_._.._.._etc-7";
        QTest::newRow("hidden") << ".lock" << "_lock-7";
        QTest::newRow("separators and blanks") << "a/b c" << "a_b_c-7";
        QTest::newRow("long") << QString(300, 'x') << QString(200, 'x') + "-7";
    }
    void artefactFoldersStayInside()
    {
        QFETCH(QString, name);
        QFETCH(QString, folder);
        static const Project project = Project::create(newFolder());
        ArtefactRow row;
        row.id = 7;
        row.kind = ArtefactKind::Index;
        row.name = name.toStdString();
        QCOMPARE(project.folderOf(row), project.folder() / "artefacts/index" / folder.toStdString());
        row.folder = "/models/gpt2";
        QCOMPARE(project.folderOf(row), fs::path("/models/gpt2"));
        row.folder = "artefacts/index/other";
        QCOMPARE(project.folderOf(row), project.folder() / "artefacts/index/other");
    }

    // -------------------------------------------------------------------------------------------------------- opening

    void everythingOpens()
    {
        const test::ProjectWorld world;
        const auto &project = world.project;
        QVERIFY(project.openCorpus(world.corpus)->documentCount() == 12);
        const auto datastore = project.openDatastore(project.inputOf(world.trace, "datastore"));
        QCOMPARE(project.openIndex(world.index, datastore)->fingerprint(), world.index.fingerprint);
        QCOMPARE(project.openClusters(world.clusters)->entries(), datastore->size());
        QVERIFY(project.openTrace(world.trace, datastore)->arrays().positions > 100);
        QVERIFY(project.openTokens(world.train)->tokens().size() > 1000);
        QVERIFY(project.staleness(world.trace).empty());
        QVERIFY(project.renewal(world.trace).empty());
        EXPECT_ERROR(project.openCorpus(world.trace), ErrorKind::BadInput, "'trace' is a trace, but a corpus is needed");
        EXPECT_ERROR(project.inputOf(world.trace, "model"), ErrorKind::NotFound, "was not made from a model");
    }

    void unfinishedAndFailedArtefactsAreNotOpened()
    {
        test::ProjectWorld world;
        auto row = world.project.ledger().beginArtefact(ArtefactKind::Corpus, "half", "h", {}, {}, "corpus add half");
        EXPECT_ERROR(world.project.openCorpus(row), ErrorKind::NotFound, "'half' is not finished", "continue it with: corpus add half");
        world.project.ledger().failArtefact(row.id, "The disk is full.");
        row = *world.project.ledger().artefact(row.id);
        EXPECT_ERROR(world.project.openCorpus(row), ErrorKind::NotFound, "could not be made (The disk is full.)", "try it with: corpus add half");
        fs::remove_all(world.project.folderOf(world.corpus));
        EXPECT_ERROR(world.project.openCorpus(world.corpus), ErrorKind::NotFound, "files of the corpus 'corpus' are gone", "make it with: make corpus");
    }

    void otherFilesInTheFolderAreNoticed()
    {
        test::ProjectWorld world;
        const auto place = world.project.folderOf(world.datastore);
        fs::remove_all(place);
        const std::string other = world.buildDatastoreIn(place, 12);
        EXPECT_ERROR(world.project.openDatastore(world.datastore), ErrorKind::Mismatch, "is not the datastore 'datastore' that the ledger knows",
                     world.datastore.fingerprint.substr(0, 12).c_str(), other.substr(0, 12).c_str(), "make datastore");
    }

    void partsOfOtherDatastoresAreRefusedWithTheOneThatFits()
    {
        test::ProjectWorld world;
        const auto other = world.makeDatastore("other", 12);
        const auto opened = world.project.openDatastore(other);
        EXPECT_ERROR(world.project.openIndex(world.index, opened), ErrorKind::Mismatch, "The index 'index' does not belong to this datastore",
                     world.datastore.fingerprint.substr(0, 12).c_str(), other.fingerprint.substr(0, 12).c_str(), "the datastore 'datastore'", "would fit");
        EXPECT_ERROR(world.project.openTrace(world.trace, opened), ErrorKind::Mismatch, "The trace 'trace' does not belong to this datastore", "would fit");
    }

    // ------------------------------------------------------------------------------------------------------ staleness

    void aRenewedInputMakesItsFollowersStale()
    {
        test::ProjectWorld world;
        auto &ledger = world.project.ledger();
        const auto place = world.project.folderOf(world.datastore);
        fs::remove_all(place);
        const std::string renewed = world.buildDatastoreIn(place, 12);
        ledger.finishArtefact(world.datastore.id, world.datastore.folder, renewed, 1, {});

        EXPECT_ERROR(world.project.inputOf(world.index, "datastore"), ErrorKind::Mismatch, "The index 'index' is stale",
                     world.datastore.fingerprint.substr(0, 12).c_str(), renewed.substr(0, 12).c_str(), "renew it with: make index");
        QCOMPARE(world.project.staleness(world.datastore).size(), std::size_t(0));
        QCOMPARE(world.project.staleness(world.index).size(), std::size_t(1));
        const auto chain = world.project.staleness(world.trace);
        QCOMPARE(chain.size(), std::size_t(2)); // of its index, and its own
        QVERIFY(chain[0].starts_with("The index 'index' is stale: its datastore 'datastore' had the fingerprint"));
        QVERIFY(chain[1].starts_with("The trace 'trace' is stale: its datastore"));
        QVERIFY((world.project.renewal(world.trace) == std::vector<std::string>{"make index", "make trace"}));
    }

    void anEqualArtefactStandsForADeletedOne()
    {
        test::ProjectWorld world;
        world.project.ledger().deleteArtefact(world.datastore.id);
        EXPECT_ERROR(world.project.inputOf(world.index, "datastore"), ErrorKind::Mismatch, "'datastore', which has been deleted");
        const auto twin = world.makeDatastore("twin", 24);
        QCOMPARE(twin.fingerprint, world.datastore.fingerprint);
        QCOMPARE(world.project.inputOf(world.index, "datastore").name, std::string("twin"));
        QVERIFY(world.project.staleness(world.trace).empty());
    }

    // ------------------------------------------------------------------------------------------------------- deleting

    void deletingRemovesFilesAndKeepsWhatIsNeeded()
    {
        test::ProjectWorld world;
        EXPECT_ERROR(world.project.deleteArtefact(world.index), ErrorKind::BadInput, "The index 'index' is needed by the trace 'trace'");
        const auto place = world.project.folderOf(world.trace);
        {
            const FolderLock writer(place);
            EXPECT_ERROR(world.project.deleteArtefact(world.trace), ErrorKind::Resource, "another process");
            QVERIFY(world.project.ledger().artefact(world.trace.id));
        }
        world.project.deleteArtefact(world.trace);
        QVERIFY(!world.project.ledger().artefact(world.trace.id));
        QVERIFY(fs::is_empty(place.parent_path()));
        world.project.deleteArtefact(world.index);

        const auto model = world.path("my model");
        fs::create_directory(model);
        const auto row = world.project.ledger().beginArtefact(ArtefactKind::Model, "model", "h", {}, {});
        world.project.ledger().finishArtefact(row.id, model.string(), "f", 1, {});
        world.project.deleteArtefact(*world.project.ledger().artefact(row.id));
        QVERIFY(fs::exists(model)); // it was never ours
    }

    void theEnvironmentIsDescribed()
    {
        const Json environment = describeEnvironment();
        for (const char *field : {"program", "commit", "compiler", "libtorch", "faiss", "sqlite", "cpu", "os"})
            QVERIFY2(environment.at(field).is_string() && !environment.at(field).get<std::string>().empty(), field);
        QVERIFY(environment["cores"].get<int>() >= 1 && environment["threads"].get<int>() >= 1);
        QVERIFY(environment["memory_bytes"].get<std::uint64_t>() > 1'000'000);
        QCOMPARE(environment["sqlite"].get<std::string>(), sqliteVersion());
        QVERIFY(availableMemory() <= totalMemory());
    }
};

QTEST_GUILESS_MAIN(TestProject)
#include "tst_project.moc"
