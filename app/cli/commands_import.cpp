// SPDX-License-Identifier: GPL-3.0-or-later
// Artefacts of other programs in and out: `… import` and `… export` of datastores, indexes, clusters and traces.
#include "import_commands.h"

#include "build_options.h"

#include <functional>

namespace retoscope::cli {

namespace {

namespace fs = std::filesystem;

void addDatastoreImport(CommandTree &tree, CLI::App *group)
{
    CLI::App *command = tree.command(group, "import", "Take over keys and values of knn-transformers or fairseq (raw dumps), or of numpy.save",
                                     "datastore import --keys dstore_gpt2_116988150_768_keys.npy --values dstore_gpt2_116988150_768_vals.npy --name wikitext");
    struct Options : NameOptions
    {
        DatastoreSource source;
        std::string keyType, valueType, tokenizer;
    };
    auto options = std::make_shared<Options>();
    auto &source = options->source;
    command->add_option("--keys", source.keys, "Keys, entries × dimension: a raw dump or a true .npy file")->type_name("FILE")->required();
    command->add_option("--values", source.values, "Values, one token id per entry: a raw dump or a true .npy file")->type_name("FILE")->required();
    command->add_option("--dimension", source.dimension, "Dimension of the keys (default: from the name or the header)")->check(CLI::PositiveNumber);
    command->add_option("--entries", source.entries, "Number of entries (default: from the name, the header or the sizes)")->check(CLI::PositiveNumber);
    command->add_option("--key-dtype", options->keyType, "f16 or f32 (default: from the name, the header or the sizes)")->check(CLI::IsMember({"f16", "f32"}));
    command->add_option("--value-dtype", options->valueType, "i16, i32 or i64 (default: from the header or the sizes)")->check(CLI::IsMember({"i16", "i32", "i64"}));
    command->add_option("--documents", source.documents, ".npy file with where each document starts, and the total: in entries, or in tokens when the total is larger than the entries")
        ->type_name("FILE");
    command->add_option("--tokenizer", options->tokenizer, "A tokenizer or model of the project, or a tokenizer's folder or file (default: token ids are shown)")->type_name("NAME|PATH");
    options->addForceTo(command);
    tree.onRun(command, [options](Session &session) {
        DatastoreSource files = options->source;
        if (!options->keyType.empty())
            files.keyType = options->keyType == "f16" ? KeyType::Float16 : KeyType::Float32;
        if (!options->valueType.empty())
            files.valueType = options->valueType == "i16" ? "i2" : options->valueType == "i32" ? "i4" : "i8";
        Project project = session.openProject();
        const auto row = addDatastore(project, files, options->tokenizer, session.request(options->name, options->force), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} entries of {} dimensions in {} documents, {}", formatCount(row.info.at("entries")), row.info.at("dimension").get<int>(),
                                          formatCount(row.info.at("documents")), formatBytes(row.bytes)));
    });
}

void addIndexImport(CommandTree &tree, CLI::App *group)
{
    CLI::App *command = tree.command(group, "import", "Take over a FAISS index of a datastore's entries; its whole structure is checked before FAISS reads it",
                                     "index import index_gpt2_116988150_768.indexed --datastore wikitext");
    struct Options : NameOptions
    {
        fs::path file;
        std::string datastore;
        IndexConfig config;
    };
    auto options = std::make_shared<Options>();
    command->add_option("file", options->file, "The index, as faiss.write_index wrote it")->type_name("FILE")->required();
    command->add_option("--datastore", options->datastore, "Name of the datastore whose entries it holds")->required();
    command->add_option("--recall-sample", options->config.recallSample, "Queries of the recall measurement; 0: none")->capture_default_str();
    command->add_option("--recall-at", options->config.recallAt, "Neighbours of the recall measurement")->capture_default_str();
    options->addForceTo(command);
    tree.onRun(command, [options](Session &session) {
        Project project = session.openProject();
        const auto datastore = project.ledger().findArtefact(ArtefactKind::Datastore, options->datastore);
        const auto row = addIndex(project, options->file, datastore, options->config, session.request(options->name, options->force), session.job());
        const auto recall = row.info.find("recall");
        return reportArtefact(session, project, row,
                              recall == row.info.end() ? formatBytes(row.bytes)
                                                       : fmt::format("{}, recall@{} {:.3f}", formatBytes(row.bytes), recall->at("at").get<int>(), recall->at("value").get<double>()));
    });
}

void addClusterImport(CommandTree &tree, CLI::App *group)
{
    CLI::App *command = tree.command(group, "import", "Take over clusters: the pickled matrix of knn-transformers, or a state per entry as .npy",
                                     "cluster import members_gpt2_116988150_768_20000000_500000.pkl --datastore wikitext");
    struct Options : NameOptions
    {
        fs::path file;
        std::string datastore;
    };
    auto options = std::make_shared<Options>();
    command->add_option("file", options->file, "Pickled CSR matrix (clusters × entries), or integers [entries]")->type_name("FILE")->required();
    command->add_option("--datastore", options->datastore, "Name of the datastore whose entries it holds")->required();
    options->addTo(command);
    tree.onRun(command, [options](Session &session) {
        Project project = session.openProject();
        const auto datastore = project.ledger().findArtefact(ArtefactKind::Datastore, options->datastore);
        const auto row = addClusters(project, options->file, datastore, session.request(options->name), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} states over {} entries, {}", formatCount(row.info.at("states")), formatCount(row.info.at("entries")), formatBytes(row.bytes)));
    });
}

void addTraceImport(CommandTree &tree, CLI::App *group)
{
    CLI::App *command = tree.command(group, "import", "Take over an evaluation that ran elsewhere: queries, targets and log probabilities; the search is done here",
                                     "trace import --queries queries.npy --targets labels.npy --lm-logprobs lm_logprob_label.npy --datastore wikitext --k 1024 --name test");
    struct Options : NameOptions
    {
        TraceSource source;
        std::string datastore, index;
        TraceImportConfig config;
    };
    auto options = std::make_shared<Options>();
    auto &source = options->source;
    command->add_option("--queries", source.queries, "Floats [positions × dimension]: the tap at each scored position")->type_name("FILE")->required();
    command->add_option("--targets", source.targets, "Integers [positions]: the true next token")->type_name("FILE")->required();
    command->add_option("--lm-logprobs", source.lmLogProbs, "Floats [positions]: log p of the target under the LM, natural")->type_name("FILE")->required();
    command->add_option("--sequences", source.sequences, "Integers [positions], ascending: the automaton starts afresh where they change (default: one sequence)")->type_name("FILE");
    command->add_option("--windows", source.windows, "Integers [positions], ascending: forward passes, for --semantics reference (default: the sequences)")->type_name("FILE");
    command->add_option("--datastore", options->datastore, "Name of the datastore")->required();
    command->add_option("--index", options->index, "Name of the index (default: exact search)");
    command->add_option("--k", options->config.k, "Neighbours recorded per position")->check(CLI::Range(1, 1 << 20))->capture_default_str();
    command->add_option("--nprobe", options->config.search.nprobe, "Inverted lists that are searched; 0: the index's default")->capture_default_str();
    command->add_option("--ef-search", options->config.search.efSearch, "HNSW: width of the search; 0: default")->capture_default_str();
    options->addForceTo(command);
    tree.onRun(command, [options](Session &session) {
        Project project = session.openProject();
        const auto datastore = project.ledger().findArtefact(ArtefactKind::Datastore, options->datastore);
        std::optional<ArtefactRow> index;
        if (!options->index.empty())
            index = project.ledger().findArtefact(ArtefactKind::Index, options->index);
        const auto row = addTrace(project, options->source, options->config, datastore, index, session.request(options->name, options->force), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} positions with {} neighbours each, perplexity of the LM alone {:.4f}, {}", formatCount(row.info.at("positions")),
                                          formatCount(row.info.at("k")), row.info.at("base_perplexity").get<double>(), formatBytes(row.bytes)));
    });
}

using Export = std::function<std::vector<ExportedFile>(const Project &, const ArtefactRow &, const fs::path &, JobControl &)>;

void addExport(CommandTree &tree, CLI::App *group, ArtefactKind kind, const std::string &what, const Export &write)
{
    const std::string kindName(toString(kind));
    CLI::App *command = tree.command(group, "export", "Write " + what + " as .npy files", fmt::format("{} export wikitext --to arrays", group->get_name()));
    struct Options
    {
        std::string name;
        fs::path folder;
    };
    auto options = std::make_shared<Options>();
    command->add_option("name", options->name, "Name of the " + kindName)->type_name("NAME")->required();
    command->add_option("--to", options->folder, "Folder for the files; made when it is not there")->type_name("DIR")->required();
    tree.onRun(command, [options, kind, write](Session &session) {
        const Project project = session.openProject(Ledger::Mode::ReadOnly);
        const auto row = project.ledger().findArtefact(kind, options->name);
        return reportExport(session, write(project, row, options->folder, session.job()));
    });
}

} // namespace

Json reportExport(Session &session, const std::vector<ExportedFile> &files)
{
    Json list = Json::array();
    for (const auto &file : files) {
        session.print(fmt::format("{}  {} [{}]\n", file.path.string(), file.type, fmt::join(file.shape, ", ")));
        list.push_back({{"path", file.path.string()}, {"type", file.type}, {"shape", file.shape}});
    }
    return {{"files", list}};
}

void addImportCommands(CommandTree &tree)
{
    CLI::App *datastore = tree.root().get_subcommand("datastore"), *index = tree.root().get_subcommand("index");
    CLI::App *cluster = tree.root().get_subcommand("cluster"), *trace = tree.root().get_subcommand("trace");
    addDatastoreImport(tree, datastore);
    addIndexImport(tree, index);
    addClusterImport(tree, cluster);
    addTraceImport(tree, trace);
    addExport(tree, datastore, ArtefactKind::Datastore, "keys, values and documents", exportDatastore);
    addExport(tree, cluster, ArtefactKind::Clusters, "states, offsets and members", exportClusters);
    addExport(tree, trace, ArtefactKind::Trace, "queries, neighbours and the LM's numbers", exportTrace);
}

} // namespace retoscope::cli
