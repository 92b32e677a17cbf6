// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace retoscope {

/// A whole file mapped read-only into memory. Move-only; thread-safe to read. Throws Error (NotFound, Io) when the file
/// cannot be opened or mapped; an empty file maps to an empty span.
class MappedFile
{
public:
    enum class Access { Normal, Sequential, Random };

    MappedFile() = default;
    explicit MappedFile(const std::filesystem::path &path, Access access = Access::Normal);
    ~MappedFile();
    MappedFile(MappedFile &&other) noexcept;
    MappedFile &operator=(MappedFile &&other) noexcept;
    MappedFile(const MappedFile &) = delete;
    MappedFile &operator=(const MappedFile &) = delete;

    [[nodiscard]] std::span<const std::byte> bytes() const { return {m_data, m_size}; }
    [[nodiscard]] std::size_t size() const { return m_size; }
    [[nodiscard]] const std::filesystem::path &path() const { return m_path; }

    /// The bytes from `offset` on as `count` values of T (the caller knows the layout). Throws Corrupt with both sizes
    /// when the file is too short or the offset is misaligned.
    template<typename T>
    [[nodiscard]] std::span<const T> view(std::size_t offset, std::size_t count) const
    {
        checkRange(offset, count, sizeof(T), alignof(T));
        return {reinterpret_cast<const T *>(m_data + offset), count};
    }

    /// Asks the kernel to load (or drop) the pages; a hint only.
    void willNeed() const;

private:
    void checkRange(std::size_t offset, std::size_t count, std::size_t size, std::size_t alignment) const;

    const std::byte *m_data = nullptr;
    std::size_t m_size = 0;
    std::filesystem::path m_path;
};

} // namespace retoscope
