// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QTimer>

#include "ledger/trace_session.h"
#include "shell/latest_only.h"
#include "shell/mailbox.h"

#include <optional>

namespace retoscope {

/// Evaluates a grid of settings in the background and hands the points over as they become ready. A new start drops what is
/// under way. Lives in the GUI thread.
class GridRunner : public QObject
{
    Q_OBJECT

public:
    using Points = std::vector<std::optional<SweepPoint>>; ///< in the order of the grid; those not ready are empty

    explicit GridRunner(QObject *parent = nullptr);

    void start(std::shared_ptr<const TraceSession> trace, const EvaluationSettings &base, const SweepGrid &grid);
    void cancel(); ///< the points that are ready stay
    void clear();  ///< cancels and forgets them
    [[nodiscard]] bool isBusy() const { return m_question.isBusy(); }

    [[nodiscard]] const EvaluationSettings &base() const { return m_base; }
    [[nodiscard]] const SweepGrid &grid() const { return m_grid; }
    [[nodiscard]] const Points &points() const { return m_points; }
    [[nodiscard]] int readyCount() const { return m_ready; }
    /// The lowest perplexity, once all points are there.
    [[nodiscard]] const SweepPoint *best() const;

Q_SIGNALS:
    void changed();  ///< points or busyness; at most about 20 times a second
    void finished(); ///< all points are there
    void failed(const QString &sentence);

private:
    using Letters = Mailbox<std::pair<std::size_t, SweepPoint>>;
    void takePoints();

    EvaluationSettings m_base;
    SweepGrid m_grid;
    Points m_points;
    int m_ready = 0;
    std::optional<std::size_t> m_best;
    std::shared_ptr<Letters> m_letters;
    QTimer m_taking;
    LatestOnly<std::size_t> m_question; ///< answers with the index of the best point
};

} // namespace retoscope
