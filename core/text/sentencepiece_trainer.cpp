// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/sentencepiece_trainer.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/job.h"
#include "text/sentencepiece_library.h"
#include "text/strict_json.h"
#include "text/utf8.h"

#include <algorithm>
#include <random>
#include <unordered_map>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::string_view configName = "tokenizer training";
constexpr std::size_t longestLine = 4000; // bytes; the trainer skips sentences that are longer than its limit

/// The trainer drops whole sentences with the characters it reserves for itself and refuses NUL. We end a line there
/// instead. U+2581 stands for a space, U+2585 for unknown characters; both reach the model as bytes.
std::size_t findReserved(std::string_view text, std::size_t from)
{
    for (std::size_t at = from; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '\n' || c == '\t' || c == '\0')
            return at;
        if (c == '\xE2' && (text.substr(at, 3) == "\u2581" || text.substr(at, 3) == "\u2585"))
            return at;
    }
    return text.size();
}

/// Calls visit(line) for every piece of text that the trainer may learn from.
template<typename Visit>
void eachLine(std::string_view text, const Visit &visit)
{
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = findReserved(text, at);
        const std::size_t next = end < text.size() ? end + utf8Length(text[end]) : end;
        while (end - at > longestLine) {
            const std::size_t space = text.substr(at, longestLine).rfind(' ');
            const std::size_t cut = space != std::string_view::npos && space > 0 ? at + space : utf8Boundary(text, at + longestLine);
            visit(text.substr(at, cut - at));
            at = cut;
        }
        if (end > at)
            visit(text.substr(at, end - at));
        at = next;
    }
}

/// Uniform sample of lines without replacement (Vitter 1985, algorithm R), in corpus order.
class LineSample
{
public:
    LineSample(std::int64_t capacity, std::uint64_t seed) : m_capacity(capacity), m_random(seed) {}

    void add(std::string_view line)
    {
        if (m_capacity == 0 || static_cast<std::int64_t>(m_lines.size()) < m_capacity) {
            m_lines.emplace_back(m_seen, line);
        } else if (const auto slot = m_random() % static_cast<std::uint64_t>(m_seen + 1); slot < static_cast<std::uint64_t>(m_capacity)) {
            m_lines[slot] = {m_seen, std::string(line)};
        }
        ++m_seen;
    }

    std::vector<std::string> take()
    {
        std::sort(m_lines.begin(), m_lines.end());
        std::vector<std::string> lines;
        lines.reserve(m_lines.size());
        for (auto &line : m_lines)
            lines.push_back(std::move(line.second));
        return lines;
    }

private:
    std::int64_t m_capacity;
    std::mt19937_64 m_random;
    std::int64_t m_seen = 0;
    std::vector<std::pair<std::int64_t, std::string>> m_lines; ///< number of the line, line
};

std::vector<std::string> readLines(const SentencePieceTraining &config, const Corpus &corpus, JobControl &job)
{
    std::vector<Split> splits;
    for (const std::string &name : config.splits)
        splits.push_back(splitFromString(name));
    LineSample sample(config.maximalLines, config.seed);
    const std::int64_t total = corpus.documentCount();
    for (std::int64_t d = 0; d < total; ++d) {
        job.checkpoint();
        job.report("reading the corpus", "documents", d + 1, total);
        const DocumentId document(static_cast<std::int32_t>(d));
        if (std::find(splits.begin(), splits.end(), corpus.split(document)) != splits.end())
            eachLine(corpus.text(document), [&](std::string_view line) { sample.add(line); });
    }
    auto lines = sample.take();
    if (lines.empty())
        fail(ErrorKind::BadInput, "The corpus has no text in the split {}; train the tokenizer on another one.", fmt::join(config.splits, ", "));
    return lines;
}

void check(const SentencePieceTraining &config)
{
    constexpr std::int32_t smallest = 256 + 3 + 2; // bytes, control tokens, newline and tab
    if (config.vocabularySize <= smallest || config.vocabularySize > 1'000'000)
        fail(ErrorKind::BadInput, "vocabularySize is {}; it must lie between {} and 1000000.", config.vocabularySize, smallest + 1);
    if (config.type != "bpe" && config.type != "unigram")
        fail(ErrorKind::BadInput, "The type of a SentencePiece tokenizer is 'bpe' or 'unigram', not '{}'.", config.type);
    if (!(config.characterCoverage > 0.9 && config.characterCoverage <= 1.0))
        fail(ErrorKind::BadInput, "characterCoverage is {}; it must lie above 0.9 and at most at 1.", config.characterCoverage);
    if (config.maximalLines < 0)
        fail(ErrorKind::BadInput, "maximalLines is {}; it must not be negative (0 means all lines).", config.maximalLines);
}

std::string trainModel(const SentencePieceTraining &config, std::vector<std::string> lines)
{
    const std::unordered_map<std::string, std::string> options{
        {"vocab_size", std::to_string(config.vocabularySize)},
        {"model_type", config.type},
        {"character_coverage", fmt::format("{}", config.characterCoverage)},
        {"split_digits", config.splitDigits ? "true" : "false"},
        {"byte_fallback", "true"},
        {"normalization_rule_name", "identity"},
        {"remove_extra_whitespaces", "false"},
        {"add_dummy_prefix", "false"},
        {"allow_whitespace_only_pieces", "true"},
        {"user_defined_symbols", "\n,\t"},
        {"max_sentence_length", std::to_string(2 * longestLine)},
        {"shuffle_input_sentence", "false"},
        {"num_threads", "4"}, // the sums of the unigram trainer depend on it; a fixed number keeps the model the same
        {"unk_id", "0"}, {"bos_id", "1"}, {"eos_id", "2"}, {"pad_id", "-1"},
        {"minloglevel", "2"},
    };
    std::string model;
    const std::string problem = sentencePieceLibrary().train(options, std::move(lines), model);
    if (!problem.empty() || model.empty()) {
        // The library's messages begin with its source line and condition: "file.cc(660) [condition] Vocabulary size …".
        std::string_view message = problem.empty() ? "it wrote no model" : std::string_view(problem);
        if (const std::size_t end = message.rfind("] "); end != std::string_view::npos)
            message.remove_prefix(end + 2);
        fail(ErrorKind::BadInput, "SentencePiece cannot train this tokenizer: {} (give it more text or a smaller vocabulary).", message);
    }
    return model;
}

} // namespace

void to_json(Json &json, const SentencePieceTraining &config)
{
    json = {{"vocabularySize", config.vocabularySize}, {"type", config.type},
            {"characterCoverage", config.characterCoverage}, {"splitDigits", config.splitDigits},
            {"maximalLines", config.maximalLines}, {"seed", config.seed}, {"splits", config.splits}};
}

void from_json(const Json &json, SentencePieceTraining &config)
{
    requireKnownFields(json, configName,
                       {"vocabularySize", "type", "characterCoverage", "splitDigits", "maximalLines", "seed", "splits"});
    config = {};
    readField(json, configName, "vocabularySize", config.vocabularySize);
    readField(json, configName, "type", config.type);
    readField(json, configName, "characterCoverage", config.characterCoverage);
    readField(json, configName, "splitDigits", config.splitDigits);
    readField(json, configName, "maximalLines", config.maximalLines);
    readField(json, configName, "seed", config.seed);
    readField(json, configName, "splits", config.splits);
    check(config);
}

fs::path trainSentencePiece(const SentencePieceTraining &config, const Corpus &corpus, const fs::path &folder, JobControl &job)
{
    check(config);
    const FolderLock lock(folder);
    auto lines = readLines(config, corpus, job);
    job.report("training the tokenizer", "tokens", 0, config.vocabularySize);
    const std::string model = trainModel(config, std::move(lines));
    const fs::path path = folder / "tokenizer.model";
    writeFileAtomically(path, model);
    Manifest manifest{.format = "retoscope-tokenizer", .version = 1};
    manifest.identity = {{"corpus", corpus.fingerprint()}, {"training", config}};
    addFile(manifest, folder, "tokenizer.model");
    writeManifest(manifest, folder);
    job.report("training the tokenizer", "tokens", config.vocabularySize, config.vocabularySize);
    return path;
}

} // namespace retoscope
