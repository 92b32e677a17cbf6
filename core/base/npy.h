// SPDX-License-Identifier: GPL-3.0-or-later
// NumPy's .npy format, versions 1.0 to 3.0 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
// little-endian, C order. Files of others are hostile input: every size is checked against the file's length before use.
#pragma once

#include "base/atomic_file.h"
#include "base/mapped_file.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

/// NumPy type string without byte order: "f2" "f4" "f8" "i1" "i2" "i4" "i8" "u1" "u2" "u4" "u8" "b1".
template<typename T>
constexpr std::string_view npyType();
template<> constexpr std::string_view npyType<float>() { return "f4"; }
template<> constexpr std::string_view npyType<double>() { return "f8"; }
template<> constexpr std::string_view npyType<std::int8_t>() { return "i1"; }
template<> constexpr std::string_view npyType<std::int16_t>() { return "i2"; }
template<> constexpr std::string_view npyType<std::int32_t>() { return "i4"; }
template<> constexpr std::string_view npyType<std::int64_t>() { return "i8"; }
template<> constexpr std::string_view npyType<std::uint8_t>() { return "u1"; }
template<> constexpr std::string_view npyType<std::uint16_t>() { return "u2"; } // fp16 bits are written with writeNpy(…, "f2")

/// Product of the extents of a shape that fits its data; 1 for a scalar.
std::int64_t elementsOf(std::span<const std::int64_t> shape);

struct NpyHeader
{
    std::string type;                 ///< e.g. "f4"
    std::vector<std::int64_t> shape;
    std::size_t dataOffset = 0;
    std::size_t itemSize = 0;
    [[nodiscard]] std::int64_t count() const; ///< product of the shape (1 for a scalar)
};

/// True when the bytes start with NumPy's magic string.
bool looksLikeNpy(std::span<const std::byte> bytes);

/// Parses and checks the header; `name` is the file's name for the sentences. Throws BadInput (Fortran order, big-endian,
/// objects) or Corrupt (sizes beyond the end of the file).
NpyHeader parseNpyHeader(std::span<const std::byte> bytes, std::string_view name);

/// A mapped .npy file. values<T>() throws BadInput naming both types when the file holds another type.
class NpyFile
{
public:
    explicit NpyFile(const std::filesystem::path &path);
    [[nodiscard]] const NpyHeader &header() const { return m_header; }
    template<typename T>
    [[nodiscard]] std::span<const T> values() const
    {
        requireType(npyType<T>());
        return m_file.view<T>(m_header.dataOffset, static_cast<std::size_t>(m_header.count()));
    }
    /// Any integer type, widened. Throws BadInput for other types.
    [[nodiscard]] std::vector<std::int64_t> integers() const;
    [[nodiscard]] std::span<const std::byte> rawData() const;

private:
    void requireType(std::string_view type) const;
    MappedFile m_file;
    NpyHeader m_header;
};

/// `data` as integers of a NumPy type, widened (u8 beyond int64 wraps); `name` is the file's name for the sentence. Throws
/// BadInput for types that are no integers.
std::vector<std::int64_t> widenIntegers(std::string_view type, std::span<const std::byte> data, std::string_view name);

/// The header bytes (version 1.0, padded to 64) for data of this type and shape.
std::string npyHeader(std::string_view type, std::span<const std::int64_t> shape);

void writeNpy(const std::filesystem::path &path, std::string_view type, std::span<const std::int64_t> shape,
              const void *data, std::size_t bytes);

template<typename T>
void writeNpy(const std::filesystem::path &path, std::span<const T> values, std::vector<std::int64_t> shape = {})
{
    if (shape.empty())
        shape = {static_cast<std::int64_t>(values.size())};
    writeNpy(path, npyType<T>(), shape, values.data(), values.size_bytes());
}

} // namespace retoscope
