// SPDX-License-Identifier: GPL-3.0-or-later
// What we use of the SentencePiece library, behind an interface of plain types. Debian's libsentencepiece carries a protobuf
// of its own and exports its symbols; in one program with LibTorch's libprotobuf the two would run into each other before
// main() (measured: a crash in the static initialisers). So the library is linked into a module of its own, which is loaded
// at first use into a scope of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace retoscope {

/// A loaded model. Thread-safe to use.
class SentencePieceModel
{
public:
    struct Piece
    {
        int id = 0;
        std::int64_t end = 0; ///< byte of the encoded text at which the piece ends
    };

    virtual ~SentencePieceModel() = default;
    [[nodiscard]] virtual int size() const = 0;
    [[nodiscard]] virtual std::string piece(int id) const = 0;
    [[nodiscard]] virtual int idOf(const std::string &piece) const = 0;
    [[nodiscard]] virtual bool isControl(int id) const = 0;
    [[nodiscard]] virtual bool isUnknown(int id) const = 0;
    [[nodiscard]] virtual bool isByte(int id) const = 0;
    [[nodiscard]] virtual int bos() const = 0; ///< −1: none
    [[nodiscard]] virtual int eos() const = 0; ///< −1: none
    /// These return the library's message, empty on success.
    [[nodiscard]] virtual std::string encode(std::string_view text, std::vector<int> &ids) const = 0;
    [[nodiscard]] virtual std::string encode(std::string_view text, std::vector<std::string> &pieces) const = 0;
    [[nodiscard]] virtual std::string decode(const std::vector<int> &ids, std::string &text) const = 0;
    [[nodiscard]] virtual std::string decode(const std::vector<std::string> &pieces, std::string &text) const = 0;
    [[nodiscard]] virtual std::vector<Piece> encodeWithEnds(std::string_view text) const = 0;
};

class SentencePieceLibrary
{
public:
    virtual ~SentencePieceLibrary() = default;
    /// Null when the bytes are not a model.
    [[nodiscard]] virtual std::unique_ptr<SentencePieceModel> load(std::string_view serialized) const = 0;
    /// Trains on the lines; returns the library's message, empty on success.
    [[nodiscard]] virtual std::string train(const std::unordered_map<std::string, std::string> &options, std::vector<std::string> lines,
                                            std::string &model) const = 0;
};

/// The library, loaded once per process. Throws NotFound when the module is not where the program was built or installed.
const SentencePieceLibrary &sentencePieceLibrary();

} // namespace retoscope
