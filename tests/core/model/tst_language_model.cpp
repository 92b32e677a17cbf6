// SPDX-License-Identifier: GPL-3.0-or-later
// Models against second sources: transformers (tests/oracle/make_model_fixtures.py), llama2.c and minGPT.
#include "core/model/safetensors_builder.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/npy.h"
#include "base/threads.h"
#include "model/language_model.h"

#include <QByteArray>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

fs::path shared(const std::string &name)
{
    return fs::path(qEnvironmentVariable("RETOSCOPE_SHARED").toStdString()) / name;
}

fs::path fixture(const std::string &name)
{
    return fs::path(RETOSCOPE_TEST_DATA) / "models" / name;
}

std::vector<std::int32_t> tokensOf(const fs::path &path)
{
    const auto wide = NpyFile(path).integers();
    return {wide.begin(), wide.end()};
}

double largestDifference(std::span<const float> a, std::span<const float> b)
{
    if (a.size() != b.size())
        return std::numeric_limits<double>::infinity();
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = std::abs(double(a[i]) - double(b[i]));
        largest = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(largest, difference);
    }
    return largest;
}

double largestDifference(std::span<const float> a, const fs::path &golden)
{
    const NpyFile file(golden);
    return largestDifference(a, file.values<float>());
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

std::int32_t mostProbable(std::span<const float> logProbs)
{
    return static_cast<std::int32_t>(std::max_element(logProbs.begin(), logProbs.end()) - logProbs.begin());
}

constexpr TapPlace places[] = {TapPlace::FfnInput,       TapPlace::FfnInputPreNorm,       TapPlace::AttentionInput,
                               TapPlace::AttentionInputPreNorm, TapPlace::BlockOutput};

#define REQUIRE_SHARED(path)                                                                                           \
    if (!fs::exists(path))                                                                                             \
    QSKIP("The folder of real weights (RETOSCOPE_SHARED) is absent.")

} // namespace

class TestLanguageModel : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void transformersAgrees_data();
    void transformersAgrees();
    void cacheEqualsFullForward_data();
    void cacheEqualsFullForward();
    void forwardEqualsLogitsAndTaps_data();
    void forwardEqualsLogitsAndTaps();
    void manyWindows_data();
    void manyWindows();
    void forkIsIndependent();
    void bfloat16IsClose_data();
    void bfloat16IsClose();
    void shardsEqualOneFile();
    void namesWithoutPrefix();
    void fingerprints();
    void tapsAsJson();
    void stories260kGreedy();
    void stories260kGolden();
    void minGptLayerByLayer();
    void badRequests();
    void badModels_data();
    void badModels();
    void badFolders();
};

/// The models are so small that a second thread would only be waited for; manyWindows() takes more.
void TestLanguageModel::initTestCase()
{
    setThreadCount(1);
}

void TestLanguageModel::transformersAgrees_data()
{
    QTest::addColumn<QString>("name");
    for (const auto &entry : fs::directory_iterator(fs::path(RETOSCOPE_TEST_DATA) / "models"))
        if (fs::exists(entry.path() / "logits.npy"))
            QTest::newRow(entry.path().filename().c_str()) << QString::fromStdString(entry.path().filename());
}

void TestLanguageModel::transformersAgrees()
{
    QFETCH(QString, name);
    const fs::path folder = fixture(name.toStdString());
    const auto model = LanguageModel::load(folder);
    const auto tokens = tokensOf(folder / "tokens.npy");
    QCOMPARE_LT(largestDifference(model->logits(tokens), folder / "logits.npy"), 1e-4);

    // taps.npy: [places in the order below × layers, then the head's input] [tokens × hidden]
    const NpyFile golden(folder / "taps.npy");
    const auto values = golden.values<float>();
    const std::size_t size = tokens.size() * static_cast<std::size_t>(model->config().hiddenSize);
    std::size_t at = 0;
    for (const TapPlace place : places) {
        for (std::int32_t layer = 0; layer < model->config().layers; ++layer, ++at)
            QVERIFY2(largestDifference(model->taps(tokens, {place, layer}), values.subspan(at * size, size)) < 1e-4,
                     fmt::format("{} of layer {}", toString(place), layer).c_str());
    }
    QCOMPARE_LT(largestDifference(model->taps(tokens, {TapPlace::HeadInput, -1}), values.subspan(at * size, size)), 1e-4);
    QCOMPARE(values.size(), (at + 1) * size);
    QCOMPARE(model->taps(tokens, {TapPlace::FfnInput, -1}), model->taps(tokens, {TapPlace::FfnInput, model->config().layers - 1}));
}

void TestLanguageModel::cacheEqualsFullForward_data()
{
    transformersAgrees_data();
}

void TestLanguageModel::cacheEqualsFullForward()
{
    QFETCH(QString, name);
    const fs::path folder = fixture(name.toStdString());
    const auto model = LanguageModel::load(folder);
    const auto tokens = tokensOf(folder / "tokens.npy");
    const auto session = model->startSession({TapPlace::FfnInput, -1});
    // A prompt, then one by one, then in pieces that cross the blocks of the attention.
    std::size_t before = 0;
    for (const std::size_t length : {3, 4, 5, 6, 20, 21, 24, 100, 127, 128, 129, 130, 150}) {
        if (length > tokens.size())
            break;
        const std::span<const std::int32_t> sequence(tokens.data(), length);
        session->feed(sequence.subspan(before));
        before = length;
        QCOMPARE(session->length(), static_cast<std::int32_t>(length));

        const auto logits = model->logits(sequence);
        std::vector<float> last(logits.end() - model->config().vocabularySize, logits.end());
        const float shift = std::log(std::accumulate(last.begin(), last.end(), 0.0f, [](float sum, float logit) {
            return sum + std::exp(logit);
        }));
        for (float &logit : last)
            logit -= shift;
        QCOMPARE_LT(largestDifference(session->logProbs(), last), 1e-4);
        const auto taps = model->taps(sequence, {TapPlace::FfnInput, -1});
        const std::vector<float> lastTap(taps.end() - model->config().hiddenSize, taps.end());
        QCOMPARE_LT(largestDifference(session->query(), lastTap), 1e-4);
    }
}

void TestLanguageModel::forwardEqualsLogitsAndTaps_data()
{
    QTest::addColumn<QString>("name");
    QTest::newRow("gpt2") << "gpt2_tied";
    QTest::newRow("llama") << "llama_gqa";
    QTest::newRow("dynamic") << "llama_dynamic";
}

/// Two windows of different length in one batch: log-probabilities, entropies, candidates and keys follow from logits().
void TestLanguageModel::forwardEqualsLogitsAndTaps()
{
    QFETCH(QString, name);
    const fs::path folder = fixture(name.toStdString());
    const auto model = LanguageModel::load(folder);
    const auto tokens = tokensOf(folder / "tokens.npy");
    const std::span<const std::int32_t> all(tokens);
    const std::vector<WindowInput> windows = {{all, 1}, {all.first(7), 4}, {all.first(1), 1}};
    ForwardRequest request;
    request.scores = true;
    request.topCandidates = 3;
    ForwardOutput output;
    model->forward(windows, request, output);
    const auto hidden = static_cast<std::size_t>(model->config().hiddenSize);
    const auto vocabulary = static_cast<std::size_t>(model->config().vocabularySize);
    QCOMPARE(output.positions, static_cast<std::int64_t>(tokens.size()) - 1 + 3);
    QCOMPARE(output.keys.size(), static_cast<std::size_t>(output.positions) * hidden);

    std::size_t row = 0;
    for (const WindowInput &window : windows) {
        const auto logits = model->logits(window.tokens);
        const auto taps = model->taps(window.tokens, request.tap);
        for (auto t = static_cast<std::size_t>(window.firstTarget); t < window.tokens.size(); ++t, ++row) {
            const std::span<const float> scores = std::span(logits).subspan((t - 1) * vocabulary, vocabulary);
            double sum = 0, entropy = 0;
            for (const float score : scores)
                sum += std::exp(double(score));
            for (const float score : scores)
                entropy -= std::exp(score - std::log(sum)) * (score - std::log(sum));
            const double target = scores[static_cast<std::size_t>(window.tokens[t])] - std::log(sum);
            QVERIFY(std::abs(output.targetLogProbs[row] - target) < 1e-5);
            QVERIFY(std::abs(output.entropies[row] - entropy) < 1e-5);
            QCOMPARE(output.topIds[row * 3], mostProbable(scores));
            QVERIFY(output.topLogProbs[row * 3] >= output.topLogProbs[row * 3 + 1]);
            QVERIFY(output.topLogProbs[row * 3 + 1] >= output.topLogProbs[row * 3 + 2]);
            QVERIFY(std::abs(output.topLogProbs[row * 3 + 2] -
                             (scores[static_cast<std::size_t>(output.topIds[row * 3 + 2])] - std::log(sum))) < 1e-5);
            QVERIFY(largestDifference(std::span(output.keys).subspan(row * hidden, hidden),
                                      std::span(taps).subspan((t - 1) * hidden, hidden)) < 1e-5);
        }
    }
    ForwardOutput keysOnly;
    model->forward(windows, {}, keysOnly);
    QCOMPARE_LT(largestDifference(keysOnly.keys, output.keys), 1e-5);
    QVERIFY(keysOnly.targetLogProbs.empty() && keysOnly.topIds.empty());
}

void TestLanguageModel::manyWindows_data()
{
    QTest::addColumn<int>("threads");
    QTest::newRow("one after the other") << 1;
    QTest::newRow("side by side") << 3;
}

/// More windows than one batch takes, of changing lengths: as each window alone.
void TestLanguageModel::manyWindows()
{
    QFETCH(int, threads);
    const auto model = LanguageModel::load(fixture("llama_gqa"));
    const auto pattern = tokensOf(fixture("llama_gqa") / "tokens.npy");
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 4000; ++i)
        tokens.push_back((pattern[static_cast<std::size_t>(i) % pattern.size()] + i / 24) % 53);
    std::vector<WindowInput> windows;
    for (std::size_t begin = 0; begin + 64 < tokens.size(); begin += 40) {
        const std::size_t length = 64 - begin % 37;
        windows.push_back({std::span(tokens).subspan(begin, length), static_cast<std::int32_t>(1 + begin % 5)});
    }
    ForwardRequest request;
    request.scores = true;
    ForwardOutput together;
    setThreadCount(threads);
    model->forward(windows, request, together);
    setThreadCount(1);

    std::size_t row = 0;
    for (const WindowInput &window : windows) {
        ForwardOutput alone;
        model->forward(std::span(&window, 1), request, alone);
        const auto rows = static_cast<std::size_t>(alone.positions);
        // A window alone goes to BLAS, a batch to oneDNN: other orders of summation.
        QCOMPARE_LT(largestDifference(alone.targetLogProbs, std::span(together.targetLogProbs).subspan(row, rows)), 1e-4);
        QCOMPARE_LT(largestDifference(alone.keys, std::span(together.keys).subspan(row * 24, rows * 24)), 1e-4);
        row += rows;
    }
    QCOMPARE(static_cast<std::int64_t>(row), together.positions);
}

void TestLanguageModel::forkIsIndependent()
{
    const fs::path folder = fixture("llama_gqa");
    const auto model = LanguageModel::load(folder);
    const auto tokens = tokensOf(folder / "tokens.npy");
    const std::span<const std::int32_t> all(tokens);
    const auto trunk = model->startSession({});
    trunk->feed(all.first(5));
    const auto branch = trunk->fork();
    QCOMPARE(branch->length(), 5);
    QVERIFY(std::ranges::equal(branch->logProbs(), trunk->logProbs()));
    branch->feed(std::vector<std::int32_t>{1, 2, 3});
    trunk->feed(all.subspan(5, 3));

    const auto straight = model->startSession({});
    straight->feed(all.first(8));
    QCOMPARE_LT(largestDifference(trunk->logProbs(), straight->logProbs()), 1e-5);
    QVERIFY(largestDifference(branch->logProbs(), straight->logProbs()) > 1e-3);
}

void TestLanguageModel::bfloat16IsClose_data()
{
    forwardEqualsLogitsAndTaps_data();
}

/// bf16 keeps 8 bits of each number: far from 1e-4, but close in the mean.
void TestLanguageModel::bfloat16IsClose()
{
    QFETCH(QString, name);
    const fs::path folder = fixture(name.toStdString());
    LoadOptions options;
    options.compute = ComputeType::BFloat16;
    const auto model = LanguageModel::load(folder, options);
    const NpyFile golden(folder / "logits.npy");
    const auto expected = golden.values<float>();
    const auto logits = model->logits(tokensOf(folder / "tokens.npy"));
    QCOMPARE(logits.size(), expected.size());
    double error = 0, power = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        error += std::pow(double(logits[i]) - double(expected[i]), 2);
        power += std::pow(double(expected[i]), 2);
    }
    QCOMPARE_LT(std::sqrt(error / power), 0.04);
    QCOMPARE_GT(std::sqrt(error / power), 1e-4); // it did compute in bf16
}

void TestLanguageModel::shardsEqualOneFile()
{
    const auto sharded = LanguageModel::load(fixture("llama_sharded"));
    const auto whole = LanguageModel::load(fixture("llama_gqa"));
    QCOMPARE(sharded->fingerprint(), whole->fingerprint());
    QVERIFY(!fs::exists(fixture("llama_sharded") / "model.safetensors"));
}

void TestLanguageModel::namesWithoutPrefix()
{
    const auto bare = LanguageModel::load(fixture("gpt2_bare"));
    const auto full = LanguageModel::load(fixture("gpt2_tied"));
    QCOMPARE(bare->fingerprint(), full->fingerprint());
}

void TestLanguageModel::fingerprints()
{
    const auto fp32 = LanguageModel::load(fixture("llama_gqa"));
    LoadOptions options;
    options.compute = ComputeType::BFloat16;
    QCOMPARE(LanguageModel::load(fixture("llama_gqa"), options)->fingerprint(), fp32->fingerprint());
    QCOMPARE(fp32->fingerprint().size(), 64u);
    QVERIFY(LanguageModel::load(fixture("llama_linear"))->fingerprint() != fp32->fingerprint());

    // One changed bit of one weight.
    QTemporaryDir folder;
    const fs::path copy(folder.path().toStdString());
    fs::copy(fixture("llama_gqa"), copy, fs::copy_options::recursive);
    std::string weights = readFile(copy / "model.safetensors");
    weights.back() = static_cast<char>(weights.back() ^ 1);
    writeFileAtomically(copy / "model.safetensors", weights);
    QVERIFY(LanguageModel::load(copy)->fingerprint() != fp32->fingerprint());
}

void TestLanguageModel::tapsAsJson()
{
    for (const TapPlace place : places) {
        const KeyTap tap{place, 3};
        QVERIFY(Json(tap).get<KeyTap>() == tap);
        QVERIFY(tapPlaceFromString(toString(place)) == place);
    }
    QVERIFY(Json::object().get<KeyTap>() == KeyTap());
    QCOMPARE(toString(TapPlace::FfnInputPreNorm), std::string_view("ffn_input_pre_norm"));
    QCOMPARE(toString(computeTypeFromString("bf16")), std::string_view("bf16"));
    QVERIFY(sentenceOf([] { tapPlaceFromString("ffn"); }).find("attention_input_pre_norm") != std::string::npos);
    QVERIFY(sentenceOf([] { computeTypeFromString("fp8"); }).find("'fp8'") != std::string::npos);
    QVERIFY(sentenceOf([] { (void)Json::parse(R"({"plaze": "x"})").get<KeyTap>(); }).find("'plaze'") != std::string::npos);
}

/// What llama2.c's run prints with temperature 0, byte for byte.
void TestLanguageModel::stories260kGreedy()
{
    REQUIRE_SHARED(shared("data/stories260K"));
    const auto model = LanguageModel::load(shared("data/stories260K/stories260K.bin"));
    QCOMPARE(model->parameterCount(), 260032);
    const auto golden = tokensOf(shared("golden/stories260k_hf/golden_greedy_ids.npy"));
    const auto session = model->startSession({});
    std::vector<std::int32_t> ids = {1};
    for (int i = 0; i < 200; ++i) {
        session->feed(std::span(ids).last(1));
        ids.push_back(mostProbable(session->logProbs()));
    }
    QCOMPARE(ids, golden);

    const Json pieces = Json::parse(readFile(shared("golden/stories260k_hf/pieces.json")));
    QString text;
    for (std::size_t i = 1; i < ids.size(); ++i) {
        const auto piece = QString::fromStdString(pieces[static_cast<std::size_t>(ids[i])]["piece"].get<std::string>());
        text += piece == "<0x0A>" ? QString("\n") : piece;
    }
    text.replace(QChar(0x2581), ' ');
    const auto expected = QString::fromStdString(readFile(shared("data/stories260K/expected_greedy_200.txt")));
    QCOMPARE(text.trimmed(), expected.trimmed());
}

void TestLanguageModel::stories260kGolden()
{
    const fs::path folder = shared("golden/stories260k_hf");
    REQUIRE_SHARED(folder);
    const auto converted = LanguageModel::load(folder);
    const auto original = LanguageModel::load(shared("data/stories260K/stories260K.bin"));
    const NpyFile logits(folder / "golden_logits.npy"), keys(folder / "golden_ffn_input.npy");
    const Json prompts = Json::parse(readFile(folder / "golden_prompts.json"));
    std::size_t row = 0;
    for (const Json &ids : prompts["ids"]) {
        const auto tokens = ids.get<std::vector<std::int32_t>>();
        for (const auto &model : {converted, original}) {
            QCOMPARE_LT(largestDifference(model->logits(tokens), logits.values<float>().subspan(row * 512, tokens.size() * 512)),
                        1e-4);
            QCOMPARE_LT(largestDifference(model->taps(tokens, {}), keys.values<float>().subspan(row * 64, tokens.size() * 64)),
                        1e-4);
        }
        row += tokens.size();
    }
    QCOMPARE(static_cast<std::int64_t>(row), logits.header().shape[0]);
    // The permutation of llama2.c's rotation gives the converted weights bit for bit.
    QCOMPARE(original->fingerprint(), converted->fingerprint());
}

/// minGPT's weights, and every activation that its own code computes on three sequences.
void TestLanguageModel::minGptLayerByLayer()
{
    const fs::path source = shared("data/gpt_nano_sort");
    REQUIRE_SHARED(source);
    const auto tensor = [](const Json &entry) {
        const QByteArray bytes = QByteArray::fromBase64(QByteArray::fromStdString(entry["data"].get<std::string>()));
        std::vector<float> values(static_cast<std::size_t>(bytes.size()) / sizeof(float));
        std::memcpy(values.data(), bytes.constData(), values.size() * sizeof(float));
        return values;
    };
    // minGPT's Linear layers are [out, in]; GPT-2's Conv1D files are [in, out].
    SafetensorsBuilder builder;
    const Json weights = Json::parse(readFile(source / "gpt-nano-sort-model.json"));
    for (const auto &[name, entry] : weights.items()) {
        if (name == "config" || name.ends_with(".attn.bias"))
            continue;
        auto shape = entry["shape"].get<std::vector<std::int64_t>>();
        auto values = tensor(entry);
        if (shape.size() == 2 && name.starts_with("transformer.h.")) {
            const auto rows = static_cast<std::size_t>(shape[0]), columns = static_cast<std::size_t>(shape[1]);
            std::vector<float> transposed(values.size());
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t c = 0; c < columns; ++c)
                    transposed[c * rows + r] = values[r * columns + c];
            values.swap(transposed);
            std::swap(shape[0], shape[1]);
        }
        builder.add(name, shape, values);
    }
    QTemporaryDir folder;
    const fs::path path(folder.path().toStdString());
    writeFileAtomically(path / "model.safetensors", builder.file());
    writeFileAtomically(path / "config.json", R"({"model_type": "gpt2", "vocab_size": 3, "n_embd": 48, "n_layer": 3, "n_head": 3,
        "n_positions": 11, "tie_word_embeddings": false})");
    const auto model = LanguageModel::load(path);

    const Json partials = Json::parse(readFile(source / "gpt-nano-sort-t0-partials.json"));
    const auto ids = tensor(partials["idx"]);
    const auto agrees = [&](const char *name, std::size_t sequence, const std::vector<float> &ours) {
        const auto golden = tensor(partials[name]);
        const double difference = largestDifference(ours, std::span(golden).subspan(sequence * ours.size(), ours.size()));
        return difference < 1e-4 ? std::string() : fmt::format("{} of sequence {} differs by {}", name, sequence, difference);
    };
    for (std::size_t sequence = 0; sequence < 3; ++sequence) {
        const std::vector<std::int32_t> tokens(ids.begin() + static_cast<std::ptrdiff_t>(sequence * 11),
                                               ids.begin() + static_cast<std::ptrdiff_t>(sequence * 11 + 11));
        const std::pair<const char *, KeyTap> taps[] = {
            {"x", {TapPlace::AttentionInputPreNorm, 0}},   {"ln1", {TapPlace::AttentionInput, 0}},
            {"attnResid", {TapPlace::FfnInputPreNorm, 0}}, {"ln2", {TapPlace::FfnInput, 0}},
            {"block0", {TapPlace::BlockOutput, 0}},        {"block1", {TapPlace::BlockOutput, 1}},
            {"block2", {TapPlace::BlockOutput, 2}},        {"ln_f", {TapPlace::HeadInput, -1}}};
        for (const auto &[name, tap] : taps)
            QCOMPARE(agrees(name, sequence, model->taps(tokens, tap)), std::string());
        QCOMPARE(agrees("lm_head", sequence, model->logits(tokens)), std::string());
    }
}

void TestLanguageModel::badRequests()
{
    const auto model = LanguageModel::load(fixture("llama_gqa")); // 53 tokens, context 64, 2 layers
    const auto complaint = [&](const std::vector<std::int32_t> &tokens, ForwardRequest request = {}, std::int32_t first = 1) {
        return sentenceOf([&] {
            ForwardOutput output;
            model->forward(std::vector<WindowInput>{{tokens, first}}, request, output);
        });
    };
    QCOMPARE(complaint({1, 53}), std::string("Token 53 is outside the model's vocabulary of 53; use the model's own tokenizer."));
    QVERIFY(complaint({-1, 2}).starts_with("Token -1 is outside"));
    QCOMPARE(complaint(std::vector<std::int32_t>(65, 1)),
             std::string("A sequence of 65 tokens is longer than the model's context of 64; choose shorter windows."));
    QCOMPARE(complaint({1, 2}, {{TapPlace::FfnInput, 2}}),
             std::string("The tap names layer 2, but the model has 2 layers; choose one from -2 to 1."));
    QVERIFY(complaint({1, 2}, {{TapPlace::FfnInput, -3}}).starts_with("The tap names layer -3"));
    QVERIFY(complaint({1, 2}, {}, 0).starts_with("The first target of a window is 0"));
    QVERIFY(complaint({1, 2}, {{}, true, true, 54}).starts_with("54 candidates"));

    const auto session = model->startSession({});
    session->feed(std::vector<std::int32_t>(60, 1));
    QVERIFY(sentenceOf([&] { session->feed(std::vector<std::int32_t>(5, 1)); }).starts_with("A sequence of 65 tokens"));
    QCOMPARE(session->length(), 60); // and it can go on
    session->feed(std::vector<std::int32_t>(4, 1));
    QCOMPARE(session->length(), 64);

    LoadOptions options;
    options.device = "tpu";
    QCOMPARE(sentenceOf([&] { LanguageModel::load(fixture("llama_gqa"), options); }),
             std::string("The device 'tpu' is not known; use cpu, cuda or cuda:N."));
    options.device = "cuda:99";
    QVERIFY(sentenceOf([&] { LanguageModel::load(fixture("llama_gqa"), options); }).starts_with("The device 'cuda:99' was asked for"));
}

void TestLanguageModel::badModels_data()
{
    QTest::addColumn<QString>("config"); // merge patch on llama_gqa's
    QTest::addColumn<QString>("sentence");
    const auto row = [](const char *name, const char *config, const char *sentence) {
        QTest::newRow(name) << QString(config) << QString(sentence);
    };
    row("unknown architecture", R"({"model_type": "mamba"})",
        "the architecture 'mamba' is not known; known are gpt2, llama, mistral, qwen2.");
    row("unknown class", R"({"model_type": null, "architectures": ["MambaForCausalLM"]})",
        "the architecture 'MambaForCausalLM' is not known");
    row("no size", R"({"hidden_size": null})", "has no field 'hidden_size'");
    row("negative size", R"({"vocab_size": -3})", "'vocab_size' is -3, but a whole number from 1 to 16777216 is needed.");
    row("gigantic size", R"({"num_hidden_layers": 99999999999})", "'num_hidden_layers' is 99999999999");
    row("text for size", R"({"num_attention_heads": "4"})", "'num_attention_heads' is \"4\"");
    row("heads", R"({"num_key_value_heads": 3})", "'num_attention_heads' 4 is no multiple of 'num_key_value_heads' 3.");
    row("odd heads", R"({"head_dim": 7})", "cannot be rotated in pairs");
    row("activation", R"({"hidden_act": "mish"})", "the activation 'mish' is not known");
    row("partial rotation", R"({"partial_rotary_factor": 0.5})", "'partial_rotary_factor' is 0.5");
    row("scaling", R"({"rope_parameters": {"rope_type": "longrope"}})", "the scaling 'longrope' is not known");
    row("scaling factor", R"({"rope_parameters": {"rope_type": "linear", "factor": 0.5}})", "'factor' is 0.5");
    row("epsilon", R"({"rms_norm_eps": 0})", "'rms_norm_eps' is 0, but a positive number is needed.");
    row("misshapen", R"({"intermediate_size": 41, "tie_word_embeddings": false})",
        "7 weights do not fit the configuration (lm_head.weight is missing; model.layers.0.mlp.down_proj.weight is [24, 40] "
        "instead of [24, 41]; model.layers.0.mlp.gate_proj.weight is [40, 24] instead of [41, 24]; "
        "model.layers.0.mlp.up_proj.weight is [40, 24] instead of [41, 24]; model.layers.1.mlp");
    row("missing biases", R"({"attention_bias": true})",
        "8 weights do not fit the configuration (model.layers.0.self_attn.k_proj.bias is missing; ");
}

void TestLanguageModel::badModels()
{
    QFETCH(QString, config);
    QFETCH(QString, sentence);
    QTemporaryDir folder;
    const fs::path path(folder.path().toStdString());
    fs::copy(fixture("llama_gqa"), path, fs::copy_options::recursive);
    Json json = Json::parse(readFile(path / "config.json"));
    json.merge_patch(Json::parse(config.toStdString()));
    writeFileAtomically(path / "config.json", json.dump());
    const std::string complaint = sentenceOf([&] { LanguageModel::load(path); });
    QVERIFY2(complaint.find(sentence.toStdString()) != std::string::npos, complaint.c_str());
    QVERIFY2(complaint.find(path.string()) != std::string::npos, complaint.c_str());
}

void TestLanguageModel::badFolders()
{
    QTemporaryDir folder;
    const fs::path path(folder.path().toStdString());
    const auto complaint = [&](const fs::path &model) { return sentenceOf([&] { LanguageModel::load(model); }); };
    QVERIFY(complaint(path / "nowhere").find("There is no model at") == 0);
    QVERIFY(complaint(path).find("has no config.json") != std::string::npos);
    writeFileAtomically(path / "config.json", "{");
    QVERIFY(complaint(path).find("config.json is not valid JSON") != std::string::npos);
    writeFileAtomically(path / "config.json", "[]");
    QVERIFY(complaint(path).find("is not a JSON object") != std::string::npos);
    fs::copy(fixture("llama_gqa") / "config.json", path / "config.json", fs::copy_options::overwrite_existing);
    QVERIFY(complaint(path).find("has no model.safetensors and no model.safetensors.index.json") != std::string::npos);
    writeFileAtomically(path / "pytorch_model.bin", "pickle");
    QVERIFY(complaint(path).find("holds only pytorch_model.bin, a pickle that could run code") != std::string::npos);
    const auto index = path / "model.safetensors.index.json";
    writeFileAtomically(index, R"({"metadata": {}})");
    QVERIFY(complaint(path).find("has no 'weight_map'") != std::string::npos);
    writeFileAtomically(index, R"({"weight_map": {"lm_head.weight": "../../etc/passwd"}})");
    QVERIFY(complaint(path).find("which is no plain file name") != std::string::npos);
    writeFileAtomically(index, R"({"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}})");
    QVERIFY(complaint(path).find("model-00001-of-00002.safetensors, which is not there") != std::string::npos);

    SafetensorsBuilder builder;
    builder.add("model.norm.weight", "I32", {24}, std::string(96, '\0'));
    writeFileAtomically(path / "model.safetensors", builder.file());
    QVERIFY(complaint(path).find("'model.norm.weight' is stored as I32; save the model as float32, bfloat16 or float16.") !=
            std::string::npos);
}

QTEST_GUILESS_MAIN(TestLanguageModel)
#include "tst_language_model.moc"
