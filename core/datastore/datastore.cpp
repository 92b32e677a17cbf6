// SPDX-License-Identifier: GPL-3.0-or-later
#include "datastore/datastore.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "datastore/distance.h"
#include "datastore/layout.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace fs = std::filesystem;

namespace retoscope {

std::string_view toString(KeyType type)
{
    return type == KeyType::Float16 ? "fp16" : "fp32";
}

KeyType keyTypeFromString(std::string_view text)
{
    if (text == "fp16")
        return KeyType::Float16;
    if (text == "fp32")
        return KeyType::Float32;
    fail(ErrorKind::BadInput, "'{}' is not a key type; use fp16 or fp32.", text);
}

struct Datastore::Data
{
    Manifest manifest;
    fs::path folder;
    MappedFile keyFile, valueFile;
    Parts parts; ///< fromParts() only
    KeyView keys;
    std::span<const std::int32_t> values;
    std::vector<std::int64_t> documentStarts; ///< [documents + 1]
    std::vector<std::int64_t> firstTokens;    ///< [documents]: token index of the document's first entry
    std::vector<std::uint64_t> endBits;

    void indexDocuments()
    {
        const auto n = static_cast<std::size_t>(keys.count);
        endBits.assign((n + 63) / 64, 0);
        for (std::size_t d = 1; d < documentStarts.size(); ++d) {
            if (const auto start = static_cast<std::size_t>(documentStarts[d]); start > 0)
                endBits[(start - 1) / 64] |= std::uint64_t(1) << ((start - 1) % 64);
        }
    }
};

namespace {

/// Documents may be empty (equal starts), but they are in order and cover [0, entries).
bool areDocumentStarts(std::span<const std::int64_t> starts, std::int64_t entries)
{
    return starts.size() >= 2 && starts.front() == 0 && starts.back() == entries && std::ranges::is_sorted(starts);
}

template<typename T>
T identityField(const Manifest &manifest, const fs::path &folder, const char *name)
{
    try {
        return manifest.identity.at(name).get<T>();
    } catch (const Json::exception &) {
        fail(ErrorKind::Corrupt, "{}: the manifest's identity lacks '{}' or has it of a wrong type; build the datastore again.", folder.string(), name);
    }
}

MappedFile mapWhole(const fs::path &path, std::uint64_t bytes, MappedFile::Access access)
{
    MappedFile file(path, access);
    if (file.size() != bytes)
        fail(ErrorKind::Corrupt, "{} is {} bytes long, but the datastore's manifest promises {}; build the datastore again.", path.string(), file.size(), bytes);
    return file;
}

} // namespace

std::shared_ptr<const Datastore> Datastore::open(const fs::path &folder)
{
    auto data = std::make_shared<Data>();
    data->folder = folder;
    data->manifest = readManifest(folder, layout::format, layout::version);

    const auto entries = identityField<std::int64_t>(data->manifest, folder, "entries");
    const auto dimension = identityField<std::int32_t>(data->manifest, folder, "dimension");
    const auto type = keyTypeFromString(identityField<std::string>(data->manifest, folder, "key_type"));
    if (entries < 1 || entries > layout::maximalEntries || dimension < 1 || dimension > layout::maximalDimension)
        fail(ErrorKind::Corrupt, "{}: the manifest promises {} entries of dimension {}, which cannot be; build the datastore again.", folder.string(), entries, dimension);

    data->keys = {nullptr, type, entries, dimension};
    data->keyFile = mapWhole(folder / layout::keysFile, std::uint64_t(entries) * data->keys.rowBytes(), MappedFile::Access::Normal);
    data->valueFile = mapWhole(folder / layout::valuesFile, std::uint64_t(entries) * sizeof(std::int32_t), MappedFile::Access::Normal);
    data->keys.data = data->keyFile.bytes().data();
    data->values = data->valueFile.view<std::int32_t>(0, static_cast<std::size_t>(entries));

    const MappedFile documents(folder / layout::documentsFile);
    const auto pairs = documents.view<layout::DocumentStart>(0, documents.size() / sizeof(layout::DocumentStart));
    for (const auto &pair : pairs) {
        data->documentStarts.push_back(pair.entry);
        data->firstTokens.push_back(pair.token);
    }
    data->documentStarts.push_back(entries);
    if (documents.size() % sizeof(layout::DocumentStart) != 0 || !areDocumentStarts(data->documentStarts, entries))
        fail(ErrorKind::Corrupt, "{} does not hold ascending document starts; build the datastore again.", documents.path().string());
    data->indexDocuments();

    auto store = std::shared_ptr<Datastore>(new Datastore);
    store->m_data = std::move(data);
    return store;
}

std::shared_ptr<const Datastore> Datastore::fromParts(Parts parts)
{
    auto data = std::make_shared<Data>();
    data->parts = std::move(parts);
    const auto entries = static_cast<std::int64_t>(data->parts.values.size());
    data->keys = {data->parts.keys.data(), data->parts.keyType, entries, data->parts.dimension};
    data->values = data->parts.values;
    if (entries < 1 || entries > layout::maximalEntries || data->parts.dimension < 1 || data->parts.dimension > layout::maximalDimension)
        fail(ErrorKind::BadInput, "A datastore needs 1 to {} entries of dimension 1 to {}, not {} of {}.", layout::maximalEntries, layout::maximalDimension,
             entries, data->parts.dimension);
    if (data->parts.keys.size() != std::size_t(entries) * data->keys.rowBytes())
        fail(ErrorKind::BadInput, "The keys are {} bytes long, but {} entries × {} dimensions of {} take {}; check the dimension and the key type.",
             data->parts.keys.size(), entries, data->parts.dimension, toString(data->parts.keyType), std::size_t(entries) * data->keys.rowBytes());

    data->documentStarts = data->parts.documentStarts;
    if (data->documentStarts.empty())
        data->documentStarts = {0, entries};
    if (!areDocumentStarts(data->documentStarts, entries))
        fail(ErrorKind::BadInput, "The document starts must ascend from 0 to the number of entries, {}.", entries);
    data->firstTokens.assign(data->documentStarts.begin(), data->documentStarts.end() - 1);
    data->indexDocuments();

    const auto checksum = [](const auto &values) { return hex64(xxh3(values.data(), values.size() * sizeof(values[0]))); };
    data->manifest.format = layout::format;
    data->manifest.version = layout::version;
    data->manifest.identity = {{"entries", entries},
                               {"dimension", data->parts.dimension},
                               {"key_type", toString(data->parts.keyType)},
                               {"keys_xxh3", checksum(data->parts.keys)},
                               {"values_xxh3", checksum(data->parts.values)},
                               {"documents_xxh3", checksum(data->documentStarts)}};
    auto store = std::shared_ptr<Datastore>(new Datastore);
    store->m_data = std::move(data);
    return store;
}

std::int64_t Datastore::size() const
{
    return m_data->keys.count;
}

std::int32_t Datastore::dimension() const
{
    return m_data->keys.dimension;
}

KeyView Datastore::keys() const
{
    return m_data->keys;
}

std::span<const std::int32_t> Datastore::values() const
{
    return m_data->values;
}

void Datastore::copyKeys(std::int64_t begin, std::int64_t count, float *out) const
{
    const KeyView &keys = m_data->keys;
    const std::int64_t numbers = count * keys.dimension;
    if (keys.type == KeyType::Float16)
        halfToFloat(static_cast<const std::uint16_t *>(keys.row(begin)), out, numbers);
    else
        std::memcpy(out, keys.row(begin), std::size_t(numbers) * sizeof(float));
}

void Datastore::gatherKeys(std::span<const std::int32_t> ids, float *out) const
{
    for (std::size_t j = 0; j < ids.size(); ++j)
        copyKeys(ids[j], 1, out + j * std::size_t(dimension()));
}

std::span<const std::int64_t> Datastore::documentStarts() const
{
    return m_data->documentStarts;
}

DocumentId Datastore::documentOf(EntryId entry) const
{
    const auto &starts = m_data->documentStarts;
    const auto next = std::upper_bound(starts.begin(), starts.end() - 1, entry.value);
    return DocumentId(static_cast<std::int32_t>(next - starts.begin() - 1));
}

bool Datastore::hasPointer(EntryId entry) const
{
    return !(m_data->endBits[std::size_t(entry.value) / 64] >> (std::size_t(entry.value) % 64) & 1u);
}

std::span<const std::uint64_t> Datastore::documentEndBits() const
{
    return m_data->endBits;
}

std::int64_t Datastore::tokenIndex(EntryId entry) const
{
    const auto document = static_cast<std::size_t>(documentOf(entry).value);
    return m_data->firstTokens[document] + (entry.value - m_data->documentStarts[document]);
}

const Manifest &Datastore::manifest() const
{
    return m_data->manifest;
}

std::string Datastore::fingerprint() const
{
    return m_data->manifest.fingerprint();
}

const fs::path &Datastore::folder() const
{
    return m_data->folder;
}

} // namespace retoscope
