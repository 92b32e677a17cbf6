// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>
#include <QPointer>

#include <functional>
#include <vector>

class QLabel;
class QPushButton;

namespace retoscope {

/// One call-out: what to look at, what to try.
struct TourStep
{
    QString view; ///< id of the view that it points to; empty: the window
    QString title, text;
};

/// The short path through the window at the first start (Help → Guided tour repeats it): a call-out beside the view that it
/// speaks of, which is framed. Everything beneath stays usable, so that what it says can be tried. Esc ends it.
class GuidedTour : public QObject
{
    Q_OBJECT

public:
    /// `show` brings a view to the front and returns what to frame; null: there is nothing to point to.
    GuidedTour(QWidget *window, std::function<QWidget *(const QString &view)> show);
    ~GuidedTour() override;

    void start(std::vector<TourStep> steps);
    void stop();
    [[nodiscard]] bool isRunning() const { return !m_steps.empty(); }
    [[nodiscard]] int step() const { return m_step; }

    /// With a text to read; without one, what has to be built first.
    static std::vector<TourStep> steps(bool hasTrace);

Q_SIGNALS:
    void finished(); ///< to its end or not

protected:
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    void go(int step);
    void arrange();

    QWidget *m_window;
    std::function<QWidget *(const QString &)> m_show;
    std::vector<TourStep> m_steps;
    int m_step = 0;
    QPointer<QWidget> m_target;
    QWidget *m_ring;
    QFrame *m_bubble;
    QLabel *m_title, *m_text, *m_count;
    QPushButton *m_back, *m_next, *m_end;
};

} // namespace retoscope
