// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>

#include <functional>

class QHBoxLayout;
class QLabel;

namespace retoscope {

/// The one place of the window for what stops the work: a sentence and the ways out. Hidden while all is well.
class Banner : public QFrame
{
    Q_OBJECT

public:
    struct WayOut
    {
        QString text;
        std::function<void()> go; ///< the banner stays until it is dismissed or clear() is called
    };

    explicit Banner(QWidget *parent = nullptr);

    void showSentence(const QString &sentence, const QList<WayOut> &waysOut);
    void clear();
    [[nodiscard]] QString sentence() const;

protected:
    void changeEvent(QEvent *event) override;

private:
    void applyColors();

    QLabel *m_text;
    QHBoxLayout *m_buttons;
};

} // namespace retoscope
