// SPDX-License-Identifier: GPL-3.0-or-later
#include "journeys/journey_window.h"

#include "shell/view.h"
#include "shell/workspace.h"

#include <QApplication>
#include <QCursor>
#include <QDir>
#include <QWindow>
#include <QtTest>

#include <algorithm>

namespace retoscope::test {

namespace {

constexpr int settledPolls = 3; // in a row: a view may ask once more after its first answer

const char *nameOf(const QWidget *widget)
{
    static QByteArray name;
    name = widget ? QByteArray(widget->metaObject()->className()) + " " + widget->objectName().toUtf8() : QByteArray("nothing");
    return name.constData();
}

/// Where a point of `widget` lies in its window; nothing, with a warning, when a mouse would not meet the widget there.
std::optional<QPoint> pointOf(QWidget *widget, const QPoint &at)
{
    if (!widget || !widget->isVisible() || !widget->isEnabled()) {
        qWarning("%s cannot be used: %s", nameOf(widget), !widget ? "there is none" : widget->isVisible() ? "it is greyed" : "it is hidden");
        return {};
    }
    const QPoint point = widget->mapTo(widget->window(), at);
    const QWidget *there = widget->window()->childAt(point);
    if (there && there != widget && !widget->isAncestorOf(there)) {
        const QByteArray covering = nameOf(there);
        qWarning("%s cannot be used: %s lies over it", nameOf(widget), covering.constData());
        return {};
    }
    QCursor::setPos(widget->mapToGlobal(at)); // or the platform would soon say that the mouse has left
    return point;
}

} // namespace

JourneyWindow::JourneyWindow(AppSettings &settings, const QString &project, const QString &description) : m_window(settings)
{
    m_window.resize(1280, 800);
    m_window.QWidget::show();
    m_window.activateWindow();
    if (!project.isEmpty()) {
        m_window.openProject(project.toStdString(), description.toStdString());
        m_window.startTourOnce();
    }
}

QWidget *JourneyWindow::find(const QString &view, const char *objectName)
{
    View *found = m_window.workspace().view(view);
    return found ? found->findChild<QWidget *>(QString::fromUtf8(objectName)) : nullptr;
}

bool JourneyWindow::click(QWidget *widget, std::optional<QPoint> at, Qt::KeyboardModifiers modifiers)
{
    const auto point = pointOf(widget, at.value_or(widget ? widget->rect().center() : QPoint()));
    if (point)
        QTest::mouseClick(widget->window()->windowHandle(), Qt::LeftButton, modifiers, *point);
    return point.has_value();
}

bool JourneyWindow::hover(QWidget *widget, const QPoint &at)
{
    const auto point = pointOf(widget, at);
    if (point)
        QTest::mouseMove(widget->window()->windowHandle(), *point);
    return point.has_value();
}

bool JourneyWindow::drag(QWidget *widget, const QList<QPoint> &path, const std::function<void()> &before)
{
    const auto start = pointOf(widget, path.value(0));
    if (!start)
        return false;
    QWindow *window = widget->window()->windowHandle();
    QTest::mousePress(window, Qt::LeftButton, {}, *start);
    for (const QPoint &point : path)
        QTest::mouseMove(window, widget->mapTo(widget->window(), point), 1);
    before();
    QTest::mouseRelease(window, Qt::LeftButton, {}, widget->mapTo(widget->window(), path.last()));
    return true;
}

void JourneyWindow::key(Qt::Key key, Qt::KeyboardModifiers modifiers)
{
    QWindow *window = QApplication::focusWindow();
    QTest::keyClick(window ? window : m_window.windowHandle(), key, modifiers);
}

void JourneyWindow::type(const QString &text)
{
    QWidget *focus = QApplication::focusWidget();
    if (focus)
        QTest::keyClicks(focus, text);
    else
        qWarning("“%s” cannot be typed: nothing has the focus", qPrintable(text));
}

void JourneyWindow::rejectLater(QDialog &dialog)
{
    QTimer::singleShot(answerTimeoutMs, &dialog, [&dialog] {
        qWarning("%s stayed open", nameOf(&dialog));
        dialog.reject();
    });
}

bool JourneyWindow::waitUntilReadable()
{
    const auto readable = [this] {
        const QWidget *runAll = find(QStringLiteral("pipeline"), "runAll");
        return session().project() && runAll && runAll->isEnabled();
    };
    return QTest::qWaitFor(readable, answerTimeoutMs) && waitUntilSettled();
}

bool JourneyWindow::waitUntilIdle(int timeoutMs)
{
    return QTest::qWaitFor([this] { return !session().jobs().isBusy(); }, timeoutMs);
}

bool JourneyWindow::waitUntilSettled()
{
    int quiet = 0;
    const auto settled = [&] {
        const bool all = std::ranges::all_of(m_window.workspace().madeViews(), [](const View *view) { return !view->isVisible() || view->isSettled(); });
        quiet = all ? quiet + 1 : 0;
        return quiet > settledPolls;
    };
    if (QTest::qWaitFor(settled, answerTimeoutMs))
        return true;
    for (const View *view : m_window.workspace().madeViews()) {
        if (view->isVisible() && !view->isSettled())
            qWarning("the view %s still waits for something", qPrintable(view->id()));
    }
    return false;
}

void JourneyWindow::photograph(const QString &name)
{
    const QString folder = qEnvironmentVariable("RETOSCOPE_SCREENSHOTS");
    if (folder.isEmpty())
        return;
    QDir().mkpath(folder);
    const QString file = QStringLiteral("%1/%2.png").arg(folder, name);
    QVERIFY2(m_window.grab().save(file), qPrintable(file));
}

GuiWatch::GuiWatch()
{
    m_clock.start();
    connect(&m_timer, &QTimer::timeout, this, [this] { m_longest = std::max(m_longest, m_clock.restart()); });
    m_timer.start(1);
}

} // namespace retoscope::test
