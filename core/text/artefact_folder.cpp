// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/artefact_folder.h"

#include "base/error.h"
#include "base/manifest.h"

#include <algorithm>
#include <vector>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr const char *lockFile = ".lock"; // FolderLock's

/// Only a folder that we have locked before may hold leftovers of ours.
const fs::path &usable(const fs::path &folder)
{
    std::error_code code;
    const bool ours = fs::exists(folder / lockFile, code) && !hasManifest(folder);
    if (!ours && fs::exists(folder, code) && !fs::is_empty(folder, code))
        fail(ErrorKind::BadInput, "{} exists already and is not empty; choose another name or remove it.", folder.string());
    return folder;
}

void removeContents(const fs::path &folder)
{
    std::error_code code;
    std::vector<fs::path> contents;
    for (const auto &entry : fs::directory_iterator(folder, code)) {
        if (entry.path().filename() != lockFile)
            contents.push_back(entry.path());
    }
    for (const fs::path &path : contents)
        fs::remove_all(path, code);
}

} // namespace

ArtefactFolder::ArtefactFolder(const fs::path &folder) : m_folder(folder), m_lock(usable(folder))
{
    usable(folder); // another process may have finished before the lock was ours
    removeContents(m_folder);
}

ArtefactFolder::~ArtefactFolder()
{
    std::error_code code;
    if (!m_committed)
        fs::remove_all(m_folder, code);
}

void requireOffsets(std::span<const std::int64_t> offsets, std::uint64_t total, const fs::path &file)
{
    if (offsets.empty() || offsets.front() != 0 || static_cast<std::uint64_t>(offsets.back()) != total || !std::is_sorted(offsets.begin(), offsets.end()))
        fail(ErrorKind::Corrupt, "{} does not ascend from 0 to {}; the artefact is damaged, build it again.", file.string(), total);
}

} // namespace retoscope
