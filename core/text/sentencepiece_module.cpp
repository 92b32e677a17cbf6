// SPDX-License-Identifier: GPL-3.0-or-later
// The module behind sentencepiece_library.h; the only file that sees the library.
#include "text/sentencepiece_library.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <utility>

namespace retoscope {

namespace {

std::string messageOf(const sentencepiece::util::Status &status)
{
    if (status.ok())
        return {};
    const std::string message = status.error_message();
    return message.empty() ? "no reason given" : message;
}

class Model final : public SentencePieceModel
{
public:
    [[nodiscard]] bool load(std::string_view serialized)
    {
        return m_processor.LoadFromSerializedProto(std::string(serialized)).ok() && m_processor.GetPieceSize() > 0;
    }

    int size() const override { return m_processor.GetPieceSize(); }
    std::string piece(int id) const override { return m_processor.IdToPiece(id); }
    int idOf(const std::string &piece) const override { return m_processor.PieceToId(piece); }
    bool isControl(int id) const override { return m_processor.IsControl(id); }
    bool isUnknown(int id) const override { return m_processor.IsUnknown(id); }
    bool isByte(int id) const override { return m_processor.IsByte(id); }
    int bos() const override { return m_processor.bos_id(); }
    int eos() const override { return m_processor.eos_id(); }

    std::string encode(std::string_view text, std::vector<int> &ids) const override { return messageOf(m_processor.Encode(text, &ids)); }
    std::string encode(std::string_view text, std::vector<std::string> &pieces) const override { return messageOf(m_processor.Encode(text, &pieces)); }
    std::string decode(const std::vector<int> &ids, std::string &text) const override { return messageOf(m_processor.Decode(ids, &text)); }
    std::string decode(const std::vector<std::string> &pieces, std::string &text) const override { return messageOf(m_processor.Decode(pieces, &text)); }

    std::vector<Piece> encodeWithEnds(std::string_view text) const override
    {
        const auto result = m_processor.EncodeAsImmutableProto(text);
        std::vector<Piece> pieces;
        pieces.reserve(result.pieces_size());
        for (std::size_t i = 0; i < result.pieces_size(); ++i) {
            const auto piece = result.pieces(static_cast<int>(i));
            pieces.push_back({static_cast<int>(piece.id()), static_cast<std::int64_t>(piece.end())});
        }
        return pieces;
    }

private:
    sentencepiece::SentencePieceProcessor m_processor;
};

class LineIterator final : public sentencepiece::SentenceIterator
{
public:
    explicit LineIterator(std::vector<std::string> lines) : m_lines(std::move(lines)) {}
    bool done() const override { return m_at >= m_lines.size(); }
    void Next() override { ++m_at; }
    const std::string &value() const override { return m_lines[m_at]; }
    sentencepiece::util::Status status() const override { return {}; }

private:
    std::vector<std::string> m_lines;
    std::size_t m_at = 0;
};

class Library final : public SentencePieceLibrary
{
public:
    std::unique_ptr<SentencePieceModel> load(std::string_view serialized) const override
    {
        auto model = std::make_unique<Model>();
        if (!model->load(serialized))
            return nullptr;
        return model;
    }

    std::string train(const std::unordered_map<std::string, std::string> &options, std::vector<std::string> lines, std::string &model) const override
    {
        LineIterator iterator(std::move(lines));
        return messageOf(sentencepiece::SentencePieceTrainer::Train(options, &iterator, &model));
    }
};

} // namespace

extern "C" __attribute__((visibility("default"))) const SentencePieceLibrary *retoscopeSentencePieceLibrary()
{
    static const Library library;
    return &library;
}

} // namespace retoscope
