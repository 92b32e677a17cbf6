// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/error.h"
#include "base/manifest.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

namespace retoscope {

/// Configuration is read strictly: a field that nobody reads is a typing error that would silently change a result.
/// Throws BadInput naming the first field of `json` that is not in `known`, or that `json` is not an object.
inline void requireKnownFields(const Json &json, std::string_view what, std::initializer_list<std::string_view> known)
{
    if (!json.is_object())
        fail(ErrorKind::BadInput, "The {} must be a JSON object, not {}.", what, json.type_name());
    for (const auto &[name, value] : json.items())
        if (std::find(known.begin(), known.end(), name) == known.end())
            fail(ErrorKind::BadInput, "The {} has no field '{}'; known are {}.", what, name, fmt::join(known, ", "));
}

/// Reads `field` into `target` and leaves the default when it is absent; throws BadInput naming field and type.
template<typename T>
void readField(const Json &json, std::string_view what, const char *field, T &target)
{
    const auto found = json.find(field);
    if (found == json.end())
        return;
    try {
        target = found->get<T>();
    } catch (const Json::exception &) {
        fail(ErrorKind::BadInput, "The field '{}' of the {} has the wrong type ({}).", field, what, found->type_name());
    }
}

} // namespace retoscope
