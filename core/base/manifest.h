// SPDX-License-Identifier: GPL-3.0-or-later
// Every artefact of ours (token store, datastore, index, clusters, trace, …) is a folder whose `manifest.json` is written
// last. A folder without a whole manifest is unfinished and is never opened. The manifest carries
//   format       e.g. "retoscope-datastore"
//   version      integer; newer ones are refused with a sentence, older ones still open
//   fingerprint  SHA-256 of the canonical JSON of `identity`
//   identity     what the artefact *is*: its inputs' fingerprints and its parameters (no times, no paths)
//   files        { name: { bytes, xxh3 } } of each data file beside it
//   info         everything else: rates, measured recall, versions, where it came from
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace retoscope {

using Json = nlohmann::json; // std::map inside: keys are sorted, so dump() is canonical

class JobControl;

struct Manifest
{
    std::string format;
    int version = 1;
    Json identity = Json::object();
    Json files = Json::object();
    Json info = Json::object();

    /// SHA-256 (hex) of format, version and identity.
    [[nodiscard]] std::string fingerprint() const;
};

/// Records the size and the XXH3 of `folder/name` in manifest.files (reads the file).
void addFile(Manifest &manifest, const std::filesystem::path &folder, const std::string &name);
/// The same when the writer has hashed while writing.
void addFile(Manifest &manifest, const std::string &name, std::uint64_t bytes, std::uint64_t checksum);

/// Writes `folder/manifest.json` atomically and durably, with a checksum of its own text.
void writeManifest(const Manifest &manifest, const std::filesystem::path &folder);

/// Reads and checks it: format, version ≤ `newest`, its own checksum, and that every listed file has its promised size.
/// Throws NotFound ("… is not finished: run the command that builds it again"), Corrupt or Mismatch, each a sentence.
Manifest readManifest(const std::filesystem::path &folder, std::string_view format, int newest);

/// True when the folder holds a manifest at all.
bool hasManifest(const std::filesystem::path &folder);

/// Reads every listed file and compares checksums. Returns one sentence per damaged file; empty when all is well.
std::vector<std::string> verifyFiles(const Manifest &manifest, const std::filesystem::path &folder, JobControl &job);

/// Throws Mismatch naming the field and both values unless expected == actual.
void requireSame(std::string_view field, const std::string &expected, const std::string &actual, std::string_view advice);

} // namespace retoscope
