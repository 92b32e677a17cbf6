// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/settings_dialog.h"

#include "shell/app_settings.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QThread>
#include <QVBoxLayout>

namespace retoscope {

SettingsDialog::SettingsDialog(AppSettings &settings, QWidget *parent)
    : QDialog(parent), m_settings(settings), m_theme(new QComboBox), m_text(new QSpinBox), m_threads(new QSpinBox)
{
    setObjectName(QStringLiteral("settingsDialog"));
    setWindowTitle(tr("Settings"));
    m_theme->setObjectName(QStringLiteral("settingsTheme"));
    m_theme->addItem(tr("As the desktop"), static_cast<int>(Theme::System));
    m_theme->addItem(tr("Light"), static_cast<int>(Theme::Light));
    m_theme->addItem(tr("Dark"), static_cast<int>(Theme::Dark));
    m_text->setObjectName(QStringLiteral("settingsText"));
    m_text->setRange(AppSettings::smallestText, AppSettings::largestText);
    m_text->setSingleStep(10);
    m_text->setSuffix(tr(" %"));
    m_threads->setObjectName(QStringLiteral("settingsThreads"));
    m_threads->setRange(0, 4 * QThread::idealThreadCount());
    m_threads->setSpecialValueText(tr("as many as there are cores (%1)").arg(QThread::idealThreadCount()));

    auto *form = new QFormLayout;
    form->addRow(tr("&Theme"), m_theme);
    form->addRow(tr("Te&xt size"), m_text);
    form->addRow(tr("Th&reads for computing"), m_threads);
    auto *note = new QLabel(tr("Jobs that already run keep the number of threads that they began with."));
    note->setWordWrap(true);
    note->setForegroundRole(QPalette::PlaceholderText);
    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Close | QDialogButtonBox::RestoreDefaults);
    auto *layout = new QVBoxLayout(this);
    layout->addLayout(form);
    layout->addWidget(note);
    layout->addStretch();
    layout->addWidget(buttons);

    connect(m_theme, &QComboBox::activated, this, [this] { m_settings.setTheme(static_cast<Theme>(m_theme->currentData().toInt())); });
    connect(m_text, &QSpinBox::valueChanged, &m_settings, &AppSettings::setTextPercent);
    connect(m_threads, &QSpinBox::valueChanged, &m_settings, &AppSettings::setThreads);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::accept);
    connect(buttons->button(QDialogButtonBox::RestoreDefaults), &QPushButton::clicked, this, [this] {
        m_settings.restoreDefaults();
        fill();
    });
    fill();
}

void SettingsDialog::fill()
{
    const QSignalBlocker text(m_text), threads(m_threads);
    m_theme->setCurrentIndex(m_theme->findData(static_cast<int>(m_settings.theme())));
    m_text->setValue(m_settings.textPercent());
    m_threads->setValue(m_settings.threads());
}

} // namespace retoscope
