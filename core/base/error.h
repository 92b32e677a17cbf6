// SPDX-License-Identifier: GPL-3.0-or-later
// Errors of Retoscope. Every error that a user can cause is one sentence that says what is wrong, where (file, field,
// row) and what to do. Core throws Error; nothing thrown may leave a job body (see job.h). Assertions are for bugs only.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace retoscope {

/// What kind of thing went wrong; decides the exit code of the command line and the icon in the desktop program.
enum class ErrorKind
{
    BadInput,  ///< a file or value of the user does not make sense
    Mismatch,  ///< two artefacts do not belong together (the sentence names the field and both values)
    NotFound,  ///< a file, artefact or name does not exist
    Io,        ///< the operating system refused (disk full, read-only, vanished)
    Resource,  ///< it cannot fit (memory, disk); nothing was started
    Corrupt,   ///< a file of ours or of others is damaged or truncated
    Usage,     ///< wrong options on the command line
    Cancelled, ///< the user stopped it; not a failure
};

class Error : public std::runtime_error
{
public:
    Error(ErrorKind kind, const std::string &sentence) : std::runtime_error(sentence), m_kind(kind) {}
    [[nodiscard]] ErrorKind kind() const noexcept { return m_kind; }

private:
    ErrorKind m_kind;
};

/// Thrown by JobControl::checkpoint() when the user asked to stop. Work done so far is on disk and can be continued.
class Cancelled : public Error
{
public:
    Cancelled() : Error(ErrorKind::Cancelled, "Stopped on request; the same command continues where it stopped.") {}
};

/// fail(ErrorKind::BadInput, "{}: row {} has no field '{}'; name one with --field.", path, row, field);
template<typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> text, Args &&...args)
{
    throw Error(kind, fmt::format(text, std::forward<Args>(args)...));
}

/// Throws Io with `what` and the text of errno, e.g. "cannot write model.bin: No space left on device (free some space, then run the same command again)".
[[noreturn]] void failWithErrno(std::string_view what, std::string_view path);

} // namespace retoscope
