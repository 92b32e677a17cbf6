// SPDX-License-Identifier: GPL-3.0-or-later
#include "datastore/datastore_builder.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"
#include "datastore/distance.h"
#include "datastore/layout.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <numeric>
#include <utility>

namespace fs = std::filesystem;

namespace retoscope {

void to_json(Json &json, const DatastoreConfig &config)
{
    json = {{"tap", config.tap}, {"windows", config.windows}, {"key_type", toString(config.keyType)}, {"batch_tokens", config.batchTokens}};
}

void from_json(const Json &json, DatastoreConfig &config)
{
    if (!json.is_object())
        fail(ErrorKind::BadInput, "The datastore's settings must be a JSON object, not {}.", json.type_name());
    for (const auto &[name, value] : json.items()) {
        try {
            if (name == "tap")
                config.tap = value.get<KeyTap>();
            else if (name == "windows")
                config.windows = value.get<WindowScheme>();
            else if (name == "key_type")
                config.keyType = keyTypeFromString(value.get<std::string>());
            else if (name == "batch_tokens")
                config.batchTokens = value.get<std::int32_t>();
            else
                fail(ErrorKind::BadInput, "The datastore's settings have no field '{}'; the fields are tap, windows, key_type and batch_tokens.", name);
        } catch (const Json::exception &) {
            fail(ErrorKind::BadInput, "The datastore's setting '{}' has the wrong type ({}).", name, value.type_name());
        }
    }
    if (config.batchTokens < 1)
        fail(ErrorKind::BadInput, "The datastore's setting 'batch_tokens' is {}; it must be at least 1.", config.batchTokens);
}

namespace {

constexpr const char *journalFile = "journal.json";
constexpr std::int64_t blockBatches = 4; ///< batches per block: enough windows to put those of like length together
constexpr auto journalInterval = std::chrono::seconds(1); ///< what a kill costs at most, beside the block in work
constexpr std::size_t checkBytes = 16u << 20;

/// Contiguous windows; the unit that is whole on disk or not there.
struct Block
{
    std::size_t firstWindow = 0;
    std::size_t windows = 0;
    std::int64_t firstEntry = 0;
    std::int64_t entries = 0;
};

/// What is to be done, a pure function of inputs and settings: a resumed build cuts the same blocks and batches.
struct Plan
{
    std::vector<Window> windows;
    std::vector<Block> blocks;
    std::int64_t entries = 0;
};

std::int64_t length(const Window &window)
{
    return window.end - window.begin;
}

Plan makePlan(const DatastoreConfig &config, const TokenStore &tokens)
{
    Plan plan;
    plan.windows = planWindows(tokens.documentOffsets(), config.windows);
    std::int64_t blockTokens = 0;
    for (std::size_t w = 0; w < plan.windows.size(); ++w) {
        const Window &window = plan.windows[w];
        if (plan.blocks.empty() || blockTokens + length(window) > blockBatches * config.batchTokens) {
            plan.blocks.push_back({w, 0, plan.entries, 0});
            blockTokens = 0;
        }
        ++plan.blocks.back().windows;
        plan.blocks.back().entries += window.targets;
        plan.entries += window.targets;
        blockTokens += length(window);
    }
    return plan;
}

/// Windows (indices) of a block in batches: like lengths together, so that little is padded. A batch never mixes lengths
/// further than an eighth apart and never holds more than batchTokens after padding (but at least one window).
std::vector<std::vector<std::size_t>> makeBatches(const Plan &plan, const Block &block, std::int32_t batchTokens)
{
    std::vector<std::size_t> order(block.windows);
    std::iota(order.begin(), order.end(), block.firstWindow);
    std::ranges::stable_sort(order, std::greater(), [&](std::size_t w) { return length(plan.windows[w]); });
    std::vector<std::vector<std::size_t>> batches;
    std::int64_t longest = 0;
    for (const std::size_t w : order) {
        const std::int64_t tokens = length(plan.windows[w]);
        if (batches.empty() || std::int64_t(batches.back().size() + 1) * longest > batchTokens || longest - tokens > longest / 8) {
            batches.emplace_back();
            longest = tokens;
        }
        batches.back().push_back(w);
    }
    return batches;
}

/// One pair per document of the token store, in its order (layout.h).
std::vector<layout::DocumentStart> documentStarts(const Plan &plan, std::span<const std::int64_t> offsets)
{
    std::vector<layout::DocumentStart> starts;
    const std::size_t documents = offsets.size() - 1;
    std::int64_t entry = 0;
    for (const Window &window : plan.windows) {
        while (starts.size() < documents && offsets[starts.size()] < window.firstTarget + window.targets) {
            const std::int64_t token = std::max(offsets[starts.size()], window.firstTarget);
            starts.push_back({entry + token - window.firstTarget, token});
        }
        entry += window.targets;
    }
    while (starts.size() < documents)
        starts.push_back({entry, offsets[starts.size()]});
    return starts;
}

KeyTap resolvedTap(KeyTap tap, const ModelConfig &model)
{
    const std::int32_t layer = tap.place == TapPlace::HeadInput ? model.layers - 1 : tap.layer < 0 ? tap.layer + model.layers : tap.layer;
    if (layer < 0 || layer >= model.layers)
        fail(ErrorKind::BadInput, "The key tap's layer {} does not exist: the model has the layers 0 to {} (or −1 to −{} from the end).", tap.layer,
             model.layers - 1, model.layers);
    return {tap.place, layer};
}

Json makeIdentity(const DatastoreConfig &config, const LanguageModel &model, const TokenStore &tokens, const Plan &plan)
{
    const KeyTap tap = resolvedTap(config.tap, model.config());
    return {{"model", model.fingerprint()},
            {"compute", toString(model.options().compute)},
            {"tokens", tokens.fingerprint()},
            {"tokenizer", tokens.tokenizerFingerprint()},
            {"tap", toString(tap.place)},
            {"layer", tap.layer},
            {"windows", config.windows},
            {"key_type", toString(config.keyType)},
            {"entries", plan.entries},
            {"dimension", model.config().hiddenSize}};
}

void checkInputs(const DatastoreConfig &config, const LanguageModel &model, const Plan &plan)
{
    if (config.batchTokens < 1)
        fail(ErrorKind::BadInput, "The datastore's setting 'batch_tokens' is {}; it must be at least 1.", config.batchTokens);
    if (plan.entries < 1)
        fail(ErrorKind::BadInput, "The corpus gives no (key, value) pair: it has fewer than two tokens in a row; use a longer text.");
    if (plan.entries > layout::maximalEntries)
        fail(ErrorKind::Resource, "The corpus gives {} entries, more than the {} that a datastore can number; split it.", plan.entries, layout::maximalEntries);
    const auto longest = std::ranges::max(plan.windows, {}, length);
    if (model.config().contextLength > 0 && length(longest) > model.config().contextLength)
        fail(ErrorKind::BadInput, "The windows are up to {} tokens long, but the model reads at most {}; choose a block of {} or less.", length(longest),
             model.config().contextLength, model.config().contextLength);
}

void requireSameIdentity(const fs::path &folder, const Json &there, const Json &here, std::string_view advice)
{
    for (const auto &[field, value] : here.items())
        requireSame(fmt::format("'{}' of the datastore {}", field, folder.string()), value.dump(), there.value(field, Json()).dump(), advice);
}

/// How far an unfinished build has come. Everything that it counts is on disk.
struct Journal
{
    Json identity;
    std::int32_t batchTokens = 0; ///< the blocks were cut with this, so the rest is too
    std::size_t blocks = 0;
    std::int64_t entries = 0;
    std::string keysChecksum, valuesChecksum; ///< XXH3 of the bytes that count

    void write(const fs::path &folder) const
    {
        const Json json = {{"identity", identity}, {"batch_tokens", batchTokens},   {"blocks", blocks},
                           {"entries", entries},   {"keys_xxh3", keysChecksum},     {"values_xxh3", valuesChecksum}};
        writeFileAtomically(folder / journalFile, json.dump(2) + "\n");
    }

    /// False when there is none.
    bool read(const fs::path &folder)
    {
        const fs::path path = folder / journalFile;
        if (std::error_code code; !fs::exists(path, code))
            return false;
        const Json json = Json::parse(readFile(path, 1u << 20), nullptr, false);
        try {
            identity = json.at("identity");
            batchTokens = json.at("batch_tokens").get<std::int32_t>();
            blocks = json.at("blocks").get<std::size_t>();
            entries = json.at("entries").get<std::int64_t>();
            keysChecksum = json.at("keys_xxh3").get<std::string>();
            valuesChecksum = json.at("values_xxh3").get<std::string>();
        } catch (const Json::exception &) {
            fail(ErrorKind::Corrupt, "{} is damaged; remove the unfinished datastore {} and build it again.", path.string(), folder.string());
        }
        return true;
    }
};

/// A data file that is hashed while it grows.
class HashedFile
{
public:
    HashedFile(const fs::path &path, std::uint64_t validBytes, const std::string &checksum, JobControl &job) : m_file(path, validBytes)
    {
        if (validBytes == 0)
            return;
        const MappedFile written(path, MappedFile::Access::Sequential);
        for (std::size_t at = 0; at < validBytes; at += checkBytes) {
            job.checkpoint();
            m_hash.update(written.bytes().data() + at, std::min<std::size_t>(checkBytes, validBytes - at));
            job.report("checking what is already there", "bytes", std::int64_t(at), std::int64_t(validBytes));
        }
        if (this->checksum() != checksum)
            fail(ErrorKind::Corrupt, "The first {} bytes of {} changed since they were written; remove the unfinished datastore and build it again.",
                 validBytes, path.string());
    }

    template<typename T>
    void write(std::span<const T> values)
    {
        m_file.write(values);
        m_hash.update(values.data(), values.size_bytes());
    }
    void sync() { m_file.sync(); }
    [[nodiscard]] std::uint64_t size() const { return m_file.size(); }
    [[nodiscard]] std::uint64_t digest() const { return m_hash.digest(); }
    [[nodiscard]] std::string checksum() const { return hex64(digest()); }

private:
    AppendFile m_file;
    Xxh3 m_hash;
};

/// Puts whole blocks on disk, in order, and keeps the journal. Used by one thread at a time.
class Writer
{
public:
    Writer(fs::path folder, Journal journal, KeyType type, std::int32_t dimension, JobControl &job)
        : m_folder(std::move(folder)), m_journal(std::move(journal)), m_type(type), m_dimension(dimension),
          m_keys(m_folder / layout::keysFile, std::uint64_t(m_journal.entries) * KeyView{nullptr, type, 0, dimension}.rowBytes(), m_journal.keysChecksum, job),
          m_values(m_folder / layout::valuesFile, std::uint64_t(m_journal.entries) * sizeof(std::int32_t), m_journal.valuesChecksum, job)
    {
    }

    void append(std::span<const float> keys, std::span<const std::int32_t> values)
    {
        checkKeys(keys);
        if (m_type == KeyType::Float16) {
            m_halves.resize(keys.size());
            floatToHalf(keys.data(), m_halves.data(), std::int64_t(keys.size()));
            m_keys.write(std::span<const std::uint16_t>(m_halves));
        } else {
            m_keys.write(keys);
        }
        m_values.write(values);
        ++m_journal.blocks;
        m_journal.entries += std::int64_t(values.size());
        m_dirty = true;
        if (std::chrono::steady_clock::now() - m_lastCommit >= journalInterval)
            commit();
    }

    /// Data first, then the journal that counts them.
    void commit()
    {
        if (!m_dirty)
            return;
        m_keys.sync();
        m_values.sync();
        m_journal.keysChecksum = m_keys.checksum();
        m_journal.valuesChecksum = m_values.checksum();
        m_journal.write(m_folder);
        m_dirty = false;
        m_lastCommit = std::chrono::steady_clock::now();
    }

    void addTo(Manifest &manifest) const
    {
        addFile(manifest, layout::keysFile, m_keys.size(), m_keys.digest());
        addFile(manifest, layout::valuesFile, m_values.size(), m_values.digest());
    }

private:
    void checkKeys(std::span<const float> keys) const
    {
        constexpr float halfOverflow = 65520; // from here on fp16 rounds to infinity
        const float limit = m_type == KeyType::Float16 ? halfOverflow : std::numeric_limits<float>::infinity();
        const auto bad = std::ranges::find_if(keys, [limit](float value) { return !(std::abs(value) < limit); });
        if (bad == keys.end())
            return;
        const std::int64_t entry = m_journal.entries + (bad - keys.begin()) / m_dimension;
        if (!std::isfinite(*bad))
            fail(ErrorKind::BadInput, "The model's key of entry {} holds {}; check the model's weights, or compute in fp32.", entry, *bad);
        fail(ErrorKind::BadInput, "The model's key of entry {} holds {}, but fp16 ends at 65504; store the keys as fp32 (--key-type fp32).", entry, *bad);
    }

    fs::path m_folder;
    Journal m_journal;
    KeyType m_type;
    std::int32_t m_dimension;
    HashedFile m_keys;
    HashedFile m_values;
    std::vector<std::uint16_t> m_halves;
    bool m_dirty = false;
    std::chrono::steady_clock::time_point m_lastCommit = std::chrono::steady_clock::now();
};

struct BlockData
{
    std::vector<float> keys;           ///< [entries × D], in corpus order
    std::vector<std::int32_t> values;  ///< [entries]
};

void computeBlock(const Plan &plan, const Block &block, const DatastoreConfig &config, const LanguageModel &model, const TokenStore &tokens,
                  ForwardOutput &output, BlockData &data, JobControl &job)
{
    const auto dimension = std::size_t(model.config().hiddenSize);
    const auto stream = tokens.tokens();
    data.keys.resize(std::size_t(block.entries) * dimension);
    data.values.resize(std::size_t(block.entries));

    std::vector<std::size_t> firstRow(block.windows); // of each window within the block
    std::size_t row = 0;
    for (std::size_t i = 0; i < block.windows; ++i) {
        const Window &window = plan.windows[block.firstWindow + i];
        firstRow[i] = row;
        std::ranges::copy(stream.subspan(std::size_t(window.firstTarget), std::size_t(window.targets)), data.values.begin() + std::ptrdiff_t(row));
        row += std::size_t(window.targets);
    }

    ForwardRequest request;
    request.tap = config.tap;
    std::vector<WindowInput> inputs;
    for (const auto &batch : makeBatches(plan, block, config.batchTokens)) {
        job.checkpoint();
        inputs.clear();
        for (const std::size_t w : batch) {
            const Window &window = plan.windows[w];
            inputs.push_back({stream.subspan(std::size_t(window.begin), std::size_t(length(window))), std::int32_t(window.firstTarget - window.begin)});
        }
        model.forward(inputs, request, output);
        const float *keys = output.keys.data();
        for (const std::size_t w : batch) {
            const std::size_t numbers = std::size_t(plan.windows[w].targets) * dimension;
            std::copy_n(keys, numbers, data.keys.data() + firstRow[w - block.firstWindow] * dimension);
            keys += numbers;
        }
    }
}

/// Computes block after block while the one before is converted and written by a second thread.
void computeAndWrite(const Plan &plan, std::size_t firstBlock, const DatastoreConfig &config, const LanguageModel &model, const TokenStore &tokens,
                     Writer &writer, JobControl &job)
{
    constexpr std::string_view stage = "building the datastore";
    ForwardOutput output;
    BlockData data[2];
    std::future<void> writing;
    try {
        for (std::size_t b = firstBlock; b < plan.blocks.size(); ++b) {
            const Block &block = plan.blocks[b];
            job.report(stage, "entries", block.firstEntry, plan.entries);
            computeBlock(plan, block, config, model, tokens, output, data[b % 2], job);
            if (writing.valid())
                writing.get();
            writing = std::async(std::launch::async, [&writer, &finished = data[b % 2]] { writer.append(finished.keys, finished.values); });
        }
        if (writing.valid())
            writing.get();
    } catch (const Cancelled &) {
        if (writing.valid())
            writing.get();
        writer.commit();
        throw;
    }
    writer.commit();
    job.report(stage, "entries", plan.entries, plan.entries);
}

/// What a killed build may have left behind the finished artefact.
void removeLeftovers(const fs::path &folder)
{
    for (const auto &entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name == journalFile || name.find(".partial-") != std::string::npos)
            fs::remove(entry.path());
    }
}

} // namespace

void buildDatastore(const fs::path &folder, const DatastoreConfig &wanted, const LanguageModel &model, const TokenStore &tokens, JobControl &job)
{
    DatastoreConfig config = wanted;
    Plan plan = makePlan(config, tokens);
    checkInputs(config, model, plan);
    const Json identity = makeIdentity(config, model, tokens, plan);

    const FolderLock lock(folder);
    const fs::path journalPath = folder / journalFile;
    if (hasManifest(folder)) {
        const Manifest manifest = readManifest(folder, layout::format, layout::version);
        requireSameIdentity(folder, manifest.identity, identity, "it is finished already; choose another name");
        removeLeftovers(folder);
        return;
    }

    Journal journal;
    if (journal.read(folder)) {
        requireSameIdentity(folder, journal.identity, identity, "an unfinished build stands there; repeat it with its own settings, or remove it");
        if (journal.batchTokens != config.batchTokens) {
            job.log(fmt::format("Continuing with the {} tokens per batch that this datastore was begun with.", journal.batchTokens));
            config.batchTokens = journal.batchTokens;
            checkInputs(config, model, plan);
            plan = makePlan(config, tokens);
        }
        const std::int64_t counted = journal.blocks == plan.blocks.size() ? plan.entries
                                     : journal.blocks < plan.blocks.size() ? plan.blocks[journal.blocks].firstEntry : -1;
        if (counted != journal.entries)
            fail(ErrorKind::Corrupt, "{} counts {} entries in {} blocks, which the plan of this build does not have; remove the unfinished datastore and build it again.",
                 journalPath.string(), journal.entries, journal.blocks);
    } else {
        journal.identity = identity;
        journal.batchTokens = config.batchTokens;
    }

    const std::size_t firstBlock = journal.blocks;
    Writer writer(folder, std::move(journal), config.keyType, model.config().hiddenSize, job);
    computeAndWrite(plan, firstBlock, config, model, tokens, writer, job);

    AtomicFile documents(folder / layout::documentsFile);
    documents.write(std::span<const layout::DocumentStart>(documentStarts(plan, tokens.documentOffsets())));
    documents.commit();

    Manifest manifest;
    manifest.format = layout::format;
    manifest.version = layout::version;
    manifest.identity = identity;
    writer.addTo(manifest);
    addFile(manifest, folder, layout::documentsFile);
    manifest.info = {{"documents", tokens.documentCount()}};
    writeManifest(manifest, folder);
    removeLeftovers(folder);
}

DatastoreForecast forecastDatastore(const DatastoreConfig &config, const LanguageModel &model, const TokenStore &tokens)
{
    const Plan plan = makePlan(config, tokens);
    const KeyView row{nullptr, config.keyType, 1, model.config().hiddenSize};
    const Block largest = plan.blocks.empty() ? Block() : std::ranges::max(plan.blocks, {}, &Block::entries);
    DatastoreForecast forecast;
    forecast.entries = plan.entries;
    forecast.diskBytes = std::uint64_t(plan.entries) * (row.rowBytes() + sizeof(std::int32_t))
                         + std::uint64_t(tokens.documentCount()) * sizeof(layout::DocumentStart);
    // Two blocks as fp32, one as stored, the plan itself.
    forecast.memoryBytes = std::uint64_t(largest.entries) * (2 * sizeof(float) * std::size_t(row.dimension) + row.rowBytes())
                           + plan.windows.size() * sizeof(Window);
    return forecast;
}

} // namespace retoscope
