// SPDX-License-Identifier: GPL-3.0-or-later
// What was done, and how to repeat it: one SQLite file per project (WAL, STRICT tables, migrations by user_version). Any
// number of processes may use it at once; a row written is a row kept.
#pragma once

#include "base/manifest.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace retoscope {

enum class ArtefactKind { Corpus, Tokenizer, Model, Tokens, Datastore, Index, Clusters, Trace };
std::string_view toString(ArtefactKind kind); ///< "corpus", "tokenizer", "model", "tokens", "datastore", "index", "clusters", "trace"
ArtefactKind artefactKindFromString(std::string_view text);

enum class ArtefactState
{
    Building, ///< begun; the same command continues it
    Ready,
    Failed,
};

/// An input of an artefact: its role ("model", "corpus", "datastore", …), the row, and the fingerprint it had then.
struct ArtefactInput
{
    std::string role;
    std::int64_t artefact = 0;
    std::string fingerprint;
};

struct ArtefactRow
{
    std::int64_t id = 0;
    ArtefactKind kind = ArtefactKind::Corpus;
    std::string name;            ///< unique among the artefacts of its kind that are not deleted
    std::string folder;          ///< relative to the project, or absolute for a model that stays where it is
    ArtefactState state = ArtefactState::Building;
    std::string fingerprint;     ///< empty until ready
    std::string requestHash;     ///< SHA-256 of configuration and input fingerprints: equal requests share an artefact
    Json config = Json::object();
    Json info = Json::object();  ///< sizes, rates, recall …; "command": what makes (and continues) it; "error": why it failed
    std::uint64_t bytes = 0;
    std::int64_t createdMs = 0, finishedMs = 0; ///< UTC
    std::vector<ArtefactInput> inputs;
    std::int64_t deletedMs = 0;  ///< UTC; 0: it is there
};
std::string_view toString(ArtefactState state); ///< "building", "ready", "failed"

enum class JobState { Running, Done, Failed, Cancelled, Interrupted /* its process is gone */ };
std::string_view toString(JobState state); ///< "running", "done", "failed", "cancelled", "interrupted"
struct JobRow
{
    std::int64_t id = 0;
    std::string kind;    ///< "datastore build", …
    std::string command; ///< the exact command line that repeats it
    JobState state = JobState::Running;
    std::int64_t pid = 0;
    std::int64_t startedMs = 0, endedMs = 0;
    std::string message; ///< the sentence of a failure
};

enum class RunStatus { Running, Done, Failed };
std::string_view toString(RunStatus status); ///< "running", "done", "failed"
struct RunRow
{
    std::int64_t id = 0;
    std::string name;
    RunStatus status = RunStatus::Running;
    std::string method;            ///< "base", "knnlm", "retomaton", "adaptret"
    std::int64_t trace = 0;        ///< artefact id; 0 for a live evaluation without a trace
    std::int64_t group = 0;        ///< sweep or curve that made it; 0: alone
    Json config = Json::object();  ///< EvaluationSettings plus "artefacts": {role: {"id", "name", "fingerprint"}} (roles: trace, model, …)
    Json metrics = Json::object(); ///< perplexity, nll, foss, …
    Json environment = Json::object();
    std::string command;
    std::int64_t startedMs = 0;
    double seconds = 0;
    std::string note;
    std::string message;           ///< why it failed
    bool archived = false;
    std::vector<std::string> tags;
};

struct CurveRow
{
    std::int64_t id = 0;
    std::string kind;  ///< "sweep", "foss"
    std::string name;
    std::int64_t trace = 0;
    Json config = Json::object(); ///< grid, base settings
    Json data = Json::object();   ///< series with points; each point names its run
    std::string command;
    std::int64_t createdMs = 0;
};

struct RunFilter
{
    std::string expression = {}; ///< e.g. "ppl < 20 and k = 1024"; empty: all. BadInput with a position for a syntax error
    bool includeArchived = false;
    std::optional<std::int64_t> group = {}; ///< 0: runs of no group
    std::int64_t limit = 0; ///< 0: no limit
    std::int64_t offset = 0;
    std::string orderBy = "id";
    bool descending = false;
};

/// One connection; use one Ledger per thread. Every write is one IMMEDIATE transaction; a busy ledger is waited for up to
/// 30 s (3 s when it is only read, and `patience` when one is given) and then refused with a sentence.
class Ledger
{
public:
    enum class Mode { ReadWrite, ReadOnly };
    /// Creates or migrates the file. Refuses a newer schema, a file that is not ours, and a damaged one with a sentence.
    explicit Ledger(const std::filesystem::path &file, Mode mode = Mode::ReadWrite, std::optional<std::chrono::milliseconds> patience = {});
    ~Ledger();
    Ledger(Ledger &&) noexcept;
    Ledger &operator=(Ledger &&) noexcept;

    // Artefacts
    /// The row with this kind and request hash that is not deleted; else a new Building row under `name` (made unique by a
    /// suffix -2, -3 … when taken). A Failed row becomes Building again: the same request continues it. An empty request
    /// hash is equal to no other. Atomic: two processes asking at once get the same row.
    /// `command` goes to info["command"] and stays there when finishArtefact() brings its own info.
    ArtefactRow beginArtefact(ArtefactKind kind, const std::string &name, const std::string &requestHash, const Json &config,
                              const std::vector<ArtefactInput> &inputs, const std::string &command = {});
    void finishArtefact(std::int64_t id, const std::string &folder, const std::string &fingerprint, std::uint64_t bytes, const Json &info);
    /// The sentence is kept as info["error"]. What another process has finished meanwhile stays ready.
    void failArtefact(std::int64_t id, const std::string &sentence);
    /// What its building will need; kept as info["forecast"] until it is finished.
    void setForecast(std::int64_t id, const Json &forecast);
    void setArtefactFolder(std::int64_t id, const std::string &folder);
    /// Its name becomes free; the row stays for the runs and artefacts that were made from it, marked as deleted.
    void deleteArtefact(std::int64_t id);
    [[nodiscard]] std::vector<ArtefactRow> artefacts(std::optional<ArtefactKind> kind = {}) const;
    [[nodiscard]] std::optional<ArtefactRow> artefact(std::int64_t id, bool evenDeleted = false) const;
    /// By name, or "#id", or id. Throws NotFound listing the names there are.
    [[nodiscard]] ArtefactRow findArtefact(ArtefactKind kind, const std::string &nameOrId) const;

    // Jobs
    std::int64_t beginJob(const std::string &kind, const std::string &command);
    void endJob(std::int64_t id, JobState state, const std::string &message = {});
    /// Running jobs whose process is gone become Interrupted; returns them. Running runs of such processes become Failed.
    std::vector<JobRow> markInterruptedJobs();
    [[nodiscard]] std::vector<JobRow> jobs() const;

    // Runs and curves
    std::int64_t addRun(const RunRow &run); ///< id is assigned; startedMs 0: now
    std::vector<std::int64_t> addRuns(const std::vector<RunRow> &runs); ///< one transaction
    void updateRun(const RunRow &run);      ///< status, metrics, environment, seconds, message, name, note
    void setRunNote(std::int64_t id, const std::string &note);
    void setRunArchived(std::int64_t id, bool archived);
    void deleteRun(std::int64_t id); ///< refused while it is running
    void restoreRun(const RunRow &run); ///< takes a deletion back: same id, tags and archive mark (ids are never used twice)
    void addTag(std::int64_t run, const std::string &tag);
    void removeTag(std::int64_t run, const std::string &tag);
    [[nodiscard]] std::vector<RunRow> runs(const RunFilter &filter = {}) const;
    [[nodiscard]] std::vector<std::int64_t> runIds(const RunFilter &filter = {}) const; ///< of runs(filter), without reading the rows
    [[nodiscard]] std::int64_t runCount(const RunFilter &filter = {}) const;
    [[nodiscard]] std::optional<RunRow> run(std::int64_t id) const;
    std::int64_t addCurve(const CurveRow &curve);
    /// The curve and the runs of its points (their group is the curve) in one transaction, so that neither is ever there
    /// without the other. `complete` puts the runs' ids into the curve's data; it must not call the ledger.
    struct CurveWithRuns
    {
        std::int64_t curve = 0;
        std::vector<std::int64_t> runs;
    };
    CurveWithRuns addCurve(CurveRow curve, std::vector<RunRow> runs, const std::function<void(CurveRow &curve, const std::vector<std::int64_t> &runs)> &complete);
    void updateCurve(const CurveRow &curve); ///< data
    [[nodiscard]] std::vector<CurveRow> curves() const;
    [[nodiscard]] std::optional<CurveRow> curve(std::int64_t id) const;

    /// What the journal could not be: empty, or why the ledger does not use WAL (network file systems).
    [[nodiscard]] const std::string &journalNote() const;
    /// Grows with every change by any process: for live views. Cheap to ask for.
    [[nodiscard]] std::int64_t changeCounter() const;
    /// PRAGMA integrity_check and foreign_key_check; empty when all is well.
    [[nodiscard]] std::vector<std::string> check() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

/// Milliseconds since 1970, UTC.
std::int64_t nowMs();
/// Version of the SQLite in use, e.g. "3.40.1".
std::string sqliteVersion();

} // namespace retoscope
