// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens a second of a Llama of the example's size: datastore building (keys only), evaluation (keys and scores), and
// generation one token at a time.
#include "../core/model/safetensors_builder.h"

#include "base/atomic_file.h"
#include "model/language_model.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <unistd.h>

#include <random>

using namespace retoscope;
namespace fs = std::filesystem;

namespace {

constexpr std::int32_t vocabulary = 4096, hidden = 256, layers = 6, feedForward = 688, block = 512;

/// Random weights of the usual size; speed does not depend on what they say.
fs::path makeModel()
{
    const fs::path folder = fs::temp_directory_path() / fmt::format("retoscope-bench-{}", ::getpid());
    makeFolder(folder);
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.05f);
    SafetensorsBuilder builder;
    const auto add = [&](const std::string &name, const std::vector<std::int64_t> &shape) {
        std::int64_t count = 1;
        for (const auto size : shape)
            count *= size;
        std::vector<float> values(static_cast<std::size_t>(count), 1);
        if (shape.size() == 2)
            for (float &value : values)
                value = normal(random);
        builder.add(name, shape, values);
    };
    add("model.embed_tokens.weight", {vocabulary, hidden});
    add("model.norm.weight", {hidden});
    for (std::int32_t layer = 0; layer < layers; ++layer) {
        const std::string scope = fmt::format("model.layers.{}.", layer);
        for (const char *norm : {"input_layernorm", "post_attention_layernorm"})
            add(scope + norm + ".weight", {hidden});
        for (const char *projection : {"q", "k", "v", "o"})
            add(fmt::format("{}self_attn.{}_proj.weight", scope, projection), {hidden, hidden});
        add(scope + "mlp.gate_proj.weight", {feedForward, hidden});
        add(scope + "mlp.up_proj.weight", {feedForward, hidden});
        add(scope + "mlp.down_proj.weight", {hidden, feedForward});
    }
    writeFileAtomically(folder / "model.safetensors", builder.file());
    const Json config = {{"model_type", "llama"},       {"vocab_size", vocabulary},          {"hidden_size", hidden},
                         {"num_hidden_layers", layers}, {"num_attention_heads", 8},          {"intermediate_size", feedForward},
                         {"tie_word_embeddings", true}, {"max_position_embeddings", block}};
    writeFileAtomically(folder / "config.json", config.dump());
    return folder;
}

std::shared_ptr<const LanguageModel> model(ComputeType compute)
{
    static const fs::path folder = makeModel();
    LoadOptions options;
    options.compute = compute;
    return LanguageModel::load(folder, options);
}

std::vector<std::int32_t> randomTokens(std::int64_t count)
{
    std::mt19937 random(2);
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
    for (auto &token : tokens)
        token = static_cast<std::int32_t>(random() % vocabulary);
    return tokens;
}

void forward(benchmark::State &state, ComputeType compute, bool scores)
{
    const auto languageModel = model(compute);
    const auto windows = state.range(0);
    const auto tokens = randomTokens(windows * block);
    std::vector<WindowInput> inputs;
    for (std::int64_t w = 0; w < windows; ++w)
        inputs.push_back({std::span(tokens).subspan(static_cast<std::size_t>(w) * block, block), 1});
    ForwardRequest request;
    request.scores = scores;
    ForwardOutput output;
    for (auto _ : state)
        languageModel->forward(inputs, request, output);
    state.counters["tokens/s"] =
        benchmark::Counter(static_cast<double>(state.iterations() * windows * block), benchmark::Counter::kIsRate);
}

void generate(benchmark::State &state, ComputeType compute)
{
    const auto languageModel = model(compute);
    const auto prompt = randomTokens(state.range(0));
    const auto session = languageModel->startSession({});
    session->feed(prompt);
    for (auto _ : state) {
        const auto step = session->fork();
        step->feed(std::span(prompt).first(1));
        benchmark::DoNotOptimize(step->logProbs().data());
    }
    state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

} // namespace

BENCHMARK_CAPTURE(forward, keys_fp32, ComputeType::Float32, false)->Arg(1)->Arg(4)->Arg(8)->UseRealTime();
BENCHMARK_CAPTURE(forward, keys_bf16, ComputeType::BFloat16, false)->Arg(1)->Arg(4)->Arg(8)->UseRealTime();
BENCHMARK_CAPTURE(forward, scores_fp32, ComputeType::Float32, true)->Arg(4)->UseRealTime();
BENCHMARK_CAPTURE(forward, scores_bf16, ComputeType::BFloat16, true)->Arg(4)->UseRealTime();
BENCHMARK_CAPTURE(generate, fp32, ComputeType::Float32)->Arg(256)->UseRealTime();
BENCHMARK_CAPTURE(generate, bf16, ComputeType::BFloat16)->Arg(256)->UseRealTime();

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    fs::remove_all(fs::temp_directory_path() / fmt::format("retoscope-bench-{}", ::getpid()));
}
