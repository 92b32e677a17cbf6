// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/tokenizer.h"

#include "base/error.h"
#include "text/sentencepiece_tokenizer.h"

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::string_view wanted = "tokenizer.model, spiece.model or *.spm";

bool isFile(const fs::path &path)
{
    std::error_code code;
    return fs::is_regular_file(path, code);
}

} // namespace

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path &path)
{
    if (isFile(path)) {
        if (path.extension() == ".model" || path.extension() == ".spm")
            return loadSentencePiece(path);
        fail(ErrorKind::BadInput, "{} is no tokenizer that can be read here; name {}.", path.string(), wanted);
    }
    for (const char *name : {"tokenizer.model", "spiece.model"})
        if (isFile(path / name))
            return loadSentencePiece(path / name);
    fail(ErrorKind::NotFound, "{} holds no tokenizer; looked for {}.", path.string(), wanted);
}

} // namespace retoscope
