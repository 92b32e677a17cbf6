// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/atomic_file.h"

#include "base/error.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <vector>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

void writeAll(int fd, const fs::path &path, const void *data, std::size_t bytes)
{
    const char *cursor = static_cast<const char *>(data);
    while (bytes > 0) {
        const ssize_t n = ::write(fd, cursor, std::min<std::size_t>(bytes, std::size_t(1) << 30));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            failWithErrno("write", path.string());
        }
        cursor += n;
        bytes -= static_cast<std::size_t>(n);
    }
}

void syncFolder(const fs::path &folder)
{
    const fs::path name = folder.empty() ? fs::path(".") : folder;
    const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        failWithErrno("open the folder", name.string());
    ::fsync(fd); // some file systems cannot sync folders; the rename itself has succeeded
    ::close(fd);
}

} // namespace

AtomicFile::AtomicFile(const fs::path &path) : m_path(path), m_temporary(path)
{
    m_temporary += ".partial-" + std::to_string(::getpid());
    m_fd = ::open(m_temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (m_fd < 0)
        failWithErrno("create", m_temporary.string());
}

AtomicFile::~AtomicFile()
{
    if (m_fd >= 0) {
        ::close(m_fd);
        ::unlink(m_temporary.c_str());
    }
}

void AtomicFile::write(const void *data, std::size_t bytes)
{
    writeAll(m_fd, m_temporary, data, bytes);
    m_written += bytes;
}

void AtomicFile::commit()
{
    if (::fsync(m_fd) != 0)
        failWithErrno("flush", m_temporary.string());
    const int fd = m_fd;
    m_fd = -1;
    if (::close(fd) != 0) {
        const int code = errno;
        ::unlink(m_temporary.c_str());
        errno = code;
        failWithErrno("close", m_temporary.string());
    }
    renameDurably(m_temporary, m_path);
}

AppendFile::AppendFile(const fs::path &path, std::uint64_t validBytes) : m_path(path), m_size(validBytes)
{
    m_fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (m_fd < 0)
        failWithErrno("open", path.string());
    struct stat status = {};
    if (::fstat(m_fd, &status) != 0 || static_cast<std::uint64_t>(status.st_size) < validBytes) {
        const auto size = status.st_size;
        ::close(m_fd);
        m_fd = -1;
        fail(ErrorKind::Corrupt, "{} is {} bytes long, but {} bytes were already written to it; remove the unfinished artefact and start again.",
             path.string(), size, validBytes);
    }
    if (::ftruncate(m_fd, static_cast<off_t>(validBytes)) != 0 || ::lseek(m_fd, 0, SEEK_END) < 0) {
        ::close(m_fd);
        m_fd = -1;
        failWithErrno("truncate", path.string());
    }
}

AppendFile::~AppendFile()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

void AppendFile::write(const void *data, std::size_t bytes)
{
    writeAll(m_fd, m_path, data, bytes);
    m_size += bytes;
}

void AppendFile::sync()
{
    if (::fdatasync(m_fd) != 0)
        failWithErrno("flush", m_path.string());
}

void writeFileAtomically(const fs::path &path, std::string_view text)
{
    AtomicFile file(path);
    file.write(text);
    file.commit();
}

std::string readFile(const fs::path &path, std::uint64_t limit)
{
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        failWithErrno("open", path.string());
    struct stat status = {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(fd);
        fail(ErrorKind::BadInput, "{} is not a regular file; name a file.", path.string());
    }
    if (static_cast<std::uint64_t>(status.st_size) > limit) {
        ::close(fd);
        fail(ErrorKind::BadInput, "{} is {} bytes long, more than the {} bytes that such a file may have.", path.string(),
             status.st_size, limit);
    }
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t got = 0;
    while (got < text.size()) {
        const ssize_t n = ::read(fd, text.data() + got, text.size() - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            ::close(fd);
            failWithErrno("read", path.string());
        }
        if (n == 0)
            break;
        got += static_cast<std::size_t>(n);
    }
    text.resize(got);
    ::close(fd);
    return text;
}

void renameDurably(const fs::path &from, const fs::path &to)
{
    if (::rename(from.c_str(), to.c_str()) != 0)
        failWithErrno("rename " + from.string() + " to", to.string());
    syncFolder(to.parent_path());
}

void makeFolder(const fs::path &path)
{
    std::error_code code;
    fs::create_directories(path, code);
    if (code)
        fail(ErrorKind::Io, "Cannot create the folder {}: {} (choose another place).", path.string(), code.message());
}

namespace {

/// Removes what an AtomicFile of a killed process left behind, so that an artefact continued after a kill has no file
/// more than one that was never interrupted.
void removeAbandonedTemporaries(const fs::path &folder)
{
    constexpr std::string_view mark = ".partial-";
    std::error_code code;
    std::vector<fs::path> abandoned;
    for (const fs::directory_entry &entry : fs::directory_iterator(folder, code)) {
        const std::string name = entry.path().filename().string();
        const std::size_t at = name.rfind(mark);
        if (at == std::string::npos)
            continue;
        pid_t owner = 0;
        const char *end = name.data() + name.size();
        const auto [stop, error] = std::from_chars(name.data() + at + mark.size(), end, owner);
        const bool isPid = error == std::errc() && stop == end && owner > 0;
        if (isPid && owner != ::getpid() && ::kill(owner, 0) != 0 && errno == ESRCH)
            abandoned.push_back(entry.path());
    }
    for (const fs::path &path : abandoned)
        fs::remove(path, code);
}

} // namespace

FolderLock::FolderLock(const fs::path &folder)
{
    makeFolder(folder);
    const fs::path path = folder / ".lock";
    m_fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (m_fd < 0)
        failWithErrno("create", path.string());
    if (::flock(m_fd, LOCK_EX | LOCK_NB) != 0) {
        char owner[32] = {};
        const ssize_t n = ::pread(m_fd, owner, sizeof owner - 1, 0);
        ::close(m_fd);
        m_fd = -1;
        fail(ErrorKind::Resource, "{} is being written by another process (pid {}); wait for it or stop it first.",
             folder.string(), n > 0 ? owner : "unknown");
    }
    const std::string pid = std::to_string(::getpid());
    if (::ftruncate(m_fd, 0) != 0 || ::pwrite(m_fd, pid.data(), pid.size(), 0) < 0) {
        // The lock itself holds; only the pid in the sentence for others is missing.
    }
    removeAbandonedTemporaries(folder);
}

FolderLock::~FolderLock()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

} // namespace retoscope
