// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace retoscope::cli {

/// Help as one column of options and one of sentences; defaults stand at the end of the sentence.
class HelpFormatter : public CLI::Formatter
{
public:
    HelpFormatter();
    std::string make_group(std::string group, bool isPositional, std::vector<const CLI::Option *> options) const override;
    std::string make_option_opts(const CLI::Option *option) const override;
    std::string make_option_desc(const CLI::Option *option) const override;
};

} // namespace retoscope::cli
