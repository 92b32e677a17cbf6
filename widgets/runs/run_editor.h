// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QString>
#include <QStringList>
#include <QThreadPool>

#include "ledger/ledger.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

class QUndoStack;

namespace retoscope {

/// What a person changes about runs: notes, tags, the archive mark, deletion. Every edit is written by a worker thread, one
/// after the other, and goes onto the undo stack once the ledger has it. Lives in the GUI thread.
class RunEditor : public QObject
{
    Q_OBJECT

public:
    /// `stack` outlives the editor.
    explicit RunEditor(QUndoStack &stack, QObject *parent = nullptr);
    ~RunEditor() override; ///< waits for what is being written: nothing is lost

    /// The project whose ledger is written to.
    void setProject(const std::filesystem::path &folder);
    /// How long a ledger that another program holds is waited for.
    void setPatience(std::chrono::milliseconds patience) { m_patience = patience; }

    // The rows say what undo brings back. All rows of one call are one step of undo, and all or none are changed.
    void setNote(const RunRow &run, const QString &note);
    void setTags(const RunRow &run, const QStringList &tags); ///< the star stays as it is
    void addTag(const std::vector<RunRow> &runs, const QString &tag);
    void setStarred(const std::vector<RunRow> &runs, bool starred);
    void setArchived(const std::vector<RunRow> &runs, bool archived);
    /// Refused with a sentence when one of them is running.
    void remove(const std::vector<RunRow> &runs);

    [[nodiscard]] bool isBusy() const { return m_underWay > 0; }

Q_SIGNALS:
    void written();                        ///< the ledger changed: read it again
    void failed(const QString &sentence);
    void busyChanged(bool busy);

private:
    using Write = std::function<void(Ledger &)>;
    struct Step
    {
        Write apply, revert;
    };
    struct Edit;
    class Command;

    void perform(const QString &text, std::vector<Step> steps);
    void write(std::shared_ptr<const Edit> edit, bool revert, std::function<void()> then);

    QUndoStack &m_stack;
    std::filesystem::path m_folder;
    std::chrono::milliseconds m_patience{5'000};
    QThreadPool m_pool; ///< one thread: edits keep their order
    int m_underWay = 0;
};

} // namespace retoscope
