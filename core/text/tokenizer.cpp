// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/tokenizer.h"

#include "base/error.h"
#include "text/bpe_tokenizer.h"
#include "text/sentencepiece_tokenizer.h"

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::string_view wanted = "tokenizer.json, vocab.json with merges.txt, tokenizer.model, spiece.model, *.spm, or llama2.c's tok*.bin";

bool isFile(const fs::path &path)
{
    std::error_code code;
    return fs::is_regular_file(path, code);
}

/// The SentencePiece file of a folder; empty if there is none.
fs::path sentencePieceIn(const fs::path &folder)
{
    for (const char *name : {"tokenizer.model", "spiece.model"})
        if (isFile(folder / name))
            return folder / name;
    return {};
}

fs::path llama2cIn(const fs::path &folder)
{
    std::error_code code;
    fs::path found;
    for (const auto &entry : fs::directory_iterator(folder, code)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("tok") && name.ends_with(".bin") && (found.empty() || entry.path() < found))
            found = entry.path();
    }
    return found;
}

std::shared_ptr<const Tokenizer> loadVocabularyIn(const fs::path &folder)
{
    for (const char *name : {"vocab.json", "merges.txt"})
        if (!isFile(folder / name))
            fail(ErrorKind::NotFound, "{} is missing; GPT-2's tokenizer is the pair vocab.json and merges.txt.", (folder / name).string());
    return loadVocabularyAndMerges(folder / "vocab.json", folder / "merges.txt");
}

std::shared_ptr<const Tokenizer> loadFile(const fs::path &path)
{
    const std::string name = path.filename().string();
    const fs::path extension = path.extension();
    if (extension == ".model" || extension == ".spm")
        return loadSentencePiece(path);
    if (name == "vocab.json" || name == "merges.txt")
        return loadVocabularyIn(path.parent_path());
    if (extension == ".json")
        return loadTokenizerJson(path);
    if (extension == ".bin")
        return loadLlama2c(path);
    fail(ErrorKind::BadInput, "{} is no tokenizer that can be read here; name {}.", path.string(), wanted);
}

} // namespace

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path &path)
{
    if (isFile(path))
        return loadFile(path);
    const fs::path sentencePiece = sentencePieceIn(path);
    if (isFile(path / "tokenizer.json")) {
        try {
            return loadTokenizerJson(path / "tokenizer.json");
        } catch (const Error &error) {
            // Folders of T5 and the like hold a JSON form that is not exact here beside the SentencePiece file that is.
            if (error.kind() != ErrorKind::BadInput || sentencePiece.empty())
                throw;
        }
    }
    if (!sentencePiece.empty())
        return loadSentencePiece(sentencePiece);
    if (isFile(path / "vocab.json") || isFile(path / "merges.txt"))
        return loadVocabularyIn(path);
    if (const fs::path bin = llama2cIn(path); !bin.empty())
        return loadLlama2c(bin);
    fail(ErrorKind::NotFound, "{} holds no tokenizer; looked for {}.", path.string(), wanted);
}

} // namespace retoscope
