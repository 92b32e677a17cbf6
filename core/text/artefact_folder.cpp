// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/artefact_folder.h"

#include "base/atomic_file.h"
#include "base/error.h"

#include <unistd.h>

#include <algorithm>
#include <string>

namespace fs = std::filesystem;

namespace retoscope {

ArtefactFolder::ArtefactFolder(const fs::path &folder) : m_folder(folder.has_filename() ? folder : folder.parent_path()), m_temporary(m_folder)
{
    std::error_code code;
    if (fs::exists(m_folder, code) && !fs::is_empty(m_folder, code))
        fail(ErrorKind::BadInput, "{} exists already and is not empty; choose another name or remove it.", m_folder.string());
    m_temporary += ".partial-" + std::to_string(::getpid());
    fs::remove_all(m_temporary, code);
    makeFolder(m_temporary);
}

ArtefactFolder::~ArtefactFolder()
{
    std::error_code code;
    if (!m_committed)
        fs::remove_all(m_temporary, code);
}

void ArtefactFolder::commit()
{
    renameDurably(m_temporary, m_folder);
    m_committed = true;
}

void requireOffsets(std::span<const std::int64_t> offsets, std::uint64_t total, const fs::path &file)
{
    if (offsets.empty() || offsets.front() != 0 || static_cast<std::uint64_t>(offsets.back()) != total || !std::is_sorted(offsets.begin(), offsets.end()))
        fail(ErrorKind::Corrupt, "{} does not ascend from 0 to {}; the artefact is damaged, build it again.", file.string(), total);
}

} // namespace retoscope
