// SPDX-License-Identifier: GPL-3.0-or-later
// Drives a fuzz target where libFuzzer is not installed: replays every file that is named (or lies in a folder that is
// named), then mutates them until -max_total_time is over. Knows only that option of libFuzzer's and ignores the others. The
// input at work lies in `<artifact_prefix>running` and stays there when the sanitizers end the program.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t longestInput = 65536;

class Driver
{
public:
    void readOptions(int argc, char **argv)
    {
        for (int i = 1; i < argc; ++i) {
            const std::string argument = argv[i];
            if (argument.starts_with("-max_total_time="))
                m_seconds = std::atoi(argument.c_str() + argument.find('=') + 1);
            else if (argument.starts_with("-artifact_prefix="))
                m_running = argument.substr(argument.find('=') + 1) + "running";
            else if (!argument.starts_with("-"))
                addSeeds(argument);
        }
    }

    void run()
    {
        for (const Bytes &seed : m_seeds)
            execute(seed);
        m_seeds.emplace_back();
        using Clock = std::chrono::steady_clock;
        for (const auto end = Clock::now() + std::chrono::seconds(m_seconds); Clock::now() < end;)
            execute(mutant());
        std::error_code code;
        fs::remove(m_running, code);
        std::printf("stat::number_of_executed_units: %llu\n", static_cast<unsigned long long>(m_executions));
    }

private:
    void addSeeds(const fs::path &path)
    {
        if (fs::is_directory(path)) {
            for (const auto &entry : fs::recursive_directory_iterator(path))
                addSeeds(entry.path());
        } else if (fs::is_regular_file(path)) {
            std::ifstream file(path, std::ios::binary);
            m_seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
        }
    }

    std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(m_random); }

    Bytes mutant()
    {
        Bytes bytes = m_seeds[below(m_seeds.size())];
        for (std::size_t changes = 1 + below(8); changes > 0; --changes)
            change(bytes);
        bytes.resize(std::min(bytes.size(), longestInput));
        return bytes;
    }

    /// Flips, overwrites with numbers that sizes break at, cuts, repeats, or takes a piece of another seed.
    void change(Bytes &bytes)
    {
        static constexpr std::int64_t awkward[] = {0, -1, 1, 127, 128, 255, 256, 32767, 65535, 2147483647, -2147483648LL, 4294967295LL, 1LL << 40, INT64_MAX, INT64_MIN};
        const auto at = [&] { return below(bytes.size()); };
        const auto place = [&](std::size_t where) { return bytes.begin() + static_cast<std::ptrdiff_t>(where); };
        if (bytes.empty()) {
            bytes.push_back(static_cast<std::uint8_t>(below(256)));
            return;
        }
        switch (below(6)) {
        case 0: bytes[at()] ^= static_cast<std::uint8_t>(1u << below(8)); break;
        case 1: bytes[at()] = static_cast<std::uint8_t>(below(256)); break;
        case 2: {
            const std::int64_t value = awkward[below(std::size(awkward))];
            const std::size_t width = std::size_t(1) << below(4), begin = at();
            for (std::size_t i = 0; i < width && begin + i < bytes.size(); ++i)
                bytes[begin + i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i));
            break;
        }
        case 3: bytes.erase(place(at()), bytes.end()); break;
        case 4: {
            const std::size_t begin = at(), length = 1 + below(std::min<std::size_t>(bytes.size() - begin, 64));
            const Bytes piece(place(begin), place(begin + length));
            bytes.insert(place(at()), piece.begin(), piece.end());
            break;
        }
        default: {
            const Bytes &other = m_seeds[below(m_seeds.size())];
            if (other.empty())
                break;
            const std::size_t begin = below(other.size()), length = 1 + below(std::min<std::size_t>(other.size() - begin, 64));
            const Bytes piece(other.begin() + static_cast<std::ptrdiff_t>(begin), other.begin() + static_cast<std::ptrdiff_t>(begin + length));
            bytes.insert(place(at()), piece.begin(), piece.end());
        }
        }
    }

    void execute(const Bytes &bytes)
    {
        std::ofstream(m_running, std::ios::binary).write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
        ++m_executions;
    }

    std::vector<Bytes> m_seeds;
    std::mt19937_64 m_random{1};
    std::string m_running = "crash-running";
    int m_seconds = 0;
    std::uint64_t m_executions = 0;
};

} // namespace

int main(int argc, char **argv)
{
    Driver driver;
    driver.readOptions(argc, argv);
    driver.run();
}
