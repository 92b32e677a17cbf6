// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/html_text.h"

#include <gumbo.h>

#include <algorithm>
#include <array>
#include <memory_resource>
#include <vector>

namespace retoscope {

namespace {

/// How an element is set: inline text flows; a block begins on a new line; a paragraph also has an empty line around it.
enum class Layout { Inline, Block, Paragraph, Preformatted, LineBreak, Cell, Hidden };

Layout layoutOf(GumboTag tag)
{
    switch (tag) {
    case GUMBO_TAG_HEAD: case GUMBO_TAG_SCRIPT: case GUMBO_TAG_STYLE: case GUMBO_TAG_NAV: case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE: case GUMBO_TAG_SELECT: case GUMBO_TAG_BUTTON: case GUMBO_TAG_TEXTAREA: case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT: case GUMBO_TAG_SVG:
        return Layout::Hidden;
    case GUMBO_TAG_BR: case GUMBO_TAG_HR:
        return Layout::LineBreak;
    case GUMBO_TAG_PRE:
        return Layout::Preformatted;
    case GUMBO_TAG_TD: case GUMBO_TAG_TH:
        return Layout::Cell;
    case GUMBO_TAG_P: case GUMBO_TAG_H1: case GUMBO_TAG_H2: case GUMBO_TAG_H3: case GUMBO_TAG_H4: case GUMBO_TAG_H5:
    case GUMBO_TAG_H6: case GUMBO_TAG_TABLE: case GUMBO_TAG_UL: case GUMBO_TAG_OL: case GUMBO_TAG_DL: case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_SECTION: case GUMBO_TAG_ARTICLE: case GUMBO_TAG_FIGURE: case GUMBO_TAG_FIELDSET:
        return Layout::Paragraph;
    case GUMBO_TAG_DIV: case GUMBO_TAG_LI: case GUMBO_TAG_DT: case GUMBO_TAG_DD: case GUMBO_TAG_TR: case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_THEAD: case GUMBO_TAG_TBODY: case GUMBO_TAG_TFOOT: case GUMBO_TAG_HEADER: case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_MAIN: case GUMBO_TAG_ASIDE: case GUMBO_TAG_ADDRESS: case GUMBO_TAG_FIGCAPTION: case GUMBO_TAG_FORM:
    case GUMBO_TAG_LEGEND: case GUMBO_TAG_DETAILS: case GUMBO_TAG_SUMMARY: case GUMBO_TAG_CENTER:
        return Layout::Block;
    default:
        return Layout::Inline;
    }
}

constexpr bool isHtmlSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

/// True when the class attribute holds one of the words.
template<std::size_t N>
bool hasClass(const GumboElement &element, const std::array<std::string_view, N> &names)
{
    const GumboAttribute *attribute = gumbo_get_attribute(&element.attributes, "class");
    std::string_view value = attribute ? attribute->value : "";
    while (!value.empty()) {
        const std::size_t end = std::min(value.find(' '), value.size());
        if (std::find(names.begin(), names.end(), value.substr(0, end)) != names.end())
            return true;
        value.remove_prefix(std::min(end + 1, value.size()));
    }
    return false;
}

bool isHidden(const GumboElement &element)
{
    static constexpr std::array<std::string_view, 2> navigation{"navheader", "navfooter"};
    return gumbo_get_attribute(&element.attributes, "hidden") != nullptr || hasClass(element, navigation);
}

/// Collects text under the white-space rules of CSS: runs of spaces collapse outside <pre>, lines are not indented.
class Writer
{
public:
    void text(std::string_view text)
    {
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (skipNoBreakSpace(text, at) || isHtmlSpace(text[at])) {
                m_space = true;
            } else {
                flush();
                m_text += text[at];
            }
        }
    }

    void preformatted(std::string_view text)
    {
        if (text.empty())
            return;
        flush();
        for (std::size_t at = 0; at < text.size(); ++at)
            m_text += skipNoBreakSpace(text, at) ? ' ' : text[at];
    }

    /// The next text begins after at least `newlines` line ends.
    void lineEnd(int newlines) { m_newlines = std::max(m_newlines, newlines); }
    void cellEnd() { m_space = true; }

    std::string take()
    {
        while (!m_text.empty() && isHtmlSpace(m_text.back()))
            m_text.pop_back();
        if (!m_text.empty())
            m_text += '\n';
        return std::move(m_text);
    }

private:
    /// U+00A0 only tells a browser where not to break a line: it is a space. Moves `at` to its second byte.
    static bool skipNoBreakSpace(std::string_view text, std::size_t &at)
    {
        const bool found = text.substr(at, 2) == "\u00A0";
        at += found ? 1 : 0;
        return found;
    }

    void flush()
    {
        if (!m_text.empty() && m_newlines > 0) {
            int present = 0;
            while (present < m_newlines && present < static_cast<int>(m_text.size()) && m_text[m_text.size() - 1 - static_cast<std::size_t>(present)] == '\n')
                ++present;
            m_text.append(static_cast<std::size_t>(m_newlines - present), '\n');
        } else if (m_space && !m_text.empty() && !isHtmlSpace(m_text.back())) {
            m_text += ' ';
        }
        m_newlines = 0;
        m_space = false;
    }

    std::string m_text;
    int m_newlines = 0;
    bool m_space = false;
};

/// Walks the tree without recursion: pages may nest deeper than a stack.
class Walker
{
public:
    explicit Walker(Writer &writer) : m_writer(writer) {}

    void walk(const GumboNode *root)
    {
        enter(root);
        while (!m_stack.empty()) {
            Frame &frame = m_stack.back();
            if (frame.next < frame.children->length) {
                enter(static_cast<const GumboNode *>(frame.children->data[frame.next++]));
            } else {
                leave(frame.layout);
                m_stack.pop_back();
            }
        }
    }

private:
    struct Frame
    {
        const GumboVector *children;
        unsigned next;
        Layout layout;
    };

    void enter(const GumboNode *node)
    {
        switch (node->type) {
        case GUMBO_NODE_DOCUMENT:
            m_stack.push_back({&node->v.document.children, 0, Layout::Inline});
            break;
        case GUMBO_NODE_ELEMENT: {
            const Layout layout = layoutOf(node->v.element.tag);
            if (layout == Layout::Hidden || isHidden(node->v.element))
                break;
            open(layout);
            m_stack.push_back({&node->v.element.children, 0, layout});
            break;
        }
        case GUMBO_NODE_TEXT:
        case GUMBO_NODE_CDATA:
        case GUMBO_NODE_WHITESPACE:
            if (m_preformatted > 0)
                m_writer.preformatted(node->v.text.text);
            else
                m_writer.text(node->v.text.text);
            break;
        default:
            break;
        }
    }

    void open(Layout layout)
    {
        if (layout == Layout::Preformatted)
            ++m_preformatted;
        m_writer.lineEnd(linesAround(layout));
    }

    void leave(Layout layout)
    {
        if (layout == Layout::Preformatted)
            --m_preformatted;
        if (layout == Layout::Cell)
            m_writer.cellEnd();
        m_writer.lineEnd(linesAround(layout));
    }

    static int linesAround(Layout layout)
    {
        switch (layout) {
        case Layout::Paragraph:
        case Layout::Preformatted:
            return 2;
        case Layout::Block:
        case Layout::LineBreak:
            return 1;
        default:
            return 0;
        }
    }

    Writer &m_writer;
    std::vector<Frame> m_stack;
    int m_preformatted = 0;
};

const GumboNode *findChild(const GumboNode *node, GumboTag tag)
{
    if (!node || node->type != GUMBO_NODE_ELEMENT)
        return nullptr;
    const GumboVector &children = node->v.element.children;
    for (unsigned i = 0; i < children.length; ++i) {
        const auto *child = static_cast<const GumboNode *>(children.data[i]);
        if (child->type == GUMBO_NODE_ELEMENT && child->v.element.tag == tag)
            return child;
    }
    return nullptr;
}

std::string textBelow(const GumboNode *node)
{
    Writer writer;
    Walker(writer).walk(node);
    return writer.take();
}

} // namespace

HtmlText extractHtmlText(std::string_view html)
{
    // Gumbo frees its tree by recursion, which a page of a million nested elements turns into a stack overflow. An arena
    // needs no such walk.
    std::pmr::monotonic_buffer_resource arena;
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = [](void *memory, std::size_t bytes) {
        return static_cast<std::pmr::monotonic_buffer_resource *>(memory)->allocate(bytes);
    };
    options.deallocator = [](void *, void *) {};
    options.userdata = &arena;
    const GumboOutput *tree = gumbo_parse_with_options(&options, html.data(), html.size());
    HtmlText result;
    if (const GumboNode *title = findChild(findChild(tree->root, GUMBO_TAG_HEAD), GUMBO_TAG_TITLE)) {
        result.title = textBelow(title);
        result.title.resize(result.title.empty() ? 0 : result.title.size() - 1);
    }
    if (const GumboNode *body = findChild(tree->root, GUMBO_TAG_BODY))
        result.text = textBelow(body);
    return result;
}

} // namespace retoscope
