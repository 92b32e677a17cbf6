// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/sweep.h"

#include "base/error.h"
#include "base/job.h"
#include "base/threads.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <set>

namespace retoscope {

namespace {

constexpr std::size_t maximalPoints = 1'000'000;

/// Where a parameter of the grid lives in the JSON of EvaluationSettings.
struct Axis
{
    std::string_view name;
    const char *pointer;
};
constexpr std::array<Axis, 12> knownAxes{{{"method", "/method"},
                                          {"lambda", "/lambda"},
                                          {"temperature", "/temperature"},
                                          {"k", "/k"},
                                          {"min_knns", "/automaton/min_knns"},
                                          {"max_knns", "/automaton/max_knns"},
                                          {"clusters", "/use_clusters"},
                                          {"distances", "/distances"},
                                          {"count", "/automaton/count"},
                                          {"order", "/automaton/order"},
                                          {"semantics", "/automaton/semantics"},
                                          {"skip", "/skip_fraction"}}};

const Axis &axisByName(std::string_view name)
{
    const auto found = std::find_if(knownAxes.begin(), knownAxes.end(), [&](const Axis &axis) { return axis.name == name; });
    if (found == knownAxes.end()) {
        std::string known;
        for (const Axis &axis : knownAxes)
            known += (known.empty() ? "" : ", ") + std::string(axis.name);
        fail(ErrorKind::BadInput, "sweep: there is no parameter '{}'; known are: {}.", name, known);
    }
    return *found;
}

std::string_view trimmed(std::string_view text)
{
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0;;) {
        const std::size_t end = text.find(separator, begin);
        parts.push_back(trimmed(text.substr(begin, end == std::string_view::npos ? end : end - begin)));
        if (end == std::string_view::npos)
            return parts;
        begin = end + 1;
    }
}

/// A whole number, a decimal number, or else the word itself.
Json scalar(std::string_view text)
{
    const char *begin = text.data(), *end = begin + text.size();
    std::int64_t whole = 0;
    if (const auto parsed = std::from_chars(begin, end, whole); parsed.ec == std::errc() && parsed.ptr == end)
        return whole;
    double number = 0;
    if (const auto parsed = std::from_chars(begin, end, number); parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(number))
        return number;
    return std::string(text);
}

/// begin:end:step, the end included up to rounding.
std::vector<Json> range(std::string_view axis, std::string_view text)
{
    const std::vector<std::string_view> parts = split(text, ':');
    std::array<double, 3> bounds{};
    bool whole = true;
    bool usable = parts.size() == 3;
    for (std::size_t i = 0; usable && i < 3; ++i) {
        const Json value = scalar(parts[i]);
        usable = value.is_number();
        whole = whole && value.is_number_integer();
        bounds[i] = usable ? value.get<double>() : 0;
    }
    const auto [begin, end, step] = bounds;
    if (!usable || !(step > 0) || end < begin)
        fail(ErrorKind::BadInput, "sweep: {}={} is no range; write begin:end:step with begin ≤ end and a step above 0.", axis, text);
    const double count = std::floor((end - begin) / step + 1e-9) + 1;
    if (count > double(maximalPoints))
        fail(ErrorKind::BadInput, "sweep: {}={} has {:.0f} values; at most {} are allowed.", axis, text, count, maximalPoints);
    std::vector<Json> values;
    for (std::int64_t i = 0; i < std::int64_t(count); ++i) {
        const double value = begin + double(i) * step;
        if (whole)
            values.emplace_back(std::llround(value));
        else
            values.emplace_back(std::stod(fmt::format("{:.12g}", value))); // 0.3, not 0.30000000000000004
    }
    return values;
}

void requireUsable(const SweepGrid &grid)
{
    std::set<std::string> seen;
    double points = 1;
    for (const auto &[name, values] : grid.axes) {
        axisByName(name);
        if (!seen.insert(name).second)
            fail(ErrorKind::BadInput, "sweep: the parameter '{}' is given twice; give all its values in one list.", name);
        if (values.empty())
            fail(ErrorKind::BadInput, "sweep: the parameter '{}' has no values.", name);
        points *= double(values.size());
    }
    if (points > double(maximalPoints))
        fail(ErrorKind::BadInput, "sweep: the grid has {:.0f} points; at most {} are allowed.", points, maximalPoints);
}

/// "on" and "none" read better than true and false on a command line.
Json clustersValue(const Json &value)
{
    if (value.is_boolean())
        return value;
    if (value == "on" || value == "yes")
        return true;
    if (value == "none" || value == "off" || value == "no")
        return false;
    fail(ErrorKind::BadInput, "sweep: clusters={} is not known; use on or none.", value.dump());
}

/// The other semantics bring their own rules for duplicates, ties and document ends; the rest stays.
Json automatonWithSemantics(const Json &automaton, const Json &semantics)
{
    Json result{{"semantics", semantics}};
    for (const char *kept : {"min_knns", "max_knns", "pointers", "count", "order", "seed"})
        result[kept] = automaton.at(kept);
    return result;
}

std::string csvField(std::string_view text)
{
    if (text.find_first_of(",\"\n") == std::string_view::npos)
        return std::string(text);
    std::string quoted = "\"";
    for (const char c : text)
        quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

constexpr std::string_view csvHeader = "series,foss,foss_reference,perplexity,nll,searches,positions,lambda,temperature,k,min_knns,max_knns,"
                                       "clusters,distances,semantics,pareto\n";

std::string csvRow(std::string_view series, const SweepPoint &point)
{
    const EvaluationSettings &s = point.settings;
    const EvaluationResult &r = point.result;
    const bool walks = s.method == Method::Retomaton;
    const bool learned = s.method == Method::Adaptive && s.gate.learnedWeight;
    const bool always = s.automaton.minKnns == AutomatonSettings::alwaysSearch;
    return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csvField(series), r.foss, r.fossReference, r.perplexity, r.nll,
                       r.searches, r.positions, learned ? "" : fmt::format("{}", s.lambda), s.temperature, s.k,
                       !walks ? "" : always ? "inf" : std::to_string(s.automaton.minKnns), walks ? std::to_string(s.automaton.maxKnns) : "",
                       walks ? (s.useClusters ? "on" : "none") : "", r.exactDistances ? "exact" : "index",
                       s.reference() ? "reference" : "corrected", point.pareto ? 1 : 0);
}

Json pointJson(const SweepPoint &point)
{
    Json json = toJson(point.result);
    json["pareto"] = point.pareto;
    return json;
}

/// Points that one walk can answer: they differ in λ, T and random skipping only.
struct Group
{
    EvaluationSettings settings;
    std::vector<std::size_t> points;
};

std::vector<Group> groupPoints(const std::vector<SweepPoint> &points)
{
    std::vector<Group> groups;
    for (std::size_t i = 0; i < points.size(); ++i) {
        EvaluationSettings key = points[i].settings;
        key.lambda = 0;
        key.temperature = 1;
        key.skipFraction = 0;
        key.skipSeed = 0;
        auto found = std::find_if(groups.rbegin(), groups.rend(), [&](const Group &group) { return group.settings == key; });
        if (found == groups.rend()) {
            groups.push_back({key, {}});
            found = groups.rbegin();
        }
        found->points.push_back(i);
    }
    return groups;
}

} // namespace

SweepGrid SweepGrid::parse(std::string_view text)
{
    SweepGrid grid;
    for (const std::string_view part : split(text, ';')) {
        if (part.empty())
            continue;
        const std::size_t equals = part.find('=');
        if (equals == std::string_view::npos)
            fail(ErrorKind::BadInput, "sweep: '{}' is no parameter with values; write e.g. lambda=0.1:0.9:0.1;temperature=1,10.", part);
        const std::string_view name = trimmed(part.substr(0, equals));
        axisByName(name);
        std::vector<Json> values;
        for (const std::string_view item : split(part.substr(equals + 1), ',')) {
            if (item.empty())
                fail(ErrorKind::BadInput, "sweep: '{}' has an empty value; write e.g. {}=1,10.", part, name);
            if (item.find(':') == std::string_view::npos)
                values.push_back(scalar(item));
            else
                std::ranges::move(range(name, item), std::back_inserter(values));
        }
        grid.axes.emplace_back(name, std::move(values));
    }
    if (grid.axes.empty())
        fail(ErrorKind::BadInput, "sweep: the grid is empty; write e.g. lambda=0.1:0.9:0.1;temperature=1,10.");
    requireUsable(grid);
    return grid;
}

SweepGrid SweepGrid::fromJson(const Json &json)
{
    if (!json.is_object() || json.empty())
        fail(ErrorKind::BadInput, "sweep: the grid must be a JSON object such as {{\"lambda\": [0.1, 0.2], \"temperature\": [1, 10]}}.");
    SweepGrid grid;
    for (const auto &[name, values] : json.items()) {
        if (values.is_array())
            grid.axes.emplace_back(name, values.get<std::vector<Json>>());
        else
            grid.axes.emplace_back(name, std::vector<Json>{values});
    }
    requireUsable(grid);
    return grid;
}

Json SweepGrid::toJson() const
{
    Json json = Json::object();
    for (const auto &[name, values] : axes)
        json[name] = values;
    return json;
}

std::size_t SweepGrid::size() const
{
    return std::accumulate(axes.begin(), axes.end(), std::size_t(1), [](std::size_t n, const auto &axis) { return n * axis.second.size(); });
}

EvaluationSettings SweepGrid::at(std::size_t i, const EvaluationSettings &base) const
{
    Json json = base;
    std::string chosen;
    // The last axis varies fastest; the semantics go first, since they reset what belongs to them.
    std::vector<std::pair<const Axis *, Json>> values;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
        const Json &value = axis->second[i % axis->second.size()];
        i /= axis->second.size();
        values.emplace_back(&axisByName(axis->first), value);
        chosen = fmt::format("{}={}{}{}", axis->first, value.is_string() ? value.get<std::string>() : value.dump(), chosen.empty() ? "" : ", ", chosen);
    }
    std::stable_partition(values.begin(), values.end(), [](const auto &value) { return value.first->name == "semantics"; });
    for (const auto &[axis, value] : values) {
        if (axis->name == "semantics")
            json["automaton"] = automatonWithSemantics(json["automaton"], value);
        else
            json[Json::json_pointer(axis->pointer)] = axis->name == "clusters" ? clustersValue(value) : value;
    }
    try {
        return json.get<EvaluationSettings>();
    } catch (const Error &error) {
        fail(error.kind(), "sweep: the point {} cannot be: {}", chosen, error.what());
    }
}

std::vector<SweepPoint> runSweep(const Replay &replay, const EvaluationSettings &base, const SweepGrid &grid, JobControl &job,
                                 const std::function<void(std::size_t, const SweepPoint &)> &onPoint)
{
    std::vector<SweepPoint> points(grid.size());
    for (std::size_t i = 0; i < points.size(); ++i)
        points[i].settings = grid.at(i, base); // every point is checked before the first is computed
    const std::vector<Group> groups = groupPoints(points);

    std::mutex mutex;
    std::int64_t done = 0;
    const auto evaluateGroup = [&](const Group &group) {
        JobControl part(&job);
        constexpr std::size_t temperaturesAtOnce = 8; // as many as the replay's cache surely holds
        std::vector<double> temperatures;
        for (const std::size_t i : group.points)
            temperatures.push_back(points[i].settings.temperature);
        std::sort(temperatures.begin(), temperatures.end());
        temperatures.erase(std::unique(temperatures.begin(), temperatures.end()), temperatures.end());
        for (std::size_t first = 0; first < temperatures.size(); first += temperaturesAtOnce) {
            const auto some = std::span(temperatures).subspan(first, std::min(temperaturesAtOnce, temperatures.size() - first));
            replay.prepare(group.settings, some, part);
            for (const std::size_t i : group.points) {
                SweepPoint &point = points[i];
                if (!std::binary_search(some.begin(), some.end(), point.settings.temperature))
                    continue;
                point.result = replay.evaluate(point.settings, {}, part);
                const std::scoped_lock lock(mutex);
                job.report("sweeping", "points", ++done, std::int64_t(points.size()), fmt::format("perplexity {:.4f}", point.result.perplexity));
                if (onPoint)
                    onPoint(i, point);
            }
        }
    };
    // A walk keeps as many cores busy as there are sequences; where these are few, several walks go side by side.
    const TraceArrays &arrays = replay.trace()->arrays();
    const auto sequences = std::int64_t(sequenceStarts(arrays.documents, arrays.windows, base).size()) - 1;
    const std::int64_t sideBySide = std::clamp<std::int64_t>(threadCount() / sequences, 1, std::int64_t(groups.size()));
    std::atomic<std::size_t> next{0};
    parallelFor(sideBySide, 1, [&](std::int64_t, std::int64_t) {
        for (std::size_t at = next.fetch_add(1); at < groups.size(); at = next.fetch_add(1))
            evaluateGroup(groups[at]);
    });
    markParetoFront(points);
    return points;
}

std::size_t bestPoint(const std::vector<SweepPoint> &points)
{
    if (points.empty())
        fail(ErrorKind::BadInput, "sweep: there is no point to choose the best from.");
    const auto best = std::min_element(points.begin(), points.end(),
                                       [](const SweepPoint &a, const SweepPoint &b) { return a.result.perplexity < b.result.perplexity; });
    return std::size_t(best - points.begin());
}

void markParetoFront(std::vector<SweepPoint> &points)
{
    std::vector<SweepPoint *> order;
    for (SweepPoint &point : points)
        order.push_back(&point);
    std::sort(order.begin(), order.end(), [](const SweepPoint *a, const SweepPoint *b) {
        return std::pair(-a->result.foss, a->result.perplexity) < std::pair(-b->result.foss, b->result.perplexity);
    });
    // From most saved searches to least, a point is on the front when it beats all before it (or equals the last one).
    const SweepPoint *best = nullptr;
    for (SweepPoint *point : order) {
        const bool equalsBest = best && point->result.foss == best->result.foss && point->result.perplexity == best->result.perplexity;
        point->pareto = !best || point->result.perplexity < best->result.perplexity || equalsBest;
        if (point->pareto)
            best = point;
    }
}

std::string toCsv(const std::vector<SweepPoint> &points)
{
    std::string csv(csvHeader);
    for (const SweepPoint &point : points)
        csv += csvRow(toString(point.settings.method), point);
    return csv;
}

std::string toCsv(const std::vector<FossSeries> &curve)
{
    std::string csv(csvHeader);
    for (const FossSeries &series : curve) {
        for (const SweepPoint &point : series.points)
            csv += csvRow(series.name, point);
    }
    return csv;
}

Json toJson(const std::vector<FossSeries> &curve)
{
    Json json = Json::array();
    for (const FossSeries &series : curve) {
        Json points = Json::array();
        for (const SweepPoint &point : series.points)
            points.push_back(pointJson(point));
        json.push_back({{"name", series.name}, {"points", std::move(points)}});
    }
    return json;
}

} // namespace retoscope
