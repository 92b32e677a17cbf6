// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/optimizer.h"

#include "base/threads.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace retoscope {

namespace {

constexpr std::int64_t pieceSize = 1 << 15;
constexpr std::int64_t piecesPerThread = 8; // a thread that has less to do is not worth starting

bool decays(const Parameter &parameter, const TrainConfig &config)
{
    const bool embedding = parameter.name.find("embed_tokens") != std::string::npos ||
                           parameter.name.ends_with("wte.weight") || parameter.name.ends_with("wpe.weight");
    return parameter.isMatrix() && (config.decayEmbeddings || !embedding);
}

} // namespace

Optimizer::Optimizer(const ParameterLayout &layout, const TrainConfig &config)
    : firstMoment(static_cast<std::size_t>(layout.size())), secondMoment(static_cast<std::size_t>(layout.size())),
      m_config(config)
{
    for (const Parameter &parameter : layout.parameters())
        for (std::int64_t done = 0; done < parameter.count; done += pieceSize)
            m_pieces.push_back(
                {parameter.offset + done, std::min(pieceSize, parameter.count - done), decays(parameter, config)});
}

double Optimizer::step(std::int64_t step, double learningRate, std::span<std::vector<float>> gradients,
                       std::span<float> values, std::span<kernels::BFloat16> halves)
{
    const auto forEachPiece = [&](const auto &body) {
        parallelFor(static_cast<std::int64_t>(m_pieces.size()), piecesPerThread,
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t i = begin; i < end; ++i)
                            body(static_cast<std::size_t>(i), m_pieces[static_cast<std::size_t>(i)]);
                    });
    };
    std::vector<float> &sum = gradients.front();
    std::vector<double> squares(m_pieces.size());
    forEachPiece([&](std::size_t index, const Piece &piece) {
        for (std::vector<float> &replica : gradients.subspan(1)) {
            kernels::accumulate(replica.data() + piece.offset, sum.data() + piece.offset, piece.count);
            std::fill_n(replica.begin() + piece.offset, piece.count, 0.0f);
        }
        squares[index] = kernels::sumOfSquares(sum.data() + piece.offset, piece.count);
    });
    const double norm = std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));

    kernels::AdamStep adam;
    adam.learningRate = static_cast<float>(learningRate);
    adam.beta1 = static_cast<float>(m_config.beta1);
    adam.beta2 = static_cast<float>(m_config.beta2);
    adam.correction1 = static_cast<float>(1 - std::pow(m_config.beta1, static_cast<double>(step + 1)));
    adam.correction2 = static_cast<float>(1 - std::pow(m_config.beta2, static_cast<double>(step + 1)));
    if (m_config.clipNorm > 0 && norm > m_config.clipNorm)
        adam.gradientFactor = static_cast<float>(m_config.clipNorm / norm);
    forEachPiece([&](std::size_t, const Piece &piece) {
        kernels::AdamStep own = adam;
        own.weightDecay = piece.decays ? static_cast<float>(m_config.weightDecay) : 0.0f;
        kernels::adamW(own, sum.data() + piece.offset, values.data() + piece.offset, firstMoment.data() + piece.offset,
                       secondMoment.data() + piece.offset, piece.count);
        std::fill_n(sum.begin() + piece.offset, piece.count, 0.0f);
        if (!halves.empty())
            kernels::convert(values.data() + piece.offset, halves.data() + piece.offset, piece.count);
    });
    return norm;
}

} // namespace retoscope
