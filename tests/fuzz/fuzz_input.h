// SPDX-License-Identifier: GPL-3.0-or-later
// What the targets do with the fuzzer's bytes: as files in a folder of this process, or as a whole artefact.
#pragma once

#include "base/manifest.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope::fuzz {

using Input = std::string_view;

inline Input inputOf(const std::uint8_t *data, std::size_t size)
{
    return {reinterpret_cast<const char *>(data), size};
}

inline std::span<const std::byte> bytesOf(Input input)
{
    return std::as_bytes(std::span(input.data(), input.size()));
}

/// A folder of its own, in memory where there is such a file system; removed at the end.
class Folder
{
public:
    Folder()
    {
        std::error_code code;
        const std::filesystem::path memory = "/dev/shm";
        const auto place = std::filesystem::is_directory(memory, code) ? memory : std::filesystem::temp_directory_path();
        m_path = place / ("retoscope-fuzz-" + std::to_string(::getpid()));
        std::filesystem::create_directories(m_path);
    }
    ~Folder()
    {
        std::error_code code;
        std::filesystem::remove_all(m_path, code);
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    /// Returns its path.
    std::filesystem::path write(const std::string &name, Input content) const
    {
        const auto path = m_path / name;
        std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
        return path;
    }
    [[nodiscard]] const std::filesystem::path &path() const { return m_path; }

private:
    std::filesystem::path m_path;
};

/// The parts of an input that holds several files, with a line "--" between them. Missing ones are empty.
inline std::vector<Input> partsOf(Input input, std::size_t count)
{
    constexpr Input border = "\n--\n";
    std::vector<Input> parts(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t end = i + 1 == count ? Input::npos : input.find(border);
        parts[i] = input.substr(0, end);
        input = end == Input::npos ? Input() : input.substr(end + border.size());
    }
    return parts;
}

/// An artefact whose manifest is sound (sizes and checksums hold), so that the reader sees the hostile rest: the identity is
/// the input's first part and `known` fields, the files the others. False when the identity is not JSON.
inline bool writeArtefact(const Folder &folder, std::string_view format, int version, Input input, std::initializer_list<const char *> names, const Json &known = Json::object())
{
    const auto parts = partsOf(input, names.size() + 1);
    Manifest manifest;
    manifest.format = format;
    manifest.version = version;
    manifest.identity = Json::parse(parts.front(), nullptr, false);
    if (manifest.identity.is_discarded())
        return false;
    if (manifest.identity.is_object())
        manifest.identity.update(known);
    std::size_t part = 0;
    for (const char *name : names) {
        folder.write(name, parts[++part]);
        addFile(manifest, folder.path(), name);
    }
    try {
        writeManifest(manifest, folder.path());
    } catch (const Json::exception &) { // a string that is not UTF-8 cannot be written
        return false;
    }
    return true;
}

} // namespace retoscope::fuzz
