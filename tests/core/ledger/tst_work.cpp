// SPDX-License-Identifier: GPL-3.0-or-later
#include <QtTest> // before the core: moc 6.4 cannot parse <compare> first

#include "ledger/live_progress.h"
#include "ledger/stages.h"
#include "ledger/work.h"

#include "core/ledger/project_world.h"
#include "core/support/expect_error.h"
#include "ledger/command_line.h"
#include "ledger/run_table.h"
#include "text/corpus_preview.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace retoscope;
using namespace retoscope::test;

namespace {

QString sentences(const std::vector<FieldError> &errors)
{
    QStringList lines;
    for (const auto &error : errors)
        lines << QString::fromStdString(error.option + ": " + error.sentence);
    return lines.join(QLatin1Char('\n'));
}

ArtefactRow readyRow(ArtefactKind kind, const std::string &name, const Json &info = Json::object())
{
    ArtefactRow row;
    row.id = static_cast<std::int64_t>(kind) + 1;
    row.kind = kind;
    row.name = name;
    row.state = ArtefactState::Ready;
    row.fingerprint = name;
    row.info = info;
    return row;
}

std::vector<ArtefactRow> someArtefacts()
{
    return {readyRow(ArtefactKind::Corpus, "manual", {{"splits", {{"train", 10}, {"validation", 0}, {"test", 2}}}}), readyRow(ArtefactKind::Model, "gpt2"),
            readyRow(ArtefactKind::Tokenizer, "words"), readyRow(ArtefactKind::Datastore, "keys")};
}

/// "corpus ready corpus | datastore missing | …"
QString printed(const std::vector<StageStatus> &stages)
{
    QStringList texts;
    for (const auto &stage : stages) {
        std::string text = fmt::format("{} {}", toString(stage.stage), toString(stage.state));
        if (!stage.name.empty())
            text += " " + stage.name;
        if (stage.state == StageStatus::State::Missing)
            for (const auto &reason : stage.reasons)
                text += " (" + reason + ")";
        texts << QString::fromStdString(text);
    }
    return texts.join(QStringLiteral(" | "));
}

} // namespace

class TestWork : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void everyParameterIsWhole_data()
    {
        QTest::addColumn<int>("kind");
        for (int kind = 0; kind <= static_cast<int>(WorkKind::RunProject); ++kind)
            QTest::newRow(describe(static_cast<WorkKind>(kind)).command.c_str()) << kind;
    }

    void everyParameterIsWhole()
    {
        QFETCH(int, kind);
        const auto &description = describe(static_cast<WorkKind>(kind));
        QCOMPARE(static_cast<int>(description.kind), kind);
        std::set<std::string> options;
        for (const auto &parameter : description.parameters) {
            QVERIFY2(options.insert(parameter.option).second, parameter.option.c_str());
            QVERIFY2(!parameter.label.empty() && !parameter.help.empty(), parameter.option.c_str());
            if (parameter.type == WorkParameter::Type::Choice)
                QVERIFY2(std::ranges::find(parameter.choices, parameter.standard.get<std::string>()) != parameter.choices.end(), parameter.option.c_str());
        }
    }

    void commandsAreReadBack_data()
    {
        QTest::addColumn<QString>("command");
        for (const char *command :
             {"retoscope-cli corpus add '/a b/text.jsonl' /c --name x --kind jsonl --field body --split train=0.8,validation=0.1,test=0.1,seed=1",
              "retoscope-cli model add /models/gpt2 --tokenizer /t --name gpt2", "retoscope-cli tokenizer train --corpus manual --vocabulary 4096",
              "retoscope-cli train --corpus manual --tokenizer words --layers 2 --epochs 2.5 --keep-last",
              "retoscope-cli datastore build --model gpt2 --corpus manual:train --name d --layer -2 --compute bf16 --block 256 --stride 128",
              "retoscope-cli index build --datastore d --factory IVF256,PQ32 --train-sample 1000", "retoscope-cli cluster build --datastore d --states 64 --sample 500",
              "retoscope-cli trace record --model gpt2 --corpus manual:test --datastore d --index i --k 64 --nprobe 8",
              "retoscope-cli evaluate --trace t --live --method retomaton --lambda 0.3 --min-knns inf --clusters none",
              "retoscope-cli sweep --trace t --grid 'lambda=0.1:0.5:0.1;temperature=1,10' --k 64", "retoscope-cli foss --trace t --points 6 --lambda 0.4",
              "retoscope-cli run /p/project.json --force"})
            QTest::newRow(command) << QString::fromUtf8(command);
    }

    void commandsAreReadBack()
    {
        QFETCH(QString, command);
        const auto work = workFromCommand(command.toStdString());
        QVERIFY(work);
        QCOMPARE(QString::fromStdString(commandOf(*work)), command);
        QVERIFY(*workFromCommand(commandOf(*work, "/pro ject")) == *work);
    }

    void foreignCommandsAreNotOurs()
    {
        for (const char *command : {"", "retoscope-cli", "retoscope-cli datastore", "ls -l", "retoscope-cli doctor", "retoscope-cli tokens", "retoscope-cli foss --trace t --unheard-of 3",
                                    "retoscope-cli foss --trace", "retoscope-cli foss --trace t --points many", "retoscope-cli foss --trace 'open"})
            QVERIFY2(!workFromCommand(command), command);
        const auto typed = workFromCommand("/usr/bin/retoscope-cli foss --project p --points=6 --json --trace \"my trace\" --threads 2");
        QVERIFY(typed);
        QCOMPARE(typed->text("trace"), std::string("my trace"));
        QCOMPARE(typed->value("points").get<int>(), 6);
    }

    void commandsOfThePipelineAreUnderstood()
    {
        DatastoreConfig datastore;
        datastore.windows = {.block = 128, .stride = 64};
        const auto built = workFromCommand(datastoreBuildCommand("gpt2", "manual", Split::Train, datastore, ComputeType::BFloat16, "d"));
        QVERIFY(built && *built == (Work{WorkKind::BuildDatastore, {{"model", "gpt2"}, {"corpus", "manual:train"}, {"compute", "bf16"}, {"block", 128}, {"stride", 64}, {"name", "d"}}}));
        EvaluationSettings settings;
        settings.method = Method::Retomaton;
        settings.automaton.minKnns = AutomatonSettings::alwaysSearch;
        const auto curve = workFromCommand(fossCommand("t", "c", settings, 12));
        QVERIFY(curve);
        QCOMPARE(curve->text("min-knns"), std::string("inf"));
        QCOMPARE(curve->text("clusters"), std::string("c"));
        QCOMPARE(curve->text("gate-trace"), std::string()); // whichever offers itself
        settings.method = Method::Adaptive;
        settings.skipFraction = 0.3;
        settings.gate = {.trace = "v", .learnedWeight = false, .training = {.epochs = 4, .sparsity = 0.1, .seed = 9}};
        const auto gated = workFromCommand(evaluateCommand("t", "c", settings));
        QVERIFY(gated && gated->text("gate-trace") == "v" && gated->text("gate-lambda") == "constant" && gated->value("gate-epochs") == 4 && gated->value("skip") == 0.3);
        QVERIFY(workFromCommand(sweepCommand("t", "none", settings, SweepGrid::parse("lambda=0.1,0.2"))));
        QVERIFY(workFromCommand(traceRecordCommand("m", "c", Split::Test, "d", "i", {}, ComputeType::Float32, "n")));
        QVERIFY(workFromCommand(indexBuildCommand("d", {}, "")));
        QVERIFY(workFromCommand(clusterBuildCommand("d", {.states = 4}, "")));
        QVERIFY(workFromCommand(corpusAddCommand({"/a", "/b"}, {.validationPaths = {"/v"}}, "c")));
        QVERIFY(workFromCommand(modelAddCommand("/m", "m")));
    }

    void wrongValuesGetASentenceEach()
    {
        const auto rows = someArtefacts();
        QCOMPARE(sentences(check(Work{WorkKind::AddCorpus, {{"name", "x"}}}, rows)), QStringLiteral("paths: Texts is missing; fill it in."));
        QCOMPARE(sentences(check(Work{WorkKind::AddModel, {{"path", "/not/there"}}}, rows)), QStringLiteral("path: /not/there does not exist; choose it again."));
        QCOMPARE(sentences(check(Work{WorkKind::BuildDatastore, {{"model", "gpt3"}, {"corpus", "manual:validation"}, {"block", "x"}}}, rows)),
                 QStringLiteral("model: There is no model called “gpt3”; choose one of the list.\n"
                                "corpus: The corpus “manual” has no documents in its validation split; choose another, or add the corpus again with a split.\n"
                                "block: Longest window must be a number."));
        QCOMPARE(sentences(check(Work{WorkKind::BuildDatastore, {{"model", "gpt2"}, {"corpus", "manual:train"}, {"block", 64}, {"stride", 100}}}, rows)),
                 QStringLiteral("stride: 100 new tokens do not fit into a window of 64; give at most as many."));
        QVERIFY(sentences(check(Work{WorkKind::TrainModel, {{"corpus", "manual"}}}, rows)).startsWith(QStringLiteral("tokenizer: Choose either a tokenizer")));
        QVERIFY(sentences(check(Work{WorkKind::TrainModel, {{"corpus", "manual"}, {"tokenizer", "words"}, {"hidden", 100}, {"heads", 3}}}, rows)).startsWith(QStringLiteral("hidden: ")));
        QVERIFY(sentences(check(Work{WorkKind::BuildClusters, {{"datastore", "keys"}}}, rows)).startsWith(QStringLiteral("states: States is missing")));
        QVERIFY(sentences(check(Work{WorkKind::BuildIndex, {{"datastore", "keys"}, {"factory", "IVF 4"}}}, rows)).startsWith(QStringLiteral("factory: ")));
        QVERIFY(check(Work{WorkKind::BuildIndex, {{"datastore", "keys"}, {"factory", "IVF4,Flat"}}}, rows).empty());
        const auto trace = readyRow(ArtefactKind::Trace, "t");
        QVERIFY(sentences(check(Work{WorkKind::Sweep, {{"trace", "t"}, {"grid", "nothing=1"}}}, {trace})).startsWith(QStringLiteral("grid: ")));
        QVERIFY(sentences(check(Work{WorkKind::Foss, {{"trace", "t"}, {"min-knns", "0"}}}, {trace})).startsWith(QStringLiteral("min-knns: ")));
    }

    void unfinishedInputsAreRefused()
    {
        auto row = readyRow(ArtefactKind::Datastore, "keys");
        row.state = ArtefactState::Building;
        QCOMPARE(sentences(check(Work{WorkKind::BuildIndex, {{"datastore", "keys"}, {"factory", "exact"}}}, {row})),
                 QStringLiteral("datastore: The datastore “keys” is not finished; finish it first."));
    }

    void corpusIsAddedAndItsTextsArePreviewed()
    {
        ProjectWorld world;
        const Work work{WorkKind::AddCorpus, {{"paths", {world.path("text.txt").string()}}, {"name", "again"}, {"kind", "blank-lines"}, {"split", "train=0.5,validation=0.25,test=0.25"}}};
        // The text lies beside the first world, of which this one is a copy.
        std::ofstream(world.path("text.txt")) << "first document\n\nsecond one\n\nthird\n\nfourth\n";
        QVERIFY(check(work, {}).empty());
        const auto preview = previewCorpus({world.path("text.txt")}, {.kind = CorpusKind::BlankLines}, 2, world.job);
        QCOMPARE(preview.found, 2);
        QVERIFY(!preview.whole);
        QCOMPARE(QString::fromStdString(preview.documents.front().begin).trimmed(), QStringLiteral("first document"));
        const auto outcome = perform(world.project, work, {}, world.job);
        QVERIFY(outcome.artefact);
        QCOMPARE(outcome.message, fmt::format("corpus again: 4 documents (train 2, validation 1, test 1), {}", formatBytes(outcome.artefact->bytes)));
        QCOMPARE(outcome.artefact->info.at("command").get<std::string>(), commandOf(work));
        QCOMPARE(world.project.ledger().jobs().back().command, commandOf(work));
    }

    void previewOfNothingIsRefused()
    {
        const QTemporaryDir empty;
        JobControl job;
        EXPECT_ERROR(previewCorpus({empty.path().toStdString()}, {}, 10, job), ErrorKind::BadInput, "holds no file");
        EXPECT_ERROR(previewCorpus({"/not/there"}, {}, 10, job), ErrorKind::NotFound, "/not/there");
    }

    void indexClustersAndCurvesAreMade()
    {
        ProjectWorld world;
        const auto index = perform(world.project, Work{WorkKind::BuildIndex, {{"datastore", "datastore"}, {"factory", "exact"}, {"name", "second"}}}, {}, world.job);
        QCOMPARE(index.artefact->name, std::string("second"));
        const auto clusters = perform(world.project, Work{WorkKind::BuildClusters, {{"datastore", "datastore"}, {"states", 4}, {"iterations", 2}, {"name", "four"}}}, {}, world.job);
        QCOMPARE(clusters.message, std::string("clusters four: 4 states"));
        const auto sweeping = perform(world.project, Work{WorkKind::Sweep, {{"trace", "trace"}, {"grid", "lambda=0.1,0.5"}, {"k", 16}}}, {}, world.job);
        QVERIFY(sweeping.curve > 0 && sweeping.run > 0);
        const auto curve = perform(world.project, Work{WorkKind::Foss, {{"trace", "trace"}, {"points", 3}, {"clusters", "clusters"}, {"k", 16}}}, {}, world.job);
        QVERIFY2(curve.message.starts_with("3 series of 3 points. AdaptRet is left out. Adaptive retrieval needs another trace"), curve.message.c_str());
        QVERIFY(curve.curve > sweeping.curve);
    }

    void gatesAreLearnedFromAnotherTrace()
    {
        ProjectWorld world;
        world.makeTrace("other", world.train);
        Work work{WorkKind::Foss, {{"trace", "trace"}, {"points", 3}, {"clusters", "clusters"}, {"k", 16}, {"gate-trace", "other"}, {"gate-epochs", 2}}};
        const auto outcome = perform(world.project, work, {}, world.job);
        QCOMPARE(outcome.message, std::string("4 series of 3 points"));
        const auto curve = world.project.ledger().curve(outcome.curve);
        QVERIFY(curve->config["gate"]["trace"] == "other");
        QVERIFY(curve->data["gate"]["features"] == Json({"context", "confidence", "entropy", "frequency", "fertility"}));
        const Json series = curve->data["series"][3];
        QVERIFY(series["name"] == "AdaptRet");
        QCOMPARE(series["points"].size(), std::size_t(3));

        // A point of it is a run whose command repeats it.
        const auto run = *world.project.ledger().run(series["points"][1]["run"].get<std::int64_t>());
        QCOMPARE(run.method, std::string("adaptret"));
        QVERIFY(runValue(run, "lambda").is_null()); // learned
        const auto settings = settingsOf(run);
        QCOMPARE(settings.skipFraction, 0.5);
        QCOMPARE(settings.gate.training.epochs, 2);
        QVERIFY2(QString::fromStdString(run.command).contains("--method adaptret"), run.command.c_str());
        const auto again = evaluate(world.project, "trace", "none", settings, {}, {}, world.job);
        QCOMPARE(again.result.perplexity, run.metrics.value("perplexity", 0.0));
        const auto repeated = workFromCommand(run.command);
        QVERIFY(repeated && perform(world.project, *repeated, {}, world.job).run > run.id);
        QCOMPARE(world.project.ledger().run(again.run)->metrics["perplexity"], run.metrics["perplexity"]);

        work.values["gate-trace"] = "none";
        QCOMPARE(perform(world.project, work, {}, world.job).message, std::string("3 series of 3 points"));
        work.values["gate-trace"] = "trace";
        EXPECT_ERROR(perform(world.project, work, {}, world.job), ErrorKind::BadInput, "the trace that it is judged on");
        const Work alone{WorkKind::Evaluate, {{"trace", "trace"}, {"method", "adaptret"}, {"k", 16}}};
        EXPECT_ERROR(perform(world.project, alone, {}, world.job), ErrorKind::BadInput, "name one with --gate-trace");
    }

    void forecastsGrowWithTheWork()
    {
        const ProjectWorld world;
        const auto index = [&](const char *factory) { return forecastOf(world.project, Work{WorkKind::BuildIndex, {{"datastore", "datastore"}, {"factory", factory}}}); };
        QVERIFY(!index("exact").amount.empty());
        QCOMPARE(index("exact").diskBytes, std::uint64_t(0));
        const auto forecast = forecastClusters({.states = 4096}, 1'000'000, 128);
        QCOMPARE(forecast.diskBytes, std::uint64_t(8'000'000));
        QVERIFY(forecastClusters({.states = 8192}, 1'000'000, 128).memoryBytes > forecast.memoryBytes);
        QVERIFY(forecastIndex({.factory = "IVF16,PQ8"}, 1000, 64).diskBytes < forecastIndex({.factory = "IVF16,Flat"}, 1000, 64).diskBytes);
        EXPECT_ERROR(forecastOf(world.project, Work{WorkKind::BuildIndex, {{"datastore", "no such"}}}), ErrorKind::NotFound, "no such");
    }

    void stagesOfAnEmptyProject()
    {
        const QTemporaryDir folder;
        const Project project = Project::create(folder.filePath(QStringLiteral("empty")).toStdString());
        const auto stages = stageStatus(project);
        QCOMPARE(printed(stages), QStringLiteral("corpus missing | model missing | datastore missing (needs a corpus) (needs a model) | index missing (needs a datastore) | "
                                                 "clusters missing (needs a datastore) | trace missing (needs a corpus) (needs a model) (needs an index) | curves missing (needs a trace)"));
        QVERIFY(std::ranges::none_of(stages, [](const StageStatus &stage) { return stage.next.has_value(); }));
    }

    void stagesFollowTheChain()
    {
        ProjectWorld world;
        auto stages = stageStatus(world.project);
        QCOMPARE(printed(stages), QStringLiteral("corpus ready corpus | model missing | datastore ready datastore | index ready index | clusters ready clusters | trace ready trace | curves missing"));
        QVERIFY(stages.back().next && stages.back().next->kind == WorkKind::Foss);
        // Another datastore is looked at: nothing has been made from it yet.
        const auto other = world.makeDatastore("other", 12);
        stages = stageStatus(world.project);
        QCOMPARE(stages[2].names, (std::vector<std::string>{"other", "datastore"}));
        QVERIFY(printed(stages).contains(QStringLiteral("datastore ready other | index missing | clusters missing | trace missing")));
        QVERIFY(stages[3].next && stages[3].next->text("datastore") == "other");
        stages = stageStatus(world.project, {{Stage::Datastore, "datastore"}});
        QVERIFY(printed(stages).contains(QStringLiteral("datastore ready datastore | index ready index")));
    }

    void unfinishedAndFailedStagesContinue()
    {
        ProjectWorld world;
        Ledger &ledger = world.project.ledger();
        const auto other = world.makeDatastore("other", 12);
        const std::string command = "retoscope-cli index build --datastore other --factory exact --name begun";
        const auto begun = ledger.beginArtefact(ArtefactKind::Index, "begun", "hash", {}, {{"datastore", other.id, other.fingerprint}}, command);
        auto stages = stageStatus(world.project);
        QVERIFY(printed(stages).contains(QStringLiteral("index unfinished begun")));
        QVERIFY(stages[3].next);
        QCOMPARE(commandOf(*stages[3].next), command);
        ledger.failArtefact(begun.id, "The disk is full.");
        stages = stageStatus(world.project);
        QVERIFY(printed(stages).contains(QStringLiteral("index failed begun")));
        QCOMPARE(stages[3].reasons, std::vector<std::string>{"The disk is full."});
    }

    void staleStagesSayWhy()
    {
        ProjectWorld world;
        // The index claims another datastore fingerprint than the one that is there.
        world.project.ledger().finishArtefact(world.datastore.id, world.datastore.folder, "another fingerprint", 1, {});
        const auto stages = stageStatus(world.project, {{Stage::Datastore, "datastore"}});
        const auto stale = std::ranges::find(stages, Stage::Index, &StageStatus::stage);
        QVERIFY(stale->state == StageStatus::State::Stale);
        QVERIFY(!stale->reasons.empty());
    }

    void growingTracesArePublished()
    {
        const ProjectWorld world;
        const auto datastore = world.project.openDatastore(world.datastore);
        const auto trace = world.project.openTrace(world.trace, datastore);
        LiveSource source;
        source.name = "trace";
        source.total = trace->arrays().positions;
        source.tokenizer = std::make_shared<ByteTokenizer>();
        source.datastore = datastore;
        source.clusters = world.project.openClusters(world.clusters);
        source.settings.method = Method::Retomaton;
        std::vector<std::shared_ptr<const LiveProgress>> heard;
        const auto listener = liveTraceListener(source, [&](auto progress) { heard.push_back(std::move(progress)); });
        const auto &whole = trace->arrays();
        const std::int64_t half = whole.positions / 2;
        TraceArrays part = whole;
        part.positions = half;
        const auto cut = [&](auto &array, std::int64_t width) { array = array.first(static_cast<std::size_t>(half * width)); };
        cut(part.targets, 1);
        cut(part.tokenIndices, 1);
        cut(part.documents, 1);
        cut(part.windows, 1);
        cut(part.lmLogProbs, 1);
        cut(part.lmEntropies, 1);
        cut(part.lmTopIds, part.topCandidates);
        cut(part.lmTopLogProbs, part.topCandidates);
        cut(part.queries, part.dimension);
        cut(part.neighbourIds, part.kMax);
        cut(part.indexDistances, part.kMax);
        cut(part.exactDistances, part.kMax);
        listener(part, 0, half);
        listener(part, 0, half); // too soon: not published
        QCOMPARE(heard.size(), std::size_t(1));
        QCOMPARE(heard.front()->positions(), half);
        QCOMPARE(heard.front()->result.logProbs.size(), static_cast<std::size_t>(half));
        QCOMPARE(heard.front()->targetText(3), std::string_view(heard.front()->text).substr(3, 1));
        listener(whole, half, whole.positions); // the last one always is
        QCOMPARE(heard.size(), std::size_t(2));
        QCOMPARE(heard.back()->positions(), whole.positions);
        QVERIFY(heard.back()->result.searches > 0 && heard.back()->result.perplexity > 1);
        QVERIFY(!liveTraceListener(source, {}));
    }

    void liveEvaluationsAreCutWhereTheyAre()
    {
        const ProjectWorld world;
        const auto trace = world.project.openTrace(world.trace, world.project.openDatastore(world.datastore));
        std::shared_ptr<const LiveProgress> heard;
        LiveSource source;
        source.name = "trace";
        const auto listener = liveEvaluationListener(source, trace, [&](auto progress) { heard = std::move(progress); });
        EvaluationResult soFar;
        soFar.logProbs.assign(static_cast<std::size_t>(trace->arrays().positions), std::nanf(""));
        soFar.knnLogProbs = soFar.logProbs;
        soFar.searched.assign(soFar.logProbs.size(), 0);
        soFar.candidates.assign(soFar.logProbs.size(), 0);
        soFar.survivors = soFar.candidates;
        soFar.logProbs[4] = -1;
        listener(soFar);
        QCOMPARE(heard->positions(), std::int64_t(5));
        QCOMPARE(heard->targetText(0), std::string_view(fmt::format("[{}]", trace->arrays().targets[0])));
    }
};

QTEST_MAIN(TestWork)
#include "tst_work.moc"
