// SPDX-License-Identifier: GPL-3.0-or-later
#include "progress_display.h"

#include "terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace retoscope::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto lineInterval = std::chrono::seconds(5);
constexpr int widestBar = 30;
constexpr int narrowestBar = 8;

std::string formatAmount(std::int64_t value, const std::string &unit)
{
    return unit == "bytes" ? formatBytes(static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0))) : formatCount(value);
}

std::string formatRate(double rate, const std::string &unit)
{
    if (unit == "bytes")
        return formatBytes(static_cast<std::uint64_t>(rate)) + "/s";
    return rate < 10 ? fmt::format("{:.1f}/s", rate) : formatCount(static_cast<std::int64_t>(rate)) + "/s";
}

std::string bar(double share, int columns)
{
    const bool utf8 = terminalIsUtf8();
    const int filled = std::clamp(static_cast<int>(share * columns + 0.5), 0, columns);
    std::string text;
    for (int i = 0; i < columns; ++i)
        text += i < filled ? (utf8 ? "━" : "#") : (utf8 ? "─" : ".");
    return text;
}

void put(const std::string &text)
{
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

} // namespace

ProgressDisplay::ProgressDisplay() : m_terminal(standardErrorIsTerminal()) {}

ProgressDisplay::~ProgressDisplay()
{
    finish();
}

void ProgressDisplay::update(const Progress &progress)
{
    const std::lock_guard lock(m_mutex);
    if (m_muted)
        return;
    if (m_open && progress.stage != m_current.stage)
        closeStage();
    const bool begins = !m_open;
    m_open = true;
    m_current = progress;
    m_rate.update(progress);
    if (m_terminal) {
        drawBar();
    } else if (begins) {
        m_lastLine = Clock::now();
        m_lineShown = false;
    } else if (Clock::now() - m_lastLine >= lineInterval) {
        writeLine();
    }
}

void ProgressDisplay::line(const std::string &text)
{
    const std::lock_guard lock(m_mutex);
    if (m_open && m_current.total > 0 && m_current.done >= m_current.total)
        closeStage();
    if (m_terminal && m_open)
        put("\r\x1b[K");
    put(text + "\n");
    if (m_terminal && m_open)
        drawBar();
}

void ProgressDisplay::finish()
{
    const std::lock_guard lock(m_mutex);
    if (m_open)
        closeStage();
}

void ProgressDisplay::mute()
{
    finish();
    m_muted = true;
}

std::string ProgressDisplay::amounts() const
{
    const auto done = formatAmount(m_current.done, m_current.unit);
    const std::string unit = m_current.unit == "bytes" ? "" : " " + m_current.unit;
    return m_current.total > 0 ? fmt::format("{}/{}{}", done, formatAmount(m_current.total, m_current.unit), unit) : done + unit;
}

std::string ProgressDisplay::timing() const
{
    std::string text;
    if (m_rate.rate() > 0)
        text = formatRate(m_rate.rate(), m_current.unit);
    if (const double left = m_rate.remainingSeconds(); left >= 0.1)
        text += fmt::format("  {} left", formatDuration(left));
    return text;
}

void ProgressDisplay::drawBar()
{
    const int width = terminalWidth() - 1;
    std::string tail = amounts();
    if (const auto times = timing(); !times.empty())
        tail += "  " + times;
    if (!m_current.detail.empty())
        tail += "  " + m_current.detail;
    std::string text = "  " + m_current.stage + "  ";
    if (m_current.total > 0) {
        const double share = static_cast<double>(m_current.done) / static_cast<double>(m_current.total);
        const int room = width - displayWidth(text) - displayWidth(tail) - 8;
        if (room >= narrowestBar)
            text += bar(share, std::min(room, widestBar)) + " ";
        text += fmt::format("{:3.0f} %  ", 100 * std::clamp(share, 0.0, 1.0));
    }
    put("\r" + shortened(text + tail, width) + "\x1b[K");
}

void ProgressDisplay::writeLine()
{
    std::string text = m_current.stage + ": " + amounts();
    if (m_current.total > 0)
        text += fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(m_current.done) / static_cast<double>(m_current.total));
    if (const auto times = timing(); !times.empty())
        text += "  " + times;
    if (!m_current.detail.empty())
        text += "  " + m_current.detail;
    put(text + "\n");
    m_lastLine = Clock::now();
    m_lineShown = true;
}

void ProgressDisplay::closeStage()
{
    m_open = false;
    const bool complete = m_current.total <= 0 || m_current.done >= m_current.total;
    const auto seconds = m_rate.elapsedSeconds();
    if (m_terminal) {
        const std::string mark = !complete ? styled(terminalIsUtf8() ? "■" : "-", Style::Dim, coloursOnStandardError())
                                           : styled(terminalIsUtf8() ? "✓" : "*", Style::Green, coloursOnStandardError());
        std::string text = fmt::format("{}  {} in {}", m_current.stage, amounts(), formatDuration(seconds));
        if (!m_current.detail.empty())
            text += "  " + m_current.detail;
        put("\r" + mark + " " + shortened(text, terminalWidth() - 3) + "\x1b[K\n");
    } else if (m_lineShown || seconds >= 1) {
        put(fmt::format("{}: {} in {}\n", m_current.stage, amounts(), formatDuration(seconds)));
    }
}

} // namespace retoscope::cli
