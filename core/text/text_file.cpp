// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/text_file.h"

#include "base/error.h"
#include "text/utf8.h"

#include <zlib.h>

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::size_t blockSize = 1u << 18;
constexpr std::size_t longestDocument = std::size_t(1) << 31; // token spans are 32-bit
constexpr std::string_view byteOrderMark = "\xEF\xBB\xBF";

} // namespace

struct TextFile::Gz
{
    gzFile file = nullptr;

    Gz() = default;
    Gz(const Gz &) = delete;
    Gz &operator=(const Gz &) = delete;
    ~Gz() // here, not in ~TextFile(): a constructor that throws closes the file too
    {
        if (file)
            ::gzclose(file);
    }
};

TextFile::TextFile(const fs::path &path) : m_path(path), m_gz(std::make_unique<Gz>())
{
    m_gz->file = ::gzopen(path.c_str(), "rb"); // zlib passes files that are not compressed through unchanged
    if (!m_gz->file)
        failWithErrno("open", path.string());
    ::gzbuffer(m_gz->file, blockSize);
    if (fill() && m_buffer.starts_with(byteOrderMark))
        m_at = byteOrderMark.size();
    m_offset = static_cast<std::int64_t>(m_at);
}

TextFile::~TextFile() = default;

bool TextFile::fill()
{
    m_buffer.erase(0, m_at);
    m_at = 0;
    const std::size_t old = m_buffer.size();
    if (old > longestDocument)
        fail(ErrorKind::BadInput, "{} has a line or document longer than {} bytes; split it.", m_path.string(), longestDocument);
    m_buffer.resize(old + blockSize);
    const int got = ::gzread(m_gz->file, m_buffer.data() + old, blockSize);
    m_buffer.resize(old + static_cast<std::size_t>(std::max(got, 0)));
    int code = Z_OK;
    const char *message = ::gzerror(m_gz->file, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
        fail(ErrorKind::Corrupt, "{} cannot be read after byte {}: {}; it is damaged or cut short, fetch it again.", m_path.string(),
             m_offset + static_cast<std::int64_t>(old), code == Z_BUF_ERROR ? "unexpected end of the compressed data" : message);
    return got > 0;
}

void TextFile::checkUtf8(std::string_view text, std::int64_t line) const
{
    const std::size_t at = findInvalidUtf8(text);
    if (at == std::string_view::npos)
        return;
    fail(ErrorKind::BadInput, "{}: byte {} (line {}) is 0x{:02X}, which is not valid UTF-8 there; convert the file, e.g. with iconv -f latin1 -t utf-8.",
         m_path.string(), m_offset + static_cast<std::int64_t>(at), line + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'),
         static_cast<unsigned char>(text[at]));
}

bool TextFile::readLine(std::string &line)
{
    std::size_t searched = m_at, end = std::string::npos;
    while ((end = m_buffer.find('\n', searched)) == std::string::npos) {
        searched = m_buffer.size() - m_at;
        if (!fill())
            break;
    }
    const std::size_t length = (end == std::string::npos ? m_buffer.size() : end + 1) - m_at;
    if (length == 0)
        return false;
    line.assign(m_buffer, m_at, length);
    checkUtf8(line, ++m_line);
    m_at += length;
    m_offset += static_cast<std::int64_t>(length);
    return true;
}

std::string TextFile::readAll()
{
    while (fill()) {
    }
    std::string text = std::move(m_buffer);
    m_buffer.clear();
    checkUtf8(text, m_line + 1);
    m_offset += static_cast<std::int64_t>(text.size());
    return text;
}

} // namespace retoscope
