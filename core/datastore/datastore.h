// SPDX-License-Identifier: GPL-3.0-or-later
// The datastore of kNN-LM (Khandelwal et al. 2020): key_i is the tap of the model after reading the context that ends
// before value_i. Entries are in corpus order, so pointer_i = i + 1 (Alon et al. 2022) needs no storage.
#pragma once

#include "base/ids.h"
#include "base/manifest.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace retoscope {

enum class KeyType { Float16, Float32 };
std::string_view toString(KeyType type); ///< "fp16", "fp32"
KeyType keyTypeFromString(std::string_view text);

/// Rows of keys wherever they live; the unit in which search, replay and clustering see a datastore.
struct KeyView
{
    const void *data = nullptr; ///< [count × dimension], row-major, little-endian fp16 or fp32
    KeyType type = KeyType::Float16;
    std::int64_t count = 0;
    std::int32_t dimension = 0;

    [[nodiscard]] std::size_t rowBytes() const { return std::size_t(dimension) * (type == KeyType::Float16 ? 2 : 4); }
    [[nodiscard]] const void *row(std::int64_t i) const { return static_cast<const char *>(data) + std::size_t(i) * rowBytes(); }
};

/// Memory-mapped and immutable; thread-safe to read.
class Datastore
{
public:
    /// Throws like readManifest(). Files: keys.bin, values.bin (int32), documents.bin (int64 pairs, see below).
    static std::shared_ptr<const Datastore> open(const std::filesystem::path &folder);

    struct Parts
    {
        std::vector<std::byte> keys; ///< rows as in KeyView
        KeyType keyType = KeyType::Float32;
        std::int32_t dimension = 0;
        std::vector<std::int32_t> values;
        std::vector<std::int64_t> documentStarts; ///< first entry of each document, then N; empty: one document
    };
    /// A datastore in memory, for tests and imported artefacts.
    static std::shared_ptr<const Datastore> fromParts(Parts parts);

    [[nodiscard]] std::int64_t size() const;      ///< N
    [[nodiscard]] std::int32_t dimension() const; ///< D
    [[nodiscard]] KeyView keys() const;
    [[nodiscard]] std::span<const std::int32_t> values() const;
    /// Copies rows [begin, begin+count) as fp32, [count × D].
    void copyKeys(std::int64_t begin, std::int64_t count, float *out) const;
    /// Copies the rows of these entries as fp32, [ids × D].
    void gatherKeys(std::span<const std::int32_t> ids, float *out) const;

    /// First entry of each document, then N: int64 [documents + 1].
    [[nodiscard]] std::span<const std::int64_t> documentStarts() const;
    [[nodiscard]] DocumentId documentOf(EntryId entry) const;
    /// False for the last entry of a document (and of the datastore).
    [[nodiscard]] bool hasPointer(EntryId entry) const;
    /// One bit per entry, 1 where the entry ends its document: what hot loops test instead of hasPointer(). [⌈N/64⌉]
    [[nodiscard]] std::span<const std::uint64_t> documentEndBits() const;
    /// Index of value_i in the token stream that the datastore was built from.
    [[nodiscard]] std::int64_t tokenIndex(EntryId entry) const;

    [[nodiscard]] const Manifest &manifest() const;
    [[nodiscard]] std::string fingerprint() const;
    [[nodiscard]] const std::filesystem::path &folder() const; ///< empty for fromParts()

private:
    Datastore() = default;
    struct Data;
    std::shared_ptr<const Data> m_data;
};

} // namespace retoscope
