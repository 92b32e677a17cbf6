// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

namespace retoscope::cli {

void addClusterCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("cluster", "Clusters of entries: the states of RetoMaton");
    CLI::App *build = tree.command(group, "build", "Cluster the keys of a datastore by k-means; N/100 to N/200 states is the usual choice",
                                   "cluster build --datastore manual-gpt2 --states 4000");
    struct Options : NameOptions
    {
        std::string datastore;
        ClusterConfig config;
    };
    auto options = std::make_shared<Options>();
    auto &config = options->config;
    build->add_option("--datastore", options->datastore, "Name of the datastore")->required();
    build->add_option("--states", config.states, "Number of clusters")->check(CLI::Range(1, 1 << 28))->required();
    build->add_option("--iterations", config.iterations, "Iterations of k-means")->capture_default_str();
    build->add_option("--sample", config.sample, "Keys that k-means is trained on; 0: all")->capture_default_str();
    build->add_option("--seed", config.seed, "Seed")->capture_default_str();
    options->addForceTo(build);
    tree.onRun(build, [options](Session &session) {
        Project project = session.openProject();
        const auto datastore = project.ledger().findArtefact(ArtefactKind::Datastore, options->datastore);
        const auto row = makeClusters(project, datastore, options->config, session.request(options->name, options->force), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} states over {} entries, {}", formatCount(row.info.at("states")), formatCount(row.info.at("entries")), formatBytes(row.bytes)));
    });
}

} // namespace retoscope::cli
