// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/npy.h"
#include "core/support/expect_error.h"
#include "datastore/datastore_import.h"
#include "datastore/distance.h"

#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <filesystem>
#include <limits>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t entries = 300;
constexpr std::int32_t dimension = 12;

std::vector<std::uint16_t> halfKeys()
{
    std::vector<float> keys(std::size_t(entries * dimension));
    for (std::size_t i = 0; i < keys.size(); ++i)
        keys[i] = std::sin(float(i)) * 3;
    std::vector<std::uint16_t> halves(keys.size());
    floatToHalf(keys.data(), halves.data(), std::int64_t(keys.size()));
    return halves;
}

template<typename T>
std::vector<T> tokens()
{
    std::vector<T> values(static_cast<std::size_t>(entries));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<T>((i * 7919) % 30000);
    return values;
}

template<typename T>
void writeRaw(const fs::path &path, const std::vector<T> &values)
{
    AtomicFile file(path);
    file.write(std::span<const T>(values));
    file.commit();
}

} // namespace

class TestDatastoreImport : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void namesAreRead_data();
    void namesAreRead();
    void dumpsOfKnnTransformers();
    void dumpsOfFairseqWithoutHints_data();
    void dumpsOfFairseqWithoutHints();
    void arraysOfNumpy_data();
    void arraysOfNumpy();
    void whatDoesNotFitIsRefused();
    void optionsAndNamesMustAgree();
    void wrongContentsAreRefused();
    void documentsInEntriesTokensOrPairs();
    void wrongDocumentsAreRefused();
    void unfinishedCopyContinues();
    void sameFilesGiveTheSameFingerprint();

private:
    [[nodiscard]] fs::path path(const std::string &name) const { return fs::path(m_folder->path().toStdString()) / name; }
    std::shared_ptr<const Datastore> import(const DatastoreSource &source, std::int32_t vocabulary = 0)
    {
        const fs::path folder = path("datastore-" + std::to_string(m_imports++));
        importDatastore(folder, source, vocabulary, m_job);
        return Datastore::open(folder);
    }
    DatastoreSource dumps(const std::string &prefix = "dstore_gpt2_300_12")
    {
        DatastoreSource source;
        source.keys = path(prefix + "_keys.npy");
        source.values = path(prefix + "_vals.npy");
        writeRaw(source.keys, halfKeys());
        writeRaw(source.values, tokens<std::int32_t>());
        return source;
    }
    void verifyContents(const Datastore &store)
    {
        const auto halves = halfKeys();
        const auto values = tokens<std::int32_t>();
        QCOMPARE(store.size(), entries);
        QCOMPARE(store.dimension(), dimension);
        std::vector<float> expected(halves.size()), keys(halves.size());
        halfToFloat(halves.data(), expected.data(), std::int64_t(halves.size()));
        store.copyKeys(0, entries, keys.data());
        QVERIFY(keys == expected);
        QVERIFY(std::ranges::equal(store.values(), values));
    }

    std::unique_ptr<QTemporaryDir> m_folder;
    JobControl m_job;
    int m_imports = 0;
};

void TestDatastoreImport::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
}

void TestDatastoreImport::namesAreRead_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<qint64>("n");
    QTest::addColumn<int>("d");
    QTest::addColumn<QString>("type");
    const auto row = [](const char *name, qint64 n, int d, const char *type = "") { QTest::newRow(name) << QString::fromLatin1(name) << n << d << QString::fromLatin1(type); };
    row("dstore_gpt2_116988150_768_keys.npy", 116988150, 768);
    row("dstore_gpt2_116988150_768_vals.npy", 116988150, 768);
    row("dstore_t5_for_x_26565876_512_keys.npy", 26565876, 512);
    row("index_gpt2_116988150_768.indexed", 116988150, 768);
    row("members_gpt2_118015_64_20000000_1180.pkl", 118015, 64);
    row("dstore_size103225485_embed1024_fp16_keys.npy", 103225485, 1024, "fp16");
    row("dstore_size103225485_embed1024_fp32_vals.npy", 103225485, 1024, "fp32");
    row("dstore_keys.npy", 0, 0);
    row("keys_3.npy", 0, 0);
    row("checkpoint_12_34_keys.npy", 0, 0);
    row("dstore_gpt2_0_768_keys.npy", 0, 0);
    row("dstore_gpt2_99999999999999999999_768_keys.npy", 0, 0);
    row("dstore_gpt2_-5_768_keys.npy", 0, 0);
    row("members.pkl", 0, 0);
    row("", 0, 0);
    row("___", 0, 0);
}

void TestDatastoreImport::namesAreRead()
{
    QFETCH(QString, name);
    QFETCH(qint64, n);
    QFETCH(int, d);
    QFETCH(QString, type);
    const NameHints hints = hintsFromName(name.toStdString());
    QCOMPARE(hints.entries.value_or(0), std::int64_t(n));
    QCOMPARE(hints.dimension.value_or(0), d);
    QCOMPARE(hints.keyType ? std::string(toString(*hints.keyType)) : "", type.toStdString());
}

void TestDatastoreImport::dumpsOfKnnTransformers()
{
    const auto store = import(dumps());
    verifyContents(*store);
    QCOMPARE(store->documentStarts().size(), std::size_t(2));
    QVERIFY(!store->hasPointer(EntryId(entries - 1)));
    QVERIFY(verifyFiles(store->manifest(), store->folder(), m_job).empty());
}

void TestDatastoreImport::dumpsOfFairseqWithoutHints_data()
{
    QTest::addColumn<bool>("half");
    QTest::addColumn<int>("valueBytes");
    for (const bool half : {true, false})
        for (const int bytes : {2, 4, 8})
            QTest::addRow("%s keys, int%d values", half ? "fp16" : "fp32", 8 * bytes) << half << bytes;
}

/// {prefix}_keys.npy says nothing but --dimension D is given: sizes and values decide.
void TestDatastoreImport::dumpsOfFairseqWithoutHints()
{
    QFETCH(bool, half);
    QFETCH(int, valueBytes);
    DatastoreSource source;
    source.keys = path("wiki_keys.npy");
    source.values = path("wiki_vals.npy");
    source.dimension = dimension;
    const auto halves = halfKeys();
    if (half) {
        writeRaw(source.keys, halves);
    } else {
        std::vector<float> floats(halves.size());
        halfToFloat(halves.data(), floats.data(), std::int64_t(halves.size()));
        writeRaw(source.keys, floats);
    }
    if (valueBytes == 2)
        writeRaw(source.values, tokens<std::int16_t>());
    else if (valueBytes == 4)
        writeRaw(source.values, tokens<std::int32_t>());
    else
        writeRaw(source.values, tokens<std::int64_t>());
    const DatastoreLayout layout = layoutOf(source);
    QCOMPARE(layout.entries, entries);
    QCOMPARE(layout.valueType, "i" + std::to_string(valueBytes));
    const auto store = import(source);
    verifyContents(*store);
    QVERIFY(store->keys().type == (half ? KeyType::Float16 : KeyType::Float32));
}

void TestDatastoreImport::arraysOfNumpy_data()
{
    QTest::addColumn<int>("version");
    QTest::addColumn<bool>("column");
    for (const int version : {1, 2, 3})
        QTest::addRow("version %d", version) << version << (version == 2);
}

void TestDatastoreImport::arraysOfNumpy()
{
    QFETCH(int, version);
    QFETCH(bool, column);
    const auto withVersion = [version](const fs::path &file, std::string header, const void *data, std::size_t bytes) {
        if (version > 1) { // a four-byte length instead of two
            header[6] = static_cast<char>(version);
            header.insert(10, 2, '\0');
        }
        AtomicFile out(file);
        out.write(header);
        out.write(data, bytes);
        out.commit();
    };
    DatastoreSource source;
    source.keys = path("k.npy");
    source.values = path("v.npy");
    const auto halves = halfKeys();
    const auto values = tokens<std::int64_t>();
    withVersion(source.keys, npyHeader("f2", std::vector<std::int64_t>{entries, dimension}), halves.data(), halves.size() * 2);
    const std::vector<std::int64_t> shape = column ? std::vector<std::int64_t>{entries, 1} : std::vector<std::int64_t>{entries};
    withVersion(source.values, npyHeader("i8", shape), values.data(), values.size() * 8);
    verifyContents(*import(source));
    source.dimension = 13;
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "dimension", "13 according to --dimension", "12 according to the header of", "k.npy");
}

void TestDatastoreImport::whatDoesNotFitIsRefused()
{
    DatastoreSource source = dumps("wiki");
    EXPECT_ERROR(layoutOf(source), ErrorKind::BadInput, "wiki_keys.npy", "--dimension");
    source.dimension = 7;
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "7200 bytes", "514 and a part keys of 7 dimensions", "1200 bytes", "300 as i4", "no two agree");
    source.dimension = dimension;
    source.entries = 299;
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "wiki_keys.npy holds 7200 bytes", "299 keys of 12 dimensions take 7176 as fp16 or 14352 as fp32");
    source.entries = 150; // 150 fp32 keys would fit, and 150 int64 values
    source.keyType = KeyType::Float16;
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "7200 bytes", "take 3600 as fp16;");
    source.entries = entries;
    source.valueType = "i8";
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "wiki_vals.npy holds 1200 bytes", "300 values take 2400 as i8;");
    source.valueType.reset();
    source.entries = std::numeric_limits<std::int64_t>::max();
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "9223372036854775807 keys", "more than any file");
    source.keys = path("nowhere.npy");
    EXPECT_ERROR(layoutOf(source), ErrorKind::NotFound, "nowhere.npy");
    source = dumps("wiki");
    source.dimension = dimension;
    writeRaw(source.keys, std::vector<char>());
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "holds 0 bytes");
    source = dumps("dstore_gpt2_301_12"); // the name promises one more
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "holds 7200 bytes", "301 keys of 12 dimensions take 7224 as fp16");
}

void TestDatastoreImport::optionsAndNamesMustAgree()
{
    DatastoreSource source = dumps();
    source.dimension = 6;
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "dimension is 6 according to --dimension", "12 according to the name of");
    source.dimension = 0;
    source.entries = 200;
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "number of entries is 200 according to --entries", "300 according to the name of");
    source = dumps("dstore_size300_embed12_fp16");
    source.keyType = KeyType::Float32;
    EXPECT_ERROR(layoutOf(source), ErrorKind::Mismatch, "type of the keys is fp32 according to --key-dtype", "fp16 according to the name of");
    source = dumps();
    writeNpy<float>(source.values, std::vector<float>(entries, 1.0f));
    EXPECT_ERROR(layoutOf(source), ErrorKind::BadInput, "type f4", "token ids are integers");
    writeNpy<std::int32_t>(source.values, std::vector<std::int32_t>(2 * entries, 1), {entries, 2});
    EXPECT_ERROR(layoutOf(source), ErrorKind::BadInput, "(300, 2)", "one column");
    writeNpy<std::int32_t>(source.keys, tokens<std::int32_t>());
    EXPECT_ERROR(layoutOf(source), ErrorKind::BadInput, "type i4", "keys are f2 or f4");
    writeNpy<float>(source.keys, std::vector<float>(entries, 1.0f));
    EXPECT_ERROR(layoutOf(source), ErrorKind::BadInput, "(300)", "two dimensions");
}

void TestDatastoreImport::wrongContentsAreRefused()
{
    DatastoreSource source = dumps();
    auto keys = halfKeys();
    keys[std::size_t(17 * dimension + 3)] = 0x7c01; // not a number
    writeRaw(source.keys, keys);
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "dstore_gpt2_300_12_keys.npy", "entry 17");
    source = dumps();
    auto values = tokens<std::int32_t>();
    values[5] = -3;
    writeRaw(source.values, values);
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "entry 5 is -3", "no token id");
    auto overflowed = tokens<std::int16_t>();
    overflowed[9] = -32000;
    writeRaw(source.values, overflowed);
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "entry 9 is -32000", "int16 overflows above 32767");
    source = dumps();
    EXPECT_ERROR(import(source, 1000), ErrorKind::Mismatch, "the tokenizer has 1000 tokens", "entry 1 is 7919");
    verifyContents(*import(source, 30000));
    source = dumps("wiki"); // negative whatever the type
    source.dimension = dimension;
    writeRaw(source.values, std::vector<std::int32_t>(entries, -1));
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "wiki_vals.npy holds no token ids");
}

void TestDatastoreImport::documentsInEntriesTokensOrPairs()
{
    DatastoreSource source = dumps();
    source.documents = path("offsets.npy");
    const auto starts = [&] {
        const auto store = import(source);
        const auto span = store->documentStarts();
        return std::vector<std::int64_t>(span.begin(), span.end());
    };
    using Numbers = std::vector<std::int64_t>;
    writeNpy<std::int64_t>(source.documents, Numbers{0, 100, 250, 300});
    QCOMPARE(starts(), (Numbers{0, 100, 250, 300}));
    writeNpy<std::int64_t>(source.documents, Numbers{0, 101, 251, 301}); // tokens: entry i predicts token i + 1
    QCOMPARE(starts(), (Numbers{0, 100, 250, 300}));
    QCOMPARE(import(source)->tokenIndex(EntryId(100)), std::int64_t(101));
    writeNpy<std::int64_t>(source.documents, Numbers{0, 101, 251, 320, 340}); // the tail was dropped
    QCOMPARE(starts(), (Numbers{0, 100, 250, 300}));
    writeNpy<std::int64_t>(source.documents, Numbers{0, 0, 100, 105}, {2, 2});
    QCOMPARE(starts(), (Numbers{0, 100, 300}));
    const auto store = import(source);
    QCOMPARE(store->tokenIndex(EntryId(102)), std::int64_t(107));
    QVERIFY(!store->hasPointer(EntryId(99)) && store->hasPointer(EntryId(100)));
}

void TestDatastoreImport::wrongDocumentsAreRefused()
{
    DatastoreSource source = dumps();
    source.documents = path("offsets.npy");
    using Numbers = std::vector<std::int64_t>;
    writeNpy<std::int64_t>(source.documents, Numbers{0, 100, 250});
    EXPECT_ERROR(import(source), ErrorKind::Mismatch, "ends at 250", "300 entries");
    writeNpy<std::int64_t>(source.documents, Numbers{0, 250, 100, 300});
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "do not ascend");
    writeNpy<std::int64_t>(source.documents, Numbers{5, 300});
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "from 0");
    writeNpy<std::int64_t>(source.documents, Numbers{0, 0, 301, 400}, {2, 2});
    EXPECT_ERROR(import(source), ErrorKind::Mismatch, "entry 301", "300 entries");
    writeNpy<float>(source.documents, std::vector<float>{0, 300});
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "integers are needed");
    writeRaw(source.documents, Numbers{0, 300});
    EXPECT_ERROR(import(source), ErrorKind::BadInput, "not a NumPy file");
}

void TestDatastoreImport::unfinishedCopyContinues()
{
    const DatastoreSource source = dumps();
    const auto whole = import(source);
    const auto expected = sha256OfFile(whole->folder() / "keys.bin");
    const auto halves = halfKeys();
    const std::vector<std::uint16_t> begun(halves.begin(), halves.begin() + 41 * dimension + 5), other(halves.rbegin(), halves.rbegin() + 41 * dimension);
    for (const auto &left : {begun, other}) { // a good begin, and one of another file
        const fs::path folder = path("continued-" + std::to_string(m_imports++));
        makeFolder(folder);
        writeRaw(folder / "keys.bin.partial", left);
        importDatastore(folder, source, 0, m_job);
        QCOMPARE(sha256OfFile(folder / "keys.bin"), expected);
        QCOMPARE(Datastore::open(folder)->fingerprint(), whole->fingerprint());
        QVERIFY(!fs::exists(folder / "keys.bin.partial"));
    }
}

void TestDatastoreImport::sameFilesGiveTheSameFingerprint()
{
    const auto one = import(dumps()), two = import(dumps("dstore_other_300_12"));
    QCOMPARE(one->fingerprint(), two->fingerprint());
    auto values = tokens<std::int32_t>();
    values[0] ^= 1;
    const DatastoreSource source = dumps();
    writeRaw(source.values, values);
    QVERIFY(import(source)->fingerprint() != one->fingerprint());
    QCOMPARE(std::string(toString(one->keys().type)), std::string("fp16"));
}

QTEST_GUILESS_MAIN(TestDatastoreImport)
#include "tst_datastore_import.moc"
