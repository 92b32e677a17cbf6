// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/job.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace retoscope {

using Clock = std::chrono::steady_clock;

void JobControl::report(std::string_view stage, std::string_view unit, std::int64_t done, std::int64_t total,
                        std::string_view detail)
{
    if (!m_sink)
        return;
    const auto now = Clock::now();
    const std::lock_guard lock(m_mutex);
    const bool newStage = m_lastStage != stage;
    const bool last = total > 0 && done >= total;
    if (!newStage && !last && now - m_lastReport < std::chrono::milliseconds(40))
        return;
    m_lastStage = stage;
    m_lastReport = now;
    m_sink(Progress{std::string(stage), std::string(unit), done, total, std::string(detail)});
}

void JobControl::log(const std::string &line)
{
    const std::lock_guard lock(m_mutex);
    if (m_log)
        m_log(line);
}

void JobControl::checkpoint()
{
    if (m_whole)
        m_whole->checkpoint();
    while (m_pause.load(std::memory_order_relaxed) && !cancelRequested())
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (cancelRequested())
        throw Cancelled();
}

void RateEstimator::update(const Progress &progress)
{
    const auto now = Clock::now();
    if (m_stage != progress.stage) {
        m_stage = progress.stage;
        m_begin = m_last = now;
        m_firstDone = m_lastDone = progress.done;
        m_rate = 0;
    }
    m_total = progress.total;
    const double dt = std::chrono::duration<double>(now - m_last).count();
    if (dt >= 0.2) {
        const double current = static_cast<double>(progress.done - m_lastDone) / dt;
        const double weight = m_rate == 0 ? 1.0 : 1.0 - std::exp(-dt / 5.0);
        m_rate += weight * (current - m_rate);
        m_last = now;
        m_lastDone = progress.done;
    }
}

double RateEstimator::remainingSeconds() const
{
    if (m_rate <= 0 || m_total <= 0)
        return -1;
    return static_cast<double>(std::max<std::int64_t>(0, m_total - m_lastDone)) / m_rate;
}

double RateEstimator::elapsedSeconds() const
{
    return std::chrono::duration<double>(Clock::now() - m_begin).count();
}

std::string formatDuration(double seconds)
{
    if (seconds < 10)
        return fmt::format("{:.1f} s", std::max(0.0, seconds));
    const auto whole = static_cast<std::int64_t>(std::llround(seconds));
    if (whole < 60)
        return fmt::format("{} s", whole);
    if (whole < 3600)
        return fmt::format("{} min {:02d} s", whole / 60, whole % 60);
    return fmt::format("{} h {:02d} min", whole / 3600, whole % 3600 / 60);
}

std::string formatBytes(std::uint64_t bytes)
{
    static constexpr const char *units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1000 && unit + 1 < std::size(units)) {
        value /= 1000;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string formatCount(std::int64_t value)
{
    std::string digits = std::to_string(value);
    const std::size_t first = digits[0] == '-' ? 1 : 0;
    for (auto at = static_cast<std::int64_t>(digits.size()) - 3; at > static_cast<std::int64_t>(first); at -= 3)
        digits.insert(static_cast<std::size_t>(at), 1, ',');
    return digits;
}

} // namespace retoscope
