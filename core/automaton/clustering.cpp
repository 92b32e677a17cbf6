// SPDX-License-Identifier: GPL-3.0-or-later
// k-means over the keys (retrieval.md section 6), one FAISS iteration at a time, so that progress shows, a stop loses one
// iteration at most, and a build that was killed ends byte-identical to one that was not.
#include "automaton/clusters.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/mapped_file.h"
#include "index/faiss_job.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <random>

namespace retoscope {

namespace fs = std::filesystem;

namespace {

constexpr const char *journalName = "journal.json";
constexpr const char *assignmentName = "assignment.partial";
constexpr std::int64_t entriesPerBlock = 16384;

/// Runs work of FAISS that stops when the job is cancelled.
template<typename Work>
void runFaiss(JobControl &job, const Work &work)
{
    try {
        const FaissJob guard(job);
        work();
    } catch (const faiss::FaissException &error) {
        job.checkpoint(); // a cancel reaches us as an exception of FAISS
        fail(ErrorKind::BadInput, "clusters: FAISS could not cluster the keys: {}", error.msg);
    }
}

/// Where an unfinished clustering stands. The journal is replaced atomically after what it speaks of is on disk.
struct Journal
{
    Json identity;
    std::vector<double> objective; ///< one per iteration that is done
    std::int64_t assigned = 0;     ///< entries whose state is on disk
};

fs::path centroidsPath(const fs::path &folder, std::size_t iterations)
{
    return folder / fmt::format("centroids-{}.partial", iterations);
}

void writeJournal(const fs::path &folder, const Journal &journal)
{
    const Json json{{"identity", journal.identity}, {"objective", journal.objective}, {"assigned", journal.assigned}};
    writeFileAtomically(folder / journalName, json.dump(2));
}

Journal readJournal(const fs::path &folder, const Json &identity)
{
    Journal journal{identity, {}, 0};
    if (!fs::exists(folder / journalName))
        return journal;
    const Json json = Json::parse(readFile(folder / journalName), nullptr, false);
    if (!json.is_object() || !json.contains("identity") || !json.contains("objective") || !json.contains("assigned"))
        fail(ErrorKind::Corrupt, "{} is damaged; remove the folder and build the clusters again.", (folder / journalName).string());
    for (const auto &[name, value] : identity.items())
        requireSame(fmt::format("{} of the unfinished clusters in {}", name, folder.string()), json["identity"].value(name, Json()).dump(), value.dump(),
                    "Build into another folder, or remove this one to start again.");
    journal.objective = json["objective"].get<std::vector<double>>();
    journal.assigned = json["assigned"].get<std::int64_t>();
    return journal;
}

/// `count` of `total` in ascending order, each subset equally likely (Knuth, TAOCP 3.4.2, algorithm S).
std::vector<std::int32_t> drawWithoutReplacement(std::int64_t total, std::int64_t count, std::uint64_t seed)
{
    std::vector<std::int32_t> drawn;
    drawn.reserve(std::size_t(count));
    std::mt19937_64 random(seed);
    for (std::int64_t i = 0; std::int64_t(drawn.size()) < count; ++i) {
        const double share = double(random() >> 11) * 0x1p-53;
        if (share * double(total - i) < double(count - std::int64_t(drawn.size())))
            drawn.push_back(static_cast<std::int32_t>(i));
    }
    return drawn;
}

/// Lloyd's algorithm by FAISS; a fresh Clustering continues from the centroids that it is given.
class KMeans
{
public:
    KMeans(const fs::path &folder, const ClusterConfig &config, const Datastore &datastore)
        : m_folder(folder), m_config(config), m_datastore(datastore)
    {
    }

    /// Runs the iterations that the journal lacks and returns the centroids, [states × D].
    std::vector<float> train(Journal &journal, JobControl &job)
    {
        std::vector<float> centroids;
        if (!journal.objective.empty())
            centroids = storedCentroids(journal.objective.size());
        if (std::int64_t(journal.objective.size()) < m_config.iterations)
            drawSample();
        while (std::int64_t(journal.objective.size()) < m_config.iterations) {
            job.checkpoint();
            journal.objective.push_back(iterate(centroids, job));
            AtomicFile file(centroidsPath(m_folder, journal.objective.size()));
            file.write(std::span<const float>(centroids));
            file.commit();
            writeJournal(m_folder, journal);
            fs::remove(centroidsPath(m_folder, journal.objective.size() - 1));
            job.report("clustering the keys", "iterations", std::int64_t(journal.objective.size()), m_config.iterations,
                       fmt::format("objective {:.6g}", journal.objective.back()));
        }
        return centroids;
    }

private:
    void drawSample()
    {
        const std::int64_t wanted = m_config.sample == 0 ? m_datastore.size() : std::min(m_config.sample, m_datastore.size());
        m_count = std::max<std::int64_t>(wanted, m_config.states);
        m_sample.resize(std::size_t(m_count) * std::size_t(m_datastore.dimension()));
        if (m_count == m_datastore.size())
            m_datastore.copyKeys(0, m_count, m_sample.data());
        else
            m_datastore.gatherKeys(drawWithoutReplacement(m_datastore.size(), m_count, m_config.seed), m_sample.data());
    }

    /// One iteration from `centroids` (empty: random keys) to `centroids`; returns the sum of squared distances before it.
    double iterate(std::vector<float> &centroids, JobControl &job)
    {
        faiss::ClusteringParameters parameters;
        parameters.niter = 1;
        parameters.seed = static_cast<int>(m_config.seed);
        parameters.min_points_per_centroid = 1; // whether a state may be small is the user's choice, not a warning
        parameters.max_points_per_centroid = static_cast<int>(m_count / m_config.states + 1); // never subsampled in silence
        faiss::Clustering clustering(m_datastore.dimension(), m_config.states, parameters);
        clustering.centroids = centroids;
        faiss::IndexFlatL2 index(m_datastore.dimension());
        runFaiss(job, [&] { clustering.train(m_count, m_sample.data(), index); });
        centroids = clustering.centroids;
        return clustering.iteration_stats.empty() ? 0 : double(clustering.iteration_stats.back().obj); // as many keys as states
    }

    [[nodiscard]] std::vector<float> storedCentroids(std::size_t iterations) const
    {
        const MappedFile file(centroidsPath(m_folder, iterations));
        const auto values = file.view<float>(0, std::size_t(m_config.states) * std::size_t(m_datastore.dimension()));
        return {values.begin(), values.end()};
    }

    fs::path m_folder;
    ClusterConfig m_config;
    const Datastore &m_datastore;
    std::vector<float> m_sample; ///< [m_count × D]
    std::int64_t m_count = 0;
};

/// What the build has worked with, and what a killed one has left.
void removeLeftovers(const fs::path &folder)
{
    std::vector<fs::path> leftovers;
    for (const auto &entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name == journalName || name == assignmentName || name.starts_with("centroids-"))
            leftovers.push_back(entry.path());
    }
    for (const fs::path &leftover : leftovers)
        fs::remove(leftover);
}

/// Appends the nearest centroid of every entry to the partial assignment, block by block.
void assign(const fs::path &folder, std::span<const float> centroids, const ClusterConfig &config, const Datastore &datastore, Journal &journal,
            JobControl &job)
{
    faiss::IndexFlatL2 index(datastore.dimension());
    index.add(config.states, centroids.data());
    AppendFile file(folder / assignmentName, std::uint64_t(journal.assigned) * sizeof(std::int32_t));
    std::vector<float> keys, distances;
    std::vector<faiss::Index::idx_t> nearest;
    while (journal.assigned < datastore.size()) {
        job.checkpoint();
        const std::int64_t count = std::min(entriesPerBlock, datastore.size() - journal.assigned);
        keys.resize(std::size_t(count) * std::size_t(datastore.dimension()));
        distances.resize(std::size_t(count));
        nearest.resize(std::size_t(count));
        datastore.copyKeys(journal.assigned, count, keys.data());
        runFaiss(job, [&] { index.search(count, keys.data(), 1, distances.data(), nearest.data()); });
        const std::vector<std::int32_t> states(nearest.begin(), nearest.end());
        file.write(std::span<const std::int32_t>(states));
        file.sync();
        journal.assigned += count;
        writeJournal(folder, journal);
        job.report("assigning entries to states", "entries", journal.assigned, datastore.size());
    }
}

} // namespace

void buildClusters(const fs::path &folder, const ClusterConfig &config, const Datastore &datastore, JobControl &job)
{
    if (config.states < 1 || config.states > datastore.size())
        fail(ErrorKind::BadInput, "clusters: {} states were asked for, but the datastore has {} entries; N/100 to N/200 is the usual choice.",
             config.states, datastore.size());
    if (config.iterations < 1 || config.sample < 0)
        fail(ErrorKind::BadInput, "clusters: {} iterations over a sample of {} cannot be; give at least 1 iteration, and 0 for all keys.",
             config.iterations, config.sample);
    if (config.sample > 0 && config.sample < config.states)
        fail(ErrorKind::BadInput, "clusters: a sample of {} keys cannot make {} states; draw at least as many keys.", config.sample, config.states);
    Json identity{{"datastore", datastore.fingerprint()}, {"config", config}};
    makeFolder(folder);
    const FolderLock lock(folder);
    if (hasManifest(folder)) {
        const auto clusters = Clusters::open(folder);
        const Json &finished = clusters->manifest().identity;
        for (const auto &[name, value] : identity.items())
            requireSame(fmt::format("{} of the clusters in {}", name, folder.string()), finished.value(name, Json()).dump(), value.dump(),
                        "Build into another folder.");
        removeLeftovers(folder);
        return;
    }
    Journal journal = readJournal(folder, identity);
    const std::vector<float> centroids = KMeans(folder, config, datastore).train(journal, job);
    assign(folder, centroids, config, datastore, journal, job);
    {
        const MappedFile assignment(folder / assignmentName);
        Clusters::write(folder, assignment.view<std::int32_t>(0, std::size_t(datastore.size())), config.states, std::move(identity),
                        {{"objective", journal.objective}});
    }
    removeLeftovers(folder);
}

} // namespace retoscope
