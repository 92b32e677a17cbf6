// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/key_projection.h"

#include "base/error.h"
#include "base/job.h"
#include "index/faiss_job.h"
#include "index/sample.h"

#include <faiss/VectorTransform.h>
#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace retoscope {

namespace {

constexpr std::int64_t fewestKeys = 3; // two axes need three points
constexpr std::int64_t block = 4096;   // keys between two looks at the job

/// The sample as fp32, [entries × D].
std::vector<float> gather(const Datastore &datastore, std::span<const std::int32_t> entries, JobControl &job)
{
    const auto dimension = std::size_t(datastore.dimension());
    std::vector<float> keys(entries.size() * dimension);
    for (std::int64_t begin = 0; begin < std::int64_t(entries.size()); begin += block) {
        job.checkpoint();
        job.report("reading keys", "keys", begin, std::int64_t(entries.size()));
        const auto count = std::min<std::int64_t>(block, std::int64_t(entries.size()) - begin);
        datastore.gatherKeys(entries.subspan(std::size_t(begin), std::size_t(count)), keys.data() + std::size_t(begin) * dimension);
    }
    if (!std::all_of(keys.begin(), keys.end(), [](float x) { return std::isfinite(x); }))
        fail(ErrorKind::BadInput, "The datastore holds keys that are not finite numbers, so it has no principal components; check it with `retoscope-cli doctor`.");
    return keys;
}

/// An eigenvector is as good as its negative: the largest component decides, so that pictures do not flip.
void orient(std::span<float> axis)
{
    const auto largest = std::max_element(axis.begin(), axis.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
    if (*largest < 0)
        std::transform(axis.begin(), axis.end(), axis.begin(), std::negate<>());
}

} // namespace

std::array<float, 2> KeyProjection::project(std::span<const float> key) const
{
    std::array<float, 2> point{};
    const auto d = std::size_t(dimension);
    for (std::size_t axis = 0; axis < 2; ++axis)
        point[axis] = std::inner_product(key.begin(), key.begin() + dimension, axes.begin() + std::ptrdiff_t(axis * d), offset[axis]);
    return point;
}

KeyProjection projectKeys(const Datastore &datastore, const ProjectionConfig &config, JobControl &job)
{
    if (std::min(config.sample, datastore.size()) < fewestKeys || datastore.dimension() < 2)
        fail(ErrorKind::BadInput, "A map needs at least {} keys of 2 dimensions; the datastore has {} of {}, and the sample is {}.", fewestKeys, datastore.size(),
             datastore.dimension(), config.sample);
    KeyProjection projection;
    projection.dimension = datastore.dimension();
    projection.entries = sampleEntries(datastore.size(), config.sample, config.seed);
    const auto d = std::size_t(projection.dimension);
    std::vector<float> keys = gather(datastore, projection.entries, job);
    const std::int64_t count = std::int64_t(projection.entries.size());

    // Centred in double precision first: the mean of keys is often much longer than their spread.
    std::vector<double> mean(d);
    for (std::size_t i = 0; i < keys.size(); ++i)
        mean[i % d] += double(keys[i]);
    for (double &component : mean)
        component /= double(count);
    for (std::size_t i = 0; i < keys.size(); ++i)
        keys[i] -= float(mean[i % d]);

    job.report("finding the principal components", "", 0, 0);
    const FaissJob guard(job);
    faiss::PCAMatrix pca(projection.dimension, 2);
    pca.max_points_per_d = std::max<std::size_t>(1, std::size_t(count)); // FAISS would draw a sample of its own
    try {
        pca.train(count, keys.data());
    } catch (const faiss::FaissException &error) {
        job.checkpoint();
        fail(ErrorKind::BadInput, "The principal components of the keys could not be found: {}", error.what());
    }
    const double variance = std::accumulate(pca.eigenvalues.begin(), pca.eigenvalues.end(), 0.0, [](double sum, float value) { return sum + std::max(0.0, double(value)); });
    projection.axes.assign(pca.PCAMat.begin(), pca.PCAMat.begin() + std::ptrdiff_t(2 * d));
    for (std::size_t axis = 0; axis < 2; ++axis) {
        const std::span<float> direction = std::span(projection.axes).subspan(axis * d, d);
        orient(direction);
        projection.explained[axis] = variance > 0 ? std::max(0.0, double(pca.eigenvalues[axis])) / variance : 0;
        projection.offset[axis] = float(-std::inner_product(direction.begin(), direction.end(), mean.begin(), 0.0));
    }
    projection.points.resize(std::size_t(count));
    for (std::size_t i = 0; i < projection.points.size(); ++i) { // the keys are centred already
        for (std::size_t axis = 0; axis < 2; ++axis)
            projection.points[i][axis] = std::inner_product(keys.begin() + std::ptrdiff_t(i * d), keys.begin() + std::ptrdiff_t((i + 1) * d),
                                                            projection.axes.begin() + std::ptrdiff_t(axis * d), 0.0f);
    }
    return projection;
}

std::vector<std::array<float, 2>> projectEntries(const Datastore &datastore, const KeyProjection &projection, std::span<const std::int32_t> entries)
{
    const auto d = std::size_t(projection.dimension);
    std::vector<float> keys(entries.size() * d);
    datastore.gatherKeys(entries, keys.data());
    std::vector<std::array<float, 2>> points(entries.size());
    for (std::size_t i = 0; i < points.size(); ++i)
        points[i] = projection.project(std::span(keys).subspan(i * d, d));
    return points;
}

} // namespace retoscope
