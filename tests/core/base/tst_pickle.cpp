// SPDX-License-Identifier: GPL-3.0-or-later
// tests/data/pickles was written by Python under two versions of NumPy and SciPy (tests/oracle/make_pickle_fixtures.py).
#include "base/error.h"
#include "base/npy.h"
#include "base/pickle.h"
#include "core/support/expect_error.h"

#include <QDir>
#include <QTest>

#include <algorithm>
#include <cstring>

using namespace retoscope;

namespace {

const std::vector<std::int64_t> states = {0, 3, 1, 1, 4, 0, 2, 2, 2, 3, 0, 1, 4, 4, 0, 6};
constexpr std::int64_t rows = 7;

std::string fileNamed(const QString &name)
{
    return readFile((QStringLiteral(RETOSCOPE_TEST_DATA "/pickles/") + name).toStdString());
}

std::span<const std::byte> bytesOf(std::string_view text)
{
    return std::as_bytes(std::span(text.data(), text.size()));
}

Pickled read(std::string_view text)
{
    return readPickle(bytesOf(text), "members.pkl");
}

/// The state of each entry, by the definition of CSR.
std::vector<std::int64_t> statesOf(const PickledCsr &csr)
{
    const auto indices = csr.indices.integers("indices"), offsets = csr.indptr.integers("indptr");
    std::vector<std::int64_t> result(static_cast<std::size_t>(csr.columns), -1);
    for (std::int64_t row = 0; row < csr.rows; ++row)
        for (auto at = offsets[std::size_t(row)]; at < offsets[std::size_t(row) + 1]; ++at)
            result[std::size_t(indices[std::size_t(at)])] = row;
    return result;
}

std::string little64(std::uint64_t value)
{
    std::string text(8, '\0');
    std::memcpy(text.data(), &value, 8);
    return text;
}

} // namespace

class TestPickle : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void pythonsPicklesAreRead_data();
    void pythonsPicklesAreRead();
    void otherTypesAreKept();
    void otherObjectsAreRefused_data();
    void otherObjectsAreRefused();
    void hostileBytesAreRefused_data();
    void hostileBytesAreRefused();
    void everyTruncationIsRefused();
    void everyFlippedByteIsReadOrRefused();
    void protocolZeroOfPythonTwo();
};

void TestPickle::pythonsPicklesAreRead_data()
{
    QTest::addColumn<QString>("file");
    const QDir folder(QStringLiteral(RETOSCOPE_TEST_DATA "/pickles"));
    for (const QString &name : folder.entryList({QStringLiteral("csr_*.pkl"), QStringLiteral("array_numpy*.pkl")}))
        QTest::newRow(qPrintable(name)) << name;
    QVERIFY(folder.entryList({QStringLiteral("*_protocol*.pkl")}).size() >= 24);
}

void TestPickle::pythonsPicklesAreRead()
{
    QFETCH(QString, file);
    const std::string text = fileNamed(file);
    const Pickled value = read(text);
    if (const auto *csr = std::get_if<PickledCsr>(&value)) {
        QCOMPARE(csr->rows, rows);
        QCOMPARE(csr->columns, std::int64_t(states.size()));
        QCOMPARE(statesOf(*csr), states);
        const auto ones = csr->data.integers("data");
        QVERIFY(std::ranges::all_of(ones, [](auto one) { return one == 1; }));
    } else {
        QVERIFY(file.startsWith(QLatin1String("array_")));
        QCOMPARE(std::get<PickledArray>(value).integers("array"), states);
    }
}

void TestPickle::otherTypesAreKept()
{
    for (const auto *name : {"array_fp32_numpy1.pkl", "array_fp32_numpy2.pkl"}) {
        const std::string text = fileNamed(QString::fromLatin1(name));
        const auto array = std::get<PickledArray>(read(text));
        QCOMPARE(array.type, std::string("f4"));
        QCOMPARE(array.shape, (std::vector<std::int64_t>{5, 1}));
        float values[5];
        QCOMPARE(array.data.size(), sizeof(values));
        std::memcpy(values, array.data.data(), sizeof(values));
        QCOMPARE(values[1], 0.25f);
        QCOMPARE(values[4], 1.0f);
        EXPECT_ERROR(array.integers("q.pkl"), ErrorKind::BadInput, "q.pkl", "f4", "integers");
    }
}

void TestPickle::otherObjectsAreRefused_data()
{
    QTest::addColumn<QString>("file");
    QTest::addColumn<QString>("complaint");
    const auto row = [](const char *file, const char *part) { QTest::newRow(file) << QString::fromLatin1(file) << QString::fromLatin1(part); };
    row("refused_system.pkl", "'posix.system'");
    row("refused_system_protocol0.pkl", "'posix.system'");
    row("refused_counter.pkl", "'collections.Counter'");
    row("refused_csc.pkl", "'scipy.sparse._csc.csc_matrix'");
    row("refused_list.pkl", "neither a NumPy array nor a SciPy CSR matrix");
    row("refused_set.pkl", "a Python set");
    row("refused_objects.pkl", "values of the type 'O8'");
    row("refused_big_endian.pkl", "big-endian values");
    row("refused_fortran.pkl", "Fortran order");
    row("refused_records.pkl", "values of the type 'V8'");
    row("refused_outside.pkl", "outside the file");
    row("refused_big_integer.pkl", "more than 64 bits");
}

void TestPickle::otherObjectsAreRefused()
{
    QFETCH(QString, file);
    QFETCH(QString, complaint);
    const std::string text = fileNamed(file);
    EXPECT_ERROR(readPickle(bytesOf(text), file.toStdString()), ErrorKind::BadInput, file.toStdString(), complaint.toStdString());
}

void TestPickle::hostileBytesAreRefused_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("complaint");
    const auto row = [](const char *name, const std::string &bytes, const char *part) {
        QTest::newRow(name) << QByteArray::fromStdString(bytes) << QString::fromLatin1(part);
    };
    row("empty", "", "truncated");
    row("no stop", "N", "truncated");
    row("stop without a value", ".", "stack runs empty");
    row("terabytes of bytes", "\x8e" + little64(std::uint64_t(1) << 40), "1099511627776 bytes");
    row("terabytes of text", "\x8d" + little64(~std::uint64_t(0)), "18446744073709551615 bytes");
    row("terabytes of a frame", "\x80\x04\x95" + little64(std::uint64_t(1) << 50), "a frame of 1125899906842624 bytes");
    row("4 GB of a long", "\x8b\xff\xff\xff\xff", "4294967295 bytes");
    row("protocol 6", "\x80\x06.", "protocol 6");
    row("memo of terabytes", "Nr\xff\xff\xff\x7f.", "under the number 2147483647");
    row("negative memo", "Np-5\n.", "remembers an object under the number");
    row("memo not known", "h\x07.", "did not remember");
    row("deep stack", std::string(70000, 'N'), "a stack of more than 65536");
    row("many opcodes", [] {
        std::string text;
        for (int i = 0; i < 600000; ++i)
            text += "N0";
        return text;
    }(), "more than 1048576 objects");
    row("many marks", std::string(70000, '('), "too many marks");
    row("missing mark", "Nt.", "a mark is missing");
    row("values below a mark", "N(\x85.", "stack runs empty");
    row("unknown opcode", "\xff.", "unknown opcode");
    row("call of a number", "K\x05)R.", "what is called is of the wrong kind");
    row("append to a number", "K\x05K\x06" "a.", "appends to something");
    row("items of a number", "K\x05(K\x06K\x07u.", "no dictionary");
    row("persistent id", "Pabc\n.", "a persistent id");
    row("extension", "\x82\x01.", "an extension code");
    row("instance", "(ios\nsystem\n.", "'os.system'");
    row("text again and again", [] {
        std::string text = "c_codecs\nencode\nq\x01" "0X";
        text += std::string("\x00\x10\x00\x00", 4) + std::string(4096, 'a') + "q\x02" "0X" + std::string("\x06\x00\x00\x00", 4) + "latin1q\x03" "0";
        for (int i = 0; i < 1000; ++i)
            text += "h\x01h\x02h\x03\x86R0";
        return text + "N.";
    }(), "the same text again and again");
    // An array of 2^40 elements over two bytes.
    row("shape beyond its bytes",
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01" "btR(K\x01(\x8a\x06" + std::string("\x00\x00\x00\x00\x00\x01", 6)
            + "tcnumpy\ndtype\n(X" + std::string("\x02\x00\x00\x00", 4) + "u1tRI0\n" "C\x02" "abtb.",
        "(1099511627776)");
    row("negative extent",
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01" "btR(K\x01(J\xff\xff\xff\xfft" "cnumpy\ndtype\n(X"
            + std::string("\x02\x00\x00\x00", 4) + "u1tRI0\n" "C\x02" "abtb.",
        "negative extent");
    row("array without data", "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01" "btR.", "no data");
    row("matrix without data", "cscipy.sparse._csr\ncsr_matrix\n)\x81.", "no data");
    row("matrix without shape", "cscipy.sparse._csr\ncsr_matrix\n)\x81}b.", "lacks '_shape'");
}

void TestPickle::hostileBytesAreRefused()
{
    QFETCH(QByteArray, bytes);
    QFETCH(QString, complaint);
    const auto caught = retoscope::test::errorOf([&] { read({bytes.constData(), std::size_t(bytes.size())}); });
    QVERIFY(caught);
    QVERIFY2(caught->sentence.contains(QLatin1String("members.pkl")), qPrintable(caught->sentence));
    QVERIFY2(caught->sentence.contains(complaint), qPrintable(caught->sentence));
}

void TestPickle::everyTruncationIsRefused()
{
    for (const auto *name : {"csr_numpy1_protocol0.pkl", "csr_numpy1_protocol4.pkl", "csr_numpy2_protocol2.pkl", "csr_numpy2_protocol5.pkl"}) {
        const std::string whole = fileNamed(QString::fromLatin1(name));
        for (std::size_t length = 0; length < whole.size(); ++length) {
            const auto caught = retoscope::test::errorOf([&] { read(std::string_view(whole).substr(0, length)); });
            QVERIFY2(caught, qPrintable(QStringLiteral("%1 cut to %2 bytes was read").arg(QLatin1String(name)).arg(length)));
        }
    }
}

/// No flipped bit may crash the reader or make it hand out an array that is not inside the file (asan sees to that).
void TestPickle::everyFlippedByteIsReadOrRefused()
{
    int refused = 0, accepted = 0;
    for (const auto *name : {"csr_numpy1_protocol0.pkl", "csr_numpy1_protocol1.pkl", "csr_numpy2_protocol3.pkl", "csr_numpy2_protocol5.pkl"}) {
        const std::string whole = fileNamed(QString::fromLatin1(name));
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (int bit = 0; bit < 8; ++bit) {
                std::string bent = whole;
                bent[at] = static_cast<char>(bent[at] ^ (1 << bit));
                const auto caught = retoscope::test::errorOf([&] {
                    const Pickled value = read(bent);
                    if (const auto *csr = std::get_if<PickledCsr>(&value); csr && csr->indices.type[0] != 'f')
                        QVERIFY(csr->indices.integers("indices").size() == std::size_t(csr->indices.count()));
                });
                ++(caught ? refused : accepted);
            }
        }
    }
    QVERIFY(refused > accepted);
}

/// What Python 2 writes: str as STRING, the data of an array with escapes, shapes with long integers.
void TestPickle::protocolZeroOfPythonTwo()
{
    const std::string text = "cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(L3L\ntp6\n"
                             "cnumpy\ndtype\np7\n(S'i2'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\n"
                             "S'\\x05\\x00\\n\\x00A\\x01'\np13\ntp14\nb.";
    const auto array = std::get<PickledArray>(read(text));
    QCOMPARE(array.integers("a"), (std::vector<std::int64_t>{5, 10, 0x141}));
}

QTEST_GUILESS_MAIN(TestPickle)
#include "tst_pickle.moc"
