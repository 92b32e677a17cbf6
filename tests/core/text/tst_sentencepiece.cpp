// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/job.h"
#include "text/sentencepiece_trainer.h"
#include "text/token_store.h"
#include "text/tokenizer.h"

#include "awkward_texts.h"
#include "shared_data.h"

using namespace retoscope;
using test::Folder;

namespace {

/// A corpus that our own tests can train on: made-up words with repetitions, indentation, digits, some non-ASCII letters.
std::string trainingText()
{
    const char *syllables[] = {"se", "lect", "fro", "ta", "ble", "whe", "re", "val", "in", "dex", "na\u00EF", "\u00FCb", "er", "tu", "rn"};
    std::mt19937 random(3);
    std::string text;
    for (int line = 0; line < 2000; ++line) {
        text += std::string(random() % 3 * 4, ' ');
        for (int word = 0; word < 8; ++word) {
            for (unsigned n = random() % 3 + 1; n > 0; --n)
                text += syllables[random() % std::size(syllables)];
            text += word % 3 ? " " : "_" + std::to_string(random() % 100);
        }
        text += line % 5 ? "\n" : "\n\n\tx = \u2581;\n";
    }
    return text;
}

std::shared_ptr<const Corpus> makeCorpus(const Folder &folder)
{
    folder.write("in/a.txt", trainingText());
    folder.write("in/b.txt", "A second, short document.\n");
    JobControl job;
    if (!std::filesystem::exists(folder.path() / "corpus"))
        buildCorpus(folder.path() / "corpus", {folder.path() / "in"}, {}, job);
    return Corpus::open(folder.path() / "corpus");
}

} // namespace

class TestSentencePiece : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void trainedModelsLoseNothing_data()
    {
        QTest::addColumn<QString>("type");
        QTest::newRow("bpe") << "bpe";
        QTest::newRow("unigram") << "unigram";
    }

    void trainedModelsLoseNothing()
    {
        QFETCH(QString, type);
        const Folder folder;
        const auto corpus = makeCorpus(folder);
        JobControl job;
        const SentencePieceTraining config{.vocabularySize = 400, .type = type.toStdString()};
        const auto tokenizer = Tokenizer::load(trainSentencePiece(config, *corpus, folder.path() / "spm", job));
        QCOMPARE(tokenizer->vocabularySize(), 400);
        QCOMPARE(tokenizer->bos(), std::optional(TokenId(1)));
        QCOMPARE(tokenizer->eos(), std::optional(TokenId(2)));
        QVERIFY(tokenizer->isSpecial(TokenId(0)) && tokenizer->isSpecial(TokenId(1)) && !tokenizer->isSpecial(TokenId(300)));
        QCOMPARE(tokenizer->piece(TokenId(1)), std::string());
        test::checkLossless(*tokenizer);
        QCOMPARE(tokenizer->encode("\n").size(), std::size_t(1));
        QCOMPARE(tokenizer->encode("\t").size(), std::size_t(1));
        // Training text is made of learnt pieces, not of bytes.
        const std::string text = "    select from table";
        QVERIFY(tokenizer->encode(text).size() < text.size() / 2);
    }

    void trainingIsRepeatable()
    {
        const Folder folder;
        const auto corpus = makeCorpus(folder);
        JobControl job;
        SentencePieceTraining config{.vocabularySize = 350, .maximalLines = 300};
        const auto train = [&](const char *place) { return readFile(trainSentencePiece(config, *corpus, folder.path() / place, job)); };
        const std::string first = train("1");
        QVERIFY(train("2") == first);
        config.seed = 2;
        QVERIFY(train("3") != first); // another sample of lines
    }

    void trainingRefusals_data()
    {
        QTest::addColumn<QString>("json");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("too small") << R"({"vocabularySize":100})" << "vocabularySize is 100";
        QTest::newRow("type") << R"({"type":"wordpiece"})" << "'bpe' or 'unigram'";
        QTest::newRow("coverage") << R"({"characterCoverage":2})" << "characterCoverage is 2";
        QTest::newRow("unknown field") << R"({"vocab":100})" << "no field 'vocab'";
        QTest::newRow("more tokens than the text can fill") << R"({"vocabularySize":90000})" << "smaller vocabulary";
        QTest::newRow("empty split") << R"({"splits":["test"]})" << "no text in the split test";
        QTest::newRow("no such split") << R"({"splits":["rest"]})" << "'rest' is no split";
    }

    void trainingRefusals()
    {
        QFETCH(QString, json);
        QFETCH(QString, sentence);
        const Folder folder;
        const auto corpus = makeCorpus(folder);
        JobControl job;
        VERIFY_FAILS(trainSentencePiece(Json::parse(json.toStdString()).get<SentencePieceTraining>(), *corpus, folder.path() / "spm", job), ErrorKind::BadInput, sentence);
        QVERIFY(!std::filesystem::exists(folder.path() / "spm" / "manifest.json"));
    }

    void refusesDamagedModels()
    {
        const Folder folder;
        VERIFY_FAILS(Tokenizer::load(folder.write("a/tokenizer.model", "")), ErrorKind::Corrupt, "is not a SentencePiece model");
        VERIFY_FAILS(Tokenizer::load(folder.write("b/tokenizer.model", std::string(5000, '\x7F'))), ErrorKind::Corrupt, "is not a SentencePiece model");
        VERIFY_FAILS(Tokenizer::load(folder.path()), ErrorKind::NotFound, "holds no tokenizer");
    }

    void tokenStore()
    {
        const Folder folder;
        const auto corpus = makeCorpus(folder);
        JobControl job;
        const auto tokenizer = Tokenizer::load(trainSentencePiece({.vocabularySize = 400}, *corpus, folder.path() / "spm", job).parent_path());
        buildTokenStore(folder.path() / "tokens", *corpus, Split::Train, *tokenizer, {}, job);
        const auto store = TokenStore::open(folder.path() / "tokens");
        QCOMPARE(store->documentCount(), 2);
        QCOMPARE(store->tokenizerFingerprint(), tokenizer->fingerprint());
        for (std::int64_t d = 0; d < 2; ++d) {
            const DocumentId document(static_cast<std::int32_t>(d));
            const auto begin = store->documentOffsets()[static_cast<std::size_t>(d)], end = store->documentOffsets()[static_cast<std::size_t>(d) + 1];
            QCOMPARE(store->tokens()[static_cast<std::size_t>(begin)], 1);
            QCOMPARE(store->span(begin), (TextSpan{0, 0}));
            QCOMPARE(store->corpusDocument(document), document);
            QCOMPARE(store->documentAt(begin), document);
            QCOMPARE(store->documentAt(end - 1), document);
            std::string text;
            for (std::int64_t t = begin + 1; t < end; ++t) {
                QCOMPARE(store->span(t).begin, store->span(t - 1).end);
                text += tokenizer->piece(TokenId(store->tokens()[static_cast<std::size_t>(t)]));
            }
            QVERIFY(text == corpus->text(document));
            QCOMPARE(store->span(end - 1).end, static_cast<std::int64_t>(text.size()));
        }
        buildTokenStore(folder.path() / "plain", *corpus, Split::Train, *tokenizer, {.documentStart = "none"}, job);
        const auto plain = TokenStore::open(folder.path() / "plain");
        QCOMPARE(plain->tokens().size() + 2, store->tokens().size());
        QVERIFY(plain->fingerprint() != store->fingerprint());
        VERIFY_FAILS(buildTokenStore(folder.path() / "x", *corpus, Split::Test, *tokenizer, {}, job), ErrorKind::BadInput, "no document in its test split");
        VERIFY_FAILS(buildTokenStore(folder.path() / "x", *corpus, Split::Train, *tokenizer, {.documentStart = "cls"}, job), ErrorKind::BadInput, "not 'cls'");
        VERIFY_FAILS(store->span(1 << 30), ErrorKind::BadInput, "does not exist");
    }

    void damagedTokenStore()
    {
        const Folder folder;
        const auto corpus = makeCorpus(folder);
        JobControl job;
        const auto tokenizer = Tokenizer::load(trainSentencePiece({.vocabularySize = 400}, *corpus, folder.path() / "spm", job));
        buildTokenStore(folder.path() / "tokens", *corpus, Split::Train, *tokenizer, {}, job);
        std::filesystem::resize_file(folder.path() / "tokens" / "tokens.bin", 40);
        VERIFY_FAILS(TokenStore::open(folder.path() / "tokens"), ErrorKind::Corrupt, "tokens.bin is 40 bytes long");
    }

    void storeInMemory()
    {
        const auto store = TokenStore::fromTokens({1, 5, 6, 1, 7}, {0, 3, 5});
        QCOMPARE(store->documentCount(), 2);
        QCOMPARE(store->documentAt(2), DocumentId(0));
        QCOMPARE(store->documentAt(3), DocumentId(1));
        QCOMPARE(store->span(4), TextSpan{});
        QVERIFY(store->fingerprint() != TokenStore::fromTokens({1, 5, 6, 1, 7}, {0, 2, 5})->fingerprint());
        VERIFY_FAILS(TokenStore::fromTokens({1, 2}, {0, 3}), ErrorKind::Corrupt, "does not ascend");
    }
};

QTEST_GUILESS_MAIN(TestSentencePiece)
#include "tst_sentencepiece.moc"
