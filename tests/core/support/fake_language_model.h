// SPDX-License-Identifier: GPL-3.0-or-later
// A small genuine language model for tests that need one but no weights: an Elman network with random weights,
//   h_t = tanh(A h_{t−1} + e(x_t)),   p(x_{t+1}) = softmax(W h_t + b).
// Its probabilities sum to one, its keys depend on the whole context, and a session gives what a forward pass gives.
#pragma once

#include "base/error.h"
#include "base/hash.h"
#include "model/language_model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace retoscope::test {

class FakeLanguageModel final : public LanguageModel
{
public:
    explicit FakeLanguageModel(std::int32_t vocabulary = 32, std::int32_t dimension = 12, std::uint64_t seed = 1,
                               std::int32_t contextLength = 256)
        : m_seed(seed)
    {
        m_config.architecture = "elman";
        m_config.vocabularySize = vocabulary;
        m_config.hiddenSize = dimension;
        m_config.layers = 1;
        m_config.contextLength = contextLength;
        std::mt19937_64 random(seed);
        m_recurrent = randomMatrix(random, dimension, dimension, 0.6);
        m_embedding = randomMatrix(random, vocabulary, dimension, 1.0 * std::sqrt(double(dimension)));
        m_head = randomMatrix(random, vocabulary, dimension, 1.5);
        m_bias = randomMatrix(random, 1, vocabulary, 0.5);
    }

    /// The beginning and end tokens that generation looks at.
    void setSpecialTokens(std::int32_t bos, std::int32_t eos)
    {
        m_config.bosToken = bos;
        m_config.eosToken = eos;
    }

    [[nodiscard]] const ModelConfig &config() const override { return m_config; }
    [[nodiscard]] std::string fingerprint() const override
    {
        return sha256("elman " + std::to_string(m_config.vocabularySize) + " " + std::to_string(m_config.hiddenSize) + " "
                      + std::to_string(m_seed));
    }
    [[nodiscard]] std::int64_t parameterCount() const override
    {
        return std::int64_t(m_recurrent.size() + m_embedding.size() + m_head.size() + m_bias.size());
    }
    [[nodiscard]] const LoadOptions &options() const override { return m_options; }

    void forward(std::span<const WindowInput> windows, const ForwardRequest &request, ForwardOutput &output) const override
    {
        output = {};
        for (const WindowInput &window : windows) {
            const std::vector<float> states = taps(window.tokens, request.tap);
            for (std::size_t target = std::size_t(window.firstTarget); target < window.tokens.size(); ++target)
                append(&states[(target - 1) * dimension()], window.tokens[target], request, output);
        }
    }

    [[nodiscard]] std::vector<float> logits(std::span<const std::int32_t> tokens) const override
    {
        const std::vector<float> states = taps(tokens, {});
        std::vector<float> all;
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            const std::vector<float> row = logProbabilities(&states[t * dimension()]);
            all.insert(all.end(), row.begin(), row.end());
        }
        return all;
    }

    [[nodiscard]] std::vector<float> taps(std::span<const std::int32_t> tokens, KeyTap) const override
    {
        if (std::int32_t(tokens.size()) > m_config.contextLength)
            fail(ErrorKind::BadInput, "A window of {} tokens is longer than the context of {} tokens.", tokens.size(),
                 m_config.contextLength);
        std::vector<float> states(tokens.size() * dimension());
        const std::vector<float> zero(dimension());
        for (std::size_t t = 0; t < tokens.size(); ++t)
            step(t == 0 ? zero.data() : &states[(t - 1) * dimension()], tokens[t], &states[t * dimension()]);
        return states;
    }

    [[nodiscard]] std::unique_ptr<GenerationSession> startSession(KeyTap) const override
    {
        return std::make_unique<Session>(*this);
    }

private:
    class Session final : public GenerationSession
    {
    public:
        explicit Session(const FakeLanguageModel &model) : m_model(model), m_state(model.dimension()) {}
        void feed(std::span<const std::int32_t> tokens) override
        {
            if (m_length + std::int32_t(tokens.size()) > m_model.config().contextLength)
                fail(ErrorKind::BadInput, "The sequence is longer than the context.");
            std::vector<float> next(m_state.size());
            for (const std::int32_t token : tokens) {
                m_model.step(m_state.data(), token, next.data());
                m_state.swap(next);
            }
            m_length += std::int32_t(tokens.size());
            m_logProbs = m_model.logProbabilities(m_state.data());
        }
        [[nodiscard]] std::span<const float> logProbs() const override { return m_logProbs; }
        [[nodiscard]] std::span<const float> query() const override { return m_state; }
        [[nodiscard]] std::int32_t length() const override { return m_length; }
        [[nodiscard]] std::unique_ptr<GenerationSession> fork() const override { return std::make_unique<Session>(*this); }

    private:
        const FakeLanguageModel &m_model;
        std::vector<float> m_state;
        std::vector<float> m_logProbs;
        std::int32_t m_length = 0;
    };

    static std::vector<float> randomMatrix(std::mt19937_64 &random, std::int32_t rows, std::int32_t columns, double gain)
    {
        std::normal_distribution<float> normal(0, float(gain / std::sqrt(double(columns))));
        std::vector<float> matrix(std::size_t(rows) * std::size_t(columns));
        std::generate(matrix.begin(), matrix.end(), [&] { return normal(random); });
        return matrix;
    }

    [[nodiscard]] std::size_t dimension() const { return std::size_t(m_config.hiddenSize); }

    void step(const float *state, std::int32_t token, float *next) const
    {
        if (token < 0 || token >= m_config.vocabularySize)
            fail(ErrorKind::BadInput, "Token {} is outside the vocabulary of {}.", token, m_config.vocabularySize);
        for (std::size_t i = 0; i < dimension(); ++i) {
            const float *row = &m_recurrent[i * dimension()];
            next[i] = std::tanh(std::inner_product(row, row + dimension(), state, m_embedding[std::size_t(token) * dimension() + i]));
        }
    }

    [[nodiscard]] std::vector<float> logProbabilities(const float *state) const
    {
        std::vector<float> row(m_bias);
        for (std::size_t v = 0; v < row.size(); ++v)
            row[v] = std::inner_product(state, state + dimension(), &m_head[v * dimension()], row[v]);
        double sum = 0;
        for (const float logit : row)
            sum += std::exp(double(logit));
        for (float &value : row)
            value -= float(std::log(sum));
        return row;
    }

    void append(const float *state, std::int32_t target, const ForwardRequest &request, ForwardOutput &output) const
    {
        ++output.positions;
        if (request.keys)
            output.keys.insert(output.keys.end(), state, state + dimension());
        if (!request.scores)
            return;
        const std::vector<float> row = logProbabilities(state);
        output.targetLogProbs.push_back(row.at(std::size_t(target)));
        double entropy = 0;
        for (const float value : row)
            entropy -= std::exp(double(value)) * value;
        output.entropies.push_back(float(entropy));
        std::vector<std::int32_t> order(row.size());
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](std::int32_t a, std::int32_t b) { return row[std::size_t(a)] > row[std::size_t(b)]; });
        for (std::int32_t i = 0; i < request.topCandidates; ++i) {
            output.topIds.push_back(order.at(std::size_t(i)));
            output.topLogProbs.push_back(row[std::size_t(order[std::size_t(i)])]);
        }
    }

    ModelConfig m_config;
    LoadOptions m_options;
    std::uint64_t m_seed;
    std::vector<float> m_recurrent; ///< A, [D × D]
    std::vector<float> m_embedding; ///< e, [V × D]
    std::vector<float> m_head;      ///< W, [V × D]
    std::vector<float> m_bias;      ///< b, [V]
};

} // namespace retoscope::test
