// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace retoscope {

struct HtmlText
{
    std::string title; ///< <title>, on one line
    std::string text;  ///< what a reader sees: a line per block, an empty line between paragraphs, <pre> as written
};

/// The visible text of a page by the HTML5 parsing rules (Gumbo). Left out: scripts, styles, forms' controls, <nav>, and
/// the navigation headers and footers of DocBook pages (class navheader, navfooter). `html` is valid UTF-8.
HtmlText extractHtmlText(std::string_view html);

} // namespace retoscope
