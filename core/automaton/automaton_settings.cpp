// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/retomaton.h"

#include "base/error.h"
#include "base/json_fields.h"

namespace retoscope {

namespace {

constexpr EnumNames<Semantics, 2> semanticsNames{{{Semantics::Corrected, "corrected"}, {Semantics::Reference, "reference"}}};
constexpr EnumNames<TieOrder, 2> tieNames{{{TieOrder::Stable, "stable"}, {TieOrder::StdSort, "std_sort"}}};
constexpr EnumNames<CountRule, 2> countNames{{{CountRule::Entries, "entries"}, {CountRule::States, "states"}}};
constexpr EnumNames<StateOrder, 2> orderNames{{{StateOrder::Count, "count"}, {StateOrder::Random, "random"}}};

} // namespace

AutomatonSettings AutomatonSettings::reference()
{
    AutomatonSettings settings;
    settings.deduplicate = false;
    settings.semantics = Semantics::Reference;
    settings.ties = TieOrder::StdSort;
    settings.stopAtDocumentEnds = false;
    return settings;
}

void to_json(Json &json, const AutomatonSettings &settings)
{
    json = Json{{"max_knns", settings.maxKnns},
                {"pointers", settings.pointers},
                {"count", nameOf(countNames, settings.count)},
                {"order", nameOf(orderNames, settings.order)},
                {"seed", settings.seed},
                {"deduplicate", settings.deduplicate},
                {"semantics", nameOf(semanticsNames, settings.semantics)},
                {"ties", nameOf(tieNames, settings.ties)},
                {"stop_at_document_ends", settings.stopAtDocumentEnds}};
    if (settings.minKnns == AutomatonSettings::alwaysSearch)
        json["min_knns"] = "inf";
    else
        json["min_knns"] = settings.minKnns;
}

void from_json(const Json &json, AutomatonSettings &settings)
{
    JsonFields fields(json, "automaton");
    // The released code brings its own defaults, so that {"semantics": "reference"} alone means parity.
    AutomatonSettings read;
    fields.readEnum("semantics", semanticsNames, read.semantics);
    if (read.semantics == Semantics::Reference)
        read = AutomatonSettings::reference();
    if (const Json *minKnns = fields.find("min_knns")) {
        if (*minKnns == "inf")
            read.minKnns = AutomatonSettings::alwaysSearch;
        else
            read.minKnns = fields.integer<std::int64_t>("min_knns", *minKnns, 1, AutomatonSettings::alwaysSearch, "a whole number from 1 on, or \"inf\"");
    }
    fields.read("max_knns", read.maxKnns, 1, AutomatonSettings::maximalKnns);
    fields.read("pointers", read.pointers);
    fields.readEnum("count", countNames, read.count);
    fields.readEnum("order", orderNames, read.order);
    fields.read("seed", read.seed);
    fields.read("deduplicate", read.deduplicate);
    fields.readEnum("ties", tieNames, read.ties);
    fields.read("stop_at_document_ends", read.stopAtDocumentEnds);
    fields.refuseOthers();
    validate(read);
    settings = read;
}

void validate(const AutomatonSettings &settings)
{
    if (settings.minKnns < 1)
        fail(ErrorKind::BadInput, "automaton: min_knns is {}; give a whole number from 1 on, or inf.", settings.minKnns);
    if (settings.maxKnns < 1 || settings.maxKnns > AutomatonSettings::maximalKnns)
        fail(ErrorKind::BadInput, "automaton: max_knns is {}; give a whole number from 1 to {}.", settings.maxKnns, AutomatonSettings::maximalKnns);
    if (settings.ties == TieOrder::StdSort && settings.semantics != Semantics::Reference)
        fail(ErrorKind::BadInput, "automaton: ties = std_sort belongs to semantics = reference; corrected sorts stably.");
}

} // namespace retoscope
