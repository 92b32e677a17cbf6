// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace retoscope {

RotaryFrequencies::RotaryFrequencies(const ModelConfig &config)
    : m_size(config.headSize), m_theta(config.ropeTheta), m_inverse(plain(config.ropeTheta))
{
    if (config.ropeScaling.is_null())
        return;
    const Json &scaling = config.ropeScaling;
    const std::string type = scaling["rope_type"];
    m_factor = scaling["factor"];
    if (type == "linear")
        applyLinear(m_factor);
    else if (type == "llama3")
        applyLlama3(scaling);
    else if (type == "yarn")
        applyYarn(scaling);
    else if (type == "dynamic")
        m_variesBeyond = scaling["original_max_position_embeddings"];
}

std::vector<double> RotaryFrequencies::plain(double theta) const
{
    std::vector<double> inverse(static_cast<std::size_t>(m_size / 2));
    for (std::size_t i = 0; i < inverse.size(); ++i)
        inverse[i] = std::pow(theta, -2.0 * static_cast<double>(i) / m_size);
    return inverse;
}

// Position interpolation (Chen et al. 2023).
void RotaryFrequencies::applyLinear(double factor)
{
    for (double &frequency : m_inverse)
        frequency /= factor;
}

// Llama 3.1: long waves are interpolated, short ones kept, those between blended.
void RotaryFrequencies::applyLlama3(const Json &scaling)
{
    const double low = scaling["low_freq_factor"], high = scaling["high_freq_factor"];
    const double context = scaling["original_max_position_embeddings"];
    for (double &frequency : m_inverse) {
        const double turns = context * frequency / (2 * std::numbers::pi); // in the original context
        const double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);
        frequency = (1 - keep) * frequency / m_factor + keep * frequency;
    }
}

// YaRN (Peng et al. 2023): a ramp over the dimensions between interpolation and none, and a softmax temperature.
void RotaryFrequencies::applyYarn(const Json &scaling)
{
    const double context = scaling["original_max_position_embeddings"];
    const auto dimensionOf = [&](double turns) {
        return m_size * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(m_theta));
    };
    double low = dimensionOf(scaling["beta_fast"]), high = dimensionOf(scaling["beta_slow"]);
    if (scaling["truncate"].get<bool>()) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, m_size - 1.0);
    const double width = low == high ? 0.001 : high - low;
    for (std::size_t i = 0; i < m_inverse.size(); ++i) {
        const double interpolate = std::clamp((static_cast<double>(i) - low) / width, 0.0, 1.0);
        m_inverse[i] = m_inverse[i] / m_factor * interpolate + m_inverse[i] * (1 - interpolate);
    }

    const auto temperature = [&](double weight) { return 0.1 * weight * std::log(m_factor) + 1; };
    if (scaling.contains("attention_factor"))
        m_magnitude = scaling["attention_factor"];
    else if (scaling.contains("mscale") && scaling.contains("mscale_all_dim"))
        m_magnitude = static_cast<float>(temperature(scaling["mscale"]) / temperature(scaling["mscale_all_dim"]));
    else
        m_magnitude = static_cast<float>(temperature(1));
}

std::vector<float> RotaryFrequencies::inverse(std::int64_t sequenceLength) const
{
    if (m_variesBeyond == 0 || sequenceLength <= m_variesBeyond)
        return {m_inverse.begin(), m_inverse.end()};
    // NTK-aware scaling: the base grows with the length, so that the slowest wave is interpolated and the fastest kept.
    const double stretch = m_factor * static_cast<double>(sequenceLength) / static_cast<double>(m_variesBeyond) - (m_factor - 1);
    const auto stretched = plain(m_theta * std::pow(stretch, m_size / (m_size - 2.0)));
    return {stretched.begin(), stretched.end()};
}

} // namespace retoscope
