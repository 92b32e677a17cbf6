// SPDX-License-Identifier: GPL-3.0-or-later
// A project with one artefact of each kind except a model on disk, built by the same functions as real ones, over a text
// of a few kilobytes and the small language model of the tests.
#pragma once

#include "automaton/clusters.h"
#include "base/hash.h"
#include "base/job.h"
#include "core/support/fake_language_model.h"
#include "datastore/datastore_builder.h"
#include "ledger/project.h"
#include "trace/trace_recorder.h"

#include <QTemporaryDir>

#include <fstream>
#include <functional>

namespace retoscope::test {

/// A token per byte.
class ByteTokenizer final : public Tokenizer
{
public:
    [[nodiscard]] std::string kind() const override { return "bytes"; }
    [[nodiscard]] std::int32_t vocabularySize() const override { return 256; }
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override
    {
        std::vector<std::int32_t> ids;
        for (const char c : text)
            ids.push_back(static_cast<unsigned char>(c));
        return ids;
    }
    [[nodiscard]] Encoding encodeWithSpans(std::string_view text) const override
    {
        Encoding encoding{encode(text), {}};
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(text.size()); ++i)
            encoding.spans.push_back({i, i + 1});
        return encoding;
    }
    [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const override
    {
        std::string text;
        for (const std::int32_t id : ids)
            text += static_cast<char>(id);
        return text;
    }
    [[nodiscard]] std::string piece(TokenId id) const override { return {static_cast<char>(id.value)}; }
    [[nodiscard]] bool isSpecial(TokenId) const override { return false; }
    [[nodiscard]] std::optional<TokenId> bos() const override { return std::nullopt; }
    [[nodiscard]] std::optional<TokenId> eos() const override { return std::nullopt; }
    [[nodiscard]] std::string fingerprint() const override { return sha256("bytes"); }
    [[nodiscard]] std::vector<std::filesystem::path> files() const override { return {}; }
};

struct ProjectWorld
{
    QTemporaryDir folder;
    FakeLanguageModel model{256, 12};
    JobControl job;
    Project project;
    ArtefactRow corpus, train, evaluation, datastore, index, clusters, trace;

    /// A copy of one that is built once per test program.
    ProjectWorld() : project(openCopy(folder))
    {
        const ProjectWorld &built = original();
        corpus = built.corpus;
        train = built.train;
        evaluation = built.evaluation;
        datastore = built.datastore;
        index = built.index;
        clusters = built.clusters;
        trace = built.trace;
    }

    [[nodiscard]] std::filesystem::path path(const std::string &name) const { return std::filesystem::path(folder.path().toStdString()) / name; }

    using Inputs = std::vector<std::pair<std::string, ArtefactRow>>;
    /// Makes an artefact as the operations do: row, files, row. `build` returns the fingerprint.
    ArtefactRow make(ArtefactKind kind, const std::string &name, const Inputs &inputs, const std::function<std::string(const std::filesystem::path &)> &build)
    {
        std::vector<ArtefactInput> recorded;
        for (const auto &[role, row] : inputs)
            recorded.push_back({role, row.id, row.fingerprint});
        const auto row = project.ledger().beginArtefact(kind, name, "", {}, recorded, "make " + name);
        const auto place = project.folderOf(row);
        const std::string fingerprint = build(place);
        project.ledger().finishArtefact(row.id, place.lexically_relative(project.folder()).string(), fingerprint, 1, {});
        return *project.ledger().artefact(row.id);
    }
    ArtefactRow makeTokens(const std::string &name, Split split)
    {
        return make(ArtefactKind::Tokens, name, {{"corpus", corpus}}, [&](const auto &place) {
            buildTokenStore(place, *project.openCorpus(corpus), split, ByteTokenizer(), {}, job);
            return TokenStore::open(place)->fingerprint();
        });
    }
    std::string buildDatastoreIn(const std::filesystem::path &place, std::int32_t block)
    {
        DatastoreConfig config;
        config.windows = {.block = block, .stride = 12};
        buildDatastore(place, config, model, *project.openTokens(train), job);
        return Datastore::open(place)->fingerprint();
    }
    ArtefactRow makeDatastore(const std::string &name, std::int32_t block)
    {
        return make(ArtefactKind::Datastore, name, {{"tokens", train}}, [&](const auto &place) { return buildDatastoreIn(place, block); });
    }
    ArtefactRow makeIndex(const std::string &name, const std::string &factory, const ArtefactRow &of)
    {
        return make(ArtefactKind::Index, name, {{"datastore", of}}, [&](const auto &place) {
            IndexConfig config;
            config.factory = factory;
            config.recallAt = 8;
            const auto store = project.openDatastore(of);
            buildIndex(place, config, store, job);
            return Index::open(place, store)->fingerprint();
        });
    }
    ArtefactRow makeTrace(const std::string &name, const ArtefactRow &tokens)
    {
        return make(ArtefactKind::Trace, name, {{"tokens", tokens}, {"datastore", datastore}, {"index", index}}, [&](const auto &place) {
            TraceConfig config;
            config.k = 16;
            config.topCandidates = 4;
            config.windows = {.block = 24, .stride = 12};
            const auto store = project.openDatastore(datastore);
            recordTrace(place, config, model, *project.openTokens(tokens), store, *project.openIndex(index, store), job);
            return Trace::open(place, store)->fingerprint();
        });
    }

private:
    struct FromScratch
    {
    };
    explicit ProjectWorld(FromScratch) : project(Project::create(path("project"), "world"))
    {
        writeTexts();
        corpus = make(ArtefactKind::Corpus, "corpus", {}, [&](const auto &place) {
            CorpusOptions options;
            options.kind = CorpusKind::BlankLines;
            options.trainFraction = 0.7;
            options.validationFraction = 0;
            options.testFraction = 0.3;
            buildCorpus(place, {path("text.txt")}, options, job);
            return Corpus::open(place)->fingerprint();
        });
        train = makeTokens("train", Split::Train);
        evaluation = makeTokens("test", Split::Test);
        datastore = makeDatastore("datastore", 24);
        index = makeIndex("index", "exact", datastore);
        clusters = make(ArtefactKind::Clusters, "clusters", {{"datastore", datastore}}, [&](const auto &place) {
            ClusterConfig config;
            config.states = 8;
            config.iterations = 3;
            buildClusters(place, config, *project.openDatastore(datastore), job);
            return Clusters::open(place)->fingerprint();
        });
        trace = makeTrace("trace", evaluation);
    }

    static const ProjectWorld &original()
    {
        static const ProjectWorld world{FromScratch()};
        return world;
    }
    static Project openCopy(const QTemporaryDir &folder)
    {
        const auto from = original().project.folder();
        const auto to = std::filesystem::path(folder.path().toStdString()) / "project";
        std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
        return Project::open(to);
    }

    void writeTexts() const
    {
        std::mt19937 random(1);
        const char *words[] = {"the ", "datastore ", "holds ", "keys ", "and ", "values ", "of ", "states "};
        std::ofstream stream(path("text.txt"));
        for (int document = 0; document < 12; ++document) {
            for (int word = 0; word < 40; ++word)
                stream << words[random() % 8];
            stream << "end.\n\n";
        }
    }
};

} // namespace retoscope::test
