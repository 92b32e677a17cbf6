// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/npy.h"

#include "base/error.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace retoscope {

namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t maximalHeader = 1 << 16;
constexpr std::string_view advice = "save it again with numpy.save";

/// A reader for the Python dictionary literal of the header; it knows the three keys of the format and nothing else.
class HeaderParser
{
public:
    HeaderParser(std::string_view text, std::string_view name) : m_text(text), m_name(name) {}

    NpyHeader parse()
    {
        NpyHeader header;
        bool haveType = false, haveOrder = false, haveShape = false;
        expect('{');
        while (peek() != '}') {
            const std::string key = quoted();
            expect(':');
            if (key == "descr") {
                parseType(header);
                haveType = true;
            } else if (key == "fortran_order") {
                if (word() != "False")
                    fail(ErrorKind::BadInput, "{} is stored in Fortran order; save it with numpy.ascontiguousarray.", m_name);
                haveOrder = true;
            } else if (key == "shape") {
                parseShape(header);
                haveShape = true;
            } else {
                corrupt();
            }
            if (peek() == ',')
                ++m_at;
        }
        if (!haveType || !haveOrder || !haveShape)
            corrupt();
        return header;
    }

private:
    [[noreturn]] void corrupt() const { fail(ErrorKind::Corrupt, "{}: its NumPy header is damaged; {}.", m_name, advice); }

    char peek()
    {
        while (m_at < m_text.size() && (m_text[m_at] == ' ' || m_text[m_at] == '\n'))
            ++m_at;
        if (m_at >= m_text.size())
            corrupt();
        return m_text[m_at];
    }
    void expect(char c)
    {
        if (peek() != c)
            corrupt();
        ++m_at;
    }
    std::string quoted()
    {
        const char quote = peek();
        if (quote != '\'' && quote != '"')
            corrupt();
        const auto end = m_text.find(quote, m_at + 1);
        if (end == std::string_view::npos)
            corrupt();
        std::string value(m_text.substr(m_at + 1, end - m_at - 1));
        m_at = end + 1;
        return value;
    }
    std::string_view word()
    {
        peek();
        const auto begin = m_at;
        while (m_at < m_text.size() && std::isalpha(static_cast<unsigned char>(m_text[m_at])))
            ++m_at;
        return m_text.substr(begin, m_at - begin);
    }
    void parseType(NpyHeader &header)
    {
        if (peek() == '[')
            fail(ErrorKind::BadInput, "{} holds records; a plain array of numbers is needed.", m_name);
        const std::string descr = quoted();
        static constexpr std::string_view known[] = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
        const std::string_view type = descr.size() == 3 ? std::string_view(descr).substr(1) : std::string_view();
        if (descr.size() == 3 && descr[0] == '>' && descr[2] != '1')
            fail(ErrorKind::BadInput, "{} is big-endian ({}); save it little-endian.", m_name, descr);
        if (std::find(std::begin(known), std::end(known), type) == std::end(known))
            fail(ErrorKind::BadInput, "{} holds values of the type '{}'; integers or floating-point numbers are needed.", m_name, descr);
        header.type = type;
        header.itemSize = static_cast<std::size_t>(type[1] - '0');
    }
    void parseShape(NpyHeader &header)
    {
        expect('(');
        while (peek() != ')') {
            std::int64_t value = 0;
            bool any = false;
            while (m_at < m_text.size() && std::isdigit(static_cast<unsigned char>(m_text[m_at]))) {
                if (value > (std::numeric_limits<std::int64_t>::max() - 9) / 10)
                    corrupt();
                value = value * 10 + (m_text[m_at++] - '0');
                any = true;
            }
            if (!any || header.shape.size() >= 32)
                corrupt();
            header.shape.push_back(value);
            if (peek() == ',')
                ++m_at;
        }
        ++m_at;
    }

    std::string_view m_text;
    std::string_view m_name;
    std::size_t m_at = 0;
};

} // namespace

std::int64_t elementsOf(std::span<const std::int64_t> shape)
{
    if (std::ranges::find(shape, 0) != shape.end())
        return 0; // the other extents may be anything
    std::int64_t product = 1;
    for (const auto extent : shape)
        product *= extent;
    return product;
}

std::int64_t NpyHeader::count() const
{
    return elementsOf(shape);
}

bool looksLikeNpy(std::span<const std::byte> bytes)
{
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

NpyHeader parseNpyHeader(std::span<const std::byte> bytes, std::string_view name)
{
    if (!looksLikeNpy(bytes) || bytes.size() < 12)
        fail(ErrorKind::BadInput, "{} is not a NumPy file (its first bytes are not \\x93NUMPY); name an .npy file, or give its type and dimension if it is a raw dump.", name);
    const auto byteAt = [&](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
    const auto major = byteAt(6);
    if (major < 1 || major > 3)
        fail(ErrorKind::BadInput, "{} is a NumPy file of version {}; versions 1 to 3 can be read.", name, major);
    const std::size_t lengthBytes = major == 1 ? 2 : 4;
    std::size_t length = 0;
    for (std::size_t i = 0; i < lengthBytes; ++i)
        length |= byteAt(8 + i) << (8 * i);
    const std::size_t begin = 8 + lengthBytes;
    if (length > maximalHeader || length > bytes.size() - begin)
        fail(ErrorKind::Corrupt, "{}: its header promises {} bytes, but the file ends after {}; {}.", name, length, bytes.size(), advice);
    const std::string_view text(reinterpret_cast<const char *>(bytes.data()) + begin, length);
    NpyHeader header = HeaderParser(text, name).parse();
    header.dataOffset = begin + length;
    std::size_t available = (bytes.size() - header.dataOffset) / header.itemSize;
    const bool empty = std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end();
    const auto cutShort = [&] {
        fail(ErrorKind::Corrupt, "{}: its shape ({}) needs more than the {} bytes that follow the header; the file is truncated, {}.", name,
             fmt::join(header.shape, ", "), bytes.size() - header.dataOffset, advice);
    };
    if (header.shape.empty() && available == 0) // a scalar is one value
        cutShort();
    if (!empty) {
        for (const auto extent : header.shape) {
            if (static_cast<std::uint64_t>(extent) > available)
                cutShort();
            available /= static_cast<std::size_t>(extent);
        }
    }
    return header;
}

NpyFile::NpyFile(const std::filesystem::path &path) : m_file(path), m_header(parseNpyHeader(m_file.bytes(), path.string())) {}

void NpyFile::requireType(std::string_view type) const
{
    if (m_header.type != type)
        fail(ErrorKind::BadInput, "{} holds values of the type {}, but {} is needed here; convert it with numpy.astype.",
             m_file.path().string(), m_header.type, type);
}

std::span<const std::byte> NpyFile::rawData() const
{
    return m_file.bytes().subspan(m_header.dataOffset, static_cast<std::size_t>(m_header.count()) * m_header.itemSize);
}

std::vector<std::int64_t> NpyFile::integers() const
{
    return widenIntegers(m_header.type, rawData(), m_file.path().string());
}

std::vector<std::int64_t> widenIntegers(std::string_view type, std::span<const std::byte> data, std::string_view name)
{
    std::vector<std::int64_t> result;
    const auto widen = [&]<typename T>(T) {
        result.resize(data.size() / sizeof(T));
        for (std::size_t i = 0; i < result.size(); ++i) {
            T value;
            std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
            result[i] = static_cast<std::int64_t>(value);
        }
    };
    if (type == "i8")
        widen(std::int64_t{});
    else if (type == "i4")
        widen(std::int32_t{});
    else if (type == "i2")
        widen(std::int16_t{});
    else if (type == "i1")
        widen(std::int8_t{});
    else if (type == "u8")
        widen(std::uint64_t{});
    else if (type == "u4")
        widen(std::uint32_t{});
    else if (type == "u2")
        widen(std::uint16_t{});
    else if (type == "u1" || type == "b1")
        widen(std::uint8_t{});
    else
        fail(ErrorKind::BadInput, "{} holds values of the type {}, but integers are needed here; convert it with numpy.astype.", name, type);
    return result;
}

std::string npyHeader(std::string_view type, std::span<const std::int64_t> shape)
{
    std::string dimensions;
    for (const auto extent : shape)
        dimensions += fmt::format("{}, ", extent);
    if (shape.size() > 1)
        dimensions.resize(dimensions.size() - 2);
    else if (shape.size() == 1)
        dimensions.resize(dimensions.size() - 1);
    const char order = type[1] == '1' ? '|' : '<';
    std::string dictionary = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}", order, type, dimensions);
    const std::size_t unpadded = 10 + dictionary.size() + 1;
    dictionary.append((64 - unpadded % 64) % 64, ' ');
    dictionary.push_back('\n');
    std::string header(magic);
    header += '\x01';
    header += '\x00';
    header += static_cast<char>(dictionary.size() & 0xff);
    header += static_cast<char>(dictionary.size() >> 8);
    return header + dictionary;
}

void writeNpy(const std::filesystem::path &path, std::string_view type, std::span<const std::int64_t> shape,
              const void *data, std::size_t bytes)
{
    AtomicFile file(path);
    file.write(npyHeader(type, shape));
    file.write(data, bytes);
    file.commit();
}

} // namespace retoscope
