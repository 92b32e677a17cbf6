// SPDX-License-Identifier: GPL-3.0-or-later
#include "evaluation_options.h"

#include "base/error.h"
#include "ledger/command_line.h"

namespace retoscope::cli {

namespace {

constexpr auto kNearest = "kNN-LM and RetoMaton";
constexpr auto automaton = "RetoMaton";
constexpr auto adaptive = "AdaptRet (adaptive retrieval)";
constexpr auto parity = "Parity with the released code";

} // namespace

void EvaluationOptions::addTo(CLI::App *command)
{
    m_methodOption = command->add_option("--method", m_method, "base, knnlm, retomaton or adaptret")->check(CLI::IsMember({"base", "knnlm", "retomaton", "adaptret"}))->capture_default_str();
    command->add_option("--lambda", m_lambda, "Weight of the kNN side, 0 to 1")->capture_default_str()->group(kNearest);
    command->add_option("--temperature", m_temperature, "Temperature of the kNN softmax, above 0")->capture_default_str()->group(kNearest);
    m_kOption = command->add_option("--k", m_k, "Neighbours per search (default: the trace's, at most 1024)")->group(kNearest);
    command->add_option("--distances", m_distances, "exact (from the stored keys) or index (as the index returned them)")
        ->check(CLI::IsMember({"exact", "index"}))
        ->capture_default_str()
        ->group(kNearest);
    command->add_option("--skip", m_skip, "Share of the positions that use the LM alone: kNN-LM draws them at random, AdaptRet asks its gate")->capture_default_str()->group(kNearest);
    command->add_option("--skip-seed", m_skipSeed, "Seed of the random draw")->capture_default_str()->group(kNearest);
    command->add_option("--min-knns", m_minKnns, "Search when fewer pointers survive; inf searches always")->type_name("N|inf")->capture_default_str()->group(automaton);
    command->add_option("--max-knns", m_maxKnns, "Most candidates that pointers may bring")->capture_default_str()->group(automaton);
    command->add_option("--clusters", m_clusters, "Clusters that serve as states, or none (default: the datastore's only ones)")->type_name("ID|none")->group(automaton);
    command->add_option("--count", m_count, "What --min-knns counts: entries (released code) or states (paper)")
        ->check(CLI::IsMember({"entries", "states"}))
        ->capture_default_str()
        ->group(automaton);
    command->add_option("--order", m_order, "Order in which states extend the pointers: count or random")->check(CLI::IsMember({"count", "random"}))->capture_default_str()->group(automaton);
    command->add_option("--seed", m_seed, "Seed of --order random")->capture_default_str()->group(automaton);
    command->add_option("--gate-trace", m_gate.trace, "Trace that the gate learns from (default: the datastore's only one over a validation split; foss: none leaves AdaptRet out)")->type_name("ID|none")->group(adaptive);
    command->add_option("--gate-lambda", m_gateLambda, "learned for each position, or constant: --lambda")->check(CLI::IsMember({"learned", "constant"}))->capture_default_str()->group(adaptive);
    command->add_option("--gate-sparsity", m_gate.training.sparsity, "Weight of the mean λ in the loss of the gate")->capture_default_str()->group(adaptive);
    command->add_option("--gate-epochs", m_gate.training.epochs, "Epochs of training at most; the best one is kept")->capture_default_str()->group(adaptive);
    command->add_option("--gate-seed", m_gate.training.seed, "Seed of the gate's weights, dropout and held-out part")->capture_default_str()->group(adaptive);
    command->add_flag("--no-pointers", m_noPointers, "Follow no pointers (ablation)")->group(automaton);
    command->add_option("--semantics", m_semantics, "corrected, or reference: the released code, bugs included")
        ->check(CLI::IsMember({"corrected", "reference"}))
        ->capture_default_str()
        ->group(parity);
    command->add_option("--ties", m_ties, "stable or std_sort (default of --semantics reference)")->check(CLI::IsMember({"stable", "std_sort"}))->group(parity);
    command->add_option("--reference-similarity", m_referenceSimilarity, "l2, or dot with the sign that the released code gives it")
        ->check(CLI::IsMember({"l2", "dot"}))
        ->capture_default_str()
        ->group(parity);
    command->add_option("--reference-batch", m_referenceBatch, "Windows per forward call of the released code")->capture_default_str()->group(parity);
}

EvaluationSettings EvaluationOptions::settings() const
{
    EvaluationSettings settings;
    settings.method = methodFromString(m_method);
    settings.lambda = m_lambda;
    settings.temperature = m_temperature;
    settings.k = m_k;
    settings.distances = m_distances == "index" ? DistanceSource::Index : DistanceSource::Exact;
    settings.skipFraction = m_skip;
    settings.skipSeed = m_skipSeed;
    settings.gate = m_gate;
    settings.gate.learnedWeight = m_gateLambda == "learned";
    settings.referenceBatch = m_referenceBatch;
    settings.referenceSimilarity = m_referenceSimilarity == "dot" ? ReferenceSimilarity::Dot : ReferenceSimilarity::L2;
    settings.useClusters = m_clusters != "none";
    if (m_semantics == "reference")
        settings.automaton = AutomatonSettings::reference();
    settings.automaton.minKnns = minKnnsFromString(m_minKnns);
    settings.automaton.maxKnns = m_maxKnns;
    settings.automaton.count = m_count == "states" ? CountRule::States : CountRule::Entries;
    settings.automaton.order = m_order == "random" ? StateOrder::Random : StateOrder::Count;
    settings.automaton.seed = m_seed;
    settings.automaton.pointers = !m_noPointers;
    if (!m_ties.empty())
        settings.automaton.ties = m_ties == "stable" ? TieOrder::Stable : TieOrder::StdSort;
    try {
        validate(settings);
        validate(settings.gate.training);
    } catch (const Error &error) {
        throw Error(ErrorKind::Usage, error.what());
    }
    return settings;
}

std::string EvaluationOptions::clusters() const
{
    return m_method == "retomaton" ? m_clusters : "none";
}

} // namespace retoscope::cli
