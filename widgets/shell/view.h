// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QList>
#include <QSize>
#include <QString>
#include <QWidget>

#include <functional>

class QLabel;
class QPushButton;
class QStackedLayout;
class QVBoxLayout;
class QAction;

namespace retoscope {

class Session;

/// What every view has: an empty state that says what to do next with a button that does it, a busy state that keeps the
/// old content greyed, an error state with the sentence and the way out, and export. A view is a dock's content; it builds
/// its widgets into content() and listens to the session.
class View : public QWidget
{
    Q_OBJECT

public:
    /// `id` names the view on the command line and in layouts ("text", "foss"), `title` for people.
    View(Session &session, const QString &id, const QString &title, QWidget *parent = nullptr);
    ~View() override;

    [[nodiscard]] const QString &id() const { return m_id; }
    [[nodiscard]] const QString &title() const { return m_title; }
    [[nodiscard]] Session &session() const { return m_session; }

    /// The actions of this view; they appear in its context menu, in the menu bar and in the command palette.
    [[nodiscard]] QList<QAction *> viewActions() const { return m_actions; }

    /// File suffixes it can write: figures "pdf", "svg", "png"; tables "csv", "md", "tex".
    [[nodiscard]] virtual QStringList exportSuffixes() const { return {QStringLiteral("pdf"), QStringLiteral("svg"), QStringLiteral("png")}; }
    /// Writes what is shown. The default paints the widget itself at `size`. Throws Error with a sentence.
    virtual void exportTo(const QString &file, const QSize &size);
    /// True when nothing is being computed for it any more: what --export and the tests wait for.
    [[nodiscard]] virtual bool isSettled() const;
    /// False while the empty or the error state stands in place of the content.
    [[nodiscard]] bool showsContent() const;
    /// What the empty or the error state says; empty while there is content.
    [[nodiscard]] QString noticeText() const;

protected:
    [[nodiscard]] QWidget *content() const { return m_content; }
    void showContent();
    void showEmpty(const QString &text, const QString &button = {}, std::function<void()> action = {});
    void showError(const QString &sentence, const QString &button = {}, std::function<void()> action = {});
    /// Greys the content (after 150 ms, so that quick answers do not flicker).
    void setBusy(bool busy);
    QAction *addViewAction(const QString &text, const QKeySequence &shortcut, std::function<void()> trigger);
    void paintEvent(QPaintEvent *event) override;

private:
    void showPage(const QString &text, const QString &button, std::function<void()> action, bool error);

    Session &m_session;
    QString m_id, m_title;
    QList<QAction *> m_actions;
    QStackedLayout *m_pages;
    QWidget *m_content;
    QWidget *m_notice;
    QLabel *m_noticeText;
    QPushButton *m_noticeButton;
    std::function<void()> m_noticeAction;
    bool m_busy = false;
};

} // namespace retoscope
