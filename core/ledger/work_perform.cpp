// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a piece of work by the operation that does it.
#include "ledger/work.h"

#include "base/error.h"
#include "base/job.h"
#include "ledger/work_configs.h"

#include <algorithm>

namespace retoscope {

namespace {

class Performer
{
public:
    Performer(Project &project, const Work &work, const WorkListeners &listeners, JobControl &job)
        : m_project(project), m_work(work), m_listeners(listeners), m_job(job), m_request(named(work.text("name")))
    {
    }

    WorkOutcome perform()
    {
        switch (m_work.kind) {
        case WorkKind::AddCorpus: return corpus();
        case WorkKind::AddModel: return model();
        case WorkKind::TrainTokenizer: return tokenizer();
        case WorkKind::TrainModel: return training();
        case WorkKind::BuildDatastore: return datastore();
        case WorkKind::BuildIndex: return index();
        case WorkKind::BuildClusters: return clusters();
        case WorkKind::RecordTrace: return trace();
        case WorkKind::Evaluate: return evaluation();
        case WorkKind::Sweep: return sweeping();
        case WorkKind::Foss: return curve();
        case WorkKind::RunProject: return wholeProject();
        }
        return {};
    }

private:
    [[nodiscard]] Request named(std::string name) const
    {
        Request request;
        request.name = std::move(name);
        request.command = commandOf(m_work);
        request.force = m_work.value("force") == true;
        return request;
    }
    [[nodiscard]] ArtefactRow find(ArtefactKind kind, std::string_view option) const { return m_project.ledger().findArtefact(kind, m_work.text(option)); }

    [[nodiscard]] ArtefactRow tokensOf(const ArtefactRow &model, Split standard) const
    {
        const auto [name, split] = splitNameOf(m_work.text("corpus"), standard);
        return tokensFor(m_project, m_project.ledger().findArtefact(ArtefactKind::Corpus, name), split, model, {m_work.text("document-start")}, named({}), m_job);
    }

    static WorkOutcome made(const ArtefactRow &row, const std::string &summary)
    {
        return {fmt::format("{} {}: {}", toString(row.kind), row.name, summary), row, 0, 0};
    }

    WorkOutcome corpus()
    {
        const auto row = addCorpus(m_project, pathsOf(m_work, "paths"), corpusOptionsOf(m_work), m_request, m_job);
        const auto &splits = row.info.at("splits");
        return made(row, fmt::format("{} documents (train {}, validation {}, test {}), {}", formatCount(row.info.at("documents")), formatCount(splits.at("train")),
                                     formatCount(splits.at("validation")), formatCount(splits.at("test")), formatBytes(row.bytes)));
    }

    WorkOutcome model()
    {
        const auto row = addModel(m_project, m_work.text("path"), m_work.text("tokenizer"), m_request, m_job);
        return made(row, fmt::format("{}, {} parameters", row.info.at("architecture").get<std::string>(), formatCount(row.info.at("parameters"))));
    }

    WorkOutcome tokenizer()
    {
        const auto row = trainTokenizer(m_project, find(ArtefactKind::Corpus, "corpus"), tokenizerTrainingOf(m_work), m_request, m_job);
        return made(row, fmt::format("{} tokens", formatCount(row.info.at("vocabulary"))));
    }

    WorkOutcome training()
    {
        const auto start = m_work.text("model").empty() ? find(ArtefactKind::Tokenizer, "tokenizer") : find(ArtefactKind::Model, "model");
        const auto row = trainLanguageModel(m_project, find(ArtefactKind::Corpus, "corpus"), start, trainConfigOf(m_work), m_request, m_job);
        return made(row, fmt::format("{} parameters, validation perplexity {:.2f}", formatCount(row.info.at("parameters")), row.info.at("validation_perplexity").get<double>()));
    }

    WorkOutcome datastore()
    {
        const auto model = find(ArtefactKind::Model, "model");
        const auto row = makeDatastore(m_project, model, tokensOf(model, Split::Train), datastoreConfigOf(m_work), loadOptionsOf(m_work), m_request, m_job);
        return made(row, fmt::format("{} entries of {} dimensions, {}", formatCount(row.info.at("entries")), row.info.at("dimension").get<int>(), formatBytes(row.bytes)));
    }

    WorkOutcome index()
    {
        const auto row = makeIndex(m_project, find(ArtefactKind::Datastore, "datastore"), indexConfigOf(m_work), m_request, m_job);
        return made(row, fmt::format("{}, {}", m_work.text("factory"), formatBytes(row.bytes)));
    }

    WorkOutcome clusters()
    {
        const auto row = makeClusters(m_project, find(ArtefactKind::Datastore, "datastore"), clusterConfigOf(m_work), m_request, m_job);
        return made(row, fmt::format("{} states", formatCount(row.info.at("states"))));
    }

    WorkOutcome trace()
    {
        const auto model = find(ArtefactKind::Model, "model");
        const auto tokens = tokensOf(model, Split::Test);
        const auto datastore = find(ArtefactKind::Datastore, "datastore");
        const auto config = traceConfigOf(m_work);
        const auto row = makeTrace(m_project, model, tokens, datastore, find(ArtefactKind::Index, "index"), config, loadOptionsOf(m_work), m_request, m_job,
                                   growingTrace(m_project, model, tokens, datastore, m_request.name, config, m_listeners.liveSettings, m_listeners.live));
        return made(row, fmt::format("{} positions × {} neighbours, perplexity of the LM alone {:.2f}", formatCount(row.info.at("positions")), formatCount(row.info.at("k")),
                                     row.info.at("base_perplexity").get<double>()));
    }

    WorkOutcome evaluation()
    {
        LiveOptions live;
        live.live = m_work.value("live") == true;
        live.maxPositions = m_work.value("max-positions").get<std::int64_t>();
        live.device = m_work.text("device");
        const auto outcome = evaluate(m_project, m_work.text("trace"), clustersOf(m_work), settingsForTrace(), live, m_request, m_job, m_listeners.live);
        return {fmt::format("perplexity {:.4f}, FoSS {:.3f}", outcome.result.perplexity, outcome.result.foss), {}, outcome.run, 0};
    }

    WorkOutcome sweeping()
    {
        const auto outcome = sweep(m_project, m_work.text("trace"), clustersOf(m_work), settingsForTrace(), gridOf(m_work), m_request, m_job);
        const auto &best = outcome.points.at(outcome.best);
        return {fmt::format("best of {}: perplexity {:.4f} at λ {:.4g}, T {:.4g}, k {}", formatCount(static_cast<std::int64_t>(outcome.points.size())), best.result.perplexity,
                            best.settings.lambda, best.settings.temperature, best.settings.k),
                {}, outcome.runs.empty() ? 0 : outcome.runs.at(outcome.best), outcome.curve};
    }

    WorkOutcome curve()
    {
        const auto points = m_work.value("points").get<std::int32_t>();
        const auto outcome = foss(m_project, m_work.text("trace"), clustersOf(m_work), settingsForTrace(), points, m_request, m_job);
        return {fmt::format("{} series of {} points{}{}", outcome.series.size(), points, outcome.note.empty() ? "" : ". ", outcome.note), {}, 0, outcome.curve};
    }

    WorkOutcome wholeProject()
    {
        const auto description = readProjectDescription(m_work.text("projectfile"));
        const auto outcome = runPipeline(m_project, description, m_request, m_job, m_listeners.stages, m_listeners.live);
        const double best = outcome.table.size() > 1 ? std::min(outcome.table[1].result.perplexity, outcome.table.back().result.perplexity) : outcome.basePerplexity;
        return {fmt::format("perplexity {:.2f} → {:.2f} with retrieval, in {}", outcome.basePerplexity, best, formatDuration(outcome.seconds)), outcome.testTrace, 0, 0};
    }

    /// A k that was not given is the trace's, at most the standard.
    [[nodiscard]] EvaluationSettings settingsForTrace() const
    {
        EvaluationSettings settings = settingsOf(m_work);
        if (!m_work.values.contains("k"))
            settings.k = std::min(settings.k, find(ArtefactKind::Trace, "trace").info.value("k", settings.k));
        return settings;
    }

    Project &m_project;
    const Work &m_work;
    const WorkListeners &m_listeners;
    JobControl &m_job;
    Request m_request;
};

} // namespace

WorkOutcome perform(Project &project, const Work &work, const WorkListeners &listeners, JobControl &job)
{
    return Performer(project, work, listeners, job).perform();
}

} // namespace retoscope
