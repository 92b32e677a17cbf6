// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/hf_config.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace retoscope {

namespace {

constexpr std::int32_t largestSize = 1 << 24; // of any dimension; beyond it a file is damaged, not large
constexpr std::int32_t mostLayers = 4096;     // each needs a dozen names before the weights are even opened
constexpr std::string_view knownArchitectures = "gpt2, llama, mistral, qwen2";

/// One config.json with typed access; every complaint names the file and the field.
class Fields
{
public:
    Fields(const Json &json, std::string_view name) : m_json(json), m_name(name)
    {
        if (!json.is_object())
            fail(ErrorKind::BadInput, "{}: the configuration is not a JSON object; save the model again.", name);
    }

    [[nodiscard]] std::string_view name() const { return m_name; }
    [[nodiscard]] bool has(const char *field) const { return m_json.contains(field) && !m_json[field].is_null(); }
    [[nodiscard]] bool isNull(const char *field) const { return m_json.contains(field) && m_json[field].is_null(); }
    [[nodiscard]] const Json &operator[](const char *field) const { return m_json[field]; }

    [[nodiscard]] std::int32_t size(const char *field, std::optional<std::int32_t> fallback = {},
                                    std::int32_t largest = largestSize) const
    {
        if (!has(field)) {
            if (fallback)
                return *fallback;
            fail(ErrorKind::BadInput, "{} has no field '{}'; save the model again with a complete configuration.", m_name,
                 field);
        }
        const Json &value = m_json[field];
        if (!value.is_number_integer() || value < 1 || value > largest)
            fail(ErrorKind::BadInput, "{}: '{}' is {}, but a whole number from 1 to {} is needed.", m_name, field,
                 value.dump(), largest);
        return value.get<std::int32_t>();
    }
    [[nodiscard]] double positive(const char *field, double fallback) const
    {
        if (!has(field))
            return fallback;
        const Json &value = m_json[field];
        if (!value.is_number() || !(value.get<double>() > 0) || !std::isfinite(value.get<double>()))
            fail(ErrorKind::BadInput, "{}: '{}' is {}, but a positive number is needed.", m_name, field, value.dump());
        return value.get<double>();
    }
    [[nodiscard]] bool flag(const char *field, bool fallback) const
    {
        if (!has(field))
            return fallback;
        if (!m_json[field].is_boolean())
            fail(ErrorKind::BadInput, "{}: '{}' is {}, but true or false is needed.", m_name, field, m_json[field].dump());
        return m_json[field].get<bool>();
    }
    [[nodiscard]] std::string text(const char *field, const std::string &fallback) const
    {
        if (!has(field))
            return fallback;
        if (!m_json[field].is_string())
            fail(ErrorKind::BadInput, "{}: '{}' is {}, but a text is needed.", m_name, field, m_json[field].dump());
        return m_json[field].get<std::string>();
    }
    /// A token id, or the first of a list of them; −1 when there is none.
    [[nodiscard]] std::int32_t token(const char *field, std::int32_t fallback, std::int32_t vocabularySize) const
    {
        if (!m_json.contains(field))
            return fallback < vocabularySize ? fallback : -1;
        const Json &value = m_json[field].is_array() && !m_json[field].empty() ? m_json[field][0] : m_json[field];
        if (!value.is_number_integer() || value < 0 || value >= vocabularySize)
            return -1;
        return value.get<std::int32_t>();
    }
    void refuse(const char *field, bool unlessAsHere) const
    {
        if (!unlessAsHere)
            fail(ErrorKind::BadInput, "{}: '{}' is {}, which this program does not compute; choose another model.", m_name,
                 field, m_json.contains(field) ? m_json[field].dump() : "absent");
    }

private:
    const Json &m_json;
    std::string m_name;
};

std::string architectureOf(const Fields &fields)
{
    std::string type = fields.text("model_type", "");
    if (type.empty() && fields.has("architectures") && fields["architectures"].is_array() &&
        !fields["architectures"].empty() && fields["architectures"][0].is_string()) {
        const auto named = fields["architectures"][0].get<std::string>();
        static const std::array<std::array<const char *, 2>, 4> classes = {{{"GPT2LMHeadModel", "gpt2"},
                                                                            {"LlamaForCausalLM", "llama"},
                                                                            {"MistralForCausalLM", "mistral"},
                                                                            {"Qwen2ForCausalLM", "qwen2"}}};
        const auto it = std::find_if(classes.begin(), classes.end(), [&](const auto &pair) { return named == pair[0]; });
        type = it != classes.end() ? (*it)[1] : named;
    }
    if (type != "gpt2" && type != "llama" && type != "mistral" && type != "qwen2")
        fail(ErrorKind::BadInput, "{}: the architecture '{}' is not known; known are {}.", fields.name(), type,
             knownArchitectures);
    return type;
}

std::string activationOf(const Fields &fields, const char *field, const char *fallback)
{
    const std::string name = fields.text(field, fallback);
    static const std::array<std::string_view, 6> known = {"silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "swish"};
    if (std::find(known.begin(), known.end(), name) == known.end())
        fail(ErrorKind::BadInput, "{}: the activation '{}' is not known; known are silu, gelu, gelu_new, relu.",
             fields.name(), name);
    if (name == "swish")
        return "silu";
    return name == "gelu_pytorch_tanh" ? "gelu_new" : name;
}

ModelConfig parseGpt2(const Fields &fields)
{
    ModelConfig config;
    config.architecture = "gpt2";
    config.vocabularySize = fields.size("vocab_size", 50257);
    config.hiddenSize = fields.size("n_embd", 768);
    config.layers = fields.size("n_layer", 12, mostLayers);
    config.heads = config.keyValueHeads = fields.size("n_head", 12);
    if (config.hiddenSize % config.heads != 0)
        fail(ErrorKind::BadInput, "{}: 'n_embd' {} is no multiple of 'n_head' {}.", fields.name(), config.hiddenSize,
             config.heads);
    config.headSize = config.hiddenSize / config.heads;
    config.feedForwardSize = fields.size("n_inner", 4 * config.hiddenSize);
    config.contextLength = fields.size("n_positions", fields.size("n_ctx", 1024));
    config.normEpsilon = static_cast<float>(fields.positive("layer_norm_epsilon", 1e-5));
    config.activation = activationOf(fields, "activation_function", "gelu_new");
    config.tiedHead = fields.flag("tie_word_embeddings", true);
    config.attentionBias = config.attentionOutputBias = config.feedForwardBias = true;
    config.attentionScaledByLayer = fields.flag("scale_attn_by_inverse_layer_idx", false);
    fields.refuse("scale_attn_weights", fields.flag("scale_attn_weights", true));
    fields.refuse("add_cross_attention", !fields.flag("add_cross_attention", false));
    config.bosToken = fields.token("bos_token_id", 50256, config.vocabularySize);
    config.eosToken = fields.token("eos_token_id", 50256, config.vocabularySize);
    return config;
}

/// rope_scaling in one spelling ("rope_type", the original context always stated), checked; null when nothing is scaled.
Json ropeScalingOf(const Fields &config, std::int32_t positions)
{
    // transformers 5 writes rope_parameters, with rope_theta among them; older versions rope_scaling.
    const char *field = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
    if (!config.has(field))
        return nullptr;
    const Fields fields(config[field], fmt::format("{}, {}", config.name(), field));
    const std::string type = fields.text("rope_type", fields.text("type", "default"));
    if (type == "default")
        return nullptr;
    const bool statesOriginal = type != "linear" && type != "dynamic";
    const std::int32_t original =
        statesOriginal ? fields.size("original_max_position_embeddings", positions) : positions;
    Json scaling = {{"rope_type", type},
                    {"factor", fields.positive("factor", static_cast<double>(positions) / original)},
                    {"original_max_position_embeddings", original}};
    if (type == "llama3") {
        scaling["low_freq_factor"] = fields.positive("low_freq_factor", 1);
        scaling["high_freq_factor"] = fields.positive("high_freq_factor", 4);
        if (scaling["high_freq_factor"] <= scaling["low_freq_factor"])
            fail(ErrorKind::BadInput, "{}: 'high_freq_factor' must be larger than 'low_freq_factor'.", fields.name());
    } else if (type == "yarn") {
        scaling["beta_fast"] = fields.positive("beta_fast", 32);
        scaling["beta_slow"] = fields.positive("beta_slow", 1);
        scaling["truncate"] = fields.flag("truncate", true);
        for (const char *optional : {"attention_factor", "mscale", "mscale_all_dim"})
            if (fields.has(optional))
                scaling[optional] = fields.positive(optional, 1);
    } else if (statesOriginal) {
        fail(ErrorKind::BadInput, "{}: the scaling '{}' is not known; known are default, linear, dynamic, yarn, llama3.",
             fields.name(), type);
    }
    if (scaling["factor"] < 1)
        fail(ErrorKind::BadInput, "{}: 'factor' is {}, but it must be at least 1.", fields.name(), scaling["factor"].dump());
    return scaling;
}

/// linear and dynamic scaling leave max_position_embeddings at the length of training; yarn and llama3 state the new one.
std::int32_t contextLengthOf(std::int32_t positions, const Json &scaling)
{
    if (scaling.is_null() || scaling["rope_type"] == "llama3")
        return positions;
    const double stretched = scaling["original_max_position_embeddings"].get<double>() * scaling["factor"].get<double>();
    return std::max(positions, static_cast<std::int32_t>(std::min<double>(stretched, largestSize)));
}

/// Which layers slide: layer_types when stated, else Qwen2's max_window_layers; one border between full and sliding.
void parseSlidingWindow(const Fields &fields, ModelConfig &config)
{
    const bool qwen = config.architecture == "qwen2";
    if (config.architecture == "llama" || (qwen && !fields.flag("use_sliding_window", false)))
        return;
    if (fields.isNull("sliding_window"))
        return;
    const std::int32_t window = fields.size("sliding_window", 4096);
    std::int32_t first = 0;
    if (qwen && !(fields.has("max_window_layers") && fields["max_window_layers"] == 0))
        first = fields.size("max_window_layers", 28);
    if (fields.has("layer_types") && fields["layer_types"].is_array()) {
        const Json &types = fields["layer_types"];
        const auto sliding = std::find(types.begin(), types.end(), "sliding_attention");
        first = static_cast<std::int32_t>(sliding - types.begin());
        fields.refuse("layer_types", std::all_of(sliding, types.end(), [](const Json &t) { return t == "sliding_attention"; }));
    }
    if (first >= config.layers)
        return;
    config.slidingWindow = window;
    config.firstSlidingLayer = first;
}

ModelConfig parseLlama(const Fields &fields, const std::string &architecture)
{
    ModelConfig config;
    config.architecture = architecture;
    config.vocabularySize = fields.size("vocab_size");
    config.hiddenSize = fields.size("hidden_size");
    config.layers = fields.size("num_hidden_layers", {}, mostLayers);
    config.heads = fields.size("num_attention_heads");
    config.keyValueHeads = fields.size("num_key_value_heads", architecture == "mistral" ? 8 : config.heads);
    if (config.heads % config.keyValueHeads != 0)
        fail(ErrorKind::BadInput, "{}: 'num_attention_heads' {} is no multiple of 'num_key_value_heads' {}.",
             fields.name(), config.heads, config.keyValueHeads);
    config.headSize = fields.size("head_dim", std::max(config.hiddenSize / config.heads, 1));
    if (config.headSize % 2 != 0 || config.headSize < 4)
        fail(ErrorKind::BadInput, "{}: heads of {} values cannot be rotated in pairs; 'head_dim' must be even and at least 4.",
             fields.name(), config.headSize);
    config.feedForwardSize = fields.size("intermediate_size");
    config.normEpsilon = static_cast<float>(fields.positive("rms_norm_eps", 1e-6));
    config.activation = activationOf(fields, "hidden_act", "silu");
    config.tiedHead = fields.flag("tie_word_embeddings", false);
    const bool llama = architecture == "llama"; // the only one of the three whose biases are optional
    config.attentionBias = architecture == "qwen2" || (llama && fields.flag("attention_bias", false));
    config.attentionOutputBias = llama && config.attentionBias;
    config.feedForwardBias = llama && fields.flag("mlp_bias", false);
    if (fields.has("partial_rotary_factor"))
        fields.refuse("partial_rotary_factor", fields.positive("partial_rotary_factor", 1) == 1);

    config.ropeTheta = fields.positive("rope_theta", 10000);
    if (fields.has("rope_parameters"))
        config.ropeTheta = Fields(fields["rope_parameters"], fields.name()).positive("rope_theta", config.ropeTheta);
    const std::int32_t positions = fields.size("max_position_embeddings", 2048);
    config.ropeScaling = ropeScalingOf(fields, positions);
    config.contextLength = contextLengthOf(positions, config.ropeScaling);
    parseSlidingWindow(fields, config);

    const bool qwen = architecture == "qwen2";
    config.bosToken = fields.token("bos_token_id", qwen ? -1 : 1, config.vocabularySize);
    config.eosToken = fields.token("eos_token_id", qwen ? -1 : 2, config.vocabularySize);
    return config;
}

Json tokenOrNull(std::int32_t token)
{
    return token < 0 ? Json() : Json(token);
}

Json gpt2ToHf(const ModelConfig &config)
{
    return {{"model_type", "gpt2"},
            {"architectures", {"GPT2LMHeadModel"}},
            {"vocab_size", config.vocabularySize},
            {"n_embd", config.hiddenSize},
            {"n_layer", config.layers},
            {"n_head", config.heads},
            {"n_inner", config.feedForwardSize},
            {"n_positions", config.contextLength},
            {"layer_norm_epsilon", config.normEpsilon},
            {"activation_function", config.activation},
            {"scale_attn_by_inverse_layer_idx", config.attentionScaledByLayer}};
}

Json llamaToHf(const ModelConfig &config)
{
    const std::string className = config.architecture == "llama"     ? "LlamaForCausalLM"
                                  : config.architecture == "mistral" ? "MistralForCausalLM"
                                                                     : "Qwen2ForCausalLM";
    Json json = {{"model_type", config.architecture},
                 {"architectures", {className}},
                 {"vocab_size", config.vocabularySize},
                 {"hidden_size", config.hiddenSize},
                 {"intermediate_size", config.feedForwardSize},
                 {"num_hidden_layers", config.layers},
                 {"num_attention_heads", config.heads},
                 {"num_key_value_heads", config.keyValueHeads},
                 {"head_dim", config.headSize},
                 {"max_position_embeddings", config.contextLength},
                 {"rms_norm_eps", config.normEpsilon},
                 {"hidden_act", config.activation},
                 {"rope_theta", config.ropeTheta},
                 {"rope_scaling", config.ropeScaling},
                 {"attention_bias", config.attentionBias},
                 {"mlp_bias", config.feedForwardBias}};
    if (!config.ropeScaling.is_null()) {
        const std::string type = config.ropeScaling["rope_type"];
        if (type == "linear" || type == "dynamic")
            json["max_position_embeddings"] = config.ropeScaling["original_max_position_embeddings"];
    }
    if (config.architecture != "llama")
        json["sliding_window"] = config.slidingWindow > 0 ? Json(config.slidingWindow) : Json();
    if (config.architecture == "qwen2") {
        json["use_sliding_window"] = config.slidingWindow > 0;
        json["max_window_layers"] = config.slidingWindow > 0 ? config.firstSlidingLayer : config.layers;
    }
    return json;
}

} // namespace

ModelConfig parseHfConfig(const Json &json, std::string_view name)
{
    const Fields fields(json, name);
    const std::string architecture = architectureOf(fields);
    return architecture == "gpt2" ? parseGpt2(fields) : parseLlama(fields, architecture);
}

Json toHfConfig(const ModelConfig &config)
{
    Json json = config.architecture == "gpt2" ? gpt2ToHf(config) : llamaToHf(config);
    json["tie_word_embeddings"] = config.tiedHead;
    json["bos_token_id"] = tokenOrNull(config.bosToken);
    json["eos_token_id"] = tokenOrNull(config.eosToken);
    json["torch_dtype"] = "float32";
    return json;
}

} // namespace retoscope
