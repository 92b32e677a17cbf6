// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/safetensors.h"

#include "base/error.h"
#include "base/manifest.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <utility>

namespace retoscope {

namespace {

static_assert(std::endian::native == std::endian::little, "safetensors and llama2.c files are little-endian");

constexpr std::uint64_t longestHeader = 100'000'000; // the format's own limit, bytes

[[noreturn]] void corrupt(std::string_view name, const std::string &what)
{
    fail(ErrorKind::Corrupt, "{}: {}; download or save it again.", name, what);
}

/// Bytes of one value; 0 for a type that the format does not have.
std::uint64_t sizeOfType(std::string_view type)
{
    static constexpr std::pair<std::string_view, std::uint64_t> sizes[] = {
        {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"I16", 2},     {"I8", 1},
        {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
    const auto it = std::find_if(std::begin(sizes), std::end(sizes), [&](const auto &pair) { return pair.first == type; });
    return it == std::end(sizes) ? 0 : it->second;
}

/// nlohmann keeps the last of equal keys; here two tensors of one name would hide one of them.
Json parseHeader(std::string_view text, std::string_view name)
{
    std::set<std::string> seen;
    const auto refuseTwins = [&](int depth, Json::parse_event_t event, Json &parsed) {
        if (depth == 1 && event == Json::parse_event_t::key && !seen.insert(parsed.get<std::string>()).second)
            corrupt(name, fmt::format("its header names '{}' twice", parsed.get<std::string>()));
        return true;
    };
    try {
        Json header = Json::parse(text, refuseTwins);
        if (!header.is_object())
            corrupt(name, "its header is not a JSON object");
        return header;
    } catch (const Json::exception &) {
        corrupt(name, "its header is not valid JSON");
    }
}

std::uint64_t unsignedNumber(const Json &value, std::string_view name, const std::string &tensor)
{
    if (!value.is_number_unsigned())
        corrupt(name, fmt::format("'{}' has a size or offset that is not a whole number", tensor));
    return value.get<std::uint64_t>();
}

StoredTensor parseTensor(const std::string &tensor, const Json &entry, std::span<const std::byte> data, std::string_view name)
{
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
        !entry["shape"].is_array() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array() ||
        entry["data_offsets"].size() != 2)
        corrupt(name, fmt::format("'{}' lacks dtype, shape or data_offsets", tensor));
    StoredTensor result;
    result.type = entry["dtype"].get<std::string>();
    std::uint64_t bytes = sizeOfType(result.type);
    if (bytes == 0)
        fail(ErrorKind::BadInput, "{}: '{}' has the unknown type '{}'; save the model as float32, bfloat16 or float16.",
             name, tensor, result.type);
    for (const Json &dimension : entry["shape"]) {
        const std::uint64_t size = unsignedNumber(dimension, name, tensor);
        if (__builtin_mul_overflow(bytes, size, &bytes) || size > std::uint64_t(1) << 48)
            corrupt(name, fmt::format("the shape of '{}' is beyond all bounds", tensor));
        result.shape.push_back(static_cast<std::int64_t>(size));
    }
    const std::uint64_t begin = unsignedNumber(entry["data_offsets"][0], name, tensor);
    const std::uint64_t end = unsignedNumber(entry["data_offsets"][1], name, tensor);
    if (begin > end || end > data.size())
        corrupt(name, fmt::format("'{}' lies at bytes {} to {} of {}", tensor, begin, end, data.size()));
    if (end - begin != bytes)
        corrupt(name, fmt::format("'{}' needs {} bytes for its shape but has {}", tensor, bytes, end - begin));
    result.bytes = data.subspan(begin, bytes);
    return result;
}

/// The format promises that the tensors cover the data without overlap and without holes.
void requireCover(const StoredTensors &tensors, std::span<const std::byte> data, std::string_view name)
{
    std::vector<std::pair<const std::byte *, std::size_t>> ranges;
    for (const auto &[tensor, stored] : tensors)
        ranges.emplace_back(stored.bytes.data(), stored.bytes.size());
    std::sort(ranges.begin(), ranges.end());
    const std::byte *at = data.data();
    for (const auto &[begin, size] : ranges) {
        if (begin != at)
            corrupt(name, fmt::format("two tensors overlap or leave a hole at byte {}", std::min(begin, at) - data.data()));
        at = begin + size;
    }
    if (at != data.data() + data.size())
        corrupt(name, fmt::format("{} bytes at the end belong to no tensor", data.data() + data.size() - at));
}

} // namespace

StoredTensors parseSafetensors(std::span<const std::byte> file, std::string_view name)
{
    std::uint64_t headerLength = 0;
    if (file.size() < sizeof headerLength)
        corrupt(name, fmt::format("it is only {} bytes long", file.size()));
    std::memcpy(&headerLength, file.data(), sizeof headerLength);
    file = file.subspan(sizeof headerLength);
    if (headerLength > longestHeader || headerLength > file.size())
        corrupt(name, fmt::format("its header should be {} bytes long, but {} follow", headerLength, file.size()));
    const Json header = parseHeader({reinterpret_cast<const char *>(file.data()), headerLength}, name);
    const auto data = file.subspan(headerLength);

    StoredTensors tensors;
    for (const auto &[tensor, entry] : header.items())
        if (tensor != "__metadata__")
            tensors.emplace(tensor, parseTensor(tensor, entry, data, name));
    requireCover(tensors, data, name);
    return tensors;
}

} // namespace retoscope
