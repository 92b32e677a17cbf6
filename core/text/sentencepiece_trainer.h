// SPDX-License-Identifier: GPL-3.0-or-later
// Training a SentencePiece tokenizer (Kudo and Richardson 2018) that loses nothing: no normalization, no dummy prefix,
// newlines and tabs are tokens of their own, runs of spaces may become tokens, unseen characters fall back to bytes. So
// decode(encode(x)) == x for every valid UTF-8 text. Ids: <unk> 0, <s> 1, </s> 2.
#pragma once

#include "base/manifest.h"
#include "text/corpus.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace retoscope {

struct SentencePieceTraining
{
    std::int32_t vocabularySize = 8192;
    std::string type = "bpe";          ///< "bpe" or "unigram"
    double characterCoverage = 0.9995; ///< characters beyond this share of the text become bytes
    bool splitDigits = true;           ///< every digit a token
    std::int64_t maximalLines = 2'000'000; ///< longer corpora are sampled uniformly by line (0: all lines)
    std::uint64_t seed = 1;            ///< of that sample
    std::vector<std::string> splits = {"train"};
};

void to_json(Json &json, const SentencePieceTraining &config);
/// Strict: unknown fields and values are refused with a sentence.
void from_json(const Json &json, SentencePieceTraining &config);

/// Trains on the named splits and writes `folder/tokenizer.model` and its manifest ("retoscope-tokenizer", last). The same
/// corpus and configuration give the same file. Returns the path of the model. Throws BadInput for an impossible
/// configuration (a vocabulary that is larger than the text can fill), Cancelled while reading the corpus.
std::filesystem::path trainSentencePiece(const SentencePieceTraining &config, const Corpus &corpus,
                                         const std::filesystem::path &folder, JobControl &job);

} // namespace retoscope
