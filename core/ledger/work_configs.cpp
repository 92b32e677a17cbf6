// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/work_configs.h"

#include "base/error.h"
#include "ledger/command_line.h"

namespace fs = std::filesystem;

namespace retoscope {

namespace {

template<typename T>
T number(const Work &work, std::string_view option)
{
    return work.value(option).get<T>();
}

bool isSet(const Work &work, std::string_view option)
{
    return work.value(option) == true;
}

std::vector<std::string> textsOf(const Work &work, std::string_view option)
{
    return work.value(option).get<std::vector<std::string>>();
}

WindowScheme windowsOf(const Work &work)
{
    const WindowScheme scheme = Json{{"block", work.value("block")}, {"stride", work.value("stride")}, {"mode", work.value("window-mode")}, {"tail", work.value("window-tail")}};
    if (scheme.stride > scheme.block)
        fail(ErrorKind::BadInput, "{} new tokens do not fit into a window of {}; give at most as many.", scheme.stride, scheme.block);
    return scheme;
}

} // namespace

SplitName splitNameOf(const std::string &text, Split standard)
{
    const auto colon = text.rfind(':');
    if (colon == std::string::npos)
        return {text, standard};
    return {text.substr(0, colon), splitFromString(text.substr(colon + 1))};
}

std::vector<fs::path> pathsOf(const Work &work, std::string_view option)
{
    const auto texts = textsOf(work, option);
    return {texts.begin(), texts.end()};
}

CorpusOptions corpusOptionsOf(const Work &work)
{
    CorpusOptions options;
    options.kind = corpusKindFromString(work.text("kind"));
    options.field = work.text("field");
    options.titleField = work.text("title-field");
    options.validationPaths = textsOf(work, "validation");
    options.testPaths = textsOf(work, "test");
    if (const auto split = work.text("split"); !split.empty()) {
        if (!options.validationPaths.empty() || !options.testPaths.empty())
            fail(ErrorKind::BadInput, "Give either fractions or the texts of the splits, not both.");
        readSplitFractions(split, options);
    }
    return options;
}

SentencePieceTraining tokenizerTrainingOf(const Work &work)
{
    SentencePieceTraining training;
    training.vocabularySize = number<std::int32_t>(work, "vocabulary");
    training.type = work.text("type");
    training.characterCoverage = number<double>(work, "character-coverage");
    training.maximalLines = number<std::int64_t>(work, "max-lines");
    training.seed = number<std::uint64_t>(work, "seed");
    return Json(training).get<SentencePieceTraining>(); // its strict reader knows what is possible
}

TrainConfig trainConfigOf(const Work &work)
{
    TrainConfig config;
    auto &model = config.model;
    model.layers = number<std::int32_t>(work, "layers");
    model.hiddenSize = number<std::int32_t>(work, "hidden");
    model.heads = number<std::int32_t>(work, "heads");
    model.keyValueHeads = number<std::int32_t>(work, "kv-heads");
    model.feedForwardSize = number<std::int32_t>(work, "feed-forward");
    model.contextLength = number<std::int32_t>(work, "context");
    model.tiedHead = !isSet(work, "untied-head");
    if (work.text("model").empty())
        model = completedLlama(model);
    config.sequenceLength = number<std::int64_t>(work, "sequence");
    config.batchSequences = number<std::int64_t>(work, "batch");
    config.accumulation = number<std::int64_t>(work, "accumulation");
    config.steps = number<std::int64_t>(work, "steps");
    config.epochs = number<double>(work, "epochs");
    config.learningRate = number<double>(work, "learning-rate");
    config.minLearningRateFraction = number<double>(work, "min-learning-rate");
    config.warmupSteps = number<std::int64_t>(work, "warmup");
    config.weightDecay = number<double>(work, "weight-decay");
    config.clipNorm = number<double>(work, "clip");
    config.dropout = number<double>(work, "dropout");
    config.seed = number<std::uint64_t>(work, "seed");
    config.evaluateEvery = number<std::int64_t>(work, "evaluate-every");
    config.validationTokens = number<std::int64_t>(work, "validation-tokens");
    config.patience = number<std::int64_t>(work, "patience");
    config.keepBest = !isSet(work, "keep-last");
    config.compute = computeTypeFromString(work.text("compute"));
    config.storeType = computeTypeFromString(work.text("store"));
    if (work.text("model").empty() && config.sequenceLength > model.contextLength)
        fail(ErrorKind::BadInput, "Sequences of {} tokens are longer than the context of {}; shorten them or lengthen the context.", config.sequenceLength, model.contextLength);
    return config;
}

DatastoreConfig datastoreConfigOf(const Work &work)
{
    DatastoreConfig config;
    config.tap.place = tapPlaceFromString(work.text("tap"));
    config.tap.layer = number<std::int32_t>(work, "layer");
    config.keyType = keyTypeFromString(work.text("key-type"));
    config.batchTokens = number<std::int32_t>(work, "batch-tokens");
    config.windows = windowsOf(work);
    return config;
}

IndexConfig indexConfigOf(const Work &work)
{
    IndexConfig config;
    config.factory = work.text("factory");
    config.metric = metricFromString(work.text("metric"));
    config.trainSample = number<std::int64_t>(work, "train-sample");
    config.seed = number<std::uint64_t>(work, "seed");
    config.recallSample = number<std::int64_t>(work, "recall-sample");
    config.recallAt = number<std::int32_t>(work, "recall-at");
    return config;
}

ClusterConfig clusterConfigOf(const Work &work)
{
    ClusterConfig config;
    config.states = number<std::int32_t>(work, "states");
    config.iterations = number<std::int32_t>(work, "iterations");
    config.sample = number<std::int64_t>(work, "sample");
    config.seed = number<std::uint64_t>(work, "seed");
    return config;
}

TraceConfig traceConfigOf(const Work &work)
{
    TraceConfig config;
    config.k = number<std::int32_t>(work, "k");
    config.search.nprobe = number<std::int32_t>(work, "nprobe");
    config.search.efSearch = number<std::int32_t>(work, "ef-search");
    config.topCandidates = number<std::int32_t>(work, "top-candidates");
    config.maxPositions = number<std::int64_t>(work, "max-positions");
    config.windows = windowsOf(work);
    return config;
}

EvaluationSettings settingsOf(const Work &work)
{
    EvaluationSettings settings;
    settings.method = methodFromString(work.text("method"));
    settings.lambda = number<double>(work, "lambda");
    settings.temperature = number<double>(work, "temperature");
    settings.k = number<std::int32_t>(work, "k");
    settings.distances = work.text("distances") == "index" ? DistanceSource::Index : DistanceSource::Exact;
    settings.skipFraction = number<double>(work, "skip");
    settings.skipSeed = number<std::uint64_t>(work, "skip-seed");
    settings.gate.trace = work.text("gate-trace");
    settings.gate.learnedWeight = work.text("gate-lambda") != "constant";
    settings.gate.training.sparsity = number<double>(work, "gate-sparsity");
    settings.gate.training.epochs = number<std::int32_t>(work, "gate-epochs");
    settings.gate.training.seed = number<std::uint64_t>(work, "gate-seed");
    settings.referenceBatch = number<std::int32_t>(work, "reference-batch");
    settings.referenceSimilarity = work.text("reference-similarity") == "dot" ? ReferenceSimilarity::Dot : ReferenceSimilarity::L2;
    settings.useClusters = work.text("clusters") != "none";
    auto &automaton = settings.automaton;
    if (work.text("semantics") == "reference")
        automaton = AutomatonSettings::reference();
    automaton.minKnns = minKnnsFromString(work.text("min-knns"));
    automaton.maxKnns = number<std::int32_t>(work, "max-knns");
    automaton.count = work.text("count") == "states" ? CountRule::States : CountRule::Entries;
    automaton.order = work.text("order") == "random" ? StateOrder::Random : StateOrder::Count;
    automaton.seed = number<std::uint64_t>(work, "seed");
    automaton.pointers = !isSet(work, "no-pointers");
    if (const auto ties = work.text("ties"); !ties.empty())
        automaton.ties = ties == "stable" ? TieOrder::Stable : TieOrder::StdSort;
    validate(settings);
    return settings;
}

SweepGrid gridOf(const Work &work)
{
    const SweepGrid grid = SweepGrid::parse(work.text("grid"));
    for (std::size_t i = 0; i < grid.size(); ++i)
        static_cast<void>(grid.at(i, EvaluationSettings()));
    return grid;
}

LoadOptions loadOptionsOf(const Work &work)
{
    return {computeTypeFromString(work.text("compute")), work.text("device")};
}

std::string clustersOf(const Work &work)
{
    // A grid may turn RetoMaton on where the options do not.
    const bool walks = work.text("method") == "retomaton" || work.text("grid").find("method") != std::string::npos || work.kind == WorkKind::Foss;
    return walks ? work.text("clusters") : "none";
}

} // namespace retoscope
