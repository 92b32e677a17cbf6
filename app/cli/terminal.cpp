// SPDX-License-Identifier: GPL-3.0-or-later
#include "terminal.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <cstring>

namespace retoscope::cli {

namespace {

bool coloursWanted()
{
    const char *none = std::getenv("NO_COLOR"); // https://no-color.org
    const char *terminal = std::getenv("TERM");
    return !(none && *none) && !(terminal && std::strcmp(terminal, "dumb") == 0);
}

bool continuesCharacter(char c)
{
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

std::string_view escapeOf(Style style)
{
    switch (style) {
    case Style::Bold:
        return "\x1b[1m";
    case Style::Dim:
        return "\x1b[2m";
    case Style::Green:
        return "\x1b[32m";
    case Style::Red:
        return "\x1b[31m";
    }
    return "";
}

} // namespace

void initialiseTerminal()
{
    std::setlocale(LC_CTYPE, "");
}

bool standardErrorIsTerminal()
{
    return ::isatty(STDERR_FILENO) == 1;
}

bool standardOutputIsTerminal()
{
    return ::isatty(STDOUT_FILENO) == 1;
}

bool terminalIsUtf8()
{
    return std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
}

int terminalWidth()
{
    for (const int fd : {STDERR_FILENO, STDOUT_FILENO}) {
        winsize size = {};
        if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            return size.ws_col;
    }
    return 80;
}

int displayWidth(std::string_view text)
{
    int columns = 0;
    for (const char c : text)
        columns += continuesCharacter(c) ? 0 : 1;
    return columns;
}

std::string shortened(std::string_view text, int columns)
{
    if (displayWidth(text) <= columns)
        return std::string(text);
    if (columns < 1)
        return {};
    std::size_t end = 0;
    for (int column = 0; column < columns - 1; ++column) {
        ++end;
        while (end < text.size() && continuesCharacter(text[end]))
            ++end;
    }
    return std::string(text.substr(0, end)) + "…";
}

std::string styled(std::string_view text, Style style, bool on)
{
    if (!on)
        return std::string(text);
    return std::string(escapeOf(style)) + std::string(text) + "\x1b[0m";
}

bool coloursOnStandardOutput()
{
    return standardOutputIsTerminal() && coloursWanted();
}

bool coloursOnStandardError()
{
    return standardErrorIsTerminal() && coloursWanted();
}

} // namespace retoscope::cli
