// SPDX-License-Identifier: GPL-3.0-or-later
// Hugging Face's config.json, read into and written from ModelConfig.
#pragma once

#include "model/language_model.h"

#include <string_view>

namespace retoscope {

/// `name` is the file's name for the sentences. Throws BadInput for an unknown architecture (the sentence lists the known
/// ones), for sizes that make no sense and for settings that this decoder does not compute.
ModelConfig parseHfConfig(const Json &json, std::string_view name);

/// The inverse; `transformers` reads the result.
Json toHfConfig(const ModelConfig &config);

} // namespace retoscope
