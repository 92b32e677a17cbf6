// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace retoscope::fuzz {

/// A file in a folder of its own that holds the fuzzer's current input; readers that take paths are given this one.
class File
{
public:
    explicit File(const std::string &name)
        : m_folder(std::filesystem::temp_directory_path() / ("retoscope-fuzz-" + std::to_string(::getpid())))
    {
        std::filesystem::create_directories(m_folder);
        m_path = m_folder / name;
    }
    ~File()
    {
        std::error_code code;
        std::filesystem::remove_all(m_folder, code);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;

    void write(const std::uint8_t *data, std::size_t size) const
    {
        std::ofstream(m_path, std::ios::binary).write(reinterpret_cast<const char *>(data), static_cast<std::streamsize>(size));
    }
    [[nodiscard]] const std::filesystem::path &path() const { return m_path; }

private:
    std::filesystem::path m_folder, m_path;
};

} // namespace retoscope::fuzz
