// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/job.h"
#include "base/manifest.h"
#include "base/mapping_fault.h"
#include "base/mapped_file.h"
#include "base/npy.h"
#include "base/threads.h"

#include <QTemporaryDir>
#include <QtTest>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <numeric>
#include <type_traits>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

/// The sentence of the Error that `body` throws, or "no error".
template<typename Body>
QString sentence(Body body)
{
    try {
        body();
    } catch (const Error &error) {
        return QString::fromStdString(error.what());
    }
    return QStringLiteral("no error");
}

} // namespace

class TestBase : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void idsCannotBeMixed()
    {
        static_assert(!std::is_convertible_v<EntryId, TokenId>);
        static_assert(!std::is_convertible_v<StateId, EntryId>);
        static_assert(!std::is_convertible_v<std::int64_t, EntryId>);
        QCOMPARE(EntryId(7).next().value, 8);
        QVERIFY(!TokenId().valid());
        QVERIFY(EntryId(1) < EntryId(2));
    }

    void aFileCutShortUnderItsMapIsASentence()
    {
        const fs::path path = fs::path(m_folder->path().toStdString()) / "mapped \"keys\".bin";
        writeFileAtomically(path, std::string(1 << 16, 'x'));
        int out[2], err[2];
        QVERIFY(pipe(out) == 0 && pipe(err) == 0);
        const pid_t child = fork();
        if (child == 0) {
            dup2(out[1], STDOUT_FILENO);
            dup2(err[1], STDERR_FILENO);
            explainMappingFaults();
            explainMappingFaultsAsJson();
            const MappedFile before(path); // a range that is free again
            MappedFile first(path);
            const MappedFile file = std::move(first);
            if (truncate(path.c_str(), 0) != 0)
                _exit(3);
            _exit(file.bytes()[5000] == std::byte('x') ? 4 : 5);
        }
        ::close(out[1]);
        ::close(err[1]);
        int status = 0;
        waitpid(child, &status, 0);
        const auto readAll = [](int fd) {
            QByteArray text;
            char buffer[4096];
            for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
                text.append(buffer, n);
            ::close(fd);
            return text;
        };
        const QByteArray said = readAll(err[0]), json = readAll(out[0]);
        QVERIFY2(WIFEXITED(status) && WEXITSTATUS(status) == 1, said.constData());
        QVERIFY2(said.contains("error: " + QByteArray::fromStdString(path.string())) && said.contains("cut short"), said.constData());
        const Json parsed = Json::parse(json.toStdString(), nullptr, false);
        QVERIFY2(parsed.is_object() && parsed["error"]["kind"] == "io", json.constData());
        QVERIFY(QString::fromStdString(parsed["error"]["message"]).startsWith(QString::fromStdString(path.string())));
    }

    void hashesMatchPublishedVectors()
    {
        // FIPS 180-2 appendix B.1; XXH3 of the empty input from the specification of xxHash.
        QCOMPARE(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        QCOMPARE(hex64(xxh3("", 0)), "2d06800538d394c2");
        Xxh3 pieces;
        pieces.update("retos", 5);
        pieces.update("cope", 4);
        QCOMPARE(pieces.digest(), xxh3("retoscope", 9));
    }

    void atomicFileAppearsOnlyWhenCommitted()
    {
        const fs::path path = folder() / "value";
        {
            AtomicFile file(path);
            file.write("half");
        }
        QVERIFY(!fs::exists(path));
        QVERIFY(fs::is_empty(folder()));
        writeFileAtomically(path, "whole");
        QCOMPARE(readFile(path), "whole");
        QVERIFY(sentence([&] { AtomicFile(folder() / "no" / "such"); }).contains("check the name"));
    }

    void appendFileCutsWhatTheJournalDoesNotKnow()
    {
        const fs::path path = folder() / "log";
        {
            AppendFile file(path, 0);
            file.write("0123456789", 10);
        }
        {
            AppendFile file(path, 4);
            file.write("ab", 2);
            file.sync();
        }
        QCOMPARE(readFile(path), "0123ab");
        QVERIFY(sentence([&] { AppendFile(path, 100); }).contains("6 bytes long, but 100 bytes"));
    }

    void folderLockExcludesAnotherProcess()
    {
        const FolderLock lock(folder() / "artefact");
        const pid_t child = fork();
        if (child == 0) {
            try {
                const FolderLock second(folder() / "artefact");
            } catch (const Error &error) {
                _exit(std::strstr(error.what(), "being written by another process") ? 0 : 2);
            }
            _exit(1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        QCOMPARE(WEXITSTATUS(status), 0);
    }

    void mappedFileChecksRanges()
    {
        writeFileAtomically(folder() / "eight", "12345678");
        const MappedFile file(folder() / "eight");
        QCOMPARE(file.view<std::int32_t>(4, 1).size(), std::size_t(1));
        QVERIFY(sentence([&] { (void)file.view<std::int32_t>(4, 2); }).contains("truncated"));
        QVERIFY(sentence([&] { (void)file.view<std::int32_t>(0, std::size_t(1) << 62); }).contains("truncated"));
        QVERIFY(sentence([&] { (void)file.view<std::int32_t>(2, 1); }).contains("odd byte"));
        QVERIFY(sentence([&] { MappedFile(folder() / "absent"); }).contains("Cannot open"));
        writeFileAtomically(folder() / "empty", "");
        QCOMPARE(MappedFile(folder() / "empty").size(), std::size_t(0));
    }

    void npyRoundTrip()
    {
        std::vector<float> values(6);
        std::iota(values.begin(), values.end(), 0.5f);
        writeNpy<float>(folder() / "a.npy", values, {2, 3});
        const NpyFile file(folder() / "a.npy");
        QCOMPARE(file.header().type, "f4");
        QCOMPARE(file.header().shape, (std::vector<std::int64_t>{2, 3}));
        QVERIFY(std::ranges::equal(file.values<float>(), values));
        QCOMPARE(file.header().dataOffset % 64, std::size_t(0));
        QVERIFY(sentence([&] { (void)file.values<std::int32_t>(); }).contains("f4, but i4 is needed"));
        // The exact header that numpy.save writes for numpy.zeros(6, "<i8") (numpy 1.24).
        const std::string expected = std::string("\x93NUMPY\x01\x00v\x00", 10)
            + "{'descr': '<i8', 'fortran_order': False, 'shape': (6,), }" + std::string(60, ' ') + "\n";
        const std::int64_t six = 6;
        QCOMPARE(npyHeader("i8", {&six, 1}), expected);
    }

    void npyRefusesHostileFiles_data()
    {
        QTest::addColumn<QByteArray>("dictionary");
        QTest::addColumn<QString>("expected");
        QTest::newRow("terabytes") << QByteArray("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }") << "truncated";
        QTest::newRow("overflow") << QByteArray("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }") << "truncated";
        QTest::newRow("huge digit") << QByteArray("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }") << "damaged";
        QTest::newRow("objects") << QByteArray("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") << "of the type '|O'";
        QTest::newRow("big-endian") << QByteArray("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }") << "big-endian";
        QTest::newRow("fortran") << QByteArray("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }") << "Fortran";
        QTest::newRow("records") << QByteArray("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }") << "records";
        QTest::newRow("no shape") << QByteArray("{'descr': '<f4', 'fortran_order': False, }") << "damaged";
        QTest::newRow("cut") << QByteArray("{'descr': '<f4', 'fort") << "damaged";
    }

    void npyRefusesHostileFiles()
    {
        QFETCH(QByteArray, dictionary);
        QFETCH(QString, expected);
        QByteArray bytes("\x93NUMPY\x01\x00", 8);
        bytes.append(static_cast<char>(dictionary.size())).append('\0').append(dictionary).append(QByteArray(16, '\0'));
        const auto text = sentence([&] { parseNpyHeader(std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size()))), "x.npy"); });
        QVERIFY2(text.contains(expected), qPrintable(text));
    }

    void npyScalarNeedsItsValue() // found by fuzzing
    {
        const QByteArray dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (), }");
        QByteArray bytes("\x93NUMPY\x01\x00", 8);
        bytes.append(static_cast<char>(dictionary.size())).append('\0').append(dictionary).append("\1\2\3", 3);
        const auto parse = [&] { parseNpyHeader(std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size()))), "x.npy"); };
        QVERIFY(sentence(parse).contains("needs more than the 3 bytes"));
        bytes.append('\4');
        parse();
    }

    void npyPrefixesNeverCrash()
    {
        const std::int64_t shape = 3;
        const std::string whole = npyHeader("i4", {&shape, 1}) + std::string(12, '\1');
        for (std::size_t length = 0; length < whole.size(); ++length) {
            const auto text = sentence([&] { parseNpyHeader(std::as_bytes(std::span(whole.data(), length)), "x.npy"); });
            QVERIFY2(text != QStringLiteral("no error"), qPrintable(QString::number(length)));
        }
    }

    void manifestIsOpenedOnlyWhole()
    {
        const fs::path artefact = folder() / "a";
        makeFolder(artefact);
        writeFileAtomically(artefact / "data.bin", "payload");
        QVERIFY(sentence([&] { readManifest(artefact, "retoscope-test", 1); }).contains("no finished artefact"));
        Manifest manifest{"retoscope-test", 1, {{"n", 7}}, Json::object(), Json::object()};
        addFile(manifest, artefact, "data.bin");
        writeManifest(manifest, artefact);
        QCOMPARE(readManifest(artefact, "retoscope-test", 1).fingerprint(), manifest.fingerprint());
        JobControl job;
        QVERIFY(verifyFiles(manifest, artefact, job).empty());

        QVERIFY(sentence([&] { readManifest(artefact, "retoscope-other", 1); }).contains("is a retoscope-test"));
        Manifest newer = manifest;
        newer.version = 2;
        writeManifest(newer, artefact);
        QVERIFY(sentence([&] { readManifest(artefact, "retoscope-test", 1); }).contains("newer Retoscope"));

        writeManifest(manifest, artefact);
        writeFileAtomically(artefact / "data.bin", "pAyload");
        QCOMPARE(verifyFiles(manifest, artefact, job).size(), std::size_t(1));
        writeFileAtomically(artefact / "data.bin", "pay");
        QVERIFY(sentence([&] { readManifest(artefact, "retoscope-test", 1); }).contains("3 bytes long, but its manifest says 7"));
        fs::remove(artefact / "data.bin");
        QVERIFY(sentence([&] { readManifest(artefact, "retoscope-test", 1); }).contains("missing"));

        writeFileAtomically(artefact / "data.bin", "payload");
        std::string text = readFile(artefact / "manifest.json");
        text.replace(text.find("\"n\": 7"), 6, "\"n\": 8");
        writeFileAtomically(artefact / "manifest.json", text);
        QVERIFY(sentence([&] { readManifest(artefact, "retoscope-test", 1); }).contains("was changed after it was written"));
        for (const char *part : {"identity", "files", "info"}) { // even when the checksum holds
            Manifest odd = manifest;
            (part == std::string("identity") ? odd.identity : part == std::string("files") ? odd.files : odd.info) = Json::array({1});
            writeManifest(odd, artefact);
            QVERIFY(sentence([&] { readManifest(artefact, "retoscope-test", 1); }).contains("must be JSON objects"));
        }
        Manifest unchecked = manifest;
        unchecked.files["data.bin"].erase("xxh3");
        writeManifest(unchecked, artefact);
        QVERIFY(sentence([&] { readManifest(artefact, "retoscope-test", 1); }).contains("lacks a required field"));
        for (const char *broken : {"", "[]", "{}", "{\"format\": 3}", "not json", "{\"format\":\"retoscope-test\",\"version\":\"x\"}"}) {
            writeFileAtomically(artefact / "manifest.json", broken);
            QVERIFY2(sentence([&] { readManifest(artefact, "retoscope-test", 1); }) != QStringLiteral("no error"), broken);
        }
    }

    void fingerprintIgnoresInfoAndOrder()
    {
        Manifest a{"f", 1, Json::parse(R"({"x":1,"y":2})"), {}, {{"seconds", 3}}};
        Manifest b{"f", 1, Json::parse(R"({"y":2,"x":1})"), {}, {{"seconds", 9}}};
        QCOMPARE(a.fingerprint(), b.fingerprint());
        b.identity["x"] = 2;
        QVERIFY(a.fingerprint() != b.fingerprint());
    }

    void parallelForCoversEverythingOnce()
    {
        setThreadCount(4);
        std::vector<std::atomic<int>> hits(10'007);
        parallelFor(std::int64_t(hits.size()), 10, [&](std::int64_t begin, std::int64_t end) {
            for (auto i = begin; i < end; ++i)
                ++hits[std::size_t(i)];
        });
        QVERIFY(std::ranges::all_of(hits, [](const auto &h) { return h == 1; }));
        QVERIFY(sentence([] { parallelFor(100, 1, [](auto, auto) { fail(ErrorKind::BadInput, "piece failed."); }); }) == "piece failed.");
        setThreadCount(0);
    }

    void jobReportsFirstAndLastAndCancels()
    {
        std::vector<Progress> heard;
        JobControl job([&](const Progress &p) { heard.push_back(p); });
        for (int i = 0; i <= 10'000; ++i)
            job.report("counting", "steps", i, 10'000);
        QVERIFY(heard.size() >= 2 && heard.size() < 100);
        QCOMPARE(heard.front().done, 0);
        QCOMPARE(heard.back().done, 10'000);
        job.checkpoint();
        job.requestCancel();
        QVERIFY_THROWS_EXCEPTION(Cancelled, job.checkpoint());
        JobControl watched;
        std::atomic<bool> flag{false};
        watched.watch(&flag);
        watched.checkpoint();
        flag = true;
        QVERIFY_THROWS_EXCEPTION(Cancelled, watched.checkpoint());
    }

    void numbersReadWell()
    {
        QCOMPARE(formatCount(1234567), "1,234,567");
        QCOMPARE(formatCount(-1234), "-1,234");
        QCOMPARE(formatCount(999), "999");
        QCOMPARE(formatBytes(999), "999 B");
        QCOMPARE(formatBytes(1'300'000'000), "1.3 GB");
        QCOMPARE(formatDuration(1.23), "1.2 s");
        QCOMPARE(formatDuration(185), "3 min 05 s");
        QCOMPARE(formatDuration(7800), "2 h 10 min");
    }

private:
    [[nodiscard]] fs::path folder() const { return m_folder->path().toStdString(); }
    std::unique_ptr<QTemporaryDir> m_folder;
};

QTEST_GUILESS_MAIN(TestBase)
#include "tst_base.moc"
