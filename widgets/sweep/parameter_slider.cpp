// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/parameter_slider.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QSlider>

#include <algorithm>
#include <cmath>
#include <limits>

namespace retoscope {

namespace {

constexpr double beyondSlider = 1e7, leastFraction = 0.001; ///< a spin box takes more than the slider shows
constexpr double infinity = std::numeric_limits<double>::infinity();

bool meansInfinity(const QString &text)
{
    const QString word = text.trimmed().toLower();
    return word == QStringLiteral("∞") || word == QLatin1String("inf");
}

} // namespace

void ParameterSpinBox::setScale(const ParameterScale &scale)
{
    m_scale = scale;
    setDecimals(scale.whole ? 0 : scale.decimals + 1);
    setRange(scale.hard || scale.whole ? scale.values.front() : leastFraction, scale.hard ? scale.values.back() : beyondSlider);
    setKeyboardTracking(false);
    setGroupSeparatorShown(scale.whole);
}

double ParameterSpinBox::parameterValue() const
{
    return m_scale.endless() && value() >= maximum() ? infinity : value();
}

void ParameterSpinBox::setParameterValue(double value)
{
    setValue(std::isinf(value) ? maximum() : value);
}

QString ParameterSpinBox::textFromValue(double value) const
{
    if (m_scale.endless() && value >= maximum())
        return QStringLiteral("∞");
    if (m_scale.whole)
        return QDoubleSpinBox::textFromValue(value);
    const bool needsAll = std::abs(std::round(value * std::pow(10, m_scale.decimals)) - value * std::pow(10, m_scale.decimals)) > 1e-6;
    return locale().toString(value, 'f', needsAll ? decimals() : m_scale.decimals);
}

double ParameterSpinBox::valueFromText(const QString &text) const
{
    return m_scale.endless() && meansInfinity(text) ? maximum() : QDoubleSpinBox::valueFromText(text);
}

QValidator::State ParameterSpinBox::validate(QString &text, int &position) const
{
    if (m_scale.endless() && meansInfinity(text))
        return QValidator::Acceptable;
    if (m_scale.endless() && QStringLiteral("inf").startsWith(text.trimmed().toLower()))
        return QValidator::Intermediate;
    return QDoubleSpinBox::validate(text, position);
}

void ParameterSpinBox::stepBy(int steps)
{
    setParameterValue(m_scale.valueAt(std::clamp(m_scale.stepOf(parameterValue()) + steps, 0, m_scale.lastStep())));
    selectAll();
}

ParameterSlider::ParameterSlider(const Parameter &parameter, QWidget *parent)
    : QWidget(parent), m_slider(new QSlider(Qt::Horizontal)), m_spin(new ParameterSpinBox)
{
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_slider, 1);
    layout->addWidget(m_spin);
    m_slider->setMinimumWidth(fontMetrics().averageCharWidth() * 8);
    m_spin->setFixedWidth(fontMetrics().horizontalAdvance(QStringLiteral("10,000,000")) + fontMetrics().height() * 2);
    m_spin->setAlignment(Qt::AlignRight);
    setFocusProxy(m_slider);
    setParameter(parameter);
    connect(m_slider, &QSlider::valueChanged, this, [this](int step) { take(m_parameter.scale.valueAt(step)); });
    connect(m_spin, &QDoubleSpinBox::valueChanged, this, [this] { take(m_spin->parameterValue()); });
}

void ParameterSlider::setParameter(const Parameter &parameter)
{
    m_parameter = parameter;
    const QSignalBlocker quietSlider(m_slider), quietSpin(m_spin);
    setObjectName(QLatin1String(parameter.axis));
    m_slider->setRange(0, parameter.scale.lastStep());
    m_slider->setPageStep(std::max(1, parameter.scale.lastStep() / 10));
    m_spin->setScale(parameter.scale);
    for (QWidget *widget : {static_cast<QWidget *>(m_slider), static_cast<QWidget *>(m_spin)}) {
        widget->setAccessibleName(parameter.title);
        widget->setToolTip(parameter.toolTip);
    }
}

void ParameterSlider::setValue(double value)
{
    m_value = value;
    const QSignalBlocker quietSlider(m_slider), quietSpin(m_spin);
    m_slider->setValue(m_parameter.scale.stepOf(value));
    m_spin->setParameterValue(value);
}

void ParameterSlider::take(double value)
{
    if (value == m_value)
        return;
    setValue(value);
    Q_EMIT edited(value);
}

} // namespace retoscope
