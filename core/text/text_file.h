// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace retoscope {

/// A text file or its .gz, read front to back in constant memory. Throws NotFound or Io when it cannot be opened, Corrupt
/// when the compressed data is damaged or ends early.
class TextFile
{
public:
    explicit TextFile(const std::filesystem::path &path);
    ~TextFile();
    TextFile(const TextFile &) = delete;
    TextFile &operator=(const TextFile &) = delete;

    /// Reads the next line with its '\n' into `line`, without a byte order mark; false at the end of the file. Throws
    /// BadInput naming the byte and the line of invalid UTF-8.
    bool readLine(std::string &line);
    /// The rest of the file, checked like readLine().
    std::string readAll();
    /// Number of the line that readLine() returned last, from 1.
    [[nodiscard]] std::int64_t lineNumber() const { return m_line; }

private:
    bool fill();
    void checkUtf8(std::string_view text, std::int64_t line) const;

    struct Gz;
    std::filesystem::path m_path;
    std::unique_ptr<Gz> m_gz;
    std::string m_buffer;      ///< bytes read but not returned: [m_at, m_buffer.size())
    std::size_t m_at = 0;
    std::int64_t m_offset = 0; ///< of m_at in the (uncompressed) file
    std::int64_t m_line = 0;
};

} // namespace retoscope
