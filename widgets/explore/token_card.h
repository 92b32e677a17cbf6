// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>

#include "trace/measures.h"

#include <optional>

class QLabel;

namespace retoscope {

/// Which numbers a card shows of a token.
struct TokenFacts
{
    QString token;   ///< as tokenLabel() gives it
    QString context; ///< the text before it, in one line; may be empty
    std::optional<PositionSummary> summary; ///< none before the first evaluation
};

/// In one sentence, for screen readers.
QString spokenFacts(const TokenFacts &facts);
/// As a small HTML table; `dark` chooses the colours.
QString factsHtml(const TokenFacts &facts, const QPalette &palette);

/// The preview at the token under the mouse. Never takes the mouse itself.
class HoverCard : public QFrame
{
    Q_OBJECT

public:
    explicit HoverCard(QWidget *viewport);
    /// Beside `token` (in the viewport's coordinates), inside the viewport as far as it goes.
    void showBeside(const QRect &token, const TokenFacts &facts);

private:
    QLabel *m_text;
};

/// A pinned token. Click locks it, the cross or Delete takes the pin away.
class PinnedCard : public QFrame
{
    Q_OBJECT

public:
    PinnedCard(Position position, QWidget *parent = nullptr);
    void setFacts(const TokenFacts &facts);
    void setCurrent(bool current);
    [[nodiscard]] Position position() const { return m_position; }

Q_SIGNALS:
    void activated(retoscope::Position position);
    void unpinRequested(retoscope::Position position);

protected:
    void mousePressEvent(QMouseEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    void paintEvent(QPaintEvent *event) override;

private:
    Position m_position;
    QLabel *m_text;
    bool m_current = false;
};

} // namespace retoscope
