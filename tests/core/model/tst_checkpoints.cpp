// SPDX-License-Identifier: GPL-3.0-or-later
// The readers of foreign weight files, on well-formed and on hostile bytes; and config.json there and back.
#include "core/model/safetensors_builder.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "model/hf_config.h"
#include "model/llama2c.h"
#include "model/rotary.h"
#include "model/safetensors.h"

#include <QTest>

#include <cmath>
#include <cstring>
#include <functional>

using namespace retoscope;

namespace {

std::span<const std::byte> bytesOf(const std::string &text)
{
    return std::as_bytes(std::span(text));
}

std::string sentenceOf(const std::function<void()> &action)
{
    try {
        action();
    } catch (const Error &error) {
        return error.what();
    }
    return {};
}

std::string llama2cFile(const std::vector<std::int32_t> &header, std::size_t floats)
{
    std::string file(header.size() * sizeof(std::int32_t) + floats * sizeof(float), '\0');
    std::memcpy(file.data(), header.data(), header.size() * sizeof(std::int32_t));
    std::vector<float> values(floats);
    for (std::size_t i = 0; i < floats; ++i)
        values[i] = static_cast<float>(i);
    std::memcpy(file.data() + header.size() * sizeof(std::int32_t), values.data(), floats * sizeof(float));
    return file;
}

float firstValue(const StoredTensor &tensor)
{
    float value = 0;
    std::memcpy(&value, tensor.bytes.data(), sizeof value);
    return value;
}

} // namespace

class TestCheckpoints : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void safetensors();
    void badSafetensors_data();
    void badSafetensors();
    void everyTruncation();
    void llama2c();
    void badLlama2c_data();
    void badLlama2c();
    void configThereAndBack_data();
    void configThereAndBack();
    void contextLengths_data();
    void contextLengths();
    void rotaryByHand();
};

void TestCheckpoints::safetensors()
{
    SafetensorsBuilder builder;
    builder.add("b", {2, 3}, {1, 2, 3, 4, 5, 6});
    builder.add("a", "BF16", {2}, std::string("\x80\x3f\x00\x40", 4));
    builder.add("empty", {0, 5}, {});
    builder.add("scalar", "I64", {}, std::string(8, '\x01'));
    const std::string file = builder.file();
    const auto tensors = parseSafetensors(bytesOf(file), "x");
    QCOMPARE(tensors.size(), 4u);
    QCOMPARE(tensors.at("b").type, std::string("F32"));
    QCOMPARE(tensors.at("b").shape, (std::vector<std::int64_t>{2, 3}));
    QCOMPARE(firstValue(tensors.at("b")), 1.0f);
    QCOMPARE(tensors.at("a").bytes.size(), 4u);
    QCOMPARE(tensors.at("a").bytes[1], std::byte{0x3f});
    QVERIFY(tensors.at("empty").bytes.empty());

    const std::string withMetadata = safetensorsFile(
        R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   )", "z");
    QCOMPARE(parseSafetensors(bytesOf(withMetadata), "x").size(), 1u);
}

void TestCheckpoints::badSafetensors_data()
{
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QString>("sentence");
    const auto row = [](const char *name, const std::string &file, const char *sentence) {
        QTest::newRow(name) << QByteArray::fromStdString(file) << QString(sentence);
    };
    const auto header = [&](const char *name, const char *json, std::size_t data, const char *sentence) {
        row(name, safetensorsFile(json, std::string(data, 'x')), sentence);
    };
    row("empty", "", "it is only 0 bytes long");
    row("no header", std::string("\x10\0\0\0\0\0\0\0", 8), "its header should be 16 bytes long, but 0 follow");
    row("gigantic header", std::string(8, '\xff') + "{}", "its header should be 18446744073709551615 bytes long");
    header("no JSON", "{\"a\"", 0, "its header is not valid JSON");
    header("deep JSON", std::string(200000, '[').c_str(), 0, "its header is not valid JSON");
    header("no object", "[1]", 0, "its header is not a JSON object");
    header("twins", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
           1, "its header names 'a' twice");
    header("no shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "'a' lacks dtype, shape or data_offsets");
    header("one offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "'a' lacks dtype, shape or data_offsets");
    header("type", R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", 1, "'a' has the unknown type 'F4'");
    header("beyond", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1, "'a' lies at bytes 0 to 2 of 1");
    header("backwards", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[1,0]}})", 1, "'a' lies at bytes 1 to 0 of 1");
    header("size", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}})", 3, "'a' needs 4 bytes for its shape but has 3");
    header("negative", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "'a' has a size or offset that is not a whole number");
    header("fraction", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "'a' has a size or offset that is not a whole number");
    header("overflow", R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "the shape of 'a' is beyond all bounds");
    header("overlap", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
           3, "two tensors overlap or leave a hole at byte 1");
    header("hole", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
           3, "two tensors overlap or leave a hole at byte 1");
    header("rest", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 3, "2 bytes at the end belong to no tensor");
}

void TestCheckpoints::badSafetensors()
{
    QFETCH(QByteArray, file);
    QFETCH(QString, sentence);
    const std::string bytes = file.toStdString();
    const std::string complaint = sentenceOf([&] { parseSafetensors(bytesOf(bytes), "weights.st"); });
    QVERIFY2(complaint.starts_with("weights.st: " + sentence.toStdString()), complaint.c_str());
}

void TestCheckpoints::everyTruncation()
{
    SafetensorsBuilder builder;
    builder.add("a", {2, 3}, {1, 2, 3, 4, 5, 6});
    builder.add("b", "U8", {3}, "xyz");
    const std::string whole = builder.file();
    QVERIFY(sentenceOf([&] { parseSafetensors(bytesOf(whole), "x"); }).empty());
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const std::string cut = whole.substr(0, length);
        QVERIFY2(!sentenceOf([&] { parseSafetensors(bytesOf(cut), "x"); }).empty(), std::to_string(length).c_str());
    }
}

// dim 4, hidden_dim 3, 2 layers, 2 heads of 2 values, 1 key-value head, 5 tokens, 6 positions.
constexpr std::size_t llama2cFloats = 5 * 4                                        // token embedding
                                      + 2 * (4 + 4 * 4 + 2 * 4 + 2 * 4 + 4 * 4)    // attention norm, q, k, v, o
                                      + 2 * (4 + 3 * 3 * 4)                        // feed-forward norm, w1, w2, w3
                                      + 4 + 2 * 6;                                 // final norm, tables of the rotation

void TestCheckpoints::llama2c()
{
    const std::string tied = llama2cFile({4, 3, 2, 2, 1, 5, 6}, llama2cFloats);
    const auto model = parseLlama2c(bytesOf(tied), "x");
    QVERIFY(model.config.tiedHead);
    QCOMPARE(model.config.headSize, 2);
    QCOMPARE(model.config.contextLength, 6);
    QCOMPARE(model.tensors.size(), 2u + 2u * 9u);
    // The n-th float of the file has the value n: offsets by hand from the order of run.c's memory_map_weights.
    QCOMPARE(firstValue(model.tensors.at("model.embed_tokens.weight")), 0.0f);
    QCOMPARE(firstValue(model.tensors.at("model.layers.1.input_layernorm.weight")), 24.0f);
    QCOMPARE(firstValue(model.tensors.at("model.layers.0.self_attn.q_proj.weight")), 28.0f);
    QCOMPARE(firstValue(model.tensors.at("model.layers.1.self_attn.k_proj.weight")), 68.0f);
    QCOMPARE(firstValue(model.tensors.at("model.layers.0.mlp.gate_proj.weight")), 132.0f);
    QCOMPARE(firstValue(model.tensors.at("model.layers.0.mlp.down_proj.weight")), 156.0f);
    QCOMPARE(firstValue(model.tensors.at("model.layers.1.mlp.up_proj.weight")), 192.0f);
    QCOMPARE(firstValue(model.tensors.at("model.norm.weight")), 204.0f);

    const std::string untied = llama2cFile({4, 3, 2, 2, 1, -5, 6}, llama2cFloats + 20);
    const auto withHead = parseLlama2c(bytesOf(untied), "x");
    QVERIFY(!withHead.config.tiedHead);
    QCOMPARE(withHead.config.vocabularySize, 5);
    QCOMPARE(firstValue(withHead.tensors.at("lm_head.weight")), 220.0f);
}

void TestCheckpoints::badLlama2c_data()
{
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QString>("sentence");
    const auto row = [](const char *name, const std::string &file, const char *sentence) {
        QTest::newRow(name) << QByteArray::fromStdString(file) << QString(sentence);
    };
    const std::size_t whole = llama2cFloats;
    row("short", "abc", "m.bin is only 3 bytes long");
    row("version 1", llama2cFile({0x616b3432, 1, 4, 3, 2, 2, 1, 5, 6}, 100), "m.bin is a llama2.c file of version 1 or later");
    row("text", "A text file that somebody took for a model, long enough for a header.", "m.bin is not a llama2.c model: dim ");
    row("zero", llama2cFile({4, 3, 0, 2, 1, 5, 6}, whole), "m.bin is not a llama2.c model: dim 4, hidden_dim 3, n_layers 0");
    row("negative", llama2cFile({4, 3, 2, 2, -1, 5, 6}, whole), "m.bin is not a llama2.c model");
    row("most negative", llama2cFile({4, 3, 2, 2, 1, std::numeric_limits<std::int32_t>::min(), 6}, whole), "m.bin is not a llama2.c model");
    row("heads", llama2cFile({4, 3, 2, 3, 1, 5, 6}, whole), "m.bin is not a llama2.c model");
    row("truncated", llama2cFile({4, 3, 2, 2, 1, 5, 6}, whole - 1), "m.bin is truncated: 4 more bytes are needed");
    row("gigantic", llama2cFile({1 << 24, 1 << 24, 1 << 24, 2, 1, 1 << 24, 1 << 24}, 10), "m.bin is truncated");
    row("many layers", llama2cFile({4, 3, 1 << 24, 2, 1, 5, 6}, whole), "m.bin is truncated");
    row("longer", llama2cFile({4, 3, 2, 2, 1, 5, 6}, whole + 1), "m.bin: 4 bytes follow the last weight");
}

void TestCheckpoints::badLlama2c()
{
    QFETCH(QByteArray, file);
    QFETCH(QString, sentence);
    const std::string bytes = file.toStdString();
    const std::string complaint = sentenceOf([&] { parseLlama2c(bytesOf(bytes), "m.bin"); });
    QVERIFY2(complaint.starts_with(sentence.toStdString()), complaint.c_str());
}

void TestCheckpoints::configThereAndBack_data()
{
    QTest::addColumn<QString>("name");
    for (const auto &entry : std::filesystem::directory_iterator(std::filesystem::path(RETOSCOPE_TEST_DATA) / "models"))
        QTest::newRow(entry.path().filename().c_str()) << QString::fromStdString(entry.path());
}

/// Reading what was written gives the same model, whatever the spelling of the first file.
void TestCheckpoints::configThereAndBack()
{
    QFETCH(QString, name);
    const Json json = Json::parse(readFile(std::filesystem::path(name.toStdString()) / "config.json"));
    const ModelConfig first = parseHfConfig(json, "first");
    const ModelConfig second = parseHfConfig(toHfConfig(first), "second");
    QCOMPARE(toHfConfig(second).dump(), toHfConfig(first).dump());
    QCOMPARE(second.contextLength, first.contextLength);
    QCOMPARE(second.slidingWindow, first.slidingWindow);
    QCOMPARE(second.firstSlidingLayer, first.firstSlidingLayer);
    QCOMPARE(second.headSize, first.headSize);
    QCOMPARE(second.tiedHead, first.tiedHead);
}

void TestCheckpoints::contextLengths_data()
{
    QTest::addColumn<QString>("config");
    QTest::addColumn<int>("length");
    QTest::newRow("plain") << R"({"max_position_embeddings": 100})" << 100;
    QTest::newRow("linear") << R"({"max_position_embeddings": 100, "rope_scaling": {"type": "linear", "factor": 4}})" << 400;
    QTest::newRow("dynamic") << R"({"max_position_embeddings": 100, "rope_scaling": {"type": "dynamic", "factor": 1.5}})" << 150;
    QTest::newRow("yarn stated") << R"({"max_position_embeddings": 400, "rope_scaling":
        {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 100}})" << 400;
    QTest::newRow("yarn not stated") << R"({"max_position_embeddings": 100, "rope_scaling": {"type": "yarn", "factor": 4}})" << 400;
    QTest::newRow("llama3") << R"({"max_position_embeddings": 800, "rope_scaling":
        {"rope_type": "llama3", "factor": 8, "original_max_position_embeddings": 50}})" << 800;
    QTest::newRow("default") << R"({"max_position_embeddings": 100, "rope_scaling": {"rope_type": "default"}})" << 100;
}

void TestCheckpoints::contextLengths()
{
    QFETCH(QString, config);
    QFETCH(int, length);
    Json json = Json::parse(R"({"model_type": "llama", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 12})");
    json.merge_patch(Json::parse(config.toStdString()));
    QCOMPARE(parseHfConfig(json, "x").contextLength, length);
}

/// RoFormer, equation 15: θ_i = 10000^(−2(i−1)/d); the scaled ones follow on paper from their definitions.
void TestCheckpoints::rotaryByHand()
{
    ModelConfig config;
    config.headSize = 4;
    config.ropeTheta = 10000;
    const auto compare = [&](float first, float second, std::int64_t length = 1) {
        const auto inverse = RotaryFrequencies(config).inverse(length);
        return inverse.size() == 2 && std::abs(inverse[0] / first - 1) < 1e-6f && std::abs(inverse[1] / second - 1) < 1e-6f;
    };
    QVERIFY(compare(1, 0.01f));
    config.ropeScaling = {{"rope_type", "linear"}, {"factor", 4.0}, {"original_max_position_embeddings", 10}};
    QVERIFY(compare(0.25f, 0.0025f));
    // Base 10000 · (2 · 30 / 10 − 1)^(4 / 2) = 250000 at three times the length, 10000 up to it.
    config.ropeScaling = {{"rope_type", "dynamic"}, {"factor", 2.0}, {"original_max_position_embeddings", 10}};
    QVERIFY(compare(1, 0.01f, 10));
    QVERIFY(compare(1, 0.002f, 30));
    QCOMPARE(RotaryFrequencies(config).variesBeyond(), 10);
    // Context 100: the first wave turns 15.9 times (kept), the second 0.16 times (interpolated).
    config.ropeScaling = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0},
                          {"original_max_position_embeddings", 100}};
    QVERIFY(compare(1, 0.00125f));
    QCOMPARE(RotaryFrequencies(config).magnitude(), 1.0f);
}

QTEST_GUILESS_MAIN(TestCheckpoints)
#include "tst_checkpoints.moc"
