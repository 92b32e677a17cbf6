// SPDX-License-Identifier: GPL-3.0-or-later
// What the terminal can do. Results go to standard output, everything else to standard error.
#pragma once

#include <string>
#include <string_view>

namespace retoscope::cli {

/// Call once at the start of main(): reads the character type of the locale (numbers stay in the C locale).
void initialiseTerminal();

bool standardErrorIsTerminal();
bool standardOutputIsTerminal();
/// True when the locale is UTF-8: bars and check marks may be drawn with box characters.
bool terminalIsUtf8();
/// Columns of the terminal; 80 when there is none.
int terminalWidth();

/// Columns that the UTF-8 text occupies (code points; no East Asian width).
int displayWidth(std::string_view text);
/// The first `columns` columns, ended by "…" when something was left out.
std::string shortened(std::string_view text, int columns);

enum class Style { Bold, Dim, Green, Red };
/// The text in that style when `on` (a terminal without NO_COLOR), else as it is.
std::string styled(std::string_view text, Style style, bool on);
bool coloursOnStandardOutput();
bool coloursOnStandardError();

} // namespace retoscope::cli
