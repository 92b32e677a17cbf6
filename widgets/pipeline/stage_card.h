// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>

#include "pipeline/card_content.h"

class QMenu;
class QToolButton;

namespace retoscope {

/// A label that shortens its text to its width and shows all of it as a tool tip.
class ElidedText : public QWidget
{
    Q_OBJECT

public:
    explicit ElidedText(QWidget *parent = nullptr);
    void setText(const QString &text);
    [[nodiscard]] QString text() const { return m_text; }
    void setColorRole(QPalette::ColorRole role);
    void setColor(const QColor &color); ///< instead of the role's
    void setElideMode(Qt::TextElideMode mode);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent *event) override;

private:
    QString m_text;
    QPalette::ColorRole m_role = QPalette::WindowText;
    QColor m_color; ///< invalid: the role's
    Qt::TextElideMode m_mode = Qt::ElideRight;
};

/// One stage of the pipeline. Enter or a click on its button starts what is due; the menu has everything else.
class StageCard : public QFrame
{
    Q_OBJECT

public:
    explicit StageCard(Stage stage, QWidget *parent = nullptr);

    void setContent(const CardContent &content);
    [[nodiscard]] const CardContent &content() const { return m_content; }
    [[nodiscard]] QMenu &menu() const { return *m_menu; }

Q_SIGNALS:
    void actionRequested();  ///< the button
    void menuAboutToShow();  ///< fill menu() now
    void pauseRequested();
    void cancelRequested();

protected:
    void paintEvent(QPaintEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    void changeEvent(QEvent *event) override;
    void contextMenuEvent(QContextMenuEvent *event) override;
    void focusInEvent(QFocusEvent *event) override;
    void focusOutEvent(QFocusEvent *event) override;

private:
    [[nodiscard]] QColor accent() const;
    void showContent(const CardContent &content);
    void showMenu(const QPoint &where);

    CardContent m_content;
    ElidedText *m_glyph, *m_title, *m_name, *m_detail, *m_parameters, *m_figures;
    QToolButton *m_more, *m_action, *m_pause, *m_cancel;
    QMenu *m_menu;
};

} // namespace retoscope
