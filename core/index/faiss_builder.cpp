// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"
#include "index/exact_index.h"
#include "index/faiss_file.h"
#include "index/faiss_index.h"
#include "index/faiss_job.h"
#include "index/index.h"
#include "index/layout.h"
#include "index/sample.h"

#include <faiss/IVFlib.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/io.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr const char *journalFile = "journal.json";
constexpr std::int64_t defaultTrainSample = 1'000'000;
constexpr std::int64_t blockKeys = 16384;
constexpr double snapshotShare = 0.1; ///< of the time may go into snapshots

/// FAISS writes through this into a file that appears under its name only when whole.
class AtomicWriter final : public faiss::IOWriter
{
public:
    explicit AtomicWriter(const fs::path &path) : m_file(path) { name = path.string(); }
    std::size_t operator()(const void *data, std::size_t size, std::size_t items) override
    {
        m_file.write(data, size * items);
        m_hash.update(data, size * items);
        return items;
    }
    void commit() { m_file.commit(); }
    [[nodiscard]] std::uint64_t written() const { return m_file.written(); }
    [[nodiscard]] std::uint64_t checksum() const { return m_hash.digest(); }

private:
    AtomicFile m_file;
    Xxh3 m_hash;
};

/// How far an unfinished build has come: the last snapshot that is whole on disk.
struct Journal
{
    Json identity;
    std::string snapshot; ///< file name; empty: nothing trained yet
    std::int64_t added = 0;
    std::uint64_t bytes = 0;
    std::string checksum;

    void write(const fs::path &folder) const
    {
        const Json json = {{"identity", identity}, {"snapshot", snapshot}, {"added", added}, {"bytes", bytes}, {"xxh3", checksum}};
        writeFileAtomically(folder / journalFile, json.dump(2) + "\n");
    }

    bool read(const fs::path &folder)
    {
        const fs::path path = folder / journalFile;
        if (std::error_code code; !fs::exists(path, code))
            return false;
        const Json json = Json::parse(readFile(path, 1u << 20), nullptr, false);
        try {
            identity = json.at("identity");
            snapshot = json.at("snapshot").get<std::string>();
            added = json.at("added").get<std::int64_t>();
            bytes = json.at("bytes").get<std::uint64_t>();
            checksum = json.at("xxh3").get<std::string>();
        } catch (const Json::exception &) {
            fail(ErrorKind::Corrupt, "{} is damaged; remove the unfinished index {} and build it again.", path.string(), folder.string());
        }
        if (fs::path(snapshot).filename() != snapshot)
            fail(ErrorKind::Corrupt, "{} names the file {} outside its folder; remove the unfinished index and build it again.", path.string(), snapshot);
        return true;
    }
};

class Builder
{
public:
    Builder(const fs::path &folder, const IndexConfig &config, const Datastore &datastore, Journal journal, JobControl &job)
        : m_folder(folder), m_config(config), m_datastore(datastore), m_journal(std::move(journal)), m_job(job)
    {
    }

    /// The finished index, in index.faiss and in memory.
    std::unique_ptr<faiss::Index> run(Manifest &manifest)
    {
        const FaissJob faissJob(m_job);
        try {
            if (m_journal.snapshot.empty())
                train();
            else
                load();
            add();
            if (m_journal.snapshot != layout::indexFile) {
                prepareForUse(*m_index);
                snapshot(layout::indexFile);
            }
        } catch (const faiss::FaissException &error) {
            m_job.checkpoint(); // an interrupt is how a cancel arrives
            failFromFaiss(fmt::format("build the index '{}'", m_config.factory), error.what());
        }
        addFile(manifest, layout::indexFile, m_journal.bytes, std::stoull(m_journal.checksum, nullptr, 16));
        return std::move(m_index);
    }

private:
    void train()
    {
        m_index.reset(makeEmpty());
        prepareTraining();
        if (!m_index->is_trained) {
            const std::int64_t wanted = m_config.trainSample > 0 ? m_config.trainSample : defaultTrainSample;
            const std::vector<std::int32_t> ids = sampleEntries(m_datastore.size(), wanted, m_config.seed);
            m_job.report("training the index", "keys", 0, std::int64_t(ids.size()));
            std::vector<float> keys(ids.size() * std::size_t(m_datastore.dimension()));
            m_datastore.gatherKeys(ids, keys.data());
            m_job.checkpoint();
            m_index->train(std::int64_t(ids.size()), keys.data());
            m_job.report("training the index", "keys", std::int64_t(ids.size()), std::int64_t(ids.size()));
        }
        snapshot("trained.faiss");
    }

    faiss::Index *makeEmpty() const
    {
        const auto metric = m_config.metric == Metric::L2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
        try {
            return faiss::index_factory(m_datastore.dimension(), m_config.factory.c_str(), metric);
        } catch (const std::exception &error) {
            fail(ErrorKind::BadInput, "'{}' is not an index for keys of dimension {}: {}. Use \"exact\" or a FAISS factory string such as \"IVF1024,PQ32\".",
                 m_config.factory, m_datastore.dimension(), error.what());
        }
    }

    void prepareTraining()
    {
        if (auto *lists = faiss::ivflib::try_extract_index_ivf(m_index.get()))
            lists->cp.seed = static_cast<int>(m_config.seed & 0x7fffffff);
        // Factory strings ask for polysemous codes (Douze et al. 2016): minutes of simulated annealing that order the
        // centroids for a Hamming pre-filter that no search here uses. Distances are the same without.
        faiss::Index *inner = m_index.get();
        while (inner) {
            if (auto *outer = dynamic_cast<faiss::IndexPreTransform *>(inner))
                inner = outer->index;
            else if (auto *refined = dynamic_cast<faiss::IndexRefine *>(inner))
                inner = refined->base_index;
            else
                break;
        }
        if (auto *lists = dynamic_cast<faiss::IndexIVFPQ *>(inner))
            lists->do_polysemous_training = false;
        else if (auto *codes = dynamic_cast<faiss::IndexPQ *>(inner))
            codes->do_polysemous_training = false;
    }

    void load()
    {
        const fs::path path = m_folder / m_journal.snapshot;
        m_job.report("reading the unfinished index", "entries", m_journal.added, m_datastore.size());
        const MappedFile file(path, MappedFile::Access::Sequential);
        if (file.size() != m_journal.bytes || hex64(xxh3(file.bytes().data(), file.size())) != m_journal.checksum)
            fail(ErrorKind::Corrupt, "{} changed since it was written; remove the unfinished index {} and build it again.", path.string(), m_folder.string());
        m_index.reset(faiss::read_index(path.c_str()));
        if (m_index->ntotal != m_journal.added || m_index->d != m_datastore.dimension())
            fail(ErrorKind::Corrupt, "{} holds {} entries, but the journal counts {}; remove the unfinished index and build it again.", path.string(),
                 m_index->ntotal, m_journal.added);
    }

    void add()
    {
        using Clock = std::chrono::steady_clock;
        constexpr std::string_view stage = "adding to the index";
        const std::int64_t n = m_datastore.size();
        std::vector<float> keys(std::size_t(blockKeys * m_datastore.dimension()));
        double sinceSnapshot = 0;
        try {
            while (m_index->ntotal < n) {
                m_job.checkpoint();
                m_job.report(stage, "entries", m_index->ntotal, n);
                const auto begin = Clock::now();
                const std::int64_t count = std::min(blockKeys, n - m_index->ntotal);
                m_datastore.copyKeys(m_index->ntotal, count, keys.data());
                m_index->add(count, keys.data());
                sinceSnapshot += seconds(begin);
                if (m_index->ntotal < n && sinceSnapshot * snapshotShare > m_snapshotSeconds + 0.1) {
                    snapshot(snapshotName());
                    sinceSnapshot = 0;
                }
            }
        } catch (const Cancelled &) {
            if (m_index->ntotal > m_journal.added)
                snapshot(snapshotName());
            throw;
        }
        m_job.report(stage, "entries", n, n);
    }

    [[nodiscard]] std::string snapshotName() const { return fmt::format("added-{}.faiss", m_index->ntotal); }

    static double seconds(std::chrono::steady_clock::time_point begin)
    {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }

    /// The snapshot first, then the journal that names it, then the one before goes.
    void snapshot(const std::string &name)
    {
        const auto begin = std::chrono::steady_clock::now();
        AtomicWriter writer(m_folder / name);
        faiss::write_index(m_index.get(), &writer);
        writer.commit();
        const std::string before = std::exchange(m_journal.snapshot, name);
        m_journal.added = m_index->ntotal;
        m_journal.bytes = writer.written();
        m_journal.checksum = hex64(writer.checksum());
        m_journal.write(m_folder);
        if (!before.empty() && before != name)
            fs::remove(m_folder / before);
        m_snapshotSeconds = seconds(begin);
    }

    fs::path m_folder;
    IndexConfig m_config;
    const Datastore &m_datastore;
    Journal m_journal;
    JobControl &m_job;
    std::unique_ptr<faiss::Index> m_index;
    double m_snapshotSeconds = 0;
};

Json identityOf(const IndexConfig &config, const Datastore &datastore)
{
    const std::int64_t sample = config.trainSample > 0 ? config.trainSample : defaultTrainSample;
    return {{"factory", config.factory},       {"metric", toString(config.metric)}, {"train_sample", std::min(sample, datastore.size())},
            {"seed", config.seed},             {"datastore", datastore.fingerprint()}, {"entries", datastore.size()},
            {"dimension", datastore.dimension()}};
}

void requireSameIdentity(const fs::path &folder, const Json &there, const Json &here, std::string_view advice)
{
    for (const auto &[field, value] : here.items())
        requireSame(fmt::format("'{}' of the index {}", field, folder.string()), value.dump(), there.value(field, Json()).dump(), advice);
}

void addRecall(Manifest &manifest, const IndexConfig &config, const Index &index, const Datastore &datastore, JobControl &job)
{
    if (config.recallSample < 1)
        return;
    const auto at = static_cast<std::int32_t>(std::min<std::int64_t>(config.recallAt, datastore.size()));
    const Recall recall = measureRecall(index, datastore, at, config.recallSample, {}, config.seed, job);
    manifest.info["recall"] = {{"at", recall.at}, {"value", recall.value}, {"sample", recall.sample}, {"nprobe", recall.parameters.nprobe}};
}

/// The lists of an inverted file name the entries that they hold. FAISS does not check what a file of others says, nor where
/// it says that each entry lies; both are found out anew here.
void requireEveryEntry(faiss::Index &index, const fs::path &file)
{
    auto *lists = faiss::ivflib::try_extract_index_ivf(&index);
    if (!lists)
        return; // entries are where they were added
    const auto refuse = [&](const std::string &what) {
        fail(ErrorKind::BadInput, "{} {}; only an index whose ids are the datastore's entries, 0 to {}, can be imported.", file.string(), what, index.ntotal - 1);
    };
    try {
        lists->set_direct_map_type(faiss::DirectMap::NoMap);
        lists->set_direct_map_type(faiss::DirectMap::Array);
    } catch (const faiss::FaissException &) {
        refuse("holds ids beyond its number of entries");
    }
    const auto missing = std::ranges::find(lists->direct_map.array, -1);
    if (missing != lists->direct_map.array.end())
        refuse(fmt::format("lacks the entry {}", missing - lists->direct_map.array.begin()));
}

/// Nothing to do when the same index is finished already; throws when another one is.
bool isFinished(const fs::path &folder, const Json &identity)
{
    if (!hasManifest(folder))
        return false;
    requireSameIdentity(folder, readManifest(folder, layout::indexFormat, layout::indexVersion).identity, identity, "it is finished already; choose another name");
    return true;
}

/// What an interrupted build may have left behind a finished one.
void removeLeftovers(const fs::path &folder)
{
    for (const auto &entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name == journalFile || name.starts_with("added-") || name.starts_with("trained.faiss") || name.find(".partial-") != std::string::npos)
            fs::remove(entry.path());
    }
}

} // namespace

void buildIndex(const fs::path &folder, const IndexConfig &config, std::shared_ptr<const Datastore> datastore, JobControl &job)
{
    const FolderLock lock(folder);
    Manifest manifest = exactManifest(*datastore, config.metric);
    const bool exact = config.factory == layout::exactFactory;
    if (!exact)
        manifest.identity = identityOf(config, *datastore);
    if (!isFinished(folder, manifest.identity)) {
        if (exact) {
            manifest.info["recall"] = {{"at", config.recallAt}, {"value", 1.0}, {"sample", 0}, {"nprobe", 0}};
        } else {
            Journal journal;
            if (journal.read(folder))
                requireSameIdentity(folder, journal.identity, manifest.identity, "an unfinished build stands there; repeat it with its own settings, or remove it");
            journal.identity = manifest.identity;
            auto built = Builder(folder, config, *datastore, std::move(journal), job).run(manifest);
            const auto index = makeFaissIndex(std::move(built), datastore, manifest);
            addRecall(manifest, config, *index, *datastore, job);
        }
        writeManifest(manifest, folder);
    }
    removeLeftovers(folder);
}

void importIndex(const fs::path &folder, const fs::path &file, std::shared_ptr<const Datastore> datastore, const IndexConfig &config, JobControl &job)
{
    const FolderLock lock(folder);
    job.report("reading the index", "entries", 0, datastore->size());
    auto read = readFaissFile(file, *datastore, false);
    requireEveryEntry(*read, file);
    prepareForUse(*read);
    Manifest manifest = exactManifest(*datastore, read->metric_type == faiss::METRIC_INNER_PRODUCT ? Metric::InnerProduct : Metric::L2);
    const MappedFile source(file, MappedFile::Access::Sequential);
    manifest.identity["factory"] = "imported";
    manifest.identity["source_xxh3"] = hex64(xxh3(source.bytes().data(), source.size()));
    manifest.identity["entries"] = datastore->size();
    manifest.identity["dimension"] = datastore->dimension();
    manifest.info["source"] = file.filename().string();
    if (!isFinished(folder, manifest.identity)) {
        AtomicWriter writer(folder / layout::indexFile);
        faiss::write_index(read.get(), &writer);
        writer.commit();
        addFile(manifest, layout::indexFile, writer.written(), writer.checksum());
        const auto index = makeFaissIndex(std::move(read), datastore, manifest);
        addRecall(manifest, config, *index, *datastore, job);
        writeManifest(manifest, folder);
    }
    removeLeftovers(folder);
}

} // namespace retoscope
