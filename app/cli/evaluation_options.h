// SPDX-License-Identifier: GPL-3.0-or-later
// The options of EvaluationSettings, the same for evaluate, sweep, foss and generate.
#pragma once

#include "trace/evaluation_settings.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

namespace retoscope::cli {

class EvaluationOptions
{
public:
    explicit EvaluationOptions(Method method) { m_method = toString(method); }
    /// Adds the options; this object must live as long as `command` is used.
    void addTo(CLI::App *command);

    /// Throws Usage for values that are impossible.
    [[nodiscard]] EvaluationSettings settings() const;
    /// Name of the clusters, "none", or empty for the only ones; methods without states need none.
    [[nodiscard]] std::string clusters() const;
    /// The same whatever the method.
    [[nodiscard]] std::string namedClusters() const { return m_clusters; }
    [[nodiscard]] bool kGiven() const { return m_kOption->count() > 0; }
    [[nodiscard]] bool methodGiven() const { return m_methodOption->count() > 0; }
    void setMethod(Method method) { m_method = toString(method); }

private:
    std::string m_method;
    CLI::Option *m_methodOption = nullptr;
    CLI::Option *m_kOption = nullptr;
    double m_lambda = EvaluationSettings().lambda;
    double m_temperature = EvaluationSettings().temperature;
    std::int32_t m_k = EvaluationSettings().k;
    std::string m_minKnns = "1";
    std::int32_t m_maxKnns = AutomatonSettings().maxKnns;
    std::string m_clusters;
    std::string m_distances = "exact";
    std::string m_semantics = "corrected";
    std::string m_count = "entries";
    std::string m_order = "count";
    std::string m_ties;
    std::uint64_t m_seed = 1;
    bool m_noPointers = false;
    GateSettings m_gate;
    std::string m_gateLambda = "learned";
    double m_skip = 0;
    std::uint64_t m_skipSeed = 1;
    std::int32_t m_referenceBatch = 1;
    std::string m_referenceSimilarity = "l2";
};

} // namespace retoscope::cli
