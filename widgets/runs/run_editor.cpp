// SPDX-License-Identifier: GPL-3.0-or-later
#include "runs/run_editor.h"

#include "ledger/project.h"
#include "runs/runs_model.h"

#include <QFutureWatcher>
#include <QPointer>
#include <QUndoStack>
#include <QtConcurrent>

#include <algorithm>
#include <ranges>

namespace retoscope {

struct RunEditor::Edit
{
    std::filesystem::path folder;
    std::vector<Step> steps;

    /// All or none: what was done is taken back when a later step is refused.
    void run(Ledger &ledger, bool revert) const
    {
        std::size_t done = 0;
        try {
            for (; done < steps.size(); ++done)
                (revert ? steps[done].revert : steps[done].apply)(ledger);
        } catch (const std::exception &) {
            while (done-- > 0)
                (revert ? steps[done].apply : steps[done].revert)(ledger);
            throw;
        }
    }
};

/// Already written when it comes onto the stack, so that the first redo() does nothing.
class RunEditor::Command : public QUndoCommand
{
public:
    Command(RunEditor &editor, const QString &text, std::shared_ptr<const Edit> edit) : QUndoCommand(text), m_editor(&editor), m_edit(std::move(edit)) {}

    void undo() override
    {
        if (m_editor)
            m_editor->write(m_edit, true, {});
    }
    void redo() override
    {
        if (std::exchange(m_pushed, true) && m_editor)
            m_editor->write(m_edit, false, {});
    }

private:
    QPointer<RunEditor> m_editor;
    std::shared_ptr<const Edit> m_edit;
    bool m_pushed = false;
};

RunEditor::RunEditor(QUndoStack &stack, QObject *parent) : QObject(parent), m_stack(stack)
{
    m_pool.setMaxThreadCount(1);
}

RunEditor::~RunEditor()
{
    m_pool.waitForDone();
}

void RunEditor::setProject(const std::filesystem::path &folder)
{
    m_folder = folder;
}

void RunEditor::perform(const QString &text, std::vector<Step> steps)
{
    if (steps.empty())
        return;
    const auto edit = std::make_shared<const Edit>(Edit{m_folder, std::move(steps)});
    write(edit, false, [this, text, edit] { m_stack.push(new Command(*this, text, edit)); });
}

void RunEditor::write(std::shared_ptr<const Edit> edit, bool revert, std::function<void()> then)
{
    if (m_underWay++ == 0)
        Q_EMIT busyChanged(true);
    auto *watcher = new QFutureWatcher<QString>(this);
    connect(watcher, &QFutureWatcherBase::finished, this, [this, watcher, then = std::move(then)] {
        watcher->deleteLater();
        const QString sentence = watcher->result();
        if (--m_underWay == 0)
            Q_EMIT busyChanged(false);
        if (!sentence.isEmpty()) {
            Q_EMIT failed(sentence);
            return;
        }
        if (then)
            then();
        Q_EMIT written();
    });
    watcher->setFuture(QtConcurrent::run(&m_pool, [edit = std::move(edit), revert, patience = m_patience]() -> QString {
        try { // nothing thrown may leave a QtConcurrent body
            Ledger ledger(edit->folder / ledgerFileName, Ledger::Mode::ReadWrite, patience);
            edit->run(ledger, revert);
            return {};
        } catch (const std::exception &error) {
            return QString::fromUtf8(error.what());
        }
    }));
}

void RunEditor::setNote(const RunRow &run, const QString &note)
{
    perform(tr("Note of run %1").arg(run.id), {{[id = run.id, text = note.toStdString()](Ledger &ledger) { ledger.setRunNote(id, text); },
                                                [id = run.id, text = run.note](Ledger &ledger) { ledger.setRunNote(id, text); }}});
}

void RunEditor::setTags(const RunRow &run, const QStringList &tags)
{
    std::vector<Step> steps;
    const auto id = run.id;
    const auto change = [&](const std::string &tag, bool adding) {
        const Write add = [id, tag](Ledger &ledger) { ledger.addTag(id, tag); }, drop = [id, tag](Ledger &ledger) { ledger.removeTag(id, tag); };
        steps.push_back(adding ? Step{add, drop} : Step{drop, add});
    };
    const QStringList before = visibleTags(run);
    for (const QString &tag : before) {
        if (!tags.contains(tag))
            change(tag.toStdString(), false);
    }
    for (const QString &tag : tags) {
        if (!before.contains(tag))
            change(tag.toStdString(), true);
    }
    perform(tr("Tags of run %1").arg(run.id), std::move(steps));
}

void RunEditor::addTag(const std::vector<RunRow> &runs, const QString &tag)
{
    std::vector<Step> steps;
    const std::string name = tag.toStdString();
    for (const RunRow &run : runs) {
        if (std::ranges::find(run.tags, name) == run.tags.end())
            steps.push_back({[id = run.id, name](Ledger &ledger) { ledger.addTag(id, name); }, [id = run.id, name](Ledger &ledger) { ledger.removeTag(id, name); }});
    }
    perform(tr("Tag “%1”").arg(tag), std::move(steps));
}

void RunEditor::setStarred(const std::vector<RunRow> &runs, bool starred)
{
    std::vector<Step> steps;
    for (const RunRow &run : runs) {
        if ((std::ranges::find(run.tags, starTag) != run.tags.end()) == starred)
            continue;
        const Write add = [id = run.id](Ledger &ledger) { ledger.addTag(id, starTag); }, drop = [id = run.id](Ledger &ledger) { ledger.removeTag(id, starTag); };
        steps.push_back(starred ? Step{add, drop} : Step{drop, add});
    }
    perform(starred ? tr("Star") : tr("Remove the star"), std::move(steps));
}

void RunEditor::setArchived(const std::vector<RunRow> &runs, bool archived)
{
    std::vector<Step> steps;
    for (const RunRow &run : runs) {
        if (run.archived != archived)
            steps.push_back({[id = run.id, archived](Ledger &ledger) { ledger.setRunArchived(id, archived); },
                             [id = run.id, archived](Ledger &ledger) { ledger.setRunArchived(id, !archived); }});
    }
    perform(archived ? tr("Archive %n run(s)", nullptr, static_cast<int>(steps.size())) : tr("Bring back %n run(s)", nullptr, static_cast<int>(steps.size())),
            std::move(steps));
}

void RunEditor::remove(const std::vector<RunRow> &runs)
{
    std::vector<Step> steps;
    for (const RunRow &run : runs)
        steps.push_back({[id = run.id](Ledger &ledger) { ledger.deleteRun(id); }, [run](Ledger &ledger) { ledger.restoreRun(run); }});
    perform(tr("Delete %n run(s)", nullptr, static_cast<int>(steps.size())), std::move(steps));
}

} // namespace retoscope
