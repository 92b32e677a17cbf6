// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/token_card.h"

#include "plot/theme.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QLocale>
#include <QMouseEvent>
#include <QPainter>
#include <QToolButton>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

constexpr int gap = 6;     // between the token and its card
constexpr int padding = 8;

QString nats(double value)
{
    return std::isinf(value) ? QStringLiteral("∞") : QLocale().toString(value, 'f', 2);
}

QString rankText(const PositionSummary &summary)
{
    return summary.lmRank > 0 ? QObject::tr("%1 under the LM").arg(QLocale().toString(summary.lmRank)) : QObject::tr("below the recorded candidates of the LM");
}

QString knnText(const PositionSummary &summary)
{
    if (std::isnan(summary.knnLogProb))
        return QObject::tr("no candidates");
    return std::isinf(summary.knnLogProb) ? QObject::tr("no neighbour has it") : QLocale().toString(std::exp(summary.knnLogProb), 'g', 3);
}

QString searchText(const PositionSummary &summary)
{
    if (summary.searched)
        return QObject::tr("yes, %n candidate(s)", nullptr, summary.candidates);
    if (summary.candidates == 0)
        return QObject::tr("no, the LM alone");
    return QObject::tr("saved for %1, %n pointer(s)", nullptr, summary.candidates).arg(QObject::tr("%n token(s)", nullptr, summary.runLength));
}

QString gainText(double gain)
{
    const QString sign = gain > 0 ? QStringLiteral("▲ +") : gain < 0 ? QStringLiteral("▼ ") : QString();
    return sign + QLocale().toString(gain, 'f', 2);
}

} // namespace

QString spokenFacts(const TokenFacts &facts)
{
    if (!facts.summary)
        return facts.token;
    const PositionSummary &s = *facts.summary;
    return QObject::tr("%1; surprisal %2 nats under the LM, %3 mixed; gain %4; rank %5; search: %6.")
        .arg(facts.token, nats(-s.lmLogProb), nats(-s.mixedLogProb), QLocale().toString(s.gain(), 'f', 2), rankText(s), searchText(s));
}

QString factsHtml(const TokenFacts &facts, const QPalette &palette)
{
    QString html = facts.context.isEmpty() ? QString() : QStringLiteral("<span style='color:%1'>…%2</span>").arg(palette.color(QPalette::PlaceholderText).name(), facts.context.toHtmlEscaped());
    html += QStringLiteral("<b>%1</b>").arg(facts.token.toHtmlEscaped());
    if (!facts.summary)
        return html;
    const PositionSummary &s = *facts.summary;
    const QString gainColour = seriesColor(s.gain() < 0 ? 1 : 0, palette).name();
    const auto row = [](const QString &name, const QString &value) { return QStringLiteral("<tr><td style='padding-right:10px'>%1</td><td>%2</td></tr>").arg(name, value); };
    html += QStringLiteral("<table cellspacing='0' cellpadding='0' style='margin-top:3px'>");
    html += row(QObject::tr("surprisal"), QObject::tr("LM %1 → mixed %2 nats").arg(nats(-s.lmLogProb), nats(-s.mixedLogProb)));
    html += row(QObject::tr("gain"), QStringLiteral("<span style='color:%1'><b>%2</b></span>").arg(gainColour, gainText(s.gain())));
    html += row(QObject::tr("rank"), rankText(s));
    html += row(QObject::tr("p(kNN)"), knnText(s));
    html += row(QObject::tr("searched"), searchText(s));
    return html + QStringLiteral("</table>");
}

HoverCard::HoverCard(QWidget *viewport) : QFrame(viewport), m_text(new QLabel)
{
    setObjectName(QStringLiteral("hoverCard"));
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setFrameStyle(QFrame::StyledPanel | QFrame::Plain);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::ToolTipBase);
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(padding, padding, padding, padding);
    m_text->setTextFormat(Qt::RichText);
    m_text->setForegroundRole(QPalette::ToolTipText);
    layout->addWidget(m_text);
    hide();
}

void HoverCard::showBeside(const QRect &token, const TokenFacts &facts)
{
    m_text->setText(factsHtml(facts, palette()));
    adjustSize();
    const QSize room = parentWidget()->size();
    const bool below = token.bottom() + gap + height() <= room.height() || token.top() < gap + height();
    move(std::clamp(token.left(), 0, std::max(0, room.width() - width())), below ? token.bottom() + gap : token.top() - gap - height());
    raise();
    show();
}

PinnedCard::PinnedCard(Position position, QWidget *parent) : QFrame(parent), m_position(position), m_text(new QLabel)
{
    setObjectName(QStringLiteral("pinnedCard"));
    setFocusPolicy(Qt::StrongFocus);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    setCursor(Qt::PointingHandCursor);
    setToolTip(tr("Click to go there; Delete unpins."));
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(padding, padding - 2, 2, padding - 2);
    m_text->setTextFormat(Qt::RichText);
    m_text->setAttribute(Qt::WA_TransparentForMouseEvents);
    layout->addWidget(m_text);
    auto *close = new QToolButton;
    close->setText(QStringLiteral("✕"));
    close->setAutoRaise(true);
    close->setAccessibleName(tr("Unpin"));
    close->setToolTip(tr("Unpin"));
    close->setFocusPolicy(Qt::NoFocus);
    connect(close, &QToolButton::clicked, this, [this] { Q_EMIT unpinRequested(m_position); });
    layout->addWidget(close, 0, Qt::AlignTop);
}

void PinnedCard::setFacts(const TokenFacts &facts)
{
    m_text->setText(factsHtml(facts, palette()));
    setAccessibleName(tr("Pinned token %1").arg(facts.token));
    setAccessibleDescription(spokenFacts(facts));
}

void PinnedCard::setCurrent(bool current)
{
    m_current = current;
    update();
}

void PinnedCard::mousePressEvent(QMouseEvent *event)
{
    if (event->button() == Qt::LeftButton)
        Q_EMIT activated(m_position);
}

void PinnedCard::keyPressEvent(QKeyEvent *event)
{
    if (event->key() == Qt::Key_Delete || event->key() == Qt::Key_P)
        Q_EMIT unpinRequested(m_position);
    else if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Space)
        Q_EMIT activated(m_position);
    else
        QFrame::keyPressEvent(event);
}

void PinnedCard::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    QColor edge = m_current || hasFocus() ? palette().color(QPalette::Highlight) : palette().color(QPalette::PlaceholderText);
    if (!m_current && !hasFocus())
        edge.setAlphaF(0.5f);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(edge, m_current ? 2 : 1));
    painter.setBrush(palette().color(QPalette::Base));
    painter.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), 5, 5);
}

} // namespace retoscope
