// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDoubleSpinBox>
#include <QWidget>

#include "sweep/parameter.h"

class QSlider;

namespace retoscope {

/// A number, or ∞ ("inf" is understood too), which stands one step above the highest.
class ParameterSpinBox : public QDoubleSpinBox
{
    Q_OBJECT

public:
    explicit ParameterSpinBox(QWidget *parent = nullptr) : QDoubleSpinBox(parent) {}

    void setScale(const ParameterScale &scale);
    [[nodiscard]] double parameterValue() const;
    void setParameterValue(double value);

protected:
    [[nodiscard]] QString textFromValue(double value) const override;
    [[nodiscard]] double valueFromText(const QString &text) const override;
    [[nodiscard]] QValidator::State validate(QString &text, int &position) const override;
    void stepBy(int steps) override; ///< along the slider's steps, so that arrow keys do the same in both

private:
    ParameterScale m_scale;
};

/// One parameter: its symbol, a slider over its scale, and a spin box that takes any value.
class ParameterSlider : public QWidget
{
    Q_OBJECT

public:
    explicit ParameterSlider(const Parameter &parameter, QWidget *parent = nullptr);

    [[nodiscard]] const Parameter &parameter() const { return m_parameter; }
    void setParameter(const Parameter &parameter); ///< the same one over another scale
    [[nodiscard]] double value() const { return m_value; }
    void setValue(double value); ///< without a signal

Q_SIGNALS:
    void edited(double value);

private:
    void take(double value);

    Parameter m_parameter;
    double m_value = 0;
    QSlider *m_slider;
    ParameterSpinBox *m_spin;
};

} // namespace retoscope
