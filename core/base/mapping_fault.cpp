// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/mapping_fault.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace retoscope {

namespace {

constexpr std::size_t places = 512;
constexpr std::size_t longestName = 512;

/// Read by the signal handler without a lock, which is why nothing here is allocated.
struct Place
{
    std::atomic<std::uintptr_t> begin{0}; ///< 0: free
    std::atomic<std::size_t> size{0};
    std::array<char, longestName> name{};
};

std::array<Place, places> table;
std::mutex tableMutex; // of the writers
std::atomic<bool> asJson{false};
std::atomic_flag explained = ATOMIC_FLAG_INIT;

const char *nameOf(const void *address)
{
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    for (const Place &place : table) {
        const std::uintptr_t begin = place.begin.load(std::memory_order_acquire);
        if (begin != 0 && at >= begin && at - begin < place.size.load(std::memory_order_relaxed))
            return place.name.data();
    }
    return "A mapped file";
}

/// Only write(2): the process may stand anywhere, also inside malloc.
void put(int fd, const char *text)
{
    for (std::size_t left = std::strlen(text); left > 0;) {
        const ssize_t written = ::write(fd, text, left);
        if (written <= 0)
            return;
        text += written;
        left -= static_cast<std::size_t>(written);
    }
}

void putJsonText(int fd, const char *text)
{
    for (; *text != '\0'; ++text) {
        const char c = *text;
        const char escaped[] = {'\\', c, '\0'}, plain[] = {static_cast<unsigned char>(c) < 0x20 ? '?' : c, '\0'};
        put(fd, c == '"' || c == '\\' ? escaped : plain);
    }
}

constexpr const char *sentence = " cannot be read any more: it was cut short while it was in use, or its disk failed. Restore the file; what was being made is "
                                 "continued by the same command.";

extern "C" void onMappingFault(int, siginfo_t *info, void *)
{
    // Threads that read the same file fault together: the first one speaks and ends the process, the others wait for that.
    while (explained.test_and_set(std::memory_order_relaxed))
        ::pause();
    const char *name = nameOf(info->si_addr);
    put(STDERR_FILENO, "\nerror: ");
    put(STDERR_FILENO, name);
    put(STDERR_FILENO, sentence);
    put(STDERR_FILENO, "\n");
    if (asJson.load(std::memory_order_relaxed)) {
        put(STDOUT_FILENO, "{\"error\": {\"kind\": \"io\", \"message\": \"");
        putJsonText(STDOUT_FILENO, name);
        put(STDOUT_FILENO, sentence);
        put(STDOUT_FILENO, "\"}}\n");
    }
    ::_exit(1);
}

} // namespace

void explainMappingFaults()
{
    struct sigaction action = {};
    action.sa_sigaction = onMappingFault;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGBUS, &action, nullptr);
}

void explainMappingFaultsAsJson()
{
    asJson.store(true, std::memory_order_relaxed);
}

void rememberMapping(const void *begin, std::size_t size, const char *path)
{
    const std::lock_guard lock(tableMutex);
    for (Place &place : table) {
        if (place.begin.load(std::memory_order_relaxed) != 0)
            continue;
        std::strncpy(place.name.data(), path, longestName - 1);
        place.size.store(size, std::memory_order_relaxed);
        place.begin.store(reinterpret_cast<std::uintptr_t>(begin), std::memory_order_release);
        return;
    }
}

void forgetMapping(const void *begin)
{
    const std::lock_guard lock(tableMutex);
    for (Place &place : table) {
        if (place.begin.load(std::memory_order_relaxed) == reinterpret_cast<std::uintptr_t>(begin))
            place.begin.store(0, std::memory_order_release);
    }
}

} // namespace retoscope
