// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ledger/ledger.h"

#include <QString>

#include <vector>

namespace retoscope {

/// What the FoSS view draws: small, immutable, without core types.
struct FossFigure
{
    struct Point
    {
        double foss = 0; ///< fraction of saved searches, [0, 1]
        double perplexity = 0;
        bool pareto = false;
        QString label; ///< the setting, e.g. "min_knns 8"
    };
    struct Series
    {
        QString name;
        std::vector<Point> points; ///< by foss ascending
    };
    QString title;
    std::vector<Series> series;
    double basePerplexity = 0; ///< of the language model alone; 0: not known

    [[nodiscard]] bool isEmpty() const { return series.empty(); }

    /// From a ledger's curve of the kind "foss". Throws Corrupt with a sentence when its data are not of that form.
    static FossFigure fromCurve(const CurveRow &curve);
};

} // namespace retoscope
