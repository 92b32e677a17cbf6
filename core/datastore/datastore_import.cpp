// SPDX-License-Identifier: GPL-3.0-or-later
#include "datastore/datastore_import.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"
#include "base/npy.h"
#include "datastore/layout.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::size_t blockBytes = 8 << 20;

// ------------------------------------------------------------------------------------------------------------------ names

/// Digits only, and a number that can be.
template<typename T>
std::optional<T> numberFrom(std::string_view text)
{
    T value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1)
        return std::nullopt;
    return value;
}

std::vector<std::string_view> splitAtUnderscores(std::string_view text)
{
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find('_', begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

// ----------------------------------------------------------------------------------------------------------------- layout

/// A number and who says so; the first claim counts, every later one must agree.
template<typename T>
class Claim
{
public:
    explicit Claim(std::string_view what) : m_what(what) {}

    void add(std::optional<T> value, const std::string &source)
    {
        if (!value)
            return;
        if (m_value && *m_value != *value)
            fail(ErrorKind::Mismatch, "The {} is {} according to {}, but {} according to {}; correct the option or the file's name.", m_what, text(*m_value), m_source,
                 text(*value), source);
        m_value = value;
        if (m_source.empty())
            m_source = source;
    }
    [[nodiscard]] const std::optional<T> &value() const { return m_value; }

private:
    static std::string text(const T &value)
    {
        if constexpr (std::is_same_v<T, KeyType>)
            return std::string(toString(value));
        else
            return fmt::format("{}", value);
    }

    std::string_view m_what;
    std::optional<T> m_value;
    std::string m_source;
};

/// A file with or without a NumPy header.
struct SourceFile
{
    MappedFile file;
    std::optional<NpyHeader> header;

    explicit SourceFile(const fs::path &path) : file(path, MappedFile::Access::Sequential)
    {
        if (looksLikeNpy(file.bytes()))
            header = parseNpyHeader(file.bytes(), path.string());
    }
    [[nodiscard]] std::string name() const { return file.path().string(); }
    [[nodiscard]] std::size_t dataOffset() const { return header ? header->dataOffset : 0; }
    [[nodiscard]] std::uint64_t dataBytes() const { return file.size() - dataOffset(); }
};

std::size_t sizeOfType(std::string_view type)
{
    return static_cast<std::size_t>(type[1] - '0');
}

std::size_t sizeOfType(KeyType type)
{
    return type == KeyType::Float16 ? 2 : 4;
}

constexpr std::array<std::string_view, 3> valueTypes = {"i8", "i4", "i2"};
constexpr std::array<KeyType, 2> keyTypes = {KeyType::Float16, KeyType::Float32};

/// Read with too narrow a type, numbers are cut; with too wide a type, two of them make one far larger than any vocabulary.
bool lookLikeTokens(const SourceFile &values, std::string_view type)
{
    constexpr std::size_t looked = 1 << 16;
    constexpr std::int64_t largestVocabulary = 1 << 22;
    const std::size_t size = sizeOfType(type);
    const std::size_t count = std::min<std::size_t>(looked, values.dataBytes() / size);
    const auto numbers = widenIntegers(type, values.file.bytes().subspan(values.dataOffset(), count * size), values.name());
    return std::ranges::all_of(numbers, [](std::int64_t value) { return value >= 0 && value < largestVocabulary; });
}

class LayoutFinder
{
public:
    explicit LayoutFinder(const DatastoreSource &source) : m_keys(source.keys), m_values(source.values)
    {
        if (source.entries > 0)
            m_entries.add(source.entries, "--entries");
        if (source.dimension > 0)
            m_dimension.add(source.dimension, "--dimension");
        m_keyType.add(source.keyType, "--key-dtype");
        m_valueType.add(source.valueType, "--value-dtype");
        if (m_keys.header)
            addKeysHeader(*m_keys.header);
        if (m_values.header)
            addValuesHeader(*m_values.header);
        addName(m_keys);
        addName(m_values);
    }

    DatastoreLayout find()
    {
        if (!m_dimension.value())
            fail(ErrorKind::BadInput, "The dimension of the keys is neither in the name of {} nor in a header; give it with --dimension.", m_keys.name());
        if (*m_dimension.value() > layout::maximalDimension)
            fail(ErrorKind::BadInput, "The dimension is {}, but at most {} is possible; check --dimension.", *m_dimension.value(), layout::maximalDimension);
        DatastoreLayout found;
        found.dimension = *m_dimension.value();
        found.keysOffset = m_keys.dataOffset();
        found.valuesOffset = m_values.dataOffset();
        if (m_entries.value())
            fitToEntries(found, *m_entries.value());
        else
            workOutEntries(found);
        if (found.entries > layout::maximalEntries)
            fail(ErrorKind::Resource, "{} holds {} entries, more than the {} that a datastore can number; split it.", m_keys.name(), found.entries, layout::maximalEntries);
        return found;
    }

private:
    void addKeysHeader(const NpyHeader &header)
    {
        if (header.type != "f2" && header.type != "f4")
            fail(ErrorKind::BadInput, "{} holds values of the type {}, but keys are f2 or f4; convert it with numpy.astype.", m_keys.name(), header.type);
        if (header.shape.size() != 2)
            fail(ErrorKind::BadInput, "{} has the shape ({}), but keys have two dimensions, entries and components; reshape it.", m_keys.name(), fmt::join(header.shape, ", "));
        if (header.shape[0] < 1 || header.shape[1] < 1 || header.shape[1] > layout::maximalDimension)
            fail(ErrorKind::BadInput, "{} has the shape ({}), which is no set of keys; a datastore needs at least one entry of dimension 1 to {}.", m_keys.name(),
                 fmt::join(header.shape, ", "), layout::maximalDimension);
        const std::string source = "the header of " + m_keys.name();
        m_keyType.add(header.type == "f2" ? KeyType::Float16 : KeyType::Float32, source);
        m_entries.add(header.shape[0], source);
        m_dimension.add(static_cast<std::int32_t>(header.shape[1]), source);
    }
    void addValuesHeader(const NpyHeader &header)
    {
        if (header.type[0] == 'f')
            fail(ErrorKind::BadInput, "{} holds values of the type {}, but token ids are integers; convert it with numpy.astype.", m_values.name(), header.type);
        const bool column = header.shape.size() == 1 || (header.shape.size() == 2 && header.shape[1] == 1);
        if (!column)
            fail(ErrorKind::BadInput, "{} has the shape ({}), but values are one column; reshape it.", m_values.name(), fmt::join(header.shape, ", "));
        const std::string source = "the header of " + m_values.name();
        m_valueType.add(header.type, source);
        m_entries.add(header.shape[0], source);
    }
    void addName(const SourceFile &file)
    {
        const NameHints hints = hintsFromName(file.file.path().filename().string());
        const std::string source = "the name of " + file.name();
        m_entries.add(hints.entries, source);
        m_dimension.add(hints.dimension, source);
        if (&file == &m_keys)
            m_keyType.add(hints.keyType, source);
    }

    [[nodiscard]] std::vector<KeyType> possibleKeyTypes() const
    {
        if (m_keyType.value())
            return {*m_keyType.value()};
        return {keyTypes.begin(), keyTypes.end()};
    }
    [[nodiscard]] std::vector<std::string> possibleValueTypes() const
    {
        if (m_valueType.value())
            return {*m_valueType.value()};
        return {valueTypes.begin(), valueTypes.end()};
    }

    /// The first of `types` with which `count` elements take exactly the file's bytes. No product that could overflow.
    template<typename T>
    std::optional<T> typeThatFits(const std::vector<T> &types, const SourceFile &file, std::uint64_t rows, std::uint64_t columns) const
    {
        for (const T &type : types) {
            const std::uint64_t rowBytes = columns * sizeOfType(type);
            if (file.dataBytes() % rowBytes == 0 && file.dataBytes() / rowBytes == rows)
                return type;
        }
        return std::nullopt;
    }

    void fitToEntries(DatastoreLayout &found, std::int64_t entries) const
    {
        const auto n = static_cast<std::uint64_t>(entries), d = static_cast<std::uint64_t>(found.dimension);
        found.entries = entries;
        const auto keyType = typeThatFits(possibleKeyTypes(), m_keys, n, d);
        if (!keyType)
            fail(ErrorKind::Mismatch, "{} holds {} bytes, but {} keys of {} dimensions take {}; check --entries, --dimension and --key-dtype.", m_keys.name(),
                 m_keys.dataBytes(), entries, d, expectedBytes(possibleKeyTypes(), n, d));
        const auto valueType = typeThatFits(possibleValueTypes(), m_values, n, 1);
        if (!valueType)
            fail(ErrorKind::Mismatch, "{} holds {} bytes, but {} values take {}; check --entries and --value-dtype.", m_values.name(), m_values.dataBytes(), entries,
                 expectedBytes(possibleValueTypes(), n, 1));
        found.keyType = *keyType;
        found.valueType = *valueType;
    }

    template<typename T>
    static std::string expectedBytes(const std::vector<T> &types, std::uint64_t rows, std::uint64_t columns)
    {
        std::string text;
        for (const T &type : types) {
            std::string_view name;
            if constexpr (std::is_same_v<T, KeyType>)
                name = toString(type);
            else
                name = type;
            const auto rowBytes = columns * sizeOfType(type);
            const bool fits = rows <= std::numeric_limits<std::uint64_t>::max() / rowBytes;
            text += fmt::format("{}{} as {}", text.empty() ? "" : " or ", fits ? std::to_string(rows * rowBytes) : "more than any file", name);
        }
        return text;
    }

    /// Every pair of types with which both files hold the same number of entries; the values decide between several.
    void workOutEntries(DatastoreLayout &found) const
    {
        const auto d = static_cast<std::uint64_t>(found.dimension);
        bool bySize = false;
        for (const std::string &valueType : possibleValueTypes()) { // widest first
            for (const KeyType keyType : possibleKeyTypes()) {
                const std::uint64_t keyBytes = d * sizeOfType(keyType), valueBytes = sizeOfType(valueType);
                const std::uint64_t entries = m_keys.dataBytes() / keyBytes;
                if (entries < 1 || m_keys.dataBytes() % keyBytes != 0 || m_values.dataBytes() % valueBytes != 0 || m_values.dataBytes() / valueBytes != entries)
                    continue;
                bySize = true;
                if (!lookLikeTokens(m_values, valueType))
                    continue;
                found.entries = static_cast<std::int64_t>(entries);
                found.keyType = keyType;
                found.valueType = valueType;
                return;
            }
        }
        if (bySize)
            fail(ErrorKind::BadInput, "{} holds no token ids whatever their type may be (negative, or larger than any vocabulary); files written as int16 overflow above 32767, save them as int32.",
                 m_values.name());
        fail(ErrorKind::Mismatch, "{} holds {} bytes, which is {} keys of {} dimensions as fp16 or {} as fp32, but {} holds {} bytes, which is {} values as i2, {} as i4 or {} as i8; no two agree, check --dimension.",
             m_keys.name(), m_keys.dataBytes(), rowsText(m_keys, 2 * d), d, rowsText(m_keys, 4 * d), m_values.name(), m_values.dataBytes(), rowsText(m_values, 2),
             rowsText(m_values, 4), rowsText(m_values, 8));
    }
    static std::string rowsText(const SourceFile &file, std::uint64_t rowBytes)
    {
        const auto rest = file.dataBytes() % rowBytes;
        return fmt::format("{}{}", file.dataBytes() / rowBytes, rest == 0 ? "" : " and a part");
    }

    SourceFile m_keys, m_values;
    Claim<std::int64_t> m_entries{"number of entries"};
    Claim<std::int32_t> m_dimension{"dimension"};
    Claim<KeyType> m_keyType{"type of the keys"};
    Claim<std::string> m_valueType{"type of the values"};
};

// ---------------------------------------------------------------------------------------------------------------- copying

/// Throws BadInput naming the entry with a component that is no finite number.
void checkFinite(std::span<const std::byte> rows, KeyType type, std::int32_t dimension, std::int64_t firstEntry, const std::string &name)
{
    const auto check = [&]<typename Bits>(Bits exponent) {
        for (std::size_t at = 0; at < rows.size(); at += sizeof(Bits)) {
            Bits bits;
            std::memcpy(&bits, rows.data() + at, sizeof(Bits));
            if ((bits & exponent) == exponent)
                fail(ErrorKind::BadInput, "{}: the key of entry {} holds a number that is infinite or none; wrong --key-dtype or --dimension read keys like that, else make the datastore again.",
                     name, firstEntry + std::int64_t(at / sizeof(Bits)) / dimension);
        }
    };
    if (type == KeyType::Float16)
        check(std::uint16_t{0x7c00});
    else
        check(std::uint32_t{0x7f800000});
}

/// Whole rows at the begin of an unfinished copy that equal the source, in bytes: a copy needs no journal.
std::size_t alreadyCopied(const fs::path &partial, std::span<const std::byte> source, std::size_t rowBytes, JobControl &job)
{
    std::error_code code;
    if (!fs::exists(partial, code))
        return 0;
    const MappedFile file(partial, MappedFile::Access::Sequential);
    std::size_t same = 0;
    const std::size_t end = std::min(file.size(), source.size()) / rowBytes * rowBytes;
    const std::size_t step = std::max(rowBytes, blockBytes / rowBytes * rowBytes);
    while (same < end) {
        job.checkpoint();
        const std::size_t bytes = std::min(step, end - same);
        if (std::memcmp(file.bytes().data() + same, source.data() + same, bytes) != 0)
            break;
        same += bytes;
    }
    return same;
}

std::uint64_t copyKeys(const fs::path &folder, const MappedFile &file, const DatastoreLayout &plan, JobControl &job)
{
    const KeyView view{nullptr, plan.keyType, plan.entries, plan.dimension};
    const auto source = file.bytes().subspan(plan.keysOffset, static_cast<std::size_t>(plan.entries) * view.rowBytes());
    const fs::path partial = folder / (std::string(layout::keysFile) + ".partial");
    const std::size_t copied = alreadyCopied(partial, source, view.rowBytes(), job);
    const std::size_t step = std::max<std::size_t>(1, blockBytes / view.rowBytes()) * view.rowBytes();
    AppendFile out(partial, copied);
    Xxh3 hash;
    std::vector<std::byte> block;
    for (std::size_t at = 0; at < source.size(); at += step) {
        job.checkpoint();
        const auto rows = source.subspan(at, std::min(step, source.size() - at));
        block.assign(rows.begin(), rows.end());
        hash.update(block.data(), block.size());
        checkFinite(block, plan.keyType, plan.dimension, static_cast<std::int64_t>(at / view.rowBytes()), file.path().string());
        if (at + block.size() > copied) {
            const std::size_t skip = at < copied ? copied - at : 0;
            out.write(block.data() + skip, block.size() - skip);
        }
        job.report("importing the datastore", "entries", static_cast<std::int64_t>((at + block.size()) / view.rowBytes()), plan.entries);
    }
    out.sync();
    renameDurably(partial, folder / layout::keysFile);
    return hash.digest();
}

[[noreturn]] void refuseValue(const std::string &name, std::int64_t entry, std::int64_t value, const DatastoreLayout &plan, std::int32_t vocabulary)
{
    if (value < 0 && plan.valueType == "i2")
        fail(ErrorKind::BadInput, "{}: the value of entry {} is {}; int16 overflows above 32767 when a vocabulary is larger, save the values again as int32.", name, entry, value);
    if (value < 0 || vocabulary == 0)
        fail(ErrorKind::BadInput, "{}: the value of entry {} is {}, which is no token id; check --value-dtype.", name, entry, value);
    fail(ErrorKind::Mismatch, "{}: the value of entry {} is {}, but the tokenizer has {} tokens; name the tokenizer that the datastore was made with.", name, entry, value,
         vocabulary);
}

std::uint64_t copyValues(const fs::path &folder, const MappedFile &file, const DatastoreLayout &plan, std::int32_t vocabulary, JobControl &job)
{
    const std::size_t size = sizeOfType(plan.valueType);
    const std::int64_t limit = vocabulary > 0 ? vocabulary : std::int64_t(1) << 31;
    const auto step = static_cast<std::int64_t>(blockBytes / size);
    AtomicFile out(folder / layout::valuesFile);
    Xxh3 hash;
    std::vector<std::int32_t> block;
    for (std::int64_t begin = 0; begin < plan.entries; begin += step) {
        job.checkpoint();
        const auto count = static_cast<std::size_t>(std::min(step, plan.entries - begin));
        const auto raw = file.bytes().subspan(plan.valuesOffset + static_cast<std::size_t>(begin) * size, count * size);
        const auto numbers = widenIntegers(plan.valueType, raw, file.path().string());
        const auto bad = std::ranges::find_if(numbers, [limit](std::int64_t value) { return value < 0 || value >= limit; });
        if (bad != numbers.end())
            refuseValue(file.path().string(), begin + (bad - numbers.begin()), *bad, plan, vocabulary);
        block.assign(numbers.begin(), numbers.end());
        hash.update(block.data(), block.size() * sizeof(std::int32_t));
        out.write(std::span<const std::int32_t>(block));
    }
    out.commit();
    return hash.digest();
}

// -------------------------------------------------------------------------------------------------------------- documents

std::vector<layout::DocumentStart> pairsFrom(std::span<const std::int64_t> numbers)
{
    std::vector<layout::DocumentStart> starts;
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2)
        starts.push_back({numbers[i], numbers[i + 1]});
    return starts;
}

/// Starts in entries, or in tokens of the stream whose first token nobody predicts.
std::vector<layout::DocumentStart> startsFrom(std::span<const std::int64_t> offsets, std::int64_t entries, const std::string &name)
{
    if (offsets.size() < 2 || offsets.front() != 0)
        fail(ErrorKind::BadInput, "{} must hold the start of each document, from 0, and the total at the end.", name);
    if (!std::ranges::is_sorted(offsets))
        fail(ErrorKind::BadInput, "{}: the starts of the documents do not ascend; save them in the order of the text.", name);
    if (offsets.back() < entries)
        fail(ErrorKind::Mismatch, "{} ends at {}, but the datastore has {} entries; the last number must be the number of entries, or of tokens.", name, offsets.back(),
             entries);
    const std::int64_t shift = offsets.back() == entries ? 0 : 1;
    std::vector<layout::DocumentStart> starts;
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
        const std::int64_t entry = std::max<std::int64_t>(0, offsets[i] - shift);
        if (i > 0 && entry >= entries)
            break; // documents behind a dropped tail
        starts.push_back({entry, entry + shift});
    }
    return starts;
}

std::vector<layout::DocumentStart> readDocuments(const fs::path &path, std::int64_t entries)
{
    if (path.empty())
        return {{0, 0}};
    const NpyFile file(path);
    const auto numbers = file.integers();
    const auto &shape = file.header().shape;
    if (shape.size() == 2 && shape[1] == 2) {
        const auto starts = pairsFrom(numbers);
        const bool ascending = std::ranges::is_sorted(starts, {}, &layout::DocumentStart::entry) && std::ranges::is_sorted(starts, {}, &layout::DocumentStart::token);
        if (starts.empty() || starts.front().entry != 0 || starts.front().token < 0 || !ascending)
            fail(ErrorKind::BadInput, "{}: the starts of the documents do not ascend from entry 0; export them again.", path.string());
        if (starts.back().entry > entries)
            fail(ErrorKind::Mismatch, "{}: the last document starts at entry {}, but the datastore has {} entries; name the file that belongs to it.", path.string(),
                 starts.back().entry, entries);
        return starts;
    }
    if (shape.size() != 1)
        fail(ErrorKind::BadInput, "{} has the shape ({}), but starts of documents are one column of offsets, or two of entry and token.", path.string(), fmt::join(shape, ", "));
    return startsFrom(numbers, entries, path.string());
}

} // namespace

NameHints hintsFromName(std::string_view fileName)
{
    NameHints hints;
    std::string_view stem = fileName.substr(0, std::min(fileName.rfind('.'), fileName.size()));
    for (const std::string_view suffix : {"_keys", "_vals", "_values", "_weights"}) {
        if (stem.ends_with(suffix))
            stem.remove_suffix(suffix.size());
    }
    const auto parts = splitAtUnderscores(stem);
    for (const std::string_view part : parts) { // fairseq
        if (part.starts_with("size"))
            hints.entries = numberFrom<std::int64_t>(part.substr(4));
        else if (part.starts_with("embed"))
            hints.dimension = numberFrom<std::int32_t>(part.substr(5));
        else if (part == "fp16" || part == "fp32")
            hints.keyType = keyTypeFromString(part);
    }
    if (hints.entries || hints.dimension)
        return hints;
    hints.keyType.reset(); // "fp16" alone is no scheme
    const bool members = parts.front() == "members"; // …_N_D_sample_clusters
    if (!members && parts.front() != "dstore" && parts.front() != "index")
        return hints;
    const std::size_t after = members ? 2 : 0;
    if (parts.size() < 3 + after)
        return hints;
    const auto entries = numberFrom<std::int64_t>(parts[parts.size() - after - 2]);
    const auto dimension = numberFrom<std::int32_t>(parts[parts.size() - after - 1]);
    if (entries && dimension) {
        hints.entries = entries;
        hints.dimension = dimension;
    }
    return hints;
}

DatastoreLayout layoutOf(const DatastoreSource &source)
{
    return LayoutFinder(source).find();
}

void importDatastore(const fs::path &folder, const DatastoreSource &source, std::int32_t vocabulary, JobControl &job)
{
    const DatastoreLayout found = layoutOf(source);
    const auto documents = readDocuments(source.documents, found.entries);
    const FolderLock lock(folder);
    if (hasManifest(folder))
        return;
    const std::uint64_t values = copyValues(folder, MappedFile(source.values, MappedFile::Access::Sequential), found, vocabulary, job);
    const std::uint64_t keys = copyKeys(folder, MappedFile(source.keys, MappedFile::Access::Sequential), found, job);
    AtomicFile out(folder / layout::documentsFile);
    out.write(std::span<const layout::DocumentStart>(documents));
    out.commit();

    Manifest manifest;
    manifest.format = layout::format;
    manifest.version = layout::version;
    const KeyView view{nullptr, found.keyType, found.entries, found.dimension};
    addFile(manifest, layout::keysFile, static_cast<std::uint64_t>(found.entries) * view.rowBytes(), keys);
    addFile(manifest, layout::valuesFile, static_cast<std::uint64_t>(found.entries) * sizeof(std::int32_t), values);
    addFile(manifest, folder, layout::documentsFile);
    manifest.identity = {{"source", "import"},
                         {"entries", found.entries},
                         {"dimension", found.dimension},
                         {"key_type", toString(found.keyType)},
                         {"keys_xxh3", hex64(keys)},
                         {"values_xxh3", hex64(values)},
                         {"documents_xxh3", manifest.files.at(layout::documentsFile).at("xxh3")}};
    if (!source.tokenizer.empty())
        manifest.identity["tokenizer"] = source.tokenizer;
    manifest.info = {{"documents", documents.size()}, {"value_type", found.valueType}};
    writeManifest(manifest, folder);
}

} // namespace retoscope
