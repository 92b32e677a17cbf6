// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/grid_runner.h"

namespace retoscope {

namespace {

constexpr int takeEveryMs = 50;

} // namespace

GridRunner::GridRunner(QObject *parent) : QObject(parent)
{
    m_taking.setInterval(takeEveryMs);
    connect(&m_taking, &QTimer::timeout, this, &GridRunner::takePoints);
    m_question.onAnswer([this](std::size_t best) {
        takePoints();
        m_best = best;
        Q_EMIT changed();
        Q_EMIT finished();
    });
    m_question.onFailure([this](const QString &sentence) { Q_EMIT failed(sentence); });
    m_question.onBusy([this](bool busy) {
        if (!busy)
            takePoints();
        busy ? m_taking.start() : m_taking.stop();
        Q_EMIT changed();
    });
}

void GridRunner::start(std::shared_ptr<const TraceSession> trace, const EvaluationSettings &base, const SweepGrid &grid)
{
    m_base = base;
    m_grid = grid;
    m_points.assign(grid.size(), std::nullopt);
    m_ready = 0;
    m_best.reset();
    m_letters = std::make_shared<Letters>();
    m_question.ask([trace = std::move(trace), base, grid, letters = m_letters](JobControl &control) {
        return bestPoint(runSweep(trace->replay(), base, grid, control, [&](std::size_t i, const SweepPoint &point) { letters->put({i, point}); }));
    });
}

void GridRunner::cancel()
{
    m_question.cancel();
}

void GridRunner::clear()
{
    m_question.cancel();
    m_letters.reset();
    m_points.clear();
    m_ready = 0;
    m_best.reset();
    Q_EMIT changed();
}

const SweepPoint *GridRunner::best() const
{
    return m_best ? &*m_points[*m_best] : nullptr;
}

void GridRunner::takePoints()
{
    if (!m_letters)
        return;
    const auto letters = m_letters->take();
    for (const auto &[i, point] : letters) {
        m_points[i] = point;
        ++m_ready;
    }
    if (!letters.empty())
        Q_EMIT changed();
}

} // namespace retoscope
