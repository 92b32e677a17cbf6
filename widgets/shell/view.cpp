// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/view.h"

#include "base/error.h"
#include "shell/session.h"

#include <QAction>
#include <QFileInfo>
#include <QGraphicsOpacityEffect>
#include <QKeySequence>
#include <QLabel>
#include <QPainter>
#include <QPdfWriter>
#include <QPushButton>
#include <QStackedLayout>
#include <QStyleOption>
#include <QSvgGenerator>
#include <QTimer>
#include <QVBoxLayout>

#include <memory>

namespace retoscope {

namespace {

constexpr int busyDelayMs = 150;
constexpr double busyOpacity = 0.45;
constexpr int pngScale = 2;

/// Paints `widget` into a PDF or SVG device, scaled to fill `size`.
void paintInto(QPaintDevice &device, QWidget &widget, const QSizeF &deviceSize)
{
    QPainter painter(&device);
    painter.scale(deviceSize.width() / widget.width(), deviceSize.height() / widget.height());
    widget.render(&painter, QPoint(), QRegion(), QWidget::DrawWindowBackground | QWidget::DrawChildren);
}

} // namespace

View::View(Session &session, const QString &id, const QString &title, QWidget *parent)
    : QWidget(parent), m_session(session), m_id(id), m_title(title), m_pages(new QStackedLayout(this)), m_content(new QWidget), m_notice(new QWidget),
      m_noticeText(new QLabel), m_noticeButton(new QPushButton)
{
    setObjectName(id);
    setAccessibleName(title);
    setContextMenuPolicy(Qt::ActionsContextMenu);
    m_noticeText->setWordWrap(true);
    m_noticeText->setAlignment(Qt::AlignCenter);
    m_noticeText->setTextInteractionFlags(Qt::TextSelectableByMouse);
    auto *layout = new QVBoxLayout(m_notice);
    layout->addStretch();
    layout->addWidget(m_noticeText);
    layout->addWidget(m_noticeButton, 0, Qt::AlignHCenter);
    layout->addStretch();
    connect(m_noticeButton, &QPushButton::clicked, this, [this] {
        if (m_noticeAction)
            m_noticeAction();
    });
    m_pages->addWidget(m_content);
    m_pages->addWidget(m_notice);
}

View::~View() = default;

void View::showContent()
{
    m_pages->setCurrentWidget(m_content);
}

void View::showEmpty(const QString &text, const QString &button, std::function<void()> action)
{
    showPage(text, button, std::move(action), false);
}

void View::showError(const QString &sentence, const QString &button, std::function<void()> action)
{
    showPage(sentence, button, std::move(action), true);
}

void View::showPage(const QString &text, const QString &button, std::function<void()> action, bool error)
{
    // A shape as well as words: colour never stands alone.
    m_noticeText->setText(error ? QStringLiteral("⚠ ") + text : text);
    m_noticeButton->setText(button);
    m_noticeButton->setVisible(!button.isEmpty());
    m_noticeAction = std::move(action);
    m_pages->setCurrentWidget(m_notice);
}

void View::setBusy(bool busy)
{
    m_busy = busy;
    if (!busy) {
        m_content->setGraphicsEffect(nullptr);
        return;
    }
    QTimer::singleShot(busyDelayMs, this, [this] {
        if (!m_busy || m_content->graphicsEffect())
            return;
        auto *effect = new QGraphicsOpacityEffect(m_content);
        effect->setOpacity(busyOpacity);
        m_content->setGraphicsEffect(effect);
    });
}

QAction *View::addViewAction(const QString &text, const QKeySequence &shortcut, std::function<void()> trigger)
{
    auto *action = new QAction(text, this);
    action->setShortcut(shortcut);
    action->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(action, &QAction::triggered, this, [run = std::move(trigger)] { run(); });
    addAction(action);
    m_actions.append(action);
    return action;
}

bool View::isSettled() const
{
    return !m_busy;
}

bool View::showsContent() const
{
    return m_pages->currentWidget() == m_content;
}

QString View::noticeText() const
{
    return showsContent() ? QString() : m_noticeText->text();
}

void View::exportTo(const QString &file, const QSize &size)
{
    const QString suffix = QFileInfo(file).suffix().toLower();
    if (!exportSuffixes().contains(suffix))
        fail(ErrorKind::Usage, "{}: this view is written as .{}; choose one of these.", file.toStdString(), exportSuffixes().join(QStringLiteral(", .")).toStdString());
    const QSize before = this->size();
    resize(size);
    bool written = false;
    if (suffix == QLatin1String("png")) {
        QImage image(size * pngScale, QImage::Format_ARGB32_Premultiplied);
        image.setDevicePixelRatio(pngScale);
        image.fill(palette().color(QPalette::Window));
        render(&image);
        written = image.save(file);
    } else if (suffix == QLatin1String("svg")) {
        QSvgGenerator generator;
        generator.setFileName(file);
        generator.setSize(size);
        generator.setViewBox(QRect(QPoint(), size));
        generator.setTitle(m_title);
        paintInto(generator, *this, size);
        written = QFileInfo(file).size() > 0;
    } else {
        QPdfWriter writer(file);
        writer.setTitle(m_title);
        writer.setPageSize(QPageSize(QSizeF(size), QPageSize::Point));
        writer.setPageMargins(QMarginsF());
        paintInto(writer, *this, QSizeF(writer.width(), writer.height()));
        written = QFileInfo(file).size() > 0;
    }
    resize(before);
    if (!written)
        fail(ErrorKind::Io, "Cannot write {}; choose another folder.", file.toStdString());
}

void View::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.fillRect(rect(), palette().color(QPalette::Window));
}

} // namespace retoscope
