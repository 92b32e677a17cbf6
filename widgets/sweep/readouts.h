// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTimer>
#include <QWidget>

#include "trace/evaluation_settings.h"

#include <array>

class QLabel;

namespace retoscope {

/// The figures of LM, kNN-LM and RetoMaton side by side, and of AdaptRet while it is the method in force. A column whose setting has moved on is greyed until its answer comes.
class Readouts : public QWidget
{
    Q_OBJECT

public:
    explicit Readouts(QWidget *parent = nullptr);

    /// Fills the column of the result's method; every result knows the LM alone.
    void show(const EvaluationResult &result);
    void clear();
    /// What is shown of `method` belongs to an earlier setting. Greyed after a moment, so that quick answers do not flicker.
    void setStale(Method method, bool stale);
    /// Marks the column whose method the other views show.
    void setCurrent(Method method);

    /// As shown, for tests and export: "perplexity", "foss", "searches", "helped" or "hurt" of a method.
    [[nodiscard]] QString text(Method method, const QString &row) const;

protected:
    void changeEvent(QEvent *event) override;

private:
    static constexpr int methods = 4, rows = 5;
    void recolour();

    std::array<QLabel *, methods> m_headings{};
    std::array<std::array<QLabel *, rows>, methods> m_cells{};
    std::array<bool, methods> m_stale{}, m_grey{};
    Method m_current = Method::KnnLm;
    QTimer m_greying;
};

} // namespace retoscope
