// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/start_page.h"

#include "shell/app_settings.h"
#include "shell/example_project.h"

#include <QDir>
#include <QHBoxLayout>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

namespace retoscope {

StartPage::StartPage(AppSettings &settings, QWidget *parent)
    : QWidget(parent), m_settings(settings), m_heading(new QLabel(tr("Recent projects"))), m_recent(new QListWidget)
{
    setObjectName(QStringLiteral("startPage"));
    auto *title = new QLabel(tr("Retoscope"));
    QFont large = title->font();
    large.setPointSizeF(large.pointSizeF() * 2.2);
    large.setWeight(QFont::DemiBold);
    title->setFont(large);
    auto *purpose = new QLabel(tr("Open a language model and a pile of text, and see what nearest-neighbour retrieval does to every token."));
    purpose->setWordWrap(true);
    purpose->setForegroundRole(QPalette::PlaceholderText);
    auto *create = new QPushButton(tr("&New project…"));
    create->setObjectName(QStringLiteral("startNew"));
    create->setToolTip(tr("Make an empty project; models and texts are then dropped on it"));
    auto *open = new QPushButton(tr("&Open a project…"));
    open->setObjectName(QStringLiteral("startOpen"));
    open->setToolTip(tr("Or drop a project folder on this window"));
    auto *example = new QPushButton(tr("Open the &example"));
    example->setObjectName(QStringLiteral("startExample"));
    example->setToolTip(tr("The PostgreSQL manual and a small model; “Run all” builds everything in a few minutes"));
    example->setVisible(!exampleDescription().isEmpty());
    m_recent->setObjectName(QStringLiteral("recentProjects"));
    m_recent->setAccessibleName(m_heading->text());
    m_recent->setTextElideMode(Qt::ElideMiddle);
    m_recent->setAlternatingRowColors(true);

    auto *column = new QWidget;
    column->setMaximumWidth(fontMetrics().averageCharWidth() * 90);
    auto *layout = new QVBoxLayout(column);
    auto *buttons = new QHBoxLayout;
    buttons->addWidget(create);
    buttons->addWidget(open);
    buttons->addWidget(example);
    buttons->addStretch();
    layout->addStretch(1);
    layout->addWidget(title);
    layout->addWidget(purpose);
    layout->addSpacing(fontMetrics().height());
    layout->addLayout(buttons);
    layout->addSpacing(fontMetrics().height());
    layout->addWidget(m_heading);
    layout->addWidget(m_recent, 2);
    layout->addStretch(1);
    auto *centring = new QHBoxLayout(this);
    centring->addStretch(1);
    centring->addWidget(column, 8);
    centring->addStretch(1);

    connect(create, &QPushButton::clicked, this, &StartPage::newProjectWanted);
    connect(example, &QPushButton::clicked, this, &StartPage::exampleWanted);
    connect(open, &QPushButton::clicked, this, &StartPage::openDialogWanted);
    connect(m_recent, &QListWidget::itemActivated, this, [this](const QListWidgetItem *item) { Q_EMIT projectChosen(item->data(Qt::UserRole).toString()); });
    connect(&m_settings, &AppSettings::recentProjectsChanged, this, &StartPage::fill);
    fill();
}

void StartPage::fill()
{
    m_recent->clear();
    for (const QString &folder : m_settings.recentProjects()) {
        auto *item = new QListWidgetItem(tr("%1   %2").arg(QDir(folder).dirName(), QDir::toNativeSeparators(folder)), m_recent);
        item->setData(Qt::UserRole, folder);
        item->setToolTip(QDir::toNativeSeparators(folder));
    }
    m_heading->setVisible(m_recent->count() > 0);
    m_recent->setVisible(m_recent->count() > 0);
}

} // namespace retoscope
