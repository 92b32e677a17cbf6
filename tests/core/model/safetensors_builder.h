// SPDX-License-Identifier: GPL-3.0-or-later
// Builds safetensors files from first principles, well-formed or not, for the tests of the readers.
#pragma once

#include "base/manifest.h"

#include <cstdint>
#include <string>
#include <vector>

namespace retoscope {

/// 8 bytes of length, the header, the data.
inline std::string safetensorsFile(const std::string &header, const std::string &data)
{
    std::string file;
    for (int byte = 0; byte < 8; ++byte)
        file += static_cast<char>((header.size() >> (8 * byte)) & 0xff);
    return file + header + data;
}

/// A well-formed file, tensor after tensor.
class SafetensorsBuilder
{
public:
    void add(const std::string &name, const std::string &type, const std::vector<std::int64_t> &shape, const std::string &bytes)
    {
        m_header[name] = {{"dtype", type}, {"shape", shape}, {"data_offsets", {m_data.size(), m_data.size() + bytes.size()}}};
        m_data += bytes;
    }
    void add(const std::string &name, const std::vector<std::int64_t> &shape, const std::vector<float> &values)
    {
        add(name, "F32", shape, {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)});
    }
    [[nodiscard]] std::string file() const { return safetensorsFile(m_header.dump(), m_data); }

private:
    Json m_header = Json::object();
    std::string m_data;
};

} // namespace retoscope
