// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/perplexity_series.h"

#include "base/job.h"
#include "trace/measures.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

namespace {

constexpr double shownShare = 0.995; // of the values on the axis
constexpr std::int64_t wildBeginning = 50; // positions, at least; the running perplexity has no meaning yet

PerplexitySeries::Points pointsOf(const std::vector<double> &values)
{
    QVector<QCPGraphData> points(static_cast<qsizetype>(values.size()));
    for (qsizetype i = 0; i < points.size(); ++i)
        points[i] = QCPGraphData(static_cast<double>(i), values[static_cast<std::size_t>(i)]);
    auto container = QSharedPointer<QCPGraphDataContainer>::create();
    container->set(points, true);
    return container;
}

double quantile(std::vector<double> values, double share)
{
    std::erase_if(values, [](double value) { return !std::isfinite(value); });
    if (values.empty())
        return 1;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

} // namespace

std::shared_ptr<const PerplexitySeries> PerplexitySeries::make(std::span<const float> lmLogProbs, const EvaluationResult &result, const EvaluationResult *comparison, int window, JobControl &job)
{
    auto series = std::make_shared<PerplexitySeries>();
    const auto addRunning = [&](Points &points, std::span<const float> logProbs) {
        const std::vector<double> running = runningPerplexity(logProbs, 0);
        points = pointsOf(running);
        const auto settled = std::min(static_cast<std::ptrdiff_t>(std::max<std::int64_t>(wildBeginning, static_cast<std::int64_t>(running.size()) / 50)), static_cast<std::ptrdiff_t>(running.size()) - 1);
        if (settled < 0)
            return;
        for (const double value : std::span(running).subspan(static_cast<std::size_t>(settled))) {
            if (!std::isfinite(value)) // what grows has positions without a score at its end
                continue;
            series->lowestRunning = std::min(series->lowestRunning, value);
            series->highestRunning = std::max(series->highestRunning, value);
        }
        job.checkpoint();
    };
    const auto addNll = [&](Points &points, std::span<const float> logProbs) {
        const std::vector<double> nll = smoothedNll(logProbs, window);
        points = pointsOf(nll);
        series->highestNll = std::max(series->highestNll, quantile(nll, shownShare));
        job.checkpoint();
    };
    addNll(series->lmNll, lmLogProbs);
    addNll(series->mixedNll, result.logProbs);
    // Without candidates the kNN side says nothing: no value rather than an infinite one. Its scale is not the axis's.
    std::vector<float> knn = result.knnLogProbs;
    for (std::size_t i = 0; i < knn.size(); ++i) {
        if (result.candidates[i] == 0)
            knn[i] = -std::numeric_limits<float>::infinity();
    }
    series->knnNll = pointsOf(smoothedNll(knn, window));
    series->lowestRunning = std::numeric_limits<double>::infinity();
    series->highestRunning = 0;
    addRunning(series->lmRunning, lmLogProbs);
    addRunning(series->mixedRunning, result.logProbs);
    if (comparison && comparison->logProbs.size() == result.logProbs.size()) {
        addNll(series->comparedNll, comparison->logProbs);
        addRunning(series->comparedRunning, comparison->logProbs);
    }
    if (series->lowestRunning > series->highestRunning) {
        series->lowestRunning = 1;
        series->highestRunning = 2;
    }
    series->searchesBefore.assign(result.searched.size() + 1, 0);
    for (std::size_t i = 0; i < result.searched.size(); ++i)
        series->searchesBefore[i + 1] = series->searchesBefore[i] + (result.searched[i] ? 1 : 0);
    return series;
}

double PerplexitySeries::searchedShare(std::int64_t first, std::int64_t end) const
{
    first = std::clamp<std::int64_t>(first, 0, size());
    end = std::clamp<std::int64_t>(end, 0, size());
    if (end <= first)
        return 0;
    return static_cast<double>(searchesBefore[static_cast<std::size_t>(end)] - searchesBefore[static_cast<std::size_t>(first)]) / static_cast<double>(end - first);
}

} // namespace retoscope
