// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFutureWatcher>
#include <QObject>
#include <QString>
#include <QThreadPool>
#include <QTimer>
#include <QtConcurrent>

#include "base/error.h"
#include "base/job.h"
#include "shell/background.h"

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace retoscope {

/// Short background questions of which only the latest answer counts: a slider that moves, a token that is clicked. A new
/// ask() cancels the question under way, whose answer is dropped. Lives in the GUI thread; `question` runs on a pool thread
/// and must not touch widgets; the handlers run in the GUI thread and never after destruction. An exception of the question
/// arrives as a sentence; Cancelled arrives nowhere.
template<typename Answer>
class LatestOnly : public QObject
{
public:
    using Question = std::function<Answer(JobControl &)>;

    explicit LatestOnly(QObject *parent = nullptr, QThreadPool *pool = &backgroundPool()) : QObject(parent), m_pool(pool) {}
    ~LatestOnly() override
    {
        m_onAnswer = {};
        m_onFailure = {};
        cancel();
    }

    void onAnswer(std::function<void(Answer)> handler) { m_onAnswer = std::move(handler); }
    void onFailure(std::function<void(const QString &)> handler) { m_onFailure = std::move(handler); }
    /// While a slider moves, questions replace each other faster than they are answered. With a grace, one that has been
    /// replaced may still finish within that time and is then delivered before the next is asked, so that what is shown
    /// follows the hand; answers still come in the order of the questions. 0, the default: only the latest is delivered.
    void setGrace(int milliseconds) { m_graceMs = milliseconds; }
    /// Called with true when the first question starts, and with false when none is under way any more.
    void onBusy(std::function<void(bool)> handler) { m_onBusy = std::move(handler); }
    [[nodiscard]] bool isBusy() const { return m_running; }

    void ask(Question question)
    {
        const bool replacesAnother = std::exchange(m_pending, std::move(question)) != nullptr;
        if (!m_running)
            start();
        else if (m_graceMs == 0)
            m_control->requestCancel(); // start() follows when it has stopped, so that questions never pile up
        else if (!replacesAnother)
            QTimer::singleShot(m_graceMs, this, [control = m_control] { control->requestCancel(); });
    }

    void cancel()
    {
        m_pending = {};
        m_dropped = true;
        if (m_control)
            m_control->requestCancel();
    }

private:
    using Outcome = std::variant<std::monostate, Answer, QString>;

    void start()
    {
        m_running = true;
        m_dropped = false;
        m_control = std::make_shared<JobControl>();
        auto *watcher = new QFutureWatcher<std::shared_ptr<Outcome>>(this);
        connect(watcher, &QFutureWatcherBase::finished, this, [this, watcher] {
            watcher->deleteLater();
            finish(std::move(*watcher->result()));
        });
        if (m_onBusy)
            m_onBusy(true);
        watcher->setFuture(QtConcurrent::run(m_pool, [question = std::exchange(m_pending, {}), control = m_control] {
            auto outcome = std::make_shared<Outcome>();
            try { // nothing thrown may leave a QtConcurrent body
                outcome->template emplace<1>(question(*control));
            } catch (const Cancelled &) {
            } catch (const std::exception &error) {
                outcome->template emplace<2>(QString::fromUtf8(error.what()));
            }
            return outcome;
        }));
    }

    void finish(Outcome outcome)
    {
        const bool inGrace = m_pending && m_graceMs > 0 && !m_dropped;
        if (auto *answer = std::get_if<1>(&outcome); inGrace && answer && m_onAnswer)
            m_onAnswer(std::move(*answer)); // still running: what it asks waits its turn
        m_running = false;
        if (m_pending) {
            start();
            return;
        }
        if (m_onBusy)
            m_onBusy(false);
        if (m_dropped || inGrace)
            return;
        if (auto *answer = std::get_if<1>(&outcome); answer && m_onAnswer)
            m_onAnswer(std::move(*answer));
        else if (auto *sentence = std::get_if<2>(&outcome); sentence && m_onFailure)
            m_onFailure(*sentence);
    }

    QThreadPool *m_pool;
    std::function<void(Answer)> m_onAnswer;
    std::function<void(const QString &)> m_onFailure;
    std::function<void(bool)> m_onBusy;
    Question m_pending;
    std::shared_ptr<JobControl> m_control;
    int m_graceMs = 0;
    bool m_running = false;
    bool m_dropped = false;
};

} // namespace retoscope
