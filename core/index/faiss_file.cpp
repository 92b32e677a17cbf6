// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/faiss_file.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace retoscope {

namespace {

constexpr int deepest = 8; ///< indexes within indexes

/// Reads forward through the bytes and never past them.
class Walker
{
public:
    Walker(std::span<const std::byte> bytes, std::string_view name) : m_bytes(bytes), m_name(name) {}

    template<typename T>
    T read()
    {
        T value;
        std::memcpy(&value, take(sizeof(T)), sizeof(T));
        return value;
    }

    std::string fourCharacters()
    {
        const auto *at = reinterpret_cast<const char *>(take(4));
        return {at, 4};
    }

    /// A vector: its length in elements, then the elements. Returns the length.
    std::uint64_t vector(std::size_t elementBytes)
    {
        const auto count = read<std::uint64_t>();
        if (count > (m_bytes.size() - m_at) / elementBytes)
            fail(ErrorKind::Corrupt, "{} promises a table of {} elements at byte {}, but only {} bytes follow; the index file is damaged, build or copy it again.",
                 m_name, count, m_at, m_bytes.size() - m_at);
        take(std::size_t(count) * elementBytes);
        return count;
    }

    void skip(std::size_t bytes) { take(bytes); }
    [[nodiscard]] std::size_t remaining() const { return m_bytes.size() - m_at; }

    void require(bool condition, std::string_view what) const
    {
        if (!condition)
            fail(ErrorKind::Corrupt, "{} is not a sound FAISS index: {} (near byte {}); build or copy it again.", m_name, what, m_at);
    }

private:
    const std::byte *take(std::size_t bytes)
    {
        require(bytes <= m_bytes.size() - m_at, "it ends in the middle");
        const std::byte *here = m_bytes.data() + m_at;
        m_at += bytes;
        return here;
    }

    std::span<const std::byte> m_bytes;
    std::string_view m_name;
    std::size_t m_at = 0;
};

constexpr std::int32_t largestDimension = 1 << 20;

FaissHeader readHeader(Walker &file)
{
    FaissHeader header;
    header.type = file.fourCharacters();
    header.dimension = file.read<std::int32_t>();
    header.entries = file.read<std::int64_t>();
    file.skip(2 * sizeof(std::int64_t)); // unused
    const auto trained = file.read<std::uint8_t>();
    header.metric = file.read<std::int32_t>();
    if (header.metric > 1)
        file.skip(sizeof(float));
    file.require(header.dimension > 0 && header.dimension <= largestDimension, "its dimension is impossible");
    file.require(header.entries >= 0 && header.entries <= (std::int64_t(1) << 40), "its number of entries is impossible");
    file.require(trained <= 1, "its training flag is neither 0 nor 1");
    file.require(header.metric >= 0 && header.metric < 64, "its metric is unknown");
    return header;
}

bool isOneOf(std::string_view type, std::initializer_list<std::string_view> types)
{
    return std::ranges::find(types, type) != types.end();
}

FaissHeader walkIndex(Walker &file, int depth);

void walkProductQuantizer(Walker &file)
{
    const auto d = file.read<std::uint64_t>(), m = file.read<std::uint64_t>(), bits = file.read<std::uint64_t>();
    file.require(d > 0 && d <= std::uint64_t(largestDimension) && m > 0 && m <= d && d % m == 0 && bits > 0 && bits <= 24,
                 "its product quantizer's sizes do not fit together");
    const auto count = file.vector(sizeof(float));
    file.require(count == (std::uint64_t(1) << bits) * d, "its product quantizer's table has the wrong size");
}

void walkScalarQuantizer(Walker &file)
{
    file.skip(2 * sizeof(std::int32_t) + sizeof(float)); // type, range statistic and its argument
    const auto d = file.read<std::uint64_t>();
    const auto codeSize = file.read<std::uint64_t>();
    file.require(d > 0 && d <= std::uint64_t(largestDimension) && codeSize <= d * 4, "its scalar quantizer's sizes do not fit together");
    file.vector(sizeof(float));
}

void walkDirectMap(Walker &file, std::int64_t entries)
{
    const auto type = file.read<std::uint8_t>();
    const auto count = file.vector(sizeof(std::int64_t));
    file.require(type <= 2, "its direct map is of an unknown type");
    file.require(type != 1 || count == std::uint64_t(entries), "its direct map has not one place for each entry");
    if (type == 2)
        file.vector(2 * sizeof(std::int64_t));
}

void walkInvertedLists(Walker &file, std::uint64_t lists, std::int64_t entries, std::uint64_t codeSize)
{
    const std::string type = file.fourCharacters();
    file.require(type != "il00", "it has no inverted lists");
    file.require(type == "ilar", "its inverted lists are of a kind that is not read here");
    file.require(file.read<std::uint64_t>() == lists, "its inverted lists are not as many as its centroids");
    file.require(file.read<std::uint64_t>() == codeSize, "its inverted lists hold codes of another size");
    const std::string layout = file.fourCharacters();
    std::uint64_t total = 0;
    const auto body = [&](std::uint64_t size) {
        file.require(size <= file.remaining() / (codeSize + sizeof(std::int64_t)), "an inverted list is longer than the file");
        total += size;
        return std::size_t(size * (codeSize + sizeof(std::int64_t)));
    };
    if (layout == "full") {
        file.require(file.remaining() >= sizeof(std::uint64_t), "it ends in the middle");
        const auto count = file.read<std::uint64_t>();
        file.require(count == lists && count <= file.remaining() / sizeof(std::uint64_t), "its list of list sizes has the wrong length");
        std::uint64_t bytes = 0;
        for (std::uint64_t i = 0; i < count; ++i)
            bytes += body(file.read<std::uint64_t>());
        file.skip(std::size_t(bytes));
    } else {
        file.require(layout == "sprs", "its inverted lists are laid out in an unknown way");
        const auto count = file.read<std::uint64_t>();
        file.require(count % 2 == 0 && count <= file.remaining() / sizeof(std::uint64_t), "its list of list sizes has the wrong length");
        std::uint64_t bytes = 0;
        for (std::uint64_t i = 0; i < count; i += 2) {
            file.require(file.read<std::uint64_t>() < lists, "it numbers an inverted list that it does not have");
            bytes += body(file.read<std::uint64_t>());
        }
        file.skip(std::size_t(bytes));
    }
    file.require(total == std::uint64_t(entries), "its inverted lists do not hold as many entries as its header says");
}

/// The part common to all inverted files; returns the number of lists.
std::uint64_t walkInvertedFile(Walker &file, const FaissHeader &header, int depth)
{
    const auto lists = file.read<std::uint64_t>();
    file.skip(sizeof(std::uint64_t)); // nprobe
    const FaissHeader quantizer = walkIndex(file, depth + 1);
    file.require(quantizer.dimension == header.dimension, "its coarse quantizer is of another dimension");
    file.require(!quantizer.walked || std::uint64_t(quantizer.entries) == lists, "its coarse quantizer has not one centroid for each list");
    walkDirectMap(file, header.entries);
    return lists;
}

void walkGraph(Walker &file, std::int64_t entries)
{
    file.vector(sizeof(double));
    file.vector(sizeof(std::int32_t));
    const auto levels = file.vector(sizeof(std::int32_t));
    const auto offsets = file.vector(sizeof(std::uint64_t));
    file.vector(sizeof(std::int32_t));
    file.require(levels == std::uint64_t(entries) && offsets == std::uint64_t(entries) + 1, "its graph has not one node for each entry");
    file.skip(5 * sizeof(std::int32_t));
}

void walkTransform(Walker &file)
{
    const std::string type = file.fourCharacters();
    if (isOneOf(type, {"rrot", "LTra", "Pcam", "PcAm", "Viqm"})) {
        if (isOneOf(type, {"Pcam", "PcAm"})) { // the older one lacks its epsilon
            file.skip((type == "Pcam" ? 2 : 1) * sizeof(float) + sizeof(std::uint8_t) + sizeof(std::int32_t));
            file.vector(sizeof(float));
            file.vector(sizeof(float));
            file.vector(sizeof(float));
        } else if (type == "Viqm") {
            file.skip(2 * sizeof(std::int32_t));
        }
        file.skip(sizeof(std::uint8_t));
        file.vector(sizeof(float));
        file.vector(sizeof(float));
    } else if (type == "RmDT") {
        file.vector(sizeof(std::int32_t));
    } else if (type == "VNrm") {
        file.skip(sizeof(float));
    } else if (type == "VCnt") {
        file.vector(sizeof(float));
    } else {
        file.require(false, "it transforms vectors in an unknown way");
    }
    const auto in = file.read<std::int32_t>(), out = file.read<std::int32_t>();
    file.require(in > 0 && in <= largestDimension && out > 0 && out <= largestDimension, "a transform's dimensions are impossible");
    file.skip(sizeof(std::uint8_t));
}

FaissHeader walkIndex(Walker &file, int depth)
{
    file.require(depth < deepest, "it nests indexes too deeply");
    FaissHeader header = readHeader(file);
    const std::string &type = header.type;
    const auto entries = std::uint64_t(header.entries), dimension = std::uint64_t(header.dimension);
    header.walked = true;
    if (isOneOf(type, {"IxF2", "IxFI", "IxFl"})) {
        file.require(file.vector(sizeof(float)) == entries * dimension, "its vectors are not as many as its header says");
    } else if (type == "IxPq") {
        walkProductQuantizer(file);
        file.vector(1);
        file.skip(2 * sizeof(std::int32_t) + sizeof(std::uint8_t));
    } else if (type == "IxSQ") {
        walkScalarQuantizer(file);
        file.vector(1);
    } else if (type == "IwFl") {
        const auto lists = walkInvertedFile(file, header, depth);
        walkInvertedLists(file, lists, header.entries, dimension * sizeof(float));
    } else if (type == "IwSq") {
        const auto lists = walkInvertedFile(file, header, depth);
        walkScalarQuantizer(file);
        const auto codeSize = file.read<std::uint64_t>();
        file.require(codeSize <= dimension * sizeof(float), "its codes are too long");
        file.skip(sizeof(std::uint8_t));
        walkInvertedLists(file, lists, header.entries, codeSize);
    } else if (type == "IwPQ") {
        const auto lists = walkInvertedFile(file, header, depth);
        file.skip(sizeof(std::uint8_t)); // by residual
        const auto codeSize = file.read<std::uint64_t>();
        file.require(codeSize > 0 && codeSize <= dimension * sizeof(float), "its codes are too long");
        walkProductQuantizer(file);
        walkInvertedLists(file, lists, header.entries, codeSize);
    } else if (isOneOf(type, {"IHNf", "IHNp", "IHNs"})) {
        walkGraph(file, header.entries);
        const FaissHeader storage = walkIndex(file, depth + 1);
        file.require(storage.entries == header.entries && storage.dimension == header.dimension, "its graph and its vectors do not fit together");
    } else if (type == "IxPT") {
        const auto transforms = file.read<std::int32_t>();
        file.require(transforms >= 0 && transforms <= 16, "its number of transforms is impossible");
        for (std::int32_t i = 0; i < transforms; ++i)
            walkTransform(file);
        const FaissHeader inner = walkIndex(file, depth + 1);
        file.require(inner.entries == header.entries, "its inner index holds another number of entries");
        header.walked = inner.walked;
    } else if (type == "IxRF") {
        const FaissHeader base = walkIndex(file, depth + 1);
        if (base.walked)
            walkIndex(file, depth + 1);
        header.walked = base.walked;
    } else {
        header.walked = false;
    }
    return header;
}

} // namespace

FaissHeader checkFaissFile(std::span<const std::byte> bytes, std::string_view name)
{
    Walker file(bytes, name);
    return walkIndex(file, 0);
}

} // namespace retoscope
