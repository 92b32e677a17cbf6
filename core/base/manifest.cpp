// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/manifest.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::string_view fileName = "manifest.json";
constexpr std::uint64_t maximalSize = 64u << 20;

Json toJson(const Manifest &manifest)
{
    return Json{{"format", manifest.format},     {"version", manifest.version}, {"fingerprint", manifest.fingerprint()},
                {"identity", manifest.identity}, {"files", manifest.files},     {"info", manifest.info}};
}

} // namespace

std::string Manifest::fingerprint() const
{
    return sha256(Json{{"format", format}, {"version", version}, {"identity", identity}}.dump());
}

void addFile(Manifest &manifest, const fs::path &folder, const std::string &name)
{
    const MappedFile file(folder / name, MappedFile::Access::Sequential);
    addFile(manifest, name, file.size(), xxh3(file.bytes().data(), file.size()));
}

void addFile(Manifest &manifest, const std::string &name, std::uint64_t bytes, std::uint64_t checksum)
{
    manifest.files[name] = {{"bytes", bytes}, {"xxh3", hex64(checksum)}};
}

void writeManifest(const Manifest &manifest, const fs::path &folder)
{
    Json json = toJson(manifest);
    json["checksum"] = sha256(toJson(manifest).dump());
    writeFileAtomically(folder / fileName, json.dump(2) + "\n");
}

bool hasManifest(const fs::path &folder)
{
    std::error_code code;
    return fs::exists(folder / fileName, code);
}

Manifest readManifest(const fs::path &folder, std::string_view format, int newest)
{
    const fs::path path = folder / fileName;
    if (!hasManifest(folder))
        fail(ErrorKind::NotFound, "{} holds no finished artefact (no {}); run the command that builds it again, it continues where it stopped.",
             folder.string(), fileName);
    Json json = Json::parse(readFile(path, maximalSize), nullptr, false);
    Manifest manifest;
    std::string checksum;
    try {
        if (!json.is_object())
            fail(ErrorKind::Corrupt, "{} is not a JSON object; the artefact is damaged, build it again.", path.string());
        manifest.format = json.at("format").get<std::string>();
        manifest.version = json.at("version").get<int>();
        if (!format.empty() && manifest.format != format)
            fail(ErrorKind::Mismatch, "{} is a {}, but a {} is needed here.", folder.string(), manifest.format, format);
        if (manifest.version > newest)
            fail(ErrorKind::Mismatch, "{} was written by a newer Retoscope (format version {}, this program knows up to {}); update the program.",
                 folder.string(), manifest.version, newest);
        manifest.identity = json.at("identity");
        manifest.files = json.at("files");
        manifest.info = json.at("info");
        for (const Json *part : {&manifest.identity, &manifest.files, &manifest.info}) {
            if (!part->is_object())
                fail(ErrorKind::Corrupt, "{}: identity, files and info must be JSON objects, not {}; build the artefact again.", path.string(), part->type_name());
        }
        checksum = json.at("checksum").get<std::string>();
        if (checksum != sha256(toJson(manifest).dump()) || json.at("fingerprint") != manifest.fingerprint())
            fail(ErrorKind::Corrupt, "{} was changed after it was written (its checksum differs); build the artefact again.", path.string());
        for (const auto &[name, entry] : manifest.files.items()) {
            if (fs::path(name).is_absolute() || name.find("..") != std::string::npos)
                fail(ErrorKind::Corrupt, "{} names the file {} outside its folder; build the artefact again.", path.string(), name);
            std::error_code code;
            const auto size = fs::file_size(folder / name, code);
            if (code)
                fail(ErrorKind::Corrupt, "{} is missing although {} lists it; build the artefact again.", (folder / name).string(), path.string());
            static_cast<void>(entry.at("xxh3").get_ref<const std::string &>()); // verifyFiles() relies on it
            const auto promised = entry.at("bytes").get<std::uint64_t>();
            if (size != promised)
                fail(ErrorKind::Corrupt, "{} is {} bytes long, but its manifest says {}; build the artefact again.", (folder / name).string(), size, promised);
        }
    } catch (const Json::exception &) {
        fail(ErrorKind::Corrupt, "{} lacks a required field or has one of a wrong type; build the artefact again.", path.string());
    }
    return manifest;
}

std::vector<std::string> verifyFiles(const Manifest &manifest, const fs::path &folder, JobControl &job)
{
    std::vector<std::string> problems;
    std::int64_t done = 0, total = 0;
    for (const auto &entry : manifest.files)
        total += entry.at("bytes").get<std::int64_t>();
    constexpr std::size_t block = 16u << 20;
    for (const auto &[name, entry] : manifest.files.items()) {
        try {
            const MappedFile file(folder / name, MappedFile::Access::Sequential);
            Xxh3 hash;
            for (std::size_t at = 0; at < file.size(); at += block) {
                job.checkpoint();
                const auto piece = std::min(block, file.size() - at);
                hash.update(file.bytes().data() + at, piece);
                done += static_cast<std::int64_t>(piece);
                job.report("verifying checksums", "bytes", done, total, name);
            }
            if (hex64(hash.digest()) != entry.at("xxh3").get<std::string>())
                problems.push_back(fmt::format("{}: the checksum differs from the manifest's; the file was damaged, build the artefact again.", (folder / name).string()));
        } catch (const Cancelled &) {
            throw;
        } catch (const Error &error) {
            problems.emplace_back(error.what());
        }
    }
    return problems;
}

void requireSame(std::string_view field, const std::string &expected, const std::string &actual, std::string_view advice)
{
    if (expected != actual)
        fail(ErrorKind::Mismatch, "These parts do not belong together: {} is {} here and {} there; {}.", field, expected, actual, advice);
}

} // namespace retoscope
