// SPDX-License-Identifier: GPL-3.0-or-later
#include "map/map_scene.h"

#include "automaton/automaton_scene.h"
#include "base/error.h"

#include <QLocale>
#include <QObject>

#include <algorithm>
#include <unordered_map>

namespace retoscope {

namespace {

QString nameOf(const TraceSession &trace, MapColouring colouring, std::int32_t id)
{
    if (colouring == MapColouring::State)
        return QObject::tr("state %1").arg(QLocale().toString(id));
    return QObject::tr("“%1”").arg(tokenLabel(trace.tokenText(TokenId(id))));
}

} // namespace

MapScene makeMapScene(const TraceSession &trace, std::shared_ptr<const KeyProjection> projection, MapColouring colouring)
{
    MapScene scene;
    scene.colouring = colouring;
    const bool states = colouring == MapColouring::State;
    if (states && !trace.hasClusters())
        fail(ErrorKind::NotFound, "The trace “{}” is open without clusters, so there are no states to colour by; choose values, or open it with clusters.", trace.name());
    const std::span<const std::int32_t> idOf = states ? trace.replay().clusters()->stateOf() : trace.datastore().values();
    std::unordered_map<std::int32_t, std::int64_t> counts;
    for (const std::int32_t entry : projection->entries) {
        scene.ids.push_back(idOf[static_cast<std::size_t>(entry)]);
        ++counts[scene.ids.back()];
    }
    std::vector<std::pair<std::int64_t, std::int32_t>> order; // negated count, id
    for (const auto &[id, count] : counts)
        order.emplace_back(-count, id);
    const std::size_t shown = std::min(MapScene::coloured, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end());
    std::unordered_map<std::int32_t, std::uint8_t> categoryOf;
    std::int64_t others = static_cast<std::int64_t>(scene.ids.size());
    for (std::size_t i = 0; i < shown; ++i) {
        const auto [negated, id] = order[i];
        categoryOf[id] = static_cast<std::uint8_t>(i);
        scene.categories.push_back({id, nameOf(trace, colouring, id), -negated});
        others += negated;
    }
    scene.categories.push_back({-1, states ? QObject::tr("other states") : QObject::tr("other values"), others});
    for (const std::int32_t id : scene.ids) {
        const auto found = categoryOf.find(id);
        scene.categoryOf.push_back(found == categoryOf.end() ? static_cast<std::uint8_t>(shown) : found->second);
    }
    scene.projection = std::move(projection);
    return scene;
}

MapNeighbours makeMapNeighbours(const TraceSession &trace, const KeyProjection &projection, Position position, const EvaluationSettings &settings)
{
    const TraceArrays &arrays = trace.trace().arrays();
    MapNeighbours result;
    result.position = position;
    result.token = tokenLabel(trace.targetText(position));
    const auto dimension = static_cast<std::size_t>(arrays.dimension);
    result.query = projection.project(arrays.queries.subspan(static_cast<std::size_t>(position.value) * dimension, dimension));
    if (settings.method == Method::Base)
        return result;
    const Replay::PositionCandidates candidates = trace.replay().candidatesAt(position, settings);
    const auto points = projectEntries(trace.datastore(), projection, candidates.ids);
    const auto values = trace.datastore().values();
    const std::int32_t target = arrays.targets[static_cast<std::size_t>(position.value)];
    for (std::size_t i = 0; i < points.size(); ++i)
        result.neighbours.push_back({points[i], EntryId(candidates.ids[i]), candidates.weights[i], values[static_cast<std::size_t>(candidates.ids[i])] == target});
    std::ranges::stable_sort(result.neighbours, {}, &MapNeighbours::Neighbour::weight);
    return result;
}

std::vector<std::int32_t> pointsInside(std::span<const std::array<float, 2>> points, std::span<const std::array<double, 2>> polygon)
{
    std::vector<std::int32_t> inside;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const double x = static_cast<double>(points[i][0]), y = static_cast<double>(points[i][1]);
        bool in = false;
        for (std::size_t a = 0, b = polygon.size() - 1; a < polygon.size(); b = a++) {
            const auto [ax, ay] = polygon[a];
            const auto [bx, by] = polygon[b];
            if ((ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax)
                in = !in;
        }
        if (in)
            inside.push_back(static_cast<std::int32_t>(i));
    }
    return inside;
}

} // namespace retoscope
