// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/project_snapshot.h"

#include "base/error.h"
#include "ledger/project.h"
#include "shell/background.h"

#include <QFutureWatcher>
#include <QTimer>
#include <QtConcurrent>

#include <algorithm>
#include <utility>
#include <variant>

namespace retoscope {

namespace {

constexpr int pollIntervalMs = 1000;

/// A snapshot, nothing (the ledger has not changed since the one that is shown), or the sentence of what went wrong.
using Answer = std::variant<std::shared_ptr<const ProjectSnapshot>, std::monostate, QString>;

Answer readIfChanged(const std::filesystem::path &folder, std::int64_t shownCounter)
{
    try { // nothing thrown may leave a QtConcurrent body
        const Project project = Project::open(folder, Ledger::Mode::ReadOnly);
        if (project.ledger().changeCounter() == shownCounter)
            return std::monostate();
        return ProjectWatcher::read(folder);
    } catch (const std::exception &error) {
        return QString::fromUtf8(error.what());
    }
}

} // namespace

struct ProjectWatcher::Private
{
    std::filesystem::path folder;
    std::int64_t shownCounter = -1;
    QString shownFailure;
    QTimer timer;
    QFutureWatcher<Answer> watcher;
};

ProjectWatcher::ProjectWatcher(QObject *parent) : QObject(parent), m_private(std::make_unique<Private>())
{
    m_private->timer.setInterval(pollIntervalMs);
    connect(&m_private->timer, &QTimer::timeout, this, &ProjectWatcher::refresh);
    connect(&m_private->watcher, &QFutureWatcher<Answer>::finished, this, [this] {
        const Answer answer = m_private->watcher.result();
        if (!std::holds_alternative<QString>(answer) && !std::exchange(m_private->shownFailure, {}).isEmpty())
            Q_EMIT recovered();
        if (const auto *snapshot = std::get_if<std::shared_ptr<const ProjectSnapshot>>(&answer)) {
            if ((*snapshot)->folder != m_private->folder)
                return; // the answer to an earlier question
            m_private->shownCounter = (*snapshot)->changeCounter;
            Q_EMIT snapshotReady(*snapshot);
        } else if (const auto *sentence = std::get_if<QString>(&answer); sentence && *sentence != m_private->shownFailure) {
            m_private->shownFailure = *sentence;
            Q_EMIT failed(*sentence);
        }
    });
}

ProjectWatcher::~ProjectWatcher()
{
    m_private->watcher.disconnect();
    m_private->watcher.waitForFinished();
}

void ProjectWatcher::open(const std::filesystem::path &folder)
{
    m_private->folder = folder;
    m_private->shownCounter = -1;
    m_private->timer.start();
    refresh();
}

void ProjectWatcher::refresh()
{
    if (m_private->folder.empty() || m_private->watcher.isRunning())
        return;
    m_private->watcher.setFuture(QtConcurrent::run(&backgroundPool(), readIfChanged, m_private->folder, m_private->shownCounter));
}

std::shared_ptr<const ProjectSnapshot> ProjectWatcher::read(const std::filesystem::path &folder)
{
    const Project project = Project::open(folder, Ledger::Mode::ReadOnly);
    auto snapshot = std::make_shared<ProjectSnapshot>();
    snapshot->folder = folder;
    snapshot->name = QString::fromStdString(project.name());
    snapshot->changeCounter = project.ledger().changeCounter();
    snapshot->artefacts = project.ledger().artefacts();
    RunFilter newestFirst;
    newestFirst.descending = true;
    newestFirst.includeArchived = true; // each view decides for itself
    snapshot->runs = project.ledger().runs(newestFirst);
    for (auto &curve : project.ledger().curves()) {
        if (curve.kind == "foss")
            snapshot->fossCurves.push_back(std::move(curve));
    }
    std::ranges::sort(snapshot->fossCurves, std::greater(), &CurveRow::id);
    return snapshot;
}

} // namespace retoscope
