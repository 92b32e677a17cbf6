// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QStringList>
#include <QWidget>

#include "trace/evaluation_settings.h"

#include <vector>

class QComboBox;

namespace retoscope {

class ParameterSlider;

/// EvaluationSettings by hand: the method, five sliders with spin boxes, clusters, distances and semantics. What it does not
/// show (seeds, tie orders, skipping) stays as it was set.
class SettingsForm : public QWidget
{
    Q_OBJECT

public:
    explicit SettingsForm(QWidget *parent = nullptr);

    [[nodiscard]] const EvaluationSettings &settings() const { return m_settings; }
    void setSettings(const EvaluationSettings &settings); ///< without a signal
    void setLargestK(std::int32_t kMax);
    /// The clusters that there are for the datastore, and the ones in use ("none": no states).
    void setClusters(const QStringList &names, const QString &current);
    /// Approximate distances exist: off for an index that is exact.
    void setIndexDistances(bool available);

Q_SIGNALS:
    void edited(const retoscope::EvaluationSettings &settings);
    /// Other clusters than those in use were chosen; "none" arrives as edited().
    void clustersChosen(const QString &name);

private:
    template<typename Edit>
    void change(Edit edit);
    void takeClusters();
    void showClusters();

    EvaluationSettings m_settings;
    QString m_openClusters = QStringLiteral("none");
    QComboBox *m_method, *m_clusters, *m_distances, *m_semantics;
    std::vector<ParameterSlider *> m_sliders;
};

} // namespace retoscope
