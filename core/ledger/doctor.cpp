// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/doctor.h"

#include "base/error.h"
#include "base/job.h"
#include "base/threads.h"
#include "datastore/distance.h"
#include "ledger/artefact_build.h"
#include "ledger/command_line.h"
#include "trace/live.h"
#include "trace/replay.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <thread>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::uint64_t gigabyte = 1'000'000'000;

std::string subjectOf(const ArtefactRow &row)
{
    return fmt::format("{} {}", toString(row.kind), row.name);
}

std::string commandOf(const ArtefactRow &row)
{
    return row.info.value("command", std::string());
}

/// `count` different entries of [0, size), ascending, the same for the same seed everywhere.
std::vector<std::int32_t> drawEntries(std::int64_t size, std::int64_t count, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::set<std::int32_t> drawn;
    while (static_cast<std::int64_t>(drawn.size()) < std::min(count, size))
        drawn.insert(static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(size)));
    return {drawn.begin(), drawn.end()};
}

/// Whether whole files are read and models run.
bool isThorough(const DoctorOptions &options)
{
    return options.checksums;
}

std::uint64_t bytesUnder(const fs::path &folder)
{
    std::error_code code;
    std::uint64_t total = 0;
    for (const auto &entry : fs::recursive_directory_iterator(folder, code)) {
        if (entry.is_regular_file(code))
            total += entry.file_size(code);
    }
    return total;
}

/// Looks at one artefact after the other and writes down what it finds.
class Examination
{
public:
    Examination(Project &project, const DoctorOptions &options, JobControl &job) : m_project(project), m_options(options), m_job(job) {}

    std::vector<Finding> run()
    {
        m_findings = examineEnvironment(m_project.folder());
        examineLedger();
        examineJobs();
        const auto rows = m_project.ledger().artefacts();
        for (std::int32_t kind = 0; kind <= static_cast<std::int32_t>(ArtefactKind::Trace); ++kind) {
            for (const ArtefactRow &row : rows) {
                if (row.kind == static_cast<ArtefactKind>(kind))
                    examineArtefact(row);
            }
        }
        examineFolders(rows);
        examineForecast(rows);
        return std::move(m_findings);
    }

private:
    void add(Severity severity, std::string subject, std::string sentence, std::string remedy = {})
    {
        m_findings.push_back({severity, std::move(subject), std::move(sentence), std::move(remedy)});
    }

    // --------------------------------------------------------------------------------------------------- ledger, jobs

    void examineLedger()
    {
        const Ledger &ledger = m_project.ledger();
        const auto problems = ledger.check();
        for (const std::string &problem : problems)
            add(Severity::Error, "ledger", problem, "restore ledger.sqlite from a backup");
        if (problems.empty())
            add(Severity::Ok, "ledger", fmt::format("The ledger is whole: {} artefacts, {} runs.", formatCount(static_cast<std::int64_t>(ledger.artefacts().size())),
                                                    formatCount(ledger.runCount({.includeArchived = true}))));
        std::int64_t newest = 0;
        for (const JobRow &job : ledger.jobs())
            newest = std::max({newest, job.startedMs, job.endedMs});
        constexpr std::int64_t tolerated = 60'000;
        if (newest > nowMs() + tolerated)
            add(Severity::Note, "clock", fmt::format("The clock is {} behind the newest entry of the ledger: it was set back. Nothing but the times that are shown depends on it.",
                                                     formatDuration(static_cast<double>(newest - nowMs()) / 1000)));
        if (!ledger.journalNote().empty())
            add(Severity::Note, "ledger", ledger.journalNote());
    }

    void examineJobs()
    {
        try {
            m_project.ledger().markInterruptedJobs();
        } catch (const Error &error) {
            add(Severity::Note, "jobs", error.what()); // a project that may only be read
        }
        const auto jobs = m_project.ledger().jobs();
        for (auto job = jobs.begin(); job != jobs.end(); ++job) {
            const std::string subject = fmt::format("job #{}", job->id);
            if (job->state == JobState::Running)
                add(Severity::Note, subject, fmt::format("{} is running (process {}).", job->kind, job->pid));
            const bool stopped = job->state == JobState::Interrupted || job->state == JobState::Cancelled;
            const bool repeated = std::any_of(job + 1, jobs.end(), [&](const JobRow &later) { return later.command == job->command; });
            if (stopped && !repeated)
                add(Severity::Warning, subject, fmt::format("{} was {}; the same command continues it.", job->kind, job->state == JobState::Cancelled ? "stopped" : "interrupted"),
                    job->command);
        }
    }

    // ------------------------------------------------------------------------------------------------------ artefacts

    void examineArtefact(const ArtefactRow &row)
    {
        m_job.checkpoint();
        m_job.log(fmt::format("examining {}", subjectOf(row)));
        const auto before = m_findings.size();
        m_facts.clear();
        if (row.state == ArtefactState::Building)
            return add(Severity::Warning, subjectOf(row), "It is not finished; unless it is being built right now, the command continues it.", commandOf(row));
        if (row.state == ArtefactState::Failed)
            return add(Severity::Warning, subjectOf(row), fmt::format("It could not be made: {}", row.info.value("error", std::string("no reason was recorded."))), commandOf(row));
        examineStaleness(row);
        try {
            examineFiles(row);
        } catch (const Cancelled &) {
            throw;
        } catch (const Error &error) {
            add(Severity::Error, subjectOf(row), error.what(), remedyOf(row));
        }
        if (m_findings.size() == before)
            add(Severity::Ok, subjectOf(row), fmt::format("It is whole and belongs to its inputs ({}){}{}.", formatBytes(row.bytes), m_facts.empty() ? "" : "; ", fmt::join(m_facts, ", ")));
    }

    /// Files of ours are made again byte for byte, which suits whatever was made from them. What lies outside the project is
    /// taken as it is now, and everything made from it follows.
    [[nodiscard]] std::string remedyOf(const ArtefactRow &row) const
    {
        const fs::path folder = m_project.folderOf(row);
        const bool inside = !folder.lexically_relative(m_project.folder()).empty() && *folder.lexically_relative(m_project.folder()).begin() != "..";
        if (commandOf(row).empty())
            return {};
        return inside ? fmt::format("rm -r {} && {}", shellQuote(folder.string()), commandOf(row)) : fmt::format("{}", fmt::join(commandsFrom(row), " && "));
    }

    /// The command of the artefact and of all that was made from it, in order.
    [[nodiscard]] std::vector<std::string> commandsFrom(const ArtefactRow &row) const
    {
        std::set<std::int64_t> affected{row.id};
        std::vector<std::string> commands{commandOf(row)};
        for (const ArtefactRow &other : m_project.ledger().artefacts()) { // by id: inputs come first
            const bool follows = std::any_of(other.inputs.begin(), other.inputs.end(), [&](const ArtefactInput &input) { return affected.contains(input.artefact); });
            if (!follows || other.state != ArtefactState::Ready)
                continue;
            affected.insert(other.id);
            if (const std::string command = commandOf(other); !command.empty() && std::ranges::find(commands, command) == commands.end())
                commands.push_back(command);
        }
        return commands;
    }

    void examineStaleness(const ArtefactRow &row)
    {
        const auto sentences = m_project.staleness(row);
        if (!sentences.empty())
            add(Severity::Warning, subjectOf(row), fmt::format("{}", fmt::join(sentences, " ")), fmt::format("{}", fmt::join(m_project.renewal(row), " && ")));
    }

    void examineFiles(const ArtefactRow &row)
    {
        switch (row.kind) {
        case ArtefactKind::Corpus: return examineCorpus(row);
        case ArtefactKind::Tokens: return verify(row, *m_project.openTokens(row));
        case ArtefactKind::Tokenizer: static_cast<void>(m_project.openTokenizer(row)); return;
        case ArtefactKind::Model: return examineModel(row);
        case ArtefactKind::Datastore: return examineDatastore(row);
        case ArtefactKind::Index: return examineIndex(row);
        case ArtefactKind::Clusters: return examineClusters(row);
        case ArtefactKind::Trace: return examineTrace(row);
        }
    }

    template<typename Artefact>
    void verify(const ArtefactRow &row, const Artefact &artefact)
    {
        if (!m_options.checksums)
            return;
        for (const std::string &problem : verifyFiles(artefact.manifest(), m_project.folderOf(row), m_job))
            add(Severity::Error, subjectOf(row), problem, remedyOf(row));
    }

    /// The corpus is a copy; the texts themselves may have changed or gone since.
    void examineCorpus(const ArtefactRow &row)
    {
        verify(row, *m_project.openCorpus(row));
        if (!isThorough(m_options) || row.requestHash.empty() || !row.config.contains("paths"))
            return;
        std::vector<fs::path> paths;
        for (const Json &path : row.config["paths"])
            paths.emplace_back(path.get<std::string>());
        try {
            if (requestHashOf(corpusPlan(paths, row.config.at("options").get<CorpusOptions>(), m_job)) != row.requestHash)
                add(Severity::Warning, subjectOf(row), "Its texts have changed since it was made; it and what was made from it show the texts as they were.",
                    fmt::format("{}", fmt::join(commandsFrom(row), " && ")));
        } catch (const Cancelled &) {
            throw;
        } catch (const Error &error) {
            add(Severity::Note, subjectOf(row), fmt::format("The texts that it was made from cannot be read any more, which does no harm: it holds a copy. ({})", error.what()));
        }
    }

    /// The fingerprint of a model is the checksum of its weights.
    void examineModel(const ArtefactRow &row)
    {
        static_cast<void>(m_project.openTokenizer(row));
        if (m_options.checksums)
            static_cast<void>(m_project.openModel(row));
    }

    [[nodiscard]] std::shared_ptr<const Datastore> datastoreOf(const ArtefactRow &row) const
    {
        return m_project.openDatastore(m_project.inputOf(row, "datastore"));
    }

    void examineDatastore(const ArtefactRow &row)
    {
        const auto datastore = m_project.openDatastore(row);
        verify(row, *datastore);
        const auto keyBytes = static_cast<std::uint64_t>(datastore->size()) * datastore->keys().rowBytes();
        if (totalMemory() > 0 && keyBytes > totalMemory())
            add(Severity::Note, subjectOf(row), fmt::format("Its keys ({}) are larger than the memory of this machine ({}); exact search reads them from disk every time.",
                                                            formatBytes(keyBytes), formatBytes(totalMemory())));
    }

    void examineClusters(const ArtefactRow &row)
    {
        const auto clusters = m_project.openClusters(row);
        verify(row, *clusters);
        if (const auto datastore = datastoreOf(row); clusters->entries() != datastore->size())
            add(Severity::Error, subjectOf(row), fmt::format("They cover {} entries, but the datastore has {}.", formatCount(clusters->entries()), formatCount(datastore->size())),
                commandOf(row));
    }

    void examineIndex(const ArtefactRow &row)
    {
        const auto datastore = datastoreOf(row);
        const auto index = m_project.openIndex(row, datastore);
        verify(row, *index);
        examineReconstruction(row, *index, *datastore);
        examineSelfRetrieval(row, *index, *datastore);
        examineRecall(row, *index, *datastore);
    }

    /// What the index holds for an entry must be nearer to the entry's key than other keys are, or it is not of these keys.
    void examineReconstruction(const ArtefactRow &row, const Index &index, const Datastore &datastore)
    {
        if (m_options.selfRetrieval < 1 || datastore.size() < 2 || index.isExact())
            return;
        const auto d = static_cast<std::size_t>(datastore.dimension());
        const auto entries = drawEntries(datastore.size(), m_options.selfRetrieval, 2);
        std::vector<float> keys(entries.size() * d), held(entries.size() * d);
        datastore.gatherKeys(entries, keys.data());
        try {
            index.reconstruct(entries, held.data());
        } catch (const Error &) {
            return; // this kind of index cannot say
        }
        double own = 0, other = 0;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const std::size_t next = (i + 1) % entries.size();
            for (std::size_t c = 0; c < d; ++c) {
                own += std::pow(double(keys[i * d + c]) - double(held[i * d + c]), 2);
                other += std::pow(double(keys[i * d + c]) - double(keys[next * d + c]), 2);
            }
        }
        constexpr double sameKeys = 0.75; // even one byte per key keeps well below
        if (!(own <= sameKeys * other))
            add(Severity::Error, subjectOf(row),
                fmt::format("What it holds for {} entries is as far from their keys as any other keys are: index or keys are damaged, or do not belong together.", entries.size()),
                remedyOf(row));
    }

    /// A stored key that is searched for finds itself first, or an entry with the very same key.
    void examineSelfRetrieval(const ArtefactRow &row, const Index &index, const Datastore &datastore)
    {
        if (m_options.selfRetrieval < 1 || datastore.size() == 0 || index.metric() != Metric::L2) // the largest inner product need not be one's own
            return;
        constexpr std::int32_t k = 8;
        const auto entries = drawEntries(datastore.size(), m_options.selfRetrieval, 1);
        std::vector<float> queries(entries.size() * static_cast<std::size_t>(datastore.dimension()));
        datastore.gatherKeys(entries, queries.data());
        Neighbours found;
        index.search(queries, k, {}, found);
        const KeyView keys = datastore.keys();
        std::int64_t hits = 0;
        for (std::size_t q = 0; q < entries.size(); ++q) {
            const std::size_t begin = q * static_cast<std::size_t>(found.k);
            for (std::size_t i = begin; i < begin + static_cast<std::size_t>(found.k) && found.distances[i] == found.distances[begin]; ++i) {
                const std::int32_t id = found.ids[i];
                if (id >= 0 && std::memcmp(keys.row(id), keys.row(entries[q]), keys.rowBytes()) == 0) {
                    ++hits;
                    break;
                }
            }
        }
        const auto asked = static_cast<std::int64_t>(entries.size());
        const std::string sentence = fmt::format("{} of {} stored keys that were searched for find themselves first.", hits, asked);
        if (hits == asked) {
            m_facts.push_back(fmt::format("{} stored keys find themselves first", asked));
            return;
        }
        if (index.isExact())
            add(Severity::Error, subjectOf(row), sentence + " An exact index must find all of them.", remedyOf(row));
        else
            add(2 * hits < asked ? Severity::Warning : Severity::Note, subjectOf(row), sentence + " The index is approximate; a finer one finds more.");
    }

    /// The recall that is shown beside every number must still be the recall.
    void examineRecall(const ArtefactRow &row, const Index &index, const Datastore &datastore)
    {
        const Json &info = index.manifest().info;
        if (m_options.recallSample < 1 || index.isExact())
            return;
        const auto stored = info.find("recall");
        if (stored == info.end() || !stored->is_object())
            return add(Severity::Note, subjectOf(row), "Its recall was not measured when it was built, so its numbers stand without one.", commandOf(row));
        const double value = stored->value("value", 0.0);
        const auto sample = std::max<std::int64_t>(1, stored->value("sample", std::int64_t(1)));
        SearchParameters parameters;
        parameters.nprobe = stored->value("nprobe", 0);
        const Recall measured = measureRecall(index, datastore, stored->value("at", 64), m_options.recallSample, parameters, 2, m_job);
        // Both are means over samples; three standard deviations of their difference, and a little for recalls of 0 and 1.
        const double tolerance = 0.02 + 3 * std::sqrt(value * (1 - value) * (1.0 / static_cast<double>(sample) + 1.0 / static_cast<double>(std::max<std::int64_t>(1, measured.sample))));
        if (std::abs(measured.value - value) > tolerance)
            add(Severity::Error, subjectOf(row), fmt::format("Its recall at {} is {:.3f}, but {:.3f} was measured when it was built.", measured.at, measured.value, value), remedyOf(row));
        else
            m_facts.push_back(fmt::format("recall at {} is {:.3f}", measured.at, measured.value));
    }

    /// λ = 0 is the language model, bit for bit (retrieval.md section 8).
    void examineTrace(const ArtefactRow &row)
    {
        const auto datastore = datastoreOf(row);
        const auto trace = m_project.openTrace(row, datastore);
        verify(row, *trace);
        examineDistances(row, *trace, *datastore);
        examineBase(row, *trace);
        if (m_options.positions < 1 || trace->arrays().positions == 0)
            return;
        EvaluationSettings settings;
        settings.lambda = 0;
        settings.k = trace->arrays().kMax;
        const Replay replay(firstPositions(trace, datastore), nullptr);
        const EvaluationResult result = replay.evaluate(settings, {.perPosition = true}, m_job);
        const auto base = trace->arrays().lmLogProbs;
        const auto differing = std::mismatch(result.logProbs.begin(), result.logProbs.end(), base.begin());
        if (differing.first == result.logProbs.end())
            m_facts.push_back("λ = 0 equals the base");
        else
            add(Severity::Error, subjectOf(row), fmt::format("With lambda = 0, position {} has the log-probability {}, but that of the language model is {}; please report this.",
                                                             differing.first - result.logProbs.begin(), *differing.first, *differing.second));
    }

    /// The distances that the trace keeps are those between its queries and the datastore's keys.
    void examineDistances(const ArtefactRow &row, const Trace &trace, const Datastore &datastore)
    {
        const TraceArrays &arrays = trace.arrays();
        const auto k = static_cast<std::size_t>(arrays.kMax), d = static_cast<std::size_t>(arrays.dimension);
        std::vector<float> distances(k);
        constexpr std::int64_t sample = 32;
        for (const std::int32_t position : drawEntries(arrays.positions, sample, 3)) {
            const auto t = static_cast<std::size_t>(position);
            const auto ids = arrays.neighbourIds.subspan(t * k, k);
            const auto found = static_cast<std::size_t>(std::ranges::find(ids, -1) - ids.begin());
            const auto measure = arrays.metric == Metric::L2 ? squaredDistances : negatedInnerProducts;
            measure(datastore.keys(), arrays.queries.subspan(t * d, d).data(), ids.first(found), distances.data());
            for (std::size_t j = 0; j < found; ++j) {
                const float kept = arrays.exactDistances[t * k + j];
                constexpr float tolerance = 1e-2f; // matrix products cancel digits that differences keep
                if (!(std::abs(kept - distances[j]) <= tolerance * std::max(1.0f, std::abs(distances[j]))))
                    return add(Severity::Error, subjectOf(row),
                               fmt::format("Position {} is {} away from entry {} in the trace, but {} by the datastore's key: trace or keys are damaged, or do not belong together.", position,
                                           kept, ids[j], distances[j]),
                               remedyOf(row));
            }
        }
    }

    /// What the trace calls the base is what the model computes.
    void examineBase(const ArtefactRow &row, const Trace &trace)
    {
        const auto has = [&](const char *role) { return std::ranges::any_of(row.inputs, [&](const ArtefactInput &input) { return input.role == role; }); };
        if (m_options.modelPositions < 1 || !isThorough(m_options) || !has("model") || !has("tokens"))
            return;
        Json recorded = row.config;
        const ComputeType compute = computeTypeFromString(recorded.value("compute", "fp32"));
        recorded.erase("compute");
        RetrievalParts parts;
        parts.model = m_project.openModel(m_project.inputOf(row, "model"), {.compute = compute});
        EvaluationSettings settings;
        settings.method = Method::Base;
        const std::int64_t positions = std::min(m_options.modelPositions, trace.arrays().positions);
        const auto computed = evaluateLive(parts, *m_project.openTokens(m_project.inputOf(row, "tokens")), recorded.get<TraceConfig>().windows, settings, positions, m_job);
        const auto kept = trace.arrays().lmLogProbs.first(static_cast<std::size_t>(computed.positions));
        double nll = 0;
        for (const float logProb : kept)
            nll -= logProb;
        nll /= static_cast<double>(kept.size());
        const double tolerance = compute == ComputeType::BFloat16 ? 0.05 : 1e-3; // nats
        if (!(std::abs(nll - computed.nll) <= tolerance))
            add(Severity::Error, subjectOf(row),
                fmt::format("The language model of the trace has a mean nll of {:.4f} over the first {} positions, but the model '{}' computes {:.4f}: λ = 0 does not equal the base.", nll,
                            kept.size(), m_project.inputOf(row, "model").name, computed.nll),
                remedyOf(row));
    }

    [[nodiscard]] std::shared_ptr<const Trace> firstPositions(const std::shared_ptr<const Trace> &trace, const std::shared_ptr<const Datastore> &datastore) const
    {
        TraceArrays arrays = trace->arrays();
        if (arrays.positions <= m_options.positions)
            return trace;
        const auto n = static_cast<std::size_t>(m_options.positions);
        const auto cut = [n](auto &span, std::int32_t width) {
            if (!span.empty())
                span = span.first(n * static_cast<std::size_t>(width));
        };
        arrays.positions = m_options.positions;
        cut(arrays.targets, 1);
        cut(arrays.tokenIndices, 1);
        cut(arrays.documents, 1);
        cut(arrays.windows, 1);
        cut(arrays.lmLogProbs, 1);
        cut(arrays.lmEntropies, 1);
        cut(arrays.lmTopIds, arrays.topCandidates);
        cut(arrays.lmTopLogProbs, arrays.topCandidates);
        cut(arrays.queries, arrays.dimension);
        cut(arrays.neighbourIds, arrays.kMax);
        cut(arrays.indexDistances, arrays.kMax);
        cut(arrays.exactDistances, arrays.kMax);
        return Trace::fromArrays(arrays, trace, datastore);
    }

    // ------------------------------------------------------------------------------------------------------- forecast

    /// What the project takes, and whether what has been begun can be finished here.
    void examineForecast(const std::vector<ArtefactRow> &rows)
    {
        std::uint64_t taken = 0, missing = 0, memory = 0;
        for (const ArtefactRow &row : rows) {
            taken += fs::path(row.folder).is_absolute() ? 0 : row.bytes;
            const auto forecast = row.info.find("forecast");
            if (row.state == ArtefactState::Ready || forecast == row.info.end() || !forecast->is_object())
                continue;
            const auto disk = forecast->value("disk", std::uint64_t(0)), there = bytesUnder(m_project.folderOf(row));
            missing += disk > there ? disk - there : 0;
            memory = std::max(memory, forecast->value("memory", std::uint64_t(0)));
        }
        std::error_code code;
        const auto space = fs::space(m_project.folder(), code);
        const std::string sentence = fmt::format("The artefacts take {}; what is unfinished needs {} more on disk and {} of memory.", formatBytes(taken), formatBytes(missing), formatBytes(memory));
        const bool fits = (code || missing <= space.available) && (availableMemory() == 0 || memory <= availableMemory());
        add(fits ? Severity::Ok : Severity::Warning, "forecast",
            fits ? sentence : fmt::format("{} That does not fit: {} of disk and {} of memory are free.", sentence, formatBytes(space.available), formatBytes(availableMemory())));
    }

    // -------------------------------------------------------------------------------------------------------- folders

    void examineFolders(const std::vector<ArtefactRow> &rows)
    {
        std::set<fs::path> known;
        for (const ArtefactRow &row : rows)
            known.insert(m_project.folderOf(row).lexically_normal());
        std::error_code code;
        for (const auto &kind : fs::directory_iterator(m_project.folder() / "artefacts", code)) {
            for (const auto &entry : fs::directory_iterator(kind.path(), code)) {
                if (!known.contains(entry.path().lexically_normal()))
                    add(Severity::Warning, "folder " + entry.path().lexically_relative(m_project.folder()).string(),
                        "It belongs to no artefact: something was deleted or stopped half-way.", "rm -r " + shellQuote(entry.path().string()));
            }
        }
    }

    Project &m_project;
    const DoctorOptions &m_options;
    JobControl &m_job;
    std::vector<Finding> m_findings;
    std::vector<std::string> m_facts; ///< of the artefact that is being examined: what was found to be right
};

} // namespace

std::string_view toString(Severity severity)
{
    switch (severity) {
    case Severity::Ok: return "ok";
    case Severity::Note: return "note";
    case Severity::Warning: return "warning";
    case Severity::Error: return "error";
    }
    return {};
}

void to_json(Json &json, const Finding &finding)
{
    json = {{"severity", toString(finding.severity)}, {"subject", finding.subject}, {"sentence", finding.sentence}, {"remedy", finding.remedy}};
}

std::vector<Finding> examineEnvironment(const fs::path &where)
{
    const Json environment = describeEnvironment();
    const auto text = [&](const char *field) { return environment.at(field).get<std::string>(); };
    std::vector<Finding> findings;
    findings.push_back({Severity::Ok, "versions",
                        fmt::format("Retoscope {} (commit {}, {}, {}); LibTorch {}, FAISS {}, SQLite {}.", text("program"), text("commit"), text("build"), text("compiler"),
                                    text("libtorch"), text("faiss"), text("sqlite")),
                        {}});
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    findings.push_back({Severity::Ok, "processor", fmt::format("{}, {} cores, {} threads in use; {}.", text("cpu"), cores, threadCount(), text("os")), {}});
    if (cores > 0 && threadCount() > cores)
        findings.push_back({Severity::Warning, "processor", fmt::format("{} threads are asked for on {} cores; that is slower than one per core.", threadCount(), cores),
                            fmt::format("export RETOSCOPE_THREADS={}", cores)});
    if (const auto free = availableMemory(); free > 0)
        findings.push_back({free < gigabyte ? Severity::Warning : Severity::Ok, "memory", fmt::format("{} of {} are free.", formatBytes(free), formatBytes(totalMemory())), {}});
    std::error_code code;
    if (const auto space = fs::space(where, code); !code)
        findings.push_back({space.available < gigabyte ? Severity::Warning : Severity::Ok, "disk",
                            fmt::format("{} of {} are free under {}.", formatBytes(space.available), formatBytes(space.capacity), where.string()), {}});
    return findings;
}

std::vector<Finding> examineProject(Project &project, const DoctorOptions &options, JobControl &job)
{
    return Examination(project, options, job).run();
}

Severity worst(const std::vector<Finding> &findings)
{
    Severity result = Severity::Ok;
    for (const Finding &finding : findings)
        result = std::max(result, finding.severity);
    return result;
}

} // namespace retoscope
