// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include "ledger/trace_session.h"
#include "trace/automaton_window.h"

#include <string_view>
#include <vector>

namespace retoscope {

/// What the canvas draws: the steps and their words. Immutable; made on a worker thread.
struct AutomatonScene
{
    AutomatonWindow window;
    std::vector<QString> tokens;    ///< per step: the true token
    std::vector<QString> reasons;   ///< per step: reasonText()
    std::vector<QString> values;    ///< per node: the heaviest value in it

    /// Index of the step at `position`; −1: not among them.
    [[nodiscard]] int stepAt(Position position) const;
};

AutomatonScene makeAutomatonScene(const TraceSession &trace, Position first, std::int64_t count, const EvaluationSettings &settings, JobControl &job);

/// singleLine() of a token, with the spaces at its ends as marks too: what would be missed otherwise.
QString tokenLabel(std::string_view bytes);

} // namespace retoscope
