// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/workspace.h"

#include "shell/app_settings.h"
#include "shell/session.h"
#include "shell/view_layouts.h"

#include <QAction>
#include <QApplication>
#include <QDataStream>
#include <QDockWidget>
#include <QIODevice>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int stateVersion = 1; // of QMainWindow::saveState(): grows when dock names change their meaning

Qt::DockWidgetArea areaOf(ViewPlace place)
{
    switch (place) {
    case ViewPlace::Top: return Qt::TopDockWidgetArea;
    case ViewPlace::Bottom: return Qt::BottomDockWidgetArea;
    case ViewPlace::Centre: return Qt::LeftDockWidgetArea;
    case ViewPlace::Right: break;
    }
    return Qt::RightDockWidgetArea;
}

bool isSideways(Qt::DockWidgetArea area)
{
    return area == Qt::LeftDockWidgetArea || area == Qt::RightDockWidgetArea;
}

QString firstLayout()
{
    return builtInLayouts().front().id;
}

} // namespace

Workspace::Workspace(Session &session, AppSettings &settings, const std::vector<ViewEntry> &views, QWidget *parent)
    : QMainWindow(parent, Qt::Widget), m_session(session), m_settings(settings), m_entries(views)
{
    setObjectName(QStringLiteral("workspace"));
    setDockOptions(QMainWindow::AllowNestedDocks | QMainWindow::AllowTabbedDocks);
    setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
    setCorner(Qt::TopLeftCorner, Qt::TopDockWidgetArea);
    setCorner(Qt::TopRightCorner, Qt::TopDockWidgetArea);
    setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);

    m_readingArea = new QWidget;
    m_readingArea->setObjectName(QStringLiteral("readingArea"));
    auto *layout = new QVBoxLayout(m_readingArea);
    layout->setContentsMargins(0, 0, 0, 0);
    setCentralWidget(m_readingArea);
    buildDocks();
    connect(qApp, &QApplication::focusChanged, this, [this](QWidget *, QWidget *now) { followFocus(now); });
    arrange(m_settings.layout());
}

Workspace::~Workspace() = default;

void Workspace::buildDocks()
{
    for (const ViewEntry &entry : m_entries) {
        if (entry.place == ViewPlace::Centre && m_centre.isEmpty()) {
            m_centre = entry.id;
            auto *toggle = new QAction(entry.title, this);
            toggle->setCheckable(true);
            connect(toggle, &QAction::triggered, this, [this, id = entry.id](bool shown) { setViewShown(id, shown); });
            m_toggles.insert(entry.id, toggle);
            continue;
        }
        auto *dock = new QDockWidget(entry.title, this);
        dock->setObjectName(entry.id + QStringLiteral("Dock"));
        dock->setAccessibleName(entry.title);
        m_docks.insert(entry.id, dock);
        m_toggles.insert(entry.id, dock->toggleViewAction());
        connect(dock, &QDockWidget::visibilityChanged, this, [this, &entry](bool visible) {
            if (visible && isVisible())
                ensureView(entry);
        });
    }
}

const ViewEntry *Workspace::entry(const QString &id) const
{
    const auto found = std::ranges::find(m_entries, id, &ViewEntry::id);
    return found == m_entries.end() ? nullptr : &*found;
}

View *Workspace::ensureView(const ViewEntry &entry)
{
    if (View *made = m_views.value(entry.id))
        return made;
    View *view = entry.make(m_session);
    m_views.insert(entry.id, view);
    if (entry.id == m_centre)
        m_readingArea->layout()->addWidget(view);
    else
        dock(entry.id)->setWidget(view);
    Q_EMIT viewMade(view);
    return view;
}

View *Workspace::showView(const QString &id)
{
    const ViewEntry *found = entry(id);
    if (!found)
        return nullptr;
    setViewShown(id, true);
    View *view = ensureView(*found);
    if (QDockWidget *frame = dock(id))
        frame->raise();
    view->setFocus(Qt::OtherFocusReason);
    followFocus(view);
    return view;
}

void Workspace::setViewShown(const QString &id, bool shown)
{
    const ViewEntry *found = entry(id);
    if (!found)
        return;
    if (id != m_centre) {
        dock(id)->setVisible(shown);
        return;
    }
    m_readingArea->setVisible(shown);
    m_toggles.value(id)->setChecked(shown);
    if (shown && isVisible())
        ensureView(*found);
}

bool Workspace::isViewShown(const QString &id) const
{
    return id == m_centre ? !m_readingArea->isHidden() : dock(id) && !dock(id)->isHidden();
}

QWidget *Workspace::frameOf(const QString &id) const
{
    return id == m_centre ? m_readingArea : dock(id);
}

void Workspace::followFocus(QWidget *now)
{
    for (QWidget *widget = now; widget && widget != this; widget = widget->parentWidget()) {
        auto *view = qobject_cast<View *>(widget);
        if (!view || m_current == view || !m_views.values().contains(view))
            continue;
        m_current = view;
        Q_EMIT currentViewChanged(view);
        return;
    }
}

void Workspace::showEvent(QShowEvent *event)
{
    QMainWindow::showEvent(event);
    if (m_sizesDue)
        applySizes();
    for (const ViewEntry &entry : m_entries) {
        // A dock behind another tab is not hidden, but nothing of it is seen: its turn comes with visibilityChanged().
        if (isViewShown(entry.id) && (entry.id == m_centre || tabifiedDockWidgets(dock(entry.id)).isEmpty()))
            ensureView(entry);
    }
}

void Workspace::applyLayout(const QString &layout)
{
    remember();
    arrange(layout);
}

/// The built-in arrangement first, so that views which the remembered state does not know have a place.
void Workspace::arrange(const QString &layout)
{
    const bool isUsers = userLayouts().contains(layout);
    m_layout = isUsers || builtInLayout(layout) ? layout : firstLayout();
    setUpdatesEnabled(false);
    place(*builtInLayout(isUsers ? firstLayout() : m_layout));
    QByteArray state = m_settings.layoutState(m_layout), docks;
    bool readingArea = true;
    QDataStream stream(&state, QIODevice::ReadOnly);
    stream.setVersion(QDataStream::Qt_6_4);
    stream >> readingArea >> docks;
    m_sizesDue = stream.status() != QDataStream::Ok || !restoreState(docks, stateVersion);
    if (!m_sizesDue && !m_centre.isEmpty())
        setViewShown(m_centre, readingArea);
    else if (isVisible())
        applySizes();
    setUpdatesEnabled(true);
    m_settings.setLayout(m_layout);
    Q_EMIT layoutChanged(m_layout);
}

void Workspace::place(const ViewLayout &layout)
{
    QHash<Qt::DockWidgetArea, QDockWidget *> last; // shown in each area: the hidden ones wait behind it as tabs
    for (QDockWidget *frame : std::as_const(m_docks)) {
        frame->setFloating(false);
        removeDockWidget(frame);
    }
    for (const ViewLayout::Area &area : layout.areas) {
        for (const QString &id : area.views) {
            if (QDockWidget *frame = dock(id)) {
                addDockWidget(area.area, frame, isSideways(area.area) ? Qt::Vertical : Qt::Horizontal);
                frame->show();
                last[area.area] = frame;
            }
        }
    }
    for (const ViewEntry &entry : m_entries) {
        QDockWidget *frame = dock(entry.id);
        if (!frame || dockWidgetArea(frame) != Qt::NoDockWidgetArea)
            continue;
        const Qt::DockWidgetArea area = areaOf(entry.place);
        frame->hide();
        if (QDockWidget *front = last.value(area))
            tabifyDockWidget(front, frame);
        else
            addDockWidget(area, frame);
        frame->hide();
    }
    for (QDockWidget *front : std::as_const(last))
        front->raise();
    m_readingArea->setVisible(layout.readingArea && !m_centre.isEmpty());
    if (!m_centre.isEmpty())
        setViewShown(m_centre, layout.readingArea);
}

void Workspace::applySizes()
{
    m_sizesDue = false;
    const ViewLayout *layout = builtInLayout(m_layout);
    // What shares an axis is sized in one go, or the last would take from the first.
    QHash<Qt::Orientation, std::pair<QList<QDockWidget *>, QList<int>>> wanted;
    for (const ViewLayout::Area &area : layout ? layout->areas : builtInLayouts().front().areas) {
        QList<QDockWidget *> frames;
        for (const QString &id : area.views) {
            if (QDockWidget *frame = dock(id))
                frames << frame;
        }
        if (frames.isEmpty())
            continue;
        const bool sideways = isSideways(area.area);
        auto &[first, sizes] = wanted[sideways ? Qt::Horizontal : Qt::Vertical];
        first << frames.front();
        sizes << qRound((sideways ? width() : height()) * area.share);
        if (frames.size() > 1)
            resizeDocks(frames, QList<int>(frames.size(), 100), sideways ? Qt::Vertical : Qt::Horizontal);
    }
    for (const auto &[orientation, docks] : wanted.asKeyValueRange())
        resizeDocks(docks.first, docks.second, orientation);
}

void Workspace::remember()
{
    if (m_layout.isEmpty())
        return;
    QByteArray state;
    QDataStream stream(&state, QIODevice::WriteOnly);
    stream.setVersion(QDataStream::Qt_6_4);
    stream << (!m_centre.isEmpty() && isViewShown(m_centre)) << saveState(stateVersion);
    m_settings.setLayoutState(m_layout, state);
}

void Workspace::restoreDefaultLayout()
{
    const QString layout = builtInLayout(m_layout) ? m_layout : firstLayout();
    m_settings.setLayoutState(layout, {});
    arrange(layout);
}

void Workspace::saveLayoutAs(const QString &name)
{
    remember(); // the one that it was made from
    QStringList names = userLayouts();
    if (!names.contains(name))
        m_settings.setUserLayouts(names << name);
    m_layout = name;
    m_settings.setLayout(name);
    remember();
    Q_EMIT userLayoutsChanged();
    Q_EMIT layoutChanged(name);
}

void Workspace::removeLayout(const QString &name)
{
    QStringList names = userLayouts();
    if (names.removeAll(name) == 0)
        return;
    m_settings.setUserLayouts(names);
    m_settings.setLayoutState(name, {});
    Q_EMIT userLayoutsChanged();
    if (m_layout == name)
        arrange(firstLayout());
}

QStringList Workspace::userLayouts() const
{
    return m_settings.userLayouts();
}

QString Workspace::layoutTitle(const QString &layout)
{
    const ViewLayout *builtIn = builtInLayout(layout);
    return builtIn ? builtIn->title : layout;
}

} // namespace retoscope
