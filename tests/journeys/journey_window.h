// SPDX-License-Identifier: GPL-3.0-or-later
// The program's window as a user has it: the mouse and the keys go in at the platform's window, so that what is hidden,
// greyed or covered cannot be used, and every wait has an end.
#pragma once

#include "shell/app_settings.h"
#include "shell/main_window.h"

#include <QApplication>
#include <QDialog>
#include <QElapsedTimer>
#include <QTimer>

#include <functional>
#include <memory>
#include <optional>

class QWidget;

namespace retoscope::test {

constexpr int answerTimeoutMs = 30'000, buildTimeoutMs = 240'000;

class JourneyWindow
{
public:
    /// Opens the window as `retoscope --description DESCRIPTION PROJECT` does. Empty `project`: the start page.
    JourneyWindow(AppSettings &settings, const QString &project, const QString &description);

    [[nodiscard]] MainWindow &window() { return m_window; }
    [[nodiscard]] Session &session() { return m_window.session(); }

    /// A widget of a view that is made; null: there is none.
    [[nodiscard]] QWidget *find(const QString &view, const char *objectName);
    template<typename Widget>
    [[nodiscard]] Widget *find(const QString &view, const char *objectName)
    {
        return qobject_cast<Widget *>(find(view, objectName));
    }

    // What hands do. All return whether it could be done, and warn with the reason when not.
    bool click(QWidget *widget, std::optional<QPoint> at = {}, Qt::KeyboardModifiers modifiers = {});
    bool hover(QWidget *widget, const QPoint &at);
    /// Presses at the first point, moves over the others, calls `before` and lets go.
    bool drag(QWidget *widget, const QList<QPoint> &path, const std::function<void()> &before = [] {});
    void key(Qt::Key key, Qt::KeyboardModifiers modifiers = {}); ///< to what has the focus
    void type(const QString &text);

    /// Answers the next dialog of class `Dialog` that opens, even when it blocks the caller. One that stays open nevertheless
    /// is rejected, so that the test goes on and fails.
    template<typename Dialog>
    void answer(std::function<void(Dialog &)> answer)
    {
        auto *timer = new QTimer(&m_window);
        QObject::connect(timer, &QTimer::timeout, timer, [timer, answer = std::move(answer)] {
            if (auto *dialog = openDialog<Dialog>()) {
                timer->stop();
                timer->deleteLater();
                rejectLater(*dialog);
                answer(*dialog);
            }
        });
        timer->start(dialogPollMs);
    }
    template<typename Dialog>
    [[nodiscard]] static Dialog *openDialog()
    {
        for (QWidget *widget : QApplication::topLevelWidgets()) {
            if (auto *dialog = qobject_cast<Dialog *>(widget); dialog && dialog->isVisible())
                return dialog;
        }
        return nullptr;
    }

    [[nodiscard]] bool waitUntilReadable(); ///< the project has been read, Run all can be pressed
    [[nodiscard]] bool waitUntilIdle(int timeoutMs = buildTimeoutMs); ///< no job runs or waits
    [[nodiscard]] bool waitUntilSettled(); ///< no view that is seen waits for an answer
    /// Into the folder that RETOSCOPE_SCREENSHOTS names, for a person to look at; nothing without it.
    void photograph(const QString &name);

private:
    static constexpr int dialogPollMs = 20;
    static void rejectLater(QDialog &dialog);
    MainWindow m_window;
};

/// The longest time for which the event loop did not turn while it lived.
class GuiWatch : public QObject
{
public:
    GuiWatch();
    [[nodiscard]] qint64 longestMs() const { return m_longest; }

private:
    QElapsedTimer m_clock;
    QTimer m_timer;
    qint64 m_longest = 0;
};

} // namespace retoscope::test
