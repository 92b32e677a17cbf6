// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/trace.h"

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/threads.h"
#include "trace/trace_format.h"

#include <cmath>
#include <vector>

namespace retoscope {

namespace fs = std::filesystem;

struct Trace::Data
{
    std::vector<MappedFile> files;
    std::shared_ptr<const void> owner;
    TraceArrays arrays;
    bool exactIndex = false;
    std::shared_ptr<const Datastore> datastore;
    Manifest manifest;
};

namespace {

/// Replay reads these arrays without checks, so whatever cannot be true is refused where a trace comes in.
class Checker
{
public:
    Checker(const TraceArrays &arrays, const Datastore &datastore, ErrorKind kind, std::string where)
        : m_arrays(arrays), m_datastore(datastore), m_kind(kind), m_where(std::move(where))
    {
    }

    void check() const
    {
        const TraceArrays &a = m_arrays;
        if (a.positions < 1)
            fail(m_kind, "{}: the trace has no scored position; record more text.", m_where);
        if (a.kMax < 1)
            fail(m_kind, "{}: the trace holds {} neighbours per position; at least 1 is needed.", m_where, a.kMax);
        if (a.dimension != m_datastore.dimension())
            fail(ErrorKind::Mismatch, "{}: the queries have {} dimensions, but the keys of the datastore have {}.", m_where, a.dimension,
                 m_datastore.dimension());
        checkSizes();
        checkOrder("documents", a.documents);
        checkOrder("windows", a.windows);
        for (std::int64_t t = 0; t < a.positions; ++t) {
            if (a.targets[std::size_t(t)] < 0)
                fail(m_kind, "{}: targets: position {} has the token {}.", m_where, t, a.targets[std::size_t(t)]);
            constexpr float roundingAllowed = 1e-3f;
            if (!(a.lmLogProbs[std::size_t(t)] <= roundingAllowed))
                fail(m_kind, "{}: lm_log_probs: position {} has {}, which is no natural logarithm of a probability.", m_where, t,
                     a.lmLogProbs[std::size_t(t)]);
        }
        parallelFor(a.positions, 256, [this](std::int64_t begin, std::int64_t end) { checkNeighbours(begin, end); });
    }

private:
    void checkSizes() const
    {
        const TraceArrays &a = m_arrays;
        const std::size_t n = std::size_t(a.positions), k = std::size_t(a.kMax), c = std::size_t(a.topCandidates);
        const auto expect = [this](const char *name, std::size_t size, std::size_t expected) {
            if (size != expected)
                fail(m_kind, "{}: {} has {} values, but {} are needed.", m_where, name, size, expected);
        };
        expect("targets", a.targets.size(), n);
        expect("token_indices", a.tokenIndices.size(), n);
        expect("documents", a.documents.size(), n);
        expect("windows", a.windows.size(), n);
        expect("lm_log_probs", a.lmLogProbs.size(), n);
        if (!a.lmEntropies.empty())
            expect("lm_entropies", a.lmEntropies.size(), n);
        expect("lm_top_ids", a.lmTopIds.size(), n * c);
        expect("lm_top_log_probs", a.lmTopLogProbs.size(), n * c);
        expect("queries", a.queries.size(), n * std::size_t(a.dimension));
        expect("neighbour_ids", a.neighbourIds.size(), n * k);
        expect("index_distances", a.indexDistances.size(), n * k);
        expect("exact_distances", a.exactDistances.size(), n * k);
    }

    void checkOrder(const char *name, std::span<const std::int32_t> values) const
    {
        for (std::size_t t = 1; t < values.size(); ++t) {
            if (values[t] < values[t - 1])
                fail(m_kind, "{}: {}: position {} goes back from {} to {}; positions must be in the order of the text.", m_where, name, t,
                     values[t - 1], values[t]);
        }
    }

    void checkNeighbours(std::int64_t begin, std::int64_t end) const
    {
        const TraceArrays &a = m_arrays;
        const std::int64_t entries = m_datastore.size();
        for (std::int64_t t = begin; t < end; ++t) {
            for (std::size_t at = std::size_t(t) * std::size_t(a.kMax), last = at + std::size_t(a.kMax); at < last; ++at) {
                const std::int32_t id = a.neighbourIds[at];
                if (id < -1 || id >= entries)
                    fail(m_kind, "{}: neighbour_ids: position {} names entry {}, but the datastore has {} entries.", m_where, t, id, entries);
                if (id >= 0 && !(std::isfinite(a.indexDistances[at]) && std::isfinite(a.exactDistances[at])))
                    fail(m_kind, "{}: distances: position {} has a distance to entry {} that is not a finite number.", m_where, t, id);
            }
        }
    }

    const TraceArrays &m_arrays;
    const Datastore &m_datastore;
    ErrorKind m_kind;
    std::string m_where;
};

} // namespace

std::shared_ptr<const Trace> Trace::open(const fs::path &folder, std::shared_ptr<const Datastore> datastore)
{
    auto data = std::make_shared<Data>();
    data->manifest = readManifest(folder, format, version);
    const Json &identity = data->manifest.identity;
    const std::string where = folder.string();
    requireSame("datastore of the trace " + where, identity.value("datastore", std::string("unknown")), datastore->fingerprint(),
                "Open the trace with the datastore it was recorded with, or record it again.");
    const trace_format::Shape shape = trace_format::Shape::fromIdentity(identity, where);

    trace_format::MappedColumns mapped = trace_format::mapColumns(folder, shape);
    data->files = std::move(mapped.files);
    TraceArrays &a = data->arrays = mapped.arrays;
    a.metric = metricFromString(identity.value("metric", std::string("l2")));
    data->exactIndex = shape.exactIndex;
    Checker(a, *datastore, ErrorKind::Corrupt, where).check();
    data->datastore = std::move(datastore);
    std::shared_ptr<Trace> trace(new Trace);
    trace->m_data = std::move(data);
    return trace;
}

std::shared_ptr<const Trace> Trace::fromArrays(const TraceArrays &arrays, std::shared_ptr<const void> owner,
                                               std::shared_ptr<const Datastore> datastore)
{
    auto data = std::make_shared<Data>();
    data->arrays = arrays;
    data->owner = std::move(owner);
    data->exactIndex = arrays.exactDistances.empty();
    if (data->exactIndex)
        data->arrays.exactDistances = arrays.indexDistances;
    Checker(data->arrays, *datastore, ErrorKind::BadInput, "trace").check();
    data->manifest.format = format;
    data->manifest.version = version;
    Json &identity = data->manifest.identity;
    trace_format::Shape shape{arrays.positions, arrays.kMax, arrays.dimension, arrays.topCandidates, data->exactIndex,
                              !arrays.lmEntropies.empty()};
    shape.toIdentity(identity);
    identity["metric"] = toString(arrays.metric);
    identity["datastore"] = datastore->fingerprint();
    data->datastore = std::move(datastore);
    std::shared_ptr<Trace> trace(new Trace);
    trace->m_data = std::move(data);
    return trace;
}

const TraceArrays &Trace::arrays() const { return m_data->arrays; }
const std::shared_ptr<const Datastore> &Trace::datastore() const { return m_data->datastore; }
bool Trace::indexIsExact() const { return m_data->exactIndex; }
const Manifest &Trace::manifest() const { return m_data->manifest; }
std::string Trace::fingerprint() const { return m_data->manifest.fingerprint(); }

} // namespace retoscope
