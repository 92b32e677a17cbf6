// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace retoscope {

namespace {

std::string_view adviceFor(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return "free some space, then run the same command again";
    case EACCES:
    case EPERM:
    case EROFS:
        return "check the permissions or choose another folder";
    case ENOENT:
        return "check the name";
    case EFBIG:
        return "a limit on the size of files is in force (ulimit -f); raise it, then run the same command again";
    case ENOMEM:
        return "close other programs or choose a smaller block";
    default:
        return "";
    }
}

} // namespace

void failWithErrno(std::string_view what, std::string_view path)
{
    const int code = errno;
    const auto advice = adviceFor(code);
    const auto kind = code == ENOENT ? ErrorKind::NotFound : ErrorKind::Io;
    if (advice.empty())
        fail(kind, "Cannot {} {}: {}.", what, path, std::strerror(code));
    fail(kind, "Cannot {} {}: {} ({}).", what, path, std::strerror(code), advice);
}

} // namespace retoscope
