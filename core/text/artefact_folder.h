// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/atomic_file.h"

#include <cstdint>
#include <filesystem>
#include <span>

namespace retoscope {

/// The folder of an artefact that is quick to build and so need not be resumable: it is locked, what a killed build left in
/// it is removed, and so is the folder itself unless commit() is called, which belongs after writeManifest(). Throws
/// BadInput when the folder holds a finished artefact or files that are not ours, Resource when another process builds in it.
class ArtefactFolder
{
public:
    explicit ArtefactFolder(const std::filesystem::path &folder);
    ~ArtefactFolder();
    ArtefactFolder(const ArtefactFolder &) = delete;
    ArtefactFolder &operator=(const ArtefactFolder &) = delete;

    [[nodiscard]] const std::filesystem::path &path() const { return m_folder; }
    void commit() { m_committed = true; }

private:
    std::filesystem::path m_folder;
    FolderLock m_lock;
    bool m_committed = false;
};

/// Throws Corrupt naming `file` unless the offsets ascend from 0 to `total`.
void requireOffsets(std::span<const std::int64_t> offsets, std::uint64_t total, const std::filesystem::path &file);

} // namespace retoscope
