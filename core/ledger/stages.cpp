// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/stages.h"

#include "base/error.h"
#include "base/job.h"
#include "ledger/work_configs.h"

#include <algorithm>
#include <bit>

namespace retoscope {

namespace {

using State = StageStatus::State;

std::string counted(const ArtefactRow &row, const char *field, const char *unit)
{
    const auto found = row.info.find(field);
    return found == row.info.end() || !found->is_number() ? std::string() : fmt::format("{}{}", formatCount(found->get<std::int64_t>()), unit);
}

std::string joined(std::initializer_list<std::string> parts)
{
    std::string text;
    for (const auto &part : parts)
        text += part.empty() ? "" : (text.empty() ? "" : " · ") + part;
    return text;
}

bool madeFrom(const ArtefactRow &row, const ArtefactRow &input)
{
    return std::ranges::any_of(row.inputs, [&](const ArtefactInput &one) { return one.artefact == input.id || one.fingerprint == input.fingerprint; });
}

/// Without the paths, which may be many: what was chosen, for people.
std::string windowsText(const Json &config)
{
    const auto windows = config.find("windows");
    return windows == config.end() ? std::string() : fmt::format("{}/{}", windows->value("block", 0), windows->value("stride", 0));
}

class StageReader
{
public:
    StageReader(const Project &project, const StageChoice &choice) : m_project(project), m_choice(choice), m_rows(project.ledger().artefacts()) {}

    std::vector<StageStatus> read()
    {
        corpus();
        model();
        datastore();
        index();
        clusters();
        trace();
        curves();
        for (auto &stage : m_stages)
            addForecast(stage);
        return std::move(m_stages);
    }

private:
    /// The rows of a kind that fit, the newest first.
    template<typename Fits>
    std::vector<ArtefactRow> rowsOf(ArtefactKind kind, Fits fits) const
    {
        std::vector<ArtefactRow> rows;
        for (const auto &row : m_rows) {
            if (row.kind == kind && fits(row))
                rows.push_back(row);
        }
        std::ranges::sort(rows, std::greater(), &ArtefactRow::id);
        return rows;
    }

    /// Adds the stage and shows the chosen row, else the newest that is ready, else the newest.
    StageStatus &add(Stage stage, const std::vector<ArtefactRow> &rows)
    {
        StageStatus &status = m_stages.emplace_back();
        status.stage = stage;
        for (const auto &row : rows)
            status.names.push_back(row.name);
        const auto chosen = m_choice.find(stage);
        auto shown = chosen == m_choice.end() ? rows.end() : std::ranges::find(rows, chosen->second, &ArtefactRow::name);
        if (shown == rows.end())
            shown = std::ranges::find(rows, ArtefactState::Ready, &ArtefactRow::state);
        if (shown == rows.end())
            shown = rows.begin();
        if (shown != rows.end())
            show(status, *shown);
        return status;
    }

    void show(StageStatus &status, const ArtefactRow &row)
    {
        status.artefact = row;
        status.name = row.name;
        status.bytes = row.bytes;
        const std::string command = row.info.value("command", "");
        switch (row.state) {
        case ArtefactState::Building:
            status.state = State::Unfinished;
            status.next = workFromCommand(command);
            break;
        case ArtefactState::Failed:
            status.state = State::Failed;
            status.reasons.push_back(row.info.value("error", ""));
            status.next = workFromCommand(command);
            break;
        case ArtefactState::Ready:
            status.reasons = m_project.staleness(row);
            status.state = status.reasons.empty() ? State::Ready : State::Stale;
            if (status.state == State::Stale)
                addRenewal(status, row);
            break;
        }
    }

    void addRenewal(StageStatus &status, const ArtefactRow &row) const
    {
        for (const auto &command : m_project.renewal(row)) {
            auto work = workFromCommand(command);
            if (!work) { // a command of a kind that cannot be repeated from here: all or nothing
                status.renewal.clear();
                return;
            }
            status.renewal.push_back(std::move(*work));
        }
    }

    /// Of a stage that is there and can be built on.
    [[nodiscard]] const ArtefactRow *usable(Stage stage) const
    {
        const auto found = std::ranges::find(m_stages, stage, &StageStatus::stage);
        const bool ready = found != m_stages.end() && (found->state == State::Ready || found->state == State::Stale);
        return ready && found->artefact ? &*found->artefact : nullptr;
    }

    /// The work of a missing stage, or what must be there first.
    template<typename Make>
    void propose(StageStatus &status, std::initializer_list<Stage> inputs, Make make) const
    {
        if (status.artefact || !status.name.empty())
            return;
        for (const Stage input : inputs) {
            if (!usable(input))
                status.reasons.push_back(fmt::format("needs {}", input == Stage::Index ? "an index" : fmt::format("a {}", toString(input))));
        }
        if (status.reasons.empty())
            status.next = make();
    }

    void corpus()
    {
        StageStatus &status = add(Stage::Corpus, rowsOf(ArtefactKind::Corpus, [](const auto &) { return true; }));
        if (!status.artefact)
            return;
        const ArtefactRow &row = *status.artefact;
        const auto paths = row.config.find("paths");
        if (paths != row.config.end() && !paths->empty())
            status.inputs = paths->size() == 1 ? std::filesystem::path(paths->front().get<std::string>()).filename().string()
                                               : fmt::format("{} files", formatCount(static_cast<std::int64_t>(paths->size())));
        if (const auto options = row.config.find("options"); options != row.config.end())
            status.parameters = options->value("kind", "");
        if (const auto splits = row.info.find("splits"); splits != row.info.end())
            status.parameters = joined({status.parameters, fmt::format("{} / {} / {}", splits->value("train", 0), splits->value("validation", 0), splits->value("test", 0))});
        status.figures = counted(row, "documents", " documents");
    }

    void model()
    {
        StageStatus &status = add(Stage::Model, rowsOf(ArtefactKind::Model, [](const auto &) { return true; }));
        if (!status.artefact) {
            showTokenizer(status);
            return;
        }
        const ArtefactRow &row = *status.artefact;
        status.inputs = row.info.contains("tokenizer") ? row.info["tokenizer"].value("kind", "") : "";
        status.parameters = joined({row.info.value("architecture", ""), counted(row, "layers", " layers"), counted(row, "hidden_size", " wide")});
        status.figures = counted(row, "parameters", " parameters");
    }

    /// A tokenizer alone is the first half of the stage.
    void showTokenizer(StageStatus &status) const
    {
        const auto tokenizers = rowsOf(ArtefactKind::Tokenizer, [](const auto &row) { return row.state == ArtefactState::Ready; });
        if (tokenizers.empty())
            return;
        status.inputs = fmt::format("tokenizer {}", tokenizers.front().name);
        status.figures = counted(tokenizers.front(), "vocabulary", " tokens");
        if (const auto *corpus = usable(Stage::Corpus))
            status.next = Work{WorkKind::TrainModel, {{"corpus", corpus->name}, {"tokenizer", tokenizers.front().name}}};
    }

    [[nodiscard]] const ArtefactRow *rowWithId(std::int64_t id) const
    {
        const auto found = std::ranges::find(m_rows, id, &ArtefactRow::id);
        return found == m_rows.end() ? nullptr : &*found;
    }
    [[nodiscard]] const ArtefactRow *inputRow(const ArtefactRow &row, std::string_view role) const
    {
        const auto input = std::ranges::find(row.inputs, role, &ArtefactInput::role);
        return input == row.inputs.end() ? nullptr : rowWithId(input->artefact);
    }
    /// "manual:train", of the tokens behind a datastore or trace.
    [[nodiscard]] std::string textOf(const ArtefactRow &row) const
    {
        const ArtefactRow *tokens = inputRow(row, "tokens");
        const ArtefactRow *corpus = tokens ? inputRow(*tokens, "corpus") : nullptr;
        return corpus ? fmt::format("{}:{}", corpus->name, tokens->config.value("split", "")) : tokens ? tokens->name : std::string();
    }

    /// True unless the datastore was made from another model or corpus than the ones that are shown.
    [[nodiscard]] bool fitsChain(const ArtefactRow &datastore) const
    {
        const auto differs = [&](const ArtefactRow *input, Stage stage) {
            const auto *shown = usable(stage);
            return input && shown && input->id != shown->id && input->fingerprint != shown->fingerprint;
        };
        const ArtefactRow *tokens = inputRow(datastore, "tokens");
        return !differs(inputRow(datastore, "model"), Stage::Model) && !differs(tokens ? inputRow(*tokens, "corpus") : nullptr, Stage::Corpus);
    }

    void datastore()
    {
        StageStatus &status = add(Stage::Datastore, rowsOf(ArtefactKind::Datastore, [&](const auto &row) { return fitsChain(row); }));
        if (status.artefact) {
            const ArtefactRow &row = *status.artefact;
            const auto *model = inputRow(row, "model");
            status.inputs = joined({model ? model->name : "", textOf(row)});
            const auto tap = row.config.find("tap");
            status.parameters = joined({tap == row.config.end() ? "" : fmt::format("{} {}", tap->value("place", ""), tap->value("layer", -1)), row.config.value("key_type", ""),
                                        windowsText(row.config)});
            const auto entries = counted(row, "entries", "");
            status.figures = entries.empty() ? "" : fmt::format("{} × {}", entries, row.info.value("dimension", 0));
        }
        propose(status, {Stage::Corpus, Stage::Model}, [&] {
            return Work{WorkKind::BuildDatastore, {{"model", usable(Stage::Model)->name}, {"corpus", usable(Stage::Corpus)->name + ":train"}}};
        });
    }

    [[nodiscard]] std::vector<ArtefactRow> rowsOnDatastore(ArtefactKind kind) const
    {
        const auto *datastore = usable(Stage::Datastore);
        return rowsOf(kind, [&](const auto &row) { return datastore && madeFrom(row, *datastore); });
    }

    void index()
    {
        StageStatus &status = add(Stage::Index, rowsOnDatastore(ArtefactKind::Index));
        if (status.artefact) {
            const ArtefactRow &row = *status.artefact;
            status.inputs = usable(Stage::Datastore)->name;
            status.parameters = joined({row.config.value("factory", ""), row.config.value("metric", "")});
            if (const auto recall = row.info.find("recall"); recall != row.info.end() && recall->is_object())
                status.figures = fmt::format("recall@{} {:.3f}", recall->value("at", 0), recall->value("value", 0.0));
        }
        propose(status, {Stage::Datastore}, [&] { return Work{WorkKind::BuildIndex, {{"datastore", usable(Stage::Datastore)->name}, {"factory", "exact"}}}; });
    }

    void clusters()
    {
        StageStatus &status = add(Stage::Clusters, rowsOnDatastore(ArtefactKind::Clusters));
        if (status.artefact) {
            const ArtefactRow &row = *status.artefact;
            status.inputs = usable(Stage::Datastore)->name;
            const auto sample = row.config.value("sample", std::int64_t(0));
            status.parameters = joined({fmt::format("{} iterations", row.config.value("iterations", 0)), sample > 0 ? fmt::format("{} keys", formatCount(sample)) : ""});
            status.figures = counted(row, "states", " states");
        }
        propose(status, {Stage::Datastore}, [&] {
            const auto &datastore = *usable(Stage::Datastore);
            // N/100 to N/200 states (Alon et al. 2022); a power of two between.
            const auto entries = static_cast<std::uint64_t>(std::max<std::int64_t>(datastore.info.value("entries", std::int64_t(0)), 200));
            return Work{WorkKind::BuildClusters, {{"datastore", datastore.name}, {"states", std::bit_floor(entries / 100)}}};
        });
    }

    void trace()
    {
        StageStatus &status = add(Stage::Trace, rowsOnDatastore(ArtefactKind::Trace));
        if (status.artefact) {
            const ArtefactRow &row = *status.artefact;
            const auto *index = inputRow(row, "index");
            status.inputs = joined({textOf(row), index ? index->name : ""});
            status.parameters = joined({fmt::format("k {}", row.info.value("k", row.config.value("k", 0))), windowsText(row.config)});
            status.figures = counted(row, "positions", " positions");
        }
        propose(status, {Stage::Corpus, Stage::Model, Stage::Index}, [&] {
            const auto &corpus = *usable(Stage::Corpus);
            const auto documents = [&](const char *split) { return corpus.info.contains("splits") ? corpus.info["splits"].value(split, 0) : 0; };
            const char *split = documents("test") > 0 ? "test" : documents("validation") > 0 ? "validation" : "train";
            const auto &datastore = *usable(Stage::Datastore);
            return Work{WorkKind::RecordTrace,
                        {{"model", usable(Stage::Model)->name}, {"corpus", fmt::format("{}:{}", corpus.name, split)}, {"datastore", datastore.name}, {"index", usable(Stage::Index)->name},
                         {"k", std::clamp<std::int64_t>(datastore.info.value("entries", std::int64_t(1024)), 1, TraceConfig().k)}}};
        });
    }

    void curves()
    {
        StageStatus &status = m_stages.emplace_back();
        status.stage = Stage::Curves;
        const auto *trace = usable(Stage::Trace);
        std::vector<CurveRow> curves;
        for (auto &curve : m_project.ledger().curves()) {
            if (trace && curve.trace == trace->id)
                curves.push_back(std::move(curve));
        }
        std::ranges::sort(curves, std::greater(), &CurveRow::id);
        if (!curves.empty()) {
            const CurveRow &newest = curves.front();
            status.state = State::Ready;
            status.name = newest.name.empty() ? newest.kind : newest.name;
            status.inputs = trace->name;
            std::int64_t points = 0;
            if (const auto series = newest.data.find("series"); series != newest.data.end()) {
                for (const auto &one : *series)
                    points += static_cast<std::int64_t>(one.at("points").size());
            }
            status.parameters = newest.kind == "foss" ? "FoSS curve" : "sweep";
            status.figures = fmt::format("{} points, {} {}", formatCount(points), curves.size(), curves.size() == 1 ? "curve" : "curves");
        }
        if (trace)
            status.next = Work{WorkKind::Foss, {{"trace", trace->name}, {"k", trace->info.value("k", 1024)}}};
        else
            status.reasons.push_back("needs a trace");
    }

    void addForecast(StageStatus &status) const
    {
        if (!status.next || status.state == State::Ready)
            return;
        try {
            auto forecast = forecastOf(m_project, *status.next);
            if (!forecast.amount.empty())
                status.forecast = std::move(forecast);
        } catch (const Error &) {
            // An input that is gone is said by the check before the start; a card without a forecast shows none.
        }
    }

    const Project &m_project;
    const StageChoice &m_choice;
    std::vector<ArtefactRow> m_rows;
    std::vector<StageStatus> m_stages;
};

} // namespace

std::string_view toString(Stage stage)
{
    switch (stage) {
    case Stage::Corpus: return "corpus";
    case Stage::Model: return "model";
    case Stage::Datastore: return "datastore";
    case Stage::Index: return "index";
    case Stage::Clusters: return "clusters";
    case Stage::Trace: return "trace";
    case Stage::Curves: return "curves";
    }
    return "";
}

std::string_view toString(State state)
{
    switch (state) {
    case State::Missing: return "missing";
    case State::Unfinished: return "unfinished";
    case State::Ready: return "ready";
    case State::Stale: return "stale";
    case State::Failed: return "failed";
    }
    return "";
}

std::vector<StageStatus> stageStatus(const Project &project, const StageChoice &choice)
{
    return StageReader(project, choice).read();
}

} // namespace retoscope
