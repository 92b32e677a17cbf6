// SPDX-License-Identifier: GPL-3.0-or-later
#include "journeys/journey_project.h"

#include "e2e/sample_text.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

namespace {

constexpr int documents = 130, sentences = 30; // about 48,000 tokens in the datastore: several blocks of its writer
constexpr int neighbours = 128, states = 64, fossPoints = 5;

QJsonObject windows()
{
    return {{QStringLiteral("block"), 128}, {QStringLiteral("stride"), 64}};
}

QJsonObject corpus(const QString &texts)
{
    const QJsonObject options{{QStringLiteral("trainFraction"), 0.94}, {QStringLiteral("validationFraction"), 0.03}, {QStringLiteral("testFraction"), 0.03}};
    return {{QStringLiteral("paths"), QJsonArray{texts}}, {QStringLiteral("options"), options}};
}

} // namespace

QString writeJourneyDescription(const QString &folder)
{
    const QString texts = folder + QStringLiteral("/texts"), file = folder + QStringLiteral("/journey.json");
    const QJsonObject automaton{{QStringLiteral("max_knns"), 256}};
    const QJsonObject json{
        {QStringLiteral("format"), QStringLiteral("retoscope-project")},
        {QStringLiteral("version"), 1},
        {QStringLiteral("name"), QStringLiteral("journey")},
        {QStringLiteral("corpus"), corpus(texts)},
        {QStringLiteral("model"), QJsonObject{{QStringLiteral("path"), QStringLiteral(RETOSCOPE_EXAMPLE_MODEL)}, {QStringLiteral("compute"), QStringLiteral("bf16")}}},
        {QStringLiteral("datastore"), QJsonObject{{QStringLiteral("windows"), windows()}}},
        {QStringLiteral("index"), QJsonObject{{QStringLiteral("factory"), QStringLiteral("exact")}}},
        {QStringLiteral("clusters"), QJsonObject{{QStringLiteral("states"), states}, {QStringLiteral("iterations"), 5}}},
        {QStringLiteral("trace"), QJsonObject{{QStringLiteral("k"), neighbours}, {QStringLiteral("windows"), windows()}}},
        {QStringLiteral("settings"), QJsonObject{{QStringLiteral("k"), neighbours}, {QStringLiteral("automaton"), automaton}}},
        {QStringLiteral("sweep"), QJsonObject{{QStringLiteral("lambda"), QJsonArray{0.2, 0.5}}, {QStringLiteral("temperature"), QJsonArray{1, 10}}}},
        {QStringLiteral("foss"), QJsonObject{{QStringLiteral("points"), fossPoints}}}};
    const bool written = writeSampleTexts(texts, documents, sentences) && writeFile(file, QJsonDocument(json).toJson());
    return written ? file : QString();
}
