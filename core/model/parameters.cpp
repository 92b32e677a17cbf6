// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace retoscope {

namespace {

/// Rank of a weight within its layer, in the order of the forward pass; names of other families keep their own order.
std::size_t rankInLayer(std::string_view name)
{
    constexpr std::array order{"input_layernorm", "q_proj.weight", "k_proj.weight",
                               "v_proj.weight",   "q_proj.bias",   "k_proj.bias",
                               "v_proj.bias",     "o_proj",        "post_attention_layernorm",
                               "gate_proj",       "up_proj",       "down_proj"};
    const auto found = std::ranges::find_if(order, [&](std::string_view part) { return name.find(part) != name.npos; });
    return static_cast<std::size_t>(found - order.begin());
}

/// "model.layers.3." of "model.layers.3.mlp.up_proj.weight"; the whole name outside the layers.
std::string_view layerOf(std::string_view name)
{
    for (const std::string_view mark : {"layers.", ".h."}) {
        const std::size_t at = name.find(mark);
        if (at != name.npos)
            return name.substr(0, name.find('.', at + mark.size()) + 1);
    }
    return name;
}

/// The projections whose outputs are added to the residual stream.
bool feedsResidual(std::string_view name)
{
    return name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") || name.ends_with("c_proj.weight");
}

} // namespace

ParameterLayout::ParameterLayout(const ModelConfig &config)
{
    for (const auto &[name, shape] : requiredWeights(config))
        m_parameters.push_back(
            {name, shape, 0, std::accumulate(shape.begin(), shape.end(), std::int64_t(1), std::multiplies<>())});
    std::ranges::stable_sort(m_parameters, [](const Parameter &a, const Parameter &b) {
        return std::pair(layerOf(a.name), rankInLayer(a.name)) < std::pair(layerOf(b.name), rankInLayer(b.name));
    });
    for (Parameter &parameter : m_parameters) {
        parameter.offset = m_size;
        m_size += parameter.count;
    }
}

std::int64_t ParameterLayout::offset(const std::string &name) const
{
    return std::ranges::find(m_parameters, name, &Parameter::name)->offset;
}

WeightMap ParameterLayout::views(float *buffer) const
{
    WeightMap result;
    for (const Parameter &parameter : m_parameters)
        result.emplace(parameter.name, at::from_blob(buffer + parameter.offset, parameter.shape, at::kFloat));
    return result;
}

void initialise(const ModelConfig &config, const ParameterLayout &layout, std::uint64_t seed, std::span<float> values)
{
    constexpr double deviation = 0.02;
    const double residualDeviation = deviation / std::sqrt(2.0 * config.layers);
    at::Generator generator = at::detail::createCPUGenerator(seed);
    WeightMap views = layout.views(values.data());
    for (const Parameter &parameter : layout.parameters()) {
        at::Tensor &weight = views.at(parameter.name);
        if (parameter.isMatrix())
            weight.normal_(0, feedsResidual(parameter.name) ? residualDeviation : deviation, generator);
        else
            weight.fill_(parameter.name.ends_with(".bias") ? 0 : 1);
    }
}

void copyWeights(const WeightMap &weights, const ParameterLayout &layout, std::span<float> values)
{
    for (auto &[name, view] : layout.views(values.data()))
        view.copy_(weights.at(name));
}

} // namespace retoscope
