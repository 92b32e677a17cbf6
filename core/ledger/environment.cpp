// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/environment.h"

#include "base/threads.h"
#include "index/version.h"
#include "ledger/ledger.h"
#include "model/version.h"

#include "build_info.h"

#include <fmt/format.h>

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

namespace retoscope {

namespace {

/// The rest of the first line of `file` that begins with `key`, after the colon or equals sign; empty when absent.
std::string valueOf(const char *file, std::string_view key)
{
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) {
        if (!line.starts_with(key))
            continue;
        const auto at = line.find_first_of(":=");
        if (at == std::string::npos)
            continue;
        const auto begin = line.find_first_not_of(" \t\"", at + 1);
        const auto end = line.find_last_not_of(" \t\"\r");
        return begin == std::string::npos ? std::string() : line.substr(begin, end + 1 - begin);
    }
    return {};
}

std::string processor()
{
    for (const char *key : {"model name", "Processor", "cpu model", "Model"}) {
        if (auto name = valueOf("/proc/cpuinfo", key); !name.empty())
            return name;
    }
    utsname system{};
    return uname(&system) == 0 ? system.machine : "unknown";
}

std::string operatingSystem()
{
    std::string name = valueOf("/etc/os-release", "PRETTY_NAME");
    utsname system{};
    if (uname(&system) != 0)
        return name;
    return fmt::format("{}{}{} {} {}", name, name.empty() ? "" : ", ", system.sysname, system.release, system.machine);
}

/// "MemTotal" and "MemAvailable" of /proc/meminfo are in KiB.
std::uint64_t memoryBytes(std::string_view key)
{
    const std::string text = valueOf("/proc/meminfo", key);
    return text.empty() ? 0 : std::stoull(text) * 1024;
}

std::string compiler()
{
#if defined(__clang__)
    return fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#elif defined(__GNUC__)
    return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#else
    return "unknown";
#endif
}

} // namespace

std::uint64_t totalMemory()
{
    return memoryBytes("MemTotal");
}

std::uint64_t availableMemory()
{
    return memoryBytes("MemAvailable");
}

Json describeEnvironment()
{
    return {{"program", programVersion},
            {"commit", programCommit},
            {"build", buildType},
            {"compiler", compiler()},
            {"libtorch", torchVersion()},
            {"faiss", faissVersion()},
            {"sqlite", sqliteVersion()},
            {"cpu", processor()},
            {"cores", std::thread::hardware_concurrency()},
            {"threads", threadCount()},
            {"memory_bytes", totalMemory()},
            {"os", operatingSystem()}};
}

} // namespace retoscope
