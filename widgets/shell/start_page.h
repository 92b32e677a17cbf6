// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QListWidget;
class QLabel;

namespace retoscope {

class AppSettings;

/// What the window shows while no project is open: the recent projects, a new one, another one.
class StartPage : public QWidget
{
    Q_OBJECT

public:
    explicit StartPage(AppSettings &settings, QWidget *parent = nullptr);

Q_SIGNALS:
    void newProjectWanted();
    void openDialogWanted();
    void exampleWanted();
    void projectChosen(const QString &folder);

private:
    void fill();

    AppSettings &m_settings;
    QLabel *m_heading;
    QListWidget *m_recent;
};

} // namespace retoscope
