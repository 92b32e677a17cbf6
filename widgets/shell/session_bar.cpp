// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/session_bar.h"

#include "shell/session.h"
#include "shell/trace_choice.h"

#include <QComboBox>
#include <QLabel>
#include <QSignalBlocker>

#include <algorithm>

namespace retoscope {

namespace {

const QString withoutClusters = QStringLiteral("none"); // as TraceSession::open() calls it

QComboBox *addChoice(QToolBar &bar, QLabel *label, const QString &name, const QString &toolTip)
{
    auto *box = new QComboBox;
    box->setObjectName(name);
    box->setAccessibleName(label->text());
    box->setToolTip(toolTip);
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    box->setMinimumContentsLength(12);
    label->setBuddy(box);
    label->setMargin(4);
    bar.addWidget(label);
    bar.addWidget(box);
    return box;
}

void fill(QComboBox &box, const QStringList &names)
{
    QStringList present;
    for (int i = 0; i < box.count(); ++i)
        present << box.itemText(i);
    if (present == names)
        return; // a popup that is open stays open
    const QSignalBlocker quiet(&box);
    const QString chosen = box.currentText();
    box.clear();
    box.addItems(names);
    box.setCurrentIndex(static_cast<int>(names.indexOf(chosen)));
}

const ArtefactRow *rowNamed(const std::vector<ArtefactRow> &rows, const QString &name)
{
    const auto found = std::ranges::find(rows, name.toStdString(), &ArtefactRow::name);
    return found == rows.end() ? nullptr : &*found;
}

} // namespace

SessionBar::SessionBar(Session &session, QWidget *parent)
    : QToolBar(tr("Trace"), parent), m_session(session), m_traceLabel(new QLabel(tr("Trace"))), m_clustersLabel(new QLabel(tr("Clusters")))
{
    setObjectName(QStringLiteral("sessionBar"));
    setMovable(false);
    setContextMenuPolicy(Qt::PreventContextMenu);
    m_traces = addChoice(*this, m_traceLabel, QStringLiteral("traceChoice"), tr("The recorded evaluation that all views show"));
    m_clusters = addChoice(*this, m_clustersLabel, QStringLiteral("clustersChoice"), tr("The automaton's states: clusters of the datastore's keys, or one state per entry"));
    connect(m_traces, &QComboBox::textActivated, this, [this](const QString &trace) {
        fillClusters(trace);
        m_clusters->setCurrentIndex(0);
        openChosen();
    });
    connect(m_clusters, &QComboBox::textActivated, this, &SessionBar::openChosen);
    connect(&m_session, &Session::projectChanged, this, &SessionBar::showProject);
    connect(&m_session, &Session::traceChanged, this, &SessionBar::showTrace);
    showProject();
}

void SessionBar::addCommands(const QList<QAction *> &actions)
{
    auto *space = new QWidget;
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    addWidget(space);
    for (QAction *action : actions) {
        if (action)
            addAction(action);
        else
            addSeparator();
    }
}

void SessionBar::showProject()
{
    const auto &snapshot = m_session.project();
    if (!snapshot) {
        m_tried.clear();
        m_firstSettings.reset();
    }
    const auto traces = snapshot ? readyTraces(*snapshot) : std::vector<ArtefactRow>();
    QStringList names;
    for (const ArtefactRow &row : traces)
        names << QString::fromStdString(row.name);
    fill(*m_traces, names);
    m_traces->setEnabled(!names.isEmpty());
    m_traces->setPlaceholderText(tr("no trace yet"));
    fillClusters(m_traces->currentText());
    if (names.isEmpty())
        return;
    const bool first = !m_session.trace() && m_tried != names.front();
    if (first || (isUntouched() && !m_session.jobs().isBusy()))
        openNewest();
}

void SessionBar::openNewest()
{
    const ArtefactRow newest = readyTraces(*m_session.project()).front();
    m_tried = QString::fromStdString(newest.name);
    m_firstSettings.reset();
    m_traces->setCurrentText(m_tried);
    fillClusters(m_tried);
    m_clusters->setCurrentIndex(0);
    m_session.openTrace(m_tried, m_clusters->currentData().toString(), settingsToBeginWith(*m_session.project(), newest));
}

/// Whether what is shown was opened by itself while jobs went on, and nobody has chosen a token or a setting since.
bool SessionBar::isUntouched() const
{
    return m_firstSettings && m_session.trace() && QString::fromStdString(m_session.trace()->name()) == m_tried && m_session.settings() == *m_firstSettings
           && m_session.selection().tokens().empty() && m_session.selection().pinned().empty();
}

void SessionBar::fillClusters(const QString &trace)
{
    const auto &snapshot = m_session.project();
    const auto traces = snapshot ? readyTraces(*snapshot) : std::vector<ArtefactRow>();
    const ArtefactRow *row = rowNamed(traces, trace);
    QStringList names;
    if (row) {
        for (const ArtefactRow &clusters : readyClusters(*snapshot, *row))
            names << QString::fromStdString(clusters.name);
        names << tr("none: a state per entry");
    }
    fill(*m_clusters, names);
    for (int i = 0; i < m_clusters->count(); ++i)
        m_clusters->setItemData(i, i + 1 == m_clusters->count() ? withoutClusters : names[i]);
    m_clusters->setEnabled(row != nullptr);
}

void SessionBar::showTrace()
{
    if (!m_session.trace())
        return;
    m_traces->setCurrentText(QString::fromStdString(m_session.trace()->name()));
    if (m_traces->currentText() == m_tried && m_session.jobs().isBusy())
        m_firstSettings = m_session.settings();
    fillClusters(m_traces->currentText());
    if (m_clusters->currentIndex() < 0 || !m_session.trace()->hasClusters())
        m_clusters->setCurrentIndex(m_session.trace()->hasClusters() ? 0 : m_clusters->count() - 1);
}

void SessionBar::openChosen()
{
    m_firstSettings.reset();
    m_tried.clear();
    if (!m_traces->currentText().isEmpty())
        m_session.openTrace(m_traces->currentText(), m_clusters->currentData().toString());
}

} // namespace retoscope
