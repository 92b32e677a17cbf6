// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "explore/distributions_model.h"
#include "explore/explore_view.h"

#include <QStyledItemDelegate>

class QLabel;
class QToolButton;
class QTreeView;

namespace retoscope {

/// Three bars a row: LM, kNN, mixture; linear, or logarithmic down to one in a million.
class BarsDelegate : public QStyledItemDelegate
{
    Q_OBJECT

public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void setLogarithmic(bool logarithmic) { m_logarithmic = logarithmic; }
    void paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const override;
    QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;

    /// Share of the full length.
    static double length(double probability, bool logarithmic);

private:
    bool m_logarithmic = false;
};

/// What the model, the neighbours and their mixture expected at the focused token.
class DistributionsView : public ExploreView
{
    Q_OBJECT

public:
    explicit DistributionsView(Session &session, QWidget *parent = nullptr);

    [[nodiscard]] QStringList exportSuffixes() const override;
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

protected:
    void showTrace(const std::shared_ptr<const TraceSession> &trace) override;
    void showEvent(QShowEvent *event) override;
    void hideEvent(QHideEvent *event) override;
    void changeEvent(QEvent *event) override;

private:
    void showInspection();
    [[nodiscard]] QString summaryOf(const Inspection &inspection) const;

    Inspector &m_inspector;
    DistributionsModel m_model;
    BarsDelegate *m_bars;
    QLabel *m_summary;
    QToolButton *m_logarithmic, *m_toTarget;
    QTreeView *m_table;
};

} // namespace retoscope
