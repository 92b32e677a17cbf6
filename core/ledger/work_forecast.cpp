// SPDX-License-Identifier: GPL-3.0-or-later
// What a piece of work will need, from the ledger's rows and the sizes of files alone.
#include "ledger/work.h"

#include "base/error.h"
#include "base/job.h"
#include "base/threads.h"
#include "ledger/work_configs.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr double bytesPerToken = 4;      // of running text under a subword tokenizer
constexpr double flopsFp32 = 40e9;       // per core, of matrix products; rough
constexpr double flopsBf16 = 100e9;
constexpr double flopsPerParameter = 2;  // and token of a forward pass

double asDouble(std::int64_t value) { return static_cast<double>(value); }
std::uint64_t asBytes(double value) { return static_cast<std::uint64_t>(std::max(0.0, value)); }

double rough(double flops, bool bf16)
{
    return flops / ((bf16 ? flopsBf16 : flopsFp32) * std::max(1, threadCount()));
}

std::uint64_t bytesOf(const fs::path &path)
{
    std::error_code code;
    if (fs::is_regular_file(path, code))
        return fs::file_size(path, code);
    std::uint64_t total = 0;
    for (auto entry = fs::recursive_directory_iterator(path, code); !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
        if (entry->is_regular_file(code))
            total += entry->file_size(code);
    }
    return total;
}

class Forecaster
{
public:
    Forecaster(const Project &project, const Work &work) : m_project(project), m_work(work) {}

    Forecast forecast()
    {
        switch (m_work.kind) {
        case WorkKind::AddCorpus: return corpus();
        case WorkKind::AddModel: return model();
        case WorkKind::TrainModel: return training();
        case WorkKind::BuildDatastore: return datastore();
        case WorkKind::BuildIndex: return index();
        case WorkKind::BuildClusters: return clusters();
        case WorkKind::RecordTrace: return trace();
        case WorkKind::TrainTokenizer:
        case WorkKind::Evaluate:
        case WorkKind::Sweep:
        case WorkKind::Foss:
        case WorkKind::RunProject: break;
        }
        return {};
    }

private:
    [[nodiscard]] ArtefactRow find(ArtefactKind kind, std::string_view option) const { return m_project.ledger().findArtefact(kind, m_work.text(option)); }

    /// Tokens of the corpus split that the work names, for this model: counted when they were made already.
    struct Tokens
    {
        std::int64_t count = 0, documents = 1;
        bool counted = false;
    };
    [[nodiscard]] Tokens tokens(const ArtefactRow &model, Split standard) const
    {
        const auto [name, split] = splitNameOf(m_work.text("corpus"), standard);
        const auto corpus = m_project.ledger().findArtefact(ArtefactKind::Corpus, name);
        for (const auto &row : m_project.ledger().artefacts(ArtefactKind::Tokens)) {
            const auto made = [&](const ArtefactRow &input) {
                return std::ranges::any_of(row.inputs, [&](const ArtefactInput &one) { return one.fingerprint == input.fingerprint; });
            };
            if (row.state == ArtefactState::Ready && made(corpus) && made(model) && row.config.value("split", "") == toString(split))
                return {row.info.value("tokens", std::int64_t(0)), row.info.value("documents", std::int64_t(1)), true};
        }
        const auto documents = corpus.info.contains("splits") ? corpus.info["splits"].value(std::string(toString(split)), std::int64_t(0)) : 0;
        const auto all = std::max<std::int64_t>(1, corpus.info.value("documents", std::int64_t(1)));
        return {static_cast<std::int64_t>(static_cast<double>(corpus.bytes) / bytesPerToken * asDouble(documents) / asDouble(all)), documents, false};
    }

    static std::string counted(std::int64_t count, const char *unit, bool exactly) { return fmt::format("{}{} {}", exactly ? "" : "about ", formatCount(count), unit); }

    [[nodiscard]] bool bf16() const { return m_work.text("compute") == "bf16"; }
    /// Each target is read in block / stride forward passes.
    [[nodiscard]] double passes() const { return m_work.value("block").get<double>() / std::max(1.0, m_work.value("stride").get<double>()); }
    [[nodiscard]] double modelSeconds(const ArtefactRow &model, std::int64_t positions) const
    {
        return rough(flopsPerParameter * model.info.value("parameters", 0.0) * asDouble(positions) * passes(), bf16());
    }

    Forecast corpus()
    {
        Forecast forecast{"the corpus", {}};
        const auto paths = pathsOf(m_work, "paths");
        for (const auto &path : paths)
            forecast.diskBytes += bytesOf(path);
        forecast.amount = formatBytes(forecast.diskBytes) + " of files";
        return forecast;
    }

    Forecast model()
    {
        Forecast forecast{"the model", {}};
        const auto bytes = bytesOf(m_work.text("path"));
        forecast.amount = formatBytes(bytes) + " of files, which stay where they are";
        forecast.memoryBytes = bytes;
        return forecast;
    }

    Forecast training()
    {
        const auto config = trainConfigOf(m_work);
        const auto corpus = find(ArtefactKind::Corpus, "corpus");
        double parameters = 0;
        if (m_work.text("model").empty()) {
            const auto &shape = config.model;
            const double d = shape.hiddenSize;
            const double vocabulary = find(ArtefactKind::Tokenizer, "tokenizer").info.value("vocabulary", 0.0);
            parameters = vocabulary * d * (shape.tiedHead ? 1 : 2) + shape.layers * (2 * d * d * (1 + double(shape.keyValueHeads) / shape.heads) + 3 * d * shape.feedForwardSize);
        } else {
            parameters = find(ArtefactKind::Model, "model").info.value("parameters", 0.0);
        }
        const auto documents = std::max<std::int64_t>(1, corpus.info.value("documents", std::int64_t(1)));
        const auto train = corpus.info.contains("splits") ? corpus.info["splits"].value("train", std::int64_t(0)) : documents;
        const auto trainTokens = static_cast<std::int64_t>(static_cast<double>(corpus.bytes) / bytesPerToken * asDouble(train) / asDouble(documents));
        const auto steps = totalSteps(config, std::max(trainTokens, config.sequenceLength + 1));
        const double seen = asDouble(steps * config.batchSequences * config.accumulation * config.sequenceLength);
        Forecast forecast{"the training", fmt::format("{} parameters, {} steps", formatCount(static_cast<std::int64_t>(parameters)), formatCount(steps))};
        forecast.diskBytes = asBytes(parameters * 4 * 4); // weights, best weights and the two moments of AdamW
        forecast.memoryBytes = asBytes(parameters * 4 * 5);
        forecast.seconds = rough(3 * flopsPerParameter * parameters * seen, config.compute == ComputeType::BFloat16);
        return forecast;
    }

    Forecast datastore()
    {
        const auto model = find(ArtefactKind::Model, "model");
        const auto [entries, documents, exactly] = tokens(model, Split::Train);
        const auto dimension = model.info.value("hidden_size", std::int64_t(0));
        const std::int64_t keyBytes = dimension * (m_work.text("key-type") == "fp32" ? 4 : 2);
        Forecast forecast{"the datastore", counted(entries, "entries", exactly)};
        forecast.diskBytes = asBytes(asDouble(entries) * asDouble(keyBytes + 4) + asDouble(documents) * 8);
        forecast.memoryBytes = model.bytes * (bf16() ? 1 : 2);
        forecast.seconds = earlier(ArtefactKind::Datastore, "entries", entries, [&](const ArtefactRow &row) { return sharesInput(row, model); });
        if (forecast.seconds < 0)
            forecast.seconds = modelSeconds(model, entries);
        return forecast;
    }

    Forecast index()
    {
        const auto datastore = find(ArtefactKind::Datastore, "datastore");
        return forecastIndex(indexConfigOf(m_work), entriesOf(datastore), dimensionOf(datastore));
    }

    Forecast clusters()
    {
        const auto datastore = find(ArtefactKind::Datastore, "datastore");
        const auto config = clusterConfigOf(m_work);
        const auto entries = entriesOf(datastore);
        Forecast forecast = forecastClusters(config, entries, dimensionOf(datastore));
        const auto sample = config.sample > 0 ? std::min(entries, config.sample) : entries;
        forecast.seconds = rough(2 * asDouble(dimensionOf(datastore)) * config.states * (asDouble(sample) * config.iterations + asDouble(entries)), false);
        return forecast;
    }

    Forecast trace()
    {
        const auto model = find(ArtefactKind::Model, "model");
        const auto datastore = find(ArtefactKind::Datastore, "datastore");
        const auto index = find(ArtefactKind::Index, "index");
        const auto config = traceConfigOf(m_work);
        auto [positions, documents, exactly] = tokens(model, Split::Test);
        if (config.maxPositions > 0)
            positions = std::min(positions, config.maxPositions);
        const bool exact = index.config.value("factory", "exact") == "exact";
        const auto dimension = dimensionOf(datastore);
        Forecast forecast{"the trace", counted(positions, "positions", exactly)};
        const double perPosition = asDouble(config.k) * (exact ? 8 : 12) + asDouble(dimension) * 4 + config.topCandidates * 8 + 28;
        forecast.diskBytes = asBytes(asDouble(positions) * perPosition);
        forecast.memoryBytes = model.bytes * (bf16() ? 1 : 2) + (exact ? datastore.bytes : index.bytes);
        forecast.seconds = earlier(ArtefactKind::Trace, "positions", positions, [&](const ArtefactRow &row) { return sharesInput(row, index) && row.info.value("k", 0) == config.k; });
        if (forecast.seconds < 0)
            forecast.seconds = modelSeconds(model, positions) + (exact ? rough(2 * asDouble(dimension) * asDouble(entriesOf(datastore)) * asDouble(positions), false) : 0);
        return forecast;
    }

    static std::int64_t entriesOf(const ArtefactRow &datastore) { return datastore.info.value("entries", std::int64_t(0)); }
    static std::int32_t dimensionOf(const ArtefactRow &datastore) { return datastore.info.value("dimension", 0); }

    static bool sharesInput(const ArtefactRow &row, const ArtefactRow &input)
    {
        return std::ranges::any_of(row.inputs, [&](const ArtefactInput &one) { return one.fingerprint == input.fingerprint; });
    }

    /// At the pace of the quickest comparable artefact of the project; negative when there is none. An artefact that was
    /// made in several sittings looks slower than it was.
    template<typename Comparable>
    [[nodiscard]] double earlier(ArtefactKind kind, const char *amount, std::int64_t wanted, Comparable comparable) const
    {
        double best = -1;
        for (const auto &row : m_project.ledger().artefacts(kind)) {
            const double made = row.info.value(amount, 0.0);
            if (row.state != ArtefactState::Ready || made <= 0 || row.finishedMs <= row.createdMs || !comparable(row))
                continue;
            const double seconds = asDouble(row.finishedMs - row.createdMs) / 1000 / made * asDouble(wanted);
            best = best < 0 ? seconds : std::min(best, seconds);
        }
        return best;
    }

    const Project &m_project;
    const Work &m_work;
};

} // namespace

Forecast forecastOf(const Project &project, const Work &work)
{
    return Forecaster(project, work).forecast();
}

} // namespace retoscope
