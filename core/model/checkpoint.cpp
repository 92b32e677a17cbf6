// SPDX-License-Identifier: GPL-3.0-or-later
// From files to tensors: Hugging Face folders and llama2.c files.
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "model/llama2c.h"
#include "model/safetensors.h"
#include "model/transformer.h"

#include <set>

namespace retoscope {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t longestJson = 64 << 20; // bytes; a shard list of the largest models is a few MB

Json readJson(const fs::path &path)
{
    try {
        return Json::parse(readFile(path, longestJson));
    } catch (const Json::exception &) {
        fail(ErrorKind::Corrupt, "{} is not valid JSON; download or save it again.", path.string());
    }
}

at::Tensor toTensor(const StoredTensor &stored, std::string_view weight, std::string_view file)
{
    const auto type = stored.type == "F32"    ? at::kFloat
                      : stored.type == "BF16" ? at::kBFloat16
                      : stored.type == "F16"  ? at::kHalf
                                              : at::ScalarType::Undefined;
    if (type == at::ScalarType::Undefined)
        fail(ErrorKind::BadInput, "{}: '{}' is stored as {}; save the model as float32, bfloat16 or float16.", file, weight,
             stored.type);
    auto tensor = at::empty(stored.shape, type);
    if (!stored.bytes.empty()) // an unaligned mapping must be copied anyway, and a file may be replaced while we run
        std::memcpy(tensor.data_ptr(), stored.bytes.data(), stored.bytes.size());
    return tensor;
}

/// Checkpoints of the bare model (without its head) lack the first scope of the names.
std::string fullName(const ModelConfig &config, const std::string &stored)
{
    const std::string scope = config.architecture == "gpt2" ? "transformer." : "model.";
    return stored.starts_with(scope) || stored.starts_with("lm_head.") ? stored : scope + stored;
}

/// Takes what the configuration asks for; buffers and weights of other heads stay behind.
void addWeights(Checkpoint &checkpoint, const WeightShapes &required, const StoredTensors &tensors, std::string_view file)
{
    for (const auto &[stored, tensor] : tensors)
        if (const std::string name = fullName(checkpoint.config, stored); required.contains(name))
            checkpoint.weights[name] = toTensor(tensor, stored, file);
}

/// The files that hold the weights: one, or the shards that the index lists.
std::vector<fs::path> weightFiles(const fs::path &folder)
{
    const fs::path single = folder / "model.safetensors", indexPath = folder / "model.safetensors.index.json";
    if (fs::exists(single))
        return {single};
    if (fs::exists(indexPath)) {
        const Json index = readJson(indexPath);
        if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
            fail(ErrorKind::Corrupt, "{} has no 'weight_map'; download it again.", indexPath.string());
        std::set<fs::path> shards;
        for (const Json &shard : index["weight_map"]) {
            // A name only: a shard outside the folder is no part of the model.
            if (!shard.is_string() || fs::path(shard.get<std::string>()).filename() != shard.get<std::string>())
                fail(ErrorKind::Corrupt, "{} lists the shard {}, which is no plain file name; download it again.",
                     indexPath.string(), shard.dump());
            const fs::path path = folder / shard.get<std::string>();
            if (!fs::exists(path))
                fail(ErrorKind::NotFound, "{} lists the shard {}, which is not there; download it too.", indexPath.string(),
                     path.filename().string());
            shards.insert(path);
        }
        return {shards.begin(), shards.end()};
    }
    for (const char *pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
        if (fs::exists(folder / pickle))
            fail(ErrorKind::BadInput,
                 "{} holds only {}, a pickle that could run code; convert it with transformers' "
                 "save_pretrained(…, safe_serialization=True).",
                 folder.string(), pickle);
    fail(ErrorKind::NotFound, "{} has no model.safetensors and no model.safetensors.index.json; download the weights.",
         folder.string());
}

Checkpoint readHuggingFace(const fs::path &folder)
{
    const fs::path configPath = folder / "config.json";
    if (!fs::exists(configPath))
        fail(ErrorKind::NotFound, "{} has no config.json; name a Hugging Face model folder or a llama2.c .bin file.",
             folder.string());
    Checkpoint checkpoint{parseHfConfig(readJson(configPath), configPath.string()), {}};
    const WeightShapes required = requiredWeights(checkpoint.config);
    for (const fs::path &path : weightFiles(folder)) {
        const MappedFile file(path, MappedFile::Access::Sequential);
        addWeights(checkpoint, required, parseSafetensors(file.bytes(), path.string()), path.string());
    }
    return checkpoint;
}

/// llama2.c rotates neighbours (2i, 2i + 1), this decoder halves (i, i + headSize / 2): the rows change places.
at::Tensor halvesFromNeighbours(const at::Tensor &weight, std::int64_t headSize)
{
    return weight.view({-1, headSize / 2, 2, weight.size(1)}).transpose(1, 2).reshape(weight.sizes()).contiguous();
}

Checkpoint readLlama2c(const fs::path &path)
{
    const MappedFile file(path, MappedFile::Access::Sequential);
    const Llama2cFile model = parseLlama2c(file.bytes(), path.string());
    Checkpoint checkpoint{model.config, {}};
    addWeights(checkpoint, requiredWeights(checkpoint.config), model.tensors, path.string());
    for (auto &[name, weight] : checkpoint.weights)
        if (name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight"))
            weight = halvesFromNeighbours(weight, checkpoint.config.headSize);
    return checkpoint;
}

} // namespace

Checkpoint readCheckpoint(const fs::path &path)
{
    if (!fs::exists(path))
        fail(ErrorKind::NotFound, "There is no model at {}; name a Hugging Face model folder or a llama2.c .bin file.",
             path.string());
    Checkpoint checkpoint = fs::is_directory(path) ? readHuggingFace(path) : readLlama2c(path);
    checkWeights(checkpoint.config, checkpoint.weights, path.string());
    return checkpoint;
}

std::string fingerprintOf(const Checkpoint &checkpoint)
{
    Sha256 hash;
    hash.update(toHfConfig(checkpoint.config).dump());
    for (const auto &[name, weight] : checkpoint.weights) {
        const auto stored = weight.detach().cpu().contiguous();
        hash.update(fmt::format("\n{} {} [{}]\n", name, c10::toString(stored.scalar_type()), fmt::join(stored.sizes(), ",")));
        hash.update(stored.data_ptr(), stored.nbytes());
    }
    return hash.hex();
}

} // namespace retoscope
