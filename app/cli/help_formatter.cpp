// SPDX-License-Identifier: GPL-3.0-or-later
#include "help_formatter.h"

namespace retoscope::cli {

namespace {

constexpr std::size_t optionColumn = 32;

/// What stands for the value, in the words of the help rather than of C++.
std::string placeholder(const CLI::Option *option)
{
    std::string type = option->get_type_name();
    type.resize(std::min(type.size(), type.find(':'))); // without the names of checks
    if (type == "INT" || type == "UINT")
        return "N";
    return type == "FLOAT" ? "X" : type;
}

} // namespace

HelpFormatter::HelpFormatter()
{
    column_width(optionColumn);
}

std::string HelpFormatter::make_group(std::string group, bool isPositional, std::vector<const CLI::Option *> options) const
{
    std::string text = "\n" + group + ":\n";
    for (const CLI::Option *option : options)
        text += make_option(option, isPositional);
    return text;
}

std::string HelpFormatter::make_option_opts(const CLI::Option *option) const
{
    if (option->get_items_expected_max() == 0)
        return {};
    const std::string several = option->get_expected_max() > 1 ? "…" : "";
    return " " + placeholder(option) + several;
}

std::string HelpFormatter::make_option_desc(const CLI::Option *option) const
{
    std::string text = option->get_description();
    if (option->get_required())
        text += " (required)";
    else if (!option->get_default_str().empty())
        text += " (default: " + option->get_default_str() + ")";
    return text;
}

} // namespace retoscope::cli
