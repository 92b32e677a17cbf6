// SPDX-License-Identifier: GPL-3.0-or-later
// Exact search against FAISS's flat index, on the same keys in the same run. FAISS is measured with every combination of
// its two kinds of threads (OpenMP and BLAS), and compared by the fastest: on few cores they get in each other's way.
//
//   bench_search [--entries=500000] [--dimension=256] [--k=1024] [--batch=256]
#include "base/threads.h"
#include "datastore/distance.h"
#include "index/index.h"

#include <faiss/IndexFlat.h>
#include <fmt/format.h>
#include <omp.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <string>

extern "C" void openblas_set_num_threads(int);

using namespace retoscope;

namespace {

std::int64_t option(int argc, char **argv, const std::string &name, std::int64_t value)
{
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument.starts_with("--" + name + "="))
            value = std::stoll(argument.substr(name.size() + 3));
    }
    return value;
}

/// Keys as hidden states are: a few hundred clusters in a space of lower dimension, plus noise and a common offset.
std::vector<float> clusteredKeys(std::int64_t count, std::int64_t dimension, std::mt19937 &random)
{
    constexpr std::int64_t clusters = 400;
    std::normal_distribution<float> normal;
    std::vector<float> centres(std::size_t(clusters * dimension)), keys(std::size_t(count * dimension));
    for (float &value : centres)
        value = normal(random) + 0.5f;
    // Noise from a table: drawing every number would take longer than the search.
    std::vector<float> noise(1 << 20);
    for (float &value : noise)
        value = 0.7f * normal(random);
    for (std::int64_t i = 0; i < count; ++i) {
        const float *centre = &centres[std::size_t(random() % clusters * std::uint64_t(dimension))];
        const float *offset = &noise[random() % (noise.size() - std::size_t(dimension))];
        for (std::int64_t d = 0; d < dimension; ++d)
            keys[std::size_t(i * dimension + d)] = centre[d] + offset[d];
    }
    return keys;
}

double fastest(int repetitions, const std::function<void()> &body)
{
    double best = 1e30;
    for (int i = 0; i < repetitions; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        body();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
}

} // namespace

int main(int argc, char **argv)
{
    const std::int64_t n = option(argc, argv, "entries", 500000), dimension = option(argc, argv, "dimension", 256);
    const std::int64_t k = option(argc, argv, "k", 1024), batch = option(argc, argv, "batch", 256);
    std::mt19937 random(1);
    const std::vector<float> values = clusteredKeys(n + batch, dimension, random);
    Datastore::Parts parts;
    parts.keyType = KeyType::Float16;
    parts.dimension = std::int32_t(dimension);
    parts.values.assign(std::size_t(n), 0);
    parts.keys.resize(std::size_t(n * dimension) * 2);
    floatToHalf(values.data(), reinterpret_cast<std::uint16_t *>(parts.keys.data()), n * dimension);
    const auto datastore = Datastore::fromParts(std::move(parts));
    const std::span<const float> queries(values.data() + n * dimension, std::size_t(batch * dimension));

    fmt::print("{} keys × {} (fp16), k {}, batches of {} queries, {} threads\n", n, dimension, k, batch, threadCount());
    const auto exact = Index::exact(datastore);
    Neighbours ours;
    const double first = fastest(1, [&] { exact->search(queries, std::int32_t(k), {}, ours); });
    const double warm = fastest(5, [&] { exact->search(queries, std::int32_t(k), {}, ours); });
    fmt::print("exact search, first batch (norms included)  {:8.1f} ms\n", 1e3 * first);
    fmt::print("exact search, a batch                       {:8.1f} ms  ({:.0f} queries/s)\n", 1e3 * warm, double(batch) / warm);
    Neighbours one;
    const double single = fastest(10, [&] { exact->search(queries.first(std::size_t(dimension)), std::int32_t(k), {}, one); });
    fmt::print("exact search, a single query                {:8.1f} ms\n", 1e3 * single);

    std::vector<float> keys(std::size_t(n * dimension));
    datastore->copyKeys(0, n, keys.data());
    faiss::IndexFlatL2 flat(static_cast<int>(dimension));
    flat.add(n, keys.data());
    std::vector<float> distances(std::size_t(batch * k));
    std::vector<std::int64_t> ids(distances.size());
    double best = 1e30;
    for (const int openMp : {1, threadCount()}) {
        for (const int blas : {1, threadCount()}) {
            omp_set_num_threads(openMp);
            openblas_set_num_threads(blas);
            const double seconds = fastest(3, [&] { flat.search(batch, queries.data(), k, distances.data(), ids.data()); });
            fmt::print("faiss::IndexFlatL2, OpenMP {}, BLAS {}         {:8.1f} ms\n", openMp, blas, 1e3 * seconds);
            best = std::min(best, seconds);
        }
    }
    std::size_t same = 0;
    for (std::size_t i = 0; i < ids.size(); ++i)
        same += ids[i] == ours.ids[i];
    fmt::print("the same id at the same rank: {:.4f} % (FAISS rounds differently)\n", 100.0 * double(same) / double(ids.size()));
    fmt::print("ratio to FAISS at its fastest: {:.2f}\n", best / warm);
    return best / warm >= 3 ? 0 : 1;
}
