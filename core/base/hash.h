// SPDX-License-Identifier: GPL-3.0-or-later
// Two hashes: SHA-256 for identity (fingerprints), XXH3-64 for the checksums of blocks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace retoscope {

/// SHA-256, incremental. Not thread-safe.
class Sha256
{
public:
    Sha256();
    ~Sha256();
    void update(const void *data, std::size_t bytes);
    void update(std::string_view text) { update(text.data(), text.size()); }
    template<typename T>
    void update(std::span<const T> values)
    {
        update(values.data(), values.size_bytes());
    }
    /// 64 lower-case hexadecimal digits; call once.
    [[nodiscard]] std::string hex();

private:
    struct Context;
    std::unique_ptr<Context> m_context;
};

std::string sha256(std::string_view bytes);
std::string sha256OfFile(const std::filesystem::path &path);

/// XXH3 64-bit of one block.
std::uint64_t xxh3(const void *data, std::size_t bytes);

/// XXH3 64-bit, incremental; digest() may be called at any time.
class Xxh3
{
public:
    Xxh3();
    ~Xxh3();
    void update(const void *data, std::size_t bytes);
    [[nodiscard]] std::uint64_t digest() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

/// 16 lower-case hexadecimal digits.
std::string hex64(std::uint64_t value);

} // namespace retoscope
