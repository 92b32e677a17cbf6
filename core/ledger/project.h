// SPDX-License-Identifier: GPL-3.0-or-later
// A project: a folder with `retoscope.json` (name), `ledger.sqlite` and `artefacts/<kind>/<name>/`.
#pragma once

#include "ledger/environment.h"
#include "ledger/ledger.h"

#include "automaton/clusters.h"
#include "datastore/datastore.h"
#include "index/index.h"
#include "model/language_model.h"
#include "text/token_store.h"
#include "trace/trace.h"

namespace retoscope {

inline constexpr const char *ledgerFileName = "ledger.sqlite"; ///< in a project's folder

/// Opens artefacts by row and checks that they belong together. One per thread (it owns a Ledger).
class Project
{
public:
    /// Throws BadInput when the folder already holds a project or other files.
    static Project create(const std::filesystem::path &folder, const std::string &name = {});
    /// Throws NotFound with the command that makes one. To be written, jobs whose process is gone become interrupted.
    static Project open(const std::filesystem::path &folder, Ledger::Mode mode = Ledger::Mode::ReadWrite);
    static bool isProject(const std::filesystem::path &folder);

    [[nodiscard]] const std::filesystem::path &folder() const { return m_folder; }
    [[nodiscard]] const std::string &name() const { return m_name; }
    [[nodiscard]] Ledger &ledger() { return m_ledger; }
    [[nodiscard]] const Ledger &ledger() const { return m_ledger; }

    /// Where the artefact's files are, or will be. Absolute when the project's folder is.
    [[nodiscard]] std::filesystem::path folderOf(const ArtefactRow &row) const;

    // Each refuses an artefact that is not ready (with the command that finishes it) and one whose files are not those that
    // the ledger knows (naming both fingerprints).
    [[nodiscard]] std::shared_ptr<const Corpus> openCorpus(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Tokenizer> openTokenizer(const ArtefactRow &row) const; ///< of a tokenizer or a model
    [[nodiscard]] std::shared_ptr<const LanguageModel> openModel(const ArtefactRow &row, const LoadOptions &options = {}) const;
    [[nodiscard]] std::shared_ptr<const TokenStore> openTokens(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Datastore> openDatastore(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Index> openIndex(const ArtefactRow &row, std::shared_ptr<const Datastore> datastore) const;
    [[nodiscard]] std::shared_ptr<const Clusters> openClusters(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Trace> openTrace(const ArtefactRow &row, std::shared_ptr<const Datastore> datastore) const;

    /// The input with this role, e.g. the datastore of an index; when that row was replaced or deleted, any ready artefact
    /// with the recorded fingerprint, which is the same thing. Throws Mismatch when there is none (stale), naming both
    /// fingerprints and the command that renews `row`.
    [[nodiscard]] ArtefactRow inputOf(const ArtefactRow &row, const std::string &role) const;
    /// Empty when every input, and theirs in turn, still has the recorded fingerprint; else a sentence per broken link, the
    /// farthest first.
    [[nodiscard]] std::vector<std::string> staleness(const ArtefactRow &row) const;
    /// The commands that renew a stale artefact, in the order in which they must run; empty when it is not stale.
    [[nodiscard]] std::vector<std::string> renewal(const ArtefactRow &row) const;
    /// Throws Mismatch, naming both fingerprints and the artefact that would fit, unless `row` was made from an input with
    /// this fingerprint in this role, or from none.
    void requireInput(const ArtefactRow &row, const std::string &role, ArtefactKind kind, const std::string &fingerprint) const;
    /// A ready artefact with this fingerprint.
    [[nodiscard]] std::optional<ArtefactRow> withFingerprint(ArtefactKind kind, const std::string &fingerprint) const;

    /// Removes the row and, unless it lies outside the project, the folder. Refused while another process writes into it
    /// and while another artefact needs it (the sentence names it).
    void deleteArtefact(const ArtefactRow &row);
    /// The same although others need it: a new one of its name is about to be made from changed inputs, and they are stale.
    void supersedeArtefact(const ArtefactRow &row);

private:
    Project(std::filesystem::path folder, std::string name, Ledger ledger);
    void requireOpenable(const ArtefactRow &row, ArtefactKind kind) const;
    std::filesystem::path m_folder;
    std::string m_name;
    Ledger m_ledger;
};

} // namespace retoscope
