// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/mapped_file.h"

#include "base/error.h"
#include "base/mapping_fault.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace retoscope {

MappedFile::MappedFile(const std::filesystem::path &path, Access access) : m_path(path)
{
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        failWithErrno("open", path.string());
    struct stat status = {};
    if (::fstat(fd, &status) != 0) {
        ::close(fd);
        failWithErrno("read the size of", path.string());
    }
    if (!S_ISREG(status.st_mode)) {
        ::close(fd);
        fail(ErrorKind::BadInput, "{} is not a regular file; name a file.", path.string());
    }
    m_size = static_cast<std::size_t>(status.st_size);
    if (m_size > 0) {
        void *address = ::mmap(nullptr, m_size, PROT_READ, MAP_SHARED, fd, 0);
        if (address == MAP_FAILED) {
            ::close(fd);
            failWithErrno("map", path.string());
        }
        m_data = static_cast<const std::byte *>(address);
        rememberMapping(address, m_size, path.c_str());
        if (access != Access::Normal)
            ::madvise(address, m_size, access == Access::Sequential ? MADV_SEQUENTIAL : MADV_RANDOM);
    }
    ::close(fd);
}

MappedFile::~MappedFile()
{
    if (m_data) {
        forgetMapping(m_data);
        ::munmap(const_cast<std::byte *>(m_data), m_size);
    }
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : m_data(std::exchange(other.m_data, nullptr)), m_size(std::exchange(other.m_size, 0)),
      m_path(std::move(other.m_path))
{
}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept
{
    std::swap(m_data, other.m_data);
    std::swap(m_size, other.m_size);
    std::swap(m_path, other.m_path);
    return *this;
}

void MappedFile::willNeed() const
{
    if (m_data)
        ::madvise(const_cast<std::byte *>(m_data), m_size, MADV_WILLNEED);
}

void MappedFile::checkRange(std::size_t offset, std::size_t count, std::size_t size, std::size_t alignment) const
{
    if (offset > m_size || count > (m_size - offset) / size)
        fail(ErrorKind::Corrupt, "{} is {} bytes long, but {} values of {} bytes from byte {} on are promised; the file is truncated, make it again.",
             m_path.string(), m_size, count, size, offset);
    if (offset % alignment != 0)
        fail(ErrorKind::Corrupt, "{}: values of {} bytes start at the odd byte {}; the file is damaged, make it again.",
             m_path.string(), size, offset);
}

} // namespace retoscope
