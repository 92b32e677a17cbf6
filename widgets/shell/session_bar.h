// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QToolBar>

#include "trace/evaluation_settings.h" // after Qt: moc 6.4 cannot parse <compare> first

#include <optional>

class QComboBox;
class QLabel;

namespace retoscope {

class Session;

/// What is looked at: the trace and its clusters, to be chosen. Opens the newest trace by itself when a project has one and
/// none is open, also when it appears only later. One that appears while jobs go on is only the first that can be read: when
/// they have ended and nobody has touched anything, the newest one follows, with the setting that its runs recommend.
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
    void openNewest();
    [[nodiscard]] bool isUntouched() const;

    Session &m_session;
    QLabel *m_traceLabel, *m_clustersLabel;
    QComboBox *m_traces, *m_clusters;
    QString m_tried; ///< trace opened by itself; one that failed is not tried again and again
    std::optional<EvaluationSettings> m_firstSettings; ///< of a trace that was opened by itself while jobs went on
};

} // namespace retoscope
