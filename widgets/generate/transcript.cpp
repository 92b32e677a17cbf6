// SPDX-License-Identifier: GPL-3.0-or-later
#include "generate/transcript.h"

#include "ledger/command_line.h"

#include <QLocale>

#include <cmath>

namespace retoscope {

namespace {

QString decimals(double value)
{
    return QLocale().toString(value, 'f', 4);
}

std::string commandOf(const GenerationRequest &request)
{
    return generateCommand(request.model, request.datastore, request.index, request.clusters, request.prompt, request.config);
}

Json pieceJson(const GeneratedPiece &piece)
{
    Json neighbours = Json::array();
    for (std::size_t i = 0; i < piece.token.neighbours.size(); ++i) {
        const auto &neighbour = piece.token.neighbours[i];
        const auto &context = piece.contexts[i];
        neighbours.push_back({{"entry", neighbour.entry.value}, {"distance", neighbour.distance}, {"weight", neighbour.weight},
                              {"left", context.left}, {"value", context.value}, {"right", context.right}});
    }
    return {{"id", piece.token.token.value}, {"piece", piece.text}, {"log_prob", piece.token.logProb}, {"lm_log_prob", piece.token.lmLogProb},
            {"knn_probability", piece.token.knnProbability}, {"searched", piece.token.searched}, {"survivors", piece.token.plan.survivors}, {"neighbours", neighbours}};
}

} // namespace

QString visiblePiece(const std::string &text)
{
    QString visible = QString::fromUtf8(text);
    visible.replace(QLatin1Char('\n'), QStringLiteral("⏎")).replace(QLatin1Char('\t'), QStringLiteral("⇥")).replace(QLatin1Char(' '), QStringLiteral("␣"));
    return visible;
}

QString searchReason(const GeneratedPiece &piece, const EvaluationSettings &settings)
{
    if (settings.method == Method::Base)
        return QObject::tr("no retrieval");
    if (settings.method == Method::KnnLm)
        return QObject::tr("searched, as kNN-LM does at every token");
    const QString fewest = QString::fromStdString(minKnnsText(settings.automaton.minKnns));
    const int survivors = settings.automaton.count == CountRule::States ? piece.token.plan.survivorStates : piece.token.plan.survivors;
    return piece.token.searched ? QObject::tr("searched: surviving pointers %L1 < min_knns %2").arg(survivors).arg(fewest)
                                : QObject::tr("search saved: surviving pointers %L1 ≥ min_knns %2").arg(survivors).arg(fewest);
}

QString Transcript::add(const GeneratedPiece &piece)
{
    const QString completed = m_decoder(QByteArrayView(piece.text.data(), qsizetype(piece.text.size())));
    m_pieces.push_back(piece);
    m_text += completed;
    m_searches += piece.token.searched ? 1 : 0;
    return completed;
}

QString Transcript::description() const
{
    const GenerationConfig &config = m_request.config;
    QString decoding = QString::fromStdString(config.decoding);
    if (config.decoding == "sample")
        decoding = QObject::tr("sampled with temperature %1, top-p %2, seed %3").arg(config.samplingTemperature).arg(config.topP).arg(config.seed);
    else if (config.decoding == "beam")
        decoding = QObject::tr("beams %1").arg(config.beams);
    QString text = QStringLiteral("%1, %2").arg(QString::fromUtf8(displayName(config.retrieval.method)), decoding);
    if (config.retrieval.method != Method::Base)
        text += QStringLiteral(": ") + QString::fromStdString(describe(config.retrieval));
    return text;
}

QString Transcript::toPlainText() const
{
    return QString::fromStdString(m_request.prompt) + m_text + QLatin1Char('\n');
}

QString Transcript::toMarkdown() const
{
    QString text = QStringLiteral("**%1**%2\n\n").arg(QString::fromStdString(m_request.prompt), m_text);
    text += QStringLiteral("%1; %2.\n\n`%3`\n\n").arg(description(), m_end, QString::fromStdString(commandOf(m_request)));
    text += QStringLiteral("| token | p | LM | kNN | search |\n|---|---:|---:|---:|---|\n");
    for (const auto &piece : m_pieces) {
        text += QStringLiteral("| `%1` | %2 | %3 | %4 | %5 |\n")
                    .arg(visiblePiece(piece.text).replace(QLatin1Char('|'), QLatin1String("\\|")), decimals(std::exp(piece.token.logProb)),
                         decimals(std::exp(piece.token.lmLogProb)), decimals(piece.token.knnProbability), piece.token.searched ? QStringLiteral("searched") : QString());
    }
    return text;
}

QString Transcript::toJson() const
{
    Json tokens = Json::array();
    for (const auto &piece : m_pieces)
        tokens.push_back(pieceJson(piece));
    const Json json = {{"prompt", m_request.prompt}, {"text", m_text.toStdString()}, {"configuration", m_request.config}, {"command", commandOf(m_request)},
                       {"searches", m_searches}, {"stopped", m_end.toStdString()}, {"tokens", tokens}};
    // A token may be half a character, which JSON cannot hold.
    return QString::fromStdString(json.dump(2, ' ', false, Json::error_handler_t::replace)) + QLatin1Char('\n');
}

} // namespace retoscope
