// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a manifest.json holds: it is read or refused with a sentence; also when somebody has mended its checksum.
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"

#include "fuzz_input.h"

namespace {

using namespace retoscope;

void read(const fuzz::Folder &folder)
{
    try {
        const Manifest manifest = readManifest(folder.path(), "retoscope-datastore", 1);
        (void)manifest.fingerprint();
        JobControl job;
        (void)verifyFiles(manifest, folder.path(), job);
    } catch (const Error &) {
    }
}

/// The checksums that the hostile content would have.
std::string resealed(Json json)
{
    const auto field = [&](const char *name) { return json.contains(name) ? json[name] : Json(); };
    json.erase("checksum");
    json["fingerprint"] = sha256(Json{{"format", field("format")}, {"version", field("version")}, {"identity", field("identity")}}.dump());
    const std::string checksum = sha256(json.dump());
    json["checksum"] = checksum;
    return json.dump();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static const fuzz::Folder folder;
    const auto input = fuzz::inputOf(data, size);
    folder.write("keys.bin", "12345678");
    folder.write("manifest.json", input);
    read(folder);
    if (const Json json = Json::parse(input, nullptr, false); json.is_object()) {
        try {
            folder.write("manifest.json", resealed(json));
        } catch (const Json::exception &) { // a string that is not UTF-8 has no checksum
            return 0;
        }
        read(folder);
    }
    return 0;
}
