// SPDX-License-Identifier: GPL-3.0-or-later
// Strict reading of configuration structs: an unknown field, a wrong type or a value out of range would silently change a
// number, so each is refused with a sentence. Absent fields keep their defaults.
#pragma once

#include "base/error.h"
#include "base/manifest.h"

#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace retoscope {

/// The names of an enumeration's values in JSON and on the command line.
template<typename Enum, std::size_t count>
using EnumNames = std::array<std::pair<Enum, std::string_view>, count>;

template<typename Enum, std::size_t count>
constexpr std::string_view nameOf(const EnumNames<Enum, count> &table, Enum value)
{
    for (const auto &[candidate, name] : table) {
        if (candidate == value)
            return name;
    }
    return {};
}

/// Throws BadInput naming `field` and the allowed names.
template<typename Enum, std::size_t count>
Enum enumFromName(const EnumNames<Enum, count> &table, std::string_view field, std::string_view text)
{
    std::string allowed;
    for (const auto &[value, name] : table) {
        if (name == text)
            return value;
        allowed += (allowed.empty() ? "" : ", ") + std::string(name);
    }
    fail(ErrorKind::BadInput, "{}: '{}' is not known; use one of: {}.", field, text, allowed);
}

/// Reads the fields of one JSON object. Integers must be written without a fraction, numbers must be finite.
class JsonFields
{
public:
    JsonFields(const Json &json, std::string_view what) : m_json(json), m_what(what)
    {
        if (!json.is_object())
            fail(ErrorKind::BadInput, "{}: this must be a JSON object, not {}.", m_what, json.type_name());
    }

    /// The field's value, or null when it is absent; counts as read.
    const Json *find(const char *name)
    {
        m_known.insert(name);
        const auto field = m_json.find(name);
        return field == m_json.end() ? nullptr : &*field;
    }

    template<std::integral T>
        requires(!std::same_as<T, bool>)
    void read(const char *name, T &value, T lowest = std::numeric_limits<T>::lowest(), T highest = std::numeric_limits<T>::max())
    {
        if (const Json *field = find(name))
            value = integer<T>(name, *field, lowest, highest);
    }
    void read(const char *name, double &value)
    {
        const Json *field = find(name);
        if (!field)
            return;
        if (!field->is_number() || !std::isfinite(field->get<double>()))
            refuse(name, *field, "a number");
        value = field->get<double>();
    }
    void read(const char *name, bool &value)
    {
        const Json *field = find(name);
        if (!field)
            return;
        if (!field->is_boolean())
            refuse(name, *field, "true or false");
        value = field->get<bool>();
    }
    void read(const char *name, std::string &value)
    {
        const Json *field = find(name);
        if (!field)
            return;
        if (!field->is_string())
            refuse(name, *field, "a text");
        value = field->get<std::string>();
    }
    template<typename Enum, std::size_t count>
    void readEnum(const char *name, const EnumNames<Enum, count> &table, Enum &value)
    {
        const Json *field = find(name);
        if (!field)
            return;
        if (!field->is_string())
            refuse(name, *field, "a text");
        value = enumFromName(table, qualified(name), field->get_ref<const std::string &>());
    }

    template<std::integral T>
    T integer(const char *name, const Json &field, T lowest, T highest, std::string_view allowed = {}) const
    {
        const auto expected = [&] {
            return allowed.empty() ? fmt::format("a whole number from {} to {}", lowest, highest) : std::string(allowed);
        };
        if (!field.is_number_integer())
            refuse(name, field, expected());
        const bool fits = field.is_number_unsigned() ? std::cmp_less_equal(field.get<std::uint64_t>(), highest)
                                                           && std::cmp_greater_equal(field.get<std::uint64_t>(), lowest)
                                                     : std::cmp_less_equal(field.get<std::int64_t>(), highest)
                                                           && std::cmp_greater_equal(field.get<std::int64_t>(), lowest);
        if (!fits)
            refuse(name, field, expected());
        return field.get<T>();
    }

    [[noreturn]] void refuse(const char *name, const Json &value, std::string_view allowed) const
    {
        fail(ErrorKind::BadInput, "{} is {}; give {}.", qualified(name), value.dump(), allowed);
    }

    /// Call last: throws BadInput naming the first field that nobody read.
    void refuseOthers() const
    {
        for (const auto &[name, value] : m_json.items()) {
            if (!m_known.contains(name))
                fail(ErrorKind::BadInput, "{}: there is no field '{}'; known are: {}.", m_what, name, fmt::join(m_known, ", "));
        }
    }

private:
    [[nodiscard]] std::string qualified(const char *name) const { return fmt::format("{}: {}", m_what, name); }

    const Json &m_json;
    std::string m_what;
    std::set<std::string> m_known;
};

} // namespace retoscope
