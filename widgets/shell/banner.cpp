// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/banner.h"

#include "plot/theme.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QStyle>
#include <QToolButton>

namespace retoscope {

Banner::Banner(QWidget *parent) : QFrame(parent), m_text(new QLabel), m_buttons(new QHBoxLayout)
{
    setObjectName(QStringLiteral("banner"));
    setAutoFillBackground(true);
    setFrameShape(QFrame::StyledPanel);
    auto *sign = new QLabel(QStringLiteral("⚠"));
    QFont large = sign->font();
    large.setPointSizeF(large.pointSizeF() * 1.3);
    sign->setFont(large);
    m_text->setWordWrap(true);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    auto *close = new QToolButton;
    close->setText(QStringLiteral("✕"));
    close->setAutoRaise(true);
    close->setObjectName(QStringLiteral("bannerClose"));
    close->setAccessibleName(tr("Dismiss"));
    close->setToolTip(tr("Dismiss"));
    connect(close, &QToolButton::clicked, this, &Banner::clear);
    auto *layout = new QHBoxLayout(this);
    layout->addWidget(sign);
    layout->addWidget(m_text, 1);
    layout->addLayout(m_buttons);
    layout->addWidget(close);
    applyColors();
    hide();
}

void Banner::showSentence(const QString &sentence, const QList<WayOut> &waysOut)
{
    clear();
    m_text->setText(sentence);
    setAccessibleName(sentence);
    for (const WayOut &way : waysOut) {
        auto *button = new QPushButton(way.text);
        connect(button, &QPushButton::clicked, this, [go = way.go] { go(); });
        m_buttons->addWidget(button);
    }
    show();
}

void Banner::clear()
{
    while (QLayoutItem *item = m_buttons->takeAt(0)) {
        item->widget()->hide();
        item->widget()->deleteLater(); // it may be the button that was pressed
        delete item;
    }
    m_text->clear();
    hide();
}

QString Banner::sentence() const
{
    return m_text->text();
}

void Banner::changeEvent(QEvent *event)
{
    QFrame::changeEvent(event);
    if (event->type() == QEvent::ApplicationPaletteChange)
        applyColors();
}

void Banner::applyColors()
{
    QPalette colors = QGuiApplication::palette();
    const bool dark = isDark(colors);
    colors.setColor(QPalette::Window, dark ? QColor(0x4a2f1d) : QColor(0xfdeedd));
    colors.setColor(QPalette::WindowText, dark ? QColor(0xf7dcc4) : QColor(0x5a3206));
    setPalette(colors);
}

} // namespace retoscope
