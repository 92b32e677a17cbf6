// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "text/tokenizer.h"

namespace retoscope {

/// Opens a SentencePiece model file (tokenizer.model, spiece.model, *.spm); encoding and decoding are the library's own.
/// Throws Corrupt when it is not one.
std::shared_ptr<const Tokenizer> loadSentencePiece(const std::filesystem::path &file);

} // namespace retoscope
