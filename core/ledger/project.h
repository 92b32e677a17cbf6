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

/// Opens artefacts by row and checks that they belong together. One per thread (it owns a Ledger).
class Project
{
public:
    /// Throws BadInput when the folder already holds a project or other files.
    static Project create(const std::filesystem::path &folder, const std::string &name = {});
    /// Throws NotFound with the command that makes one.
    static Project open(const std::filesystem::path &folder, Ledger::Mode mode = Ledger::Mode::ReadWrite);
    static bool isProject(const std::filesystem::path &folder);

    [[nodiscard]] const std::filesystem::path &folder() const { return m_folder; }
    [[nodiscard]] const std::string &name() const { return m_name; }
    [[nodiscard]] Ledger &ledger() { return m_ledger; }
    [[nodiscard]] const Ledger &ledger() const { return m_ledger; }

    /// Where the artefact's files are, or will be.
    [[nodiscard]] std::filesystem::path folderOf(const ArtefactRow &row) const;

    [[nodiscard]] std::shared_ptr<const Corpus> openCorpus(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Tokenizer> openTokenizer(const ArtefactRow &row) const; ///< of a tokenizer or a model
    [[nodiscard]] std::shared_ptr<const LanguageModel> openModel(const ArtefactRow &row, const LoadOptions &options = {}) const;
    [[nodiscard]] std::shared_ptr<const TokenStore> openTokens(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Datastore> openDatastore(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Index> openIndex(const ArtefactRow &row, std::shared_ptr<const Datastore> datastore) const;
    [[nodiscard]] std::shared_ptr<const Clusters> openClusters(const ArtefactRow &row) const;
    [[nodiscard]] std::shared_ptr<const Trace> openTrace(const ArtefactRow &row, std::shared_ptr<const Datastore> datastore) const;

    /// The input with this role, e.g. the datastore of an index. Throws Mismatch when its fingerprint is no longer the one
    /// recorded (stale), naming both and the command that renews it.
    [[nodiscard]] ArtefactRow inputOf(const ArtefactRow &row, const std::string &role) const;
    /// Empty when every input still has the recorded fingerprint; else sentences (the chain).
    [[nodiscard]] std::vector<std::string> staleness(const ArtefactRow &row) const;

private:
    Project(std::filesystem::path folder, std::string name, Ledger ledger);
    std::filesystem::path m_folder;
    std::string m_name;
    Ledger m_ledger;
};

} // namespace retoscope
