// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/guided_tour.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

namespace retoscope {

namespace {

constexpr int ringWidth = 3, gap = 12; // pixels

/// A frame around the view that the call-out speaks of; the mouse goes through it.
class Ring : public QWidget
{
public:
    explicit Ring(QWidget *parent) : QWidget(parent) { setAttribute(Qt::WA_TransparentForMouseEvents); }

protected:
    void paintEvent(QPaintEvent *) override
    {
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(palette().color(QPalette::Highlight), ringWidth));
        painter.drawRoundedRect(QRectF(rect()).adjusted(ringWidth / 2.0, ringWidth / 2.0, -ringWidth / 2.0, -ringWidth / 2.0), 6, 6);
    }
};

/// Beside the target where there is room, else within it at the lower right.
QPoint placeBeside(const QRect &target, const QSize &bubble, const QRect &window)
{
    const QRect room = window.adjusted(gap, gap, -gap, -gap);
    const QPoint candidates[] = {{target.right() + gap, target.center().y() - bubble.height() / 2},
                                 {target.left() - gap - bubble.width(), target.center().y() - bubble.height() / 2},
                                 {target.center().x() - bubble.width() / 2, target.bottom() + gap},
                                 {target.center().x() - bubble.width() / 2, target.top() - gap - bubble.height()}};
    for (QPoint corner : candidates) {
        QRect place(corner, bubble);
        // Along the side it may slide, over the target it may not.
        place.moveLeft(std::clamp(place.left(), room.left(), std::max(room.left(), room.right() - bubble.width())));
        place.moveTop(std::clamp(place.top(), room.top(), std::max(room.top(), room.bottom() - bubble.height())));
        if (!place.intersects(target))
            return place.topLeft();
    }
    return {target.right() - bubble.width() - 2 * gap, target.bottom() - bubble.height() - 2 * gap};
}

} // namespace

std::vector<TourStep> GuidedTour::steps(bool hasTrace)
{
    const TourStep own{QStringLiteral("pipeline"), tr("Your own model and text"),
                       tr("Drop a model folder or a text on this strip, then Run all: the same views show what retrieval does to your text. "
                          "Ctrl+K finds every command; this tour is under Help.")};
    if (!hasTrace)
        return {{QStringLiteral("pipeline"), tr("Build the pipeline first"),
                 tr("There is no text to look at yet. Press Run all: what is missing of corpus, model, datastore, index, clusters and trace is made, one after the other. "
                    "Each can be cancelled at once and goes on later where it stopped. The tour continues when the text is there.")},
                own};
    return {{QStringLiteral("text"), tr("What you see"),
             tr("A text as the language model read it. The colour of a token says what retrieval changed: how much more, or less, probable the right token became. "
                "A solid underline: the datastore was searched. A dotted one: the automaton saved the search. Click a token that stands out.")},
            {QStringLiteral("neighbours"), tr("The neighbours of the token"),
             tr("What was retrieved for the token that you clicked: contexts from the datastore, aligned on the word that followed. "
                "Below, its chances under the language model, under the neighbours, and under both. ← and → go to the next token.")},
            {QStringLiteral("sweep"), tr("Try the sliders"),
             tr("Move λ: the colours, the perplexities and the curves follow while you drag. Move min_knns: fewer searches, until it costs too much. Ctrl+Z takes it back.")},
            {QStringLiteral("foss"), tr("What saving searches costs"),
             tr("Perplexity over the fraction of saved searches. A line that stays low to the right is what one wants. A click on a point opens the run that made it.")},
            own};
}

GuidedTour::GuidedTour(QWidget *window, std::function<QWidget *(const QString &)> show)
    : QObject(window), m_window(window), m_show(std::move(show)), m_ring(new Ring(window)), m_bubble(new QFrame(window)), m_title(new QLabel), m_text(new QLabel),
      m_count(new QLabel), m_back(new QPushButton(tr("&Back"))), m_next(new QPushButton), m_end(new QPushButton(tr("&End the tour")))
{
    m_ring->hide();
    m_bubble->setObjectName(QStringLiteral("tourBubble"));
    m_bubble->setAutoFillBackground(true);
    m_bubble->setFrameShape(QFrame::StyledPanel);
    m_bubble->setBackgroundRole(QPalette::ToolTipBase);
    m_bubble->setForegroundRole(QPalette::ToolTipText);
    m_bubble->hide();
    QFont bold = m_title->font();
    bold.setBold(true);
    m_title->setFont(bold);
    m_text->setWordWrap(true);
    m_text->setFixedWidth(m_text->fontMetrics().averageCharWidth() * 52);
    m_count->setForegroundRole(QPalette::PlaceholderText);
    m_back->setObjectName(QStringLiteral("tourBack"));
    m_next->setObjectName(QStringLiteral("tourNext"));
    m_end->setObjectName(QStringLiteral("tourEnd"));
    m_end->setFlat(true);
    m_next->setDefault(true);
    auto *buttons = new QHBoxLayout;
    buttons->addWidget(m_count);
    buttons->addStretch();
    buttons->addWidget(m_end);
    buttons->addWidget(m_back);
    buttons->addWidget(m_next);
    auto *layout = new QVBoxLayout(m_bubble);
    layout->setContentsMargins(gap, gap, gap, gap);
    layout->addWidget(m_title);
    layout->addWidget(m_text);
    layout->addLayout(buttons);
    connect(m_back, &QPushButton::clicked, this, [this] { go(m_step - 1); });
    connect(m_next, &QPushButton::clicked, this, [this] { go(m_step + 1); });
    connect(m_end, &QPushButton::clicked, this, &GuidedTour::stop);
    m_bubble->installEventFilter(this);
    m_window->installEventFilter(this);
}

GuidedTour::~GuidedTour() = default;

void GuidedTour::start(std::vector<TourStep> steps)
{
    m_steps = std::move(steps);
    if (!m_steps.empty())
        go(0);
}

void GuidedTour::stop()
{
    if (!isRunning())
        return;
    m_steps.clear();
    m_target.clear();
    m_ring->hide();
    m_bubble->hide();
    Q_EMIT finished();
}

void GuidedTour::go(int step)
{
    const int count = static_cast<int>(m_steps.size());
    if (step >= count) {
        stop();
        return;
    }
    m_step = std::max(step, 0);
    const TourStep &shown = m_steps[static_cast<std::size_t>(m_step)];
    m_target = shown.view.isEmpty() ? nullptr : m_show(shown.view);
    m_title->setText(shown.title);
    m_text->setText(shown.text);
    m_count->setText(tr("%1 of %2").arg(m_step + 1).arg(count));
    m_back->setVisible(m_step > 0);
    m_next->setText(m_step + 1 < count ? tr("&Next") : tr("&Done"));
    m_bubble->setAccessibleName(shown.title);
    m_bubble->setAccessibleDescription(shown.text);
    m_bubble->show();
    arrange();
    QTimer::singleShot(0, this, &GuidedTour::arrange); // once a view that has just been shown has its place
    m_next->setFocus();
}

void GuidedTour::arrange()
{
    if (!isRunning())
        return;
    m_bubble->adjustSize();
    const bool pointing = m_target && m_target->isVisible();
    const QRect window = m_window->rect();
    m_ring->setVisible(pointing);
    if (!pointing) {
        m_bubble->move(window.center() - m_bubble->rect().center());
    } else {
        const QRect target(m_target->mapTo(m_window, QPoint()), m_target->size());
        m_ring->setGeometry(target);
        m_ring->raise();
        m_bubble->move(placeBeside(target, m_bubble->size(), window));
    }
    m_bubble->raise();
}

bool GuidedTour::eventFilter(QObject *watched, QEvent *event)
{
    if (watched == m_window && (event->type() == QEvent::Resize || event->type() == QEvent::LayoutRequest))
        QTimer::singleShot(0, this, &GuidedTour::arrange);
    const bool isKey = event->type() == QEvent::ShortcutOverride || event->type() == QEvent::KeyPress;
    if (watched != m_bubble || !isKey || static_cast<QKeyEvent *>(event)->key() != Qt::Key_Escape)
        return QObject::eventFilter(watched, event);
    event->accept(); // here it ends the tour and unlocks no token
    if (event->type() == QEvent::KeyPress)
        stop();
    return true;
}

} // namespace retoscope
