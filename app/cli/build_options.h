// SPDX-License-Identifier: GPL-3.0-or-later
// Options that several building commands share.
#pragma once

#include "session.h"

#include <CLI/CLI.hpp>

#include <string>

namespace retoscope::cli {

/// --name and --force.
struct NameOptions
{
    std::string name;
    bool force = false;

    void addTo(CLI::App *command);
    /// For jobs that are admitted by a forecast.
    void addForceTo(CLI::App *command);
};

/// --compute and --device.
struct ComputeOptions
{
    std::string compute = "fp32";
    std::string device = "cpu";

    void addTo(CLI::App *command);
    [[nodiscard]] LoadOptions load() const;
};

/// --block, --stride, --window-mode, --window-tail and --document-start.
struct WindowOptions
{
    std::int32_t block = WindowScheme().block;
    std::int32_t stride = WindowScheme().stride;
    std::string mode = "stream";
    std::string tail = "keep";
    std::string documentStart = "auto";

    void addTo(CLI::App *command);
    [[nodiscard]] WindowScheme scheme() const; ///< throws Usage
    [[nodiscard]] TokenStoreOptions tokens() const { return {documentStart}; }
};

/// "name:split"; the split is train when it is absent.
struct CorpusSplit
{
    std::string corpus;
    Split split = Split::Train;
};
CorpusSplit corpusSplitFromString(const std::string &text, Split standard); ///< throws Usage

/// Prints "corpus demo: 12 documents …" with where it lies and returns its JSON.
Json reportArtefact(Session &session, const Project &project, const ArtefactRow &row, const std::string &summary);

} // namespace retoscope::cli
