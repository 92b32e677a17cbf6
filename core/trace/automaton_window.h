// SPDX-License-Identifier: GPL-3.0-or-later
// A few steps of the automaton laid open: which states hold the candidates of each step, which pointers lead from one step
// to the next, and why a search was made or saved (Alon et al. 2022, section 3; retrieval.md section 5).
#pragma once

#include "trace/replay.h"

#include <string>
#include <vector>

namespace retoscope {

enum class SearchReason
{
    Saved,         ///< no search: enough survived
    PointersOff,   ///< nothing is ever followed
    AlwaysSearch,  ///< min_knns = ∞
    SequenceStart, ///< nothing is pointed to yet
    TooFewEntries, ///< |cur| < min_knns (count = entries)
    TooFewStates,  ///< fewer distinct states among the pointers than min_knns (count = states)
};

/// One candidate of a step.
struct AutomatonEntry
{
    EntryId entry;
    TokenId value;
    float distance = 0;
    float weight = 0;      ///< share of p_kNN
    Replay::PositionCandidates::Origin origin = Replay::PositionCandidates::Origin::Search;
    bool isTarget = false; ///< its value is the true token
    bool continues = false; ///< isTarget, and its pointer exists: it is in cur
};

/// The candidates of one step that lie in one state. Without clusters every entry is a state of its own.
struct AutomatonNode
{
    StateId state;              ///< invalid without clusters
    std::int32_t step = 0;      ///< index in AutomatonWindow::steps
    double weight = 0;          ///< share of p_kNN
    double targetWeight = 0;    ///< of it, with the true token as value
    std::int32_t firstEntry = 0, entryCount = 0; ///< in AutomatonWindow::entries, heaviest first
    std::int32_t continuing = 0; ///< entries in cur
};

/// Pointers followed from a state of one step to a state of the next.
struct AutomatonEdge
{
    std::int32_t from = 0, to = 0; ///< indices in AutomatonWindow::nodes
    std::int32_t pointers = 0;
    double weight = 0;             ///< share of the later step's p_kNN on the entries pointed to
};

struct AutomatonStep
{
    Position position;
    TokenId target;
    bool searched = false;
    bool startsSequence = false;
    SearchReason reason = SearchReason::Saved;
    std::int32_t survivors = 0;      ///< |cur| when the step begins
    std::int32_t survivorStates = 0; ///< distinct states among the pointers; 0 without clusters
    std::int32_t found = 0, direct = 0, members = 0; ///< candidates from the search, from pointers, added from their states
    std::int32_t matching = 0;       ///< candidates whose value is the true token
    std::int32_t continuing = 0;     ///< |cur| when the step ends
    std::int32_t candidatesBefore = 0, matchingBefore = 0; ///< of the position before; 0 when startsSequence
    double targetProbability = 0;    ///< p_kNN(target)
    std::int32_t firstNode = 0, nodeCount = 0; ///< in AutomatonWindow::nodes, heaviest first

    [[nodiscard]] std::int32_t candidates() const { return found + direct + members; }
};

struct AutomatonWindow
{
    EvaluationSettings settings;
    bool clustered = false; ///< nodes are clusters; false: entries
    std::vector<AutomatonStep> steps;
    std::vector<AutomatonNode> nodes;
    std::vector<AutomatonEdge> edges;     ///< by the later step, then heaviest first
    std::vector<AutomatonEntry> entries;
};

/// The steps [first, first + count), cut at the ends of the trace. Walks from the start of the first position's sequence:
/// about as long as evaluate() takes for these positions. Thread-safe. Throws BadInput unless the method is RetoMaton, else
/// like Replay::visit().
AutomatonWindow automatonWindow(const Replay &replay, Position first, std::int64_t count, const EvaluationSettings &settings, JobControl &job);

/// Why a search was made or saved, e.g. "searched: 0 survivors < min_knns 1, as none of the 1,024 candidates before had the
/// right token".
std::string reasonText(const AutomatonStep &step, const EvaluationSettings &settings);

} // namespace retoscope
