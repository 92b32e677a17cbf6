// SPDX-License-Identifier: GPL-3.0-or-later
// Nothing half-written is ever opened as whole: files appear under their name only when complete and on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace retoscope {

/// Writes to `path + ".partial-<pid>"`, and commit() fsyncs the file, renames it to `path` and fsyncs the folder. Without
/// commit() the destructor removes the temporary file. Not thread-safe. Throws Io with a sentence (disk full, read-only).
class AtomicFile
{
public:
    explicit AtomicFile(const std::filesystem::path &path);
    ~AtomicFile();
    AtomicFile(const AtomicFile &) = delete;
    AtomicFile &operator=(const AtomicFile &) = delete;

    void write(const void *data, std::size_t bytes);
    template<typename T>
    void write(std::span<const T> values)
    {
        write(values.data(), values.size_bytes());
    }
    void write(std::string_view text) { write(text.data(), text.size()); }
    [[nodiscard]] std::uint64_t written() const { return m_written; }
    [[nodiscard]] const std::filesystem::path &temporaryPath() const { return m_temporary; }
    void commit();

private:
    std::filesystem::path m_path;
    std::filesystem::path m_temporary;
    int m_fd = -1;
    std::uint64_t m_written = 0;
};

/// A file that grows block by block and survives kill -9: everything up to the last sync() is on disk. The writer of a
/// resumable artefact records in its journal how many bytes count; reopening cuts the file to that length. `.partial`
/// names are the caller's; finish with renameDurably().
class AppendFile
{
public:
    /// Opens or creates `path` and truncates it to `validBytes`; throws Corrupt when it is shorter than that.
    AppendFile(const std::filesystem::path &path, std::uint64_t validBytes);
    ~AppendFile();
    AppendFile(const AppendFile &) = delete;
    AppendFile &operator=(const AppendFile &) = delete;

    void write(const void *data, std::size_t bytes);
    template<typename T>
    void write(std::span<const T> values)
    {
        write(values.data(), values.size_bytes());
    }
    /// Returns when everything written so far is on disk.
    void sync();
    [[nodiscard]] std::uint64_t size() const { return m_size; }

private:
    std::filesystem::path m_path;
    int m_fd = -1;
    std::uint64_t m_size = 0;
};

/// Atomically replaces `path` by `text` (write, fsync, rename, fsync of the folder).
void writeFileAtomically(const std::filesystem::path &path, std::string_view text);

/// The whole file as a string. Throws NotFound or Io; refuses more than `limit` bytes with both numbers.
std::string readFile(const std::filesystem::path &path, std::uint64_t limit = std::uint64_t(1) << 31);

/// rename(2) plus fsync of the folder, so that the new name survives a power cut.
void renameDurably(const std::filesystem::path &from, const std::filesystem::path &to);

/// Creates the folder and its parents; throws Io with a sentence.
void makeFolder(const std::filesystem::path &path);

/// An advisory lock on a folder (flock on `.lock` inside), so that two builds into one artefact cannot mix. Throws
/// Resource with the sentence "… is being written by another process (pid N)…" when it is taken. Released on destruction. Taking it
/// removes the temporary files that AtomicFiles of killed processes left in the folder.
class FolderLock
{
public:
    explicit FolderLock(const std::filesystem::path &folder);
    ~FolderLock();
    FolderLock(const FolderLock &) = delete;
    FolderLock &operator=(const FolderLock &) = delete;

private:
    int m_fd = -1;
};

} // namespace retoscope
