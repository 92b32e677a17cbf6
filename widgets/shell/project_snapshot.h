// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ledger/ledger.h"

#include <QObject>
#include <QString>

#include <filesystem>
#include <memory>
#include <vector>

namespace retoscope {

/// What the window shows of a project, read in one go on a worker thread and never changed afterwards.
struct ProjectSnapshot
{
    std::filesystem::path folder;
    QString name;
    std::vector<ArtefactRow> artefacts; ///< oldest first
    std::vector<RunRow> runs;           ///< newest first, the archived ones too
    std::vector<CurveRow> fossCurves;   ///< newest first
    std::int64_t changeCounter = 0;
};

/// Reads snapshots on a worker thread and polls the ledger, so that what another process writes appears by itself. Lives in
/// the GUI thread; the reading does not. Later answers replace earlier ones, stale ones are dropped.
class ProjectWatcher : public QObject
{
    Q_OBJECT

public:
    explicit ProjectWatcher(QObject *parent = nullptr);
    ~ProjectWatcher() override;

    void open(const std::filesystem::path &folder);
    void refresh();

    /// The same reading, blocking, for programs without an event loop. Throws Error.
    static std::shared_ptr<const ProjectSnapshot> read(const std::filesystem::path &folder);

Q_SIGNALS:
    void snapshotReady(std::shared_ptr<const retoscope::ProjectSnapshot> snapshot);
    void failed(const QString &sentence); ///< once per sentence
    void recovered();                     ///< after failed(): the project can be read again

private:
    struct Private;
    std::unique_ptr<Private> m_private;
};

} // namespace retoscope
