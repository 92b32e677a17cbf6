// SPDX-License-Identifier: GPL-3.0-or-later
#include "pipeline/stage_card.h"

#include "plot/theme.h"

#include <QContextMenuEvent>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMenu>
#include <QPainter>
#include <QPainterPath>
#include <QToolButton>
#include <QVBoxLayout>

namespace retoscope {

namespace {

constexpr int margin = 8;
constexpr qreal radius = 6;
constexpr int edgeWidth = 4;   // the coloured edge
constexpr int barHeight = 4;
constexpr double smallFont = 0.9;

enum Series { Blue, Vermillion, Green, Purple, Ochre }; // of seriesColor()

QToolButton *makeButton(const QString &name, const QString &toolTip)
{
    auto *button = new QToolButton;
    button->setObjectName(name);
    button->setToolTip(toolTip);
    button->setAccessibleName(toolTip);
    button->setAutoRaise(true);
    button->setFocusPolicy(Qt::TabFocus);
    return button;
}

} // namespace

ElidedText::ElidedText(QWidget *parent) : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
}

void ElidedText::setText(const QString &text)
{
    if (text == m_text)
        return;
    m_text = text;
    setAccessibleName(text);
    update();
}

void ElidedText::setColorRole(QPalette::ColorRole role)
{
    m_role = role;
    update();
}

void ElidedText::setColor(const QColor &color)
{
    m_color = color;
    update();
}

void ElidedText::setElideMode(Qt::TextElideMode mode)
{
    m_mode = mode;
    update();
}

QSize ElidedText::sizeHint() const
{
    return {fontMetrics().horizontalAdvance(m_text), fontMetrics().height()};
}

QSize ElidedText::minimumSizeHint() const
{
    return {0, fontMetrics().height()};
}

void ElidedText::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.setPen(m_color.isValid() ? m_color : palette().color(m_role));
    painter.drawText(rect(), Qt::AlignLeft | Qt::AlignVCenter, fontMetrics().elidedText(m_text, m_mode, width()));
}

StageCard::StageCard(Stage stage, QWidget *parent)
    : QFrame(parent), m_glyph(new ElidedText), m_title(new ElidedText), m_name(new ElidedText), m_detail(new ElidedText), m_parameters(new ElidedText),
      m_figures(new ElidedText),
      m_more(makeButton(QStringLiteral("more"), tr("More"))), m_action(makeButton(QStringLiteral("action"), tr("Start"))),
      m_pause(makeButton(QStringLiteral("pause"), tr("Pause or resume"))), m_cancel(makeButton(QStringLiteral("cancel"), tr("Cancel; it can be continued"))),
      m_menu(new QMenu(this))
{
    setObjectName(QStringLiteral("card-") + QString::fromUtf8(toString(stage).data(), static_cast<qsizetype>(toString(stage).size())));
    setFocusPolicy(Qt::StrongFocus);
    m_content.stage = stage;
    QFont bold = font();
    bold.setBold(true);
    m_title->setFont(bold);
    QFont smaller = font();
    smaller.setPointSizeF(smaller.pointSizeF() * smallFont);
    m_glyph->setFont(bold);
    m_glyph->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    m_glyph->setFixedWidth(fontMetrics().horizontalAdvance(QStringLiteral("❚❚")) + 4);
    m_name->setElideMode(Qt::ElideMiddle); // the ends of names tell them apart
    for (auto *text : {m_detail, m_parameters, m_figures}) {
        text->setFont(smaller);
        text->setColorRole(QPalette::PlaceholderText);
    }
    for (auto *button : {m_action, m_pause, m_cancel})
        button->setFont(smaller);
    m_more->setText(QStringLiteral("⋯"));
    m_cancel->setText(QStringLiteral("◼"));
    m_action->setAutoRaise(false);

    auto *head = new QHBoxLayout;
    head->setSpacing(0);
    head->addWidget(m_glyph);
    head->addWidget(m_title, 1);
    head->addWidget(m_pause);
    head->addWidget(m_cancel);
    head->addWidget(m_more);
    auto *foot = new QHBoxLayout;
    foot->setSpacing(margin / 2);
    foot->addWidget(m_figures, 1);
    foot->addWidget(m_action);
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(margin + edgeWidth, margin / 2, margin / 2, margin);
    layout->setSpacing(1);
    layout->addLayout(head);
    layout->addWidget(m_name);
    layout->addWidget(m_detail);
    layout->addWidget(m_parameters);
    layout->addLayout(foot);
    layout->addStretch();

    connect(m_action, &QToolButton::clicked, this, &StageCard::actionRequested);
    connect(m_pause, &QToolButton::clicked, this, &StageCard::pauseRequested);
    connect(m_cancel, &QToolButton::clicked, this, &StageCard::cancelRequested);
    connect(m_more, &QToolButton::clicked, this, [this] { showMenu(m_more->mapToGlobal(QPoint(0, m_more->height()))); });
    connect(m_menu, &QMenu::aboutToShow, this, &StageCard::menuAboutToShow);
    showContent(m_content);
}

void StageCard::setContent(const CardContent &content)
{
    if (content == m_content)
        return;
    showContent(content);
}

void StageCard::showContent(const CardContent &content)
{
    m_content = content;
    m_glyph->setText(glyphOf(content.look));
    m_glyph->setColor(accent());
    m_title->setText(content.title);
    m_name->setText(content.name.isEmpty() ? content.state : content.name);
    m_detail->setText(content.detail);
    m_parameters->setText(content.parameters);
    m_figures->setText(content.figures);
    setToolTip(content.state + (content.toolTip.isEmpty() ? QString() : QLatin1Char('\n') + content.toolTip));
    setAccessibleName(QStringLiteral("%1: %2").arg(content.title, content.state));
    setAccessibleDescription(QStringLiteral("%1 %2 %3 %4").arg(content.name, content.detail, content.parameters, content.figures));
    m_action->setText(textOf(content.action));
    m_action->setAccessibleName(QStringLiteral("%1: %2").arg(content.title, textOf(content.action)));
    m_action->setVisible(content.action != CardContent::Action::None);
    const bool running = content.look == CardContent::Look::Running || content.look == CardContent::Look::Paused;
    m_pause->setText(content.look == CardContent::Look::Paused ? QStringLiteral("▶") : QStringLiteral("❚❚"));
    m_pause->setVisible(running);
    m_cancel->setVisible(content.isBusy());
    update();
}

QColor StageCard::accent() const
{
    switch (m_content.look) {
    case CardContent::Look::Ready: return seriesColor(Green, palette());
    case CardContent::Look::Running:
    case CardContent::Look::Paused:
    case CardContent::Look::Waiting: return seriesColor(Blue, palette());
    case CardContent::Look::Stale:
    case CardContent::Look::Unfinished: return seriesColor(Ochre, palette());
    case CardContent::Look::Failed: return seriesColor(Vermillion, palette());
    case CardContent::Look::Missing:
    case CardContent::Look::Blocked: break;
    }
    return palette().color(QPalette::Mid);
}

void StageCard::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF box = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
    QPainterPath outline;
    outline.addRoundedRect(box, radius, radius);
    const bool there = m_content.look != CardContent::Look::Missing && m_content.look != CardContent::Look::Blocked;
    painter.fillPath(outline, palette().color(there ? QPalette::Base : QPalette::Window));
    painter.save();
    painter.setClipPath(outline);
    painter.fillRect(QRectF(box.left(), box.top(), edgeWidth, box.height()), accent());
    if (m_content.look == CardContent::Look::Running || m_content.look == CardContent::Look::Paused) {
        QColor ground = accent();
        ground.setAlphaF(0.2f);
        const QRectF groove(box.left(), box.bottom() - barHeight, box.width(), barHeight);
        painter.fillRect(groove, ground);
        if (m_content.progress >= 0)
            painter.fillRect(QRectF(groove.topLeft(), QSizeF(groove.width() * m_content.progress, barHeight)), accent());
    }
    painter.restore();
    QColor line = palette().color(QPalette::Text);
    line.setAlphaF(0.22f);
    painter.setPen(hasFocus() ? QPen(palette().color(QPalette::Highlight), 1.6) : QPen(line, 1, there ? Qt::SolidLine : Qt::DashLine));
    painter.drawPath(outline);
}

void StageCard::keyPressEvent(QKeyEvent *event)
{
    switch (event->key()) {
    case Qt::Key_Return:
    case Qt::Key_Enter:
        if (m_content.action != CardContent::Action::None)
            Q_EMIT actionRequested();
        else
            showMenu(mapToGlobal(rect().center()));
        return;
    case Qt::Key_Space:
        if (m_content.isBusy()) {
            Q_EMIT pauseRequested();
            return;
        }
        break;
    case Qt::Key_Delete:
        if (m_content.isBusy()) {
            Q_EMIT cancelRequested();
            return;
        }
        break;
    case Qt::Key_Left:
    case Qt::Key_Right: focusNextPrevChild(event->key() == Qt::Key_Right); return;
    default: break;
    }
    QFrame::keyPressEvent(event);
}

void StageCard::changeEvent(QEvent *event)
{
    QFrame::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        m_glyph->setColor(accent());
}

void StageCard::contextMenuEvent(QContextMenuEvent *event)
{
    showMenu(event->globalPos());
}

void StageCard::focusInEvent(QFocusEvent *event)
{
    QFrame::focusInEvent(event);
    update();
}

void StageCard::focusOutEvent(QFocusEvent *event)
{
    QFrame::focusOutEvent(event);
    update();
}

void StageCard::showMenu(const QPoint &where)
{
    m_menu->popup(where);
}

} // namespace retoscope
