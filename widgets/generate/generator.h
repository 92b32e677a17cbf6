// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QTimer>

#include "ledger/trace_session.h"
#include "shell/latest_only.h"
#include "shell/mailbox.h"

namespace retoscope {

/// What to continue, with what.
struct GenerationRequest
{
    std::filesystem::path project;
    std::string model, datastore, index, clusters; ///< names of artefacts, as openForGeneration() takes them
    std::string prompt;
    GenerationConfig config;
};

/// A generated token with what a view shows of it.
struct GeneratedPiece
{
    GeneratedToken token;
    std::string text;                   ///< the bytes it adds; may end inside a character
    std::vector<EntryContext> contexts; ///< of token.neighbours
};

/// Generates on a worker thread; the tokens arrive as they are chosen. The model is opened at the first request and kept
/// until another one is asked for. Lives in the GUI thread.
class Generator : public QObject
{
    Q_OBJECT

public:
    explicit Generator(QObject *parent = nullptr);
    ~Generator() override;

    void start(const GenerationRequest &request); ///< replaces what is under way
    void stop();                                  ///< at once: no further token arrives
    [[nodiscard]] bool isBusy() const { return m_question.isBusy(); }
    /// Parts that are open already, used whatever the request names; for tests.
    void setParts(std::shared_ptr<const GenerationParts> parts);

Q_SIGNALS:
    void busyChanged(bool busy);
    void arrived(const std::vector<retoscope::GeneratedPiece> &pieces);
    void ended(const QString &reason); ///< done, or stopped by hand
    void failed(const QString &sentence);

private:
    struct Kept;
    using Letters = Mailbox<GeneratedPiece>;
    void takePieces();

    std::shared_ptr<Kept> m_kept; ///< shared with the worker
    std::shared_ptr<Letters> m_letters;
    QTimer m_taking;
    bool m_stopped = false;
    LatestOnly<QString> m_question;
};

} // namespace retoscope
