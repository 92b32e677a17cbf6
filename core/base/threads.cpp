// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace retoscope {

namespace {

std::atomic<int> requested{0};

int availableCores()
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return std::max(1, CPU_COUNT(&set));
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

} // namespace

int threadCount()
{
    if (const char *text = std::getenv("RETOSCOPE_THREADS")) {
        const int value = std::atoi(text);
        if (value > 0)
            return value;
    }
    const int value = requested.load(std::memory_order_relaxed);
    return value > 0 ? value : availableCores();
}

void setThreadCount(int count)
{
    requested.store(count, std::memory_order_relaxed);
}

void parallelFor(std::int64_t count, std::int64_t grain,
                 const std::function<void(std::int64_t, std::int64_t)> &body)
{
    if (count <= 0)
        return;
    grain = std::max<std::int64_t>(grain, 1);
    const std::int64_t workers = std::clamp<std::int64_t>((count + grain - 1) / grain, 1, threadCount());
    if (workers == 1) {
        body(0, count);
        return;
    }
    // Pieces are smaller than count/workers so that a slow core does not hold up the others.
    const std::int64_t piece = std::max(grain, (count + workers * 4 - 1) / (workers * 4));
    std::atomic<std::int64_t> next{0};
    std::exception_ptr firstError;
    std::mutex errorMutex;
    const auto work = [&] {
        for (;;) {
            const std::int64_t begin = next.fetch_add(piece, std::memory_order_relaxed);
            if (begin >= count)
                return;
            try {
                body(begin, std::min(begin + piece, count));
            } catch (...) {
                const std::lock_guard lock(errorMutex);
                if (!firstError)
                    firstError = std::current_exception();
                next.store(count, std::memory_order_relaxed);
                return;
            }
        }
    };
    std::vector<std::jthread> threads;
    for (std::int64_t i = 1; i < workers; ++i)
        threads.emplace_back(work);
    work();
    threads.clear();
    if (firstError)
        std::rethrow_exception(firstError);
}

} // namespace retoscope
