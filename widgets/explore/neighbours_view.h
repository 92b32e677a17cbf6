// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "explore/explore_view.h"
#include "explore/neighbours_model.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QModelIndex;
class QToolButton;
class QTreeView;

namespace retoscope {

class CorpusReader;

/// The neighbours of the focused token, aligned on the retrieved word.
class NeighboursView : public ExploreView
{
    Q_OBJECT

public:
    explicit NeighboursView(Session &session, QWidget *parent = nullptr);
    ~NeighboursView() override;

    [[nodiscard]] QStringList exportSuffixes() const override;
    /// Tables hold every neighbour with its context, in the order shown, without the groups.
    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

protected:
    void showTrace(const std::shared_ptr<const TraceSession> &trace) override;
    void showEvent(QShowEvent *event) override;
    void hideEvent(QHideEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    QWidget *buildControls();
    void buildTable();
    void buildActions();
    void fitColumns();
    void showInspection();
    [[nodiscard]] QString captionOf(const Inspection &inspection) const;
    [[nodiscard]] QString changeOf(const Inspection &inspection) const;
    void openPlace(std::int64_t pointers);
    void toggleSelected();

    Inspector &m_inspector;
    NeighboursModel m_model;
    QLabel *m_caption, *m_change, *m_none;
    QToolButton *m_allOn;
    QComboBox *m_grouping;
    QLineEdit *m_filter;
    QTreeView *m_table;
    CorpusReader *m_reader = nullptr;
};

} // namespace retoscope
