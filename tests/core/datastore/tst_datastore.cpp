// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"
#include "datastore/datastore.h"
#include "datastore/distance.h"

#include <QtTest>

using namespace retoscope;

namespace {

/// Five entries of dimension 2 in three documents, the middle one empty.
Datastore::Parts fiveEntries()
{
    Datastore::Parts parts;
    const std::vector<float> keys = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    parts.keys.resize(keys.size() * sizeof(float));
    std::memcpy(parts.keys.data(), keys.data(), parts.keys.size());
    parts.dimension = 2;
    parts.values = {10, 11, 12, 13, 14};
    parts.documentStarts = {0, 3, 3, 5};
    return parts;
}

} // namespace

class TestDatastore : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void documentsAndPointers()
    {
        const auto store = Datastore::fromParts(fiveEntries());
        QCOMPARE(store->size(), 5);
        QCOMPARE(store->dimension(), 2);
        const int documents[] = {0, 0, 0, 2, 2};
        const bool pointers[] = {true, true, false, true, false};
        for (int i = 0; i < 5; ++i) {
            QCOMPARE(store->documentOf(EntryId(i)).value, documents[i]);
            QCOMPARE(store->hasPointer(EntryId(i)), pointers[i]);
            QCOMPARE(store->tokenIndex(EntryId(i)), i);
        }
        QCOMPARE(store->documentEndBits().size(), std::size_t(1));
        QCOMPARE(store->documentEndBits()[0], std::uint64_t(0b10100));
    }

    void withoutDocumentsThereIsOne()
    {
        auto parts = fiveEntries();
        parts.documentStarts.clear();
        const auto store = Datastore::fromParts(std::move(parts));
        QCOMPARE(store->documentEndBits()[0], std::uint64_t(0b10000));
        QCOMPARE(store->documentOf(EntryId(4)).value, 0);
    }

    void documentBordersAcrossWords()
    {
        Datastore::Parts parts;
        parts.dimension = 1;
        parts.values.assign(200, 1);
        parts.keys.resize(200 * sizeof(float));
        parts.documentStarts = {0, 64, 128, 129, 200};
        const auto store = Datastore::fromParts(std::move(parts));
        for (int i = 0; i < 200; ++i)
            QCOMPARE(store->hasPointer(EntryId(i)), i != 63 && i != 127 && i != 128 && i != 199);
    }

    void keysAsFloats()
    {
        const auto store = Datastore::fromParts(fiveEntries());
        float rows[4];
        store->copyKeys(1, 2, rows);
        QCOMPARE(std::vector<float>(rows, rows + 4), (std::vector<float>{2, 3, 4, 5}));
        const std::int32_t ids[] = {4, 0};
        store->gatherKeys(ids, rows);
        QCOMPARE(std::vector<float>(rows, rows + 4), (std::vector<float>{8, 9, 0, 1}));

        auto parts = fiveEntries();
        std::vector<std::uint16_t> halves(10);
        floatToHalf(reinterpret_cast<const float *>(parts.keys.data()), halves.data(), 10);
        parts.keyType = KeyType::Float16;
        parts.keys.resize(20);
        std::memcpy(parts.keys.data(), halves.data(), 20);
        const auto halfStore = Datastore::fromParts(std::move(parts));
        halfStore->gatherKeys(ids, rows);
        QCOMPARE(std::vector<float>(rows, rows + 4), (std::vector<float>{8, 9, 0, 1}));
        QVERIFY(halfStore->fingerprint() != store->fingerprint());
    }

    void fingerprintIsThatOfTheContents()
    {
        const auto store = Datastore::fromParts(fiveEntries());
        QCOMPARE(Datastore::fromParts(fiveEntries())->fingerprint(), store->fingerprint());
        auto parts = fiveEntries();
        parts.values[2] = 99;
        QVERIFY(Datastore::fromParts(std::move(parts))->fingerprint() != store->fingerprint());
    }

    void impossiblePartsAreRefused_data()
    {
        QTest::addColumn<int>("what");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("wrong size") << 0 << "The keys are 36 bytes long, but 5 entries × 2 dimensions of fp32 take 40";
        QTest::newRow("no entries") << 1 << "A datastore needs 1 to";
        QTest::newRow("dimension 0") << 2 << "of dimension 1 to";
        QTest::newRow("documents descend") << 3 << "must ascend from 0 to the number of entries, 5";
        QTest::newRow("documents end early") << 4 << "must ascend from 0 to the number of entries, 5";
    }

    void impossiblePartsAreRefused()
    {
        QFETCH(int, what);
        QFETCH(QString, sentence);
        auto parts = fiveEntries();
        if (what == 0)
            parts.keys.resize(36);
        if (what == 1)
            parts.values.clear();
        if (what == 2)
            parts.dimension = 0;
        if (what == 3)
            parts.documentStarts = {0, 4, 3, 5};
        if (what == 4)
            parts.documentStarts = {0, 4};
        try {
            Datastore::fromParts(std::move(parts));
            QFAIL("not refused");
        } catch (const Error &error) {
            QVERIFY2(QString::fromUtf8(error.what()).contains(sentence), error.what());
        }
    }

    void keyTypesByName()
    {
        QVERIFY(keyTypeFromString("fp16") == KeyType::Float16);
        QVERIFY(keyTypeFromString(toString(KeyType::Float32)) == KeyType::Float32);
        QVERIFY_EXCEPTION_THROWN(keyTypeFromString("int8"), Error);
    }
};

QTEST_GUILESS_MAIN(TestDatastore)
#include "tst_datastore.moc"
