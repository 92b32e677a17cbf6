// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

namespace retoscope::cli {

namespace {

/// "recall@64 0.973", or nothing when it was not measured.
std::string recallText(const Json &info)
{
    const auto recall = info.find("recall");
    if (recall == info.end() || !recall->is_object())
        return "";
    return fmt::format(", recall@{} {:.3f}", recall->at("at").get<int>(), recall->at("value").get<double>());
}

} // namespace

void addIndexCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("index", "Indexes that find neighbours");
    CLI::App *build = tree.command(group, "build", "Build an index: exact search, or any FAISS factory string; its recall is measured against exact search",
                                   "index build --datastore manual-gpt2 --factory IVF1024,PQ32");
    struct Options : NameOptions
    {
        std::string datastore, metric = "l2";
        IndexConfig config;
    };
    auto options = std::make_shared<Options>();
    auto &config = options->config;
    build->add_option("--datastore", options->datastore, "Name of the datastore")->required();
    build->add_option("--factory", config.factory, "exact, or a FAISS factory string such as IVF256,PQ32 or HNSW32")->type_name("STRING")->required();
    build->add_option("--train-sample", config.trainSample, "Keys that it is trained on; 0: all, at most 1,000,000")->capture_default_str();
    build->add_option("--metric", options->metric, "l2 or ip (inner product)")->check(CLI::IsMember({"l2", "ip"}))->capture_default_str();
    build->add_option("--seed", config.seed, "Seed of the sample")->capture_default_str();
    build->add_option("--recall-sample", config.recallSample, "Queries of the recall measurement; 0: none")->capture_default_str();
    build->add_option("--recall-at", config.recallAt, "Neighbours of the recall measurement")->capture_default_str();
    options->addForceTo(build);
    tree.onRun(build, [options](Session &session) {
        IndexConfig request = options->config;
        request.metric = metricFromString(options->metric);
        Project project = session.openProject();
        const auto datastore = project.ledger().findArtefact(ArtefactKind::Datastore, options->datastore);
        const auto row = makeIndex(project, datastore, request, session.request(options->name, options->force), session.job());
        const std::string what = request.factory == "exact" ? "exact search of the stored keys" : fmt::format("{}, {}", request.factory, formatBytes(row.bytes));
        return reportArtefact(session, project, row, what + recallText(row.info));
    });
}

} // namespace retoscope::cli
