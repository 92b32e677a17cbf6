// SPDX-License-Identifier: GPL-3.0-or-later
// Progress on standard error: one bar per stage with done/total, rate and remaining time when it is a terminal, else a
// line every few seconds.
#pragma once

#include "base/job.h"

#include <chrono>
#include <mutex>
#include <string>

namespace retoscope::cli {

/// Thread-safe. finish() (or the destructor) closes the bar that is open, so that a sentence can follow on its own line.
class ProgressDisplay
{
public:
    ProgressDisplay();
    ~ProgressDisplay();
    ProgressDisplay(const ProgressDisplay &) = delete;
    ProgressDisplay &operator=(const ProgressDisplay &) = delete;

    void update(const Progress &progress);
    /// A line of its own above the bar.
    void line(const std::string &text);
    void finish();
    /// Shows no progress from here on: the result itself is growing on the terminal.
    void mute();

private:
    void drawBar();
    void writeLine();
    void closeStage();
    [[nodiscard]] std::string amounts() const;
    [[nodiscard]] std::string timing() const;

    std::mutex m_mutex;
    const bool m_terminal;
    Progress m_current;
    RateEstimator m_rate;
    bool m_muted = false;
    bool m_open = false;      ///< a stage has begun and not been closed
    bool m_lineShown = false; ///< without a terminal: the stage had at least one line
    std::chrono::steady_clock::time_point m_lastLine{};
};

} // namespace retoscope::cli
