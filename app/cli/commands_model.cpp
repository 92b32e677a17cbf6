// SPDX-License-Identifier: GPL-3.0-or-later
#include "build_options.h"
#include "command_tree.h"

namespace retoscope::cli {

void addModelCommands(CommandTree &tree)
{
    CLI::App *group = tree.group("model", "Language models");
    CLI::App *add = tree.command(group, "add", "Add a model where it lies: a Hugging Face folder or a llama2.c .bin file (GPT-2 and Llama families)",
                                 "model add models/gpt2 --name gpt2");
    struct Options : NameOptions
    {
        std::string path, tokenizer;
    };
    auto options = std::make_shared<Options>();
    add->add_option("path", options->path, "Folder with config.json and model.safetensors, or a .bin file")->type_name("PATH")->required();
    add->add_option("--tokenizer", options->tokenizer, "Folder or file of its tokenizer when it does not lie beside it")->type_name("PATH");
    options->addTo(add);
    tree.onRun(add, [options](Session &session) {
        Project project = session.openProject();
        const auto row = addModel(project, options->path, options->tokenizer, session.request(options->name), session.job());
        return reportArtefact(session, project, row,
                              fmt::format("{} with {} parameters, {} layers of {}, {} tokens, {}", row.info.at("architecture").get<std::string>(),
                                          formatCount(row.info.at("parameters")), row.info.at("layers").get<int>(), row.info.at("hidden_size").get<int>(),
                                          formatCount(row.info.at("vocabulary")), row.info.at("tokenizer").at("kind").get<std::string>()));
    });
}

} // namespace retoscope::cli
