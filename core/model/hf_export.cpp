// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/hf_export.h"

#include "base/atomic_file.h"
#include "model/hf_config.h"
#include "model/safetensors_writer.h"

namespace retoscope {

void writeModelDescription(const std::filesystem::path &folder, const ModelConfig &config, ComputeType storeType,
                           const std::vector<std::filesystem::path> &tokenizerFiles)
{
    Json description = toHfConfig(config);
    description["torch_dtype"] = storeType == ComputeType::BFloat16 ? "bfloat16" : "float32";
    writeFileAtomically(folder / "config.json", description.dump(2) + "\n");

    Json generation = Json::object();
    if (config.bosToken >= 0)
        generation["bos_token_id"] = config.bosToken;
    if (config.eosToken >= 0)
        generation["eos_token_id"] = config.eosToken;
    writeFileAtomically(folder / "generation_config.json", generation.dump(2) + "\n");

    for (const std::filesystem::path &file : tokenizerFiles)
        writeFileAtomically(folder / file.filename(), readFile(file));
}

void writeModelWeights(const std::filesystem::path &folder, const ParameterLayout &layout,
                       std::span<const float> values, ComputeType storeType)
{
    std::map<std::string, TensorToWrite> tensors;
    for (const Parameter &parameter : layout.parameters())
        tensors.emplace(parameter.name,
                        TensorToWrite{parameter.shape, values.subspan(static_cast<std::size_t>(parameter.offset),
                                                                      static_cast<std::size_t>(parameter.count))});
    writeSafetensors(folder / "model.safetensors", tensors, storeType);
}

} // namespace retoscope
