// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QToolBar>

class QComboBox;
class QLabel;

namespace retoscope {

class Session;

/// What is looked at: the trace and its clusters, to be chosen. Opens the newest trace by itself when a project has one and
/// none is open, also when it appears only later.
class SessionBar : public QToolBar
{
    Q_OBJECT

public:
    explicit SessionBar(Session &session, QWidget *parent = nullptr);

    /// Commands at its right end, as flat buttons.
    void addCommands(const QList<QAction *> &actions);

    [[nodiscard]] QComboBox *traces() const { return m_traces; }
    [[nodiscard]] QComboBox *clusters() const { return m_clusters; }

private:
    void showProject();
    void showTrace();
    void fillClusters(const QString &trace);
    void openChosen();

    Session &m_session;
    QLabel *m_traceLabel, *m_clustersLabel;
    QComboBox *m_traces, *m_clusters;
    QString m_tried; ///< trace opened by itself; one that failed is not tried again and again
};

} // namespace retoscope
