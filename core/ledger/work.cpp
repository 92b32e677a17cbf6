// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/work.h"

#include "base/error.h"
#include "ledger/command_line.h"
#include "ledger/work_configs.h"

#include <algorithm>
#include <cmath>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

using Type = WorkParameter::Type;
using Parameters = std::vector<WorkParameter>;

constexpr double anyCount = 1 << 28;
constexpr auto program = "retoscope-cli";

WorkParameter text(const char *option, const char *label, const char *help, std::vector<std::string> suggestions = {}, const char *standard = "")
{
    return {.option = option, .type = Type::Text, .label = label, .help = help, .standard = standard, .choices = std::move(suggestions)};
}
WorkParameter integer(const char *option, const char *label, const char *help, std::int64_t standard, double least = 0, double most = anyCount)
{
    return {.option = option, .type = Type::Integer, .label = label, .help = help, .standard = standard, .least = least, .most = most};
}
WorkParameter real(const char *option, const char *label, const char *help, double standard, double least, double most)
{
    return {.option = option, .type = Type::Real, .label = label, .help = help, .standard = standard, .least = least, .most = most};
}
WorkParameter flag(const char *option, const char *label, const char *help)
{
    return {.option = option, .type = Type::Flag, .label = label, .help = help, .standard = false};
}
WorkParameter choice(const char *option, const char *label, const char *help, std::vector<std::string> choices, const char *standard)
{
    return {.option = option, .type = Type::Choice, .label = label, .help = help, .standard = standard, .choices = std::move(choices)};
}
WorkParameter artefact(const char *option, const char *label, const char *help, ArtefactKind kind)
{
    return {.option = option, .type = Type::Artefact, .label = label, .help = help, .standard = "", .artefact = kind};
}
WorkParameter corpusSplit(const char *help, const char *standard)
{
    WorkParameter parameter{.option = "corpus", .type = Type::CorpusSplit, .label = "Corpus and split", .help = help, .standard = ""};
    parameter.choices = {standard};
    parameter.required = true;
    return parameter;
}
WorkParameter path(const char *option, const char *label, const char *help, Type type = Type::Path)
{
    return {.option = option, .type = type, .label = label, .help = help, .standard = type == Type::Paths ? Json::array() : Json("")};
}
WorkParameter required(WorkParameter parameter)
{
    parameter.required = true;
    return parameter;
}
WorkParameter positional(WorkParameter parameter)
{
    parameter.positional = parameter.required = true;
    return parameter;
}
WorkParameter advanced(WorkParameter parameter)
{
    parameter.group = WorkParameter::Group::Advanced;
    return parameter;
}

WorkParameter name(const char *what = "Name of what is made; chosen from its inputs when it is empty.")
{
    return text("name", "Name", what);
}
WorkParameter force()
{
    return advanced(flag("force", "Try nevertheless", "Go on although the forecast says that disk or memory cannot hold it."));
}

void append(Parameters &to, Parameters more)
{
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

Parameters computeParameters()
{
    return {choice("compute", "Precision", "Of the computation: fp32, or bf16, which is faster where the processor has it.", {"fp32", "bf16"}, "fp32"),
            advanced(text("device", "Device", "cpu, cuda or cuda:N.", {"cpu", "cuda"}, "cpu"))};
}

Parameters windowParameters()
{
    const WindowScheme standard;
    return {integer("block", "Longest window", "Context and targets of one forward pass, tokens.", standard.block, 2, 1 << 20),
            integer("stride", "New tokens per window", "1 to the longest window; fewer give each target a longer context.", standard.stride, 1, 1 << 20),
            advanced(choice("window-mode", "Windows", "stream: documents run on; document: windows never cross a document.", {"stream", "document"}, "stream")),
            advanced(choice("window-tail", "Last window", "Keep or drop one that is not whole.", {"keep", "drop"}, "keep")),
            advanced(choice("document-start", "Document start", "What stands before each document: its BOS where there is one, or nothing.", {"auto", "bos", "none"}, "auto"))};
}

Parameters evaluationParameters(const char *method)
{
    const EvaluationSettings standard;
    return {choice("method", "Method", "The language model alone, kNN-LM, RetoMaton or AdaptRet.", {"base", "knnlm", "retomaton", "adaptret"}, method),
            real("lambda", "λ", "Weight of the kNN side, 0 to 1.", standard.lambda, 0, 1),
            real("temperature", "T", "Temperature of the kNN softmax, above 0.", standard.temperature, 1e-9, 1e9),
            integer("k", "k", "Neighbours per search; at most what the trace recorded.", standard.k, 1),
            text("min-knns", "min_knns", "Search when fewer pointers survive; inf searches always.", {"1", "16", "64", "inf"}, "1"),
            integer("max-knns", "max_knns", "Most candidates that pointers may bring.", AutomatonSettings().maxKnns, 1, AutomatonSettings::maximalKnns),
            artefact("clusters", "Clusters", "The states of RetoMaton; “none” follows pointers alone.", ArtefactKind::Clusters),
            advanced(choice("distances", "Distances", "exact (from the stored keys) or index (as the index returned them).", {"exact", "index"}, "exact")),
            advanced(choice("semantics", "Semantics", "corrected, or reference: the released code, bugs included.", {"corrected", "reference"}, "corrected")),
            advanced(choice("count", "min_knns counts", "Surviving entries (released code) or states (paper).", {"entries", "states"}, "entries")),
            advanced(choice("order", "States extend by", "count: most pointed to first; or random.", {"count", "random"}, "count")),
            advanced(integer("seed", "Seed of that order", "For “random”.", 1, 0, 9e15)),
            advanced(flag("no-pointers", "Follow no pointers", "Ablation: every position is searched.")),
            advanced(choice("ties", "Ties", "stable, or std_sort as the released code has them.", {"", "stable", "std_sort"}, "")),
            advanced(real("skip", "Skipped", "Share of the positions that use the LM alone: kNN-LM at random, AdaptRet by its gate.", 0, 0, 1)),
            advanced(integer("skip-seed", "Seed of that draw", "For the random skipping.", 1, 0, 9e15)),
            advanced(artefact("gate-trace", "Gate learns from", "AdaptRet: a trace of the validation split; empty: the only one there is.", ArtefactKind::Trace)),
            advanced(choice("gate-lambda", "Gate's λ", "AdaptRet: learned for each position, or constant.", {"learned", "constant"}, "learned")),
            advanced(real("gate-sparsity", "Gate's sparsity", "AdaptRet: weight of the mean λ in the loss.", GateTraining().sparsity, 0, 100)),
            advanced(integer("gate-epochs", "Gate's epochs", "AdaptRet: at most so many.", GateTraining().epochs, 1, 10000)),
            advanced(integer("gate-seed", "Gate's seed", "AdaptRet: of weights, dropout and the part that is held out.", 1, 0, 9e15)),
            advanced(choice("reference-similarity", "Similarity", "Reference semantics only: l2, or dot with the sign of the released code.", {"l2", "dot"}, "l2")),
            advanced(integer("reference-batch", "Windows per call", "Reference semantics only.", 1, 1, 1 << 20))};
}

Parameters withEvaluation(Parameters first, const char *method)
{
    append(first, evaluationParameters(method));
    return first;
}

WorkDescription addCorpusWork()
{
    return {WorkKind::AddCorpus, "corpus add", "Add a corpus",
            {positional(path("paths", "Texts", "Files and folders, also .gz.", Type::Paths)),
             required(name("Name of the corpus.")),
             choice("kind", "Kind", "By file name, a document per file, documents between blank lines, WikiText headings, a JSON object per line, or pages.",
                    {"auto", "text", "blank-lines", "wikitext", "jsonl", "html"}, "auto"),
             text("field", "Text field", "JSONL: the field that holds the text.", {}, "text"),
             text("title-field", "Title field", "JSONL: the field that holds the title.", {}, "title"),
             text("split", "Split", "Fractions by document; empty: all is train.", {"", "train=0.8,validation=0.1,test=0.1", "train=0.9,validation=0.05,test=0.05"}),
             advanced(path("validation", "Validation texts", "Files and folders of the validation split, instead of fractions.", Type::Paths)),
             advanced(path("test", "Test texts", "Files and folders of the test split, instead of fractions.", Type::Paths))}};
}

WorkDescription addModelWork()
{
    return {WorkKind::AddModel, "model add", "Add a model",
            {positional(path("path", "Model", "Folder with config.json and weights, or a llama2.c .bin file. It stays where it is.")),
             path("tokenizer", "Tokenizer", "Folder or file, when it does not lie beside the weights."), name()}};
}

WorkDescription trainTokenizerWork()
{
    const SentencePieceTraining standard;
    return {WorkKind::TrainTokenizer, "tokenizer train", "Train a tokenizer",
            {required(artefact("corpus", "Corpus", "Its train split is read.", ArtefactKind::Corpus)),
             integer("vocabulary", "Vocabulary", "Number of tokens.", standard.vocabularySize, 260, 1 << 22),
             choice("type", "Type", "Byte-pair encoding or a unigram model.", {"bpe", "unigram"}, "bpe"), name(),
             advanced(real("character-coverage", "Character coverage", "Share of the characters that get a token; the others become bytes.", standard.characterCoverage, 0, 1)),
             advanced(integer("max-lines", "Lines read", "Longer corpora are sampled by line; 0: all.", standard.maximalLines, 0, 1e12)),
             advanced(integer("seed", "Seed", "Of that sample.", 1, 0, 9e15))}};
}

WorkDescription trainModelWork()
{
    const TrainConfig standard;
    const double size = 1 << 20;
    return {WorkKind::TrainModel, "train", "Train a model",
            {required(artefact("corpus", "Corpus", "It needs a validation split, by which the best weights are chosen.", ArtefactKind::Corpus)),
             artefact("tokenizer", "Tokenizer", "Train from scratch with this one …", ArtefactKind::Tokenizer),
             artefact("model", "Model", "… or fine-tune this one.", ArtefactKind::Model),
             name(),
             integer("layers", "Layers", "Blocks; from scratch.", 6, 1, size),
             integer("hidden", "Hidden size", "From scratch; a multiple of the heads.", 256, 1, size),
             integer("heads", "Heads", "Attention heads; from scratch.", 8, 1, size),
             integer("context", "Context", "Longest context, tokens; from scratch.", 512, 2, size),
             real("epochs", "Epochs", "Passes over the train split.", standard.epochs, 0, 1e6),
             real("learning-rate", "Learning rate", "After the warm-up.", standard.learningRate, 0, 10),
             integer("sequence", "Sequence", "Tokens per sequence.", standard.sequenceLength, 2, size),
             integer("batch", "Batch", "Sequences per batch.", standard.batchSequences, 1, size),
             advanced(integer("steps", "Steps", "Of the optimiser; 0: by epochs.", 0, 0, 1e12)),
             advanced(integer("accumulation", "Accumulation", "Batches per step.", standard.accumulation, 1, size)),
             advanced(real("min-learning-rate", "Last learning rate", "Where the cosine ends, as a share of the learning rate.", standard.minLearningRateFraction, 0, 1)),
             advanced(integer("warmup", "Warm-up", "Steps.", standard.warmupSteps, 0, 1e9)),
             advanced(real("weight-decay", "Weight decay", "Of matrices.", standard.weightDecay, 0, 10)),
             advanced(real("clip", "Clip norm", "To which the gradient is clipped; 0: none.", standard.clipNorm, 0, 1e6)),
             advanced(real("dropout", "Dropout", "Of embeddings, attention and residuals.", standard.dropout, 0, 0.9)),
             advanced(integer("evaluate-every", "Validate every", "Steps; the state is saved as often.", standard.evaluateEvery, 1, 1e9)),
             advanced(integer("validation-tokens", "Validation tokens", "At most so many; 0: all.", standard.validationTokens, 0, 1e12)),
             advanced(integer("patience", "Patience", "Validations without improvement before it stops; 0: never.", standard.patience, 0, 1e9)),
             advanced(flag("keep-last", "Keep the last weights", "Instead of the best.")),
             advanced(integer("kv-heads", "Key-value heads", "0: as many as heads.", 0, 0, size)),
             advanced(integer("feed-forward", "Feed-forward size", "0: 8/3 of the hidden size.", 0, 0, size)),
             advanced(flag("untied-head", "Untied head", "An output matrix of its own.")),
             advanced(choice("compute", "Precision", "Of the matrix products.", {"fp32", "bf16"}, "bf16")),
             advanced(choice("store", "Stored as", "Weights as written.", {"fp32", "bf16"}, "fp32")),
             advanced(integer("seed", "Seed", "Of weights, order and dropout.", 1, 0, 9e15))}};
}

WorkDescription buildDatastoreWork()
{
    Parameters parameters = {required(artefact("model", "Model", "Its hidden states become the keys.", ArtefactKind::Model)),
                             corpusSplit("What is stored; usually the train split.", "train"), name(),
                             choice("tap", "Key", "Activation that is the key.",
                                    {"ffn_input", "ffn_input_pre_norm", "attention_input", "attention_input_pre_norm", "block_output", "head_input"}, "ffn_input"),
                             advanced(integer("layer", "Layer", "Of the key; negative counts from the last.", -1, -1000, 1000)),
                             choice("key-type", "Keys on disk", "fp16 needs half the space.", {"fp16", "fp32"}, "fp16")};
    append(parameters, computeParameters());
    append(parameters, windowParameters());
    append(parameters, {advanced(integer("batch-tokens", "Batch", "Tokens per forward pass; changes nothing but the speed.", DatastoreConfig().batchTokens, 1)), force()});
    return {WorkKind::BuildDatastore, "datastore build", "Build a datastore", std::move(parameters)};
}

WorkDescription buildIndexWork()
{
    const IndexConfig standard;
    return {WorkKind::BuildIndex, "index build", "Build an index",
            {required(artefact("datastore", "Datastore", "Whose keys are searched.", ArtefactKind::Datastore)),
             required(text("factory", "Factory", "“exact”, or a FAISS factory string such as IVF256,PQ32.", {"exact", "IVF256,Flat", "IVF1024,PQ32", "OPQ16_64,IVF1024,PQ16", "HNSW32"})),
             name(),
             integer("train-sample", "Keys for training", "Drawn at random; 0: all, at most 1,000,000.", standard.trainSample, 0, 1e12),
             choice("metric", "Metric", "Squared L2 or the inner product.", {"l2", "ip"}, "l2"),
             advanced(integer("seed", "Seed", "Of that sample.", 1, 0, 9e15)),
             advanced(integer("recall-sample", "Queries for recall", "Recall is measured against exact search with so many; 0: not at all.", standard.recallSample, 0, 1e9)),
             advanced(integer("recall-at", "Recall at", "Neighbours of that measurement.", standard.recallAt, 1, 1e6)), force()}};
}

WorkDescription buildClustersWork()
{
    const ClusterConfig standard;
    WorkParameter states = required(integer("states", "States", "Number of clusters; N/100 to N/200 is the usual choice.", 0, 1));
    states.standard = nullptr;
    return {WorkKind::BuildClusters, "cluster build", "Cluster the keys",
            {required(artefact("datastore", "Datastore", "Whose keys become states.", ArtefactKind::Datastore)), states, name(),
             integer("iterations", "Iterations", "Of k-means.", standard.iterations, 1, 10000),
             integer("sample", "Keys for training", "Drawn at random; 0: all.", standard.sample, 0, 1e12), advanced(integer("seed", "Seed", "Of sample and start.", 1, 0, 9e15)),
             force()}};
}

WorkDescription recordTraceWork()
{
    const TraceConfig standard;
    Parameters parameters = {required(artefact("model", "Model", "The one of the datastore.", ArtefactKind::Model)),
                             corpusSplit("What is evaluated; the validation or test split.", "test"),
                             required(artefact("datastore", "Datastore", "That is searched.", ArtefactKind::Datastore)),
                             required(artefact("index", "Index", "That finds the neighbours.", ArtefactKind::Index)), name(),
                             integer("k", "k", "Neighbours recorded per position.", standard.k, 1, 1 << 20),
                             integer("nprobe", "Lists searched (nprobe)", "0: the index's default.", standard.search.nprobe, 0, 1e6),
                             advanced(integer("ef-search", "efSearch", "HNSW: width of the search; 0: default.", standard.search.efSearch, 0, 1e6)),
                             advanced(integer("top-candidates", "LM candidates", "Most probable tokens kept per position.", standard.topCandidates, 0, 1e6)),
                             integer("max-positions", "Positions", "Only the first so many; 0: all.", standard.maxPositions, 0, 1e12)};
    append(parameters, computeParameters());
    append(parameters, windowParameters());
    append(parameters, {force()});
    return {WorkKind::RecordTrace, "trace record", "Record a trace", std::move(parameters)};
}

WorkParameter traceParameter()
{
    return required(artefact("trace", "Trace", "The evaluation that is replayed.", ArtefactKind::Trace));
}

WorkDescription evaluateWork()
{
    return {WorkKind::Evaluate, "evaluate", "Evaluate",
            withEvaluation({traceParameter(), name("Name of the run."), flag("live", "Live", "Run the model and the index again and really skip the saved searches."),
                            integer("max-positions", "Positions", "Live only: stop after so many; 0: as the trace.", 0, 0, 1e12),
                            advanced(text("device", "Device", "Live only: cpu, cuda or cuda:N.", {"cpu", "cuda"}, "cpu"))},
                           "knnlm")};
}

WorkDescription sweepWork()
{
    return {WorkKind::Sweep, "sweep", "Sweep a grid",
            withEvaluation({traceParameter(),
                            required(text("grid", "Grid", "Parameters with values: a list, or begin:end:step.",
                                          {"lambda=0.1:0.6:0.1;temperature=1,5,10,20,50", "method=retomaton;min_knns=1,16,64,256,inf", "k=16,64,256,1024"})),
                            name("Name of the sweep.")},
                           "knnlm")};
}

WorkDescription fossWork()
{
    return {WorkKind::Foss, "foss", "Draw the FoSS curve",
            withEvaluation({traceParameter(), integer("points", "Points", "Per series.", 12, 2, 1000), name("Name of the curve.")}, "retomaton")};
}

WorkDescription runProjectWork()
{
    return {WorkKind::RunProject, "run", "Run all", {positional(path("projectfile", "Description", "The project description.")), force()}};
}

const std::vector<WorkDescription> &allWork()
{
    static const std::vector<WorkDescription> all = {addCorpusWork(),     addModelWork(),    trainTokenizerWork(), trainModelWork(), buildDatastoreWork(), buildIndexWork(),
                                                     buildClustersWork(), recordTraceWork(), evaluateWork(),       sweepWork(),      fossWork(),           runProjectWork()};
    return all;
}

std::string wordOf(const Json &value)
{
    if (value.is_string())
        return value.get<std::string>();
    return value.is_number_float() ? fmt::format("{}", value.get<double>()) : value.dump();
}

/// The words of a POSIX shell command: quotes and backslashes removed. Nothing when a quote is not closed.
std::optional<std::vector<std::string>> shellWords(std::string_view command)
{
    std::vector<std::string> words;
    std::string word;
    bool inWord = false;
    char quote = 0;
    for (std::size_t i = 0; i < command.size(); ++i) {
        const char c = command[i];
        if (quote) {
            if (c == quote)
                quote = 0;
            else
                word += c;
        } else if (c == '\'' || c == '"') {
            quote = c;
            inWord = true;
        } else if (c == '\\' && i + 1 < command.size()) {
            word += command[++i];
            inWord = true;
        } else if (c == ' ' || c == '\t' || c == '\n') {
            if (inWord)
                words.push_back(std::move(word));
            word.clear();
            inWord = false;
        } else {
            word += c;
            inWord = true;
        }
    }
    if (quote)
        return std::nullopt;
    if (inWord)
        words.push_back(std::move(word));
    return words;
}

/// A JSON number of the whole word; null when it is none.
Json numberFrom(const std::string &word, Type type)
{
    char *end = nullptr;
    const double number = std::strtod(word.c_str(), &end);
    if (word.empty() || *end != '\0' || !std::isfinite(number))
        return nullptr;
    if (type == Type::Integer)
        return std::floor(number) == number ? Json(static_cast<std::int64_t>(number)) : Json(nullptr);
    return number;
}

/// Reads the words after the command's name.
class CommandReader
{
public:
    CommandReader(const WorkDescription &description, std::vector<std::string> words) : m_description(description), m_words(std::move(words)) {}

    std::optional<Work> read()
    {
        m_work.kind = m_description.kind;
        while (m_next < m_words.size()) {
            const std::string word = m_words[m_next++];
            if (!(word.starts_with("--") ? readOption(word) : readPositional(word)))
                return std::nullopt;
        }
        return std::move(m_work);
    }

private:
    bool readOption(const std::string &word)
    {
        const auto equals = word.find('=');
        const std::string option = word.substr(2, equals == std::string::npos ? equals : equals - 2);
        const auto given = equals == std::string::npos ? std::nullopt : std::optional(word.substr(equals + 1));
        if (option == "project" || option == "threads") { // general options say nothing about the work
            m_next += given ? 0 : 1;
            return true;
        }
        if (option == "json")
            return true;
        const WorkParameter *parameter = m_description.find(option);
        if (!parameter || parameter->positional)
            return false;
        if (parameter->type == Type::Flag)
            return assign(*parameter, true);
        if (given)
            return store(*parameter, *given);
        if (m_next >= m_words.size())
            return false;
        bool read = store(*parameter, m_words[m_next++]);
        while (read && parameter->type == Type::Paths && m_next < m_words.size() && !m_words[m_next].starts_with("--"))
            read = store(*parameter, m_words[m_next++]);
        return read;
    }

    bool readPositional(const std::string &word)
    {
        const auto found = std::ranges::find_if(m_description.parameters, &WorkParameter::positional);
        return found != m_description.parameters.end() && store(*found, word);
    }

    bool store(const WorkParameter &parameter, const std::string &word)
    {
        switch (parameter.type) {
        case Type::Integer:
        case Type::Real: {
            Json number = numberFrom(word, parameter.type);
            return !number.is_null() && assign(parameter, std::move(number));
        }
        case Type::Paths:
            m_work.values[parameter.option].push_back(word);
            return true;
        default:
            return assign(parameter, word);
        }
    }

    bool assign(const WorkParameter &parameter, Json value)
    {
        if (value != parameter.standard)
            m_work.values[parameter.option] = std::move(value);
        return true;
    }

    const WorkDescription &m_description;
    std::vector<std::string> m_words;
    std::size_t m_next = 0;
    Work m_work;
};

/// The checks of one value by its type.
class Checker
{
public:
    Checker(const Work &work, const std::vector<ArtefactRow> &artefacts) : m_work(work), m_artefacts(artefacts) {}

    std::vector<FieldError> check()
    {
        for (const auto &parameter : describe(m_work.kind).parameters)
            checkOne(parameter);
        if (m_errors.empty())
            checkTogether();
        return std::move(m_errors);
    }

private:
    void add(const std::string &option, std::string sentence) { m_errors.push_back({option, std::move(sentence)}); }

    void checkOne(const WorkParameter &parameter)
    {
        const Json &value = m_work.value(parameter.option);
        if (value.is_null() || value == "" || (value.is_array() && value.empty())) {
            if (parameter.required)
                add(parameter.option, fmt::format("{} is missing; {}.", parameter.label, parameter.type == Type::Artefact ? "choose one, or make one first" : "fill it in"));
            return;
        }
        switch (parameter.type) {
        case Type::Integer:
        case Type::Real:
            checkNumber(parameter, value);
            break;
        case Type::Choice:
            if (std::ranges::find(parameter.choices, wordOf(value)) == parameter.choices.end())
                add(parameter.option, fmt::format("“{}” is not known here; choose one of the list.", wordOf(value)));
            break;
        case Type::Path:
            checkPath(parameter, wordOf(value));
            break;
        case Type::Paths:
            for (const auto &one : value)
                checkPath(parameter, wordOf(one));
            break;
        case Type::Artefact:
            if (!(value == "none" && (parameter.option == "clusters" || parameter.option == "gate-trace")))
                requireReady(parameter.option, parameter.artefact, wordOf(value));
            break;
        case Type::CorpusSplit:
            checkSplit(parameter, wordOf(value));
            break;
        case Type::Flag:
        case Type::Text:
            break;
        }
    }

    void checkNumber(const WorkParameter &parameter, const Json &value)
    {
        if (!value.is_number())
            add(parameter.option, fmt::format("{} must be a number.", parameter.label));
        else if (const double number = value.get<double>(); number < parameter.least || number > parameter.most)
            add(parameter.option, fmt::format("{} is {}; give a number from {} to {}.", parameter.label, wordOf(value), parameter.least, parameter.most));
    }

    void checkPath(const WorkParameter &parameter, const std::string &path)
    {
        std::error_code code;
        if (!fs::exists(path, code))
            add(parameter.option, fmt::format("{} does not exist; choose it again.", path));
    }

    const ArtefactRow *requireReady(const std::string &option, ArtefactKind kind, const std::string &name)
    {
        const ArtefactRow *found = find(kind, name);
        if (!found)
            add(option, fmt::format("There is no {} called “{}”; choose one of the list.", toString(kind), name));
        else if (found->state != ArtefactState::Ready)
            add(option, fmt::format("The {} “{}” is not finished; finish it first.", toString(kind), name));
        else
            return found;
        return nullptr;
    }

    void checkSplit(const WorkParameter &parameter, const std::string &text)
    {
        try {
            const auto [corpus, split] = splitNameOf(text, Split::Train);
            const ArtefactRow *row = requireReady(parameter.option, ArtefactKind::Corpus, corpus);
            if (!row || !row->info.contains("splits"))
                return;
            if (row->info["splits"].value(std::string(toString(split)), 0) == 0)
                add(parameter.option, fmt::format("The corpus “{}” has no documents in its {} split; choose another, or add the corpus again with a split.", corpus, toString(split)));
        } catch (const Error &error) {
            add(parameter.option, error.what());
        }
    }

    /// Values that must fit each other: the field that is easiest to change gets the sentence.
    void checkTogether()
    {
        const auto tried = [&](const char *option, auto &&make) {
            try {
                static_cast<void>(make(m_work));
            } catch (const Error &error) {
                add(option, error.what());
            }
        };
        switch (m_work.kind) {
        case WorkKind::AddCorpus: tried("split", corpusOptionsOf); break;
        case WorkKind::TrainTokenizer: tried("vocabulary", tokenizerTrainingOf); break;
        case WorkKind::TrainModel:
            if (m_work.text("tokenizer").empty() == m_work.text("model").empty())
                add("tokenizer", "Choose either a tokenizer (train from scratch) or a model (fine-tune it).");
            tried("hidden", trainConfigOf);
            break;
        case WorkKind::BuildDatastore: tried("stride", datastoreConfigOf); break;
        case WorkKind::RecordTrace:
            tried("stride", traceConfigOf);
            requireMadeFrom("index", ArtefactKind::Index, "datastore", ArtefactKind::Datastore);
            requireMadeFrom("datastore", ArtefactKind::Datastore, "model", ArtefactKind::Model);
            break;
        case WorkKind::BuildIndex: checkFactory(); break;
        case WorkKind::Sweep: tried("grid", gridOf); tried("min-knns", settingsOf); break;
        case WorkKind::Evaluate:
        case WorkKind::Foss: tried("min-knns", settingsOf); break;
        case WorkKind::AddModel:
        case WorkKind::BuildClusters:
        case WorkKind::RunProject: break;
        }
    }

    [[nodiscard]] const ArtefactRow *find(ArtefactKind kind, const std::string &name) const
    {
        const auto found = std::ranges::find_if(m_artefacts, [&](const ArtefactRow &row) { return row.kind == kind && row.name == name; });
        return found == m_artefacts.end() ? nullptr : &*found;
    }

    /// The artefact of `option` must have been made from the one of `input`, where its row says from which.
    void requireMadeFrom(const char *option, ArtefactKind kind, const char *input, ArtefactKind inputKind)
    {
        const ArtefactRow *made = find(kind, m_work.text(option)), *from = find(inputKind, m_work.text(input));
        const auto recorded = std::ranges::find(made->inputs, input, &ArtefactInput::role);
        if (recorded != made->inputs.end() && recorded->artefact != from->id && recorded->fingerprint != from->fingerprint)
            add(option, fmt::format("The {} “{}” was made from another {} than “{}”; choose one that belongs to it.", toString(kind), made->name, toString(inputKind), from->name));
    }

    /// A factory string is a word of letters, digits and a few signs.
    void checkFactory()
    {
        const std::string factory = m_work.text("factory");
        if (factory.find_first_of(" \t\n'\"") != std::string::npos)
            add("factory", fmt::format("“{}” is not a factory string; write e.g. IVF256,PQ32 without spaces.", factory));
    }

    const Work &m_work;
    const std::vector<ArtefactRow> &m_artefacts;
    std::vector<FieldError> m_errors;
};

} // namespace

const WorkParameter *WorkDescription::find(std::string_view option) const
{
    const auto found = std::ranges::find(parameters, option, &WorkParameter::option);
    return found == parameters.end() ? nullptr : &*found;
}

const WorkDescription &describe(WorkKind kind)
{
    return *std::ranges::find(allWork(), kind, &WorkDescription::kind);
}

const Json &Work::value(std::string_view option) const
{
    static const Json none;
    if (const auto given = values.find(std::string(option)); given != values.end())
        return *given;
    const WorkParameter *parameter = describe(kind).find(option);
    return parameter ? parameter->standard : none;
}

std::string Work::text(std::string_view option) const
{
    const Json &found = value(option);
    return found.is_string() ? found.get<std::string>() : std::string();
}

std::string titleOf(const Work &work)
{
    const auto &title = describe(work.kind).title;
    for (const char *option : {"name", "projectfile", "path", "trace", "datastore", "corpus"}) {
        const std::string value = work.text(option);
        if (value.empty())
            continue;
        const fs::path file(value);
        if (work.kind == WorkKind::RunProject)
            return fmt::format("{}: {}", title, file.parent_path().filename().string());
        return fmt::format("{}: {}", title, work.kind == WorkKind::AddModel && std::string_view(option) == "path" ? file.filename().string() : value);
    }
    return title;
}

std::string commandOf(const Work &work, const fs::path &project)
{
    const WorkDescription &description = describe(work.kind);
    std::string command = fmt::format("{} {}", program, description.command);
    const auto words = [&](const Json &value) {
        std::string text;
        for (const auto &one : value.is_array() ? value : Json::array({value}))
            text += " " + shellQuote(wordOf(one));
        return text;
    };
    for (const auto &parameter : description.parameters) {
        if (parameter.positional)
            command += words(work.value(parameter.option));
    }
    for (const auto &parameter : description.parameters) {
        const Json &value = work.value(parameter.option);
        if (parameter.positional || value == parameter.standard || value.is_null())
            continue;
        command += " --" + parameter.option;
        if (parameter.type != Type::Flag)
            command += words(value);
    }
    if (!project.empty())
        command += " --project " + shellQuote(project.string());
    return command;
}

std::optional<Work> workFromCommand(std::string_view command)
{
    auto words = shellWords(command);
    if (!words || words->empty() || fs::path(words->front()).filename() != program)
        return std::nullopt;
    for (const auto &description : allWork()) {
        const auto name = shellWords(description.command);
        if (words->size() > name->size() && std::equal(name->begin(), name->end(), words->begin() + 1)) {
            words->erase(words->begin(), words->begin() + 1 + static_cast<std::ptrdiff_t>(name->size()));
            return CommandReader(description, std::move(*words)).read();
        }
    }
    return std::nullopt;
}

std::vector<FieldError> check(const Work &work, const std::vector<ArtefactRow> &artefacts)
{
    return Checker(work, artefacts).check();
}

} // namespace retoscope
