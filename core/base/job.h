// SPDX-License-Identifier: GPL-3.0-or-later
// How long work talks to whoever started it: progress out, cancel in. Core functions that may take longer than a second
// take a `JobControl &`, call report() as often as they like and checkpoint() at points where stopping loses nothing.
// The command line shows a bar, the desktop program a row in its job list; tests count calls. No Qt here.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace retoscope {

struct Progress
{
    std::string stage;      ///< what is being done, e.g. "building the datastore"
    std::string unit;       ///< of done and total, e.g. "entries"
    std::int64_t done = 0;
    std::int64_t total = 0; ///< 0: not known
    std::string detail;     ///< e.g. "validation perplexity 13.2"
};

/// Thread-safe. One per job; the caller owns it and keeps it alive until the job function has returned.
class JobControl
{
public:
    using Sink = std::function<void(const Progress &)>;
    using Log = std::function<void(const std::string &line)>;

    JobControl() = default;
    explicit JobControl(Sink sink, Log log = {}) : m_sink(std::move(sink)), m_log(std::move(log)) {}
    /// A quiet part of a larger job: follows its cancel and pause, reports and logs nothing. `whole` must outlive it.
    explicit JobControl(JobControl *whole) : m_whole(whole) {}
    virtual ~JobControl() = default;
    JobControl(const JobControl &) = delete;
    JobControl &operator=(const JobControl &) = delete;

    /// Cheap to call often: the sink hears at most about 25 reports a second, and always the first and the last of a stage.
    void report(std::string_view stage, std::string_view unit, std::int64_t done, std::int64_t total,
                std::string_view detail = {});
    void log(const std::string &line);

    void requestCancel() { m_cancel.store(true, std::memory_order_relaxed); }
    void requestPause(bool on) { m_pause.store(on, std::memory_order_relaxed); }
    [[nodiscard]] bool cancelRequested() const
    {
        return m_cancel.load(std::memory_order_relaxed) || (m_external && m_external->load(std::memory_order_relaxed))
               || (m_whole && m_whole->cancelRequested());
    }

    /// Throws Cancelled when a stop was asked for; waits here while paused.
    void checkpoint();

    /// Also cancels when `flag` becomes true (a signal handler's flag); the flag must outlive this object.
    void watch(const std::atomic<bool> *flag) { m_external = flag; }

private:
    Sink m_sink;
    Log m_log;
    std::atomic<bool> m_cancel{false};
    std::atomic<bool> m_pause{false};
    const std::atomic<bool> *m_external = nullptr;
    JobControl *m_whole = nullptr;
    std::mutex m_mutex;
    std::string m_lastStage;
    std::chrono::steady_clock::time_point m_lastReport{};
};

/// Turns a stream of Progress into rate and remaining time (exponentially smoothed). Not thread-safe.
class RateEstimator
{
public:
    void update(const Progress &progress);
    [[nodiscard]] double rate() const { return m_rate; }             ///< units per second; 0 until known
    [[nodiscard]] double remainingSeconds() const;                   ///< negative until known
    [[nodiscard]] double elapsedSeconds() const;

private:
    std::string m_stage;
    std::chrono::steady_clock::time_point m_begin{}, m_last{};
    std::int64_t m_firstDone = 0, m_lastDone = 0, m_total = 0;
    double m_rate = 0;
};

/// "1.2 s", "3 min 05 s", "2 h 10 min".
std::string formatDuration(double seconds);
/// "1.3 GB" (decimal units).
std::string formatBytes(std::uint64_t bytes);
/// "1,234,567".
std::string formatCount(std::int64_t value);

} // namespace retoscope
