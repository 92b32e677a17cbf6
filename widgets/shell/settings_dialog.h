// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

class QComboBox;
class QSpinBox;

namespace retoscope {

class AppSettings;

/// Theme, text size and threads; each change holds at once.
class SettingsDialog : public QDialog
{
    Q_OBJECT

public:
    explicit SettingsDialog(AppSettings &settings, QWidget *parent = nullptr);

private:
    void fill();

    AppSettings &m_settings;
    QComboBox *m_theme;
    QSpinBox *m_text, *m_threads;
};

} // namespace retoscope
