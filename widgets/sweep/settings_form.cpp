// SPDX-License-Identifier: GPL-3.0-or-later
#include "sweep/settings_form.h"

#include "shell/trace_choice.h"
#include "sweep/parameter_slider.h"

#include <QComboBox>
#include <QGridLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QStandardItemModel>

namespace retoscope {

namespace {

constexpr std::int32_t defaultLargestK = 1024;

QComboBox *makeCombo(const QString &objectName, const QString &title, const QString &toolTip)
{
    auto *combo = new QComboBox;
    combo->setObjectName(objectName);
    combo->setAccessibleName(title);
    combo->setToolTip(toolTip);
    combo->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    combo->setMinimumContentsLength(6);
    return combo;
}

QLabel *makeLabel(const QString &text, QWidget *buddy)
{
    auto *label = new QLabel(text);
    label->setBuddy(buddy);
    label->setToolTip(buddy->toolTip());
    return label;
}

void choose(QComboBox *combo, const QVariant &data)
{
    const QSignalBlocker quiet(combo);
    combo->setCurrentIndex(combo->findData(data));
}

} // namespace

SettingsForm::SettingsForm(QWidget *parent)
    : QWidget(parent), m_method(makeCombo(QStringLiteral("method"), tr("Method"), tr("What the other views show"))),
      m_clusters(makeCombo(QStringLiteral("clusters"), tr("Clusters"), tr("Clusters of entries that serve as states of the automaton; none: pointers only"))),
      m_distances(makeCombo(QStringLiteral("distances"), tr("Distances"), tr("Recomputed from the stored keys, or as the index returned them"))),
      m_semantics(makeCombo(QStringLiteral("semantics"), tr("Semantics"), tr("The rules as published, or the released code with its slips, for comparison")))
{
    for (const Method method : {Method::Base, Method::KnnLm, Method::Retomaton, Method::Adaptive})
        m_method->addItem(QString::fromUtf8(displayName(method)), int(method));
    m_distances->addItem(tr("exact"), int(DistanceSource::Exact));
    m_distances->addItem(tr("of the index"), int(DistanceSource::Index));
    m_semantics->addItem(tr("corrected"), int(Semantics::Corrected));
    m_semantics->addItem(tr("reference"), int(Semantics::Reference));

    auto *layout = new QGridLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setHorizontalSpacing(fontMetrics().averageCharWidth());
    layout->setColumnStretch(1, 1);
    layout->setColumnStretch(3, 1);
    const auto addPair = [&](int row, int column, const QString &text, QComboBox *combo) {
        layout->addWidget(makeLabel(text, combo), row, column);
        layout->addWidget(combo, row, column + 1);
    };
    addPair(0, 0, tr("&method"), m_method);
    addPair(0, 2, tr("&clusters"), m_clusters);
    int row = 1;
    for (const Parameter &parameter : sweepParameters(defaultLargestK)) {
        auto *slider = new ParameterSlider(parameter);
        m_sliders.push_back(slider);
        layout->addWidget(makeLabel(parameter.symbol, slider), row, 0);
        layout->addWidget(slider, row++, 1, 1, 3);
        connect(slider, &ParameterSlider::edited, this, [this, slider](double value) {
            change([&](EvaluationSettings &settings) { slider->parameter().set(settings, value); });
        });
    }
    addPair(row, 0, tr("&distances"), m_distances);
    addPair(row, 2, tr("s&emantics"), m_semantics);

    connect(m_method, &QComboBox::activated, this, [this] {
        change([this](EvaluationSettings &settings) { settings = withMethod(settings, Method(m_method->currentData().toInt())); });
    });
    connect(m_distances, &QComboBox::activated, this, [this] {
        change([this](EvaluationSettings &settings) {
            settings.distances = DistanceSource(m_distances->currentData().toInt());
            settings.referenceSimilarity = ReferenceSimilarity::L2; // the other one needs exact distances under reference semantics
        });
    });
    connect(m_semantics, &QComboBox::activated, this, [this] {
        // The other semantics bring their own rules for duplicates, ties and document ends.
        const bool reference = Semantics(m_semantics->currentData().toInt()) == Semantics::Reference;
        change([&](EvaluationSettings &settings) {
            settings.referenceSimilarity = ReferenceSimilarity::L2;
            settings = SweepGrid{{{"semantics", {reference ? "reference" : "corrected"}}}}.at(0, settings);
        });
    });
    connect(m_clusters, &QComboBox::activated, this, &SettingsForm::takeClusters);
    setClusters({}, QStringLiteral("none"));
    setSettings({});
}

void SettingsForm::setSettings(const EvaluationSettings &settings)
{
    m_settings = settings;
    for (ParameterSlider *slider : m_sliders)
        slider->setValue(slider->parameter().get(settings));
    choose(m_method, int(settings.method));
    choose(m_distances, int(settings.distances));
    choose(m_semantics, int(settings.automaton.semantics));
    showClusters();
}

void SettingsForm::setLargestK(std::int32_t kMax)
{
    const auto parameters = sweepParameters(kMax);
    for (std::size_t i = 0; i < m_sliders.size(); ++i) {
        m_sliders[i]->setParameter(parameters[i]);
        m_sliders[i]->setValue(m_sliders[i]->parameter().get(m_settings));
    }
}

void SettingsForm::setClusters(const QStringList &names, const QString &current)
{
    const QSignalBlocker quiet(m_clusters);
    m_openClusters = current;
    m_clusters->clear();
    m_clusters->addItem(tr("none"), QStringLiteral("none"));
    for (const QString &name : names)
        m_clusters->addItem(name, name);
    if (m_clusters->findData(current) < 0)
        m_clusters->addItem(current, current);
    showClusters();
}

void SettingsForm::setIndexDistances(bool available)
{
    auto *items = qobject_cast<QStandardItemModel *>(m_distances->model());
    items->item(m_distances->findData(int(DistanceSource::Index)))->setEnabled(available);
    m_distances->setItemData(1, available ? QString() : tr("The index is exact: its distances are those of the keys"), Qt::ToolTipRole);
}

void SettingsForm::showClusters()
{
    choose(m_clusters, m_settings.useClusters ? m_openClusters : QStringLiteral("none"));
}

void SettingsForm::takeClusters()
{
    const QString name = m_clusters->currentData().toString();
    const bool wanted = name != QLatin1String("none");
    if (wanted && name != m_openClusters) {
        Q_EMIT clustersChosen(name);
        return;
    }
    change([&](EvaluationSettings &settings) { settings.useClusters = wanted; });
}

template<typename Edit>
void SettingsForm::change(Edit edit)
{
    edit(m_settings);
    Q_EMIT edited(m_settings);
}

} // namespace retoscope
