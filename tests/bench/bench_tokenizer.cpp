// SPDX-License-Identifier: GPL-3.0-or-later
// Encoding rate of each kind of tokenizer on English text, on one core; the target for byte-level BPE is 5 MB/s. Needs the
// tokenizers and the text in $RETOSCOPE_SHARED.
#include "base/atomic_file.h"
#include "text/tokenizer.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

using namespace retoscope;

namespace {

std::filesystem::path shared(const char *relative)
{
    const char *folder = std::getenv("RETOSCOPE_SHARED");
    return std::filesystem::path(folder ? folder : ".") / "data" / relative;
}

void encode(benchmark::State &state, const char *path, bool spans)
{
    const auto text = shared("wikitext2/wiki.test.raw");
    if (!std::filesystem::exists(text) || !std::filesystem::exists(shared(path))) {
        state.SkipWithError("set RETOSCOPE_SHARED to the folder that holds data/tokenizers and data/wikitext2");
        return;
    }
    const std::string bytes = readFile(text);
    const auto tokenizer = Tokenizer::load(shared(path));
    std::size_t tokens = 0;
    for (auto _ : state) {
        tokens = spans ? tokenizer->encodeWithSpans(bytes).ids.size() : tokenizer->encode(bytes).size();
        benchmark::DoNotOptimize(tokens);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
    state.counters["tokens"] = static_cast<double>(tokens);
}

} // namespace

BENCHMARK_CAPTURE(encode, gpt2, "tokenizers/gpt2", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, gpt2_spans, "tokenizers/gpt2", true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, gpt_neox_nfc, "tokenizers/gpt_neox/20B_tokenizer.json", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, llama2c, "tokenizers/llama2/tokenizer.bin", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, llama2_sentencepiece, "tokenizers/llama2/tokenizer.model", false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, t5_sentencepiece, "tokenizers/t5/spiece.model", false)->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
