// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTextEdit>

namespace retoscope {

/// A prompt and the tokens after it, as they read. Each token can be opened: hover previews, a click or ←/→ locks, Esc
/// unlocks. A solid underline marks a searched token, a dotted one a saved search.
class ContinuationText : public QTextEdit
{
    Q_OBJECT

public:
    enum class Mark { None, Searched, Saved };

    explicit ContinuationText(QWidget *parent = nullptr);

    void begin(const QString &prompt);
    void append(const QString &text, Mark mark);
    [[nodiscard]] int count() const { return int(m_ends.size()); }
    [[nodiscard]] int focused() const { return m_hovered >= 0 ? m_hovered : m_locked; } ///< −1: none
    void lock(int token);
    /// Somewhere on the token, for tests: viewport pixels.
    [[nodiscard]] QPoint placeOf(int token) const;

Q_SIGNALS:
    void focusedChanged(int token);

protected:
    bool event(QEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void leaveEvent(QEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    void changeEvent(QEvent *event) override;

private:
    [[nodiscard]] int tokenAt(const QPoint &place) const;
    void hover(int token);
    template<typename Change>
    void apply(Change change);
    void highlight();

    int m_promptEnd = 0;
    std::vector<int> m_ends; ///< character after each token
    int m_locked = -1, m_hovered = -1;
};

} // namespace retoscope
