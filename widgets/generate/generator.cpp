// SPDX-License-Identifier: GPL-3.0-or-later
#include "generate/generator.h"

#include <tuple>

namespace retoscope {

namespace {

constexpr int takeEveryMs = 30;
constexpr std::int32_t contextTokens = 16; // on each side

} // namespace

struct Generator::Kept
{
    using Key = std::tuple<std::filesystem::path, std::string, std::string, std::string, std::string>;

    std::mutex mutex;
    Key key;
    std::shared_ptr<const GenerationParts> parts;
    bool pinned = false; ///< whatever the request names

    std::shared_ptr<const GenerationParts> open(const GenerationRequest &request)
    {
        const std::scoped_lock lock(mutex);
        const Key wanted{request.project, request.model, request.datastore, request.index, request.clusters};
        if (!pinned && (!parts || wanted != key)) {
            parts.reset(); // two models need not fit into memory
            parts = std::make_shared<const GenerationParts>(openForGeneration(Project::open(request.project, Ledger::Mode::ReadOnly), request.model,
                                                                              request.datastore, request.index, request.clusters, {}));
            key = wanted;
        }
        return parts;
    }
};

Generator::Generator(QObject *parent) : QObject(parent), m_kept(std::make_shared<Kept>())
{
    m_taking.setInterval(takeEveryMs);
    connect(&m_taking, &QTimer::timeout, this, &Generator::takePieces);
    m_question.onBusy([this](bool busy) {
        busy ? m_taking.start() : m_taking.stop();
        takePieces();
        Q_EMIT busyChanged(busy);
        if (!busy && m_stopped)
            Q_EMIT ended(tr("stopped by hand"));
    });
    m_question.onAnswer([this](const QString &reason) { Q_EMIT ended(reason); });
    m_question.onFailure([this](const QString &sentence) { Q_EMIT failed(sentence); });
}

Generator::~Generator() = default;

void Generator::setParts(std::shared_ptr<const GenerationParts> parts)
{
    const std::scoped_lock lock(m_kept->mutex);
    m_kept->parts = std::move(parts);
    m_kept->pinned = true;
}

void Generator::start(const GenerationRequest &request)
{
    m_stopped = false;
    m_letters = std::make_shared<Letters>();
    m_question.ask([request, kept = m_kept, letters = m_letters](JobControl &control) {
        const auto generation = kept->open(request);
        control.checkpoint();
        GenerationConfig config = request.config;
        if (!generation->parts.clusters)
            config.retrieval.useClusters = false;
        const auto onToken = [&](const GeneratedToken &token) {
            GeneratedPiece piece{token, generation->tokenizer->piece(token.token), {}};
            for (const auto &neighbour : token.neighbours)
                piece.contexts.push_back(contextOf(*generation->parts.datastore, generation->tokenizer.get(), generation->tokens.get(), nullptr, neighbour.entry, contextTokens));
            letters->put(std::move(piece));
        };
        StopReason reason = StopReason::TokenLimit;
        generate(generation->parts, encodePrompt(*generation->tokenizer, request.prompt), config, control, onToken, &reason);
        return QString::fromUtf8(toString(reason));
    });
}

void Generator::stop()
{
    if (!isBusy())
        return;
    takePieces();
    m_letters.reset(); // what comes now comes too late
    m_stopped = true;
    m_question.cancel();
}

void Generator::takePieces()
{
    if (!m_letters)
        return;
    if (const auto pieces = m_letters->take(); !pieces.empty())
        Q_EMIT arrived(pieces);
}

} // namespace retoscope
