// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace retoscope {

/// An artefact that is quick to build and so need not be resumable: it is written to `folder.partial-<pid>` and appears
/// under its name when commit() is called; otherwise the destructor removes what was written. Throws BadInput when the
/// folder already holds something.
class ArtefactFolder
{
public:
    explicit ArtefactFolder(const std::filesystem::path &folder);
    ~ArtefactFolder();
    ArtefactFolder(const ArtefactFolder &) = delete;
    ArtefactFolder &operator=(const ArtefactFolder &) = delete;

    [[nodiscard]] const std::filesystem::path &path() const { return m_temporary; }
    void commit();

private:
    std::filesystem::path m_folder, m_temporary;
    bool m_committed = false;
};

/// Throws Corrupt naming `file` unless the offsets ascend from 0 to `total`.
void requireOffsets(std::span<const std::int64_t> offsets, std::uint64_t total, const std::filesystem::path &file);

} // namespace retoscope
