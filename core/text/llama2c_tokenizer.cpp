// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizer file of llama2.c: int32 longest token, then per token float score, int32 length, bytes; little-endian, no
// count. Encoding follows run.c: a space in front, code points, bytes (id byte + 3) for unknown ones, then the adjacent
// pair whose concatenation has the best score is merged, the leftmost among equals.
#include "text/bpe_tokenizer.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::uint64_t maximalFileSize = 64u << 20;
constexpr std::int32_t longestToken = 1024; // bytes; real ones stay below 100
constexpr std::int32_t firstByteToken = 3;
constexpr std::size_t leastTokens = firstByteToken + 256;

struct ScoredToken
{
    float score = 0;
    std::string bytes;
};

std::vector<ScoredToken> readTokens(const fs::path &file, std::string_view bytes)
{
    std::size_t at = 0;
    std::vector<ScoredToken> tokens;
    const auto corrupt = [&](std::string_view what) {
        fail(ErrorKind::Corrupt, "{}: {} at byte {} (token {}); it is not a tokenizer of llama2.c or is damaged.", file.string(), what, at, tokens.size());
    };
    const auto read = [&]<typename T>(T &value) {
        if (bytes.size() - at < sizeof value)
            corrupt("the file ends inside a token");
        std::memcpy(&value, bytes.data() + at, sizeof value);
        at += sizeof value;
    };
    std::int32_t longest = 0;
    read(longest);
    if (longest < 1 || longest > longestToken)
        corrupt(fmt::format("the longest token has {} bytes, not 1 to {},", longest, longestToken));
    while (at < bytes.size()) {
        ScoredToken token;
        std::int32_t length = 0;
        read(token.score);
        read(length);
        if (!std::isfinite(token.score))
            corrupt("a score is not a finite number");
        if (length < 0 || length > longest || static_cast<std::size_t>(length) > bytes.size() - at)
            corrupt(fmt::format("a token of {} bytes", length));
        token.bytes = bytes.substr(at, static_cast<std::size_t>(length));
        at += static_cast<std::size_t>(length);
        tokens.push_back(std::move(token));
    }
    if (tokens.size() < leastTokens)
        corrupt(fmt::format("there are {} tokens, fewer than {}", tokens.size(), leastTokens));
    return tokens;
}

/// Every way to put a token together from two others is a merge; its rank is the place of the token's score, best first.
BpeMerges mergesOf(const std::vector<ScoredToken> &tokens, const StringMap<std::int32_t> &vocabulary)
{
    std::map<float, std::int32_t, std::greater<>> ranks;
    for (const ScoredToken &token : tokens)
        ranks.emplace(token.score, 0);
    std::int32_t next = 0;
    for (auto &[score, rank] : ranks)
        rank = next++;
    BpeMerges merges;
    for (const auto &[bytes, id] : vocabulary)
        for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
            const auto left = vocabulary.find(std::string_view(bytes).substr(0, cut)), right = vocabulary.find(std::string_view(bytes).substr(cut));
            if (left != vocabulary.end() && right != vocabulary.end())
                merges.add(left->second, right->second, {ranks.at(tokens[static_cast<std::size_t>(id)].score), id});
        }
    return merges;
}

} // namespace

std::shared_ptr<const Tokenizer> loadLlama2c(const fs::path &file)
{
    const std::string bytes = readFile(file, maximalFileSize);
    const std::vector<ScoredToken> tokens = readTokens(file, bytes);
    BpeSpec spec;
    spec.kind = "llama2.c";
    spec.special.resize(tokens.size());
    spec.byteTokens.resize(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        spec.pieces.push_back(tokens[id].bytes);
        if (!tokens[id].bytes.empty())
            spec.vocabulary.emplace(tokens[id].bytes, static_cast<std::int32_t>(id));
    }
    spec.merges = mergesOf(tokens, spec.vocabulary);
    for (std::size_t id = 0; id < firstByteToken; ++id) { // <unk>, <s>, </s>
        spec.special[id] = true;
        spec.pieces[id].clear();
    }
    for (std::size_t byte = 0; byte < 256; ++byte) {
        const std::size_t id = firstByteToken + byte;
        spec.byteFallback[byte] = static_cast<std::int32_t>(id);
        if (tokens[id].bytes == fmt::format("<0x{:02X}>", byte)) {
            spec.byteTokens[id] = true;
            spec.pieces[id] = std::string(1, static_cast<char>(byte));
        }
    }
    spec.normalizers.push_back(prependEdit(" "));
    spec.wordMark = ' ';
    spec.stripsFirstSpace = true;
    spec.bos = TokenId(1);
    spec.eos = TokenId(2);
    spec.files = {file};
    spec.fingerprint = sha256("llama2.c\n" + sha256(bytes));
    return makeBpeTokenizer(std::move(spec));
}

} // namespace retoscope
