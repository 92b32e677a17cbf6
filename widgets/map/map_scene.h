// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include "index/key_projection.h"
#include "ledger/trace_session.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace retoscope {

/// What the points of the map are coloured by.
enum class MapColouring { Value, State };

/// One colour of the legend.
struct MapCategory
{
    std::int32_t id = -1; ///< token or state; −1: all others
    QString name;
    std::int64_t count = 0;
};

/// A projected sample with the colours of its points. Immutable; made on a worker thread.
struct MapScene
{
    static constexpr std::size_t coloured = 6; ///< categories with a colour of their own, the most frequent ones

    std::shared_ptr<const KeyProjection> projection;
    MapColouring colouring = MapColouring::Value;
    std::vector<std::int32_t> ids;           ///< [points] token or state
    std::vector<std::uint8_t> categoryOf;    ///< [points] index in categories
    std::vector<MapCategory> categories;     ///< most frequent first; the last: all others

    [[nodiscard]] std::size_t size() const { return ids.size(); }
};

MapScene makeMapScene(const TraceSession &trace, std::shared_ptr<const KeyProjection> projection, MapColouring colouring);

/// The candidates of one position on the map.
struct MapNeighbours
{
    struct Neighbour
    {
        std::array<float, 2> point{};
        EntryId entry;
        double weight = 0;     ///< share of p_kNN
        bool isTarget = false; ///< its value is the true token
    };
    Position position;
    QString token;                     ///< the true one
    std::array<float, 2> query{};
    std::vector<Neighbour> neighbours; ///< lightest first, so that heavy ones are drawn on top
};

MapNeighbours makeMapNeighbours(const TraceSession &trace, const KeyProjection &projection, Position position, const EvaluationSettings &settings);

/// Indices of the points inside a polygon given in the same coordinates (even-odd rule).
std::vector<std::int32_t> pointsInside(std::span<const std::array<float, 2>> points, std::span<const std::array<double, 2>> polygon);

} // namespace retoscope
