// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell/project_snapshot.h"
#include "trace/evaluation_settings.h"

#include <QString>

#include <optional>
#include <vector>

namespace retoscope {

/// What the FoSS view draws: small, immutable, without numbers per token.
struct FossFigure
{
    struct Point
    {
        double foss = 0; ///< fraction of saved searches, [0, 1]
        double perplexity = 0;
        bool pareto = false; ///< no other point has both more saved searches and lower perplexity
        EvaluationSettings settings = {};
        std::int64_t run = 0; ///< in the ledger; 0: none
        friend bool operator==(const Point &, const Point &) = default;
    };
    struct Series
    {
        QString name;
        std::vector<Point> points; ///< by foss ascending
        friend bool operator==(const Series &, const Series &) = default;
    };
    /// Wall clock of a live evaluation, in which saved searches were really not made.
    struct Timing
    {
        double foss = 0;
        double perToken = 0; ///< milliseconds
        EvaluationSettings settings = {};
        std::int64_t positions = 0, run = 0;
        friend bool operator==(const Timing &, const Timing &) = default;
    };

    std::int64_t curve = 0; ///< in the ledger; 0: none
    QString title;
    EvaluationSettings base; ///< what is common to all points
    std::vector<Series> series;
    std::vector<Timing> timings; ///< by foss ascending
    double basePerplexity = 0; ///< of the language model alone; 0: not known

    [[nodiscard]] bool isEmpty() const { return series.empty(); }

    /// From a ledger's curve of the kind "foss". Throws Corrupt with a sentence when its data are not of that form.
    static FossFigure fromCurve(const CurveRow &curve);
    /// The newest curve of a trace (empty name: of any), the one with this base where there is one; with the points that were
    /// added later as single runs of the same base, the wall clock of live runs, and one Pareto front over all.
    static FossFigure fromProject(const ProjectSnapshot &project, const std::string &trace, const std::optional<EvaluationSettings> &base = {});

    /// RetoMaton settings in the widest gaps between neighbouring points, at most `count` for each of its series.
    [[nodiscard]] std::vector<EvaluationSettings> settingsBetween(int count) const;
    /// Settings without what varies along a curve: method, clusters, min_knns, skipping, gate.
    static EvaluationSettings commonPart(EvaluationSettings settings);
    friend bool operator==(const FossFigure &, const FossFigure &) = default;
};

/// What was varied along the curve: "min_knns 8", "30 % of the positions skipped", "… by the gate, λ learned".
QString variedSetting(const EvaluationSettings &settings);

} // namespace retoscope
