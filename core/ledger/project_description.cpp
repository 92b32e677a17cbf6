// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/project_description.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json_fields.h"

#include <glob.h>

#include <algorithm>
#include <type_traits>


namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::uint64_t maximalSize = 16u << 20;

/// What a reader needs to know about the file it is reading.
struct Source
{
    std::string name;
    fs::path folder;

    [[nodiscard]] std::string section(std::string_view field) const { return fmt::format("{}, \"{}\"", name, field); }
    [[nodiscard]] fs::path resolve(const std::string &path) const { return (folder / path).lexically_normal(); }
};

/// What `read` returns; its sentences then also say where in which file.
template<typename Read>
auto located(const std::string &where, Read read)
{
    try {
        return read();
    } catch (const Error &error) {
        fail(error.kind(), "{}: {}", where, error.what());
    } catch (const Json::exception &) {
        fail(ErrorKind::BadInput, "{}: a field has a value of the wrong type.", where);
    }
}

/// Reads a section by its own strict reader.
template<typename Section>
void readSection(JsonFields &fields, const Source &source, const char *field, Section &section)
{
    const Json *json = fields.find(field);
    if (!json)
        return;
    section = located(source.section(field), [&] {
        if constexpr (std::is_same_v<Section, SweepGrid>)
            return SweepGrid::fromJson(*json);
        else
            return json->get<Section>();
    });
}

std::string requiredText(JsonFields &fields, const Source &source, const char *field)
{
    std::string text;
    fields.read(field, text);
    if (text.empty())
        fail(ErrorKind::BadInput, "{}: the field '{}' is missing or empty.", source.name, field);
    return text;
}

std::vector<std::string> readTexts(JsonFields &fields, const char *field)
{
    const Json *json = fields.find(field);
    if (!json)
        return {};
    const auto isText = [](const Json &entry) { return entry.is_string() && !entry.get_ref<const std::string &>().empty(); };
    if (!json->is_array() || !std::all_of(json->begin(), json->end(), isText))
        fields.refuse(field, *json, "a list of texts");
    return json->get<std::vector<std::string>>();
}

/// The files that a pattern stands for, sorted; the pattern itself when there is none, so that a sentence can name it.
std::vector<fs::path> expand(const fs::path &pattern)
{
    glob_t found{};
    std::vector<fs::path> paths;
    if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
        paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    globfree(&found);
    return paths.empty() ? std::vector{pattern} : paths;
}

std::vector<std::string> expandAll(const std::vector<std::string> &patterns, const Source &source)
{
    std::vector<std::string> paths;
    for (const std::string &pattern : patterns) {
        for (const fs::path &path : expand(source.resolve(pattern)))
            paths.push_back(path.string());
    }
    return paths;
}

void readCorpus(const Json &json, const Source &source, ProjectDescription::CorpusPart &corpus)
{
    JsonFields fields(json, source.section("corpus"));
    fields.read("name", corpus.name);
    fields.read("package", corpus.package);
    const auto patterns = readTexts(fields, "paths");
    if (patterns.empty())
        fail(ErrorKind::BadInput, "{}: the field 'paths' names no text.", source.section("corpus"));
    for (std::string &path : expandAll(patterns, source))
        corpus.paths.emplace_back(std::move(path));
    readSection(fields, source, "options", corpus.options);
    corpus.options.validationPaths = expandAll(corpus.options.validationPaths, source);
    corpus.options.testPaths = expandAll(corpus.options.testPaths, source);
    fields.refuseOthers();
}

void readModel(const Json &json, const Source &source, ProjectDescription::ModelPart &model)
{
    JsonFields fields(json, source.section("model"));
    fields.read("name", model.name);
    model.path = source.resolve(requiredText(fields, {source.section("model"), source.folder}, "path"));
    if (!model.path.has_filename())
        model.path = model.path.parent_path(); // "model/" is "model"
    std::string compute;
    fields.read("compute", compute);
    if (!compute.empty())
        model.compute = located(source.section("model"), [&] { return computeTypeFromString(compute); });
    fields.refuseOthers();
}

void readSplits(const Json &json, const Source &source, ProjectDescription &description)
{
    JsonFields fields(json, source.section("splits"));
    const auto read = [&](const char *field, Split &split) {
        std::string text;
        fields.read(field, text);
        if (!text.empty())
            split = located(source.section("splits"), [&] { return splitFromString(text); });
    };
    read("datastore", description.datastoreSplit);
    read("tune", description.tuneSplit);
    read("test", description.testSplit);
    fields.refuseOthers();
    if (description.tuneSplit == description.testSplit)
        fail(ErrorKind::BadInput, "{}: settings would be chosen on the split they are reported on ({}); name two splits.", source.section("splits"),
             toString(description.testSplit));
    if (description.datastoreSplit == description.testSplit)
        fail(ErrorKind::BadInput, "{}: the datastore would hold the text it is tested on ({}); name two splits.", source.section("splits"),
             toString(description.testSplit));
}

/// The grid is tried out here, so that a long run does not end at its last step.
void checkSettings(const ProjectDescription &description, const Source &source)
{
    const auto check = [&](const EvaluationSettings &settings) {
        validate(settings);
        if (settings.k > description.trace.k)
            fail(ErrorKind::BadInput, "k is {}, but the trace keeps {} neighbours; raise \"trace\".\"k\" or lower k.", settings.k, description.trace.k);
    };
    located(source.section("sweep"), [&] {
        check(description.settings);
        for (std::size_t i = 0; i < description.grid.size(); ++i)
            check(description.grid.at(i, description.settings));
    });
}

} // namespace

ProjectDescription parseProjectDescription(const Json &json, const fs::path &folder, const std::string &sourceName)
{
    const Source source{sourceName, fs::absolute(folder)};
    JsonFields fields(json, source.name);
    if (const Json *format = fields.find("format"); !format || *format != ProjectDescription::format)
        fail(ErrorKind::BadInput, "{} is not the description of a project (its \"format\" is not \"{}\").", source.name, ProjectDescription::format);
    int version = 0;
    fields.read("version", version);
    if (version > ProjectDescription::version)
        fail(ErrorKind::Mismatch, "{} is for a newer Retoscope (description version {}, this program knows up to {}); update the program.", source.name, version,
             ProjectDescription::version);
    if (version < 1)
        fail(ErrorKind::BadInput, "{}: \"version\" is missing; it is {} today.", source.name, ProjectDescription::version);

    ProjectDescription description;
    description.name = requiredText(fields, source, "name");
    fields.read("title", description.title);
    const auto required = [&](const char *field) -> const Json & {
        const Json *section = fields.find(field);
        if (!section)
            fail(ErrorKind::BadInput, "{}: the section '{}' is missing.", source.name, field);
        return *section;
    };
    readCorpus(required("corpus"), source, description.corpus);
    readModel(required("model"), source, description.model);
    if (description.corpus.name.empty())
        description.corpus.name = description.name;
    if (description.model.name.empty())
        description.model.name = description.model.path.stem().string();
    if (const Json *splits = fields.find("splits"))
        readSplits(*splits, source, description);
    readSection(fields, source, "datastore", description.datastore);
    readSection(fields, source, "index", description.index);
    readSection(fields, source, "clusters", description.clusters);
    readSection(fields, source, "trace", description.trace);
    fields.read<std::int64_t>("tune_positions", description.tunePositions, 0);
    readSection(fields, source, "settings", description.settings);
    readSection(fields, source, "sweep", description.grid);
    if (const Json *foss = fields.find("foss")) {
        JsonFields inner(*foss, source.section("foss"));
        inner.read<std::int32_t>("points", description.fossPoints, 2, 1000);
        inner.refuseOthers();
    }
    fields.refuseOthers();
    checkSettings(description, source);
    return description;
}

ProjectDescription readProjectDescription(const fs::path &file)
{
    const Json json = Json::parse(readFile(file, maximalSize), nullptr, false);
    if (json.is_discarded())
        fail(ErrorKind::BadInput, "{} is not valid JSON; check its commas and quotes.", file.string());
    const fs::path place = fs::absolute(file).lexically_normal();
    ProjectDescription description = parseProjectDescription(json, place.parent_path(), file.string());
    description.file = place;
    return description;
}

void requireInputs(const ProjectDescription &description)
{
    const auto require = [&](const fs::path &path) {
        std::error_code code;
        if (fs::exists(path, code))
            return;
        const std::string &package = description.corpus.package;
        fail(ErrorKind::NotFound, "The text {} is not there; {}.", path.string(),
             package.empty() ? "check the paths of \"corpus\"" : fmt::format("install the Debian package {} (sudo apt install {})", package, package));
    };
    for (const fs::path &path : description.corpus.paths)
        require(path);
    for (const auto *paths : {&description.corpus.options.validationPaths, &description.corpus.options.testPaths}) {
        for (const std::string &path : *paths)
            require(path);
    }
    std::error_code code;
    if (!fs::exists(description.model.path, code))
        fail(ErrorKind::NotFound, "The model {} is not there; check \"model\", \"path\".", description.model.path.string());
}

} // namespace retoscope
