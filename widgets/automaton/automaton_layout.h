// SPDX-License-Identifier: GPL-3.0-or-later
// Where the states of the automaton stand. Steps are columns from left to right; in a column each state is a bar whose height
// grows with its weight, and pointers run from the bars of one column to those of the next.
//
// What is shown. A column shows the states with the most weight or with the heaviest pointers, as many as have room; the others
// are folded into one "rest" bar at its foot. A pointer lighter than the threshold is left out; pointers of folded states run to
// and from the rest bar. So there is never more to draw than fits the screen, however many candidates a step has.
//
// In which order. The barycentre heuristic of layered drawing (Sugiyama, Tagawa and Toda 1981): sweeping over the columns, each
// state moves to the weighted mean height of the states that point to it, and back again for those it points to. Fewer pointers
// cross, and a phrase that is being followed runs as a straight band. States that nothing points to stand below, by weight.
//
// Stability. A state that stood in the same step of the previous layout keeps its place in the order; only what is new is
// placed by barycentre. Stepping through a text therefore moves columns, but never shuffles them.
#pragma once

#include "trace/automaton_window.h"

#include <span>
#include <vector>

namespace retoscope {

struct AutomatonLayoutOptions
{
    double threshold = 0;     ///< pointers with less of the later step's weight are left out
    int statesPerColumn = 24; ///< without the rest bar
    double gap = 0.01;        ///< between bars, share of the height
    double smallest = 0.01;   ///< height of a bar without weight
};

struct PlacedState
{
    std::int32_t node = -1; ///< in AutomatonWindow::nodes; −1: the rest bar
    std::int32_t column = 0;
    std::int64_t key = -1;  ///< its state, or its entry without clusters: what makes it the same in another layout
    double weight = 0, targetWeight = 0;
    std::int32_t states = 1; ///< folded ones of a rest bar
    double top = 0, height = 0; ///< [0, 1] downwards

    [[nodiscard]] double centre() const { return top + height / 2; }
    [[nodiscard]] bool isRest() const { return node < 0; }
};

struct PlacedEdge
{
    std::int32_t from = 0, to = 0; ///< in AutomatonLayout::states
    std::int32_t pointers = 0;
    double weight = 0;
    double fromY = 0, toY = 0;     ///< where it leaves and arrives, [0, 1]
};

struct AutomatonLayout
{
    struct Column
    {
        Position position;
        std::int32_t first = 0, count = 0; ///< in `states`, from top to bottom
    };
    std::vector<Column> columns;
    std::vector<PlacedState> states;
    std::vector<PlacedEdge> edges;      ///< lightest first, so that heavy ones are drawn on top
    std::int64_t hiddenEdges = 0;       ///< below the threshold

    [[nodiscard]] std::span<const PlacedState> statesOf(int column) const
    {
        const Column &c = columns[static_cast<std::size_t>(column)];
        return std::span(states).subspan(static_cast<std::size_t>(c.first), static_cast<std::size_t>(c.count));
    }
};

/// A pure function. `previous` may be null.
AutomatonLayout layOutAutomaton(const AutomatonWindow &window, const AutomatonLayoutOptions &options, const AutomatonLayout *previous);

} // namespace retoscope
