// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "automaton/entry_list_model.h"
#include "map/map_scene.h"
#include "shell/latest_only.h"
#include "shell/view.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QSpinBox;
class QTableView;
class QToolButton;

namespace retoscope {

class MapCanvas;

/// The datastore's keys on their two principal axes, coloured by value or state, with the neighbours of the primary token. Says
/// that projected distance is not distance, and how much of the variance the axes hold.
class MapView : public View
{
    Q_OBJECT

public:
    explicit MapView(Session &session, QWidget *parent = nullptr);
    ~MapView() override;

    void exportTo(const QString &file, const QSize &size) override;
    [[nodiscard]] bool isSettled() const override;

    [[nodiscard]] MapCanvas &canvas() { return *m_canvas; }
    [[nodiscard]] EntryListModel &entries() { return *m_entries; }

protected:
    void showEvent(QShowEvent *event) override;
    void changeEvent(QEvent *event) override;

private:
    struct Shown ///< what the scene was made for
    {
        std::shared_ptr<const TraceSession> trace;
        ProjectionConfig config;
        MapColouring colouring = MapColouring::Value;
        friend bool operator==(const Shown &, const Shown &) = default;
    };

    [[nodiscard]] QWidget *buildControls();
    [[nodiscard]] QWidget *buildList();
    void refresh();
    void refreshNeighbours();
    void showScene(std::shared_ptr<const MapScene> scene);
    void showLegend();
    void showStatement();
    void isolateText();
    void isolateCategory(std::size_t category);
    void isolate(std::vector<std::int32_t> points, const QString &what);
    void showAll();
    void list(std::vector<std::int32_t> entries, const QString &title);

    MapCanvas *m_canvas;
    EntryListModel *m_entries;
    QWidget *m_controls = nullptr, *m_listPanel = nullptr;
    QComboBox *m_colouring = nullptr;
    QSpinBox *m_sample = nullptr;
    QLineEdit *m_isolate = nullptr;
    QToolButton *m_lasso = nullptr, *m_all = nullptr, *m_only = nullptr;
    QLabel *m_legend = nullptr, *m_statement = nullptr, *m_hovered = nullptr, *m_listTitle = nullptr;
    QTableView *m_listTable = nullptr;
    std::shared_ptr<const MapScene> m_scene;
    std::shared_ptr<const MapNeighbours> m_neighbours;
    Shown m_asked;
    std::vector<std::int32_t> m_selected; ///< indices in the scene, of the last lasso
    QString m_isolated;                   ///< what is isolated, in words
    bool m_everShown = false;
    LatestOnly<std::shared_ptr<const MapScene>> m_question;
    LatestOnly<std::shared_ptr<const MapNeighbours>> m_neighbourQuestion;
    LatestOnly<EntryLine> m_hoverQuestion;
    LatestOnly<std::vector<EntryLine>> m_listing;
};

} // namespace retoscope
