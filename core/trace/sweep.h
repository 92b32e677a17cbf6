// SPDX-License-Identifier: GPL-3.0-or-later
// Sweeps over grids of settings, and FoSS curves (fraction of saved searches against perplexity).
#pragma once

#include "trace/replay.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace retoscope {

/// A grid: parameter → values. Parameters: method, lambda, temperature, k, min_knns, max_knns, clusters, distances,
/// count, order, semantics, skip. From "lambda=0.1:0.9:0.1;temperature=1,10" (begin:end:step inclusive, or a list; "inf"
/// for min_knns) or from JSON {"lambda": [..], …}.
struct SweepGrid
{
    std::vector<std::pair<std::string, std::vector<Json>>> axes; ///< in the order given; the last varies fastest

    static SweepGrid parse(std::string_view text);
    static SweepGrid fromJson(const Json &json);
    [[nodiscard]] Json toJson() const;
    [[nodiscard]] std::size_t size() const;
    /// The settings of point i, on top of `base`. Throws BadInput naming the axis and value.
    [[nodiscard]] EvaluationSettings at(std::size_t i, const EvaluationSettings &base) const;
};

struct SweepPoint
{
    EvaluationSettings settings;
    EvaluationResult result; ///< without per-position arrays
    bool pareto = false;     ///< no other point has both more saved searches and lower perplexity
};

/// Evaluates all points, side by side where that is faster; points that differ only in λ share their p_kNN. `onPoint` is
/// called as each becomes ready (from one thread at a time).
std::vector<SweepPoint> runSweep(const Replay &replay, const EvaluationSettings &base, const SweepGrid &grid,
                                 JobControl &job, const std::function<void(std::size_t, const SweepPoint &)> &onPoint = {});

/// Index of the lowest perplexity.
std::size_t bestPoint(const std::vector<SweepPoint> &points);
/// Marks the Pareto front over (foss ↑, perplexity ↓).
void markParetoFront(std::vector<SweepPoint> &points);

struct FossSeries
{
    std::string name; ///< "RetoMaton", "RetoMaton without clusters", "kNN-LM, random skipping", "AdaptRet"
    std::vector<SweepPoint> points; ///< by foss ascending
};

/// The curves of Alon et al. 2022, figure 3, for one trace: RetoMaton with clusters (when there are any) and without over
/// min_knns from ∞ to 1, kNN-LM with random skipping from 0 to 1, and with a `gate` AdaptRet, which skips what its gate says
/// (the fraction that is saved is measured and may differ from the one that was asked for). `points` per series; the Pareto
/// front is marked over all of them together.
std::vector<FossSeries> fossCurve(const Replay &replay, const EvaluationSettings &base, std::int32_t points, JobControl &job,
                                  const std::optional<GateSettings> &gate = {});

/// CSV with a header line: series, foss, foss_reference, perplexity, nll, searches, positions, lambda, temperature, k,
/// min_knns, max_knns, clusters, distances, semantics, pareto. λ is empty where a gate learned it.
std::string toCsv(const std::vector<FossSeries> &curve);
std::string toCsv(const std::vector<SweepPoint> &points);
Json toJson(const std::vector<FossSeries> &curve);
/// The curve drawn with characters for a terminal, `width` × `height` cells, with axes and legend.
std::string drawFossCurve(const std::vector<FossSeries> &curve, double basePerplexity, int width, int height);

/// Published curves (peers.md I.2: read off the papers' figures, ±0.03 of the axis unit) for reference lines.
struct PublishedCurve
{
    std::string source, dataset, series;
    std::vector<std::pair<double, double>> points; ///< foss, perplexity
};
const std::vector<PublishedCurve> &publishedCurves();

} // namespace retoscope
