// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/safetensors_writer.h"

#include "base/atomic_file.h"
#include "model/training_kernels.h"

#include <bit>

namespace retoscope {

void writeSafetensors(const std::filesystem::path &path, const std::map<std::string, TensorToWrite> &tensors,
                      ComputeType type)
{
    static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");
    const bool half = type == ComputeType::BFloat16;
    const std::uint64_t itemSize = half ? 2 : 4;
    Json header{{"__metadata__", {{"format", "pt"}}}};
    std::uint64_t offset = 0;
    for (const auto &[name, tensor] : tensors) {
        const std::uint64_t end = offset + tensor.values.size() * itemSize;
        header[name] = {{"dtype", half ? "BF16" : "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
        offset = end;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' '); // the data begins aligned

    AtomicFile file(path);
    const std::uint64_t length = text.size();
    file.write(&length, sizeof length);
    file.write(text);
    std::vector<kernels::BFloat16> halves;
    for (const auto &[name, tensor] : tensors) {
        if (half) {
            halves.resize(tensor.values.size());
            kernels::convert(tensor.values.data(), halves.data(), static_cast<std::int64_t>(halves.size()));
            file.write(std::span<const kernels::BFloat16>(halves));
        } else {
            file.write(tensor.values);
        }
    }
    file.commit();
}

} // namespace retoscope
