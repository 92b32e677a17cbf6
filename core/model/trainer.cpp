// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/trainer.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/json_fields.h"
#include "base/threads.h"
#include "model/autograd_decoder.h"
#include "model/fused_decoder.h"
#include "model/hf_export.h"
#include "model/optimizer.h"
#include "model/training_data.h"
#include "model/training_state.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

extern "C" void openblas_set_num_threads(int count) __attribute__((weak));

namespace retoscope {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t passTokens = 1024; // of one forward and backward pass: its activations fit the caches
constexpr std::int64_t replicaBytes = std::int64_t(4) << 30; // all replicas' gradients together

/// While it lives, every library computes with one thread: the replicas are the threads.
class OneThreadEach
{
public:
    OneThreadEach() { setLibraries(1); }
    ~OneThreadEach() { useThreads(); }
    OneThreadEach(const OneThreadEach &) = delete;
    OneThreadEach &operator=(const OneThreadEach &) = delete;

    static void setLibraries(int threads)
    {
        at::set_num_threads(threads);
        if (openblas_set_num_threads)
            openblas_set_num_threads(threads);
    }
};

/// Whether bf16 products are faster than fp32 ones here; without the instructions oneDNN imitates them.
bool hasHalfPrecisionProducts()
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16");
#else
    return true;
#endif
}

class Stopwatch
{
public:
    void restart() { m_begin = std::chrono::steady_clock::now(); }
    [[nodiscard]] double seconds() const
    {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - m_begin).count();
    }

private:
    std::chrono::steady_clock::time_point m_begin = std::chrono::steady_clock::now();
};

Checkpoint startingPoint(const TrainConfig &config)
{
    if (config.initialCheckpoint.empty())
        return {config.model, {}};
    return readCheckpoint(config.initialCheckpoint);
}

void checkTokens(std::string_view name, std::span<const std::int32_t> tokens, const ModelConfig &model,
                 std::int64_t needed)
{
    if (static_cast<std::int64_t>(tokens.size()) < needed)
        fail(ErrorKind::BadInput,
             "The {} text has {} tokens and at least {} are needed; give more text or shorter sequences.", name,
             tokens.size(), needed);
    const auto outside =
        std::ranges::find_if(tokens, [&](std::int32_t token) { return token < 0 || token >= model.vocabularySize; });
    if (outside != tokens.end())
        fail(ErrorKind::BadInput,
             "The {} text has token {} at position {}, but the model's vocabulary has {} entries; use the "
             "tokenizer of the model.",
             name, *outside, outside - tokens.begin(), model.vocabularySize);
}

class Trainer
{
public:
    Trainer(const fs::path &folder, const TrainConfig &config, std::span<const std::int32_t> trainTokens,
            std::span<const std::int32_t> validationTokens, const std::vector<fs::path> &tokenizerFiles,
            JobControl &job);

    TrainReport run();
    /// See pilotTraining(); writes nothing, and the trainer is of no use afterwards.
    double pilot();

private:
    [[nodiscard]] std::string identityOfRun() const;
    void createReplicas();
    void resumeOrStart();
    void save();
    void finish();
    void takeStep();
    void evaluate();
    [[nodiscard]] double validationLoss();
    void keep();
    [[nodiscard]] bool exhausted() const;
    [[nodiscard]] std::int64_t stepSequences() const { return m_config.batchSequences * m_config.accumulation; }
    [[nodiscard]] std::int64_t stepTokens() const { return stepSequences() * m_config.sequenceLength; }
    [[nodiscard]] fs::path statePath() const { return m_folder / "training.state"; }

    /// Cuts `sequences` starts into passes and gives each replica a contiguous share of them; returns the summed
    /// losses.
    template <typename Pass>
    double overReplicas(std::span<const std::int64_t> begins, std::span<const std::int32_t> tokens, const Pass &pass);

    fs::path m_folder;
    TrainConfig m_config;
    std::span<const std::int32_t> m_trainTokens, m_validationTokens;
    std::vector<fs::path> m_tokenizerFiles;
    JobControl &m_job;
    Checkpoint m_start; ///< its weights only until training begins
    std::string m_identity;
    ParameterLayout m_layout;
    Optimizer m_optimizer;
    ChunkSampler m_sampler;
    std::int64_t m_steps;
    std::vector<float> m_values;
    std::vector<kernels::BFloat16> m_halves;
    std::vector<std::unique_ptr<LossFunction>> m_replicas;
    std::vector<std::vector<float>> m_gradients; // per replica
    int m_threadsPerReplica = 1;
    std::int64_t m_passSequences = 1; ///< computed at a time by a replica

    TrainReport m_report;
    std::int64_t m_step = 0;
    double m_lossSum = 0; // of the steps since the last point of the curve
    std::int64_t m_lossSteps = 0;
    double m_trainingSeconds = 0;  // the same
    std::int64_t m_timedSteps = 0; // of this process, since the last point
};

Trainer::Trainer(const fs::path &folder, const TrainConfig &config, std::span<const std::int32_t> trainTokens,
                 std::span<const std::int32_t> validationTokens, const std::vector<fs::path> &tokenizerFiles,
                 JobControl &job)
    : m_folder(folder), m_config(config), m_trainTokens(trainTokens), m_validationTokens(validationTokens),
      m_tokenizerFiles(tokenizerFiles), m_job(job), m_start(startingPoint(config)), m_layout(m_start.config),
      m_optimizer(m_layout, config),
      m_sampler(static_cast<std::int64_t>(trainTokens.size()), config.sequenceLength, config.seed),
      m_steps(totalSteps(config, static_cast<std::int64_t>(trainTokens.size()))),
      m_values(static_cast<std::size_t>(m_layout.size()))
{
    if (config.sequenceLength > m_start.config.contextLength)
        fail(ErrorKind::BadInput, "sequence_length is {}, but the model's context is {} tokens; shorten it.",
             config.sequenceLength, m_start.config.contextLength);
    checkTokens("training", trainTokens, m_start.config, config.sequenceLength + 1);
    checkTokens("validation", validationTokens, m_start.config, 2);
    if (config.validationTokens > 0)
        m_validationTokens = m_validationTokens.first(
            std::min(m_validationTokens.size(), static_cast<std::size_t>(config.validationTokens)));
    m_identity = identityOfRun();
    createReplicas();
}

void Trainer::createReplicas()
{
    if (m_config.compute == ComputeType::BFloat16 && !hasHalfPrecisionProducts())
        m_job.log("This processor has no bf16 instructions: training is faster with compute fp32.");
    const int threads = threadCount();
    // Small steps are cut finer, so that every thread has a part of them.
    m_passSequences =
        std::clamp<std::int64_t>(passTokens / m_config.sequenceLength, 1, (stepSequences() + threads - 1) / threads);
    if (!fusedDecoderSupports(m_start.config, m_config.sequenceLength)) {
        m_threadsPerReplica = threads; // automatic differentiation scales within the operations
        m_replicas.push_back(createAutogradDecoder(m_start.config, m_layout, m_values, m_config.compute));
    } else {
        const std::int64_t affordable = std::max<std::int64_t>(1, replicaBytes / (m_layout.size() * 4));
        const std::int64_t passes = (stepSequences() + m_passSequences - 1) / m_passSequences;
        const std::int64_t count = std::min({static_cast<std::int64_t>(threads), affordable, passes});
        m_threadsPerReplica = std::max(1, threads / static_cast<int>(count));
        if (m_config.compute == ComputeType::BFloat16)
            m_halves.resize(m_values.size());
        for (std::int64_t i = 0; i < count; ++i)
            m_replicas.push_back(createFusedDecoder(m_start.config, m_layout, m_values, m_halves, m_passSequences,
                                                    m_config.sequenceLength));
    }
    m_gradients.assign(m_replicas.size(), std::vector<float>(m_values.size()));
}

std::string Trainer::identityOfRun() const
{
    Json json{{"config", m_config},
              {"train", hex64(xxh3(m_trainTokens.data(), m_trainTokens.size_bytes()))},
              {"validation", hex64(xxh3(m_validationTokens.data(), m_validationTokens.size_bytes()))}};
    if (!m_config.initialCheckpoint.empty())
        json["checkpoint"] = fingerprintOf(m_start);
    return sha256(json.dump());
}

void Trainer::resumeOrStart()
{
    if (const std::optional<TrainingState> state = loadTrainingState(statePath())) {
        requireSame("training run", m_identity, state->header.at("identity").get<std::string>(),
                    "train into another folder, or delete this one");
        if (state->header.at("replicas").get<std::size_t>() != m_replicas.size())
            m_job.log("Continued with another number of threads: losses differ in the last digits from an "
                      "uninterrupted run.");
        m_step = state->header.at("step").get<std::int64_t>();
        m_lossSum = state->header.at("loss_sum").get<double>();
        m_lossSteps = state->header.at("loss_steps").get<std::int64_t>();
        m_report = state->header.at("report").get<TrainReport>();
        m_values = state->values;
        m_optimizer.firstMoment = state->firstMoment;
        m_optimizer.secondMoment = state->secondMoment;
    } else if (m_start.weights.empty()) {
        initialise(m_start.config, m_layout, m_config.seed, m_values);
    } else {
        copyWeights(m_start.weights, m_layout, m_values);
    }
    m_start.weights.clear();
    if (!m_halves.empty())
        kernels::convert(m_values.data(), m_halves.data(), m_layout.size());
}

void Trainer::save()
{
    TrainingState state;
    state.header = {{"identity", m_identity}, {"replicas", m_replicas.size()}, {"step", m_step},
                    {"loss_sum", m_lossSum},  {"loss_steps", m_lossSteps},     {"report", m_report}};
    state.values = m_values;
    state.firstMoment = m_optimizer.firstMoment;
    state.secondMoment = m_optimizer.secondMoment;
    saveTrainingState(statePath(), state);
}

template <typename Pass>
double Trainer::overReplicas(std::span<const std::int64_t> begins, std::span<const std::int32_t> tokens,
                             const Pass &pass)
{
    const std::int64_t length = m_config.sequenceLength;
    const auto perPass = static_cast<std::size_t>(m_passSequences);
    const std::size_t passes = (begins.size() + perPass - 1) / perPass;
    std::vector<double> losses(passes);
    parallelFor(static_cast<std::int64_t>(m_replicas.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        if (m_replicas.size() > 1)
            at::set_num_threads(m_threadsPerReplica);
        for (auto replica = static_cast<std::size_t>(begin); replica < static_cast<std::size_t>(end); ++replica) {
            std::vector<std::int32_t> inputs, targets;
            for (std::size_t i = passes * replica / m_replicas.size(); i < passes * (replica + 1) / m_replicas.size();
                 ++i) {
                inputs.clear();
                targets.clear();
                for (const std::int64_t first :
                     begins.subspan(i * perPass, std::min(perPass, begins.size() - i * perPass))) {
                    const std::int64_t count = std::min(length, static_cast<std::int64_t>(tokens.size()) - 1 - first);
                    inputs.insert(inputs.end(), tokens.begin() + first, tokens.begin() + first + count);
                    targets.insert(targets.end(), tokens.begin() + first + 1, tokens.begin() + first + count + 1);
                }
                const auto own = std::min(length, static_cast<std::int64_t>(inputs.size()));
                losses[i] = pass(replica, i, TrainingBatch{inputs, targets, own});
            }
        }
    });
    return std::accumulate(losses.begin(), losses.end(), 0.0);
}

void Trainer::takeStep()
{
    std::vector<std::int64_t> begins;
    for (std::int64_t i = 0; i < stepSequences(); ++i)
        begins.push_back(m_sampler.begin(m_step * stepSequences() + i));
    GradientOptions options;
    options.scale = 1.0f / static_cast<float>(stepTokens());
    options.dropout = m_config.dropout;
    const double loss = overReplicas(begins, m_trainTokens,
                                     [&](std::size_t replica, std::size_t pass, const TrainingBatch &batch) {
                                         GradientOptions own = options;
                                         own.seed =
                                             mixSeed(m_config.seed, static_cast<std::uint64_t>(m_step) + 1, pass);
                                         return m_replicas[replica]->lossAndGradient(batch, own, m_gradients[replica]);
                                     }) /
                        static_cast<double>(stepTokens());
    if (!std::isfinite(loss))
        fail(ErrorKind::BadInput,
             "The training loss is {} at step {}: the training diverged; lower learning_rate or raise "
             "warmup_steps.",
             loss, m_step + 1);
    m_optimizer.step(m_step, learningRateAt(m_config, m_step, m_steps), m_gradients, m_values, m_halves);
    ++m_step;
    m_lossSum += loss;
    ++m_lossSteps;
}

double Trainer::validationLoss()
{
    const auto targets = static_cast<std::int64_t>(m_validationTokens.size()) - 1;
    const std::int64_t whole = targets / m_config.sequenceLength * m_config.sequenceLength;
    std::vector<std::int64_t> begins;
    for (std::int64_t first = 0; first < whole; first += m_config.sequenceLength)
        begins.push_back(first);
    const auto pass = [&](std::size_t replica, std::size_t, const TrainingBatch &batch) {
        return m_replicas[replica]->loss(batch);
    };
    double sum = overReplicas(begins, m_validationTokens, pass);
    if (whole < targets) // the shorter rest is a pass of its own, because a pass has one length
        sum += overReplicas(std::vector{whole}, m_validationTokens, pass);
    return sum / static_cast<double>(targets);
}

void Trainer::evaluate()
{
    TrainPoint point;
    point.step = m_step;
    point.trainLoss = m_lossSum / static_cast<double>(std::max<std::int64_t>(1, m_lossSteps));
    point.validationLoss = validationLoss();
    point.learningRate = learningRateAt(m_config, m_step - 1, m_steps);
    point.tokensPerSecond =
        m_trainingSeconds > 0 ? static_cast<double>(m_timedSteps * stepTokens()) / m_trainingSeconds : 0;
    m_lossSum = m_trainingSeconds = 0;
    m_lossSteps = m_timedSteps = 0;
    m_report.curve.push_back(point);
    m_report.steps = m_step;
    if (m_report.curve.size() == 1 || point.validationLoss < m_report.bestValidationLoss) {
        m_report.bestValidationLoss = point.validationLoss;
        m_report.bestStep = m_step;
        if (m_config.keepBest)
            keep();
    }
    m_job.log(fmt::format(
        "step {} of {}: train loss {:.4f}, validation loss {:.4f} (perplexity {:.3f}), {:.0f} tokens/s", m_step,
        m_steps, point.trainLoss, point.validationLoss, std::exp(point.validationLoss), point.tokensPerSecond));
}

void Trainer::keep()
{
    writeModelWeights(m_folder, m_layout, m_values, m_config.storeType);
}

bool Trainer::exhausted() const
{
    const auto sinceBest =
        std::ranges::count_if(m_report.curve, [&](const TrainPoint &point) { return point.step > m_report.bestStep; });
    return m_config.patience > 0 && sinceBest >= m_config.patience;
}

void Trainer::finish()
{
    if (!m_config.keepBest)
        keep();
    const Json summary{{"identity", m_identity}, {"config", m_config}, {"report", m_report}};
    writeFileAtomically(m_folder / "training.json", summary.dump(2) + "\n");
    fs::remove(statePath());
}

TrainReport Trainer::run()
{
    makeFolder(m_folder);
    const FolderLock lock(m_folder);
    if (fs::exists(m_folder / "training.json")) {
        const fs::path path = m_folder / "training.json";
        try {
            const Json summary = Json::parse(readFile(path));
            requireSame("training run", m_identity, summary.at("identity").get<std::string>(),
                        "train into another folder, or delete this one");
            const auto report = summary.at("report").get<TrainReport>();
            fs::remove(statePath()); // left by a kill right after the summary was written
            return report;
        } catch (const Json::exception &) {
            fail(ErrorKind::Corrupt, "{} is no longer what training wrote; train into another folder, or delete this one.", path.string());
        }
    }
    std::optional<OneThreadEach> oneThreadEach;
    if (m_replicas.size() > 1)
        oneThreadEach.emplace();
    else
        useThreads();
    resumeOrStart();
    writeModelDescription(m_folder, m_start.config, m_config.storeType, m_tokenizerFiles);

    while (m_step < m_steps && !exhausted()) {
        if (m_job.cancelRequested())
            save();
        m_job.checkpoint();
        const Stopwatch watch;
        takeStep();
        m_trainingSeconds += watch.seconds();
        ++m_timedSteps;
        if (m_step % m_config.evaluateEvery == 0 || m_step == m_steps) {
            evaluate();
            save();
        }
        const double loss =
            m_lossSteps > 0 ? m_lossSum / static_cast<double>(m_lossSteps) : m_report.curve.back().trainLoss;
        std::string detail = fmt::format("step {}, train loss {:.3f}", m_step, loss);
        if (!m_report.curve.empty())
            detail += fmt::format(", validation perplexity {:.2f}", std::exp(m_report.curve.back().validationLoss));
        m_job.report("training", "tokens", m_step * stepTokens(), m_steps * stepTokens(), detail);
    }
    finish();
    return m_report;
}

double Trainer::pilot()
{
    constexpr std::int64_t fewestSteps = 50;
    constexpr int sample = 2;
    if (m_steps < fewestSteps)
        return -1;
    std::optional<OneThreadEach> oneThreadEach;
    if (m_replicas.size() > 1)
        oneThreadEach.emplace();
    else
        useThreads();
    initialise(m_start.config, m_layout, m_config.seed, m_values);
    if (!m_halves.empty())
        kernels::convert(m_values.data(), m_halves.data(), m_layout.size());
    takeStep(); // warms caches and thread pools
    const Stopwatch watch;
    for (int i = 0; i < sample; ++i) {
        m_job.checkpoint();
        takeStep();
    }
    return watch.seconds() / sample * static_cast<double>(m_steps);
}

} // namespace

TrainForecast forecastTraining(const TrainConfig &config, std::int64_t trainTokens)
{
    const ModelConfig model = startingPoint(config).config;
    const ParameterLayout layout(model);
    const auto parameters = static_cast<std::uint64_t>(layout.size());
    const std::int64_t stepSequences = config.batchSequences * config.accumulation;
    const auto replicas = static_cast<std::uint64_t>(
        std::clamp<std::int64_t>(std::min<std::int64_t>(threadCount(), replicaBytes / (layout.size() * 4)), 1, stepSequences));
    const std::uint64_t weightBytes = config.storeType == ComputeType::BFloat16 ? 2 : 4;
    constexpr std::uint64_t stateBytes = 3 * sizeof(float); // weights and both moments of AdamW

    TrainForecast forecast;
    forecast.parameters = layout.size();
    forecast.tokens = totalSteps(config, trainTokens) * stepSequences * config.sequenceLength;
    forecast.diskBytes = 2 * parameters * (stateBytes + weightBytes);
    // Per token and block: about twelve vectors of the hidden size, four of the feed-forward, the attention's scores.
    const auto passLength = static_cast<std::uint64_t>(std::max(passTokens, config.sequenceLength));
    const std::uint64_t perToken = static_cast<std::uint64_t>(model.layers)
                                       * (12 * static_cast<std::uint64_t>(model.hiddenSize) + 4 * static_cast<std::uint64_t>(model.feedForwardSize)
                                          + static_cast<std::uint64_t>(model.heads) * static_cast<std::uint64_t>(config.sequenceLength))
                                   + 2 * static_cast<std::uint64_t>(model.vocabularySize);
    forecast.memoryBytes = parameters * (stateBytes + 2) + replicas * (parameters + passLength * perToken) * sizeof(float);
    return forecast;
}

double pilotTraining(const TrainConfig &config, std::span<const std::int32_t> trainTokens, std::span<const std::int32_t> validationTokens, JobControl &job)
{
    return Trainer({}, config, trainTokens, validationTokens, {}, job).pilot();
}

double TrainReport::bestPerplexity() const
{
    return std::exp(bestValidationLoss);
}

void to_json(Json &json, const TrainReport &report)
{
    json = {{"best_validation_loss", report.bestValidationLoss},
            {"best_step", report.bestStep},
            {"steps", report.steps},
            {"curve", Json::array()}};
    for (const TrainPoint &point : report.curve)
        json["curve"].push_back({{"step", point.step},
                                 {"train_loss", point.trainLoss},
                                 {"validation_loss", point.validationLoss},
                                 {"learning_rate", point.learningRate},
                                 {"tokens_per_second", point.tokensPerSecond}});
}

void from_json(const Json &json, TrainReport &report)
{
    report = {};
    report.bestValidationLoss = json.at("best_validation_loss").get<double>();
    report.bestStep = json.at("best_step").get<std::int64_t>();
    report.steps = json.at("steps").get<std::int64_t>();
    for (const Json &point : json.at("curve"))
        report.curve.push_back({point.at("step").get<std::int64_t>(), point.at("train_loss").get<double>(),
                                point.at("validation_loss").get<double>(), point.at("learning_rate").get<double>(),
                                point.at("tokens_per_second").get<double>()});
}

TrainReport trainModel(const fs::path &folder, const TrainConfig &config, std::span<const std::int32_t> trainTokens,
                       std::span<const std::int32_t> validationTokens, const std::vector<fs::path> &tokenizerFiles,
                       JobControl &job)
{
    return Trainer(folder, config, trainTokens, validationTokens, tokenizerFiles, job).run();
}

} // namespace retoscope
