// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a config.json holds: a model configuration or a sentence.
#include "base/error.h"
#include "model/hf_config.h"

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    const Json json = Json::parse(fuzz::inputOf(data, size), nullptr, false);
    if (json.is_discarded())
        return 0;
    try {
        (void)toHfConfig(parseHfConfig(json, "config.json"));
    } catch (const Error &) {
    }
    return 0;
}
