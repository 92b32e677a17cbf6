// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/hash.h"
#include "base/manifest.h"
#include "base/npy.h"
#include "text/tokenizer.h"

#include "awkward_texts.h"
#include "shared_data.h"

#include <cstring>
#include <fstream>
#include <atomic>
#include <thread>

using namespace retoscope;
using test::Folder;
using Ids = std::vector<std::int32_t>;

namespace {

std::string print(const Ids &ids) { return fmt::format("{}", fmt::join(ids, " ")); }

/// The alphabet of GPT-2's byte-level BPE, written out from its definition for the tests' own vocabularies.
std::string gpt2Letter(int byte)
{
    int c = byte, next = 256;
    for (int b = 0; b <= byte; ++b) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        c = printable ? b : next++;
    }
    return c < 0x80 ? std::string(1, static_cast<char>(c)) : std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
}

/// 256 bytes, then "Ġt" 256, "he" 257, "Ġthe" 258, "in" 259, "Ġ " …; <|endoftext|> 260.
Json byteVocabulary()
{
    Json vocabulary = Json::object();
    for (int byte = 0; byte < 256; ++byte)
        vocabulary[gpt2Letter(byte)] = byte;
    vocabulary["Ġt"] = 256;
    vocabulary["he"] = 257;
    vocabulary["Ġthe"] = 258;
    vocabulary["in"] = 259;
    vocabulary["<|endoftext|>"] = 260;
    return vocabulary;
}

Json byteLevelJson()
{
    return {{"added_tokens", {{{"id", 260}, {"content", "<|endoftext|>"}, {"special", true}, {"normalized", false}}}},
            {"normalizer", nullptr},
            {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
            {"decoder", {{"type", "ByteLevel"}}},
            {"model", {{"type", "BPE"}, {"vocab", byteVocabulary()}, {"merges", {"Ġ t", "h e", "Ġt he", "i n"}}}}};
}

/// tok.bin with 259 obligatory tokens, then " " 259, "a" 260, "b" 261, " a" 262, "ab" 263 (best score).
std::string llama2cBytes()
{
    std::string bytes;
    const auto put = [&](auto value) { bytes.append(reinterpret_cast<const char *>(&value), sizeof value); };
    const auto token = [&](const std::string &text, float score) {
        put(score);
        put(static_cast<std::int32_t>(text.size()));
        bytes += text;
    };
    put(std::int32_t(8));
    for (const char *name : {"<unk>", "\n<s>\n", "\n</s>\n"})
        token(name, 0);
    for (int byte = 0; byte < 256; ++byte)
        token(fmt::format("<0x{:02X}>", byte), 0);
    token(" ", -5);
    token("a", -6);
    token("b", -7);
    token(" a", -2);
    token("ab", -1);
    return bytes;
}

std::vector<std::string> ggmlInputs(const std::filesystem::path &file)
{
    const std::string text = readFile(file), mark = "\n__ggml_vocab_test__\n";
    std::vector<std::string> inputs;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(mark, at), text.size());
        inputs.push_back(text.substr(at, end - at));
        at = end + mark.size();
    }
    return inputs;
}

std::vector<std::string> lines(const std::filesystem::path &file)
{
    std::vector<std::string> result;
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);)
        result.push_back(line.empty() ? line : line.substr(1)); // " 1 2 3"
    return result;
}

} // namespace

class TestTokenizer : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    // Vectors that llama.cpp publishes with its vocabularies.
    void publishedVectors_data()
    {
        QTest::addColumn<QString>("vectors");
        QTest::addColumn<QString>("tokenizer");
        QTest::newRow("GPT-2") << "ggml-vocab-gpt-2" << "gpt2";
        QTest::newRow("Llama 2, SentencePiece") << "ggml-vocab-llama-spm" << "llama2/tokenizer.model";
        QTest::newRow("Llama 2, llama2.c") << "ggml-vocab-llama-spm" << "llama2/tokenizer.bin";
    }

    void publishedVectors()
    {
        QFETCH(QString, vectors);
        QFETCH(QString, tokenizer);
        SKIP_WITHOUT_SHARED("data/tokenizers/gguf");
        const auto stem = test::shared("data/tokenizers/gguf") / (vectors.toStdString() + ".gguf");
        const auto inputs = ggmlInputs(stem.string() + ".inp"), expected = lines(stem.string() + ".out");
        QVERIFY(inputs.size() > 30);
        QCOMPARE(inputs.size(), expected.size());
        const auto loaded = Tokenizer::load(test::shared("data/tokenizers") / tokenizer.toStdString());
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            QCOMPARE(print(loaded->encode(inputs[i])), expected[i]);
            QCOMPARE(loaded->decode(loaded->encode(inputs[i])), inputs[i]);
            test::checkSpans(*loaded, inputs[i]);
        }
    }

    void goldenStream_data()
    {
        QTest::addColumn<QString>("tokenizer");
        QTest::newRow("tok512.bin") << "data/stories260K/tok512.bin";
        QTest::newRow("tokenizer.json") << "golden/stories260k_hf/tokenizer.json";
    }

    void goldenStream()
    {
        QFETCH(QString, tokenizer);
        SKIP_WITHOUT_SHARED("golden/bundle_stories260k");
        const auto bundle = test::shared("golden/bundle_stories260k");
        const auto loaded = Tokenizer::load(test::shared(tokenizer.toStdString()));
        QCOMPARE(loaded->bos(), std::optional(TokenId(1)));
        const Json texts = Json::parse(readFile(bundle / "texts.json"));
        for (const auto &[part, file] : {std::pair("datastore", "tokens_datastore.npy"), std::pair("eval", "tokens_eval.npy")}) {
            Ids stream;
            for (const Json &text : texts.at(part)) {
                stream.push_back(1);
                const Ids ids = loaded->encode(text.get<std::string>());
                stream.insert(stream.end(), ids.begin(), ids.end());
                QVERIFY(loaded->decode(ids) == text.get<std::string>());
            }
            const NpyFile golden(bundle / file);
            const auto expected = golden.values<std::int32_t>();
            QVERIFY(std::equal(stream.begin(), stream.end(), expected.begin(), expected.end()));
        }
    }

    // Ids that the reference implementations gave (tests/oracle/tokenizer_ids.py), by the hash of the tokenizer's file.
    void oracle_data()
    {
        QTest::addColumn<QString>("file");
        for (const char *file : {"t5/spiece.model", "marian_joint/vocab.joint.spm", "llama2/tokenizer.model", "gpt_neox/20B_tokenizer.json", "gpt2/vocab.json"})
            QTest::newRow(file) << file;
    }

    void oracle()
    {
        QFETCH(QString, file);
        SKIP_WITHOUT_SHARED("data/tokenizers");
        const auto path = test::shared("data/tokenizers") / file.toStdString();
        const Json all = Json::parse(readFile(std::filesystem::path(RETOSCOPE_TEST_DATA) / "tokenizers" / "oracle.json"));
        const Json &cases = all.at(sha256OfFile(path));
        const auto loaded = Tokenizer::load(path);
        QVERIFY(cases.size() >= 30);
        for (const Json &test : cases) {
            const auto text = test.at("text").get<std::string>();
            QCOMPARE(print(loaded->encode(text)), print(test.at("ids").get<Ids>()));
            QCOMPARE(loaded->decode(test.at("ids").get<Ids>()), test.at("decoded").get<std::string>());
            test::checkSpans(*loaded, text);
        }
    }

    // tokenizer.json files that the oracle script made, with the ids that Hugging Face's tokenizers gives for them.
    void ownTokenizerJson()
    {
        const Json all = Json::parse(readFile(std::filesystem::path(RETOSCOPE_TEST_DATA) / "tokenizers" / "made.json"));
        QVERIFY(all.size() >= 6);
        for (const Json &made : all) {
            const Folder folder;
            const auto loaded = Tokenizer::load(folder.write("tokenizer.json", made.at("tokenizer").dump()));
            for (const Json &test : made.at("cases")) {
                const std::string shown = made.at("name").get<std::string>() + ": ";
                QCOMPARE(shown + print(loaded->encode(test.at("text").get<std::string>())), shown + print(test.at("ids").get<Ids>()));
                test::checkSpans(*loaded, test.at("text").get<std::string>());
            }
        }
    }

    void byteLevelByHand()
    {
        const Folder folder;
        const auto loaded = Tokenizer::load(folder.write("tokenizer.json", byteLevelJson().dump()));
        QCOMPARE(loaded->kind(), std::string("byte-level BPE"));
        QCOMPARE(loaded->vocabularySize(), 261);
        QCOMPARE(loaded->eos(), std::optional(TokenId(260)));
        // " the" → Ġt he → 258; "the" has no merge "t he"; "in" 259; "<|endoftext|>" is cut out first.
        QCOMPARE(print(loaded->encode("the in the<|endoftext|>\n")), std::string("116 257 32 259 258 260 10"));
        const Encoding encoding = loaded->encodeWithSpans("the in\u00E9");
        QCOMPARE(print(encoding.ids), std::string("116 257 32 259 195 169"));
        QCOMPARE(encoding.spans, (std::vector<TextSpan>{{0, 1}, {1, 3}, {3, 4}, {4, 6}, {6, 7}, {7, 8}}));
        QCOMPARE(loaded->piece(TokenId(258)), std::string(" the"));
        QCOMPARE(loaded->piece(TokenId(195)), std::string("\xC3"));
        QCOMPARE(loaded->piece(TokenId(260)), std::string());
        QVERIFY(loaded->isSpecial(TokenId(260)) && !loaded->isSpecial(TokenId(258)));
        VERIFY_FAILS(loaded->piece(TokenId(261)), ErrorKind::BadInput, "Token 261 is outside");
        const Ids bad{3, -1};
        VERIFY_FAILS(loaded->decode(bad), ErrorKind::BadInput, "Token -1 is outside");
        test::checkLossless(*loaded);
    }

    void vocabularyAndMergesAreTheSame()
    {
        const Folder folder;
        folder.write("vocab.json", byteVocabulary().dump());
        folder.write("merges.txt", "#version: 0.2\nĠ t\nh e\nĠt he\ni n\n");
        folder.write("json/tokenizer.json", byteLevelJson().dump());
        const auto pair = Tokenizer::load(folder.path()), json = Tokenizer::load(folder.path() / "json");
        for (const std::string &text : test::awkwardTexts())
            QVERIFY(pair->encode(text) == json->encode(text));
        QVERIFY(pair->fingerprint() != json->fingerprint());
        QCOMPARE(pair->files().size(), std::size_t(2));
        QCOMPARE(Tokenizer::load(folder.path() / "merges.txt")->fingerprint(), pair->fingerprint());
        test::checkLossless(*pair);
    }

    void llama2cByHand()
    {
        const Folder folder;
        const auto loaded = Tokenizer::load(folder.write("tok264.bin", llama2cBytes()).parent_path());
        QCOMPARE(loaded->kind(), std::string("llama2.c"));
        // " ab": "ab" (−1) beats " a" (−2): " " + "ab". "aab" after the space: "ab" first, then " a".
        QCOMPARE(print(loaded->encode("ab")), std::string("259 263"));
        QCOMPARE(print(loaded->encode("aab")), std::string("262 263"));
        QCOMPARE(print(loaded->encode("a\u00E9")), std::string("262 198 172")); // bytes C3, A9 plus 3
        QCOMPARE(print(loaded->encode("")), std::string());
        const Encoding encoding = loaded->encodeWithSpans("ab \u00E9");
        QCOMPARE(print(encoding.ids), std::string("259 263 259 198 172"));
        QCOMPARE(encoding.spans, (std::vector<TextSpan>{{0, 0}, {0, 2}, {2, 3}, {3, 4}, {4, 5}}));
        for (const std::string &text : test::awkwardTexts()) {
            test::checkSpans(*loaded, text);
            QVERIFY(loaded->decode(loaded->encode(text)) == text);
        }
    }

    void realTokenizersLoseNothing_data()
    {
        QTest::addColumn<QString>("path");
        QTest::newRow("GPT-2") << "data/tokenizers/gpt2";
        QTest::newRow("tok512.bin") << "data/stories260K/tok512.bin";
        QTest::newRow("tokenizer.json with byte fallback") << "golden/stories260k_hf";
        QTest::newRow("Llama 2, llama2.c") << "data/tokenizers/llama2/tokenizer.bin";
    }

    void realTokenizersLoseNothing()
    {
        QFETCH(QString, path);
        SKIP_WITHOUT_SHARED("data/tokenizers");
        const auto loaded = Tokenizer::load(test::shared(path.toStdString()));
        for (const std::string &text : test::awkwardTexts()) {
            test::checkSpans(*loaded, text);
            // Control tokens are cut out and not put back; tokenizer.json of this kind reads U+2581 as a space.
            if (text.find("<s>") == std::string::npos && (loaded->kind() != "BPE" || text.find("\u2581") == std::string::npos))
                QVERIFY2(loaded->decode(loaded->encode(text)) == text, text.substr(0, 100).c_str());
        }
    }

    void t5FolderUsesSentencePiece()
    {
        SKIP_WITHOUT_SHARED("data/tokenizers/t5");
        VERIFY_FAILS(Tokenizer::load(test::shared("data/tokenizers/t5/tokenizer.json")), ErrorKind::BadInput, "cannot be reproduced exactly");
        QCOMPARE(Tokenizer::load(test::shared("data/tokenizers/t5"))->kind(), std::string("SentencePiece"));
    }

    void threadsShareATokenizer()
    {
        const Folder folder;
        const auto loaded = Tokenizer::load(folder.write("tokenizer.json", byteLevelJson().dump()));
        const std::string text = "the inner theme in the tin; then the hen";
        const Ids expected = loaded->encode(text);
        std::vector<std::thread> threads;
        std::atomic<int> wrong{0};
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 500; ++i)
                    wrong += loaded->encode(text) != expected;
            });
        for (std::thread &thread : threads)
            thread.join();
        QCOMPARE(wrong.load(), 0);
    }

    void hostileJson_data()
    {
        QTest::addColumn<QString>("patch"); // JSON merge patch on byteLevelJson()
        QTest::addColumn<bool>("corrupt");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("no model") << R"({"model":null})" << true << "missing or has the wrong type";
        QTest::newRow("vocabulary of another type") << R"({"model":{"vocab":[1,2]}})" << true << "not an object";
        QTest::newRow("id is a string") << R"({"model":{"vocab":{"x":"1"}}})" << true << "'x' has the id \"1\"";
        QTest::newRow("negative id") << R"({"model":{"vocab":{"xy":-1}}})" << true << "'xy' has the id -1";
        QTest::newRow("huge id") << R"({"model":{"vocab":{"xy":4000000000}}})" << true << "4000000000, which is not a number below";
        QTest::newRow("id twice") << R"({"model":{"vocab":{"xy":5}}})" << true << "two tokens have the id 5";
        QTest::newRow("merges of another type") << R"({"model":{"merges":7}})" << true << "merges are not a list";
        QTest::newRow("merge of three") << R"({"model":{"merges":["a b c"]}})" << true << "not two tokens";
        QTest::newRow("merge of numbers") << R"({"model":{"merges":[[1,2]]}})" << true << "wrong type";
        QTest::newRow("merge of unknown tokens") << R"({"model":{"merges":["a zz"]}})" << true << "needs the token 'zz'";
        QTest::newRow("merge without its product") << R"({"model":{"merges":["a b"]}})" << true << "needs the token 'ab'";
        QTest::newRow("added token far away") << R"({"added_tokens":[{"id":2000000000,"content":"<x>"}]})" << true << "'<x>' has the id";
        QTest::newRow("added token without content") << R"({"added_tokens":[{"id":1}]})" << true << "wrong type";
        QTest::newRow("unknown model") << R"({"model":{"type":"WordPiece"}})" << false << "the model WordPiece";
        QTest::newRow("unigram") << R"({"model":{"type":"Unigram"}})" << false << "spiece.model";
        QTest::newRow("dropout") << R"({"model":{"dropout":0.1}})" << false << "the model's dropout";
        QTest::newRow("subword prefix") << R"({"model":{"continuing_subword_prefix":"##"}})" << false << "continuing_subword_prefix";
        QTest::newRow("normalizer") << R"({"normalizer":{"type":"Lowercase"}})" << false << "the normalizer Lowercase";
        QTest::newRow("pre-tokenizer") << R"({"pre_tokenizer":{"type":"BertPreTokenizer"}})" << false << "the pre-tokenizer BertPreTokenizer";
        QTest::newRow("split behaviour") << R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed"}})" << false << "behavior Removed";
        QTest::newRow("broken pattern") << R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a{2,1}"},"behavior":"Isolated"}})" << false << "not a valid regular expression";
        QTest::newRow("pattern read otherwise") << R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated"}})" << false << "uses \\w";
        QTest::newRow("decoder") << R"({"decoder":{"type":"WordPiece"}})" << false << "the decoder WordPiece";
        QTest::newRow("whole words only") << R"({"added_tokens":[{"id":1,"content":"x","single_word":true}]})" << false << "single_word";
    }

    void hostileJson()
    {
        QFETCH(QString, patch);
        QFETCH(bool, corrupt);
        QFETCH(QString, sentence);
        Json json = byteLevelJson();
        json.merge_patch(Json::parse(patch.toStdString()));
        const Folder folder;
        VERIFY_FAILS(Tokenizer::load(folder.write("tokenizer.json", json.dump())), corrupt ? ErrorKind::Corrupt : ErrorKind::BadInput, sentence);
    }

    void patternsThatExplodeAreStopped()
    {
        Json json = byteLevelJson();
        json["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(a+)+b"}}}, {"behavior", "Isolated"}};
        const Folder folder;
        const auto loaded = Tokenizer::load(folder.write("tokenizer.json", json.dump()));
        VERIFY_FAILS(loaded->encode(std::string(3000, 'a') + "cb"), ErrorKind::BadInput, "fails on this text at byte 0");
    }

    void otherHostileFiles()
    {
        const Folder folder;
        VERIFY_FAILS(Tokenizer::load(folder.write("a/tokenizer.json", "{\"model\":")), ErrorKind::Corrupt, "not a JSON object");
        VERIFY_FAILS(Tokenizer::load(folder.write("a/tokenizer.json", "")), ErrorKind::Corrupt, "not a JSON object");
        folder.write("b/vocab.json", byteVocabulary().dump());
        VERIFY_FAILS(Tokenizer::load(folder.path() / "b"), ErrorKind::NotFound, "merges.txt is missing");
        folder.write("b/merges.txt", "#version\nonlyone\n");
        VERIFY_FAILS(Tokenizer::load(folder.path() / "b"), ErrorKind::Corrupt, "merge 0 is 'onlyone'");
        folder.write("b/merges.txt", "h e\n\xFF a\n");
        VERIFY_FAILS(Tokenizer::load(folder.path() / "b"), ErrorKind::Corrupt, "not valid UTF-8 at byte 4");
        VERIFY_FAILS(Tokenizer::load(folder.write("x.txt", "x")), ErrorKind::BadInput, "is no tokenizer");
    }

    void hostileLlama2c_data()
    {
        QTest::addColumn<int>("at");
        QTest::addColumn<qint64>("value");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("longest is negative") << 0 << qint64(-1) << "longest token has -1 bytes";
        QTest::newRow("longest is huge") << 0 << qint64(0x7FFFFFFF) << "longest token has 2147483647 bytes";
        QTest::newRow("length is negative") << 8 << qint64(-5) << "a token of -5 bytes";
        QTest::newRow("length is huge") << 8 << qint64(0x7FFFFFFF) << "a token of 2147483647 bytes";
        QTest::newRow("score is not a number") << 4 << qint64(0x7FC00000) << "not a finite number";
    }

    void hostileLlama2c()
    {
        QFETCH(int, at);
        QFETCH(qint64, value);
        QFETCH(QString, sentence);
        std::string bytes = llama2cBytes();
        const auto word = static_cast<std::int32_t>(value);
        std::memcpy(bytes.data() + at, &word, sizeof word);
        const Folder folder;
        VERIFY_FAILS(Tokenizer::load(folder.write("tok.bin", bytes)), ErrorKind::Corrupt, sentence);
    }

    void truncatedLlama2c()
    {
        const Folder folder;
        const std::string bytes = llama2cBytes();
        VERIFY_FAILS(Tokenizer::load(folder.write("tok.bin", "")), ErrorKind::Corrupt, "ends inside a token");
        VERIFY_FAILS(Tokenizer::load(folder.write("tok.bin", bytes.substr(0, 100))), ErrorKind::Corrupt, "byte 100");
        VERIFY_FAILS(Tokenizer::load(folder.write("tok.bin", bytes.substr(0, 4 + 13))), ErrorKind::Corrupt, "1 tokens, fewer than 259");
    }
};

QTEST_GUILESS_MAIN(TestTokenizer)
#include "tst_tokenizer.moc"
